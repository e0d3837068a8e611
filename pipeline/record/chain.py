"""Chain: the record read backwards, from its newest manifest to what a next part needs of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.bars import RawBars
from pipeline.columns import Columns, concatenate
from pipeline.encoding import sha256
from pipeline.errors import StoreError
from pipeline.evaluation.score_table import FORECASTER
from pipeline.ports import ObjectStore, Tables
from pipeline.record.keys import LATEST, manifest_key
from pipeline.record.manifest import (
    RunManifest,
    parse_manifest,
    read_required,
    read_verified,
)
from pipeline.record.state import Outstanding, State, list_outstanding, read_state
from pipeline.record.vintage import Vintage

# Sessions looked through for the bars of a ticker that the source did not give.
LOOKED_BACK = 5


@dataclass(frozen=True, slots=True)
class Link:
    """A manifest and the sha256 of its bytes, by which the next one names it."""

    manifest: RunManifest
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class PriorRecord:
    """What the record says before a part; nothing where the record begins.

    Attributes
    ----------
    link : the part before
    state : the calibrator after it
    issued : forecasts columns, `model` and `mode` of what is still to be scored; None for nothing
    bars : symbol -> bars of the newest vintage of an earlier session
    """

    link: Link | None = None
    state: State | None = None
    issued: Columns | None = None
    bars: Mapping[str, RawBars] = field(default_factory=dict)

    @property
    def manifest(self) -> RunManifest | None:
        return self.link.manifest if self.link else None

    @property
    def state_digest(self) -> str | None:
        run = self.manifest
        return run.objects[run.calibration] if run else None


def find_head(store: ObjectStore) -> Link | None:
    """Return the newest link, None where nothing is on the record.

    The serving view says where to look first, so that the search costs the same after ten years;
    if it is missing or wrong, all manifests are listed.
    """
    session = read_latest_session(store)
    found = store.keys("runs/", after=f"runs/{session}.") if session else []
    keys = found or store.keys("runs/")
    return read_link(store, keys[-1]) if keys else None


def read_latest_session(store: ObjectStore) -> date | None:
    """Return the session latest.json shows, None without one or for one that is damaged.

    The view can always be made again from what is committed, so damage is no error.
    """
    try:
        return msgspec.json.decode(store.read(LATEST) or b"", type=_LatestSession).session
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class _LatestSession(msgspec.Struct):
    session: date


def read_link(store: ObjectStore, key: str) -> Link:
    """Return the manifest under `key`; raises StoreError if it is missing or none."""
    data = read_required(store, key)
    return Link(parse_manifest(data, store.url(key)), sha256(data))


def walk_back(store: ObjectStore, link: Link | None) -> Iterator[Link]:
    """Yield `link` and all links before it, newest first.

    Raises
    ------
    StoreError
        When the manifest before one is missing or is not the one it names.
    """
    while link is not None:
        yield link
        link = read_previous_link(store, link)


def read_previous_link(store: ObjectStore, link: Link) -> Link | None:
    """Return the link before one, None where the record begins; raises StoreError as `walk`."""
    key, expected = link.manifest.previous_key, link.manifest.previous
    if key is None:
        return None
    before = read_link(store, key)
    if before.digest != expected:
        raise StoreError(
            f"{store.url(key)}: expected sha256 {expected}, as {link.manifest.key} says, got "
            f"{before.digest}: it was changed after it was published"
        )
    return before


def read_prior_record(
    store: ObjectStore, tables: Tables, link: Link | None, session: date
) -> PriorRecord:
    """Return what the record up to `link` says before a part of `session`.

    Raises
    ------
    StoreError
        When an object that is needed is missing or not what its manifest names.
    """
    if link is None:
        return PriorRecord()
    state = read_state(store, link.manifest)
    parts = [
        read_outstanding_rows(store, tables, one) for one in list_outstanding(state, link.manifest)
    ]
    return PriorRecord(
        link=link,
        state=state,
        issued=concatenate(parts) if parts else None,
        bars=_read_prior_bars(store, tables, link, session),
    )


def read_outstanding_rows(
    store: ObjectStore, tables: Tables, one: Outstanding
) -> dict[str, NDArray[Any]]:
    """Return the rows of forecasts and baselines that are outstanding, read from the store."""
    run = read_link(store, manifest_key(one.session, one.part)).manifest
    forecasts, baselines = (
        tables.decode(name, read_verified(store, run, run.table(name)))[0]
        for name in ("forecasts", "baselines")
    )
    return select_outstanding_rows(one, forecasts, baselines)


def select_outstanding_rows(
    one: Outstanding, forecasts: Columns, baselines: Columns
) -> dict[str, NDArray[Any]]:
    """Return the rows of a part's tables that are outstanding, with `model` and `mode`."""
    ours = dict(forecasts) | {"model": np.full(len(forecasts["ticker"]), FORECASTER, object)}
    both = concatenate([ours, baselines])
    wanted = {(ticker, h) for ticker, horizons in one.tickers.items() for h in horizons}
    pairs = zip(both["ticker"].tolist(), both["horizon"].tolist(), strict=True)
    kept = np.array([pair in wanted for pair in pairs], bool)
    rows = {name: column[kept] for name, column in both.items()}
    return rows | {"mode": np.full(int(kept.sum()), one.mode, object)}


def _read_prior_bars(
    store: ObjectStore, tables: Tables, link: Link, session: date
) -> dict[str, RawBars]:
    """Return the newest bars of each symbol in the vintages of sessions before `session`.

    Those of the session before, and of earlier ones for tickers that it could not read.
    """
    earlier = (one.manifest for one in walk_back(store, link) if one.manifest.session < session)
    bars: dict[str, RawBars] = {}
    seen, wanted = set[date](), set[str]()
    for run in earlier:
        if run.session not in seen and (seen and wanted <= bars.keys() or len(seen) == LOOKED_BACK):
            break
        seen.add(run.session)
        wanted |= run.tickers.keys()
        vintage = Vintage.decode(tables, read_verified(store, run, run.table("bars")))
        bars = {**vintage.bars, **bars}
    return bars
