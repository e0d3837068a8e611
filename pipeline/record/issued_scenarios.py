"""Issued scenarios: those of a part, with what its manifest says of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Self

from pipeline.errors import StoreError
from pipeline.forecasting.bundle import trained_until
from pipeline.ports import ObjectStore, Tables
from pipeline.record.issued import read_forecasts
from pipeline.record.manifest import OK, Mode, RunManifest
from pipeline.record.objects import read_verified
from pipeline.scenarios.cube_columns import TABLE, read_cube
from pipeline.scenarios.marginals import N_SCENARIOS
from pipeline.scenarios.scenario_cube import ScenarioCube

PartId = tuple[date, int]


@dataclass(frozen=True, slots=True, eq=False)
class IssuedScenarios:
    """The scenarios of a part, and what its manifest says of them.

    Of a session's parts only that which `opens_session` counts in the running scores. They are
    `in_sample` where the model of one of the tickers had learnt from sessions after the origin.
    """

    part: int
    mode: Mode
    opens_session: bool
    in_sample: bool
    model_version: str
    cube: ScenarioCube

    @classmethod
    def of(cls, run: RunManifest, cube: ScenarioCube) -> Self:
        """Return the scenarios of a part as its manifest describes it."""
        versions = {run.version_of(ticker) for ticker in cube.tickers}
        learnt = any(trained_until(version) > str(run.session) for version in versions)
        version = run.model_version
        return cls(run.part, run.mode, run.opens_session, learnt, version, cube)

    @property
    def id(self) -> PartId:
        return self.cube.origin_date, self.part


def read_issued_scenarios(store: ObjectStore, tables: Tables, run: RunManifest) -> IssuedScenarios:
    """Return the scenarios of a part; raises StoreError if they are not what it can have drawn."""
    forecasts = read_forecasts(store, tables, run)
    rows = forecasts["status"] == OK
    closes = zip(forecasts["ticker"][rows], forecasts["last_close"][rows], strict=True)
    columns = tables.decode(TABLE, read_verified(store, run, run.table(TABLE)))[0]
    cube = read_cube(columns, dict(closes))
    if cube is None or not _is_possible(cube, run):
        raise StoreError(
            f"{store.url(run.table(TABLE))}: expected scenarios of its manifest's part"
        )
    return IssuedScenarios.of(run, cube)


def _is_possible(cube: ScenarioCube, run: RunManifest) -> bool:
    """Whether a part can have drawn it: of its session and targets."""
    of_part = cube.origin_date == run.session and len(cube.target_dates) == run.horizons
    return of_part and len(cube.log_return) == N_SCENARIOS
