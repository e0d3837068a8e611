"""Fan: one ticker's forecast as an SVG, the wider intervals the paler."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pipeline.forecasting.levels import INTERVALS
from pipeline.grid import format_price
from pipeline.views.documents import HorizonForecast

WIDTH, HEIGHT = 320, 170
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 10, 24
OPACITY = 0.2  # of each interval; they lie on one another

Points = Sequence[tuple[float, float]]


def draw_fan(
    ticker: str,
    last_close: float,
    horizons: Sequence[HorizonForecast],
    currency: str | None = None,
) -> str:
    """Return the SVG of a ticker's prediction intervals from its last close on."""
    widest = [price for forecast in horizons for price in forecast.intervals[str(max(INTERVALS))]]
    low, high = min([last_close, *widest]), max([last_close, *widest])
    steps = [0, *(forecast.horizon for forecast in horizons)]

    def place(step: float, price: float) -> tuple[float, float]:
        across = (WIDTH - LEFT - RIGHT) * step / steps[-1]
        up = (HEIGHT - TOP - BOTTOM) * (price - low) / (high - low or 1.0)
        return LEFT + across, HEIGHT - BOTTOM - up

    bands = []
    for coverage in sorted(INTERVALS, reverse=True):
        limits = [(last_close, last_close), *(h.intervals[str(coverage)] for h in horizons)]
        lower, upper = zip(*limits, strict=True)
        outline = [*map(place, steps, upper), *reversed([*map(place, steps, lower)])]
        bands.append(f'<polygon points="{_join_points(outline)}" opacity="{OPACITY}"/>')
    medians = [last_close, *(forecast.prediction for forecast in horizons)]
    title = f"{ticker}: prediction intervals of 50, 80, 90, 95 and 98 % for {steps[-1]} sessions"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(title)}</title>'
        f"<g>{''.join(bands)}</g>"
        f'<polyline points="{_join_points([*map(place, steps, medians)])}"/>'
        + "".join(
            _draw_price(format_price(price, currency), place(0, price)[1])
            for price in (low, last_close, high)
        )
        + "".join(_draw_day(str(h.target_date), place(h.horizon, low)[0]) for h in horizons)
        + "</svg>"
    )


def _join_points(points: Points) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _draw_price(price: str, y: float) -> str:
    return f'<text x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{price}</text>'


def _draw_day(target_date: str, x: float) -> str:
    return f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="end">{target_date[5:]}</text>'
