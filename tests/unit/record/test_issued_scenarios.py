"""Scenarios read back to be scored are what a part can have drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.encoding import sha256
from pipeline.errors import StoreError
from pipeline.forecasting.model import Model
from pipeline.record.chain import find_head
from pipeline.record.issued_scenarios import read_issued_scenarios
from pipeline.record.manifest import RunManifest, read_manifest
from pipeline.record.prior import PriorRecord
from pipeline.record.scenario_state import UnscoredScenarios
from pipeline.record.unscored_scenarios import read_unscored
from tests.support.bundles import with_template
from tests.support.fakes import MemoryObjects
from tests.support.records import SESSIONS, TABLES, run_days, states

SPAN = SESSIONS[-8:]


@pytest.fixture(scope="module")
def store(model: Model) -> MemoryObjects:
    return run_days(with_template(model), SPAN)


def relinked(store: MemoryObjects, name: str, **columns: Any) -> tuple[MemoryObjects, RunManifest]:
    """Return a store whose table of SPAN[1] is another, and a manifest that names it."""
    run = read_manifest(store, f"runs/{SPAN[1]}.00.json")[0]
    key = run.table(name)
    table = TABLES.decode(name, store.objects[key])[0]
    data = TABLES.encode(name, {**table, **columns}, {})
    changed = msgspec.structs.replace(run, objects={**run.objects, key: sha256(data)})
    return MemoryObjects({**store.objects, key: data}), changed


@pytest.mark.parametrize(
    "column",
    [
        {"log_return": np.full(10_000, np.inf, np.float32)},
        {"log_return": np.full(10_000, -1e9, np.float32)},
        {"scenario": np.zeros(10_000, np.int32)},
        {"horizon": np.full(10_000, -3, np.int32)},
        {"origin_date": np.full(10_000, "2020-01-01", "datetime64[D]")},
    ],
)
def test_what_no_part_can_have_drawn_is_refused(store: MemoryObjects, column: Any) -> None:
    changed, run = relinked(store, "scenarios", **column)
    with pytest.raises(StoreError, match="scenarios"):
        read_issued_scenarios(changed, TABLES, run)
    assert read_issued_scenarios(store, TABLES, read_manifest(store, run.key)[0]).part == 0


def test_horizons_that_nobody_scores_are_not_looked_at(store: MemoryObjects) -> None:
    prior = PriorRecord(state=states(store)[-1], link=find_head(store))
    assert prior.state is not None
    waiting = UnscoredScenarios(SPAN[0], 0, (-1, 0, 2, 7, 10**9))
    scenarios = msgspec.structs.replace(prior.state.scenarios, unscored=(waiting,))
    state = msgspec.structs.replace(prior.state, scenarios=scenarios)
    assert read_unscored(store, TABLES, replace(prior, state=state), SESSIONS).due == ()
