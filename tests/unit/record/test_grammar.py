"""Which names are keys of the record: those that its builders make, and no stranger's."""

from __future__ import annotations

import ast
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import StoreError
from pipeline.record import grammar, keys
from pipeline.record.grammar import Kind, kind_of, list_keys
from tests.support.fakes import MemoryObjects
from tests.support.hostile import STRANGERS

SHA = "0123456789abcdef" * 4
PIPELINE = Path(grammar.__file__).parents[1]
DAYS = st.dates(date(1000, 1, 1))


@given(
    DAYS,
    st.integers(0, 99),
    st.sampled_from(
        ["bars", "forecasts", "baselines", "scenarios", "templates", "scenario_scores"]
    ),
)
def test_every_key_that_is_built_is_of_the_record(session: date, part: int, table: str) -> None:
    built = {
        keys.table_key(table, session, part): Kind.TABLE,
        keys.manifest_key(session, part): Kind.MANIFEST,
        keys.calibration_key(session, part): Kind.STATE,
        keys.scores_key(str(session)[:7], session, part): Kind.SCORES,
        keys.claim_key(None): Kind.CLAIM,
        keys.claim_key(SHA): Kind.CLAIM,
        keys.plan_key(session, part): Kind.PLAN,
        **dict.fromkeys(keys.bundle_keys(f"{session}-{SHA[:12]}", SHA), Kind.BUNDLE),
        **dict.fromkeys(keys.VIEWS, Kind.VIEW),
        keys.STORE: Kind.STORE,
        keys.SHARD: Kind.SHARD,
        keys.signature_key(SHA): Kind.SIGNATURE,
        keys.loss_key(SHA): Kind.LOSS,
    }
    assert {key: kind_of(key) for key in built} == built


@given(DAYS, st.integers(0, 40))
def test_scores_lie_under_the_month_of_their_targets(session: date, back: int) -> None:
    month = str(max(session - timedelta(days=back), date(1000, 1, 1)))[:7]
    assert kind_of(keys.scores_key(month, session, 0)) is Kind.SCORES


@pytest.mark.parametrize("name", STRANGERS, ids=ascii)
def test_a_stranger_is_none_of_it(name: str) -> None:
    assert kind_of(name) is None


@pytest.mark.parametrize("part", [-1, 100, 10**40])
def test_a_number_without_a_key_is_refused(part: int) -> None:
    with pytest.raises(StoreError, match="at most 100 parts of a session"):
        keys.manifest_key(date(2026, 11, 20), part)


def test_only_keys_are_listed() -> None:
    store = MemoryObjects(dict.fromkeys([*STRANGERS, "runs/2026-11-20.00.json"], b""))
    assert list_keys(store, "") == list_keys(store, "runs/") == ["runs/2026-11-20.00.json"]
    assert list_keys(store, "runs/", after="runs/2026-11-21.") == []


def test_nobody_looks_through_a_store_past_the_grammar() -> None:
    """A dictionary's `keys()` takes nothing; a store's takes a prefix."""
    users = {
        str(path.relative_to(PIPELINE))
        for path in PIPELINE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "keys"
        and (node.args or node.keywords)
    }
    # The first tells strangers apart, three hand all on, the next asks itself; the last looks for
    # files of bars, which lie in no record.
    apart = {"jobs/verify.py", "jobs/remembered.py", "jobs/readable.py", "adapters/folder_store.py"}
    apart.add("record/sharding.py")
    assert users == {*apart, "record/grammar.py", "adapters/bar_folder/places.py"}
