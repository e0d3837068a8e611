"""scenarios.bin: what questions are answered from, as few bytes as it takes.

A line of JSON, then little-endian numbers: of each symbol with bars its days (int64, since 1970),
open, high, low, close and volume (float64), then the log returns (float32) by ticker, horizon and
scenario. Who serves it needs numpy and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.bars import PRICES, VIX, RawBars
from pipeline.encoding import from_json
from pipeline.errors import StoreError
from pipeline.record.keys import SCENARIOS
from pipeline.scenarios.scenario_cube import ScenarioCube

SCHEMA_VERSION = 1
BAR_COLUMNS = ("open", "high", "low", "close", "volume")
EXPECTED = "the scenarios of a session"
LARGEST_RETURN = 10.0  # NaN is none either
_WIDTH = 8  # bytes of a number, by which the first of them begins


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is known of the numbers: whose they are, and how many."""

    schema_version: int
    session: date
    source: str
    model_version: str
    target_dates: tuple[date, ...]
    tickers: tuple[str, ...]
    last_close: tuple[float, ...]
    scenarios: int
    bars: Mapping[str, int]
    absent: Mapping[str, str]
    independent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioView:
    """What a session's questions are answered from.

    Attributes
    ----------
    cube : of the tickers that have scenarios; its origin is the session
    model_version : of the newest part
    bars : symbol -> the bars that one window needs, the VIX among them; of few tickers alone
    absent : ticker -> status of those without scenarios; `ok` where it is forecast all the same
    independent : tickers of the cube that are drawn independently of the others
    """

    cube: ScenarioCube
    source: str
    model_version: str
    bars: Mapping[str, RawBars] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    independent: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Return the view's bytes; equal views give equal bytes."""
        cube = self.cube
        head = _Head(
            SCHEMA_VERSION,
            cube.origin_date,
            self.source,
            self.model_version,
            cube.target_dates,
            cube.tickers,
            tuple(cube.last_close.tolist()),
            len(cube.log_return),
            {symbol: len(self.bars[symbol]) for symbol in sorted(self.bars)},
            dict(sorted(self.absent.items())),
            self.independent,
        )
        line = msgspec.json.encode(head)
        line += b" " * (-(len(line) + 1) % _WIDTH) + b"\n"
        of_bars = [part for symbol in head.bars for part in _list_columns(self.bars[symbol])]
        returns = np.ascontiguousarray(cube.log_return.transpose(1, 2, 0), "<f4")
        return line + b"".join([*of_bars, returns.tobytes()])


def parse_scenarios(data: bytes) -> ScenarioView:
    """Return the view in its bytes; raises StoreError where it is damaged."""
    line, _, body = data.partition(b"\n")
    head = from_json(line, _Head, SCENARIOS, EXPECTED)
    shape = len(head.tickers), len(head.target_dates), head.scenarios
    size = sum(head.bars.values()) * _WIDTH * (1 + len(BAR_COLUMNS)) + 4 * int(np.prod(shape))
    if head.schema_version != SCHEMA_VERSION or min(head.scenarios, *head.bars.values(), 0) < 0:
        raise _refuse(f"version {SCHEMA_VERSION} and no negative number", "others")
    if len(body) != size:
        raise _refuse(f"{size} bytes after the first line", f"{len(body)}")
    bars, rest = {}, memoryview(body)
    for symbol, n in head.bars.items():
        bars[symbol], rest = _read_bars(symbol, n, rest)
    returns = np.frombuffer(rest, "<f4").reshape(shape).transpose(2, 0, 1)
    cube = ScenarioCube(
        head.tickers, head.session, head.target_dates, np.array(head.last_close), returns
    )
    _check(cube, bars, head.independent)
    return ScenarioView(cube, head.source, head.model_version, bars, head.absent, head.independent)


def _list_columns(bars: RawBars) -> Iterator[bytes]:
    yield bars.session.astype("datetime64[D]").astype("<i8").tobytes()
    for name in BAR_COLUMNS:
        yield getattr(bars, name).astype("<f8").tobytes()


def _read_bars(symbol: str, n: int, rest: memoryview) -> tuple[RawBars, memoryview]:
    """Return n bars, and what lies behind them."""
    size = n * _WIDTH
    days = np.frombuffer(rest[:size], "<i8").astype("datetime64[D]")
    columns: dict[str, NDArray[np.float64]] = {}
    for at, name in enumerate(BAR_COLUMNS, start=1):
        columns[name] = np.frombuffer(rest[at * size : (at + 1) * size], "<f8")
    none = np.zeros(n)
    bars = RawBars(symbol, days, **columns, dividend=none, split=none)
    return bars, rest[(1 + len(BAR_COLUMNS)) * size :]


def _check(cube: ScenarioCube, bars: Mapping[str, RawBars], independent: Collection[str]) -> None:
    """Raise StoreError for what no run can have written."""
    tickers, dates = cube.tickers, (cube.origin_date, *cube.target_dates)
    ascending = list(tickers) == sorted(set(tickers)) and list(dates) == sorted(set(dates))
    priced = len(cube.last_close) == len(tickers) and bool(
        (np.isfinite(cube.last_close) & (cube.last_close > 0)).all()
    )
    sessions = all(_are_possible(each) for each in bars.values())
    drawn = not tickers or (len(cube.log_return) > 0 and len(cube.target_dates) > 0)
    if not (
        ascending
        and priced
        and sessions
        and drawn
        and set(independent) <= set(tickers)
        and (np.abs(cube.log_return) <= LARGEST_RETURN).all()
    ):
        raise _refuse("tickers, days and numbers of scenarios", "others")


def _are_possible(bars: RawBars) -> bool:
    """Whether sessions ascend and prices are such; of the VIX only the close is read."""
    prices = [bars.close] if bars.ticker == VIX else [getattr(bars, name) for name in PRICES]
    ascending = bool((np.diff(bars.session.astype(np.int64)) > 0).all())
    return ascending and all(bool((np.isfinite(p) & (p > 0)).all()) for p in prices)


def _refuse(expected: str, received: str) -> StoreError:
    return StoreError(f"{SCENARIOS}: expected {expected}, got {received}")
