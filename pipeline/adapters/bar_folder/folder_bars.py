"""Daily bars from a folder: a CSV or Parquet file for each ticker, or a CSV of many.

Which layouts of files are understood stands in `dialects`; what else than the plain one was read
is in the reading, as the daily run notes it.

Close is expected split-adjusted and not dividend-adjusted. An index has no volume: a missing
Volume column is read as zeros. An empty price or volume is a hole, NaN; an empty dividend or split
is none.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from pipeline.adapters.bar_folder.bar_files import BarFiles
from pipeline.adapters.bar_folder.label import read_label
from pipeline.bars import RawBars
from pipeline.errors import ConfigError, DataError, Reason, SourceUnavailable, StaleBars
from pipeline.ports import Reading

SUFFIXES = (".csv", ".parquet")
MOST_HINTS = 20  # tickers of a reading for which near names are looked for

Names = Mapping[str, Sequence[str]]  # a folder's names of files of bars, by their lower case


class FolderBars:
    """A folder with one `TICKER.csv` or `TICKER.parquet` each; fulfils `pipeline.ports.BarSource`.

    Upper and lower case are the same, as they are on many disks. An index like ^VIX may lie under
    its name without the caret. A ticker without a file of its own may be in a CSV of many. Two
    files for one ticker are none: nothing says which is meant.
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
        dialects: dict[str, str] = {}
        try:
            names = _list_names(self._folder)
        except OSError as exc:
            why = f"expected a folder of bars at {self._folder}, got: {exc}"
            return Reading({}, {ticker: SourceUnavailable(why) for ticker in tickers})
        files = BarFiles(self._folder, [name for alike in names.values() for name in alike])
        for ticker in tickers:
            try:
                path = self._find_file(ticker, names, files, hint=len(failures) < MOST_HINTS)
                raw, dialect = files.read(ticker, path)
                bars[ticker] = _select_span(raw, first, last)
                if dialect:
                    dialects[ticker] = dialect
            except DataError as exc:
                failures[ticker] = exc
        return Reading(bars, failures, dialects)

    def list_tickers(self) -> list[str]:
        """Return the tickers that files are named for, and those that files of many name.

        Raises
        ------
        ConfigError
            When the folder cannot be listed.
        """
        try:
            names = [name for alike in _list_names(self._folder).values() for name in alike]
        except OSError as exc:
            raise ConfigError(f"expected a folder of bars at {self._folder}, got: {exc}") from exc
        of_many = BarFiles(self._folder, names).of_many
        within = {path.name for paths in of_many.values() for path in paths}
        own = {Path(name).stem.upper() for name in names if name not in within}
        return sorted(own | of_many.keys())

    def _find_file(self, ticker: str, names: Names, files: BarFiles, *, hint: bool) -> Path:
        wanted = list(_name_files(ticker))
        present = [
            name
            for expected in wanted
            for name in names.get(expected.lower(), ())
            if (self._folder / name).is_file()
        ] or [path.name for path in files.find_of_many(ticker)]
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


def _select_span(bars: RawBars, first: date, last: date) -> RawBars:
    """Return the bars from `first` to `last`; raises StaleBars where all are older."""
    newest: date | None = bars.session.max().item() if len(bars) else None
    if newest is not None and newest < first:
        message = f"{bars.ticker}: expected a bar of {last}, newest is of {newest}"
        raise StaleBars(message, newest=newest)
    return bars.since(first).as_of(last)
