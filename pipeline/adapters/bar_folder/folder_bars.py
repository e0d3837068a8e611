"""Daily bars from a folder: one CSV as Yahoo exports it, or one Parquet file, for each ticker.

Close is expected split-adjusted and not dividend-adjusted. An index has no volume: a missing
Volume column is read as zeros. An empty price or volume is a hole, NaN; an empty dividend or split
is none.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from pipeline.adapters.bar_folder.columns import Table
from pipeline.adapters.bar_folder.csv_file import read_csv
from pipeline.adapters.bar_folder.label import read_label
from pipeline.adapters.bar_folder.parquet_file import read_parquet
from pipeline.bars import PRICES, RawBars
from pipeline.errors import ConfigError, DataError, Reason, SourceUnavailable, StaleBars
from pipeline.ports import Reading

LARGEST = 32 * 2**20  # bytes of a file, as stored and as read; a century of days has 2 million
SUFFIXES = (".csv", ".parquet")
MOST_HINTS = 20  # tickers of a reading for which near names are looked for

Names = Mapping[str, Sequence[str]]  # a folder's names of files of bars, by their lower case


class FolderBars:
    """A folder with one `TICKER.csv` or `TICKER.parquet` each; fulfils `pipeline.ports.BarSource`.

    Upper and lower case are the same, as they are on many disks. An index like ^VIX may lie under
    its name without the caret. Two files for one ticker are none: nothing says which is meant.
    `label` is the text of `origin.txt`, or `folder`.

    Raises
    ------
    ConfigError
        When the folder does not exist or cannot be listed, or its origin.txt is no label.
    """

    def __init__(self, folder: Path) -> None:
        try:
            next(folder.iterdir(), None)
            self.label = read_label(folder)
        except OSError as exc:
            raise ConfigError(f"expected a folder of bars at {folder}, got: {exc}") from exc
        self._folder = folder

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        """Return each ticker's bars from `first` to `last`, or why its file gives none."""
        bars: dict[str, RawBars] = {}
        failures: dict[str, DataError] = {}
        try:
            names = _list_names(self._folder)
        except OSError as exc:
            why = f"expected a folder of bars at {self._folder}, got: {exc}"
            return Reading({}, {ticker: SourceUnavailable(why) for ticker in tickers})
        for ticker in tickers:
            try:
                path = self._find_file(ticker, names, hint=len(failures) < MOST_HINTS)
                bars[ticker] = _select_span(_read_file(ticker, path), first, last)
            except DataError as exc:
                failures[ticker] = exc
        return Reading(bars, failures)

    def _find_file(self, ticker: str, names: Names, *, hint: bool) -> Path:
        wanted = list(_name_files(ticker))
        present = [
            name
            for expected in wanted
            for name in names.get(expected.lower(), ())
            if (self._folder / name).is_file()
        ]
        if len(present) > 1:
            raise SourceUnavailable(
                f"{ticker}: expected one file, got {' and '.join(present)} in {self._folder}; take "
                "away what is not meant",
                Reason.UNREADABLE,
            )
        if not present:
            near = _find_near(ticker, names) if hint else []
            raise SourceUnavailable(
                f"{ticker}: expected one of {', '.join(wanted)} in {self._folder}, got none of them"
                + (f"; near names there: {', '.join(near)}" if near else ""),
                Reason.UNKNOWN_TICKER,
            )
        return self._folder / present[0]


def _list_names(folder: Path) -> Names:
    names: dict[str, list[str]] = {}
    for name in sorted(path.name for path in folder.iterdir()):
        if name.lower().endswith(SUFFIXES):
            names.setdefault(name.lower(), []).append(name)
    return names


def _name_files(ticker: str) -> Iterator[str]:
    for stem in dict.fromkeys((ticker, ticker.removeprefix("^"))):
        for suffix in SUFFIXES:
            yield f"{stem}{suffix}"


def _find_near(ticker: str, names: Iterable[str]) -> list[str]:
    """Return tickers that files of the folder are named for, most alike first."""
    stems = {Path(name).stem.upper() for name in names}
    return difflib.get_close_matches(ticker, sorted(stems), n=3, cutoff=0.6)


def _read_file(ticker: str, path: Path) -> RawBars:
    """Return the bars of a ticker's file: the one place where a file's faults become an error."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError(f"expected at most {LARGEST} bytes, got more")
        table = read_csv(data) if path.suffix.lower() == ".csv" else read_parquet(data, LARGEST)
    except (OSError, ValueError) as exc:
        raise SourceUnavailable(f"{path.name}: {exc!s:.500}", Reason.UNREADABLE) from exc
    return _build_bars(ticker, table)


def _build_bars(ticker: str, table: Table) -> RawBars:
    session, numbers = table
    none = np.zeros(len(session))
    return RawBars(
        ticker=ticker,
        session=session,
        **{name: numbers[name.capitalize()] for name in PRICES},
        volume=numbers.get("Volume", none),
        dividend=np.nan_to_num(numbers.get("Dividends", none)),
        split=np.nan_to_num(numbers.get("Stock Splits", none)),
    )


def _select_span(bars: RawBars, first: date, last: date) -> RawBars:
    """Return the bars from `first` to `last`; raises StaleBars where all are older."""
    newest: date | None = bars.session.max().item() if len(bars) else None
    if newest is not None and newest < first:
        message = f"{bars.ticker}: expected a bar of {last}, newest is of {newest}"
        raise StaleBars(message, newest=newest)
    return bars.since(first).as_of(last)
