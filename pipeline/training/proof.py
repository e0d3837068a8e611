"""Proof: what would have been published by a bundle trained before a date, beside GARCH(1,1)-t."""

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
from pipeline.training.baselines.registry import BASELINES
from pipeline.training.walk_forward.tasks import Trainer


@dataclass(frozen=True, slots=True)
class Proof:
    """How a trainer's bundle did from `first` on: never refitted, gains left as trained.

    Attributes
    ----------
    board : the forecaster, its members and GARCH(1,1)-t
    scored : columns of the scores contract, what `board` was made of
    """

    first: date
    board: Leaderboard
    scored: Columns

    @property
    def rows(self) -> list[Row]:
        """The forecaster at horizon 1, over all tickers and over each."""
        return [
            self.board.overall(FORECASTER),
            *self.board.select("ticker", 1, FORECASTER),
        ]

    def scores(self) -> dict[str, float]:
        """Return ratios to GARCH(1,1)-t and empirical coverages, of all and by ticker."""
        scores: dict[str, float] = {}
        for row in self.rows:
            of = "" if row.cut == "all" else f"_{row.value}"
            scores |= {f"{name}_ratio_vs_garch_t{of}": ratio for name, ratio in row.ratios.items()}
            scores |= {f"coverage_{c}{of}": share for c, share in row.coverage.items()}
        return scores


def prove(bars: Sequence[Bars], vix: RawBars | None, first: date, trainer: Trainer) -> Proof:
    """Train on what came before `first`, then score every origin from `first` on.

    GARCH is refitted every 21 sessions on all returns so far; the bundle is not refitted at all.
    """
    known, last = first - timedelta(days=1), max(one.session[-1] for one in bars).item()
    known_vix = None if vix is None else vix.as_of(known)
    trained = trainer([one.as_of(known) for one in bars], known_vix)

    def published(bundle: ModelBundle) -> Baseline:
        model, calibration = Model(bundle), Calibration.from_stored(bundle.manifest.gains)
        return lambda one, start: forecast_span(one, model, (start, last), vix, calibration)

    ours = {FORECASTER: trained.bundle, **trained.members}
    methods = {name: published(bundle) for name, bundle in ours.items()}
    methods[REFERENCE] = BASELINES[REFERENCE]
    scores = [score_baseline(bars, f, first, last, name) for name, f in methods.items()]
    scored = concatenate(scores)
    return Proof(first, summarise(scored, vix), scored)
