"""Training in a moment: the whole ensemble, of members that have learnt less."""

from __future__ import annotations

import importlib

import pytest

MEMBERS = "pipeline.training.members"


def train_in_a_moment(patch: pytest.MonkeyPatch) -> None:
    """Let the members stop early; imported here, so that other tests load no training library."""
    har, lstm_fit, trees = (
        importlib.import_module(f"{MEMBERS}.{name}") for name in ("har", "lstm_fit", "trees")
    )
    patch.setattr(har, "ITERATIONS", 20)
    patch.setattr(lstm_fit, "STEPS", 20)
    patch.setattr(trees, "PARAMS", {**trees.PARAMS, "max_iter": 10})
