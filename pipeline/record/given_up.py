"""Given up: a part whose own vintage or bundle was lost before its manifest was written.

It was claimed, so that nothing else follows the part before; what it would have said cannot be had
again. Once a person has accepted that, it is published all the same, as a part of nobody: a link
of the chain like any other, under the key of the manifest that a run still at work would write.
So of the two exactly one is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
import numpy as np

from pipeline.baselines.names import PERSISTENCE
from pipeline.forecasting.forecast import Forecast
from pipeline.forecasting.levels import LEVELS
from pipeline.ports import Tables
from pipeline.record.chain import Link
from pipeline.record.claims import Claim, claim_of
from pipeline.record.commit import build_manifest, commit
from pipeline.record.manifest import Mode, RunManifest
from pipeline.record.next_state import carry_on
from pipeline.record.part import PartInputs, PartWriter, Write
from pipeline.record.scenario_outcomes import ScenarioOutcomes, with_scenarios
from pipeline.record.state import SCHEMA_VERSION, State
from pipeline.record.tables import Stamp, build_baseline_columns, build_forecast_columns
from pipeline.record.vintage import ReadInfo, Vintage


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What stands in the place of the reading that is lost: whose it was, how and when issued."""

    source: str
    mode: Mode
    issued_at: datetime

    def as_vintage(self) -> Vintage:
        """Return a vintage of nobody."""
        return Vintage({}, ReadInfo((), (), {}, self.source, self.mode, self.issued_at))


def publish_nobody(
    part: PartInputs, named: Claim | RunManifest, tables: Tables, write: Write
) -> Link:
    """Write the objects of a part that is given up: no rows, and the state carried on.

    Parameters
    ----------
    part : with a vintage of nobody; its prior record says which of its own objects are lost
    named : what names these, and the part
    """
    writer = PartWriter(part, tables, write)
    writer.objects = dict(named.objects if isinstance(named, Claim) else claim_of(named).objects)
    writer.write_state(_carry_on(part))
    stamp = Stamp(
        origin_date=part.session,
        target_dates=part.target_dates,
        model_version=named.model_version,
        vintage_sha256=named.objects[named.table("bars")],
        issued_at=part.vintage.info.issued_at,
        mode=part.vintage.info.mode,
    )
    nobody = _forecast_nobody(len(part.target_dates))
    forecasts = writer.write_table("forecasts", build_forecast_columns(nobody, {}, stamp))
    baselines = build_baseline_columns({PERSISTENCE: nobody}, {PERSISTENCE: {}}, stamp)
    writer.write_table("baselines", baselines)
    return commit(build_manifest(part, named.model_version, forecasts, writer.objects), write)


def _carry_on(part: PartInputs) -> State:
    """Return the state of the part before, renamed, with what that part issued to be scored."""
    prior = part.prior
    before = prior.state or State(SCHEMA_VERSION, part.session, part.number, None, "", {})
    state = msgspec.structs.replace(
        before, session=part.session, part=part.number, previous=prior.state_digest
    )
    state = carry_on(state, prior.manifest, prior.outstanding)
    return with_scenarios(state, part, ScenarioOutcomes())


def _forecast_nobody(n_horizons: int) -> Forecast:
    return Forecast(
        tickers=(),
        origin_date=np.empty(0, "datetime64[D]"),
        last_close=np.empty(0),
        horizons=tuple(range(1, n_horizons + 1)),
        log_return_quantiles=np.empty((0, n_horizons, len(LEVELS))),
        sigma=np.empty((0, n_horizons)),
        finite=np.empty(0, bool),
    )
