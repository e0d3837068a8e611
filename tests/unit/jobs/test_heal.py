"""A damaged object ends nothing that a remake or a person's word can carry on."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import msgspec
import numpy as np
import pytest

from pipeline.columns import Columns, where
from pipeline.encoding import sha256, to_json
from pipeline.errors import StoreError
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.model import Model
from pipeline.jobs.replay import replay
from pipeline.record.keys import (
    VIEWS,
    calibration_key,
    manifest_key,
    table_key,
)
from pipeline.record.manifest import Mode, RunManifest, read_manifests
from pipeline.record.repairs import Loss, Repairs, accept_loss
from pipeline.record.state import State
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    FORECAST,
    SESSIONS,
    TABLES,
    backfilled,
    flipped,
    market,
    rows_by_key,
    run_day,
    run_days,
    table,
)

SPAN, NEXT = SESSIONS[-4:-1], SESSIONS[-1]
NEWEST = SPAN[-1]
ACCEPTED_AT = datetime(2025, 1, 1, tzinfo=UTC)
REMADE = {
    "state": calibration_key(NEWEST, 0),
    "forecasts": table_key("forecasts", NEWEST, 0),
    "baselines": table_key("baselines", NEWEST, 0),
    "templates": table_key("templates", NEWEST, 0),
    "older forecasts": table_key("forecasts", SPAN[0], 0),
    "manifest": manifest_key(NEWEST, 0),
    "older manifest": manifest_key(SPAN[0], 0),
}


@pytest.fixture
def store(model: Model) -> MemoryObjects:
    return run_days(model, SPAN)


def go_on(model: Model, store: MemoryObjects) -> RunManifest:
    run_day(model, store, NEXT, market())
    return read_manifests(store, NEXT)[0]


def recorded(store: MemoryObjects) -> dict[str, bytes]:
    """What no later run may change."""
    views = set(VIEWS)
    return {key: data for key, data in store.objects.items() if key not in views}


def damage(store: MemoryObjects, key: str, how: str) -> None:
    if how == "missing":
        del store.objects[key]
    else:
        store.objects[key] = flipped(store.objects[key], 0)


def accept(store: MemoryObjects, key: str, data: bytes) -> None:
    accept_loss(store, Loss(key, sha256(data), ACCEPTED_AT))


@pytest.mark.parametrize("key", REMADE.values(), ids=REMADE)
@pytest.mark.parametrize("how", ["missing", "flipped"])
def test_the_next_run_remakes_what_a_replay_can_and_says_so(
    model: Model, store: MemoryObjects, key: str, how: str
) -> None:
    whole = recorded(store)
    damage(store, key, how)
    manifest = go_on(model, store)
    assert {k: data for k, data in recorded(store).items() if k in whole} == whole
    # A newest manifest that is gone was claimed: to finish it is no repair.
    finished = (key, how) == (manifest_key(NEWEST, 0), "missing")
    assert manifest.healed == ({} if finished else {key: sha256(whole[key])})
    assert manifest.lost == {}
    assert all(replayed.equal for replayed in replay(store, TABLES, CALENDAR, NEXT))


def test_what_is_damaged_together_is_healed_together(model: Model, store: MemoryObjects) -> None:
    whole = recorded(store)
    for key in REMADE.values():
        damage(store, key, "flipped")
    manifest = go_on(model, store)
    assert {k: data for k, data in recorded(store).items() if k in whole} == whole
    assert manifest.healed == {key: sha256(whole[key]) for key in REMADE.values()}


def test_a_summary_says_what_was_healed(model: Model, store: MemoryObjects) -> None:
    key = REMADE["state"]
    digest = sha256(store.objects[key])
    damage(store, key, "missing")
    assert run_day(model, store, NEXT, market()).repairs == Repairs(healed={key: digest})


@pytest.mark.parametrize("how", ["missing", "flipped"])
def test_a_vintage_that_is_gone_stops_runs_until_its_loss_is_accepted(
    model: Model, store: MemoryObjects, how: str
) -> None:
    key, whole = table_key("bars", NEWEST, 0), recorded(store)
    damage(store, key, how)
    damaged = recorded(store)
    with pytest.raises(StoreError, match=r"forecaster repair --accept-loss"):
        go_on(model, store)
    assert {k: data for k, data in recorded(store).items() if not k.startswith("bars/")} == {
        k: data for k, data in damaged.items() if not k.startswith("bars/")
    }
    accept(store, key, whole[key])
    manifest = go_on(model, store)
    assert manifest.lost == {key: sha256(whole[key])}
    assert manifest.published == {"SPY", "QQQ"}
    assert all(replayed.equal for replayed in replay(store, TABLES, CALENDAR, NEXT))
    assert {k: data for k, data in recorded(store).items() if k in damaged} == damaged


def test_a_state_that_is_lost_is_gone_on_from_the_newest_whole_one(
    model: Model, store: MemoryObjects
) -> None:
    vintage, state = table_key("bars", NEWEST, 0), REMADE["state"]
    whole = recorded(store)
    for key in (vintage, state):
        damage(store, key, "missing")
        accept(store, key, whole[key])
    manifest = go_on(model, store)
    assert manifest.lost == {key: sha256(whole[key]) for key in (vintage, state)}
    rows = rows_by_key(table(store, "scores"), *FORECAST)  # none of them twice
    origins = {row["origin_date"] for row in rows.values() if row["target_date"] == NEXT}
    assert origins == {NEWEST}  # what the gap left unscored stays so
    before = State.decode(whole[calibration_key(SPAN[1], 0)], "")
    after = State.decode(store.objects[calibration_key(NEXT, 0)], "")
    assert after.tracks[Mode.LIVE].sessions == before.tracks[Mode.LIVE].sessions + 1
    assert all(replayed.equal for replayed in replay(store, TABLES, CALENDAR, NEXT))


def test_forecasts_that_are_lost_are_not_scored_and_their_baselines_neither(
    model: Model, store: MemoryObjects
) -> None:
    lost = [table_key(name, SPAN[0], 0) for name in ("bars", "forecasts")]
    whole = recorded(store)
    for key in lost:
        damage(store, key, "missing")
        accept(store, key, whole[key])
    manifest = go_on(model, store)
    assert manifest.lost == {lost[1]: sha256(whole[lost[1]])}
    scores = where_target(store, NEXT)
    assert SPAN[0] not in scores["origin_date"].tolist()
    state = State.decode(store.objects[calibration_key(NEXT, 0)], "")
    assert SPAN[0] not in [part.session for part in state.outstanding]


def test_baselines_that_are_lost_leave_the_forecasts_scored(
    model: Model, store: MemoryObjects
) -> None:
    lost = [table_key(name, SPAN[1], 0) for name in ("bars", "baselines")]
    whole = recorded(store)
    for key in lost:
        damage(store, key, "missing")
        accept(store, key, whole[key])
    assert go_on(model, store).lost == {lost[1]: sha256(whole[lost[1]])}
    scores = where_target(store, NEXT)
    models = scores["model"][scores["origin_date"] == np.datetime64(SPAN[1])]
    assert set(models.tolist()) == {FORECASTER}
    assert all(replayed.equal for replayed in replay(store, TABLES, CALENDAR, NEXT))


def test_a_backfill_heals_and_does_without_as_a_run_does(model: Model) -> None:
    store = backfilled(model, SPAN[0], SPAN[1])
    whole = recorded(store)
    healed = table_key("forecasts", SPAN[1], 0)
    lost = [table_key(name, SPAN[0], 0) for name in ("bars", "baselines")]
    for key in (*lost, healed):
        damage(store, key, "missing")
    for key in lost:
        accept(store, key, whole[key])
    backfilled(model, NEWEST, NEXT, store=store)
    first, second = (read_manifests(store, session)[0] for session in (NEWEST, NEXT))
    assert first.lost == second.lost == {lost[1]: sha256(whole[lost[1]])}
    assert (first.healed, second.healed) == ({healed: sha256(whole[healed])}, {})
    for session in (NEWEST, NEXT):
        assert all(replayed.equal for replayed in replay(store, TABLES, CALENDAR, session))


def test_other_bytes_than_those_named_are_never_put_back(
    model: Model, store: MemoryObjects
) -> None:
    """A record made by another version of the code: what it would write is not what was named."""
    key, vintage = REMADE["state"], table_key("bars", NEWEST, 0)
    bars, metadata = TABLES.decode("bars", store.objects[vintage])
    manifest = read_manifests(store, NEWEST)[0]
    other = TABLES.encode("bars", {**bars, "close": bars["close"] * 1.01}, metadata)
    store.objects[vintage] = other
    bent = msgspec.structs.replace(manifest, objects={**manifest.objects, vintage: sha256(other)})
    store.objects[manifest.key] = to_json(bent)
    damage(store, key, "flipped")
    before = recorded(store)
    with pytest.raises(StoreError, match=re.escape(key)):
        go_on(model, store)
    assert recorded(store).items() >= before.items()
    assert key not in set(recorded(store)) - set(before)


def where_target(store: MemoryObjects, session: date) -> Columns:
    scores = table(store, "scores")
    return where(scores, scores["target_date"] == np.datetime64(session))
