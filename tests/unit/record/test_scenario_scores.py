"""Scenarios on the record are scored once they are realised, by the figures of the backtest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any, ClassVar

import numpy as np
import pytest

from pipeline.backtest.scenarios.joint_history import JointHistory
from pipeline.backtest.scenarios.samplers import draw_gaussian, draw_independent
from pipeline.backtest.scenarios.tails import measure_tail
from pipeline.bars import Bars, Floats, RawBars
from pipeline.columns import Columns
from pipeline.errors import DamagedObject
from pipeline.forecasting.model import Model
from pipeline.grid import round_decimals
from pipeline.jobs.heal import heal
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.replay import replay
from pipeline.jobs.verify import Scope, verify
from pipeline.record.issued_scenarios import IssuedScenarios, read_issued_scenarios
from pipeline.record.keys import table_key
from pipeline.record.manifest import read_manifest
from pipeline.record.repairs import Loss, accept_loss
from pipeline.record.scenario_scores import Outcomes, ScenarioScores, score_scenarios
from pipeline.record.scoring import recover_quantiles
from pipeline.record.unscored_scenarios import LOOKED_FOR
from pipeline.scenarios.benchmarks import GAUSSIAN, INDEPENDENCE
from pipeline.scenarios.portfolios import EQUAL_WEIGHTS, JOINT, LOWEST
from pipeline.scenarios.risk import measure_tail as measure_risk
from pipeline.scenarios.risk import rank_gains
from pipeline.scenarios.score_draw import NUMBERS, OURS, score_draw
from tests.support.bundles import with_template
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    DAYS,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    backfilled,
    market,
    run_day,
    run_days,
    scaled,
    states,
    without,
)
from tests.support.scenario_records import (
    counted,
    of_model,
    read_scores,
    recount,
    state_sums,
)

SPAN = SESSIONS[-8:]
LAST = SPAN[-1]
MODELS = (OURS, GAUSSIAN, INDEPENDENCE)
CLOSES = np.stack([market()[ticker].close for ticker in ("QQQ", "SPY")], axis=1)


@pytest.fixture(scope="module")
def bare(model: Model) -> Model:
    """The shipped model in a bundle that keeps no template, so that a test is fast."""
    return with_template(model)


@pytest.fixture(scope="module")
def store(bare: Model) -> MemoryObjects:
    return run_days(bare, SPAN)


def issued_on(store: MemoryObjects, session: date, part: int = 0) -> IssuedScenarios:
    run = read_manifest(store, f"runs/{session}.{part:02d}.json")[0]
    return read_issued_scenarios(store, TABLES, run)


def realise(session: date) -> Floats:
    """Return the log returns of QQQ and SPY to five targets."""
    at = SESSIONS.index(session)
    moves: Floats = np.log(CLOSES[at + 1 : at + 6] / CLOSES[at]).T
    return moves


def read(store: MemoryObjects, name: str, session: date) -> Columns:
    return TABLES.decode(name, store.objects[table_key(name, session, 0)])[0]


def outcomes(bars: Mapping[str, RawBars]) -> Outcomes:
    return Outcomes({ticker: Bars.validate(raw) for ticker, raw in bars.items()}, bars)


def is_whole(store: MemoryObjects) -> bool:
    found = verify(store, TABLES, CALENDAR, Scope(Sample(deep=True)))
    assert (found.findings, found.left_behind, found.unmade) == ((), (), 0)
    return True


def test_each_session_scores_what_it_realises(store: MemoryObjects) -> None:
    assert table_key("scenario_scores", SPAN[0], 0) not in store.objects
    for at, session in enumerate(SPAN[1:], start=1):
        scores = read(store, "scenario_scores", session)
        pairs = set(zip(scores["origin_date"].tolist(), scores["horizon"].tolist(), strict=True))
        assert pairs == {(SPAN[at - h], h) for h in (1, 5) if at >= h}
        assert set(scores["target_date"].tolist()) == {session}
        assert set(scores["model"]) == set(MODELS)
        run = read_manifest(store, f"runs/{session}.00.json")[0]
        assert table_key("scenario_scores", session, 0) in run.objects


@pytest.mark.parametrize("horizon", [1, 5])
def test_scores_are_those_of_the_stored_scenarios(store: MemoryObjects, horizon: int) -> None:
    origin = SPAN[1]
    draw = issued_on(store, origin).cube.log_return.astype(np.float64)
    realised = realise(origin)
    expected = score_draw(draw, realised, ("QQQ", "SPY"), (horizon,))
    scores = read(store, "scenario_scores", SPAN[1 + horizon])
    rows = (scores["origin_date"] == np.datetime64(origin)) & (scores["model"] == OURS)
    for at, name in enumerate(NUMBERS):
        assert scores[name][rows] == pytest.approx(expected[:, at], abs=1e-7, nan_ok=True)


def test_var_and_its_exceedance_are_as_a_book_is_asked_for(store: MemoryObjects) -> None:
    cube = issued_on(store, SPAN[2]).cube
    rows = of_model(read(store, "scenario_scores", SPAN[3]), EQUAL_WEIGHTS, 1)
    ranked = rank_gains(cube.log_return[:, :, 0], np.array([0.5, 0.5]))
    gained = float(np.expm1(realise(SPAN[2])[:, 0]).mean())
    for level in (0.95, 0.975, 0.99):
        risk, name = measure_risk(ranked, level), f"{1000 * level:.0f}"
        assert rows[f"var_{name}"][0] == pytest.approx(risk.var, abs=1e-9)
        assert rows[f"es_{name}"][0] == pytest.approx(risk.es, abs=1e-9)
        assert rows[f"exceeded_{name}"][0] == float(-gained > risk.var)


def test_others_are_drawn_as_in_the_backtest(store: MemoryObjects) -> None:
    origin = SPAN[1]
    at = SESSIONS.index(origin)
    issued = read(store, "forecasts", origin)
    order = np.argsort(issued["ticker"], kind="stable")
    quantiles = recover_quantiles(issued)[order].reshape(1, 2, 5, -1)
    history = JointHistory.of_arrays(
        ("QQQ", "SPY"), DAYS, CLOSES, np.array([at]), quantiles, realise(origin)[None]
    )
    for model, draw in ((GAUSSIAN, draw_gaussian), (INDEPENDENCE, draw_independent)):
        for horizon in (1, 5):
            numbers = score_draw(draw(history, 0), realise(origin), history.tickers, (horizon,))
            scores = read(store, "scenario_scores", SPAN[1 + horizon])
            rows = (scores["origin_date"] == np.datetime64(origin)) & (scores["model"] == model)
            stored = np.stack([scores[name][rows] for name in NUMBERS], axis=1)
            assert stored == pytest.approx(round_decimals(numbers), abs=1e-7, nan_ok=True)


def test_the_table_alone_gives_the_test_of_the_backtest(store: MemoryObjects) -> None:
    rows = of_model(read_scores(store), EQUAL_WEIGHTS, 1)
    tail = measure_tail(rows, 0.95, 1)
    assert tail.days == len(SPAN) - 1
    assert tail.exceeded == pytest.approx(rows["exceeded_950"].mean())


def test_the_lowest_close_is_of_the_path(store: MemoryObjects) -> None:
    rows = of_model(read_scores(store), LOWEST, 5)
    lowest = np.expm1([realise(session)[1].min() for session in SPAN[:3]])
    assert rows["realised"] == pytest.approx(lowest, abs=1e-7)
    assert not len(of_model(read_scores(store), LOWEST, 1)["model"])


def test_the_state_sums_what_the_tables_say(store: MemoryObjects) -> None:
    assert state_sums(store) == recount(store)
    assert {h: sums.scored for h, sums in state_sums(store).items()} == {"1": 7, "5": 3}
    waiting = states(store)[-1].scenarios.unscored
    assert {part.session: part.horizons for part in waiting} == dict.fromkeys(SPAN[3:7], (5,))


def test_replay_and_backfill_make_the_same(bare: Model, store: MemoryObjects) -> None:
    assert all(each.equal for each in replay(store, TABLES, CALENDAR, LAST))
    assert is_whole(store)
    afterwards = backfilled(bare, SPAN[0], LAST)
    ours, theirs = read_scores(store), read_scores(afterwards)
    for name in ours:
        if name != "mode":
            same = np.array_equal(ours[name], theirs[name], ours[name].dtype.kind == "f")
            assert same, name
    assert set(theirs["mode"]) == {"backfill"}
    assert state_sums(afterwards) == state_sums(store)
    assert is_whole(afterwards)


def test_a_backfill_reads_no_scenarios_back(bare: Model) -> None:
    class Watched(MemoryObjects):
        read_back: ClassVar[set[str]] = set()

        def read(self, key: str) -> bytes | None:
            self.read_back.add(key)
            return super().read(key)

    backfilled(bare, SPAN[0], LAST, store=Watched())
    drawn = {key for key in Watched.read_back if key.startswith("scenarios/")}
    assert drawn == {table_key("scenarios", LAST, 0)}  # for the view


def test_a_part_waits_for_the_last_of_its_tickers(bare: Model) -> None:
    late = run_days(bare, SPAN[:2], store=MemoryObjects())
    run_day(bare, late, SPAN[2], {"SPY": market()["SPY"]})
    assert table_key("scenario_scores", SPAN[2], 0) not in late.objects
    run_day(bare, late, SPAN[2], market())  # QQQ alone, which does not realise a vector of two
    assert table_key("scenario_scores", SPAN[2], 1) not in late.objects
    run_days(bare, SPAN[3:], store=late)
    scores = read(late, "scenario_scores", SPAN[3])
    keys = zip(*(scores[n].tolist() for n in ("origin_date", "part", "n_tickers")), strict=True)
    assert set(keys) == {(SPAN[1], 0, 2), (SPAN[2], 0, 1), (SPAN[2], 1, 1)}
    assert set(of_model(scores, JOINT, 1, GAUSSIAN)["origin_date"].tolist()) == {SPAN[1]}
    # The vector that came whole at last has the score that it would have had at once.
    whole = counted(run_days(bare, SPAN))
    assert counted(late)[SPAN[1], 0, 1, JOINT, OURS] == whole[SPAN[1], 0, 1, JOINT, OURS]
    assert is_whole(late)


def test_later_parts_of_a_session_are_not_in_the_running_scores(bare: Model) -> None:
    late = run_days(bare, SPAN[:1], store=MemoryObjects())
    run_day(bare, late, SPAN[1], {"SPY": market()["SPY"]})
    run_day(bare, late, SPAN[1], market())
    run_days(bare, SPAN[2:], store=late)
    sums = state_sums(late)
    assert {horizon: of.scored for horizon, of in sums.items()} == {"1": 7, "5": 3}
    assert sums["1"].against[GAUSSIAN].sessions == 6
    assert sums["1"].exceeded == recount(late)["1"].exceeded


def test_closes_that_do_not_come_are_not_looked_for_for_ever(bare: Model) -> None:
    gone = run_days(bare, SESSIONS[-12:-10], store=MemoryObjects())
    for session in SESSIONS[-10:]:
        run_day(bare, gone, session, {"SPY": market()["SPY"]})
    waiting = {part.session: part.horizons for part in states(gone)[-1].scenarios.unscored}
    assert SESSIONS[-12] not in waiting
    assert SESSIONS[-11] not in waiting or waiting[SESSIONS[-11]] == (5,)
    assert LOOKED_FOR + 5 == 10
    assert is_whole(gone)


def test_a_hole_on_the_way_leaves_out_the_path_alone(store: MemoryObjects) -> None:
    issued = issued_on(store, SPAN[1])
    holed = {t: without(raw, SPAN[3]) for t, raw in market().items()}
    scores = score_scenarios(issued, 5, outcomes(holed))
    assert scores is not None
    assert LOWEST not in set(scores.columns["portfolio"])
    assert JOINT in set(scores.columns["portfolio"])
    holed = {t: without(raw, SPAN[6]) for t, raw in market().items()}
    assert score_scenarios(issued, 5, outcomes(holed)) is None


def test_without_a_common_history_nothing_is_said_of_correlations(store: MemoryObjects) -> None:
    issued = issued_on(store, SPAN[1])
    scores = score_scenarios(issued, 1, outcomes({t: raw.tail(40) for t, raw in market().items()}))
    assert scores is not None
    assert set(scores.columns["model"]) == {OURS, INDEPENDENCE}


DAY, AT = SESSIONS[-5], len(SESSIONS) - 5


@pytest.fixture(scope="module")
def mended(bare: Model) -> MemoryObjects:
    """A record whose source mends a bad print of SPY by the next session."""
    printed = market(SPY=scaled(market()["SPY"], 1.05, slice(AT, AT + 1)))
    store = run_days(bare, SESSIONS[-12:-5], store=MemoryObjects())
    run_day(bare, store, DAY, printed)
    return run_days(bare, SESSIONS[-4:], market(), store)


def test_what_a_bad_print_scored_is_scored_anew(bare: Model, mended: MemoryObjects) -> None:
    clean = counted(run_days(bare, SESSIONS[-12:]))
    first = counted(mended)
    assert {k: row for k, row in first.items() if k[0] < DAY} == {
        k: row for k, row in clean.items() if k[0] < DAY
    }
    corrected = read(mended, "scenario_scores", SESSIONS[-4])
    again = corrected["target_date"] == np.datetime64(DAY)
    assert again.sum() == len(read(mended, "scenario_scores", DAY)["model"])
    assert is_whole(mended)


def test_a_path_that_passes_a_mended_close_is_scored_anew(bare: Model) -> None:
    printed = market(SPY=scaled(market()["SPY"], 0.96, slice(AT, AT + 1)))
    store = run_days(bare, SESSIONS[-12:-5], store=MemoryObjects())
    for session in (DAY, SESSIONS[-4]):  # the source mends it a session late
        run_day(bare, store, session, printed)
    run_days(bare, SESSIONS[-3:-2], market(), store)
    again = of_model(read(store, "scenario_scores", SESSIONS[-3]), LOWEST, 5)
    assert again["target_date"].tolist() == [DAY, SESSIONS[-4], SESSIONS[-3]]
    clean = counted(run_days(bare, SESSIONS[-12:-2]))
    ours = {key: row for key, row in counted(store).items() if key[0] < DAY}
    assert ours == {key: row for key, row in clean.items() if key[0] < DAY}
    assert state_sums(store) == recount(store)
    assert is_whole(store)


def test_the_running_scores_are_those_of_the_mended_close(mended: MemoryObjects) -> None:
    assert state_sums(mended) == recount(mended)


def test_lost_scenarios_are_never_scored(bare: Model) -> None:
    store = run_days(bare, SPAN[:3], store=MemoryObjects())
    run = read_manifest(store, f"runs/{SPAN[2]}.00.json")[0]
    for name in ("scenarios", "bars"):  # which the scenarios could be made again from
        key = run.table(name)
        del store.objects[key]
        accept_loss(store, Loss(key, run.objects[key], LONG_AFTER))
    run_days(bare, SPAN[3:], store=store)
    origins = set(read_scores(store)["origin_date"].tolist())
    assert SPAN[2] not in origins
    assert {SPAN[1], SPAN[3]} <= origins


def test_damaged_scores_are_remade(store: MemoryObjects) -> None:
    changed = MemoryObjects(dict(store.objects))
    key = table_key("scenario_scores", LAST, 0)
    whole = changed.objects[key]
    changed.objects[key] = whole[:-9] + b"x" + whole[-8:]
    assert key in {finding.key for finding in verify(changed, TABLES, CALENDAR).findings}
    digest = read_manifest(store, f"runs/{LAST}.00.json")[0].objects[key]
    heal(changed, TABLES, CALENDAR, DamagedObject("damaged", key, digest))
    assert changed.objects[key] == whole


def test_a_day_of_four_tickers_is_small(model: Model) -> None:
    tickers = ("SPY", "QQQ", "DIA", "IWM")
    bars = market(tickers)
    store = MemoryObjects()
    for session in SPAN[:6]:
        run_day(model, store, session, bars, tickers=tickers)
    assert len(store.objects[table_key("scenario_scores", SPAN[5], 0)]) <= 20_000
    assert len(read(store, "scenario_scores", SPAN[5])["model"]) == 3 * (5 + 6)


def shuffled(issued: IssuedScenarios, order: list[int]) -> IssuedScenarios:
    cube = issued.cube
    turned: Any = replace(
        cube,
        tickers=tuple(cube.tickers[at] for at in order),
        last_close=cube.last_close[order],
        log_return=cube.log_return[:, order],
    )
    return replace(issued, cube=turned)


def test_the_order_of_tickers_changes_nothing(store: MemoryObjects) -> None:
    issued = issued_on(store, SPAN[1])
    scores = [
        score_scenarios(each, 5, outcomes(market())) for each in (issued, shuffled(issued, [1, 0]))
    ]
    ours, theirs = (of.columns for of in scores if isinstance(of, ScenarioScores))
    for name in NUMBERS:
        assert ours[name] == pytest.approx(theirs[name], abs=1e-9, nan_ok=True)
