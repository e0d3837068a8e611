"""A finished month lies in one file a table beside the originals, and says what they say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from pipeline.columns import Columns, where
from pipeline.encoding import sha256
from pipeline.errors import DamagedObject, RequestError, StoreError
from pipeline.forecasting.model import Model
from pipeline.jobs.compact import Outcome, compact, list_finished
from pipeline.jobs.compacted_table import COMPACTED, SOURCES, encode, is_newest
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.repair import repair
from pipeline.jobs.verify import Scope, Verified, verify
from pipeline.record.grammar import kind_of
from pipeline.record.keys import compact_key, table_key
from pipeline.record.manifest import read_manifest
from pipeline.record.repairs import Loss, accept_loss
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    RememberingTables,
    evening,
    market,
    run_day,
    run_days,
    scaled,
    table,
)

# Eight sessions of November and two of December, the first of which mends a bad print.
BEGUN = next(at for at, day in enumerate(SESSIONS) if str(day) >= "2024-12")
DAYS = SESSIONS[BEGUN - 8 : BEGUN + 2]
BAD = DAYS[7]
MONTH, UNFINISHED = "2024-11", "2024-12"


@pytest.fixture(scope="module")
def record(model: Model) -> MemoryObjects:
    at = SESSIONS.index(BAD)
    store = run_days(model, DAYS[:7], store=MemoryObjects())
    run_day(model, store, BAD, market(SPY=scaled(market()["SPY"], 1.05, slice(at, at + 1))))
    return run_days(model, DAYS[8:], market(), store)


@pytest.fixture
def store(record: MemoryObjects) -> MemoryObjects:
    return MemoryObjects(dict(record.objects))


def list_keys(rows: Columns, names: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(rows[name].tolist() for name in names), strict=True))


def outcomes(store: MemoryObjects, **how: Any) -> dict[str, Outcome]:
    return {of.key.split("/")[1]: of.outcome for of in compact(store, TABLES, MONTH, **how)}


def read(store: MemoryObjects, name: str) -> dict[str, np.ndarray]:
    return dict(TABLES.decode(name, store.objects[compact_key(name, MONTH)])[0])


def deeply(store: MemoryObjects) -> Verified:
    return verify(store, TABLES, CALENDAR, Scope(Sample(deep=True)))


def test_originals_stay_and_every_table_has_a_file(store: MemoryObjects) -> None:
    before = dict(store.objects)
    assert outcomes(store) == dict.fromkeys(COMPACTED, Outcome.WRITTEN)
    assert store.objects.keys() - before.keys() == {compact_key(name, MONTH) for name in COMPACTED}
    assert {key: store.objects[key] for key in before} == before
    found = deeply(store)
    assert (found.findings, found.left_behind, found.strangers) == ((), (), ())


@pytest.mark.parametrize("name", ["forecasts", "baselines"])
def test_its_rows_are_those_of_the_originals(store: MemoryObjects, name: str) -> None:
    compact(store, TABLES, MONTH)
    whole = table(store, name)
    inside = whole["origin_date"] < np.datetime64("2024-12-01")
    ours = read(store, name)
    for column in whole:
        assert np.array_equal(
            ours[column], whole[column][inside], equal_nan=ours[column].dtype.kind == "f"
        )


@pytest.mark.parametrize("name", ["scores", "scenario_scores"])
def test_of_what_was_corrected_it_has_the_row_that_counts(store: MemoryObjects, name: str) -> None:
    """A row of a target of November, whichever month's run scored it last."""
    compact(store, TABLES, MONTH)
    keys = COMPACTED[name]
    assert keys is not None
    newest: dict[tuple[Any, ...], Any] = {}
    rows = 0
    for path in sorted(store.keys(f"{name}/"), key=lambda key: key.rpartition("/")[2]):
        part = TABLES.decode(name, store.objects[path])[0]
        part = where(part, part["target_date"] < np.datetime64(UNFINISHED))
        rows += len(part["model"])
        newest |= dict(zip(list_keys(part, keys), part["crps"].tolist(), strict=True))
    ours = read(store, name)
    found = dict(zip(list_keys(ours, keys), ours["crps"].tolist(), strict=True))
    assert len(ours["model"]) == len(newest)
    assert found.keys() == newest.keys()
    assert np.array_equal([found[key] for key in newest], list(newest.values()), equal_nan=True)
    assert rows > len(newest)  # the first session of December corrects some


