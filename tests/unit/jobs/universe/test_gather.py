"""One manifest of manifests: equal bytes of equal shards, late ones added, dead ones named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from pipeline.encoding import sha256, to_json
from pipeline.errors import ConfigError, DeploymentError, IncompleteRun, RequestError, StoreError
from pipeline.forecasting.model import Model
from pipeline.jobs.universe.announce import announce_universe
from pipeline.jobs.universe.gather import gather, list_shards
from pipeline.jobs.universe.layout import Layout, count_shards, open_layout
from pipeline.jobs.universe.members import parse_universe
from pipeline.ports import Announcement
from pipeline.record.keys import SHARD
from pipeline.record.universe_session import (
    LATEST,
    find_shards,
    list_key,
    parse_latest_universe,
    session_key,
)
from tests.support.fakes import Crash, MemoryObjects
from tests.support.records import SESSIONS, evening, market, run_day
from tests.support.tree import ROOT

SESSION, SOURCE, CALENDAR = SESSIONS[-1], "scripted", "FIXED"
CSV = b"ticker,renamed_from\nSPY,\nQQQ,\nDIA,\nIWM,\n"  # shards 2, 1, 2 and 0 of 4


def lay_out(root: MemoryObjects, csv: bytes = CSV, shards: int | None = 4) -> Layout:
    return open_layout(root, parse_universe(csv, "u.csv"), SOURCE, CALENDAR, shards)


def run_shards(model: Model, layout: Layout, *numbers: int, **changed: Any) -> None:
    for number in numbers or layout.parts:
        shard = layout.begin(number)
        bars = {t: raw for t, raw in market(shard.tickers).items() if t not in changed}
        run_day(model, shard.store, SESSION, bars, tickers=shard.tickers)


def document(root: MemoryObjects, key: str) -> Mapping[str, Any]:
    read: Mapping[str, Any] = json.loads(root.objects[key])
    return read


@pytest.fixture(scope="module")
def whole(model: Model) -> Mapping[str, bytes]:
    """A universe of three shards that have run."""
    root = MemoryObjects()
    run_shards(model, lay_out(root), DIA=None)
    return root.objects


@pytest.fixture
def root(whole: Mapping[str, bytes]) -> MemoryObjects:
    return MemoryObjects(whole)


def test_a_session_names_every_shard_s_manifests(root: MemoryObjects) -> None:
    gathered = gather(lay_out(root), SESSION)
    said = document(root, session_key(SESSION))
    key = f"runs/{SESSION}.00.json"
    for number, shard in said["gathered"].items():
        stored = root.objects[f"shard={int(number):04d}/{key}"]
        assert shard["manifests"] == {key: sha256(stored)}
    assert list(said["gathered"]) == ["0", "1", "2"]
    assert (said["published"], said["withheld"]) == (3, {"unknown_ticker": 1})
    assert said["gathered"]["2"]["withheld"] == {"unknown_ticker": 1}
    assert (said["missing"], said["failed"]) == ([], {})
    gathered.require_complete()
    latest = parse_latest_universe(root.objects[LATEST])
    assert latest.manifest_sha256 == sha256(root.objects[gathered.key])
    assert (latest.session, latest.shards, latest.published, latest.moved) == (SESSION, 4, 3, {})
    assert find_shards(root, ("SPY", "QQQ")) == {"SPY": 2, "QQQ": 1}


def test_whoever_gathers_again_writes_nothing(root: MemoryObjects) -> None:
    layout = lay_out(root)
    assert list_shards(layout, SESSION, evening(SESSION))[0].shard == 0
    gather(layout, SESSION)
    writes = root.written.copy()
    list_shards(layout, SESSION, evening(SESSION) + timedelta(hours=1))
    gather(layout, SESSION)
    assert root.written == writes


def test_a_late_shard_is_added_and_nothing_else_changes(model: Model, root: MemoryObjects) -> None:
    late = MemoryObjects({k: v for k, v in root.objects.items() if not k.startswith("shard=0001")})
    layout = lay_out(late)
    list_shards(layout, SESSION, evening(SESSION))
    without = gather(layout, SESSION)
    assert (without.missing, list(without.gathered)) == ((1,), ["0", "2"])
    with pytest.raises(IncompleteRun, match="expected every shard .* it lacks in shard 1$"):
        without.require_complete(ended=True)  # whatever they said
    run_shards(model, layout, 1)
    with_it = gather(layout, SESSION)
    with_it.require_complete()
    list_shards(lay_out(root), SESSION, evening(SESSION))
    gather(lay_out(root), SESSION)
    assert late.objects == root.objects


def test_a_shard_that_cannot_be_read_is_named_and_the_others_are_gathered(
    root: MemoryObjects,
) -> None:
    root.objects[f"shard=0001/runs/{SESSION}.00.json"] = b"{"
    gathered = gather(lay_out(root), SESSION)
    assert list(gathered.gathered) == ["0", "2"]
    assert "expected a run manifest" in gathered.failed["1"]
    with pytest.raises(IncompleteRun, match="shard 1"):
        gathered.require_complete()


def test_where_no_shard_has_the_session_nothing_is_written_and_the_runs_say_if_it_was() -> None:
    """A closure that the calendar does not know leaves as little behind as an outage."""
    root = MemoryObjects()
    gathered = gather(lay_out(root), SESSION)
    assert gathered.missing == (0, 1, 2)
    with pytest.raises(IncompleteRun, match="it lacks in shard 0, shard 1, shard 2$"):
        gathered.require_complete()
    gathered.require_complete(ended=True)
    assert list(root.objects) == ["universe.json"]


def test_a_session_is_gathered_by_the_shards_that_it_was_listed_for(root: MemoryObjects) -> None:
    """A ticker that has come since belongs to later sessions."""
    list_shards(lay_out(root), SESSION, evening(SESSION))
    grown = lay_out(root, CSV + b"BRK-B,\n", None)
    assert list(grown.parts) == [0, 1, 2, 3]
    assert gather(grown, SESSION).missing == ()


def test_a_damaged_list_or_view_is_written_again(root: MemoryObjects) -> None:
    layout = lay_out(root)
    list_shards(layout, SESSION, evening(SESSION))
    gather(layout, SESSION)
    before = dict(root.objects)
    for key in (list_key(SESSION), LATEST, session_key(SESSION)):
        root.objects[key] = b"{"
    list_shards(layout, SESSION, evening(SESSION))
    gather(layout, SESSION)
    assert root.objects == before


def test_a_damaged_list_stops_no_gathering(root: MemoryObjects) -> None:
    layout = lay_out(root)
    whole = gather(layout, SESSION)
    root.objects[list_key(SESSION)] = b"{"
    assert gather(layout, SESSION) == whole


def test_an_older_session_gathered_late_leaves_the_newest_view(root: MemoryObjects) -> None:
    layout = lay_out(root)
    gather(layout, SESSION)
    before = root.objects[LATEST]
    older = json.loads(before) | {"session": "2030-01-01"}
    root.objects[LATEST] = newer = to_json(older)
    gather(layout, SESSION)
    assert root.objects[LATEST] == newer


def test_a_renamed_ticker_is_found_where_its_record_is(model: Model, root: MemoryObjects) -> None:
    renamed = CSV.replace(b"QQQ,", b"NDX,QQQ")
    layout = lay_out(root, renamed, None)
    shard = layout.begin(1)
    assert (shard.tickers, shard.renamed) == (("NDX",), {"NDX": "QQQ"})
    run_shards(model, layout, 1)
    gather(layout, SESSION)
    latest = parse_latest_universe(root.objects[LATEST])
    assert latest.moved == {"NDX": 1}
    assert find_shards(root, ("NDX", "SPY")) == {"NDX": 1, "SPY": 2}


@pytest.mark.parametrize("lost", [None, b"{", "absent"])
def test_a_renamed_ticker_that_leaves_the_file_is_still_found(
    lost: bytes | str | None, root: MemoryObjects
) -> None:
    """Its record stays where it is, also when the view that said so is damaged or gone."""
    layout = lay_out(root, CSV.replace(b"QQQ,", b"NDX,QQQ"), None)
    layout.begin(1)
    gather(layout, SESSION)
    if lost is not None:
        del root.objects[LATEST]
    if isinstance(lost, bytes):
        root.objects[LATEST] = lost
    gather(lay_out(root, CSV.replace(b"QQQ,", b""), None), SESSION)
    assert find_shards(root, ("NDX", "SPY")) == {"NDX": 1, "SPY": 2}
    gather(lay_out(root, CSV.replace(b"QQQ,", b"NDX,"), None), SESSION)  # a newcomer's place
    assert find_shards(root, ("NDX",)) == {"NDX": 2}


def test_in_a_record_that_begins_there_is_no_name_to_take_over() -> None:
    layout = lay_out(MemoryObjects(), CSV.replace(b"QQQ,", b"NDX,QQQ"))
    assert layout.begin(1).renamed == {}


def test_the_layout_is_the_store_s_and_other_numbers_are_refused(root: MemoryObjects) -> None:
    assert lay_out(root, shards=None).shards == 4
    with pytest.raises(StoreError, match="expected shards 4"):
        lay_out(root, shards=5)
    with pytest.raises(RequestError, match="expected a shard that has tickers, of 0 to 3, got 3"):
        lay_out(root).begin(3)
    with pytest.raises(ConfigError, match="expected tickers of FIXED, got XLON; say --calendar"):
        lay_out(root, b"ticker,calendar\nVOD.L,XLON\n")
    assert [count_shards(n) for n in (1, 250, 251, 100_000)] == [1, 1, 2, 400]


def test_a_store_in_another_shard_s_place_is_refused(root: MemoryObjects) -> None:
    root.objects[f"shard=0000/{SHARD}"] = root.objects[f"shard=0001/{SHARD}"]
    with pytest.raises(StoreError, match="expected shard 1 of 4, .* got 0 of 4"):
        lay_out(root).begin(0)


SCHEMA = json.loads((ROOT / "infra" / "universe-event.schema.json").read_text(encoding="utf-8"))


class Bus:
    """Remembers what it took, which the schema describes; refuses the first event."""

    def __init__(self) -> None:
        self.told: list[Announcement] = []
        self._refuses = True

    def tell(self, announcement: Announcement) -> None:
        Draft202012Validator(SCHEMA, format_checker=FormatChecker()).validate(announcement.detail)
        if self._refuses:
            self._refuses = False
            raise DeploymentError("event bus default: expected it to take an event, got nothing")
        self.told.append(announcement)


def test_a_session_is_told_of_once_and_again_when_it_has_changed(
    model: Model, root: MemoryObjects
) -> None:
    layout, bus = lay_out(root), Bus()
    gathered = gather(layout, SESSION)
    with pytest.raises(DeploymentError):
        announce_universe([bus], root, gathered)
    assert announce_universe([bus], root, gathered)
    assert not announce_universe([bus], root, gather(layout, SESSION))
    assert not announce_universe([], MemoryObjects(), gathered)
    run_shards(model, layout, 2)  # DIA has come
    assert announce_universe([bus], root, gather(layout, SESSION))
    first, second = bus.told
    assert (first.name, first.subject) == ("Universe published", f"Universe published: {SESSION}")
    assert (first.detail["published"], second.detail["published"]) == (3, 4)
    assert first.detail["manifest"] != second.detail["manifest"]
    assert "3 tickers in 3 shards" in first.digest
    assert "Withheld: 1 unknown_ticker" in first.digest


def test_an_incomplete_session_is_told_of_as_one(root: MemoryObjects) -> None:
    bus = Bus()
    bus._refuses = False
    root.objects[f"shard=0001/runs/{SESSION}.00.json"] = b"{"
    announce_universe([bus], root, gather(lay_out(root), SESSION))
    assert bus.told[0].name == "Universe incomplete"
    assert "Without the session: shard 1" in bus.told[0].digest


@pytest.mark.parametrize("crash", [{"crash_before": n} for n in range(1, 40, 6)])
def test_whoever_repeats_what_died_ends_with_the_same_bytes(
    crash: Mapping[str, int], model: Model, root: MemoryObjects
) -> None:
    """A shard, the list or the gathering is killed before any write; the next run goes on."""

    def run_all(store: MemoryObjects) -> None:
        layout = lay_out(store)
        list_shards(layout, SESSION, evening(SESSION))
        run_shards(model, layout, DIA=None)
        gather(layout, SESSION)

    run_all(root)
    store = MemoryObjects(**crash)
    with pytest.raises(Crash):
        run_all(store)
    assert store.objects != root.objects
    run_all(store)
    assert store.objects == root.objects
