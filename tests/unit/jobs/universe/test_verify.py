"""A universe is verified shard by shard, and by what was gathered of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pipeline.encoding import to_json
from pipeline.errors import ConfigError, RequestError, StoreError
from pipeline.forecasting.model import Model
from pipeline.jobs.chain_check import Problem
from pipeline.jobs.universe.gather import gather
from pipeline.jobs.universe.layout import open_layout
from pipeline.jobs.universe.members import parse_universe
from pipeline.jobs.universe.noted import list_to_verify
from pipeline.jobs.universe.shards import select_store
from pipeline.jobs.universe.verify import VerifiedUniverse, verify_shard, verify_universe
from pipeline.jobs.verify import Scope, verify
from pipeline.record.keys import SHARD
from pipeline.record.sharding import ShardStore
from pipeline.record.universe_session import TO_VERIFY, session_key
from tests.support.fakes import MemoryObjects
from tests.support.records import CALENDAR, SESSIONS, TABLES, market, run_day

SESSION = SESSIONS[-1]
FIRST = b"ticker,renamed_from\nSPY,\nQQQ,\nIWM,\n"  # shards 2, 1 and 0 of 4
THEN = FIRST.replace(b"QQQ,", b"NDX,QQQ")  # NDX would be of shard 2


@pytest.fixture(scope="module")
def record(model: Model) -> Mapping[str, bytes]:
    """Two sessions of three shards; in the second one QQQ has another name."""
    root = MemoryObjects()
    for csv, session in ((FIRST, SESSIONS[-2]), (THEN, SESSION)):
        layout = open_layout(root, parse_universe(csv, "u.csv"), "scripted", CALENDAR.name, 4)
        for number in layout.parts:
            shard = layout.begin(number)
            bars, names = market(shard.tickers), {"tickers": shard.tickers}
            run_day(model, shard.store, session, bars, renamed=shard.renamed, **names)
        gather(layout, session)
    return root.objects


@pytest.fixture
def root(record: Mapping[str, bytes]) -> MemoryObjects:
    return MemoryObjects(record)


def check(root: MemoryObjects) -> VerifiedUniverse:
    return verify_universe(root, TABLES, CALENDAR, Scope())


def test_a_universe_is_whole(root: MemoryObjects) -> None:
    verified = check(root)
    assert (verified.pooled.findings, verified.sessions) == ((), 2)
    names = ("shard=0000", "shard=0001", "shard=0002")
    assert {name: each.manifests for name, each in verified.shards.items()} == dict.fromkeys(
        names, 2
    )
    assert verified.pooled.manifests == 6
    assert all(each.left_behind == each.strangers == () for each in verified.shards.values())


def test_a_shard_that_was_rewritten_is_not_what_was_gathered(
    model: Model, root: MemoryObjects
) -> None:
    """Whole in itself, but another chain than the one that the universe has noted."""
    for key in [key for key in root.objects if key.startswith("shard=0002/")]:
        del root.objects[key]
    layout = open_layout(root, parse_universe(THEN, "u.csv"), "scripted", CALENDAR.name)
    shard = layout.begin(2)
    run_day(model, shard.store, SESSION, market(("SPY",)), tickers=("SPY",))
    found = {finding.key: finding.problem for finding in check(root).shards["shard=0002"].findings}
    changed, missing = (f"runs/{session}.00.json" for session in (SESSION, SESSIONS[-2]))
    assert found == {changed: Problem.CHANGED, missing: Problem.MISSING}


def test_a_shard_that_is_gone_is_missed(root: MemoryObjects) -> None:
    for key in [key for key in root.objects if key.startswith("shard=0001/")]:
        del root.objects[key]
    verified = check(root)
    assert [(f.problem, f.key) for f in verified.findings] == [(Problem.MISSING, "shard=0001")]
    assert list(verified.shards) == ["shard=0000", "shard=0002"]


def test_a_damaged_gathering_is_a_finding(root: MemoryObjects) -> None:
    root.objects[session_key(SESSION)] = b"{"
    assert [(f.problem, f.key) for f in check(root).findings] == [
        (Problem.CHANGED, session_key(SESSION))
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: to_json(t | {"shard": 1}), "it says shard 1 of 4, where SPY is not"),
        (lambda t: to_json(t | {"shards": 5}), "where SPY is not"),
        (lambda t: json.dumps(t).encode(), "not in the bytes in which terms are written"),
        (lambda t: b"{", "expected the terms of a shard"),
        (lambda t: to_json(t | {"schema_version": 99}), "expected schema version"),
    ],
)
def test_terms_that_a_shard_does_not_keep_are_named(
    change: Callable[[dict[str, Any]], bytes], words: str, root: MemoryObjects
) -> None:
    key = f"shard=0002/{SHARD}"
    root.objects[key] = change(json.loads(root.objects[key]))
    findings = verify(ShardStore(root, 2), TABLES, CALENDAR).findings
    assert [(finding.problem, finding.key) for finding in findings] == [(Problem.CHANGED, SHARD)]
    assert words in findings[0].message


def test_a_ticker_that_moved_in_is_no_stranger_for_it_is_said(root: MemoryObjects) -> None:
    key = f"shard=0001/{SHARD}"
    terms = json.loads(root.objects[key])
    assert terms["moved"] == ["NDX"]
    root.objects[key] = to_json(terms | {"moved": []})
    (finding,) = verify(ShardStore(root, 1), TABLES, CALENDAR).findings
    assert "where NDX is not" in finding.message


def test_who_leaves_the_file_stays_known_in_its_shard(model: Model, root: MemoryObjects) -> None:
    """NDX is in the shard's record, whatever the file says later."""
    layout = open_layout(root, parse_universe(FIRST, "u.csv"), "scripted", CALENDAR.name)
    layout.begin(1)
    assert verify(ShardStore(root, 1), TABLES, CALENDAR).findings == ()


