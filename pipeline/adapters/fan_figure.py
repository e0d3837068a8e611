"""Fans as pictures, by matplotlib: equal fans give equal bytes, readable on light and dark ground.

Each session has the 95 % interval that was issued for it as a bar behind its close; a close
outside is a triangle that points where it went. The forecasts to come are bands, named at their
ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from io import BytesIO
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from pipeline.columns import Columns
from pipeline.encoding import to_line

# The page's colours on its light ground; a picture has its own ground, whatever lies around it.
INK, FAINT, GRID, GROUND = "#1b1f24", "#5a6470", "#eceef1", "#ffffff"
HELD, MISSED, ORANGE, BLUE = "#cfe1f3", "#f6d3bd", "#b4410a", "#0b62b0"
BANDS = {95: "#dfeaf6", 80: "#b9d3ed", 50: "#86b3de"}
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "forecaster",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
}
SIZE = 9.0  # of text, in points
CHARACTERS = 13  # of it in an inch
DATES = 6  # named along the axis
KINDS: Mapping[str, Mapping[str, Any]] = {
    "svg": {"format": "svg", "metadata": {"Date": None, "Creator": None}},
    "png": {"format": "png", "dpi": 160, "metadata": {"Software": None}},
}


def draw_fan(past: Columns, fan: Columns, axes: Axes | None = None, *, title: str = "") -> Axes:
    """Draw one ticker's last sessions and the fan of the next ones; return the axes.

    Parameters
    ----------
    past : `session` datetime64[D], `close`, `lower_95`, `upper_95`, float64 (n,), oldest first; NaN
        limits where nothing was forecast of a session
    fan : `target_date` datetime64[D], `prediction`, `lower_50` to `upper_95`, float64
        (n_horizons,), by horizon, as the forecasts table has them; no row for no fan
    axes : where to draw; None for those of a new figure
    """
    if axes is None:
        axes = Figure(figsize=(9, 5), layout="constrained", facecolor=GROUND).add_subplot()
    days = np.concatenate([past["session"], fan["target_date"]])
    _draw_past(axes, past)
    _draw_bands(axes, past, fan)
    _dress(axes, days, title)
    if len(fan["target_date"]):
        _name_bands(axes, fan, len(days) - 1)
    return axes


def draw_fans(fans: Mapping[str, tuple[Columns, Columns]], note: str) -> Figure:
    """Return a figure of fans, title -> past and fan as `draw_fan` takes them, up to two abreast.

    `note` is what is to know of all of them, in a line above.
    """
    columns = 1 if len(fans) == 1 else 2
    rows = -(-len(fans) // columns)
    size = (9.0, 5.2) if columns == 1 else (14.0, 4.4 * rows)
    with _style():
        layout = ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.1)
        figure = Figure(figsize=size, layout=layout, facecolor=GROUND)
        lines = fill(to_line(note), int(size[0] * CHARACTERS), max_lines=3, placeholder=" ...")
        figure.suptitle(lines, x=0.012, ha="left", fontsize=SIZE, color=FAINT, parse_math=False)
        for at, (title, (past, fan)) in enumerate(fans.items(), start=1):
            draw_fan(past, fan, figure.add_subplot(rows, columns, at), title=title)
        figure.legend(
            handles=list(_list_handles()),
            loc="outside lower left",
            ncols=6,
            columnspacing=1.4,
            handletextpad=0.5,
            frameon=False,
            fontsize=SIZE,
            labelcolor=FAINT,
        )
    return figure


def encode_figure(figure: Figure, kind: str) -> bytes:
    """Return a figure as `svg` or `png`, with neither date nor random names in it."""
    out = BytesIO()
    with _style():
        figure.savefig(out, facecolor=GROUND, **KINDS[kind])
    return out.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    """Draw the same whatever the user's configuration says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def _draw_past(axes: Axes, past: Columns) -> None:
    at, close = np.arange(len(past["close"])), past["close"]
    known = np.isfinite(past["lower_95"])
    above, below = (known & (close > past["upper_95"]), known & (close < past["lower_95"]))
    missed = above | below
    for rows, colour in ((known & ~missed, HELD), (missed, MISSED)):
        low, high = past["lower_95"][rows], past["upper_95"][rows]
        bars = axes.bar(at[rows], high - low, 0.62, low, color=colour, linewidth=0)
        for bar in bars:
            bar.sticky_edges.y.clear()  # prices have no floor at the lowest of them
    axes.plot(at, close, color=INK, linewidth=1.3)
    marks: tuple[tuple[NDArray[np.bool_], str, str, float], ...] = (
        (known & ~missed, "o", INK, 2.6), (above, "^", ORANGE, 7.0), (below, "v", ORANGE, 7.0),
    )  # fmt: skip
    for rows, marker, colour, size in marks:
        axes.plot(at[rows], close[rows], marker, color=colour, markersize=size, linestyle="none")


