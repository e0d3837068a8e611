"""Whoever rewrites a session, with every digest up to the newest made to fit, is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.adapters.ed25519 import Ed25519Signer, is_signed, make_private_key
from pipeline.encoding import to_json
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.model import Model
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.verify import Problem, Scope, Verified, verify
from pipeline.record.manifest import Mode, RunManifest
from tests.conftest import DEFAULT_BUNDLE
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    SESSIONS,
    TABLES,
    backfilled,
    market,
    run_day,
    with_column,
)
from tests.support.rewriting import (
    Edits,
    Part,
    forged_scores,
    rewrite,
    scaled_intervals,
    taken_rows,
)

SPAN = SESSIONS[-7:]
MIDDLE, NEWEST = SPAN[3], SPAN[-1]
DEEP = Scope(Sample(deep=True))


@cache
def model() -> Model:
    return Model(load_bundle(DEFAULT_BUNDLE))


@cache
def record() -> dict[str, bytes]:
    """Seven sessions, each with a revised volume; in two of them a ticker is withheld."""
    store = MemoryObjects()
    for i, session in enumerate(SPAN):
        bars = market(SPY=with_column(market()["SPY"], "volume", 300, 1e6 + i))
        if session in (MIDDLE, NEWEST):
            bars["QQQ"] = with_column(bars["QQQ"], "low", 400, 1e9)
        run_day(model(), store, session, bars)
    return store.objects


def part_of(session: object, objects: dict[str, bytes] | None = None) -> Part:
    objects = record() if objects is None else objects
    return Part(objects, msgspec.json.decode(objects[f"runs/{session}.00.json"], type=RunManifest))


def checked(objects: dict[str, bytes], scope: Scope = DEEP) -> Verified:
    return verify(MemoryObjects(objects), TABLES, CALENDAR, scope)


def named(found: Verified) -> set[str]:
    return {finding.key for finding in found.findings}


def flip_status(part: Part) -> tuple[Edits, RunManifest]:
    """Return the part with SPY withheld, who was not, and QQQ not, who was."""
    statuses = {"SPY": "withheld:stale", "QQQ": "ok"}

    def change(table: dict[str, Any]) -> dict[str, Any]:
        table["status"] = np.array([statuses[t] for t in table["ticker"]], object)
        return table

    return part.with_table("forecasts", change), replaced(part, tickers=statuses)


def replaced(part: Part, **changes: Any) -> RunManifest:
    return msgspec.structs.replace(part.run, **changes)


def bend_gains(part: Part) -> Edits:
    gains = {t: np.add(rows, 0.1).tolist() for t, rows in part.state.log_gains.items()}
    return part.with_state(log_gains=gains)


def bend_tracks(part: Part) -> Edits:
    tracks = {
        mode: msgspec.structs.replace(t, sessions=999) for mode, t in part.state.tracks.items()
    }
    return part.with_state(tracks=tracks)


def drop_last_row(name: str) -> Callable[[Part], Edits]:
    return lambda part: part.with_table(
        name, lambda t: {column: values[:-1] for column, values in t.items()}
    )


# How a part is rewritten: its objects, its manifest, or both; and the table that shows it.
OBJECTS: dict[str, tuple[str, Callable[[Part], Edits]]] = {
    "wider intervals": ("forecasts", lambda p: p.with_table("forecasts", scaled_intervals(1.5))),
    "sharper intervals": ("forecasts", lambda p: p.with_table("forecasts", scaled_intervals(0.5))),
    "worse baselines": ("baselines", lambda p: p.with_table("baselines", scaled_intervals(3.0))),
    "scores of a genius": ("scores", lambda p: p.with_table("scores", forged_scores)),
    "bent gains": ("calibration", bend_gains),
    "bent track": ("calibration", bend_tracks),
    "nothing outstanding": ("calibration", lambda p: p.with_state(outstanding=())),
    "never withheld": ("calibration", lambda p: p.with_state(withheld={}, revised={"X": {}})),
    "no row of a forecast": ("forecasts", drop_last_row("forecasts")),
    "no row of a baseline": ("baselines", drop_last_row("baselines")),
    "no row of a score": ("scores", drop_last_row("scores")),
    "a row twice": ("forecasts", lambda p: p.with_table("forecasts", taken_rows(*range(10), 0))),
    "a score twice": ("scores", lambda p: p.with_table("scores", taken_rows(0, *range(4)))),
    "other order": (
        "baselines",
        lambda p: p.with_table("baselines", taken_rows(*range(19, -1, -1))),
    ),
    "words beside a table": ("forecasts", lambda p: p.with_metadata("forecasts", note="honest")),
    "a better source": ("bars", lambda p: p.with_metadata("bars", source="better bars")),
    "read for another mode": ("bars", lambda p: p.with_metadata("bars", mode="as_of")),
    "no scores": ("scores", lambda p: {p.table("scores"): None}),
}
MANIFESTS: dict[str, dict[str, Any]] = {
    "mode flipped": {"mode": Mode.AS_OF},
    "no revisions": {"revisions": {}},
    "published all": {"tickers": {"SPY": "ok", "QQQ": "ok"}},
    "withheld all": {"tickers": {"SPY": "withheld:stale", "QQQ": "withheld:stale"}},
    "another source": {"source": "better bars"},
    "fewer horizons": {"horizons": 4},
}
PLACES = pytest.mark.parametrize("session", [MIDDLE, NEWEST], ids=["middle", "newest"])


def test_a_record_that_nobody_rewrote_has_no_findings_and_is_made_again_whole() -> None:
    found = checked(record())
    assert (found.findings, found.remade, found.unmade) == ((), 7, 0)
    # Rewritten with nothing else, it is the same: what follows fails for what is rewritten alone.
    assert rewrite(record(), {}) == record()


@PLACES
@pytest.mark.parametrize("manner", OBJECTS)
def test_an_object_rewritten_is_named(session: object, manner: str) -> None:
    table, change = OBJECTS[manner]
    part = part_of(session)
    objects = rewrite(record(), change(part))
    assert objects != record()
    suspects = {key for key in named(checked(objects)) if str(session) in key}
    if table == "bars":
        # It is what all is made from: nothing that was is what comes of it.
        assert part.table("forecasts") in suspects
    else:
        key = part.run.calibration if table == "calibration" else part.table(table)
        assert key in suspects
        assert part.run.key in suspects


@PLACES
@pytest.mark.parametrize("manner", MANIFESTS)
def test_a_manifest_rewritten_is_named(session: object, manner: str) -> None:
    part = part_of(session)
    objects = rewrite(record(), {}, replaced(part, **MANIFESTS[manner]))
    assert objects != record()
    assert part.run.key in named(checked(objects))


@PLACES
def test_statuses_flipped_both_ways_are_named(session: object) -> None:
    part = part_of(session)
    assert part.run.tickers == {"SPY": "ok", "QQQ": "withheld:inconsistent_ohlc"}
    found = checked(rewrite(record(), *flip_status(part)))
    assert {part.table("forecasts"), part.run.key} <= named(found)
    (message,) = [f.message for f in found.findings if f.key == part.table("forecasts")]
    assert "status of SPY 1: expected ok, got withheld:stale; so in 10 of 10 rows" in message


tables = st.sampled_from(["forecasts", "baselines", "scores"])
rows = st.tuples(st.integers(0, 99), st.integers(0, 99))


@settings(max_examples=12, deadline=None)
@given(session=st.sampled_from(SPAN[1:]), name=tables, at=rows, factor=st.floats(1e-3, 1e3))
def test_any_number_in_any_row_is_named(
    session: object, name: str, at: tuple[int, int], factor: float
) -> None:
    part = part_of(session)

    def change(table: dict[str, Any]) -> dict[str, Any]:
        numbers = [column for column, values in table.items() if values.dtype == float]
        column = table[numbers[at[0] % len(numbers)]]
        present = np.flatnonzero(np.isfinite(column) & (column != 0))
        column[present[at[1] % len(present)]] *= factor if abs(factor - 1) > 1e-6 else 2.0
        return table

    found = checked(rewrite(record(), part.with_table(name, change)))
    assert part.table(name) in named(found)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_looked_at_by_default_is_found_and_no_more(seed: int) -> None:
    sample = Sample(newest=2, others=3, seed=seed)
    sessions = SESSIONS[-12:]
    objects = backfilled(model(), sessions[0], sessions[-1]).objects
    drawn = sample.draw(sessions)
    assert len(drawn) == 5
    for session in (sessions[4], sessions[-2], sessions[-1]):
        part = part_of(session, objects)
        forged = rewrite(objects, part.with_table("forecasts", scaled_intervals(1.5)))
        found = checked(forged, Scope(sample))
        assert (part.table("forecasts") in named(found)) == (session in drawn)
        assert found.remade == 5


@cache
def signed() -> tuple[Ed25519Signer, dict[str, bytes]]:
    signer, store = Ed25519Signer(make_private_key(), "key"), MemoryObjects()
    for session in SPAN[:4]:
        run_day(model(), store, session, market(), signer=signer)
    return signer, store.objects


def signed_scope(public_key: str | None) -> Scope:
    return replace(DEEP, public_key=public_key, is_signed=is_signed)


CHEAP = Scope(Sample(newest=0, others=0), is_signed=is_signed)


def test_a_signed_record_is_whole() -> None:
    signer, objects = signed()
    for kept in (None, signer.public_key):
        found = checked(objects, signed_scope(kept))
        assert (found.findings, found.left_behind) == ((), ())
        assert found.public_key == signer.public_key


def test_a_vintage_rewritten_with_all_that_follows_is_found_by_the_signature_alone() -> None:
    signer, objects = signed()
    thief, store = Ed25519Signer(make_private_key(), "key"), MemoryObjects()
    other = market(SPY=with_column(market()["SPY"], "volume", 300, 5.0))
    for session in SPAN[:4]:
        run_day(model(), store, session, other, signer=thief)
    # All of it is consistent, for it is a record of its own: with nothing kept nobody can tell.
    assert checked(store.objects, signed_scope(None)).findings == ()
    found = checked(store.objects, signed_scope(signer.public_key))
    assert {f.problem for f in found.findings} == {Problem.CHANGED, Problem.UNSIGNED}
    assert named(found) == {"store.json", *(f"runs/{session}.00.json" for session in SPAN[:4])}


@pytest.mark.parametrize("session", SPAN[1:4], ids=str)
def test_a_session_rewritten_and_signed_by_another_key_is_found(session: object) -> None:
    signer, objects = signed()
    thief = Ed25519Signer(make_private_key(), "key")
    part = part_of(session, objects)
    forged = rewrite(objects, part.with_table("scores", forged_scores), signer=thief)
    # Nothing is made again here, and the store's own key fits: what the user has kept does not.
    assert checked(forged, CHEAP).findings == ()
    kept = replace(CHEAP, public_key=signer.public_key)
    assert {"store.json", f"runs/{session}.00.json"} <= named(checked(forged, kept))


def test_without_the_key_not_one_manifest_can_be_replaced() -> None:
    signer, objects = signed()
    run = part_of(SPAN[2], objects).run
    forged = rewrite(objects, {}, msgspec.structs.replace(run, revisions={"SPY": {}}))
    unsigned = {f"runs/{session}.00.json" for session in SPAN[2:4]}
    found = checked(forged, CHEAP)
    assert {f.key for f in found.findings if f.problem is Problem.UNSIGNED} == unsigned
    # The signature of another manifest is none, nor is a store that says it is unsigned.
    signatures = {key: data for key, data in objects.items() if key.startswith("signatures/")}
    moved = dict(zip(signatures, reversed(signatures.values()), strict=True))
    assert len(checked({**objects, **moved}, CHEAP).findings) == 4
    silent = {**objects, "store.json": to_json({"public_key": None})}
    kept = replace(CHEAP, public_key=signer.public_key)
    assert named(checked(silent, kept)) == {"store.json"}
    assert checked(silent, CHEAP).public_key is None
