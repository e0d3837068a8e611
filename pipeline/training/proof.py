"""Proof: how a bundle trained before a date forecasts from then on, beside GARCH(1,1)-t."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline.backtest.evaluate import forecast_span, score_baseline
from pipeline.backtest.leaderboard import REFERENCE, Leaderboard, Row, summarise
from pipeline.bars import Bars, RawBars
from pipeline.baselines.full_history import Baseline
from pipeline.columns import Columns, concatenate
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.calibration import Calibration
from pipeline.forecasting.model import Model
from pipeline.scenarios.template import Template
from pipeline.training.baselines.registry import BASELINES
from pipeline.training.template import learn_template
from pipeline.training.walk_forward.tasks import Trainer


@dataclass(frozen=True, slots=True)
class Proof:
    """How a trainer's bundle did from `first` on: never refitted, gains left as trained.

    Attributes
    ----------
    board : the forecaster, its members and GARCH(1,1)-t
    scores : columns of the scores contract, which `board` summarises
    template : levels of the outcomes, which scenarios begin with
    """

    first: date
    board: Leaderboard
    scores: Columns
    template: Template

    @property
    def rows(self) -> list[Row]:
        """The forecaster at horizon 1, over all tickers and over each."""
        return [
            self.board.select_overall(FORECASTER),
            *self.board.select("ticker", 1, FORECASTER),
        ]

    def collect_scores(self) -> dict[str, float]:
        """Return ratios to GARCH(1,1)-t and empirical coverages, of all and by ticker."""
        scores: dict[str, float] = {}
        for row in self.rows:
            suffix = "" if row.cut == "all" else f"_{row.value}"
            scores |= {
                f"{name}_ratio_vs_garch_t{suffix}": ratio for name, ratio in row.ratios.items()
            }
            scores |= {f"coverage_{c}{suffix}": share for c, share in row.coverage.items()}
        return scores


def prove(bars: Sequence[Bars], vix: RawBars | None, first: date, trainer: Trainer) -> Proof:
    """Train on the bars before `first`, then score every origin from `first` on.

    GARCH is refitted every 21 sessions on all returns so far; the bundle is not refitted at all.
    """
    cutoff = first - timedelta(days=1)
    last = max(ticker_bars.session[-1] for ticker_bars in bars).item()
    vix_before = None if vix is None else vix.as_of(cutoff)
    trained = trainer([ticker_bars.as_of(cutoff) for ticker_bars in bars], vix_before)

    def forecast_with(bundle: ModelBundle) -> Baseline:
        model, calibration = Model(bundle), Calibration.from_stored(bundle.manifest.gains)
        return lambda bars, start: forecast_span(bars, model, (start, last), vix, calibration)

    bundles = {FORECASTER: trained.bundle, **trained.members}
    methods = {name: forecast_with(bundle) for name, bundle in bundles.items()}
    methods[REFERENCE] = BASELINES[REFERENCE]
    parts = [score_baseline(bars, method, first, last, name) for name, method in methods.items()]
    scores = concatenate(parts)
    template = learn_template(bars, methods[FORECASTER], first)
    return Proof(first, summarise(scores, vix), scores, template)
