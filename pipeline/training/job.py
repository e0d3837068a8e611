"""The training job: train on all bars, prove the method on the newest of them, write the bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import msgspec
import numpy as np

from pipeline.bars import Bars
from pipeline.intervals import INTERVALS
from pipeline.ports import BarSource
from pipeline.training.proof import FORECASTER, Proof, prove, ratio
from pipeline.training.train import MIN_TRAINING_SESSIONS, save_bundle, train_bundle

RATIOS = ("crps", "interval_score_80", "interval_score_95")
MIN_PROOF_SESSIONS = 22


@dataclass(frozen=True, slots=True)
class Trained:
    """The bundle's version, its scores, and why there are none where there are none."""

    model_version: str
    scores: dict[str, float]
    note: str | None


def read_all(source: BarSource, tickers: Sequence[str], first: date, last: date) -> list[Bars]:
    """Return the validated bars of all tickers; raises DataError of the first without."""
    reading = source.read(tickers, first, last)
    for error in reading.failures.values():
        raise error
    return [Bars.validated(reading.bars[ticker]) for ticker in tickers]


def train_and_prove(
    bars: Sequence[Bars], prove_from: date, folder: Path, say: Callable[[str], None]
) -> Trained:
    """Write to `folder` a bundle trained on all bars, with the scores of one trained before a date.

    Parameters
    ----------
    prove_from : first origin scored, by a model that saw only what lies before it
    say : told of each phase

    Raises
    ------
    DataError
        When bars are too few or constant.
    ModelError
        When graph and Python model differ.
    StoreError
        When the folder cannot be written.
    """
    say("Training")
    bundle = train_bundle(bars)
    note = why_no_proof(bars, prove_from)
    scores: dict[str, float] = {}
    if note is None:
        say(f"Proving, origins from {prove_from} on")
        scores = manifest_scores(prove(bars, prove_from))
    manifest = msgspec.structs.replace(bundle.manifest, scores=scores)
    save_bundle(replace(bundle, manifest=manifest), folder)
    return Trained(bundle.version, scores, note)


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


def manifest_scores(proof: Proof) -> dict[str, float]:
    """Return ratios of scores to GARCH(1,1)-t's and empirical coverages, of all and per ticker."""
    scores = _scores(proof)
    for ticker in proof[FORECASTER]:
        alone = {model: {ticker: scored[ticker]} for model, scored in proof.items()}
        scores |= {f"{name}_{ticker}": score for name, score in _scores(alone).items()}
    return scores


def _scores(proof: Proof) -> dict[str, float]:
    ratios = {f"{name}_ratio_vs_garch_t": ratio(proof, name) for name in RATIOS}
    return ratios | {f"coverage_{c}": _coverage(proof, c) for c in INTERVALS}


def _coverage(proof: Proof, coverage: int) -> float:
    inside = [one.covered[coverage] for one in proof[FORECASTER].values()]
    return float(sum(i.sum() for i in inside) / sum(len(i) for i in inside))
