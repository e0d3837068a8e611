"""The history that is added to every day is the one that the record makes, at a bounded cost."""

from __future__ import annotations

import msgspec
import pytest

from pipeline.encoding import sha256
from pipeline.forecasting.model import Model
from pipeline.jobs.verify import verify
from pipeline.jobs.views_check import MADE_ANEW
from pipeline.ports import ObjectStore
from pipeline.record.chain import Link, find_head
from pipeline.record.keys import HISTORY
from pipeline.record.repairs import Loss, accept_loss
from pipeline.views import history
from pipeline.views.history import SCHEMA_VERSION, History, build_history, read_history
from pipeline.views.refresh import refresh_views
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    TICKERS,
    backfilled,
    market,
    run_day,
    run_days,
    scores_of,
)

SPAN = SESSIONS[-6:]


class CountingObjects(MemoryObjects):
    """Counts what is read."""

    def __init__(self, store: MemoryObjects) -> None:
        super().__init__(store.objects)
        self.reads: list[str] = []

    def read(self, key: str) -> bytes | None:
        self.reads.append(key)
        return super().read(key)


def head_of(store: ObjectStore) -> Link:
    head = find_head(store)
    assert head is not None
    return head


def stored(store: ObjectStore) -> History:
    known = read_history(store)
    assert known is not None
    return known


def anew(store: MemoryObjects) -> bytes:
    return build_history(store, TABLES, head_of(store), TICKERS).encode()


def test_it_has_each_interval_beside_what_came_of_it(model: Model) -> None:
    store = run_days(model, SPAN)
    scores, issued = scores_of(store), stored(store).tickers
    for ticker in TICKERS:
        assert [row.target_date for row in issued[ticker]] == SPAN[1:]
        for row in issued[ticker]:
            score = scores[(ticker, row.origin_date, 1, "forecaster")]
            assert row.target_date == score["target_date"]
            assert (row.realised_close, row.lower_95, row.upper_95) == (
                score["realised_close"], score["lower_95"], score["upper_95"],
            )  # fmt: skip
            assert (row.mode, row.in_sample) == (score["mode"], score["in_sample"])
            assert row.surprise is not score["covered_98"]
            assert row.issued_at.date() == row.origin_date


def test_day_by_day_and_made_anew_give_equal_bytes(model: Model) -> None:
    store = MemoryObjects()
    for session in SPAN:
        run_day(model, store, session, market())
        assert store.objects[HISTORY] == anew(store)


def test_a_backfill_leaves_the_history_that_daily_runs_add_to(model: Model) -> None:
    store = backfilled(model, SPAN[0], SPAN[-2])
    run_day(model, store, SPAN[-1], market())
    assert [row.mode for row in stored(store).tickers["SPY"]] == ["backfill"] * 5
    assert store.objects[HISTORY] == anew(store)


def test_what_a_day_reads_does_not_grow_with_the_record(model: Model) -> None:
    counts = []
    for n in (4, 8):
        store = run_days(model, SESSIONS[-n:])
        counting = CountingObjects(store)
        build_history(counting, TABLES, head_of(store), TICKERS, stored(store))
        counts.append(len(counting.reads))
    assert counts == [0, 0]


def test_one_more_part_reads_its_scores_and_when_they_were_issued(model: Model) -> None:
    counts = []
    for n in (4, 8):
        store, before = run_days(model, SESSIONS[-n:]), run_days(model, SESSIONS[-n:-1])
        counting = CountingObjects(store)
        build_history(counting, TABLES, head_of(store), TICKERS, stored(before))
        counts.append(len(counting.reads))
    assert counts[0] == counts[1] <= 4


