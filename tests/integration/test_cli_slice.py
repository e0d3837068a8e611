"""`forecaster status` of a slice: some tickers, some sessions, one interval, one horizon."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.commands import Forecaster, assert_refused
from tests.support.mixed_store import fill_mixed_store

BACKFILL = ("--mode", "backfill")
DECEMBER = ("--from", "2024-12-20", "--to", "2024-12-31")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_mixed_store(tmp_path_factory.mktemp("mixed"))


@pytest.fixture
def status(forecaster: Forecaster, filled: Path) -> Any:
    """Run `forecaster status` on the mixed store."""
    return lambda *args: forecaster("status", *args, "--store", filled)


@pytest.fixture(scope="module")
def scores(filled: Path) -> pd.DataFrame:
    """Every score of the store, as another library reads it."""
    files = sorted((filled / "scores").rglob("*.parquet"))
    frame = pd.concat(pd.read_parquet(file) for file in files)
    return frame.assign(target_date=pd.to_datetime(frame["target_date"]))


def select(scores: pd.DataFrame, **where: Any) -> pd.DataFrame:
    for name, value in where.items():
        scores = scores[scores[name] == value]
    return scores


def test_a_month_of_a_ticker_at_one_interval_is_one_command(
    status: Any, scores: pd.DataFrame
) -> None:
    said = status(
        "iwm", "--from", "2025-01-02", "--to", "2025-01-10", "--coverage", "80", *BACKFILL
    )
    assert (said.code, said.err) == (0, "")
    rows = select(scores, ticker="IWM", model="forecaster", horizon=1, mode="backfill")
    rows = rows[rows["target_date"].between("2025-01-02", "2025-01-10")]
    (line,) = [line for line in said.out.splitlines() if "[" in line]
    share = f"{rows['covered_80'].mean():.1%}"
    assert line.split()[:3] == ["IWM", str(len(rows)), share]
    assert "95 % covered" not in said.out
    assert "Mode: not live: made afterwards, in a backfill" in said.out
    assert "SIMULATED, NOT REAL" in said.out


def test_figures_are_those_that_pandas_makes_of_the_parquet(
    status: Any, scores: pd.DataFrame
) -> None:
    document = status("--horizon", "2", "--from", "2025-01-02", *BACKFILL, "--json").document
    rows = select(scores, horizon=2, mode="backfill", in_sample=False)
    rows = rows[rows["target_date"] >= "2025-01-02"].set_index(["ticker", "origin_date"])
    ours = rows[rows["model"] == "forecaster"]
    pooled = document["pooled"]
    assert pooled["forecasts"] == len(ours) > 20
    assert pooled["crps"] == pytest.approx(ours["crps"].mean(), abs=1e-9)
    assert pooled["mean_error"] == pytest.approx(ours["error"].mean(), abs=1e-9)
    for baseline, against in pooled["against"].items():
        theirs = rows[rows["model"] == baseline]
        both = ours.index.intersection(theirs.index)
        assert against["forecasts"] == len(both)
        for name in ("crps", "interval_score_95"):
            ratio = ours.loc[both, name].sum() / theirs.loc[both, name].sum()
            assert against[name] == pytest.approx(ratio, abs=1e-9)
    assert set(pooled["against"]) == {"persistence", "ewma", "garch_t"}
    for nominal, share in pooled["coverage"].items():
        assert share["coverage"] == pytest.approx(ours[f"covered_{nominal}"].mean(), abs=1e-9)
        assert share["lower"] <= int(nominal) / 100 <= share["upper"]
    assert set(document["tickers"]) == {"DIA", "IWM", "QQQ", "SPY"}
    assert sum(of["forecasts"] for of in document["tickers"].values()) == pooled["forecasts"]


def test_live_forecasts_count_where_there_are_any_and_others_are_named(status: Any) -> None:
    said = status("--horizon", "1")
    document = status("--horizon", "1", "--json").document
    assert document["modes"] == ["live"]
    assert document["pooled"]["forecasts"] == 8
    assert document["left_out"]["backfill"] > 40
    assert f"mode backfill: {document['left_out']['backfill']} more" in said.out


def test_without_live_forecasts_the_newest_others_count_and_it_is_said(status: Any) -> None:
    said = status("SPY", "--to", "2025-01-10")
    assert (said.code, said.err) == (0, "")
    assert "Mode: not live: made afterwards, in a backfill" in said.out


def test_what_the_model_had_learnt_is_counted_only_if_asked_for(
    status: Any, scores: pd.DataFrame
) -> None:
    learnt = select(scores, model="forecaster", horizon=1, in_sample=True)
    honest = select(scores, model="forecaster", horizon=1, mode="backfill", in_sample=False)
    assert len(learnt) and len(honest)
    said, all_of_it = status(*BACKFILL), status(*BACKFILL, "--in-sample")
    assert f"{len(honest)} forecasts" in said.out
    assert f"had learnt what came: {len(learnt)} more, --in-sample counts them" in said.out
    assert f"{len(honest) + len(learnt)} forecasts" in all_of_it.out
    assert f"In sample: for {len(learnt)} of these" in all_of_it.out


def test_every_mode_together_is_said_to_be(status: Any) -> None:
    document = status("--mode", "all", "--json").document
    assert document["modes"] == ["live", "backfill"]


def test_the_worst_miss_is_the_furthest_close_outside(status: Any, scores: pd.DataFrame) -> None:
    args = ("--coverage", "50", "--mode", "all")
    worst = status(*args, "--json").document["pooled"]["worst_miss"]
    rows = select(scores, model="forecaster", horizon=1, in_sample=False, covered_50=False)
    row = rows.iloc[np.abs(rows["error"]).argmax()]
    assert (worst["ticker"], worst["target_date"]) == (row["ticker"], str(row["target_date"])[:10])
    assert f"Worst miss: {row['ticker']} closed at {row['realised_close']:.2f}" in status(*args).out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--from", "2030-01-01"), "live 2025-01-13 to 2025-01-15, 3 sessions"),
        (("--from", "2030-01-01"), "backfill 2024-12-20 to 2025-01-10, 13 sessions"),
        (("--from", "2030-01-01"), "tickers DIA, IWM, QQQ, SPY"),
        ((*DECEMBER, *BACKFILL), "in sample, for the model had learnt what came: "),
        (("--mode", "as_of"), "mode backfill: "),
        (("--horizon", "9"), "expected realised forecasts in this slice, found none"),
    ],
    ids=str,
)
def test_a_slice_without_forecasts_says_what_there_is(
    status: Any, args: tuple[str, ...], said: str
) -> None:
    for machine in ((), ("--json",)):
        assert_refused(status(*args, *machine), 1, "expected realised forecasts", said)


def test_a_ticker_that_is_not_on_the_record_is_refused_beside_those_that_are(status: Any) -> None:
    assert_refused(status("SPY", "SYP"), 1, "SYP: expected tickers of the record", "IWM, QQQ, SPY")


def test_a_ticker_that_has_no_row_in_the_slice_is_named(
    forecaster: Forecaster, filled: Path
) -> None:
    shutil.copytree(filled, "store")
    args = ("--bars", "bars", "--tickers", "SPY,VOO", "--as-of", "2025-01-16")
    assert (
        forecaster("fetch", "--bars", "simulated", "--out", "bars", "--to", "2025-01-16").code == 0
    )
    Path("bars/VOO.csv").write_bytes(Path("bars/DIA.csv").read_bytes())
    assert forecaster("run", *args).code == 0
    said = forecaster("status", "SPY", "VOO")
    assert said.code == 0, said.err
    assert "None realised here of VOO" in said.out
    assert forecaster("status", "SPY", "VOO", "--json").document["absent"] == ["VOO"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--coverage", "81"), "--coverage: expected one of 50, 80, 90, 95, 98, got 81"),
        (("--from", "2025-02-01", "--to", "2025-01-01"), "--from: expected a date not after --to"),
        (("--mode", "real"), "expected live, as_of, backfill or all, got 'real'"),
        (("--horizon", "0"), "'--horizon'"),
    ],
    ids=str,
)
def test_wrong_use_is_refused(status: Any, args: tuple[str, ...], said: str) -> None:
    assert_refused(status(*args), 2, said)


def test_without_a_slice_it_is_what_it_was(status: Any) -> None:
    assert "CRPS skill against" in status().out
    assert "session" in status("--json").document
