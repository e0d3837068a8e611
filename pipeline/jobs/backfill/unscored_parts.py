"""Unscored parts: what a backfill has issued and not scored yet, kept in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

from pipeline.columns import Columns, concatenate
from pipeline.jobs.daily_job import DailyJob
from pipeline.record.chain import read_link
from pipeline.record.issued_scenarios import IssuedScenarios, PartId
from pipeline.record.keys import manifest_key
from pipeline.record.part import PublishedPart
from pipeline.record.prior import PriorRecord, read_unscored_rows, select_unscored_rows
from pipeline.record.repairs import Repairs
from pipeline.record.state import Outstanding, list_outstanding


class UnscoredParts:
    """The tables of the newest parts, so that they need not be read back from the store.

    Of what is `lost` each part says what it would have needed.
    """

    def __init__(self, job: DailyJob) -> None:
        self._job, self._lost = job, job.repairs.lost
        self._tables: dict[tuple[date, int], tuple[Columns, Columns]] = {}
        self._scenarios: dict[PartId, IssuedScenarios] = {}

    def add(self, part: PublishedPart) -> PriorRecord:
        """Return what the record says after a part, whose bars one reading cannot revise."""
        run = part.link.manifest
        self._tables[run.session, run.part] = part.forecasts, part.baselines
        waiting = list_outstanding(part.state, run)
        unscored = [self._select_rows(outstanding) for outstanding in waiting]
        needed = {(outstanding.session, outstanding.part) for outstanding in waiting}
        self._tables = {key: tables for key, tables in self._tables.items() if key in needed}
        self._lost = self._keep_needed(needed - self._tables.keys())
        return PriorRecord(
            link=part.link,
            state=part.state,
            outstanding=waiting,
            unscored=concatenate(unscored) if unscored else None,
            repairs=Repairs(lost=self._lost),
            templates=part.templates,
            scenarios=self._keep_scenarios(part),
        )

    def _keep_scenarios(self, part: PublishedPart) -> Mapping[PartId, IssuedScenarios]:
        """Return the scenarios that are not scored yet, those of the part among them."""
        left = {(waiting.session, waiting.part) for waiting in part.state.scenarios.unscored}
        self._scenarios = {id: of for id, of in self._scenarios.items() if id in left}
        if part.scenarios is not None:
            self._scenarios[part.scenarios.id] = part.scenarios
        return dict(self._scenarios)

    def _keep_needed(self, parts: Collection[tuple[date, int]]) -> Mapping[str, str]:
        """Return the lost baselines of parts that are not scored yet."""
        if not self._lost:
            return self._lost
        runs = (read_link(self._job.store, manifest_key(*part)).manifest for part in parts)
        baselines = {run.table("baselines") for run in runs}
        return {key: digest for key, digest in self._lost.items() if key in baselines}

    def _select_rows(self, outstanding: Outstanding) -> Columns:
        tables = self._tables.get((outstanding.session, outstanding.part))
        if tables is None:
            return read_unscored_rows(self._job.store, self._job.tables, outstanding, self._lost)
        return select_unscored_rows(outstanding, *tables)
