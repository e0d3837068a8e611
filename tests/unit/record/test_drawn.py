"""Which parts have scenarios: a backfill of many has none, and yet leaves all that they need."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pipeline.forecasting.model import Model
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.verify import Scope, verify
from pipeline.record import drawn
from pipeline.record.chain import find_head
from pipeline.record.drawn import Kept, has_scenarios, kept_by, select_kept
from pipeline.record.manifest import Mode, read_manifest
from pipeline.record.prior_templates import read_prior_templates
from pipeline.record.scoring import recover_quantiles
from pipeline.scenarios.draw import draw_scenarios
from pipeline.scenarios.template import from_columns, pack
from tests.support.bundles import with_template
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    backfilled,
    job_on,
    market,
    run_day,
)
from tests.support.templates import template

LIVE = SESSIONS[-1]
BEFORE = SESSIONS[-34:-1]  # a month begins twice
OPENING = [
    BEFORE[0],
    *(day for before, day in zip(BEFORE, BEFORE[1:], strict=False) if before.month != day.month),
]


def key_of(table: str, session: date) -> str:
    return f"{table}/month={session.isoformat()[:7]}/{session}.00.parquet"


def backfill_many(model: Model, store: MemoryObjects | None = None) -> MemoryObjects:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn, "MOST_BACKFILLED", 1)
        return backfilled(model, BEFORE[0], BEFORE[-1], store=store or MemoryObjects())


@pytest.fixture(scope="module")
def bare(model: Model) -> Model:
    """The shipped model in a bundle that keeps no template."""
    return with_template(model)


@pytest.fixture(scope="module")
def many(bare: Model) -> MemoryObjects:
    return backfill_many(bare)


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn, "MOST_BACKFILLED", 1)


def test_a_backfill_of_many_has_outcomes_and_no_scenarios(many: MemoryObjects) -> None:
    assert not many.keys("scenarios/")
    assert not many.keys("scenario_scores/")
    for at, session in enumerate(BEFORE[1:], start=1):
        columns = TABLES.decode("templates", many.objects[key_of("templates", session)])[0]
        known = int(np.isfinite(from_columns(columns, "").levels).sum())
        new = 2 * min(at, 5)
        so_far = 2 * sum(min(each, 5) for each in range(1, at + 1))
        assert known == (so_far if session in OPENING else new)


def test_the_next_run_draws_as_if_all_had_been_drawn(
    bare: Model, many: MemoryObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = MemoryObjects(dict(many.objects))
    run_day(bare, ours, LIVE, market())
    monkeypatch.setattr(drawn, "MOST_BACKFILLED", 50)
    theirs = backfilled(bare, BEFORE[0], BEFORE[-1])
    run_day(bare, theirs, LIVE, market())
    assert theirs.keys("scenarios/")[:-1]
    for name in ("templates", "scenarios", "forecasts", "baselines", "bars"):
        assert ours.objects[key_of(name, LIVE)] == theirs.objects[key_of(name, LIVE)]


def test_an_interrupted_backfill_of_many_ends_the_same(bare: Model, many: MemoryObjects) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, _: int) -> None:
        if done == 20:
            raise Stop

    store = MemoryObjects()
    with pytest.raises(Stop):
        backfill(job_on(bare, store, market()), BEFORE[0], BEFORE[-1], LONG_AFTER, stop)
    assert store.objects.keys() < many.objects.keys()
    assert backfill_many(bare, store).objects == many.objects


def test_a_backfill_of_many_is_verified_whole(bare: Model, many: MemoryObjects) -> None:
    store = MemoryObjects(dict(many.objects))
    run_day(bare, store, LIVE, market())
    assert verify(store, TABLES, CALENDAR, Scope(Sample(deep=True))).findings == ()


@pytest.mark.parametrize("session", [BEFORE[-1], OPENING[-1]])
def test_a_lost_template_is_remade_by_the_next_run(
    bare: Model, many: MemoryObjects, session: date
) -> None:
    damaged, whole = MemoryObjects(dict(many.objects)), MemoryObjects(dict(many.objects))
    key = key_of("templates", session)
    del damaged.objects[key]
    for store in (damaged, whole):
        run_day(bare, store, LIVE, market())
    assert damaged.objects[key] == many.objects[key]
    name = key_of("scenarios", LIVE)
    assert damaged.objects[name] == whole.objects[name]


def test_a_late_part_of_a_backfilled_session_draws_from_a_whole_template(model: Model) -> None:
    past = template(300, ("QQQ", "SPY"), correlation=0.9)
    shift = np.datetime64(BEFORE[0], "D") - 30 - past.origin_date[-1]
    kept = with_template(model, pack(replace(past, origin_date=past.origin_date + shift)))
    store = MemoryObjects()
    backfilled(kept, BEFORE[0], BEFORE[-1], {"SPY": market()["SPY"]}, store)
    run_day(kept, store, BEFORE[-1], market())
    run = read_manifest(store, f"runs/{BEFORE[-1]}.01.json")[0]
    columns = TABLES.decode("templates", store.objects[run.table("templates")])[0]
    forecasts = TABLES.decode("forecasts", store.objects[run.table("forecasts")])[0]
    late = forecasts["ticker"] == "QQQ"
    expected = draw_scenarios(
        ["QQQ"],
        forecasts["last_close"][late][:1],
        recover_quantiles({name: column[late] for name, column in forecasts.items()})[None],
        BEFORE[-1],
        forecasts["target_date"][late].tolist(),
        from_columns(columns, ""),
    )
    scenarios = TABLES.decode("scenarios", store.objects[run.table("scenarios")])[0]
    assert np.array_equal(expected.log_return[:, 0].T.ravel(), scenarios["log_return"])
    assert verify(store, TABLES, CALENDAR, Scope(Sample(deep=True))).findings == ()


def test_no_more_is_read_than_back_to_a_whole_template(many: MemoryObjects) -> None:
    link = find_head(many)
    assert link is not None
    layers = read_prior_templates(many, TABLES, link, LIVE, ()).layers
    assert len(layers) == len([day for day in BEFORE if day >= OPENING[-1]])


FIRST, SECOND, NEXT_MONTH = date(2024, 5, 30), date(2024, 5, 31), date(2024, 6, 3)


@pytest.mark.parametrize(
    ("mode", "n_tickers", "session", "before", "kept"),
    [
        (Mode.BACKFILL, 1, SECOND, FIRST, Kept.WHOLE),
        (Mode.BACKFILL, 2, SECOND, FIRST, Kept.NEW),
        (Mode.BACKFILL, 2, NEXT_MONTH, SECOND, Kept.WHOLE),
        (Mode.BACKFILL, 2, SECOND, SECOND.replace(year=2023), Kept.WHOLE),
        (Mode.BACKFILL, 2, SECOND, None, Kept.WHOLE),
        (Mode.LIVE, 500, SECOND, FIRST, Kept.WHOLE),
        (Mode.LIVE, 501, SECOND, FIRST, Kept.NOTHING),
        (Mode.BACKFILL, 501, SECOND, FIRST, Kept.NOTHING),
    ],
)
def test_what_is_kept_follows_from_the_manifest(
    mode: Mode, n_tickers: int, session: date, before: date | None, kept: Kept
) -> None:
    assert select_kept(mode, n_tickers, session, before) is kept
    assert has_scenarios(mode, n_tickers) == (n_tickers <= (1 if mode is Mode.BACKFILL else 500))


def test_a_manifest_says_what_its_part_keeps(many: MemoryObjects) -> None:
    for session in BEFORE:
        run = read_manifest(many, f"runs/{session}.00.json")[0]
        assert kept_by(run) is (Kept.WHOLE if session in OPENING else Kept.NEW)
