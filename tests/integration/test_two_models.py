"""Two models in one part: the one on duty for its own tickers, the broad one for all others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pipeline.bars import RawBars
from pipeline.errors import RequestError
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.calibration import Calibrator
from pipeline.forecasting.model import Model
from pipeline.forecasting.models import Models, load_models
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.explain import explain
from pipeline.jobs.replay import replay
from pipeline.jobs.verify import verify
from pipeline.record.chain import find_head
from pipeline.record.forecasters import DirectForecaster
from pipeline.record.keys import LATEST
from pipeline.record.manifest import RunManifest, read_manifests
from pipeline.record.notes import NoteCode
from pipeline.record.state import State
from pipeline.record.vintage import read_vintage
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.on_demand import OnDemand
from pipeline.serving.requests import parse_request
from pipeline.views.documents import Latest
from pipeline.wiring import DEFAULT_BUNDLE
from tests.support.builders import bars, window_rows
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    job_on,
    market,
    rows_by_key,
    run_day,
    states,
    table,
)
from tests.support.two_models import renamed

SPAN = SESSIONS[-4:]
TICKERS = ("SPY", "AAPL", "QQQ", "GLD")  # of the default model, the broad one, neither
FOREIGN = ("AAPL", "GLD")


@pytest.fixture(scope="module")
def broad(model: Model) -> Model:
    return renamed(model, date(2024, 12, 30), "AAPL", "MSFT")


def moving(tickers: tuple[str, ...] = TICKERS) -> dict[str, RawBars]:
    return market(tickers)


def run_span(
    model: Model,
    broad: Model | None,
    sessions: list[date] = SPAN,
    store: MemoryObjects | None = None,
    tickers: tuple[str, ...] = TICKERS,
) -> MemoryObjects:
    store = MemoryObjects() if store is None else store
    for session in sessions:
        summary = run_day(model, store, session, moving(tickers), tickers=tickers, broad=broad)
        assert not summary.withheld
    return store


@pytest.fixture(scope="module")
def record(model: Model, broad: Model) -> Mapping[str, bytes]:
    return run_span(model, broad).objects


@pytest.fixture
def store(record: Mapping[str, bytes]) -> MemoryObjects:
    return MemoryObjects(record)


def newest(store: MemoryObjects) -> RunManifest:
    head = find_head(store)
    assert head is not None
    return head.manifest


def gains_of(state: State, ticker: str) -> np.ndarray:
    return np.exp(np.array(state.log_gains[ticker]))


def test_each_row_names_the_model_that_made_it(
    store: MemoryObjects, model: Model, broad: Model
) -> None:
    for name in ("forecasts", "baselines", "scores", "scenarios"):
        columns = table(store, name)
        of_broad = np.isin(columns["ticker"].astype(str), FOREIGN)
        assert set(columns["model_version"][of_broad]) == {broad.bundle.version}
        assert set(columns["model_version"][~of_broad]) == {model.bundle.version}
    latest = msgspec.json.decode(store.objects[LATEST], type=Latest)
    assert [t for t, of_ticker in latest.tickers.items() if not of_ticker.proven] == ["GLD"]
    for ticker, of_ticker in latest.tickers.items():
        of = broad if ticker in FOREIGN else model
        assert of_ticker.model_version == of.bundle.version


def test_one_part_names_both_bundles_and_who_is_served_by_which(
    store: MemoryObjects, model: Model, broad: Model
) -> None:
    run = newest(store)
    assert run.model_version == model.bundle.version
    assert run.others == dict.fromkeys(sorted(FOREIGN), broad.bundle.version)
    folders = {key.split("/")[1] for key in run.objects if key.startswith("bundles/")}
    assert folders == {model.bundle.version, broad.bundle.version}
    assert [run.part for run in read_manifests(store, SPAN[-1])] == [0]


def test_it_is_replayed_and_verified(store: MemoryObjects) -> None:
    for session in SPAN:
        replayed = replay(store, TABLES, CALENDAR, session)
        assert replayed
        assert all(each.equal for each in replayed), replayed
    verified = verify(store, TABLES, CALENDAR)
    assert (verified.findings, verified.left_behind) == ((), ())


def test_a_backfill_writes_the_tables_of_a_daily_run(model: Model, broad: Model) -> None:
    daily, bulk = run_span(model, broad), MemoryObjects()
    job = job_on(model, bulk, moving(), tickers=TICKERS, broad=broad)
    backfill(job, SPAN[0], SPAN[-1], LONG_AFTER, lambda done, of: None)
    for name in ("forecasts", "baselines"):
        ours, theirs = (
            rows_by_key(
                {**table(of, name), "model": table(of, name).get("model", table(of, name)["mode"])},
                "ticker",
                "origin_date",
                "horizon",
                *(("model",) if name == "baselines" else ()),
            )
            for of in (daily, bulk)
        )
        assert ours.keys() == theirs.keys()
        for key, row in ours.items():
            for column in ("prediction", "lower_95", "upper_95", "sigma", "model_version"):
                assert row[column] == theirs[key][column], (key, column)
    assert verify(bulk, TABLES, CALENDAR).findings == ()


def test_a_ticker_of_neither_starts_from_its_own_past(store: MemoryObjects, broad: Model) -> None:
    first = states(store)[0]
    assert np.allclose(gains_of(first, "AAPL")[:, 0], 1.5, atol=1e-6)
    own = gains_of(first, "GLD")
    raw = read_vintage(store, TABLES, read_manifests(store, SPAN[0])[0]).bars["GLD"]
    forecaster = DirectForecaster(Models(broad))
    assert np.array_equal(first.log_gains["GLD"], forecaster.first_log_gains(raw, None))
    # Between the pooled gains and those of its past: it is not its neighbours.
    assert 1.0 < own[0, 3] < 1.5 or own[0, 3] > 1.5
    assert first.version_of("GLD") == broad.bundle.version


def test_a_first_vintage_reaches_further_back(store: MemoryObjects) -> None:
    lengths = [
        {ticker: len(bars) for ticker, bars in read_vintage(store, TABLES, run).bars.items()}
        for run in (read_manifests(store, session)[0] for session in SPAN[:2])
    ]
    reach = {"SPY": 320, "QQQ": 320, "AAPL": 320}
    assert lengths == [{**reach, "GLD": 417}, {**reach, "GLD": 320}]


def test_outcomes_move_the_gains_of_both(store: MemoryObjects) -> None:
    first, last = states(store)[0], states(store)[-1]
    for ticker in TICKERS:
        assert not np.array_equal(gains_of(first, ticker), gains_of(last, ticker)), ticker


def test_each_model_has_its_own_calibrator_and_a_new_one_leaves_the_past_as_it_is(
    store: MemoryObjects, model: Model, broad: Model
) -> None:
    """A store goes on with a manifest that says how gains learn; until then none has said so."""
    still = Calibrator(steps=(0.0,) * 11)
    manifest = msgspec.structs.replace(broad.manifest, own_calibrator=still)
    new = Model(ModelBundle(manifest, broad.bundle.onnx))
    begun = run_span(model, broad, SPAN[:-1])
    run_span(model, new, SPAN[-1:], begun)
    before, now = states(begun)[-2:]
    assert now.version_of("AAPL") == broad.bundle.version
    assert all(now.log_gains[ticker] == before.log_gains[ticker] for ticker in FOREIGN)
    assert all(now.log_gains[ticker] != before.log_gains[ticker] for ticker in ("SPY", "QQQ"))
    assert now.log_gains["SPY"] == states(store)[-1].log_gains["SPY"]
    for session in SPAN:
        assert all(each.equal for each in replay(begun, TABLES, CALENDAR, session))
    assert verify(begun, TABLES, CALENDAR).findings == ()


def test_another_broad_model_takes_over_its_tickers_alone(
    store: MemoryObjects, model: Model, broad: Model
) -> None:
    kept, other = states(store)[-1], renamed(model, date(2024, 12, 29), "AAPL", gain=0.7)
    again = run_span(model, broad, SPAN[:-1])
    run_span(model, other, SPAN[-1:], again)
    now = states(again)[-1]
    assert now.version_of("AAPL") == other.bundle.version
    assert np.allclose(gains_of(now, "AAPL")[:, 0], 0.7, atol=1e-6)
    assert now.log_gains["SPY"] == kept.log_gains["SPY"]
    assert list(now.earlier_models) == [broad.bundle.version]
    assert verify(again, TABLES, CALENDAR).findings == ()


def test_a_broad_model_that_serves_again_takes_up_its_gains(model: Model, broad: Model) -> None:
    other = renamed(model, date(2024, 12, 28), "AAPL", gain=0.7)
    store = run_span(model, broad, SPAN[:2])
    left = states(store)[-1]
    run_span(model, other, SPAN[2:3], store)
    run_span(model, broad, SPAN[3:], store)
    # Beyond horizon 1 it learns from what it had issued before, too.
    assert states(store)[-1].log_gains["AAPL"][0] == left.log_gains["AAPL"][0]
    assert verify(store, TABLES, CALENDAR).findings == ()


def test_another_default_model_leaves_the_tickers_of_the_broad_one_alone(
    store: MemoryObjects, model: Model, broad: Model
) -> None:
    other = renamed(model, date(2024, 12, 27), gain=0.6)
    begun = run_span(model, broad, SPAN[:-1])
    run_span(other, broad, SPAN[-1:], begun)
    now, kept = states(begun)[-1], states(store)[-1]
    assert np.allclose(gains_of(now, "SPY")[:, 0], 0.6, atol=1e-6)
    assert now.log_gains["GLD"] == kept.log_gains["GLD"]
    assert verify(begun, TABLES, CALENDAR).findings == ()


def test_without_a_broad_model_its_tickers_go_to_the_one_on_duty(
    model: Model, broad: Model
) -> None:
    store = run_span(model, broad, SPAN[:-1])
    run_span(model, None, SPAN[-1:], store)
    assert newest(store).others == {}
    assert states(store)[-1].served_by_others == {}
    assert verify(store, TABLES, CALENDAR).findings == ()
    with pytest.raises(RequestError, match="expected forecasts of one model"):
        explain(store, TABLES, "GLD")


def test_a_width_is_explained_by_the_model_that_made_it(store: MemoryObjects) -> None:
    for ticker in ("SPY", "GLD"):
        assert explain(store, TABLES, ticker).session == SPAN[-1]


def test_a_store_of_proven_tickers_does_not_know_of_the_broad_model(
    model: Model, broad: Model
) -> None:
    alone = run_span(model, None, tickers=("SPY", "QQQ"))
    beside = run_span(model, broad, tickers=("SPY", "QQQ"))
    assert alone.objects == beside.objects


def test_who_nothing_is_proven_on_is_noted(store: MemoryObjects, model: Model) -> None:
    notes = [note for note in newest(store).notes if note.code == NoteCode.UNPROVEN]
    assert [note.tickers for note in notes] == [("GLD",)]  # AAPL is one of the broad model's own
    assert "it had never seen" in notes[0].message
    alone = run_span(model, None, SPAN[:1])
    (note,) = (note for note in newest(alone).notes if note.code == NoteCode.UNPROVEN)
    assert note.tickers == ("AAPL", "GLD")
    assert "it had never seen" not in note.message


def test_an_answer_is_by_the_model_of_its_ticker(model: Model, broad: Model) -> None:
    """The broad one is loaded when it is first asked for; the one on duty answers the unnamed."""
    loaded: list[Model] = []
    views = CachedViews(MemoryObjects().read, lambda: 0.0)
    on_demand = OnDemand(model, views, lambda: loaded.append(broad) or broad)
    window = window_rows(bars())
    versions = {}
    for ticker in (None, "SPY", "spy", "GLD", "gld"):
        named = {} if ticker is None else {"ticker": ticker}
        request = parse_request(json.dumps({"data": window, **named}).encode())
        versions[ticker] = on_demand.predict(request).model_version
        assert bool(loaded) == (ticker in ("GLD", "gld"))
    ours, theirs = model.bundle.version, broad.bundle.version
    assert versions == {None: ours, "SPY": ours, "spy": ours, "GLD": theirs, "gld": theirs}


def test_a_bundle_of_the_user_serves_all_and_the_default_one_has_the_broad_beside(
    tmp_path: Path,
) -> None:
    for name in ("default", "broad", "mine"):
        shutil.copytree(
            DEFAULT_BUNDLE.with_name("broad" if name == "broad" else "default"), tmp_path / name
        )
    default, mine = tmp_path / "default", tmp_path / "mine"
    assert load_models(default, ["SPY", "GLD"]).broad is not None
    assert load_models(default, ["SPY", "QQQ"]).broad is None
    assert load_models(mine, ["SPY", "GLD"]).broad is None
    models = load_models(default, ["GLD"])
    assert models.select("GLD") is models.broad
    assert models.select("DIA") is models.main
