"""Daily job: what a daily run works with, and in which mode it may issue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipeline.errors import RequestError
from pipeline.forecasting.model import Model
from pipeline.forecasting.models import Models
from pipeline.ports import BarSource, Calendar, ObjectStore, Signer, Tables
from pipeline.record.manifest import SCHEMA_VERSION, Mode
from pipeline.record.repairs import NO_REPAIRS, Repairs
from pipeline.record.terms import StoreTerms

VIX_ZONES = ("America/New_York", "America/Chicago", "America/Toronto")


@dataclass(frozen=True, slots=True)
class DailyJob:
    """What a daily run works with.

    `mode` is `live`, or `as_of` for a date of the past; `repairs` are the earlier objects that the
    run found damaged; `signer` signs the manifests, or there are no signatures. `broad` is the
    model of tickers that `model` was not proven on; without one that serves all.
    `renamed` maps the new name of a ticker to the one it had on the record.
    """

    tickers: tuple[str, ...]
    source: BarSource
    calendar: Calendar
    store: ObjectStore
    tables: Tables
    model: Model
    broad: Model | None = None
    mode: Mode = Mode.LIVE
    signer: Signer | None = None
    repairs: Repairs = NO_REPAIRS
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def models(self) -> Models:
        return Models(self.model, self.broad)

    @property
    def model_versions(self) -> tuple[str, ...]:
        others = (self.broad.bundle.version,) if self.broad else ()
        return (self.model.bundle.version, *others)

    @property
    def terms(self) -> StoreTerms:
        public_key = self.signer.public_key if self.signer else None
        return StoreTerms(SCHEMA_VERSION, self.source.label, self.calendar.name, public_key)

    @property
    def covariates(self) -> tuple[str, ...]:
        """What is read beside the tickers: of exchanges that close when the VIX is known, it.

        Elsewhere a session's VIX is still to come when the session has closed.
        """
        known = str(self.calendar.zone) in VIX_ZONES
        return tuple(self.model.manifest.covariates) if known else ()


def with_mode(job: DailyJob, at: datetime, now: datetime) -> DailyJob:
    """Return the job, in mode `as_of` if the session closed at `at` is no longer the newest.

    What is made once the next session has closed must never pass as made in time.

    Raises
    ------
    RequestError
        When the session closed at `at` is still to come.
    """
    asked, current = job.calendar.last_closed(at), job.calendar.last_closed(now)
    if asked > current:
        raise RequestError(f"expected a time that has come, got {at.isoformat()}")
    return job if asked == current else replace(job, mode=Mode.AS_OF)