def broken(store: MemoryObjects, how: str) -> None:
    known = stored(store)
    if how == "missing":
        del store.objects[HISTORY]
    elif how == "no JSON":
        store.objects[HISTORY] = b"{"
    elif how == "another schema":
        store.objects[HISTORY] = msgspec.structs.replace(known, schema_version=0).encode()
    elif how == "a changed close":
        row = msgspec.structs.replace(known.tickers["SPY"][0], realised_close=1.0)
        tickers = {**known.tickers, "SPY": (row, *known.tickers["SPY"][1:])}
        store.objects[HISTORY] = msgspec.structs.replace(known, tickers=tickers).encode()
    elif how == "of no part on the way back":
        manifest = msgspec.structs.replace(known.manifest, sha256="0" * 64)
        row = msgspec.structs.replace(known.tickers["SPY"][0], realised_close=1.0)
        tickers = {**known.tickers, "SPY": (row, *known.tickers["SPY"][1:])}
        digest = sha256(msgspec.json.encode(tickers))
        store.objects[HISTORY] = History(SCHEMA_VERSION, manifest, digest, tickers).encode()
    else:
        tickers = {"QQQ": known.tickers["QQQ"]}
        digest = sha256(msgspec.json.encode(tickers))
        store.objects[HISTORY] = History(
            history.SCHEMA_VERSION, known.manifest, digest, tickers
        ).encode()


HOW = [
    "missing", "no JSON", "another schema", "a changed close", "of no part on the way back",
    "without a ticker",
]  # fmt: skip


@pytest.mark.parametrize("how", HOW)
def test_what_cannot_be_added_to_is_made_anew(model: Model, how: str) -> None:
    store = run_days(model, SPAN[:-1])
    broken(store, how)
    run_day(model, store, SPAN[-1], market())
    assert store.objects[HISTORY] == run_days(model, SPAN).objects[HISTORY]


def test_only_the_newest_targets_are_kept(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "KEPT", 3)
    store = MemoryObjects()
    for session in SPAN:
        run_day(model, store, session, market())
        assert store.objects[HISTORY] == anew(store)
    assert [row.target_date for row in stored(store).tickers["SPY"]] == SPAN[-3:]


def test_only_the_first_tickers_by_name_are_kept(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_TICKERS", 1)
    store = run_days(model, SPAN[:3], store=MemoryObjects())
    assert list(stored(store).tickers) == ["QQQ"]


def test_verify_names_a_history_that_says_what_the_record_does_not(model: Model) -> None:
    store = run_days(model, SPAN)
    known = stored(store)
    row = msgspec.structs.replace(known.tickers["SPY"][0], realised_close=1.0)
    tickers = {**known.tickers, "SPY": (row, *known.tickers["SPY"][1:])}
    digest = sha256(msgspec.json.encode(tickers))
    store.objects[HISTORY] = History(
        history.SCHEMA_VERSION, known.manifest, digest, tickers
    ).encode()
    refresh_views(store, TABLES)  # believes it
    found = verify(store, TABLES, CALENDAR).findings
    assert {finding.key for finding in found} == {HISTORY, "index.html"}
    assert MADE_ANEW in {finding.message for finding in found}


def test_scores_that_were_given_up_stay_in_the_history_that_has_them(model: Model) -> None:
    store = run_days(model, SPAN)
    key = f"scores/month=2024-12/{SPAN[2]}.00.parquet"
    digest = head_digest(store, key)
    del store.objects[key]
    accept_loss(store, Loss(key, digest, LONG_AFTER))
    assert verify(store, TABLES, CALENDAR).findings == ()
    del store.objects[HISTORY]
    refresh_views(store, TABLES)
    assert [row.target_date for row in stored(store).tickers["SPY"]] == SPAN[3:]
    assert verify(store, TABLES, CALENDAR).findings == ()


def head_digest(store: MemoryObjects, key: str) -> str:
    return sha256(store.objects[key])


def test_verify_names_a_row_that_nothing_on_the_record_realised(model: Model) -> None:
    store = run_days(model, SPAN)
    known = stored(store)
    row = msgspec.structs.replace(known.tickers["SPY"][0], target_date=SESSIONS[-20])
    tickers = {**known.tickers, "SPY": (row, *known.tickers["SPY"])}
    digest = sha256(msgspec.json.encode(tickers))
    store.objects[HISTORY] = History(
        history.SCHEMA_VERSION, known.manifest, digest, tickers
    ).encode()
    refresh_views(store, TABLES)
    assert HISTORY in {finding.key for finding in verify(store, TABLES, CALENDAR).findings}