@pytest.mark.parametrize("name", ["scores", "scenario_scores"])
def test_no_score_is_in_two_months(store: MemoryObjects, name: str) -> None:
    """Of November, the first session of December has corrected some."""
    intact = dict(store.objects)
    store.objects["runs/2025-01-02.00.json"] = b""  # the record has gone on
    keys: list[Any] = []
    for month in (MONTH, UNFINISHED):
        compact(store, TABLES, month)
        rows = TABLES.decode(name, store.objects[compact_key(name, month)])[0]
        assert {str(day)[:7] for day in rows["target_date"]} == {month}
        keys += list_keys(rows, COMPACTED[name] or ())
    assert len(set(keys)) == len(keys)
    compacted = {key: store.objects[key] for key in store.keys("compact/")}
    assert deeply(MemoryObjects(intact | compacted)).findings == ()


def test_a_month_without_a_run_may_have_targets() -> None:
    months = ("2024-11-29", "2025-02-03")
    gap = MemoryObjects({f"runs/{session}.00.json": b"" for session in months})
    assert list_finished(gap) == ["2024-11", "2024-12", "2025-01"]


def test_of_equal_keys_the_last_row_counts() -> None:
    """By the values of all columns together, in any order."""
    rng = np.random.default_rng(5)
    columns = {
        "ticker": np.array([f"T{n}" for n in rng.integers(0, 40, 2000)], object),
        "origin_date": np.datetime64("2024-11-01") + rng.integers(0, 9, 2000),
        "horizon": rng.integers(1, 6, 2000).astype(np.int32),
    }
    newest = {key: row for row, key in enumerate(list_keys(columns, (*columns,)))}
    assert 1000 < len(newest) < 2000
    assert np.array_equal(np.flatnonzero(is_newest(columns, (*columns,))), sorted(newest.values()))
    none = {name: column[:0] for name, column in columns.items()}
    assert is_newest(none, (*none,)).tolist() == []


def test_again_it_writes_nothing(store: MemoryObjects) -> None:
    assert outcomes(store, check=True) == dict.fromkeys(COMPACTED, Outcome.MISSING)
    assert not store.keys("compact/")
    outcomes(store)
    made, writes = dict(store.objects), store.writes
    assert outcomes(store) == dict.fromkeys(COMPACTED, Outcome.EQUAL)
    assert (store.objects, store.writes) == (made, writes)


def test_what_comes_later_leaves_it_behind(model: Model) -> None:
    at = SESSIONS.index(BAD)
    store = run_days(model, DAYS[:7], store=MemoryObjects())
    bad = market(SPY=scaled(market()["SPY"], 1.05, slice(at, at + 1)))
    run_day(model, store, BAD, bad)
    run_day(model, store, DAYS[8], bad)
    compact(store, TABLES, MONTH)
    run_day(model, store, DAYS[9], market())  # mends the print: scores of November are corrected
    assert outcomes(store, check=True)["scores"] is Outcome.BEHIND
    assert deeply(store).findings == ()
    assert outcomes(store)["scores"] is Outcome.WRITTEN
    assert set(outcomes(store, check=True).values()) == {Outcome.EQUAL}


def test_a_month_that_goes_on_is_refused(store: MemoryObjects) -> None:
    assert list_finished(store) == [MONTH]
    for month in (UNFINISHED, "2024-10"):
        with pytest.raises(RequestError, match=f"got {month}"):
            compact(store, TABLES, month)
    with pytest.raises(StoreError, match="found none"):
        compact(MemoryObjects(), TABLES, MONTH)


def test_what_dead_runs_left_is_not_in_it(store: MemoryObjects) -> None:
    key = table_key("forecasts", DAYS[0], 7)
    store.objects[key] = store.objects[table_key("forecasts", DAYS[0], 0)]
    compact(store, TABLES, MONTH)
    rows = zip(
        *(read(store, "forecasts")[n] for n in ("ticker", "origin_date", "horizon")), strict=True
    )
    listed = list(rows)
    assert len(set(listed)) == len(listed)


