"""Fans in a terminal: a column a session, its 95 % interval behind its close, then the bands.

Drawn here and not by plotext, which writes colours into pipes too, paints its own white ground
and loads native code for a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.bars import Floats
from pipeline.columns import Columns
from pipeline.grid import format_price
from pipeline.record.manifest import Mode
from pipeline.views.fan import Fan
from pipeline.views.page.words import MODES

HEIGHT = 18  # lines of prices
AHEAD = 3  # columns a session to come
LEAST = 12  # columns to draw on; fewer show nothing
CLOSE, ABOVE, BELOW, INTERVAL, MEDIAN = "●", "▲", "▼", "│", "-"
BANDS = ((95, "░"), (80, "▒"), (50, "▓"))
STYLES = {
    CLOSE: "bold", ABOVE: "bold yellow", BELOW: "bold yellow", INTERVAL: "blue", MEDIAN: "bold",
    **{shade: "blue" for _, shade in BANDS},
}  # fmt: skip
LEGEND = (
    f"{CLOSE} close  {ABOVE}{BELOW} outside its 95 % interval {INTERVAL}",
    f"to come: ▓ 50 %  ▒ 80 %  ░ 95 %  {MEDIAN} median",
)


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells of one character, the highest line first; prices go onto lines from `low` to `high`."""

    low: float
    high: float
    width: int
    cells: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin empty."""
        self.cells.extend([" "] * self.width for _ in range(HEIGHT))

    def line_of(self, price: float) -> int:
        """Return the line that a price lies on, 0 the highest."""
        share = (self.high - price) / (self.high - self.low or 1.0)
        return min(max(round(share * (HEIGHT - 1)), 0), HEIGHT - 1)

    def fill(self, column: int, low: float, high: float, shade: str) -> None:
        for line in range(self.line_of(high), self.line_of(low) + 1):
            self.cells[line][column] = shade

    def mark(self, column: int, price: float, sign: str) -> None:
        self.cells[self.line_of(price)][column] = sign


def describe_fans(fans: Sequence[Fan]) -> str:
    """Return where fans come from, how they were issued, and whether the model had learnt them."""
    modes = {mode for fan in fans for mode in (fan.made, *fan.past_modes)}
    said = [MODES[mode] for mode in Mode if mode in modes]
    learnt = sum(fan.in_sample for fan in fans)
    notes = [f"in sample: the model had learnt {learnt} of these closes"] if learnt else []
    return "; ".join([*dict.fromkeys(fan.source for fan in fans), *said, *notes])


def draw_fan(fan: Fan, width: int) -> list[str]:
    """Return the lines of a fan, none wider than `width`, for which the oldest sessions go.

    Only a message where fewer than a dozen columns are left for it.
    """
    labels = len(format_price(float(np.nanmax(fan.ahead["upper_95"])))) + 1
    horizons = len(fan.ahead["target_date"])
    room = width - labels - AHEAD * horizons
    if room < LEAST:
        return [f"{fan.ticker}: too narrow to draw on"]
    past = {name: column[-room:] for name, column in fan.past.items()}
    n = len(past["close"])
    grid = Grid(*_find_limits(past, fan.ahead), n + AHEAD * horizons)
    _draw_past(grid, past)
    _draw_bands(grid, past["close"][-1], fan.ahead, n)
    return [*_with_prices(grid, labels), " " * labels + _name_days(past, fan.ahead, grid.width)]


def _find_limits(past: Columns, ahead: Columns) -> tuple[float, float]:
    names = ("close", "lower_95", "upper_95")
    values: Floats = np.concatenate(
        [*(past[name] for name in names), *(ahead[name] for name in names[1:])]
    )
    return float(np.nanmin(values)), float(np.nanmax(values))


def _draw_past(grid: Grid, past: Columns) -> None:
    names = ("close", "lower_95", "upper_95")
    rows = zip(*(past[name].tolist() for name in names), strict=True)
    for column, (close, low, high) in enumerate(rows):
        if low == low:  # noqa: PLR0124 - NaN where no forecast is on the record
            grid.fill(column, low, high, INTERVAL)
        sign = ABOVE if close > high else BELOW if close < low else CLOSE
        grid.mark(column, close, sign)


def _draw_bands(grid: Grid, close: float, ahead: Columns, start: int) -> None:
    """Draw the bands from the last close on, straight from session to session."""
    at = np.arange(1, AHEAD * len(ahead["prediction"]) + 1) / AHEAD
    known = np.arange(len(ahead["prediction"]) + 1)

    def spread(name: str) -> Floats:
        prices: Floats = np.interp(at, known, np.concatenate([[close], ahead[name]]))
        return prices

    for coverage, shade in BANDS:
        limits = zip(spread(f"lower_{coverage}"), spread(f"upper_{coverage}"), strict=True)
        for column, (low, high) in enumerate(limits, start=start):
            grid.fill(column, float(low), float(high), shade)
    for column, price in enumerate(spread("prediction"), start=start):
        grid.mark(column, float(price), MEDIAN)


def _with_prices(grid: Grid, labels: int) -> Iterator[str]:
    """Yield the lines, each fourth with its price in front."""
    for line, cells in enumerate(grid.cells):
        price = grid.high - (grid.high - grid.low) * line / (HEIGHT - 1)
        text = format_price(price) if line % 4 == 0 or line == HEIGHT - 1 else ""
        yield f"{text:>{labels - 1}} {''.join(cells)}".rstrip()


def _name_days(past: Columns, ahead: Columns, width: int) -> str:
    """Return the first session, the last and the last target, as far as they fit."""
    days = [str(past["session"][at]) for at in (0, -1)] + [str(ahead["target_date"][-1])]
    first, last, target = days
    n, apart = len(past["session"]), 2
    line = f"{last:>{n}}" if n >= len(last) else " " * n
    if n >= len(first) + apart + len(last):
        line = first + line[len(first) :]
    room = width - len(line)
    return (line + f"{target:>{room}}" if room >= len(target) + apart else line).rstrip()


def list_legend(width: int) -> Sequence[str]:
    """Return what the signs mean, in a line where it fits."""
    line = "   ".join(LEGEND)
    return [line] if len(line) <= width else LEGEND
