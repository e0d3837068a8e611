"""Nothing that was issued at a session depends on what came after it."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.bars import PRICES, RawBars
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.model import Model
from pipeline.record.keys import VIEWS
from tests.conftest import DEFAULT_BUNDLE
from tests.support.fakes import MemoryObjects
from tests.support.records import SESSIONS, backfilled, market, run_days

SPAN = SESSIONS[-12:]


@cache
def model() -> Model:
    return Model(load_bundle(DEFAULT_BUNDLE))


@cache
def issued() -> MemoryObjects:
    return run_days(model(), SPAN)


@cache
def issued_afterwards() -> MemoryObjects:
    return backfilled(model(), SPAN[0], SPAN[-1])


def other_future(after: int, seed: int) -> dict[str, RawBars]:
    """The same bars up to the session at `after` in SPAN, and others from then on."""
    changed = {}
    for ticker, raw in market().items():
        start = len(SESSIONS) - len(SPAN) + after + 1
        n = len(SESSIONS) - start
        factor = np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.02, n)))
        prices = {name: getattr(raw, name).copy() for name in PRICES}
        for values in prices.values():
            values[start:] *= factor
        volume = raw.volume.copy()
        volume[start:] += 1.0
        changed[ticker] = type(raw)(
            ticker=ticker,
            session=raw.session,
            **prices,
            volume=volume,
            dividend=raw.dividend,
            split=raw.split,
        )
    return changed


# Called by digests, or by what a whole backfill was given.
NOT_BY_SESSION = ("bundles/", "claims/", "backfills/")


def up_to(store: MemoryObjects, session: object) -> dict[str, bytes]:
    """What the runs up to a session wrote, by the session that is every key's name."""
    named = {key: key.rpartition("/")[2][:10] for key in store.objects if key not in VIEWS}
    return {
        key: store.objects[key]
        for key, day in named.items()
        if not key.startswith(NOT_BY_SESSION) and day <= str(session)
    }


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(after=st.integers(0, 10), seed=st.integers(0, 1000))
def test_closes_after_a_session_change_no_byte_of_what_was_issued_up_to_it(
    after: int, seed: int
) -> None:
    changed = run_days(model(), SPAN, bars=other_future(after, seed))
    assert up_to(changed, SPAN[after]) == up_to(issued(), SPAN[after])
    assert up_to(changed, SPAN[-1]) != up_to(issued(), SPAN[-1])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(after=st.integers(0, 10), seed=st.integers(0, 1000))
def test_a_backfill_looks_no_further_ahead_than_daily_runs(after: int, seed: int) -> None:
    changed = backfilled(model(), SPAN[0], SPAN[-1], bars=other_future(after, seed))
    assert up_to(changed, SPAN[after]) == up_to(issued_afterwards(), SPAN[after])
    assert up_to(changed, SPAN[-1]) != up_to(issued_afterwards(), SPAN[-1])
