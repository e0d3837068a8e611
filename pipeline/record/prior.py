"""Prior record: what the record says before a part, which the part is a function of."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.bars import RawBars
from pipeline.columns import Columns, concatenate, where
from pipeline.errors import StoreError
from pipeline.evaluation.score_table import FORECASTER
from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import Link, read_link, walk_back
from pipeline.record.issued import read_issued
from pipeline.record.issued_scenarios import IssuedScenarios, PartId
from pipeline.record.keys import manifest_key
from pipeline.record.manifest import RunManifest
from pipeline.record.prior_templates import PriorTemplates, read_prior_templates
from pipeline.record.repairs import NO_REPAIRS, Repairs
from pipeline.record.state import Outstanding, State, list_outstanding, read_state
from pipeline.record.vintage import Vintage, read_vintage

# Sessions looked through for the bars of a ticker that the source did not give.
LOOKED_BACK = 5


@dataclass(frozen=True, slots=True, eq=False)
class PriorRecord:
    """What the record says before a part; nothing where the record begins.

    Attributes
    ----------
    link : the part before
    state : the calibrator after it, or after an earlier part where its own is lost
    outstanding : what is still to be scored
    unscored : forecasts columns and `model` of what is still to be scored; None for nothing
    bars : symbol -> bars of the newest vintage of an earlier session
    repairs : objects of earlier parts that were damaged
    resumed : version -> the state in which a model of the part last served, if it serves again
    seen : vintages of earlier parts of the session, newest first
    templates : what scenarios are drawn from
    scenarios : those of earlier parts that need not be read back
    """

    link: Link | None = None
    state: State | None = None
    outstanding: tuple[Outstanding, ...] = ()
    unscored: Columns | None = None
    bars: Mapping[str, RawBars] = field(default_factory=dict)
    repairs: Repairs = NO_REPAIRS
    resumed: Mapping[str, State] = field(default_factory=dict)
    seen: tuple[Vintage, ...] = ()
    templates: PriorTemplates = PriorTemplates()
    scenarios: Mapping[PartId, IssuedScenarios] = field(default_factory=dict)

    @property
    def manifest(self) -> RunManifest | None:
        return self.link.manifest if self.link else None

    @property
    def state_digest(self) -> str | None:
        run = self.manifest
        return run.objects[run.calibration] if run else None


def read_prior_record(
    store: ObjectStore,
    tables: Tables,
    link: Link | None,
    session: date,
    model_versions: Sequence[str],
    repairs: Repairs = NO_REPAIRS,
) -> PriorRecord:
    """Return what the record up to `link` says before a part of a session, made by some models.

    What is lost is done without.

    Raises
    ------
    DamagedObject
        When an object that is needed is missing or not what its manifest names.
    """
    if link is None:
        return PriorRecord(repairs=repairs)
    lost = repairs.lost
    state = _read_newest_state(store, link, lost)
    outstanding = tuple(
        part
        for part in list_outstanding(state, link.manifest)
        if not lost or _read_run(store, part).table("forecasts") not in lost
    )
    unscored = [read_unscored_rows(store, tables, part, lost) for part in outstanding]
    return PriorRecord(
        link=link,
        state=state,
        outstanding=outstanding,
        unscored=concatenate(unscored) if unscored else None,
        bars=_read_prior_bars(store, tables, link, session, lost),
        repairs=repairs,
        resumed=dict(_read_earlier_states(store, state, model_versions, lost)) if state else {},
        seen=tuple(_read_seen(store, tables, link, session, lost)),
        templates=read_prior_templates(store, tables, link, session, lost),
    )


def _read_earlier_states(
    store: ObjectStore, state: State, model_versions: Sequence[str], lost: Container[str]
) -> Iterator[tuple[str, State]]:
    """Yield the state in which each model that serves again last served."""
    for version in model_versions:
        key = state.earlier_models.get(version)
        run = read_link(store, key).manifest if key else None
        if run and run.calibration not in lost:
            yield version, read_state(store, run)


def _read_newest_state(store: ObjectStore, link: Link, lost: Container[str]) -> State | None:
    """Return the newest state that is not lost; what was outstanding then may be scored since."""
    for linked in walk_back(store, link):
        if linked.manifest.calibration not in lost:
            state = read_state(store, linked.manifest)
            return state if linked is link else msgspec.structs.replace(state, outstanding=())
    return None


def read_unscored_rows(
    store: ObjectStore, tables: Tables, outstanding: Outstanding, lost: Container[str] = ()
) -> dict[str, NDArray[Any]]:
    """Return the rows of forecasts and baselines that are outstanding, read from the store.

    Baselines that are lost are left out.
    """
    run = _read_run(store, outstanding)
    if not run.published.issuperset(outstanding.tickers):
        raise StoreError(f"{store.url(run.key)}: expected it to publish what is still to be scored")
    return select_unscored_rows(outstanding, *read_issued(store, tables, run, lost))


def _read_run(store: ObjectStore, outstanding: Outstanding) -> RunManifest:
    return read_link(store, manifest_key(outstanding.session, outstanding.part)).manifest


def select_unscored_rows(
    outstanding: Outstanding, forecasts: Columns, *baselines: Columns
) -> dict[str, NDArray[Any]]:
    """Return the rows of a part's tables that are outstanding, with `model`."""
    model = np.full(len(forecasts["ticker"]), FORECASTER, object)
    table = concatenate([{**forecasts, "model": model}, *baselines])
    unscored = {(ticker, h) for ticker, horizons in outstanding.tickers.items() for h in horizons}
    pairs = zip(table["ticker"].tolist(), table["horizon"].tolist(), strict=True)
    return where(table, np.array([pair in unscored for pair in pairs], bool))


def _read_seen(
    store: ObjectStore, tables: Tables, link: Link, session: date, lost: Container[str]
) -> Iterator[Vintage]:
    for run in (linked.manifest for linked in walk_back(store, link)):
        if run.session != session:
            return
        if run.table("bars") not in lost:
            yield read_vintage(store, tables, run)


def read_earlier_vintages(
    store: ObjectStore, tables: Tables, link: Link | None, session: date, lost: Container[str] = ()
) -> Iterator[Vintage]:
    """Yield the vintages of sessions before `session`, newest first, each read when it is asked."""
    for run in (linked.manifest for linked in walk_back(store, link)):
        if run.session < session and run.table("bars") not in lost:
            yield read_vintage(store, tables, run)


def _read_prior_bars(
    store: ObjectStore, tables: Tables, link: Link, session: date, lost: Container[str]
) -> dict[str, RawBars]:
    """Return the newest bars of each symbol in the vintages of sessions before `session`.

    Those of the session before, and of earlier ones for tickers that it could not read or whose
    vintage is lost. Parts that were given up have none.
    """
    runs = (linked.manifest for linked in walk_back(store, link))
    bars: dict[str, RawBars] = {}
    sessions, tickers = set[date](), set[str]()
    for run in (run for run in runs if run.session < session and not run.is_given_up):
        complete = bool(sessions) and tickers <= bars.keys()
        if run.session not in sessions and (complete or len(sessions) == LOOKED_BACK):
            break
        sessions.add(run.session)
        tickers |= run.tickers.keys()
        if run.table("bars") not in lost:
            vintage = read_vintage(store, tables, run)
            bars = {**vintage.bars, **bars}
    return bars
