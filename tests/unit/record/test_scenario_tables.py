"""Scenarios go on the record with each part, and parts of a session belong together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.forecasting.model import Model
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.replay import replay
from pipeline.jobs.verify import Scope, verify
from pipeline.record import drawn
from pipeline.record.chain import find_head
from pipeline.record.manifest import read_manifest
from pipeline.record.scoring import recover_quantiles
from pipeline.scenarios.draw import draw_scenarios
from pipeline.scenarios.marginals import N_SCENARIOS
from pipeline.scenarios.template import Template, from_columns, pack
from tests.support.bundles import with_template
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    SESSIONS,
    TABLES,
    backfilled,
    market,
    run_day,
    run_days,
)
from tests.support.templates import template

SPAN = SESSIONS[-8:]
LAST = SPAN[-1]


def keys(store: MemoryObjects, table: str) -> list[str]:
    return sorted(key for key in store.objects if key.startswith(f"{table}/"))


def read(store: MemoryObjects, table: str, name: str) -> dict[str, np.ndarray]:
    month = name[:7]
    return TABLES.decode(table, store.objects[f"{table}/month={month}/{name}.parquet"])[0]


def before(session: object, **changed: object) -> Template:
    """Return a template of SPY and QQQ that ends with a session."""
    whole = template(300, ("QQQ", "SPY"), **changed)
    shift = np.datetime64(session, "D") - whole.origin_date[-1]
    return replace(whole, origin_date=whole.origin_date + shift)


def correlation(scenarios: dict[str, np.ndarray], a: str = "QQQ", b: str = "SPY") -> float:
    first = scenarios["horizon"] == 1
    returns = [scenarios["log_return"][first & (scenarios["ticker"] == t)] for t in (a, b)]
    return float(np.corrcoef(*returns)[0, 1])


@pytest.fixture(scope="module")
def bare(model: Model) -> Model:
    """The shipped model in a bundle that keeps no template."""
    return with_template(model)


@pytest.fixture(scope="module")
def store(bare: Model) -> MemoryObjects:
    return run_days(bare, SPAN)


def test_every_part_names_its_scenarios(store: MemoryObjects) -> None:
    run = read_manifest(store, f"runs/{LAST}.00.json")[0]
    assert run.table("scenarios") in run.objects
    assert run.table("templates") in run.objects


def test_a_row_for_each_scenario_ticker_and_horizon(store: MemoryObjects) -> None:
    scenarios = read(store, "scenarios", f"{LAST}.00")
    rows = zip(*(scenarios[n].tolist() for n in ("scenario", "ticker", "horizon")), strict=True)
    assert len(set(rows)) == len(scenarios["scenario"]) == N_SCENARIOS * 2 * 5
    forecasts = read(store, "forecasts", f"{LAST}.00")
    for name in ("mode", "model_version", "vintage_sha256"):
        assert set(scenarios[name]) == set(forecasts[name])


def test_scenarios_have_the_published_quantiles_and_prices(store: MemoryObjects) -> None:
    scenarios = read(store, "scenarios", f"{LAST}.00")
    forecasts = read(store, "forecasts", f"{LAST}.00")
    quantiles = recover_quantiles(forecasts)
    for row in range(len(quantiles)):
        same = (scenarios["ticker"] == forecasts["ticker"][row]) & (
            scenarios["target_date"] == forecasts["target_date"][row]
        )
        drawn = np.sort(scenarios["log_return"][same])
        for level, quantile in zip((0.05, 0.5, 0.95), quantiles[row, [2, 5, 8]], strict=True):
            assert abs((drawn <= quantile).sum() - level * N_SCENARIOS) <= 1
        price = forecasts["last_close"][row] * np.exp(scenarios["log_return"][same])
        assert scenarios["price"][same] == pytest.approx(price, rel=1e-6)


def test_outcomes_make_the_template(store: MemoryObjects) -> None:
    first, last = (read(store, "templates", f"{SPAN[at]}.00") for at in (1, -1))
    assert np.isfinite(first["pit"]).sum() == 2
    assert np.isfinite(last["pit"]).sum() == 2 * (7 + 6 + 5 + 4 + 3)
    assert keys(store, "templates")[0].endswith(f"{SPAN[1]}.00.parquet")


def test_the_bundle_says_how_tickers_go_together_at_the_start(model: Model) -> None:
    for rho in (0.9, 0.2):
        kept = before(SESSIONS[-40], correlation=rho)
        started = run_days(with_template(model, pack(kept)), SPAN[:1], store=MemoryObjects())
        drawn = read(started, "scenarios", f"{SPAN[0]}.00")
        assert correlation(drawn) == pytest.approx(rho, abs=0.15)


def test_nothing_of_the_bundle_that_was_not_known_is_used(model: Model) -> None:
    kept = before(SESSIONS[-1], correlation=0.9)
    levels = kept.levels.copy()
    levels[kept.origin_date >= np.datetime64(SPAN[0]) - 6] = 0.5
    changed = replace(kept, levels=levels)
    stores = [
        run_days(with_template(model, pack(each)), SPAN[:1], store=MemoryObjects())
        for each in (kept, changed)
    ]
    drawn = [read(each, "scenarios", f"{SPAN[0]}.00")["log_return"] for each in stores]
    assert np.array_equal(*drawn)


def test_parts_of_a_session_are_drawn_together(model: Model) -> None:
    kept = with_template(model, pack(before(SESSIONS[-40], correlation=0.9)))
    whole = run_days(kept, SPAN, store=MemoryObjects())
    late = run_days(kept, SPAN[:-1], store=MemoryObjects())
    run_day(kept, late, LAST, {"SPY": market()["SPY"]})
    run_day(kept, late, LAST, market())
    parts = [read(late, "scenarios", f"{LAST}.{part:02d}") for part in (0, 1)]
    assert [set(part["ticker"]) for part in parts] == [{"SPY"}, {"QQQ"}]
    # From the template of the first part, though the second has learnt of QQQ's outcomes since.
    opening, newer = (
        from_columns(read(late, "templates", f"{LAST}.{part:02d}"), "") for part in (0, 1)
    )
    assert np.isfinite(newer.levels).sum() > np.isfinite(opening.levels).sum()
    issued = read(late, "forecasts", f"{LAST}.01")
    drawn = draw_scenarios(
        ["QQQ"],
        issued["last_close"][:1],
        recover_quantiles(issued)[None],
        LAST,
        issued["target_date"].tolist(),
        opening,
    )
    assert np.array_equal(drawn.log_return[:, 0].T.ravel(), parts[1]["log_return"])
    together = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    at_once = read(whole, "scenarios", f"{LAST}.00")
    assert correlation(together) == pytest.approx(correlation(at_once), abs=0.03)
    assert verify(late, TABLES, CALENDAR, Scope(Sample(deep=True))).findings == ()


def test_late_outcomes_are_in_the_next_template(bare: Model) -> None:
    late = run_days(bare, SPAN[:2], store=MemoryObjects())
    run_day(bare, late, SPAN[2], {"SPY": market()["SPY"]})
    run_day(bare, late, SPAN[2], market())
    run_days(bare, SPAN[3:], store=late)
    whole = read(run_days(bare, SPAN), "templates", f"{LAST}.00")
    assert np.array_equal(read(late, "templates", f"{LAST}.00")["pit"], whole["pit"], True)


def test_replay_and_backfill_make_the_same(bare: Model, store: MemoryObjects) -> None:
    assert all(each.equal for each in replay(store, TABLES, CALENDAR, LAST))
    afterwards = backfilled(bare, SPAN[0], LAST)
    for name in ("scenarios", "templates"):
        assert keys(afterwards, name) == keys(store, name)
    ours, theirs = (read(each, "scenarios", f"{LAST}.00") for each in (store, afterwards))
    assert np.array_equal(ours["log_return"], theirs["log_return"])


@pytest.mark.parametrize("name", ["scenarios", "templates"])
def test_what_is_changed_is_found(store: MemoryObjects, name: str) -> None:
    changed = MemoryObjects(dict(store.objects))
    key = f"{name}/month={str(LAST)[:7]}/{LAST}.00.parquet"
    changed.objects[key] = changed.objects[key][:-9] + b"x" + changed.objects[key][-8:]
    assert key in {finding.key for finding in verify(changed, TABLES, CALENDAR).findings}


def test_a_damaged_template_is_remade_by_the_next_run(bare: Model, store: MemoryObjects) -> None:
    damaged = MemoryObjects(dict(run_days(bare, SPAN[:-1]).objects))
    key = f"templates/month={str(SPAN[-2])[:7]}/{SPAN[-2]}.00.parquet"
    whole = damaged.objects.pop(key)
    run_days(bare, SPAN[-1:], store=damaged)
    assert damaged.objects[key] == whole
    assert find_head(damaged) is not None
    name = f"scenarios/month={str(LAST)[:7]}/{LAST}.00.parquet"
    assert damaged.objects[name] == store.objects[name]


def test_the_shipped_bundle_couples_from_the_first_day(model: Model) -> None:
    started = run_days(model, SPAN[:1], store=MemoryObjects())
    assert correlation(read(started, "scenarios", f"{SPAN[0]}.00")) > 0.8
    templates = read(started, "templates", f"{SPAN[0]}.00")
    assert set(templates["ticker"]) == {"DIA", "IWM", "QQQ", "SPY"}
    for name, most in (("scenarios", 150_000), ("templates", 100_000)):
        (key,) = keys(started, name)
        assert len(started.objects[key]) <= most


def test_too_many_tickers_have_none(
    model: Model, store: MemoryObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn, "MOST_TICKERS", 1)
    many = run_days(model, SPAN[:3], store=MemoryObjects())
    assert not keys(many, "scenarios")
    assert len(keys(many, "forecasts")) == 3
