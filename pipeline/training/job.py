"""The training job: train, prove the method on the newest bars, pass the gate, write the bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import msgspec
import numpy as np

from pipeline.bars import Bars, RawBars
from pipeline.bundle import MANIFEST, load_bundle
from pipeline.errors import ModelError
from pipeline.leaderboard.cube import FORECASTER
from pipeline.ports import BarSource
from pipeline.training.proof import Proof, prove
from pipeline.training.tracking import Run, Tracker, keep_scores
from pipeline.training.train import MIN_TRAINING_SESSIONS, save_bundle
from pipeline.training.trainers import ensemble
from pipeline.vintage import VIX

MIN_PROOF_SESSIONS = 22
CRPS = "crps_ratio_vs_garch_t"
# What two trainings on nearly the same bars may differ by.
TOLERANCE = 0.002
COVERAGE_95 = (0.94, 0.96)


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
        Of the first ticker without bars, or with bars that break a rule.
    """
    reading = source.read([*tickers, VIX], first, last)
    for ticker in tickers:
        if ticker in reading.failures:
            raise reading.failures[ticker]
    return [Bars.validated(reading.bars[ticker]) for ticker in tickers], reading.bars.get(VIX)


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
        When graph and Python model differ, or the bundle does not pass the gate.
    StoreError
        When the folder or the run cannot be written.
    """
    params = {"seed": task.seed, "tickers": ",".join(one.ticker for one in task.bars)}
    with tracker.ensemble("ensemble", params) as run:
        note = why_no_proof(task.bars, task.prove_from)
        scores = {} if note else _proven(task, run, say).scores()
        refuse_worse(scores, current_scores(folder))
        say("Training")
        bundle = ensemble(task.bars, task.vix, task.seed, tracker).bundle
        manifest = msgspec.structs.replace(bundle.manifest, scores=scores)
        save_bundle(replace(bundle, manifest=manifest), folder)
        run.artifact(folder)
    return Trained(bundle.version, scores, note)


def current_scores(folder: Path) -> Mapping[str, float]:
    """Return the scores of the bundle in `folder`, none without one; BundleMismatch if damaged."""
    return load_bundle(folder).manifest.scores if (folder / MANIFEST).exists() else {}


def refuse_worse(new: Mapping[str, float], current: Mapping[str, float]) -> None:
    """Raise ModelError if the new bundle is worse on the years that confirm it: the gate.

    Its pooled CRPS may not be above the current one's, and no ticker's 95 % interval may cover
    outside 94 to 96 % unless the current one's does so by as much. Nothing is compared where
    either has no proof.
    """
    if not new or not current:
        return
    problems = []
    if new[CRPS] > current[CRPS] + TOLERANCE:
        problems.append(f"CRPS {new[CRPS]:.4f} against {current[CRPS]:.4f} of GARCH(1,1)-t")
    for name in [name for name in new if name.startswith("coverage_95_")]:
        if _outside(new[name]) > _outside(current.get(name, 0.95)) + TOLERANCE:
            problems.append(f"{name} {new[name]:.4f} against {current.get(name, 0.95):.4f}")
    if problems:
        raise ModelError(
            "expected a bundle not worse than the current one, which stays; got "
            + "; ".join(problems)
        )


def _outside(coverage: float) -> float:
    return max(COVERAGE_95[0] - coverage, coverage - COVERAGE_95[1], 0.0)


def _proven(task: Task, run: Run, say: Callable[[str], None]) -> Proof:
    say(f"Proving, origins from {task.prove_from} on")
    proof = prove(task.bars, task.vix, task.prove_from, ensemble)
    keep_scores(run, proof.board, FORECASTER)
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
