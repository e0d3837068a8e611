"""Frames: tables of the record as pandas has them, and bars out of a person's own frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.bars import COLUMNS, VIX, Floats, RawBars, Sessions
from pipeline.columns import Columns
from pipeline.errors import InvalidBars, Reason, RequestError

# The unit that pandas 3 gives dates itself, and pandas 2 takes.
DAYS = "datetime64[us]"
DATE, CLOSE = "Date", "Close"
PRICES = ("Open", "High", "Low", CLOSE)
FIELDS = (*PRICES, "Volume", "Dividends", "Stock Splits")
VALUE_ERRORS = (ValueError, TypeError, OverflowError)


def to_frame(columns: Columns) -> pd.DataFrame:
    """Return a table as a frame: dates as datetime64[us], instants as datetime64[us, UTC]."""
    return pd.DataFrame({name: _to_series(column) for name, column in columns.items()})


def _to_series(column: np.ndarray) -> Any:
    if column.dtype.kind != "M":
        return column
    series = pd.Series(column.astype(DAYS))
    is_day = np.datetime_data(column.dtype)[0] == "D"
    return series if is_day else series.dt.tz_localize("UTC")


def read_bars(frame: Any, ticker: str | None, unnamed: str) -> RawBars:
    """Return a frame's rows as bars, unchecked but for being dates and numbers.

    Dates are the index, or a column `Date`; then `Open`, `High`, `Low`, `Close` and, where there,
    `Volume`, `Dividends` and `Stock Splits`: as yfinance's `history()` and `download()` have them,
    the latter's columns on two levels too. `Adj Close` and others are not read.

    Parameters
    ----------
    ticker : whose bars they are; of several tickers' side by side the one that is read
    unnamed : what bars of no ticker are called

    Raises
    ------
    RequestError
        When the frame is none, or has several tickers' bars and not the one asked for.
    InvalidBars
        When a column is missing, or what is in it is no date or number.
    """
    if not isinstance(frame, pd.DataFrame):
        raise RequestError(f"frame: expected a pandas DataFrame of bars, got {type(frame)}")
    flat, name = _select_ticker(frame, ticker)
    name = name or unnamed
    _check_columns(flat, name)
    numbers = {
        ours: _read_numbers(flat, theirs, name)
        for ours, theirs in zip(COLUMNS, FIELDS, strict=True)
    }
    for empty in ("dividend", "split"):
        numbers[empty] = np.nan_to_num(numbers[empty])
    return RawBars(ticker=name, session=_read_days(flat, name), **numbers)


def read_vix(frame: Any) -> RawBars:
    """Return the closes of a frame, or a Series of closes by date, as bars of the VIX.

    Of these bars only the close means anything. Raises as `read_bars` does.
    """
    frame = frame.to_frame(CLOSE) if isinstance(frame, pd.Series) else frame
    if not isinstance(frame, pd.DataFrame):
        raise RequestError(f"vix: expected a DataFrame or Series of closes, got {type(frame)}")
    flat, _ = _select_ticker(frame, VIX)
    if CLOSE not in flat.columns:
        raise InvalidBars(f"{VIX}: expected a column {CLOSE}, got {_list(flat)}", Reason.UNREADABLE)
    close = _read_numbers(flat, CLOSE, VIX)
    none = np.zeros(len(flat))
    return RawBars(VIX, _read_days(flat, VIX), *(close,) * 4, none, none, none)


def _select_ticker(frame: pd.DataFrame, ticker: str | None) -> tuple[pd.DataFrame, str | None]:
    """Return the columns of one ticker on one level, and its name."""
    if frame.columns.nlevels == 1:
        return frame, ticker
    fields = next(
        (level for level in range(2) if CLOSE in frame.columns.get_level_values(level)), None
    )
    if fields is None or frame.columns.nlevels > 2:
        raise RequestError(
            f"frame: expected columns named {', '.join(PRICES)}, alone or with a level of tickers, "
            f"got {_list(frame)}"
        )
    columns = frame.columns
    named = columns.get_level_values(fields).isin(FIELDS)
    tickers = columns.get_level_values(1 - fields)[named].unique().tolist()
    if ticker is None and len(tickers) == 1:
        ticker = tickers[0]
    if ticker not in tickers:
        raise RequestError(f"ticker: expected one of {', '.join(tickers)}, got {ticker}")
    flat = frame.loc[:, named & (columns.get_level_values(1 - fields) == ticker)]
    flat = flat.set_axis(flat.columns.get_level_values(fields), axis="columns")
    return flat, ticker


def _check_columns(frame: pd.DataFrame, ticker: str) -> None:
    """Raise InvalidBars unless every column that a bar needs is there, and none twice."""
    names = frame.columns.tolist()
    if missing := [name for name in PRICES if name not in names]:
        raise InvalidBars(
            f"{ticker}: expected the columns {', '.join(PRICES)}; missing {', '.join(missing)}; "
            f"got {_list(frame)}",
            Reason.UNREADABLE,
        )
    if twice := [name for name in (DATE, *FIELDS) if names.count(name) > 1]:
        raise InvalidBars(
            f"{ticker}: expected each column once, got {', '.join(twice)} twice", Reason.UNREADABLE
        )


def _read_numbers(frame: pd.DataFrame, name: str, ticker: str) -> Floats:
    """Return a column as numbers, zeros where there is none."""
    if name not in frame.columns:
        return np.zeros(len(frame))
    try:
        return np.array(frame[name].to_numpy(np.float64, na_value=np.nan))
    except VALUE_ERRORS as exc:
        raise InvalidBars(
            f"{ticker}: expected numbers in {name}, got {_first_line(exc)}", Reason.UNREADABLE
        ) from exc


def _read_days(frame: pd.DataFrame, ticker: str) -> Sessions:
    """Return the dates of the rows; of times the day in their own zone."""
    dates = frame[DATE] if DATE in frame.columns else frame.index.to_series()
    if pd.api.types.is_numeric_dtype(dates) or not len(dates):
        got = f"{dates.dtype}" if len(dates) else "no row"
        raise InvalidBars(
            f"{ticker}: expected dates in the index or a column {DATE}, got {got}",
            Reason.UNREADABLE if len(dates) else Reason.NO_BARS,
        )
    try:
        days = _to_datetimes(dates).dt.tz_localize(None)
    except VALUE_ERRORS as exc:
        raise InvalidBars(
            f"{ticker}: expected dates like 2024-12-27, got {_first_line(exc)}", Reason.UNREADABLE
        ) from exc
    if days.isna().any():
        row = int(np.argmax(days.isna()))
        raise InvalidBars(f"{ticker}: expected dates, got none in row {row}", Reason.UNREADABLE)
    return np.asarray(days.to_numpy().astype("datetime64[D]"))


def _to_datetimes(dates: Any) -> Any:
    if isinstance(dates.dtype, pd.PeriodDtype):
        return dates.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(dates):
        return dates
    # What a person's file says, like 2024-12-27 00:00:00-05:00: its date is the exchange's day.
    return pd.to_datetime(dates.astype(str).str.slice(0, 10), format="%Y-%m-%d")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def _list(frame: pd.DataFrame) -> str:
    return ", ".join(map(str, frame.columns.tolist()[:20])) or "none"
