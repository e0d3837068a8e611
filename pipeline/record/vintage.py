"""Vintage: the bars exactly as they were read for one run, and what of them can be used."""

from __future__ import annotations

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
from pipeline.errors import DataError, InvalidBars, Reason, StaleBars, StoreError
from pipeline.forecasting.windows import MIN_SESSIONS
from pipeline.ports import ObjectStore, Tables
from pipeline.record.manifest import Mode, RunManifest
from pipeline.record.objects import read_verified
from pipeline.record.revisions import describe_splits, explained_by_splits, find_mended
from pipeline.record.tables import bars_to_columns, columns_to_bars

# What the baselines see, and some to spare for sessions that are missing.
HISTORY_SESSIONS = BASELINE_SESSIONS + 20
Ticker = Annotated[str, Meta(pattern=rf"^{TICKER}\Z")]
EARLIEST, LATEST = np.datetime64("1900-01-01"), np.datetime64("2199-12-31")


class ReadInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a vintage says of its reading, kept in the Parquet file's metadata.

    `asked` are the symbols that were read, `tickers` those of them to be forecast. `failures` maps
    tickers without bars to their reason; `issued_at` is when the run that read began: whoever
    goes on with this vintage issues at that time. `filled` are the sessions, by symbol, whose bars
    the source had lost and an earlier vintage had. `dialects` says by symbol how a file was read
    that is not as Yahoo exports it.
    """

    asked: tuple[str, ...]
    tickers: Annotated[tuple[Ticker, ...], Meta(min_length=1)]
    failures: Mapping[Ticker, Reason]
    source: str
    mode: Mode
    issued_at: Moment
    filled: Mapping[str, tuple[date, ...]] = {}
    dialects: Mapping[str, str] = {}

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
        filled = {symbol: days for symbol, days in self.info.filled.items() if symbol in kept}
        dialects = {symbol: text for symbol, text in self.info.dialects.items() if symbol in kept}
        info = msgspec.structs.replace(
            self.info, tickers=tuple(tickers), failures={}, filled=filled, dialects=dialects
        )
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
                _check_revisions(bars, prior.get(ticker))
                usable.append(bars)
            except DataError as exc:
                withheld[ticker] = exc.reason
        return usable, withheld


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


def select_forecast_bars(raw: RawBars, expected: Sequence[date]) -> Bars:
    """Return the last bars that a window needs, checked against the exchange's sessions.

    Raises
    ------
    StaleBars
        When the newest bar is older than the last expected session.
    InvalidBars
        When there are too few bars, a session is missing or unexpected, or a bar is not valid.
    """
    newest = raw.session.max() if len(raw) else None
    if newest is not None and newest < np.datetime64(expected[-1], "D"):
        raise StaleBars(f"{raw.ticker}: expected a bar of {expected[-1]}, newest is of {newest}")
    bars = _validate(raw.tail(MIN_SESSIONS))
    if len(bars) < MIN_SESSIONS:
        raise InvalidBars(
            f"{bars.ticker}: expected at least {MIN_SESSIONS} bars, got {len(bars)}",
            Reason.NOT_ENOUGH_HISTORY,
        )
    _check_sessions(bars, np.array(expected[-MIN_SESSIONS:], "datetime64[D]"))
    return bars


def _validate(raw: RawBars) -> Bars:
    """Return validated bars; of a jump the error says which splits the source knows of."""
    try:
        return Bars.validate(raw)
    except InvalidBars as exc:
        if exc.reason is not Reason.PRICE_JUMP:
            raise
        raise InvalidBars(f"{exc}; {describe_splits(raw)}", exc.reason) from exc


def _check_sessions(bars: Bars, expected: np.ndarray) -> None:
    if np.array_equal(bars.session, expected):
        return
    missing = np.setdiff1d(expected, bars.session)
    unexpected = np.setdiff1d(bars.session[bars.session >= expected[0]], expected)
    if unexpected.size:
        raise InvalidBars(
            f"{bars.ticker}: the exchange was closed on {unexpected[0]}, yet a bar came",
            Reason.UNEXPECTED_SESSION,
        )
    if missing.size:
        raise InvalidBars(
            f"{bars.ticker}: expected a bar of {missing[0]}, none came", Reason.MISSING_SESSION
        )


def _check_revisions(bars: Bars, prior: RawBars | None) -> None:
    if prior is None or explained_by_splits(bars, prior):
        return
    if not len(find_mended(bars, prior)):
        raise InvalidBars(
            f"{bars.ticker}: expected the closes of the vintage before, but for splits since, "
            "got others: an adjustment that changed, or a price mended afterwards",
            Reason.UNEXPLAINED_REVISION,
        )
