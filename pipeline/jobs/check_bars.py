"""Check bars: what a source's bars are, and what a run would say of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pipeline.bars import TICKER, RawBars
from pipeline.errors import (
    DataError,
    IncompleteRun,
    InvalidBars,
    Reason,
    SourceUnavailable,
)
from pipeline.jobs.bar_findings import Findings, find_all
from pipeline.ports import BarSource, Calendar
from pipeline.record.forecast_bars import select_forecast_bars
from pipeline.record.vintage import HISTORY_SESSIONS

# Of which the calendar knows the sessions.
EARLIEST, LATEST = date(1990, 1, 1), date(2049, 12, 31)
PLAIN = "as Yahoo exports it"
OK = "ok"
SHOWN = 5  # days named one by one


@dataclass(frozen=True, slots=True)
class CheckedTicker:
    """What is known of a ticker's bars.

    Attributes
    ----------
    bars : as they were read, None where they could not be
    dialect : how the file was read, empty for Yahoo's
    findings : what is to be seen in them, None without any
    failure : why a run from their last bar would withhold the ticker, None where it would not
    today : the same of a run now
    """

    bars: RawBars | None
    dialect: str
    findings: Findings | None
    failure: DataError | None
    today: DataError | None

    def document(self) -> dict[str, Any]:
        """Return all but the bars as plain values, ready for JSON."""
        document: dict[str, Any] = {
            "usable": self.failure is None,
            "run_from_last_bar": _name_reason(self.failure),
            "run_today": _name_reason(self.today),
            "message": None if self.failure is None else str(self.failure),
        }
        if self.bars is None or self.findings is None:
            return document
        session, findings = self.bars.session, self.findings
        days = {
            name: [str(day) for day in getattr(findings, name)]
            for name in Findings.__slots__
            if name not in ("splits", "adjusted")
        }
        return {
            "dialect": self.dialect or PLAIN,
            "first": str(session.min()),
            "last": str(session.max()),
            "bars": len(session),
            "splits": {str(day): ratio for day, ratio in findings.splits},
            "adjusted_for_dividends": findings.adjusted,
            **days,
            **document,
        }


@dataclass(frozen=True, slots=True)
class CheckedBars:
    """What is known of a source's bars, by ticker; `session` is that of a run now.

    `currencies` are those of the prices, where the source says them.
    """

    source: str
    session: date
    tickers: Mapping[str, CheckedTicker]
    currencies: Mapping[str, str] = field(default_factory=dict)

    @property
    def unusable(self) -> dict[str, CheckedTicker]:
        return {ticker: each for ticker, each in self.tickers.items() if each.failure}

    def document(self) -> dict[str, Any]:
        """Return it as plain values, ready for JSON."""
        return {
            "source": self.source,
            "session": str(self.session),
            "usable": len(self.tickers) - len(self.unusable),
            "tickers": {ticker: each.document() for ticker, each in self.tickers.items()},
        }

    def require_usable(self) -> None:
        """Raise IncompleteRun if a run would withhold a ticker from its last bar on."""
        reasons = {t: str(each.failure.reason) for t, each in self.tickers.items() if each.failure}
        if reasons:
            named = ", ".join(f"{t} ({reason})" for t, reason in [*reasons.items()][:SHOWN])
            more = f" and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
            raise IncompleteRun(
                f"expected bars that a run can use of all {len(self.tickers)} tickers, which "
                f"{len(reasons)} have not: {named}{more}",
                reasons,
            )


def check_bars(
    source: BarSource,
    calendar: Calendar,
    tickers: Sequence[str],
    span: tuple[date, date],
    at: datetime,
) -> CheckedBars:
    """Return what is known of a source's bars of tickers in a span, and of a run at `at`."""
    session = calendar.last_closed(at)
    reading = source.read(tickers, *span)
    checked = {}
    for ticker in tickers:
        failure = reading.failures.get(ticker) or _find_misnomer(ticker)
        if failure:
            checked[ticker] = CheckedTicker(None, "", None, failure, failure)
        else:
            dialect = reading.dialects.get(ticker, "")
            checked[ticker] = _check(reading.bars[ticker], dialect, calendar, session)
    return CheckedBars(source.label, session, checked, reading.currencies)


def _find_misnomer(name: str) -> DataError | None:
    """Return what is wrong with a file's name that is no ticker."""
    if re.fullmatch(TICKER, name):
        return None
    return SourceUnavailable(
        f"{name}: expected a file that is named for its ticker, like SPY.csv; rename it",
        Reason.UNKNOWN_TICKER,
    )


def _check(bars: RawBars, dialect: str, calendar: Calendar, session: date) -> CheckedTicker:
    if not len(bars):
        failure = InvalidBars(f"{bars.ticker}: expected bars, got none", Reason.NO_BARS)
        return CheckedTicker(bars, dialect, None, failure, failure)
    first, newest = (_clip(day.item()) for day in (bars.session.min(), bars.session.max()))
    sessions = calendar.between(EARLIEST, max(newest, session))
    last = min(newest, session)
    return CheckedTicker(
        bars,
        dialect,
        find_all(bars, [day for day in sessions if first <= day <= newest]),
        _find_failure(bars, [day for day in sessions if day <= last]),
        _find_failure(bars, [day for day in sessions if day <= session]),
    )


def _clip(day: date) -> date:
    return min(max(day, EARLIEST), LATEST)


def _find_failure(bars: RawBars, sessions: Sequence[date]) -> DataError | None:
    """Return why a run from the last of these sessions would withhold a ticker."""
    if len(sessions) < HISTORY_SESSIONS:
        return InvalidBars(
            f"{bars.ticker}: expected bars of sessions that the calendar knows, from {EARLIEST}, "
            f"got some up to {bars.session.max()}",
            Reason.NOT_ENOUGH_HISTORY,
        )
    expected = sessions[-HISTORY_SESSIONS:]
    try:
        select_forecast_bars(bars.as_of(expected[-1]), expected)
    except DataError as exc:
        return exc
    return None


def _name_reason(failure: DataError | None) -> str:
    return OK if failure is None else f"withheld:{failure.reason}"
