"""The head of the chain is found whatever the views say, at a cost that does not grow."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import msgspec
import pytest

from pipeline.encoding import sha256
from pipeline.errors import StoreError
from pipeline.forecasting.model import Model
from pipeline.record.chain import find_head, read_link, walk_back
from pipeline.record.keys import LATEST
from pipeline.record.prior import read_prior_record
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    SESSIONS,
    TABLES,
    backfilled,
    flipped,
    market,
    run_day,
    run_days,
)

SPAN = SESSIONS[-6:]
HEAD = f"runs/{SPAN[-1]}.00.json"


@pytest.fixture(scope="module")
def store(model: Model) -> MemoryObjects:
    return run_days(model, SPAN)


def test_every_manifest_names_the_one_before(store: MemoryObjects) -> None:
    links = list(walk_back(store, find_head(store)))
    assert [link.manifest.session for link in links] == SPAN[::-1]
    for after, before in pairwise(links):
        assert after.manifest.previous_key == before.manifest.key
        assert after.manifest.previous == sha256(store.objects[before.manifest.key])
    first = links[-1].manifest
    assert (first.previous_key, first.previous) == (None, None)


def test_parts_of_one_session_are_links_of_the_chain(model: Model) -> None:
    store = run_days(model, SPAN[:2])
    run_day(model, store, SPAN[2], {"SPY": market()["SPY"]})
    run_day(model, store, SPAN[2], market())
    run_day(model, store, SPAN[3], market())
    keys = [link.manifest.key for link in walk_back(store, find_head(store))]
    assert keys == [
        f"runs/{SPAN[3]}.00.json",
        f"runs/{SPAN[2]}.01.json",
        f"runs/{SPAN[2]}.00.json",
        f"runs/{SPAN[1]}.00.json",
        f"runs/{SPAN[0]}.00.json",
    ]


def test_the_bars_before_a_part_are_the_newest_of_each_ticker(model: Model) -> None:
    store = run_days(model, SPAN[:1])
    run_day(model, store, SPAN[1], {"SPY": market()["SPY"]})
    before = read_prior_record(store, TABLES, find_head(store), SPAN[2], [])
    last = {ticker: bars.session[-1].item() for ticker, bars in before.bars.items()}
    assert last == {"SPY": SPAN[1], "QQQ": SPAN[0]}


VIEWS = {
    "missing": None,
    "empty": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"session": "\xff"}',
    "of an older session": f'{{"session": "{SPAN[1]}"}}'.encode(),
    "of a session before all": b'{"session": "1999-01-04"}',
    "of an absent later session": b'{"session": "2031-01-02"}',
    "of no session": b'{"session": 7}',
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_the_head_is_found_whatever_the_view_says(store: MemoryObjects, view: bytes | None) -> None:
    damaged = MemoryObjects({key: data for key, data in store.objects.items() if key != LATEST})
    if view is not None:
        damaged.objects[LATEST] = view
    head = find_head(damaged)
    assert head is not None
    assert head.manifest.key == HEAD


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_the_next_run_goes_on_and_mends_the_view(
    model: Model, store: MemoryObjects, view: bytes | None
) -> None:
    clean = run_days(model, SPAN[:-1])
    damaged = MemoryObjects({key: data for key, data in clean.objects.items() if key != LATEST})
    if view is not None:
        damaged.objects[LATEST] = view
    run_days(model, SPAN[-1:], store=damaged)
    assert damaged.objects == store.objects


def test_nothing_is_newest_in_an_empty_store() -> None:
    assert find_head(MemoryObjects()) is None
    assert list(walk_back(MemoryObjects(), None)) == []


def test_a_link_that_was_changed_ends_the_walk_with_its_name(store: MemoryObjects) -> None:
    key = f"runs/{SPAN[2]}.00.json"
    changed = MemoryObjects(store.objects)
    changed.objects[key] = store.objects[key].replace(b'"scripted"', b'"another"')
    with pytest.raises(StoreError, match=rf"{key}: expected sha256 .*as runs/{SPAN[3]}.00.json"):
        list(walk_back(changed, find_head(changed)))


def test_a_manifest_that_is_not_utf_8_is_named(store: MemoryObjects) -> None:
    changed = MemoryObjects(store.objects)
    at = store.objects[HEAD].index(b"scripted")
    changed.objects[HEAD] = flipped(store.objects[HEAD], at, 7)
    with pytest.raises(StoreError, match=f"{HEAD}: expected a run manifest"):
        read_link(changed, HEAD)


class Counting(MemoryObjects):
    """A store that counts what is asked of it, and how many keys and bytes it answers with."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__(objects)
        self.asked: Counter[str] = Counter()

    def read(self, key: str) -> bytes | None:
        self.asked["reads"] += 1
        return super().read(key)

    def keys(self, prefix: str, after: str = "") -> list[str]:
        found = super().keys(prefix, after)
        self.asked["lists"] += 1
        self.asked["keys"] += len(found)
        return found


def test_the_cost_of_a_daily_run_does_not_grow_with_the_record(model: Model) -> None:
    asked = []
    for n in (6, 60):
        record = backfilled(model, SESSIONS[-1 - n], SESSIONS[-2])
        store = Counting(record.objects)
        run_day(model, store, SESSIONS[-1], market())
        asked.append((store.asked, store.writes))
    assert asked[0] == asked[1]


def test_a_state_grows_with_its_window_and_not_with_the_record(model: Model) -> None:
    store = backfilled(model, SESSIONS[-60], SESSIONS[-1])
    *_, before, last = (store.objects[key] for key in store.keys("calibration/"))
    per_session = len(last) - len(before)
    assert per_session < 300
    waiting = msgspec.json.decode(last)["outstanding"]
    assert len(waiting) == 4
