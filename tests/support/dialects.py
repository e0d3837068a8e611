"""Bars as people's programs write them, for tests that read them back; and the plain reader.

Each writer takes bars whose volumes are whole ten thousands, which `1.23M` can say.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import date
from io import StringIO

import numpy as np

from pipeline.bars import PRICES, RawBars

Write = Callable[[RawBars, int], str]


def _rows(raw: RawBars, newest_first: bool = False) -> Iterator[tuple[date, list[float], int]]:
    order = reversed(range(len(raw))) if newest_first else range(len(raw))
    for at in order:
        prices = [float(getattr(raw, name)[at]) for name in PRICES]
        yield raw.session[at].item(), prices, int(raw.volume[at])


def _us(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def _european(value: float, digits: int, thousands: str = ".") -> str:
    return f"{value:,.{digits}f}".replace(",", "T").replace(".", ",").replace("T", thousands)


def _mdy(day: date) -> str:
    return f"{day.month}/{day.day}/{day.year}"


def write_yahoo(raw: RawBars, digits: int) -> str:
    lines = [
        ",".join([str(day), *(f"{p:.{digits}f}" for p in prices), str(volume)])
        for day, prices, volume in _rows(raw)
    ]
    return "\n".join(["Date,Open,High,Low,Close,Volume", *lines]) + "\n"


def write_download(raw: RawBars, digits: int) -> str:
    lines = [
        f"{day},{c:.{digits}f},{h:.{digits}f},{lo:.{digits}f},{o:.{digits}f},{volume}"
        for day, (o, h, lo, c), volume in _rows(raw)
    ]
    head = ["Price,Close,High,Low,Open,Volume", f"Ticker{f',{raw.ticker}' * 5}", "Date,,,,,"]
    return "\n".join(head + lines) + "\n"


def write_history(raw: RawBars, digits: int) -> str:
    lines = [
        f"{day} 00:00:00-05:00,"
        + ",".join([*(f"{p:.{digits}f}" for p in prices), str(volume), "0.0", "0.0"])
        for day, prices, volume in _rows(raw)
    ]
    return "\n".join(["Date,Open,High,Low,Close,Volume,Dividends,Stock Splits", *lines]) + "\n"


def write_nasdaq(raw: RawBars, digits: int) -> str:
    lines = [
        f"{day:%m/%d/%Y},${c:.{digits}f},{volume},${o:.{digits}f},${h:.{digits}f},${lo:.{digits}f}"
        for day, (o, h, lo, c), volume in _rows(raw, newest_first=True)
    ]
    return "\n".join(["Date,Close/Last,Volume,Open,High,Low", *lines]) + "\n"


def write_stooq_bulk(raw: RawBars, digits: int) -> str:
    lines = [
        f"{raw.ticker}.US,D,{day:%Y%m%d},000000,"
        + ",".join([*(f"{p:.{digits}f}" for p in prices), str(volume), "0"])
        for day, prices, volume in _rows(raw)
    ]
    head = "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>"
    return "\r\n".join([head, *lines]) + "\r\n"


def write_investing(raw: RawBars, digits: int) -> str:
    lines = [
        ",".join(
            f'"{cell}"'
            for cell in (
                f"{day:%m/%d/%Y}",
                *(_us(p, digits) for p in (c, o, h, lo)),
                f"{volume / 1e6:.2f}M",
                "0.50%",
            )
        )
        for day, (o, h, lo, c), volume in _rows(raw, newest_first=True)
    ]
    return "\n".join(['\ufeff"Date","Price","Open","High","Low","Vol.","Change %"', *lines]) + "\n"


def write_marketwatch(raw: RawBars, digits: int) -> str:
    lines = [
        ",".join([f"{day:%m/%d/%Y}", *(f'"{_us(p, digits)}"' for p in prices), f'"{volume:,}"'])
        for day, prices, volume in _rows(raw, newest_first=True)
    ]
    return "\n".join(["Date,Open,High,Low,Close,Volume", *lines]) + "\n"


def write_wsj(raw: RawBars, digits: int) -> str:
    lines = [
        ", ".join([f"{day:%m/%d/%y}", *(f"{p:.{digits}f}" for p in prices)])
        for day, prices, _ in _rows(raw, newest_first=True)
    ]
    return "\n".join(["Date, Open, High, Low, Close", *lines]) + "\n"


def write_tiingo(raw: RawBars, digits: int) -> str:
    head = "date,close,high,low,open,volume,adjClose,divCash,splitFactor"
    lines = [
        f"{day}T00:00:00.000Z,{c:.{digits}f},{h:.{digits}f},{lo:.{digits}f},{o:.{digits}f},"
        f"{volume},{c * 0.9},0.0,1.0"
        for day, (o, h, lo, c), volume in _rows(raw)
    ]
    return "\n".join([head, *lines]) + "\n"


def write_alpha_vantage(raw: RawBars, digits: int) -> str:
    lines = [
        ",".join([str(day), *(f"{p:.{digits}f}" for p in prices), str(volume)])
        for day, prices, volume in _rows(raw, newest_first=True)
    ]
    return "\r\n".join(["timestamp,open,high,low,close,volume", *lines]) + "\r\n"


def write_german(raw: RawBars, digits: int) -> str:
    lines = [
        ";".join([f"{day:%d.%m.%Y}", *(_european(p, digits) for p in prices), _european(volume, 0)])
        for day, prices, volume in _rows(raw)
    ]
    return "\n".join(["Datum;Erster;Hoch;Tief;Schlusskurs;Stuecke", *lines]) + "\n"


def write_european_excel(raw: RawBars, digits: int) -> str:
    lines = [
        ";".join([f"{day:%d/%m/%y}", *(f"{p:.{digits}f}".replace(".", ",") for p in prices)])
        for day, prices, _ in _rows(raw)
    ]
    return "\r\n".join(["\ufeffDate;Open;High;Low;Close", *lines]) + "\r\n"


def write_french(raw: RawBars, digits: int) -> str:
    lines = [
        ";".join([f"{day:%d/%m/%Y}", *(_european(p, digits, "\u202f") for p in prices)])
        for day, prices, _ in _rows(raw)
    ]
    return "\n".join(["date;ouv;haut;bas;clot", *lines]) + "\n"


def write_swiss(raw: RawBars, digits: int) -> str:
    lines = [
        ";".join([f"{day:%d.%m.%Y}", *(_us(p, digits).replace(",", "'") for p in prices)])
        for day, prices, _ in _rows(raw)
    ]
    return "\n".join(["Date;Open;High;Low;Close", *lines]) + "\n"


def write_excel(raw: RawBars, digits: int) -> str:
    """Excel leaves out zeros at the end, and so the point."""
    lines = [
        ",".join([_mdy(day), *(f"{p:.15g}" for p in prices), str(volume)])
        for day, prices, volume in _rows(raw)
    ]
    return "\r\n".join(["\ufeffDate,Open,High,Low,Close,Volume", *lines]) + "\r\n"


def write_european_whole(raw: RawBars, digits: int) -> str:
    """The same with a decimal comma, points between thousands and days first."""
    lines = [
        ";".join([f"{day:%d.%m.%y}", *(_european(p, digits).removesuffix(",00") for p in prices)])
        for day, prices, _ in _rows(raw)
    ]
    return "\r\n".join(["Date;Open;High;Low;Close", *lines]) + "\r\n"


WRITERS: tuple[Write, ...] = (
    *(write_yahoo, write_download, write_history, write_nasdaq, write_stooq_bulk),
    *(write_investing, write_marketwatch, write_wsj, write_tiingo, write_alpha_vantage),
    *(write_german, write_european_excel, write_french, write_swiss, write_excel),
    write_european_whole,
)


def read_plainly(text: str) -> tuple[list[date], dict[str, list[float]]]:
    """Return the days and numbers of a plain file, read cell by cell with Python's own means.

    Raises
    ------
    ValueError
        For what is no plain file.
    """
    rows = [row for row in csv.reader(StringIO(text, newline="")) if row]
    header = [name.strip() for name in rows[0]]
    if any(len(row) != len(header) for row in rows):
        raise ValueError("expected as many fields in each row")
    columns = {name: [row[at] for row in rows[1:]] for at, name in enumerate(header)}
    days = [_parse_day(cell) for cell in columns["Date"]]
    names = ("Open", "High", "Low", "Close", "Volume")
    return days, {name: [_parse_number(cell) for cell in columns[name]] for name in names}


def _parse_day(cell: str) -> date:
    if cell[10:11] not in ("", " ", "T"):
        raise ValueError(f"expected a day, got {cell!r}")
    return date.fromisoformat(cell[:10])


def _parse_number(cell: str) -> float:
    if cell.strip().lower() in ("", "null", "nan"):
        return np.nan
    if not cell.isascii() or "_" in cell:
        raise ValueError(f"expected a number, got {cell!r}")
    return float(cell)
