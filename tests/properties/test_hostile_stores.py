"""Whatever lies in a store, every use of it ends well or with an error of ours.

And beside strangers a run writes the same bytes as without.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.model import Model
from pipeline.jobs.verify import verify
from pipeline.record.grammar import Kind, kind_of
from tests.conftest import DEFAULT_BUNDLE
from tests.support import hostile
from tests.support.fakes import MemoryObjects
from tests.support.hostile import HEAD, SPAN, assert_every_use_ends_well, relinked
from tests.support.records import CALENDAR, TABLES, evening, job_on, market, run, run_days


@cache
def model() -> Model:
    return Model(load_bundle(DEFAULT_BUNDLE))


@cache
def objects() -> dict[str, bytes]:
    return hostile.record(model()).objects


@cache
def after_the_next() -> dict[str, bytes]:
    return run_days(model(), SPAN).objects


TABLE_OF = {Kind.TABLE, Kind.SCORES}
NEXT = (
    f"bars/month=2024-12/{SPAN[3]}.00.parquet",
    f"runs/{SPAN[3]}.00.json",
    f"calibration/{SPAN[3]}.00.json",
    "store.json",
)
keys = st.deferred(lambda: st.sampled_from(sorted([*objects(), *NEXT])))
documents = st.deferred(
    lambda: st.sampled_from(sorted(key for key in objects() if key.endswith(".json")))
)
tables = st.deferred(
    lambda: st.sampled_from(sorted(key for key in objects() if kind_of(key) in TABLE_OF))
)
contents = (
    st.binary(max_size=40)
    | st.sampled_from([b"[" * 100_000, b'{"session":' * 50_000, b"9" * 5000, b"1e999", b"NaN"])
    | keys.map(lambda key: objects().get(key, b""))
)


@settings(max_examples=12, deadline=None)
@given(st.dictionaries(hostile.stranger_names, contents, max_size=8))
def test_a_run_beside_strangers_writes_equal_bytes(strangers: dict[str, bytes]) -> None:
    strangers = {name: data for name, data in strangers.items() if kind_of(name) is None}
    store = MemoryObjects({**strangers, **objects()})
    run(job_on(model(), store, market()), evening(SPAN[3]))
    assert store.objects == {**strangers, **after_the_next()}
    found = verify(store, TABLES, CALENDAR)
    assert (found.findings, found.left_behind) == ((), ())
    assert len(found.strangers) == len(strangers)
    assert all(name.isprintable() for name in found.strangers)


def test_every_stranger_at_once_is_ignored_and_named() -> None:
    store = MemoryObjects({**dict.fromkeys(hostile.STRANGERS, b"{}"), **objects()})
    run(job_on(model(), store, market()), evening(SPAN[3]))
    found = verify(store, TABLES, CALENDAR)
    assert len(found.strangers) == len(hostile.STRANGERS)
    assert found.findings == ()
    assert_every_use_ends_well(model(), store.objects)


@settings(max_examples=12, deadline=None)
@given(key=keys, data=contents)
def test_other_bytes_under_a_key_end_well(key: str, data: bytes) -> None:
    assert_every_use_ends_well(model(), {**objects(), key: data})
    assert_every_use_ends_well(model(), relinked(objects(), key, data))


@settings(max_examples=20, deadline=None)
@given(st.data(), documents)
def test_another_value_in_a_document_ends_well(data: Any, key: str) -> None:
    changed = data.draw(hostile.mutated_json(objects()[key]))
    assert_every_use_ends_well(model(), {**objects(), key: changed})
    assert_every_use_ends_well(model(), relinked(objects(), key, changed))


@settings(max_examples=12, deadline=None)
@given(st.data(), tables)
def test_another_value_in_a_table_ends_well(data: Any, key: str) -> None:
    changed = data.draw(hostile.mutated_table(key.partition("/")[0], objects()[key]))
    assert_every_use_ends_well(model(), relinked(objects(), key, changed))


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_another_vintage_of_a_run_that_died_ends_well(data: Any) -> None:
    key = f"bars/month=2024-12/{SPAN[3]}.00.parquet"
    changed = data.draw(hostile.mutated_table("bars", after_the_next()[key]))
    assert_every_use_ends_well(model(), {**objects(), key: changed})


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_another_claim_of_a_run_that_died_ends_well(data: Any) -> None:
    claims = [key for key in after_the_next() if key.startswith("claims/") and key not in objects()]
    changed = data.draw(hostile.mutated_json(after_the_next()[claims[0]]))
    vintage = f"bars/month=2024-12/{SPAN[3]}.00.parquet"
    died = {**objects(), vintage: after_the_next()[vintage], claims[0]: changed}
    assert_every_use_ends_well(model(), died)


def test_the_head_is_the_newest_manifest() -> None:
    assert max(key for key in objects() if key.startswith("runs/")) == HEAD
