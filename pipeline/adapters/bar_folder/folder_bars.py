"""Daily bars from files: one for each ticker, or one that names many, wherever they lie.

Which layouts of files are understood stands in `dialects`; what else than the plain one was read
is in the reading, as the daily run notes it.

Close is expected split-adjusted and not dividend-adjusted. An index has no volume: a missing
Volume column is read as zeros. An empty price or volume is a hole, NaN; an empty dividend or split
is none.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path, PurePath

from pipeline.adapters.bar_folder.bar_files import BarFiles
from pipeline.adapters.bar_folder.label import read_label
from pipeline.adapters.bar_folder.places import NOTES, PLACE_ERRORS, SUFFIXES, Alone, Folder, Place
from pipeline.bars import ORIGIN_FILE, TICKER, RawBars
from pipeline.errors import ConfigError, DataError, Reason, SourceUnavailable, StaleBars
from pipeline.ports import Reading

MOST_HINTS = 20  # tickers of a reading for which near names are looked for

Names = Mapping[str, Sequence[str]]  # a place's names of files of bars, by their lower case


class FolderBars:
    """Files of bars; fulfils `pipeline.ports.BarSource`.

    Upper and lower case are the same, as they are on many disks. An index like ^VIX may lie under
    its name without the caret. A ticker without a file of its own may be in one that names it. Two
    files for one ticker are none: nothing says which is meant.
    `label` is the text of `origin.txt`, or `folder`, `file` or `s3`.

    Parameters
    ----------
    place : where the files lie; the path of a folder or of a file is looked at at once

    Raises
    ------
    ConfigError
        When the folder does not exist or cannot be listed, or its origin.txt is no label.
    """

    def __init__(self, place: Path | Place) -> None:
        self._place = _open_path(place) if isinstance(place, Path) else place
        if isinstance(place, Path):
            _ = self.label

    @cached_property
    def label(self) -> str:
        """Name of the source; raises ConfigError where it cannot be read."""
        try:
            return read_label(self._place)
        except PLACE_ERRORS as exc:
            raise ConfigError(self._refuse(exc)) from exc

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        """Return each ticker's bars from `first` to `last`, or why its file gives none."""
        bars: dict[str, RawBars] = {}
        failures: dict[str, DataError] = {}
        dialects: dict[str, str] = {}
        currencies: dict[str, str] = {}
        try:
            names = self._list_names()
        except PLACE_ERRORS as exc:
            why = self._refuse(exc)
            return Reading({}, {ticker: SourceUnavailable(why) for ticker in tickers})
        # A function stays warm for days, and reads what is there today.
        files = BarFiles(self._place.anew(), _flatten(names), tickers)
        for ticker in tickers:
            try:
                name = self._find_file(ticker, names, files, hint=len(failures) < MOST_HINTS)
                raw, sheet = files.read(ticker, name)
                bars[ticker] = _select_span(raw, first, last)
                if sheet.dialect:
                    dialects[ticker] = sheet.dialect
                if sheet.currency:
                    currencies[ticker] = sheet.currency
            except DataError as exc:
                failures[ticker] = exc
        return Reading(bars, failures, dialects, currencies)

    def list_tickers(self) -> list[str]:
        """Return the tickers that files are named for, and those that files of many name.

        Raises
        ------
        ConfigError
            When the place cannot be listed.
        """
        try:
            names = _flatten(self._list_names())
        except PLACE_ERRORS as exc:
            raise ConfigError(self._refuse(exc)) from exc
        files = BarFiles(self._place, names)
        within = {name for of_ticker in files.of_many.values() for name in of_ticker}
        own = {
            PurePath(name).stem.upper()
            for name in names
            if name not in within and (not name.lower().endswith(NOTES) or files.is_table(name))
        }
        return sorted(own | {name for name in files.of_many if re.fullmatch(TICKER, name)})

    def _list_names(self) -> Names:
        """Return the names of files of bars; raises what the place raises."""
        names: dict[str, list[str]] = {}
        for name in self._place.list_names():
            lower = name.lower()
            if lower.endswith(SUFFIXES) and lower != ORIGIN_FILE and self._place.is_file(name):
                names.setdefault(lower, []).append(name)
        return names

    def _refuse(self, exc: Exception) -> str:
        return f"expected a {self._place.kind} of bars at {self._place.where}, got: {exc}"

    def _find_file(self, ticker: str, names: Names, files: BarFiles, *, hint: bool) -> str:
        wanted = list(_name_files(ticker))
        present = [name for expected in wanted for name in names.get(expected.lower(), ())]
        present = present or [*files.find_of_many(ticker)]
        if len(present) > 1:
            raise SourceUnavailable(
                f"{ticker}: expected one file, got {' and '.join(present)} in {self._place.where}; "
                "take away what is not meant",
                Reason.UNREADABLE,
            )
        if not present:
            raise self._report_unknown(ticker, names, files, hint=hint)
        return present[0]

    def _report_unknown(
        self, ticker: str, names: Names, files: BarFiles, *, hint: bool
    ) -> SourceUnavailable:
        """Return the error of a ticker that no file is of, with near names if there is a hint."""
        wanted = [name for name in _name_files(ticker) if not name.endswith(NOTES)]
        own = {PurePath(name).stem.upper() for name in names}
        near = _find_near(ticker, own | files.of_many.keys()) if hint else []
        there = f"; near names there: {', '.join(near)}" if near else ""
        there = there if names else "; no file there is of bars"
        broken = files.unreadable[:1]
        there = f"; it may be in what cannot be read, {broken[0]}" if broken else there
        return SourceUnavailable(
            f"{ticker}: expected one of {', '.join(wanted)} in {self._place.where}, got none of "
            f"them{there}",
            Reason.UNREADABLE if broken else Reason.UNKNOWN_TICKER,
        )


def _open_path(path: Path) -> Place:
    """Return a folder, or a file alone; raises ConfigError for a folder that cannot be listed."""
    if path.is_file() and path.name.lower().endswith(SUFFIXES):
        return Alone(Folder(path.parent), path.name)
    try:
        next(path.iterdir(), None)
    except OSError as exc:
        raise ConfigError(f"expected a folder of bars at {path}, got: {exc}") from exc
    return Folder(path)


def _flatten(names: Names) -> list[str]:
    return [name for alike in names.values() for name in alike]


def _name_files(ticker: str) -> Iterator[str]:
    for stem in dict.fromkeys((ticker, ticker.removeprefix("^"))):
        for suffix in SUFFIXES:
            yield f"{stem}{suffix}"


def _find_near(ticker: str, known: Iterable[str]) -> list[str]:
    """Return tickers that the place has, most alike first."""
    return difflib.get_close_matches(ticker, sorted(known), n=3, cutoff=0.6)


def _select_span(bars: RawBars, first: date, last: date) -> RawBars:
    """Return the bars from `first` to `last`; raises StaleBars where all are older."""
    newest: date | None = bars.session.max().item() if len(bars) else None
    if newest is not None and newest < first:
        message = f"{bars.ticker}: expected a bar of {last}, newest is of {newest}"
        raise StaleBars(message, newest=newest)
    return bars.since(first).as_of(last)