def test_a_reader_is_led_to_the_shard_of_its_tickers(root: MemoryObjects) -> None:
    assert select_store(root, ["SPY"]).url("") == "memory://shard=0002/"
    assert select_store(root, ["NDX", "QQQ"]).url("") == "memory://shard=0001/"
    plain = MemoryObjects()
    assert select_store(plain, ["SPY", "QQQ"]) is plain
    with pytest.raises(RequestError, match="tickers of one shard, .* shard=0001: NDX; shard=0002"):
        select_store(root, ["SPY", "NDX"])
    with pytest.raises(
        ConfigError, match="of a universe; say a shard of it as memory://shard=0000"
    ):
        select_store(root, [])


def test_a_record_beside_the_shards_is_verified_too(model: Model, root: MemoryObjects) -> None:
    """Of a store that went on as a universe; the shards are no strangers in it."""
    own = MemoryObjects()
    run_day(model, own, SESSION, market())
    root.objects |= own.objects
    verified = check(root)
    assert list(verified.shards) == [".", "shard=0000", "shard=0001", "shard=0002"]
    assert (verified.pooled.findings, verified.pooled.strangers) == ((), ())
    root.objects["notes.txt"] = b""
    assert check(root).pooled.strangers == ("./notes.txt",)


def test_a_shard_alone_is_held_to_what_was_gathered_of_it(root: MemoryObjects) -> None:
    assert verify_shard(root, 1, TABLES, CALENDAR, Scope()).findings == ()
    newest = f"shard=0001/runs/{SESSION}.00.json"
    for key in [
        key for key in root.objects if key.startswith("shard=0001/") and str(SESSION) in key
    ]:
        del root.objects[key]
    findings = verify_shard(root, 1, TABLES, CALENDAR, Scope()).findings
    assert (Problem.MISSING, newest.removeprefix("shard=0001/")) in {
        (each.problem, each.key) for each in findings
    }
    assert verify_shard(root, 2, TABLES, CALENDAR, Scope()).findings == ()
    root.objects[session_key(SESSION)] = b"{"
    (unreadable,) = verify_shard(root, 2, TABLES, CALENDAR, Scope()).findings
    assert unreadable.key == session_key(SESSION)


def test_what_there_is_to_verify_follows_from_the_records_and_not_from_the_file(
    model: Model, root: MemoryObjects
) -> None:
    """Shard 3 has begun and has not run; shard 0 has lost all that it had."""
    layout = open_layout(
        root, parse_universe(b"ticker\nBRK-B\n", "u.csv"), "scripted", CALENDAR.name
    )
    assert list(layout.parts) == [3]
    layout.begin(3)
    for key in [key for key in root.objects if key.startswith("shard=0000/")]:
        del root.objects[key]
    listed = list_to_verify(root, "2030-01-01T00:00:00+00:00")
    assert [each.shard for each in listed] == [0, 1, 2]
    assert [each["shard"] for each in json.loads(root.objects[TO_VERIFY])] == [0, 1, 2]
    assert check(root).pooled.strangers == ()


def test_where_time_runs_out_shards_are_left_unchecked(root: MemoryObjects) -> None:
    times = iter([True, False])
    verified = verify_universe(root, TABLES, CALENDAR, Scope(), has_time=lambda: next(times))
    assert list(verified.shards) == ["shard=0000"]
    assert verified.unchecked == ("shard=0001", "shard=0002")


def test_no_record_begins_at_the_root_of_a_universe(model: Model, root: MemoryObjects) -> None:
    before = dict(root.objects)
    with pytest.raises(
        StoreError, match="universe.json: expected a store of a record, found one of"
    ):
        run_day(model, root, SESSION, market())
    assert root.objects == before