def _draw_bands(axes: Axes, past: Columns, fan: Columns) -> None:
    """Draw the bands from the last close on, and the median through them."""
    n, horizons = len(past["close"]), len(fan["target_date"])
    if not n or not horizons:
        return
    at, last = np.arange(n - 1, n + horizons), past["close"][-1:]
    for coverage, colour in BANDS.items():
        low, high = (
            np.concatenate([last, fan[f"{side}_{coverage}"]]) for side in ("lower", "upper")
        )
        axes.fill_between(at, low, high, color=colour, linewidth=0)
    median = np.concatenate([last, fan["prediction"]])
    axes.plot(at, median, color=BLUE, linewidth=1.3, linestyle=(0, (3, 2)))
    axes.axvline(n - 1, color=FAINT, linewidth=0.8, linestyle=(0, (2, 3)))


def _dress(axes: Axes, days: NDArray[np.datetime64], title: str) -> None:
    """Name days and prices, and leave room at the right for the bands' names."""
    axes.set_facecolor(GROUND)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.tick_params(labelsize=SIZE, labelcolor=FAINT, color=GRID, length=3)
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#d8dce2")
    every = max(-(-len(days) // DATES), 1)
    at = np.arange(len(days))[::every]
    axes.set_xticks(at, [_name_day(day) for day in days[at].tolist()])
    axes.set_xlim(-1, len(days) * 1.06 + 1)
    if title:
        name = axes.set_title(to_line(title), loc="left", pad=8, parse_math=False)
        name.set(fontsize=SIZE + 1.5, fontweight="bold", color=INK)


def _name_day(day: date) -> str:
    return f"{day.day} {day:%b}"


def _name_bands(axes: Axes, fan: Columns, last: int) -> None:
    """Write the bands' names at their upper ends, from the lowest up, never over each other."""
    low, high = axes.get_ylim()
    figure = axes.get_figure(root=True)
    inches = axes.get_position().height * (figure.get_figheight() if figure else 5.0)
    apart = (high - low) / (72 * inches) * SIZE * 1.4
    floor = -np.inf
    for coverage in sorted(BANDS):
        height = max(float(fan[f"upper_{coverage}"][-1]), floor + apart)
        axes.annotate(
            f"{coverage} %", (last, height), (5, 0), textcoords="offset points",
            va="center", fontsize=SIZE, color=FAINT,
        )  # fmt: skip
        floor = height


def _list_handles() -> Iterator[Any]:
    """Yield what the legend shows."""
    yield Line2D([], [], color=INK, marker="o", markersize=2.6, linewidth=1.3, label="close")
    yield Patch(color=HELD, label="95 % interval of the day, held")
    yield Patch(color=MISSED, label="missed")
    yield Line2D([], [], color=ORANGE, marker="^", linestyle="none", label="closed above")
    yield Line2D([], [], color=ORANGE, marker="v", linestyle="none", label="closed below")
    yield Line2D([], [], color=BLUE, linestyle=(0, (3, 2)), label="median")