def test_damaged_originals_are_refused_and_lost_ones_left_out(store: MemoryObjects) -> None:
    key = table_key("baselines", DAYS[2], 0)
    digest = read_manifest(store, f"runs/{DAYS[2]}.00.json")[0].objects[key]
    del store.objects[key]
    with pytest.raises(DamagedObject, match=key):
        compact(store, TABLES, MONTH)
    accept_loss(store, Loss(key, digest, LONG_AFTER))
    (of,) = (of for of in compact(store, TABLES, MONTH) if "baselines" in of.key)
    assert (of.lost, of.originals) == ((key,), 7)
    assert np.datetime64(DAYS[2]) not in read(store, "baselines")["origin_date"]


def lie(store: MemoryObjects) -> bytes:
    key = compact_key("scores", MONTH)
    columns, metadata = TABLES.decode("scores", store.objects[key])
    return TABLES.encode("scores", {**columns, "crps": columns["crps"] / 2}, metadata)


def foreign(store: MemoryObjects) -> bytes:
    """A file of originals that nobody named, true to them."""
    key = compact_key("scores", MONTH)
    columns, metadata = TABLES.decode("scores", store.objects[key])
    named = dict.fromkeys(json.loads(metadata[SOURCES]), "0" * 64)
    return TABLES.encode("scores", columns, {SOURCES: json.dumps(named)})


def litter(store: MemoryObjects) -> bytes:
    """A file true to an object that a dead run left, which no manifest names."""
    key = table_key("scores", DAYS[3], 0)
    columns, _ = TABLES.decode("scores", store.objects[key])
    data = TABLES.encode("scores", {**columns, "crps": columns["crps"] / 2}, {})
    left = table_key("scores", DAYS[3], 7)
    store.objects[left] = data
    return encode(TABLES, "scores", MONTH, {left: (sha256(data), data)})[0]


@pytest.mark.parametrize("change", [lie, foreign, litter, lambda store: b"", lambda store: b"PAR1"])
def test_verify_finds_a_file_that_says_something_else(store: MemoryObjects, change: Any) -> None:
    compact(store, TABLES, MONTH)
    key = compact_key("scores", MONTH)
    store.objects[key] = change(store)
    found = verify(store, TABLES, CALENDAR)
    assert [
        (finding.key, "forecaster compact" in finding.message) for finding in found.findings
    ] == [(key, True)]
    assert outcomes(store)["scores"] is Outcome.WRITTEN
    assert verify(store, TABLES, CALENDAR).findings == ()


def test_what_is_not_read_back_is_no_success(store: MemoryObjects) -> None:
    class Forgetful(MemoryObjects):
        def replace(self, key: str, data: bytes) -> None:
            super().replace(key, lie(other) if "compact/scores" in key else data)

    other = MemoryObjects(dict(store.objects))
    compact(other, TABLES, MONTH)
    with pytest.raises(StoreError, match="expected to read what was written"):
        compact(Forgetful(dict(store.objects)), TABLES, MONTH)


def test_what_says_something_else_than_the_originals_is_not_written(store: MemoryObjects) -> None:
    class Rounding(RememberingTables):
        def encode(self, table: str, columns: Columns, metadata: Mapping[str, str]) -> bytes:
            rounded = {"crps": columns["crps"].round(3)} if table == "scores" else {}
            return super().encode(table, {**columns, **rounded}, metadata)

    with pytest.raises(StoreError, match="expected crps as in the originals"):
        compact(store, Rounding(), MONTH)
    assert compact_key("scores", MONTH) not in store.objects


def test_runs_and_repairs_do_not_mind_it(model: Model, store: MemoryObjects) -> None:
    compact(store, TABLES, MONTH)
    files = {key: store.objects[key] for key in store.keys("compact/")}
    repair(store, TABLES, CALENDAR, evening(DAYS[9], 23), give_up=False)
    following = SESSIONS[BEGUN + 2]
    run_days(model, [following], market(), store)
    assert {key: store.objects[key] for key in store.keys("compact/")} == files
    assert deeply(store).findings == ()


def test_only_its_own_names_are_keys() -> None:
    assert kind_of(compact_key("scores", MONTH)) is not None
    for name in ("bars", "scenarios", "templates", "runs"):
        assert kind_of(compact_key(name, MONTH)) is None
    assert kind_of("compact/scores/month=2024-11/2024-12.parquet") is None
    assert kind_of("compact/scores/month=2024-13/2024-13.parquet") is None
