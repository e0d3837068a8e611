"""The command that scores forecasts of the past."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.cli import backtest as cli_backtest
from pipeline.forecasting.bundle import load_bundle
from tests.support.builders import raw_bars
from tests.support.commands import ROOT, Forecaster, assert_refused

NO_REFIT = ("backtest", "--bars", "simulated", "--no-refit")


def test_a_bundle_is_scored_beside_baselines_that_need_no_fitting(forecaster: Forecaster) -> None:
    answer = forecaster(*NO_REFIT, "--from", "2024", "--to", "2025-06-30", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.document["scores"] == "out/backtest/scores.parquet"
    assert "not real prices" in answer.document["source"]
    scores, metadata = ParquetTables().decode(
        "backtest_scores", Path(answer.document["scores"]).read_bytes()
    )
    assert metadata == {"source": answer.document["source"]}
    assert str(scores["origin_date"].min()) == "2024-01-02"
    assert str(scores["origin_date"].max()) == "2025-06-30"
    models = list(dict.fromkeys(scores["model"].tolist()))
    assert models == ["forecaster", "persistence", "ewma", "garch_t"]
    board = json.loads(Path(answer.document["summary"]).read_text())
    assert board == answer.document["leaderboard"]
    assert answer.document["scenarios"] is None  # of models that had not seen the outcomes only
    forecasts, rows = board["rows"][0]["forecasts"], (scores["model"] == "forecaster")
    assert forecasts == (rows & (scores["horizon"] == 1)).sum()
    notes = " ".join(answer.document["notes"])
    assert "trained on data up to 2024-12-31: forecasts from before then prove nothing" in notes
    assert "garch_t is not refitted either" in notes


def test_the_leaderboard_is_printed(forecaster: Forecaster) -> None:
    answer = forecaster(*NO_REFIT, "--from", "2025", "--to", "2025-06-30", "--out", "o")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("SIMULATED, NOT REAL")
    assert "prove nothing" not in answer.out
    assert "GARCH(1,1)-t" in answer.out
    assert answer.out.endswith("Parquet   o/scores.parquet\nSummary   o/summary.json\n")


@pytest.mark.training
def test_without_the_vix_a_backtest_says_so(forecaster: Forecaster, history: Path) -> None:
    args = ("backtest", "--no-refit", "--tickers", "SPY", "--from", "2024", "--to", "2024")
    answer = forecaster(*args, "--bars", history, "--json")
    assert answer.code == 0
    assert answer.document["notes"][0].startswith("no VIX: ^VIX: expected one of")
    assert answer.document["leaderboard"]["vix_limits"] is None


def test_a_baseline_without_enough_history_is_left_out_and_named(
    forecaster: Forecaster, bars: Path
) -> None:
    args = ("backtest", "--no-refit", "--bars", bars, "--from", "2024-12-02", "--to", "2025")
    answer = forecaster(*args, "--json")
    assert answer.code == 0
    assert answer.document["leaderboard"]["models"] == ["forecaster", "garch_t"]
    assert "without ewma: SPY: expected at least 277 bars" in " ".join(answer.document["notes"])


def test_a_bundle_is_scored_without_the_training_libraries(tmp_path: Path) -> None:
    absent = ("torch", "sklearn", "onnx", "arch", "scipy", "statsforecast", "matplotlib")
    args = [*NO_REFIT, "--from", "2025", "--to", "2025-06-30", "--json"]
    code = (
        f"import sys\nsys.modules.update(dict.fromkeys({absent}))\n"
        f"from pipeline.cli.main import main\nmain({args})"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=env,
        check=True,
    )
    assert json.loads(ran.stdout)["leaderboard"]["models"][0] == "forecaster"


@pytest.mark.training
def test_a_backtest_refits_every_year_beside_every_baseline(
    forecaster: Forecaster, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.training import trainers

    monkeypatch.setattr(trainers, "train_ensemble", trainers.train_range_har)
    monkeypatch.setattr(cli_backtest, "DRAWN_FROM", date(2024, 10, 1))
    args = ("backtest", "--bars", history, "--tickers", "SPY", "--workers", "1", "--json")
    args = (*args, "--card", "docs")
    answer = forecaster(*args, "--from", "2024-11-15", "--to", "2025-01-31")
    assert (answer.code, answer.err) == (0, "")
    board = answer.document["leaderboard"]
    assert {"garch_t", "gjr_skew_t", "ewma", "auto_ets", "persistence"} < set(board["models"])
    assert board["left_out"] == 0
    for year, last in ((2024, date(2023, 12, 29)), (2025, date(2024, 12, 31))):
        bundle = load_bundle(Path(f"out/backtest/bundles/{year}"))
        assert bundle.manifest.training.last_session == last
    assert board["first_origin"] == "2024-11-15"
    scores, _ = ParquetTables().decode(
        "backtest_scores", Path("out/backtest/scores.parquet").read_bytes()
    )
    begins = {name: str(scores["origin_date"][scores["model"] == name].min()) for name in BEGINS}
    assert begins == BEGINS
    drawn, _ = ParquetTables().decode(
        "backtest_scenario_scores", Path(answer.document["scenario_scores"]).read_bytes()
    )
    assert str(drawn["origin_date"].min()) == "2024-11-15"
    assert str(drawn["origin_date"].max()) == "2025-01-24"  # the last with five targets realised
    joint = answer.document["scenarios"]
    assert joint == json.loads(Path(answer.document["scenario_summary"]).read_text())
    assert (joint["tickers"], joint["first_origin"]) == (["SPY"], "2024-11-15")
    card = Path("docs/model-card.md").read_text()
    span = f"{joint['origins']} origins from 2024-11-15 to 2025-01-24"
    assert f"## Scenarios\n\nScenarios of {span}" in card
    assert "The pictures begin with the origin of 2024-10-01, before the leaderboard does." in card
    again = forecaster(*args, "--from", "2024-11-15", "--to", "2025-01-31")
    assert again == answer


# The calibrator begins with the leaderboard, so that pictures change no number of it.
BEGINS = {
    "forecaster": "2024-10-01",
    "garch_t": "2024-10-01",
    "forecaster_calibrated": "2024-11-15",
}


def test_pictures_begin_early_only_where_every_ticker_has_bars_to_learn_from() -> None:
    from pipeline.training.bundles import is_trainable_before

    old, young = raw_bars("OLD", 1500), raw_bars("YOUNG", 1100)
    assert is_trainable_before([old], date(2023, 6, 1))
    assert not is_trainable_before([old, young], date(2023, 6, 1))
    assert is_trainable_before([old, young], date(2024, 12, 1))


@pytest.mark.training
def test_a_year_without_bars_is_refused(forecaster: Forecaster, history: Path) -> None:
    answer = forecaster("backtest", "--bars", history, "--tickers", "SPY", "--from", "2019")
    assert_refused(answer, 1, "SPY: expected bars from 2019-01-01 to 2019-12-31, got some from")


@pytest.mark.training
def test_a_backtest_that_trains_needs_the_training_libraries(
    forecaster: Forecaster, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("pipeline.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "arch", None)
    answer = forecaster("backtest", "--bars", history, "--tickers", "SPY")
    assert_refused(answer, 2, "pip install '.[training]'", "--no-refit")


# api-key
