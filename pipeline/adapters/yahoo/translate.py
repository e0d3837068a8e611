"""Translate: what any exception of yfinance, and of all it stands on, means of a ticker.

yfinance trusts what it reads, so that a broken answer or cache surfaces as whatever breaks first.
"""

from __future__ import annotations

import pickle
import re
import sqlite3
from typing import Any

import pandas as pd
import peewee
from bs4.exceptions import ParserRejectedMarkup
from curl_cffi import CurlError
from yfinance.exceptions import YFException, YFPricesMissingError

from pipeline.adapters.yahoo.chart import parse_json
from pipeline.errors import DataError, InvalidBars, Reason, SourceUnavailable

# What yfinance's cache of cookies raises: a database that is no more, or is somebody else's.
CACHE_ERRORS = (
    peewee.PeeweeException,
    sqlite3.Error,
    pickle.PickleError,
    EOFError,
    ImportError,
    AttributeError,
    LookupError,
)
PANDAS_ERRORS = tuple(
    kind
    for kind in vars(pd.errors).values()
    if isinstance(kind, type) and issubclass(kind, Exception)
)
VENDOR_ERRORS = (
    *CACHE_ERRORS,
    *PANDAS_ERRORS,
    YFException,
    CurlError,
    ParserRejectedMarkup,
    OSError,
    ValueError,
    TypeError,
    ArithmeticError,
    AssertionError,
    MemoryError,
    RuntimeError,  # RecursionError and NotImplementedError are some
)
SHARE_CLASS = re.compile(r"[A-Z]+\.[A-Z]")


def translate(ticker: str, error: Exception) -> DataError:
    """Return what `error`, raised by yfinance, means in this project's terms."""
    response = getattr(error, "response", None)
    refusal = (response.status_code, _read_error_code(response)) if response is not None else None
    if refusal == (404, "Not Found"):
        return InvalidBars(
            f"{ticker}: expected a ticker Yahoo Finance knows, got HTTP 404 Not Found"
            + _hint_at_share_class(ticker),
            Reason.UNKNOWN_TICKER,
        )
    # 400 is how Yahoo refuses a range outside the ticker's life. A chart without prices comes with
    # 200: ChartClient lets nothing else pass.
    if refusal == (400, "Bad Request") or isinstance(error, YFPricesMissingError):
        return InvalidBars(f"{ticker}: expected bars, got none: {error!s:.300}", Reason.NO_BARS)
    return SourceUnavailable(
        f"{ticker}: expected bars from Yahoo Finance, got {type(error).__name__}: {error!s:.300}"
    )


def _read_error_code(response: Any) -> object:
    try:
        return parse_json(response.content)["chart"]["error"]["code"]
    except (ValueError, LookupError, TypeError):
        return None


def _hint_at_share_class(ticker: str) -> str:
    if not SHARE_CLASS.fullmatch(ticker):
        return ""
    return f"; Yahoo writes the class of a share {ticker.replace('.', '-')}"
