"""The training job: train, prove the method on the newest bars, pass the gate, write the bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from pipeline.adapters.folder_store import FolderObjects
from pipeline.backtest.history import read_market
from pipeline.backtest.score_cube import ScoreCube
from pipeline.bars import VIX, Bars, RawBars
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.adjustment_check import check_adjusted, check_unmixed
from pipeline.forecasting.calibration import Calibrator
from pipeline.ports import BarSource
from pipeline.training.bundles import MIN_TRAINING_SESSIONS, save_bundle
from pipeline.training.gate import read_current_scores, refuse_worse
from pipeline.training.proof import Proof, prove
from pipeline.training.report.plots import draw_plots
from pipeline.training.template import with_template
from pipeline.training.tracking import Run, ScoringTracker, Tracker, keep_scores
from pipeline.training.trainers import TrainedEnsemble, train_ensemble

MIN_PROOF_SESSIONS = 22
PLOTS = "plots"


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """The bundle's version, its scores, and why there are none where there are none."""

    model_version: str
    scores: dict[str, float]
    note: str | None


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """What to train on, and from which origin on to score a model that saw only bars before it.

    All prices are `adjusted` for dividends, or none. Gains learn as usual without `own_calibrator`.
    """

    bars: Sequence[Bars]
    vix: RawBars | None
    prove_from: date
    seed: int = 0
    adjusted: bool = False
    own_calibrator: Calibrator | msgspec.UnsetType = msgspec.UNSET


def read_all(
    source: BarSource, tickers: Sequence[str], first: date, last: date, *, adjusted: bool = False
) -> tuple[list[Bars], RawBars | None]:
    """Return the validated bars of all tickers, and the VIX where the source has it.

    Raises
    ------
    DataError
        Of the first ticker without bars, or with bars that break a rule; when some prices are
        adjusted for dividends and others are not, or all were said to be `adjusted`.
    """
    reading = read_market(source, tickers, first, last)
    check = check_adjusted if adjusted else check_unmixed
    check([reading.bars[ticker] for ticker in tickers])
    return [Bars.validate(reading.bars[ticker]) for ticker in tickers], reading.bars.get(VIX)


def train_and_prove(
    task: TrainingTask, folder: Path, tracker: Tracker, say: Callable[[str], None]
) -> TrainingOutcome:
    """Write to `folder` a bundle trained on all bars, with the scores of one trained before a date.

    Parameters
    ----------
    say : called with the name of each phase

    Raises
    ------
    DataError
        When bars are too few or constant.
    ModelError
        When graph and Python model differ.
    WorseModel
        When the bundle does not pass the gate; the one in `folder` stays.
    StoreError
        When the folder or the run cannot be written.
    """
    with tracker.start_ensemble("ensemble", _list_params(task)) as run:
        note = explain_no_proof(task.bars, task.prove_from)
        proof = None if note else _prove(task, run, say)
        scores = proof.collect_scores() if proof else {}
        refuse_worse(scores, read_current_scores(folder))
        say("Training")
        members = ScoringTracker(tracker, proof.board) if proof else tracker
        bundle = _trainer(task)(task.bars, task.vix, task.seed, members).bundle
        manifest = msgspec.structs.replace(
            bundle.manifest, scores=scores, own_calibrator=task.own_calibrator
        )
        bundle = replace(bundle, manifest=manifest)
        save_bundle(with_template(bundle, proof.template) if proof else bundle, folder)
        for name, share in manifest.members.items():
            run.log_metric(f"share/{name}", share)
        run.log_artifact(folder)
    return TrainingOutcome(bundle.version, scores, note)


def _trainer(task: TrainingTask) -> Callable[..., TrainedEnsemble]:
    return partial(train_ensemble, adjusted=True) if task.adjusted else train_ensemble


def _list_params(task: TrainingTask) -> dict[str, object]:
    return {
        "seed": task.seed,
        "tickers": ",".join(ticker_bars.ticker for ticker_bars in task.bars),
        "vix": task.vix is not None,
        "adjusted": task.adjusted,
        "last_session": max(ticker_bars.session[-1] for ticker_bars in task.bars),
        "prove_from": task.prove_from,
    }


def _prove(task: TrainingTask, run: Run, say: Callable[[str], None]) -> Proof:
    say(f"Proving, origins from {task.prove_from} on")
    proof = prove(task.bars, task.vix, task.prove_from, _trainer(task))
    keep_scores(run, proof.board, FORECASTER)
    with TemporaryDirectory() as folder:
        plots = FolderObjects(Path(folder) / PLOTS)
        for name, data in draw_plots(ScoreCube.from_scores(proof.scores)).items():
            plots.replace(name, data)
        run.log_artifact(Path(folder) / PLOTS)
    return proof


def explain_no_proof(bars: Sequence[Bars], first: date) -> str | None:
    """Return why nothing can be proven from `first` on, None where it can."""
    for ticker_bars in bars:
        before = int((ticker_bars.session < np.datetime64(first)).sum())
        after = len(ticker_bars) - before
        if before < MIN_TRAINING_SESSIONS or after < MIN_PROOF_SESSIONS:
            return (
                f"{ticker_bars.ticker}: expected at least {MIN_TRAINING_SESSIONS} bars before "
                f"{first} and {MIN_PROOF_SESSIONS} from then on, got {before} and {after}"
            )
    return None
