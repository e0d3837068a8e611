"""The training job: train, prove the method on the newest bars, pass the gate, write the bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from pipeline.adapters.folder_store import FolderObjects
from pipeline.backtest.history import read_market
from pipeline.backtest.score_cube import ScoreCube
from pipeline.bars import VIX, Bars, RawBars
from pipeline.evaluation.score_table import FORECASTER
from pipeline.ports import BarSource
from pipeline.training.adjustment_check import check_unmixed
from pipeline.training.bundles import MIN_TRAINING_SESSIONS, save_bundle
from pipeline.training.gate import current_scores, refuse_worse
from pipeline.training.proof import Proof, prove
from pipeline.training.report.plots import plots
from pipeline.training.tracking import Run, Tracker, WithScores, keep_scores
from pipeline.training.trainers import ensemble

MIN_PROOF_SESSIONS = 22
PLOTS = "plots"


@dataclass(frozen=True, slots=True)
class Trained:
    """The bundle's version, its scores, and why there are none where there are none."""

    model_version: str
    scores: dict[str, float]
    note: str | None


@dataclass(frozen=True, slots=True)
class Task:
    """What to train on, and from which origin on to score a model that saw only what is before."""

    bars: Sequence[Bars]
    vix: RawBars | None
    prove_from: date
    seed: int = 0


def read_all(
    source: BarSource, tickers: Sequence[str], first: date, last: date
) -> tuple[list[Bars], RawBars | None]:
    """Return the validated bars of all tickers, and the VIX where the source has it.

    Raises
    ------
    DataError
        Of the first ticker without bars, or with bars that break a rule; when some prices are
        adjusted for dividends and others are not.
    """
    reading = read_market(source, tickers, first, last)
    check_unmixed([reading.bars[ticker] for ticker in tickers])
    return [Bars.validate(reading.bars[ticker]) for ticker in tickers], reading.bars.get(VIX)


def train_and_prove(
    task: Task, folder: Path, tracker: Tracker, say: Callable[[str], None]
) -> Trained:
    """Write to `folder` a bundle trained on all bars, with the scores of one trained before a date.

    Parameters
    ----------
    say : told of each phase

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
    with tracker.ensemble("ensemble", _params(task)) as run:
        note = why_no_proof(task.bars, task.prove_from)
        proof = None if note else _proven(task, run, say)
        scores = proof.scores() if proof else {}
        refuse_worse(scores, current_scores(folder))
        say("Training")
        members = WithScores(tracker, proof.board) if proof else tracker
        bundle = ensemble(task.bars, task.vix, task.seed, members).bundle
        manifest = msgspec.structs.replace(bundle.manifest, scores=scores)
        save_bundle(replace(bundle, manifest=manifest), folder)
        for name, share in manifest.members.items():
            run.metric(f"share/{name}", share)
        run.artifact(folder)
    return Trained(bundle.version, scores, note)


def _params(task: Task) -> dict[str, object]:
    return {
        "seed": task.seed,
        "tickers": ",".join(one.ticker for one in task.bars),
        "vix": task.vix is not None,
        "last_session": max(one.session[-1] for one in task.bars),
        "prove_from": task.prove_from,
    }


def _proven(task: Task, run: Run, say: Callable[[str], None]) -> Proof:
    say(f"Proving, origins from {task.prove_from} on")
    proof = prove(task.bars, task.vix, task.prove_from, ensemble)
    keep_scores(run, proof.board, FORECASTER)
    with TemporaryDirectory() as folder:
        drawn = FolderObjects(Path(folder) / PLOTS)
        for name, data in plots(ScoreCube.from_scores(proof.scored)).items():
            drawn.replace(name, data)
        run.artifact(Path(folder) / PLOTS)
    return proof


def why_no_proof(bars: Sequence[Bars], first: date) -> str | None:
    """Return why nothing can be proven from `first` on, None where it can."""
    for one in bars:
        before = int((one.session < np.datetime64(first)).sum())
        after = len(one) - before
        if before < MIN_TRAINING_SESSIONS or after < MIN_PROOF_SESSIONS:
            return (
                f"{one.ticker}: expected at least {MIN_TRAINING_SESSIONS} bars before {first} "
                f"and {MIN_PROOF_SESSIONS} from then on, got {before} and {after}"
            )
    return None
