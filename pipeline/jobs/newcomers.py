"""Newcomers: tickers that no model knows yet, of which a first vintage reaches further back.

Its first gains are learned from what the model's quantiles would have missed in the ticker's own
past, nearly three years more than a run sees otherwise. From the next session on it is like others.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date, timedelta
from typing import Any

from pipeline.jobs.daily_job import DailyJob
from pipeline.ports import Reading
from pipeline.record.prior import PriorRecord

FURTHER_BACK = timedelta(days=1000)


def list_newcomers(job: DailyJob, tickers: Sequence[str], prior: PriorRecord) -> list[str]:
    """Return the tickers that the broad model is to serve and neither it nor the record knows."""
    others = job.models.select_others(tickers)
    return [
        ticker
        for ticker, model in others.items()
        if ticker not in model.manifest.gains
        and (
            prior.state is None
            or prior.state.version_of(job.renamed.get(ticker, ticker)) != model.bundle.version
        )
    ]


def read_bars(
    job: DailyJob, tickers: Sequence[str], prior: PriorRecord, first: date, last: date
) -> Reading:
    """Return the bars of tickers and covariates from a day on, of newcomers from further back."""
    newcomers = list_newcomers(job, tickers, prior)
    if not newcomers:
        return job.source.read((*tickers, *job.covariates), first, last)
    known = [ticker for ticker in tickers if ticker not in newcomers]
    readings = [job.source.read((*newcomers, *job.covariates), first - FURTHER_BACK, last)]
    readings += [job.source.read(known, first, last)] if known else []
    return _merge(readings)


def _merge(readings: Sequence[Reading]) -> Reading:
    """Return all that readings of different tickers say as one, whatever a reading has."""
    merged: dict[str, Any] = {}
    for name in (field.name for field in fields(Reading)):
        values = [getattr(reading, name) for reading in readings]
        of_symbols = isinstance(values[0], Mapping)
        merged[name] = dict(ChainMap(*values)) if of_symbols else values[0]
    return Reading(**merged)


def read_history(job: DailyJob, first: date, last: date) -> Reading:
    """Return the bars of all tickers and covariates from a day on, far enough for newcomers."""
    others = job.models.select_others(job.tickers)
    start = first - FURTHER_BACK if others else first
    return job.source.read([*job.tickers, *job.covariates], start, last)
