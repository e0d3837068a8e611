"""Vintage: the bars exactly as they were read for one run, and what of them can be used."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from pipeline.bars import TICKER, Bars, RawBars
from pipeline.baselines.fixed_window import BASELINE_SESSIONS
from pipeline.encoding import Moment, from_json
from pipeline.errors import DataError, Reason, StoreError
from pipeline.ports import ObjectStore, Tables
from pipeline.record.forecast_bars import check_revisions, select_forecast_bars
from pipeline.record.manifest import Mode, RunManifest
from pipeline.record.objects import read_verified
from pipeline.record.second_source import check_second_close
from pipeline.record.tables import bars_to_columns, columns_to_bars

# What the baselines see, and some to spare for sessions that are missing.
HISTORY_SESSIONS = BASELINE_SESSIONS + 20
Ticker = Annotated[str, Meta(pattern=rf"^{TICKER}\Z")]
# As USD, USDT, GBp: pence, and GBX, which says the same.
CURRENCY = "[A-Za-z]{3,5}"
EARLIEST, LATEST = np.datetime64("1900-01-01"), np.datetime64("2199-12-31")


class ReadInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a vintage says of its reading, kept in the Parquet file's metadata.

    `asked` are the symbols that were read, `tickers` those of them to be forecast. `failures` maps
    tickers without bars to their reason; `issued_at` is when the run that read began: whoever
    goes on with this vintage issues at that time. `filled` are the sessions, by symbol, whose bars
    the source had lost and an earlier vintage had. `dialects` says by symbol how a file was read
    that is not as Yahoo exports it, `currencies` by ticker in what its prices are, where the source
    said it. `second_closes` are those of the session by `second_source`, if one was asked.
    `renamed` maps tickers that the record did not know to the names that they had on it.
    """

    asked: tuple[str, ...]
    tickers: Annotated[tuple[Ticker, ...], Meta(min_length=1)]
    failures: Mapping[Ticker, Reason]
    source: str
    mode: Mode
    issued_at: Moment
    filled: Mapping[str, tuple[date, ...]] = {}
    dialects: Mapping[str, str] = {}
    currencies: Mapping[Ticker, str] = {}
    second_source: str | None = None
    second_closes: Mapping[Ticker, float] = {}
    renamed: Mapping[Ticker, Ticker] = {}

    def __post_init__(self) -> None:
        """Raise ValueError, which a decoder shows as its own, for a ticker that is there twice."""
        if len(set(self.tickers)) != len(self.tickers):
            raise ValueError("Expected each ticker once")


@dataclass(frozen=True, slots=True, eq=False)
class Vintage:
    """Bars by symbol, tickers and covariates, with what is known of their reading."""

    bars: Mapping[str, RawBars]
    info: ReadInfo

    def encode(self, tables: Tables) -> bytes:
        """Return the vintage as a Parquet file."""
        columns = bars_to_columns(list(self.bars.values()))
        return tables.encode("bars", columns, {"read": msgspec.json.encode(self.info).decode()})

    @classmethod
    def decode(cls, tables: Tables, data: bytes) -> Vintage:
        """Return the vintage stored in `data`; raises StoreError if it is none."""
        columns, metadata = tables.decode("bars", data)
        days = columns["session"]
        if ((days < EARLIEST) | (days > LATEST)).any():
            raise StoreError(f"bars: expected sessions from {EARLIEST} to {LATEST}, got others")
        info = from_json(
            metadata.get("read", "").encode(), ReadInfo, "bars", "a vintage's metadata"
        )
        return cls(columns_to_bars(columns), info)

    def ticker_bars(self) -> list[RawBars]:
        """Return the bars of the tickers that have any, covariates left out."""
        return [self.bars[ticker] for ticker in self.info.tickers if ticker in self.bars]

    def nobody_traded(self, expected: Sequence[date]) -> bool:
        """Whether every ticker ends exactly one session early: closed, yet not announced."""
        last = [_last_session(bars) for bars in self.ticker_bars()]
        return not self.info.failures and all(session == expected[-2] for session in last)

    def traded(self, session: date) -> bool:
        """Whether a ticker has a close of the session: that it took place, and its bars came."""
        day = np.datetime64(session, "D")
        return any(
            np.isfinite(bars.close[bars.session == day]).any() for bars in self.ticker_bars()
        )

    def data_lag(self, expected: Sequence[date]) -> int | None:
        """Return how many sessions the ticker furthest behind lacks, None without any bars."""
        last = [session for bars in self.ticker_bars() if (session := _last_session(bars))]
        return len(expected) - bisect_right(expected, min(last)) if last else None

    def only(self, tickers: Sequence[str]) -> Vintage:
        """Return the vintage of these tickers alone, covariates kept."""
        others = set(self.info.tickers) - set(tickers)
        kept = {symbol: bars for symbol, bars in self.bars.items() if symbol not in others}
        by_symbol = ("filled", "dialects", "currencies", "second_closes", "renamed")
        said = {
            name: {
                symbol: said for symbol, said in getattr(self.info, name).items() if symbol in kept
            }
            for name in by_symbol
        }
        info = msgspec.structs.replace(self.info, tickers=tuple(tickers), failures={}, **said)
        return Vintage(kept, info)

    def usable(
        self, expected: Sequence[date], prior: Mapping[str, RawBars]
    ) -> tuple[list[Bars], dict[str, Reason]]:
        """Return the tickers' bars fit for a forecast, and the reason of each withheld ticker.

        Parameters
        ----------
        expected : the exchange's sessions up to the origin
        prior : the bars of an earlier session's vintage
        """
        usable: list[Bars] = []
        withheld: dict[str, Reason] = {}
        for ticker in self.info.tickers:
            if ticker not in self.bars:
                withheld[ticker] = Reason(self.info.failures.get(ticker, Reason.NO_BARS))
                continue
            try:
                bars = select_forecast_bars(self.bars[ticker], expected)
                check_revisions(bars, prior.get(ticker))
                check_second_close(bars, self.info.second_closes.get(ticker))
                usable.append(bars)
            except DataError as exc:
                withheld[ticker] = exc.reason
        return usable, withheld


def select_currencies(said: Mapping[str, str], tickers: Sequence[str]) -> dict[str, str]:
    """Return in what the tickers' prices are, of what a source said: words that can be a code."""
    codes = {ticker: said[ticker] for ticker in tickers if ticker in said}
    return {ticker: code for ticker, code in codes.items() if re.fullmatch(CURRENCY, code)}


def read_vintage(store: ObjectStore, tables: Tables, run: RunManifest) -> Vintage:
    """Return the vintage that a part was made from.

    Raises
    ------
    StoreError
        When it lacks bars of a ticker that the part published: no run can have made it from these.
    DamagedObject
        When it is missing, or not the bytes named.
    """
    key = run.table("bars")
    vintage = Vintage.decode(tables, read_verified(store, run, key))
    if lacking := run.published - vintage.bars.keys():
        names = ", ".join(sorted(lacking))
        raise StoreError(
            f"{store.url(key)}: expected bars of what {run.key} published, found none of {names}"
        )
    return vintage


def _last_session(bars: RawBars) -> date | None:
    """Return the session of the last close, None without one."""
    sessions = bars.session[np.isfinite(bars.close)]
    last: date | None = sessions.max().item() if len(sessions) else None
    return last
