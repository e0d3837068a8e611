"""Dialects: the layouts that people's files have, by the names of their columns.

A new one is a row of DIALECTS: what it is called, which of its columns are ours, and what is to be
known of its prices. Rows stand in the order in which they are tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.adapters.bar_folder.columns import (
    DATE,
    NUMBERS,
    PLAIN_LAYOUT,
    PRICES,
    TICKER,
    match_anywhere,
)

NEEDED = (DATE, *PRICES)
VOLUME, DIVIDENDS, SPLITS = NUMBERS[len(PRICES) :]
PERIOD = "Period"
SHOWN, WIDEST = 30, 300  # columns of a file that an error names, and that it looks at
Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dialect:
    """A layout of files.

    Attributes
    ----------
    name : what it is called
    columns : our column -> its names there, the first of which is taken; in lower case
    marks : further columns by which it is known
    exact : whether upper and lower case are as they are here, so that others may differ by it
    point : whether a program wrote the numbers, with a decimal point, and nobody's settings
    as_traded : whether prices are as they were then, to be adjusted for the splits that it lists
    warning : what is to be known of its prices
    """

    name: str
    columns: Mapping[str, Names]
    marks: Names = ()
    exact: bool = False
    point: bool = False
    as_traded: bool = False
    warning: str = ""

    def match(self, header: Sequence[str]) -> dict[str, int]:
        """Return where our columns are in a header; raises ValueError where one is there twice."""
        names = self._prepare(header)
        places = dict(match_anywhere(header))
        for ours, theirs in self.columns.items():
            if name := next((name for name in theirs if name in names), None):
                places[ours] = names.index(name)
        if twice := [header[at] for at in places.values() if names.count(names[at]) > 1]:
            raise ValueError(f"expected each column once, got {', '.join(twice)} twice")
        return places

    def find_missing(self, header: Sequence[str]) -> list[str]:
        """Return the columns by which it is known that a header lacks."""
        names = set(self._prepare(header))
        lacking = [self.columns[ours][0] for ours in NEEDED if not names & {*self.columns[ours]}]
        return lacking + [mark for mark in self.marks if mark not in names]

    def list_names(self) -> list[str]:
        """Return the names of the columns by which it is known."""
        return [*(self.columns[ours][0] for ours in NEEDED), *self.marks]

    def _prepare(self, header: Sequence[str]) -> list[str]:
        return [*header] if self.exact else [name.lower() for name in header]


def _columns(bars: str, **others: str) -> dict[str, Names]:
    """Return our columns -> names there: those of bars in order, `|` between those that may be."""
    names = zip((*NEEDED, VOLUME), bars.split(","), strict=False)
    ours = {"dividends": DIVIDENDS, "splits": SPLITS, "ticker": TICKER, "period": PERIOD}
    others_by_ours = {ours[word]: text for word, text in others.items()}
    return {name: tuple(text.split("|")) for name, text in [*names, *others_by_ours.items()]}


ENGLISH = "date,open,high,low,close,volume"
PLAIN = Dialect(PLAIN_LAYOUT, {name: (name,) for name in (DATE, *NUMBERS)}, exact=True)
DOWNLOAD = Dialect(
    "yfinance download()",
    _columns(ENGLISH, dividends="dividends", splits="stock splits"),
    point=True,
)
DIALECTS = (
    PLAIN,
    Dialect("Nasdaq.com export", _columns("date,open,high,low,close/last,volume"), point=True),
    Dialect(
        "investing.com export",
        _columns("date,open,high,low,price,vol."),
        marks=("change %",),
    ),
    Dialect(
        "investing.com export in German",
        _columns("datum,eröffn.,hoch,tief,zuletzt,vol."),
        marks=("+/- %",),
    ),
    Dialect(
        "Stooq bulk file",
        _columns(
            "<date>,<open>,<high>,<low>,<close>,<vol>",
            ticker="<ticker>",
            period="<per>",
        ),
        marks=("<ticker>", "<per>"),
        point=True,
    ),
    Dialect(
        "Stooq export in Polish",
        _columns("data,otwarcie,najwyzszy,najnizszy,zamkniecie,wolumen"),
        point=True,
    ),
    Dialect(
        "Tiingo export",
        _columns(ENGLISH, dividends="divcash", splits="splitfactor"),
        marks=("adjclose", "splitfactor"),
        point=True,
        as_traded=True,
    ),
    Dialect(
        "Alpha Vantage adjusted export",
        _columns(
            "timestamp,open,high,low,close,volume",
            dividends="dividend_amount",
            splits="split_coefficient",
        ),
        marks=("split_coefficient",),
        point=True,
        as_traded=True,
    ),
    Dialect(
        "Alpha Vantage export",
        _columns("timestamp,open,high,low,close,volume"),
        point=True,
        warning="prices as traded, not adjusted for splits",
    ),
    Dialect(
        "Ariva export",
        _columns("datum,erster,hoch,tief,schlusskurs,stuecke|stücke"),
        marks=("erster",),
    ),
    Dialect(
        "German table",
        _columns(
            "datum,eröffnung|eroeffnung|erster,hoch|tageshoch,tief|tagestief,schluss|schlusskurs,"
            "stück|stücke|stuecke|volumen"
        ),
    ),
    Dialect(
        "French table",
        _columns(
            "date,ouverture|ouv,haut|+ haut,bas|+ bas,clôture|cloture|clot|dernier,volume|vol"
        ),
    ),
    Dialect(
        "table with lower-case columns",
        _columns(ENGLISH, dividends="dividends", splits="stock splits"),
    ),
)


def find_dialect(header: Sequence[str]) -> Dialect:
    """Return the first dialect that a header has all columns of.

    Raises
    ------
    ValueError
        When there is none: it names the columns received, the nearest dialect and what it lacks.
    """
    for dialect in DIALECTS:
        if not dialect.find_missing(header):
            return dialect
    raise refuse_header([header])


def refuse_header(rows: Sequence[Sequence[str]]) -> ValueError:
    """Return the error of rows of which none is a header, about the one that is nearest to one."""
    shares = [
        (_share_missing(row[:WIDEST], dialect), at, which)
        for at, row in enumerate(rows)
        for which, dialect in enumerate(DIALECTS)
    ]
    _, at, which = min(shares, default=(1.0, 0, 0))
    header, nearest = rows[at] if rows else [], DIALECTS[which]
    more = f" and {len(header) - SHOWN} more" if len(header) > SHOWN else ""
    return ValueError(
        f"expected the columns {', '.join(nearest.list_names())}; missing "
        f"{', '.join(nearest.find_missing(header))}; got {', '.join(header[:SHOWN]) or 'none'}"
        f"{more}; nearest is the {nearest.name}, docs/bars.md has all that are known"
    )


def _share_missing(header: Sequence[str], dialect: Dialect) -> float:
    return len(dialect.find_missing(header)) / len(dialect.list_names())
