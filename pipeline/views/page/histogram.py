"""Histogram: what equal weights gain in the scenarios as an SVG, the losses beyond VaR marked."""

from __future__ import annotations

import numpy as np

from pipeline.bars import Floats

WIDTH, HEIGHT = 480, 200
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 22, 24
BINS = 41  # odd, so that no gain is in the middle of one
TICKS = 5


def draw_histogram(percent: Floats, var: float) -> str:
    """Return the SVG of gains in percent, float64 (n,); a bar is beyond VaR if its middle is."""
    most = max(float(np.abs(percent).max()), 1e-9)
    counts, edges = np.histogram(percent, BINS, (-most, most))
    tallest = max(int(counts.max()), 1)

    def across(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value + most) / (2 * most)

    step = (WIDTH - LEFT - RIGHT) / BINS
    bars = []
    for count, edge in zip(counts.tolist(), edges.tolist(), strict=False):
        if count:
            height = (HEIGHT - TOP - BOTTOM) * count / tallest
            kind = "beyond" if edge + most / BINS < -var else "within"
            bars.append(
                f'<rect class="{kind}" x="{across(edge) + 0.5:.1f}" width="{step - 1:.1f}" '
                f'y="{HEIGHT - BOTTOM - height:.1f}" height="{height:.1f}"/>'
            )
    title = f"Gains of equal weights, {-most:.1f} to {most:.1f} %; 5 % lose more than {var:.2f} %"
    return (
        f'<svg class="histogram" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{title}</title>'
        + "".join(bars)
        + _draw_var(across(-var), var)
        + "".join(_draw_tick(across(at), at) for at in np.linspace(-most, most, TICKS).tolist())
        + "</svg>"
    )


def _draw_var(x: float, var: float) -> str:
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text x="{max(x, 90):.1f}" y="14" text-anchor="middle">VaR 95 %: {var:.2f} %</text>'
    )


def _draw_tick(x: float, percent: float) -> str:
    anchor = "start" if x < LEFT + 1 else "end" if x > WIDTH - RIGHT - 1 else "middle"
    text = f"{percent:+.1f} %".replace("-", "\N{MINUS SIGN}") if abs(percent) >= 0.05 else "0 %"
    return f'<text x="{x:.1f}" y="{HEIGHT - 7}" text-anchor="{anchor}">{text}</text>'
