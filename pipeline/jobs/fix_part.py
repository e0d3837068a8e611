"""Fix part: the bars of the part that a run is about to publish, read and stored once.

Whoever stores a part's vintage first fixes it; a run that comes later takes up the stored one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import NamedTuple

from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.daily_summary import Outcome, Summary
from pipeline.jobs.fill_holes import fill_vintage
from pipeline.jobs.newcomers import read_bars
from pipeline.record.forecasters import DirectForecaster
from pipeline.record.part_vintage import Asked, find_vintage, fix_vintage
from pipeline.record.plausible_close import Fit, select_fit
from pipeline.record.prior import PriorRecord
from pipeline.record.publish import find_unpublished, is_recorded
from pipeline.record.renamed import select_renamed
from pipeline.record.vintage import ReadInfo, Vintage, select_currencies


class FixedVintage(NamedTuple):
    """A part's vintage as it is stored, under its number, and what forecasts from it.

    Which of its tickers are fit is known where this run has read it.
    """

    number: int
    data: bytes
    vintage: Vintage
    forecaster: DirectForecaster
    fit: Fit | None = None


@dataclass(frozen=True, slots=True, eq=False)
class OpenPart:
    """The part that a run is about to publish, and what it needs to know of the record.

    `first` is the number it has, unless dead runs have used it up. `later` parts hold only what the
    session still lacks. `expected` are the exchange's sessions up to the origin, `target_dates` one
    per horizon.
    """

    first: int
    later: bool
    expected: Sequence[date]
    target_dates: tuple[date, ...]
    prior: PriorRecord

    @property
    def session(self) -> date:
        return self.expected[-1]


def fix_part(
    job: DailyJob, part: OpenPart, missing: Sequence[str], summary: Summary, now: datetime
) -> tuple[FixedVintage | None, Summary]:
    """Return the part's vintage as it is stored, None for nothing to record.

    Where no run that asked alike has stored one, the missing tickers are read now.
    """
    asked = Asked(job.source.label, job.mode, (*missing, *job.covariates), now)
    at, forecaster = (job.store, job.tables, part.session), DirectForecaster(job.models)
    number, stored = find_vintage(*at, part.first, asked)
    if stored is not None:
        return FixedVintage(number, stored, Vintage.decode(job.tables, stored), forecaster), summary
    vintage = _read_vintage(job, missing, part, now)
    vintage = fill_vintage(job.store, job.tables, vintage, part.expected, part.prior)
    summary = replace(summary, data_lag_sessions=vintage.data_lag(part.expected))
    if not part.later and vintage.nobody_traded(part.expected):
        return None, replace(summary, outcome=Outcome.CLOSED_UNCONFIRMED)
    fit = select_fit(vintage, part.expected, part.target_dates[0], part.prior)
    withheld = find_unpublished(vintage, fit, part.session, part.prior, forecaster)
    left = [ticker for ticker in missing if ticker not in withheld]
    recorded = is_recorded(vintage, part.session, part.prior, withheld)
    if not left and (part.later or not recorded):
        return None, replace(summary, outcome=Outcome.INCOMPLETE, withheld=withheld)
    if part.later:
        vintage, fit = vintage.only(left), Fit(fit.usable, {})
    data = vintage.encode(job.tables)
    number, stored = fix_vintage(*at, number, asked, data)
    if stored == data:
        return FixedVintage(number, data, vintage, forecaster, fit), summary
    return FixedVintage(number, stored, Vintage.decode(job.tables, stored), forecaster), summary


def _read_vintage(job: DailyJob, tickers: Sequence[str], part: OpenPart, now: datetime) -> Vintage:
    """Read the missing tickers and the bundle's covariates, which a forecast can do without."""
    symbols = (*tickers, *job.covariates)
    reading = read_bars(job, tickers, part.prior, part.expected[0], part.session)
    failures = {
        ticker: reading.failures[ticker].reason for ticker in tickers if ticker in reading.failures
    }
    bars = {symbol: reading.bars[symbol] for symbol in symbols if symbol in reading.bars}
    info = ReadInfo(
        asked=symbols,
        tickers=tuple(tickers),
        failures=failures,
        source=job.source.label,
        mode=job.mode,
        issued_at=now.astimezone(UTC),
        dialects={symbol: text for symbol, text in reading.dialects.items() if symbol in bars},
        currencies=select_currencies(reading.currencies, tickers),
        second_source=reading.second_source,
        second_closes=reading.second_closes,
        renamed=select_renamed(job.renamed, tickers, part.prior),
    )
    return Vintage(bars, info)
