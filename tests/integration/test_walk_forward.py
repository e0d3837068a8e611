"""The walk-forward backtest: each year by its past alone, resumed after whatever happens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from pipeline.backtest.evaluate import backtest
from pipeline.backtest.history import MarketHistory
from pipeline.backtest.pace import Progress
from pipeline.bars import Bars, RawBars
from pipeline.columns import Columns
from pipeline.errors import ConfigError, DataError, StoreError
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.model import Model
from pipeline.training.walk_forward.run import WalkForward, find_bundle_folder, walk_forward
from tests.support.builders import bars, raw_bars
from tests.support.walks import (
    FIRST,
    LAST,
    MARKET,
    QQQ,
    SPY,
    YEARS,
    Alone,
    assert_equal,
    files,
    interrupted,
    plan,
    range_har,
    seen,
    shipped,
    trained,
)


@pytest.fixture(autouse=True)
def _nothing_trained() -> None:
    trained.clear()
    interrupted.clear()


# what is learnt, and what is scored


def test_each_year_is_forecast_by_the_bundle_trained_on_what_came_before(
    walked: tuple[Columns, Path],
) -> None:
    scores, folder = walked
    for year in YEARS:
        bundle = load_bundle(find_bundle_folder(folder, year))
        before = SPY.session[SPY.session < np.datetime64(f"{year}-01-01")]
        assert bundle.manifest.training.last_session == before[-1].item()
        span = max(FIRST, date(year, 1, 1)), min(LAST, date(year, 12, 31))
        expected = backtest(MARKET.bars, Model(bundle), *span)
        years = scores["origin_date"].astype("datetime64[Y]")
        rows = (scores["model"] == "forecaster") & (years == np.datetime64(str(year)))
        assert_equal({name: column[rows] for name, column in scores.items()}, expected)


def test_every_model_is_scored_on_the_same_forecasts(tmp_path: Path) -> None:
    scores = walk_forward(plan(), tmp_path)
    keys = {
        model: set(
            zip(
                *(scores[name][scores["model"] == model] for name in ("ticker", "horizon")),
                scores["origin_date"][scores["model"] == model].tolist(),
                strict=True,
            )
        )
        for model in ("forecaster", "member", "ewma", "persistence")
    }
    inside = (SPY.session >= np.datetime64(FIRST)) & (SPY.session <= np.datetime64(LAST))
    assert all(len(made) == 2 * 5 * inside.sum() for made in keys.values())
    assert len({frozenset(made) for made in keys.values()}) == 1


def test_what_comes_after_the_cut_is_not_learnt(
    walked: tuple[Columns, Path], tmp_path: Path
) -> None:
    of_2023 = SPY.session >= np.datetime64("2023-01-01")
    other = {
        name: np.where(of_2023, 1.5 * getattr(SPY, name) - 0.2 * SPY.close, getattr(SPY, name))
        for name in ("open", "high", "low", "close")
    }
    changed = Bars.validate(RawBars("SPY", SPY.session, **other, **kept(SPY)))
    walk = WalkForward(
        MarketHistory((changed, QQQ)), range_har, {}, date(2023, 1, 3), date(2023, 1, 31)
    )
    scores = walk_forward(walk, tmp_path)
    assert load_bundle(find_bundle_folder(tmp_path, 2023)) == load_bundle(
        find_bundle_folder(walked[1], 2023)
    )
    assert not np.isin(scores["crps"], walked[0]["crps"]).all()


def kept(of: Bars) -> dict[str, np.ndarray]:
    return {name: getattr(of, name) for name in ("volume", "dividend", "split")}


def test_the_trainer_sees_the_vix_up_to_the_cut(tmp_path: Path) -> None:
    seen: list[np.datetime64] = []

    def looking(of: Sequence[Bars], vix: RawBars | None) -> Alone:
        assert vix is not None
        seen.append(vix.session[-1])
        return shipped(of, vix)

    walk_forward(plan(looking, MarketHistory((SPY,), raw_bars("^VIX", 1850))), tmp_path)
    assert [str(day) for day in seen] == ["2021-12-31", "2022-12-30", "2023-12-29"]


def test_a_year_without_bars_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(DataError, match="SPY: expected bars from 2025-01-01 to 2025-12-31, got"):
        WalkForward(MARKET, shipped, {}, FIRST, date(2025, 12, 31))
    with pytest.raises(ConfigError, match="expected a first origin not after 2022-11-01"):
        WalkForward(MARKET, shipped, {}, LAST, FIRST)


def test_prices_adjusted_in_part_are_refused_before_anything_is_trained() -> None:
    cents = {name: np.round(getattr(SPY, name), 2) for name in ("open", "high", "low", "close")}
    raw = RawBars("SPY", SPY.session, **cents, **kept(SPY))
    with pytest.raises(DataError, match="QQQ: expected prices in cents, like SPY"):
        WalkForward(MarketHistory((Bars.validate(raw), QQQ)), shipped, {}, FIRST, LAST)


# resuming


def test_a_second_run_computes_nothing_and_gives_the_same(tmp_path: Path) -> None:
    first = walk_forward(plan(), tmp_path)
    before = files(tmp_path)
    told: list[Progress] = []
    again = walk_forward(plan(), tmp_path, report=told.append)
    assert len(trained) == len(YEARS)
    assert_equal(again, first)
    assert files(tmp_path) == before
    assert told == [Progress(9, 9, 0.0)]


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    undisturbed = walk_forward(plan(), tmp_path / "undisturbed")
    trained.clear()
    interrupted.add(2023)
    with pytest.raises(KeyboardInterrupt):
        walk_forward(plan(), tmp_path / "disturbed")
    interrupted.clear()
    left = files(tmp_path / "disturbed")
    assert {Path(name).parts[1] for name in left} == {"2022", "2023"}
    assert left == seen(tmp_path / "disturbed")
    resumed = walk_forward(plan(), tmp_path / "disturbed")
    assert [day.year for day in trained] == [2021, 2022, 2023]
    assert_equal(resumed, undisturbed)
    assert files(tmp_path / "disturbed") == files(tmp_path / "undisturbed")


def test_bars_added_later_leave_what_is_done(tmp_path: Path) -> None:
    known = MarketHistory(tuple(Bars.validate(one.as_of(date(2024, 2, 15))) for one in MARKET.bars))
    walk_forward(plan(market=known), tmp_path)
    walk_forward(plan(), tmp_path)
    assert len(trained) == len(YEARS)


@pytest.mark.parametrize(
    ("changed", "again"), [("2020-06-01", [2021, 2022, 2023]), ("2023-06-01", [2022, 2023])]
)
def test_a_changed_bar_is_computed_anew_where_it_was_seen(
    tmp_path: Path, changed: str, again: list[int]
) -> None:
    walk_forward(plan(), tmp_path)
    trained.clear()
    high = np.where(SPY.session == np.datetime64(changed), SPY.high * 1.001, SPY.high)
    other = Bars.validate(bars("SPY", 1850, seed=3, high=high))
    walk_forward(plan(market=MarketHistory((other, QQQ))), tmp_path)
    assert [day.year for day in trained] == again


@pytest.mark.parametrize(
    "damaged", ["years/2023/forecaster.parquet", "bundles/2023/model.onnx", "bundles/2023"]
)
def test_what_is_damaged_or_gone_is_computed_anew(tmp_path: Path, damaged: str) -> None:
    walk_forward(plan(), tmp_path)
    before = files(tmp_path)
    if (tmp_path / damaged).is_dir():
        (tmp_path / damaged / "manifest.json").unlink()
    else:
        (tmp_path / damaged).write_bytes(b"damaged")
    trained.clear()
    walk_forward(plan(), tmp_path)
    assert [day.year for day in trained] == [2022]
    assert files(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "years").write_text("in the way")
    with pytest.raises(StoreError, match="years"):
        walk_forward(plan(), tmp_path)
