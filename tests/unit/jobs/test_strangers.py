"""Strangers in a store: named by verify, and no reason to call a record broken."""

from __future__ import annotations

import pytest

from pipeline.errors import ForecasterError, StoreError
from pipeline.forecasting.model import Model
from pipeline.jobs.status import read_status
from pipeline.jobs.strangers import set_strangers_apart
from pipeline.jobs.verify import verify
from pipeline.record.chain import find_head
from pipeline.record.manifest import read_manifests
from pipeline.serving.cached_views import CachedViews
from tests.support.fakes import MemoryObjects
from tests.support.hostile import HEAD, SPAN, STRANGERS, record
from tests.support.records import CALENDAR, LONG_AFTER, TABLES, market, run_day


def test_names_are_set_apart_in_their_order_and_so_that_all_can_show_them() -> None:
    names = ["runs/2026-11-20.00.json", "b\x1b[31m", "a b", "\udcff", "latest.json"]
    keys, strangers = set_strangers_apart(names)
    assert keys == ["runs/2026-11-20.00.json", "latest.json"]
    assert strangers == ("'b\\x1b[31m'", "a b", "'\\udcff'")


def test_what_looks_like_a_universe_is_one_only_where_its_terms_are() -> None:
    names = ["shard=0001/runs/2026-11-20.00.json", "universe/latest.json", "universe.shard.json"]
    assert set_strangers_apart(names) == (names[2:], tuple(names[:2]))
    assert set_strangers_apart([*names, "universe.json"]) == (names[2:], ())


def test_verify_names_strangers_and_finds_nothing(model: Model) -> None:
    store = record(model)
    store.objects |= dict.fromkeys(STRANGERS, b"[" * 99_999)
    found = verify(store, TABLES, CALENDAR)
    assert (found.findings, found.left_behind) == ((), ())
    assert len(found.strangers) == len(STRANGERS)


def test_status_counts_no_stranger_as_a_session(model: Model) -> None:
    store = record(model)
    store.objects |= dict.fromkeys(STRANGERS, b"")
    assert read_status(store, CALENDAR, LONG_AFTER).missing == ()


def test_the_newest_manifest_is_no_stranger_even_where_no_view_says_where_it_is(
    model: Model,
) -> None:
    store = record(model)
    store.objects |= dict.fromkeys(STRANGERS, b"")
    del store.objects["latest.json"]
    head = find_head(store)
    assert head is not None
    assert head.manifest.key == HEAD


def test_a_manifest_under_another_key_is_refused(model: Model) -> None:
    store = record(model)
    copy = f"runs/{SPAN[2]}.01.json"
    store.objects[copy] = store.objects[HEAD]
    for read in (lambda: find_head(store), lambda: read_manifests(store, SPAN[2])):
        with pytest.raises(StoreError, match=f"expected the manifest of {copy}, got that of"):
            read()


BOMBS = {"deep": b'{"session":' * 200_000, "number": b"9" * 5000, "infinite": b"1e999"}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=list(BOMBS))
def test_a_bomb_in_place_of_latest_json_is_mended_by_the_next_run(
    model: Model, bomb: bytes
) -> None:
    store = record(model)
    whole = store.objects["latest.json"]
    store.objects["latest.json"] = bomb
    with pytest.raises(StoreError, match="^latest.json: expected the forecasts of a session"):
        CachedViews(store.read, lambda: 0.0).latest()
    run_day(model, store, SPAN[2], market())
    assert store.objects["latest.json"] == whole


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=list(BOMBS))
@pytest.mark.parametrize(
    "key", [HEAD, f"calibration/{SPAN[2]}.00.json", f"runs/{SPAN[1]}.00.json", "claims/first.json"]
)
def test_a_bomb_in_place_of_an_object_is_one_error_or_finding(
    model: Model, key: str, bomb: bytes
) -> None:
    store = MemoryObjects({**record(model).objects, key: bomb})
    try:
        assert key in {finding.key for finding in verify(store, TABLES, CALENDAR).findings}
    except ForecasterError as exc:
        assert key in str(exc)


def test_a_latest_view_without_an_interval_is_damaged(model: Model) -> None:
    store = record(model)
    data = store.objects["latest.json"].replace(b'"95": [', b'"96": [')
    with pytest.raises(StoreError, match="expected the intervals"):
        CachedViews({"latest.json": data}.get, lambda: 0.0).latest()
