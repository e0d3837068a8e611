"""Layouts: where a file's header is, what is between its fields, and whose columns they are.

A header is one row, or the three that yfinance writes: prices' names, tickers, and the name of the
index. Lines before it are somebody's notes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import zip_longest

from pipeline.adapters.bar_folder.columns import DATE
from pipeline.adapters.bar_folder.dialects import DOWNLOAD, Dialect, find_dialect, refuse_header

MARKS = {",": "", ";": "';' between fields", "\t": "tabs between fields", "|": "'|' between fields"}
LONGEST_HEADER = 2**20  # characters of a file in which its header is looked for
MOST_NOTES = 10  # rows before the header
DOWNLOAD_ROWS = 3

Row = list[str]


@dataclass(frozen=True, slots=True)
class Header:
    """A file's header.

    Attributes
    ----------
    dialect : whose columns they are
    mark : what is between two fields
    rows : how many rows there are up to where bars begin
    notes : how many of these come before the header
    names : the columns' names
    places : ticker -> our column -> its place; under "" where the header names no ticker
    """

    dialect: Dialect
    mark: str
    rows: int
    notes: int
    names: Row
    places: Mapping[str, Mapping[str, int]]


def find_header(text: str) -> Header:
    """Return the header of a file.

    Raises
    ------
    ValueError
        When there is none: the error is that of the row which is nearest to one.
    """
    heads = {mark: _read_rows(text[:LONGEST_HEADER], mark) for mark in MARKS}
    for at in range(MOST_NOTES + 1):
        for mark, rows in heads.items():
            if header := _find_at(rows, at, mark):
                return header
    alike = zip_longest(*heads.values(), fillvalue=[])
    raise refuse_header([row for rows in alike for row in sorted(rows, key=len, reverse=True)])


def _find_at(rows: Sequence[Row], at: int, mark: str) -> Header | None:
    if at == 0 and (download := _find_download(rows, mark)):
        return download
    if at >= len(rows) or len(rows[at]) < 2:
        return None
    try:
        dialect = find_dialect(rows[at])
    except ValueError:
        return None
    return Header(dialect, mark, at + 1, at, rows[at], {"": dialect.match(rows[at])})


def _find_download(rows: Sequence[Row], mark: str) -> Header | None:
    """Return the three rows that yfinance writes, prices and tickers in either order."""
    if len(rows) < DOWNLOAD_ROWS or rows[2][0] not in (DATE, "Datetime") or any(rows[2][1:]):
        return None
    for names, tickers in (rows[:2], rows[1::-1]):
        if len(names) == len(tickers) == len(rows[2]) and not DOWNLOAD.find_missing(
            [DATE, *names[1:]]
        ):
            columns = [DATE, *names[1:]]
            if places := dict(_match_tickers(columns, tickers)):
                return Header(DOWNLOAD, mark, DOWNLOAD_ROWS, 0, columns, places)
    return None


def _match_tickers(names: Row, tickers: Row) -> Iterator[tuple[str, Mapping[str, int]]]:
    of_ticker: dict[str, list[int]] = {}
    for at, ticker in enumerate(tickers[1:], 1):
        of_ticker.setdefault(ticker, [0]).append(at)
    for ticker, columns in of_ticker.items():
        header = [names[at] for at in columns]
        if not DOWNLOAD.find_missing(header):
            places = DOWNLOAD.match(header)
            yield ticker, {ours: columns[at] for ours, at in places.items()}


def _read_rows(text: str, mark: str) -> list[Row]:
    """Return the first rows that are not blank, without white space around their cells."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=mark)
    rows: list[Row] = []
    try:
        for row in reader:
            if row:
                rows.append([cell.strip() for cell in row])
            if len(rows) > MOST_NOTES + DOWNLOAD_ROWS:
                break
    except csv.Error as exc:
        if mark != ",":  # a long header of commas is one field of others
            return []
        raise ValueError(f"line {reader.line_num}: expected CSV, got: {exc}") from exc
    return rows
