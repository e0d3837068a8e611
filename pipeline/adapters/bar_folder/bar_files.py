"""Bar files: the bars of a ticker out of its file, or out of one that has those of many."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import PurePath

import numpy as np

from pipeline.adapters.bar_folder.columns import Sheet
from pipeline.adapters.bar_folder.csv_file import CsvFile
from pipeline.adapters.bar_folder.layouts import find_header
from pipeline.adapters.bar_folder.parquet_file import ParquetFile
from pipeline.adapters.bar_folder.places import PARQUET, PLACE_ERRORS, Place
from pipeline.adapters.bar_folder.text import decode_text
from pipeline.bars import PRICES, RawBars
from pipeline.errors import Reason, SourceUnavailable

LARGEST = 32 * 2**20  # bytes of a file, as stored and as read; a century of days has 2 million
LARGEST_OF_MANY = 256 * 2**20  # the same of one that names tickers, as stored
MOST_OF_MANY = 2**30  # and as read, of Parquet
HEAD = 4096  # bytes at the beginning that tell whether a file names tickers
# What the head of a CSV has that names its tickers, in lower case: as words, or at its beginning.
WORDS_OF_MANY, BEGINS_OF_MANY = (b"ticker", b"symbol"), (b"price,", b",")
BarFile = CsvFile | ParquetFile


class BarFiles:
    """The files of a place during one reading of some tickers: those of many are read once."""

    def __init__(self, place: Place, names: Sequence[str], tickers: Collection[str] = ()) -> None:
        self._place, self._names = place, names
        self._wanted = {ticker.removeprefix("^") for ticker in tickers}
        self._opened: dict[str, tuple[BarFile, Mapping[str, str]]] = {}
        self._unreadable: dict[str, str] = {}

    def read(self, ticker: str, name: str) -> tuple[RawBars, Sheet]:
        """Return a ticker's bars, and the sheet of its file that says how it was read.

        Raises
        ------
        SourceUnavailable
            The one error of all that a file can have.
        """
        try:
            file, names = self._open(name)
            sheet = file.read(_choose_name(ticker, names, name))
        except (*PLACE_ERRORS, ValueError) as exc:
            raise SourceUnavailable(f"{name}: {exc!s:.500}", Reason.UNREADABLE) from exc
        return _build_bars(ticker, sheet), sheet

    def find_of_many(self, ticker: str) -> Sequence[str]:
        """Return the files that name a ticker themselves."""
        return self.of_many.get(ticker, self.of_many.get(ticker.removeprefix("^"), ()))

    @cached_property
    def of_many(self) -> Mapping[str, Sequence[str]]:
        """Ticker -> the files that name it themselves."""
        names: dict[str, list[str]] = {}
        for name in self._names:
            try:
                if _is_parquet(name) or _names_tickers(self._place.read(name, HEAD)):
                    for ticker in self._open(name)[0].tickers:
                        names.setdefault(_strip_market(ticker), []).append(name)
            except (*PLACE_ERRORS, ValueError) as exc:
                self._unreadable[name] = f"{name}: {exc!s:.500}"
        return names

    @property
    def unreadable(self) -> Sequence[str]:
        """What is wrong with files that may name any ticker, each with its file's name."""
        _ = self.of_many
        return [*self._unreadable.values()]

    def is_table(self, name: str) -> bool:
        """Whether a file is bars at first sight: a text beside them may be a note."""
        if _is_parquet(name):
            return True
        try:
            find_header(decode_text(self._place.read(name, HEAD)[:HEAD].rpartition(b"\n")[0]))
        except (*PLACE_ERRORS, ValueError):
            return False
        return True

    def _open(self, name: str) -> tuple[BarFile, Mapping[str, str]]:
        """Return a file, and what it calls each ticker that it names."""
        if name in self._opened:
            return self._opened[name]
        file: BarFile
        if _is_parquet(name):
            data = self._read_bytes(name, LARGEST_OF_MANY)
            file = ParquetFile(data, LARGEST, MOST_OF_MANY, self._is_wanted)
        else:
            of_many = _names_tickers(self._place.read(name, HEAD))
            file = CsvFile(self._read_bytes(name, LARGEST_OF_MANY if of_many else LARGEST))
        opened = file, _index_names(file.tickers)
        if len(file.tickers) > 1:
            self._opened[name] = opened
        return opened

    def _read_bytes(self, name: str, most: int) -> bytes:
        data = self._place.read(name, most)
        if len(data) > most:
            raise ValueError(f"expected at most {most} bytes, got more")
        return data

    def _is_wanted(self, name: str) -> bool:
        return any(alias.removeprefix("^") in self._wanted for alias in _list_aliases(name))


def _is_parquet(name: str) -> bool:
    return PurePath(name).suffix.lower() == PARQUET


def _names_tickers(head: bytes) -> bool:
    begin = head[:HEAD].removeprefix(b"\xef\xbb\xbf").lower()
    return begin.startswith(BEGINS_OF_MANY) or any(word in begin for word in WORDS_OF_MANY)


def _index_names(names: Sequence[str]) -> Mapping[str, str]:
    """Return by ticker, without a caret, what a file calls it, the first where it is several."""
    index: dict[str, str] = {}
    for name in names:
        for alias in _list_aliases(name):
            index.setdefault(alias.removeprefix("^"), name)
    return index


def _choose_name(ticker: str, names: Mapping[str, str], file: str) -> str:
    """Return what a file calls a ticker, empty where it names none.

    Raises
    ------
    SourceUnavailable
        When it names others alone.
    """
    if not names:
        return ""
    if name := names.get(ticker.removeprefix("^")):
        return name
    raise SourceUnavailable(
        f"{file}: expected bars of {ticker}, got those of "
        f"{', '.join([*dict.fromkeys(names.values())][:5])}",
        Reason.WRONG_INSTRUMENT,
    )


def _list_aliases(name: str) -> tuple[str, str]:
    """Return what the ticker may be called here that a file calls so."""
    return name.upper(), _strip_market(name)


def _strip_market(name: str) -> str:
    """Return SPY for SPY.US, as Stooq names it."""
    return name.upper().rpartition(".US")[0] or name.upper()


def _build_bars(ticker: str, sheet: Sheet) -> RawBars:
    none = np.zeros(len(sheet.session))
    numbers = sheet.numbers
    return RawBars(
        ticker=ticker,
        session=sheet.session,
        **{name: numbers[name.capitalize()] for name in PRICES},
        volume=numbers.get("Volume", none),
        dividend=np.nan_to_num(numbers.get("Dividends", none)),
        split=np.nan_to_num(numbers.get("Stock Splits", none)),
    )
