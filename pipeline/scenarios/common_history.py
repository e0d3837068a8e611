"""Common history: which tickers' past outcomes are known together, without which none couples."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import Flags
from pipeline.scenarios.template import Template

# Whole origins that tickers must have in common to be coupled; below, nothing is known of them.
MIN_ORIGINS = 60


def find_groups(template: Template) -> tuple[tuple[str, ...], ...]:
    """Return the tickers that are coupled, by group: each is independent of what is outside it.

    In a group are those that have 60 whole origins in common, directly or through others of it. A
    ticker with fewer of its own is in none.
    """
    whole = np.asarray(np.isfinite(template.levels).all(axis=2), np.float64)
    common = whole.T @ whole >= MIN_ORIGINS
    coupled = np.flatnonzero(common.diagonal())
    first = _find_first_linked(common[np.ix_(coupled, coupled)])
    names = np.array(template.tickers, object)[coupled]
    return tuple(tuple(names[first == at]) for at in np.unique(first))


def find_apart(template: Template, tickers: Collection[str]) -> frozenset[str]:
    """Return which of some tickers are independent of the largest group among them."""
    if len(tickers) < 2:
        return frozenset()
    groups = [frozenset(group).intersection(tickers) for group in find_groups(template)]
    largest: frozenset[str] = max(groups, key=len, default=frozenset())
    return frozenset(tickers) - largest


def _find_first_linked(linked: Flags) -> NDArray[np.int64]:
    """Return the first that each is linked to, through whichever others (n,), from (n, n)."""
    first = np.arange(len(linked))
    while True:
        nearer = np.where(linked, first, len(first)).min(axis=1, initial=len(first))
        if (nearer == first).all():
            return first
        first = nearer
