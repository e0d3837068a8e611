"""Bar files: the bars of a ticker out of its file, or out of one that has those of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.adapters.bar_folder.columns import Sheet
from pipeline.adapters.bar_folder.csv_file import CsvFile
from pipeline.adapters.bar_folder.parquet_file import read_parquet
from pipeline.bars import PRICES, RawBars
from pipeline.errors import Reason, SourceUnavailable

LARGEST = 32 * 2**20  # bytes of a file, as stored and as read; a century of days has 2 million
# What a file that names its tickers begins with.
BEGINS_OF_MANY = (b"Price,", b"Ticker,", b"<TICKER>", b",")
CSV = ".csv"


class BarFiles:
    """The files of a folder during one reading: those of many tickers are read once."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder, self._names = folder, names
        self._opened: dict[Path, CsvFile] = {}

    def read(self, ticker: str, path: Path) -> tuple[RawBars, str]:
        """Return a ticker's bars and the dialect of its file, empty for the plain one.

        Raises
        ------
        SourceUnavailable
            The one error of all that a file can have.
        """
        try:
            if path.suffix.lower() == CSV:
                file = self._opened.get(path) or CsvFile(_read_bytes(path))
                sheet = file.read(_choose_name(ticker, file.tickers, path))
            else:
                sheet = read_parquet(_read_bytes(path), LARGEST)
        except (OSError, ValueError) as exc:
            raise SourceUnavailable(f"{path.name}: {exc!s:.500}", Reason.UNREADABLE) from exc
        return _build_bars(ticker, sheet), sheet.dialect

    def find_of_many(self, ticker: str) -> Sequence[Path]:
        """Return the files that have a ticker among others."""
        return self.of_many.get(ticker, self.of_many.get(ticker.removeprefix("^"), ()))

    @cached_property
    def of_many(self) -> Mapping[str, Sequence[Path]]:
        """Ticker -> the files of many tickers that have it."""
        paths: dict[str, list[Path]] = {}
        for path in (self._folder / name for name in self._names if name.lower().endswith(CSV)):
            with suppress(OSError, ValueError):  # What is wrong is said to whom it is named for.
                if path.is_file() and _begins_of_many(path):
                    file = CsvFile(_read_bytes(path))
                    if len(file.tickers) > 1:
                        self._opened[path] = file
                        for name in file.tickers:
                            paths.setdefault(_strip_market(name), []).append(path)
        return paths


def _begins_of_many(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16).removeprefix(b"\xef\xbb\xbf").startswith(BEGINS_OF_MANY)


def _read_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"expected at most {LARGEST} bytes, got more")
    return data


def _choose_name(ticker: str, names: Sequence[str], path: Path) -> str:
    """Return what a file calls a ticker, empty where it names none.

    Raises
    ------
    SourceUnavailable
        When it names others alone.
    """
    if not names:
        return ""
    wanted = ticker.removeprefix("^")
    for name in names:
        if wanted in (name.upper().removeprefix("^"), _strip_market(name).removeprefix("^")):
            return name
    raise SourceUnavailable(
        f"{path.name}: expected bars of {ticker}, got those of {', '.join(names[:5])}",
        Reason.WRONG_INSTRUMENT,
    )


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
