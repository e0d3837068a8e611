"""Gains after a run that scores many origins at once, as after an outage."""

from __future__ import annotations

import msgspec
import numpy as np

from pipeline.bars import Bars
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.bundle import Manifest
from pipeline.forecasting.calibration import BROAD_CALIBRATOR, USUAL_CALIBRATOR, update_log_gains
from pipeline.forecasting.model import Model
from pipeline.grid import round_decimals
from pipeline.record.gains import update_gains
from pipeline.record.scoring import ScoredForecasts, recover_quantiles, score_realised
from tests.support.records import SESSIONS, TICKERS, market, run_days, table


def served(model: Model) -> dict[str, Manifest]:
    broad = msgspec.structs.replace(model.manifest, own_calibrator=BROAD_CALIBRATOR)
    return {"SPY": model.manifest, "QQQ": broad}


def score_all(model: Model) -> ScoredForecasts:
    issued = table(run_days(model, SESSIONS[-9:-1]), "forecasts")
    issued["model"] = np.full(len(issued["ticker"]), FORECASTER, object)
    scored = score_realised(issued, [Bars.validate(bars) for bars in market().values()])
    assert scored is not None
    return scored


def test_outcomes_count_one_after_the_other_however_many_come_at_once(model: Model) -> None:
    scored, neutral = score_all(model), np.zeros((5, 11))
    expected = {ticker: neutral.copy() for ticker in TICKERS}
    rows = range(len(scored.scores["ticker"]))
    quantiles = recover_quantiles(scored.issued)
    for row in sorted(rows, key=lambda row: scored.scores["origin_date"][row]):
        gains, at = expected[scored.scores["ticker"][row]], scored.scores["horizon"][row] - 1
        outcome = scored.scores["realised_return"][row]
        calibrator = USUAL_CALIBRATOR if scored.scores["ticker"][row] == "SPY" else BROAD_CALIBRATOR
        moved = update_log_gains(gains[at], quantiles[row], outcome, calibrator.step_at(at + 1))
        gains[at] = round_decimals(moved)
    together = update_gains({"OLD": ((1.0,),)}, scored, served(model))
    assert together.pop("OLD") == ((1.0,),)
    assert {ticker: np.array(gains).tolist() for ticker, gains in together.items()} == {
        ticker: gains.tolist() for ticker, gains in expected.items()
    }
    shuffled = np.random.default_rng(1).permutation(len(rows))
    again = ScoredForecasts(
        {name: column[shuffled] for name, column in scored.issued.items()},
        {name: column[shuffled] for name, column in scored.scores.items()},
    )
    assert update_gains({}, again, served(model)) == together


def test_nothing_scored_leaves_them(model: Model) -> None:
    scored = score_all(model)
    none = scored.where(np.zeros(len(scored.scores["ticker"]), bool))
    assert update_gains({"SPY": ((0.5,),)}, none, served(model)) == {"SPY": ((0.5,),)}
