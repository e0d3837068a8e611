"""history.json: the last year of forecasts one session ahead, each beside what came of it.

A page cannot open a year of score objects every day. So the scores of each new part are added to
what this view had, which names the part that it goes up to; where it is missing, damaged or of no
part on the way back, it is made again from the record. Both ways give equal bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

import msgspec
from msgspec import Struct

from pipeline.columns import Columns, where
from pipeline.encoding import Moment, from_json, sha256
from pipeline.errors import DamagedObject, StoreError
from pipeline.evaluation.score_table import FORECASTER
from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import Link, walk_back
from pipeline.record.keys import HISTORY
from pipeline.record.manifest import Mode, RunManifest, read_manifests
from pipeline.record.objects import read_verified
from pipeline.views.figures import ManifestDigest

SCHEMA_VERSION = 2
KEPT = 252  # sessions, a year
MOST_TICKERS = 500  # the first by name; 5,000 would be 80 MB, which no page shows


class PastForecast(Struct, frozen=True, array_like=True):
    """The 95 % interval that was issued for a session, and the close that came, quoted alike.

    A `surprise` lies outside the 98 % interval too.
    """

    target_date: date
    origin_date: date
    realised_close: float
    lower_95: float
    upper_95: float
    issued_at: Moment
    mode: Mode
    in_sample: bool
    surprise: bool


COLUMNS = (
    "target_date", "origin_date", "realised_close", "lower_95", "upper_95", "mode", "in_sample",
    "covered_98",
)  # fmt: skip
Rows = Mapping[str, Sequence[PastForecast]]
NamedRows = list[tuple[str, PastForecast]]


class History(Struct, frozen=True, forbid_unknown_fields=True):
    """The forecasts of the last 252 targets up to a part, by ticker, oldest first.

    `rows_sha256` is that of `tickers`, by which damage is seen.
    """

    schema_version: int
    manifest: ManifestDigest
    rows_sha256: str
    tickers: Mapping[str, tuple[PastForecast, ...]]

    def vouches_for(self, other: History) -> bool:
        """Whether all that another history of the same part says is said here too."""
        return self.manifest == other.manifest and all(
            set(rows) <= set(self.tickers.get(ticker, ())) for ticker, rows in other.tickers.items()
        )

    def encode(self) -> bytes:
        """Return the view as one line of JSON; equal histories give equal bytes."""
        return msgspec.json.encode(self) + b"\n"


def read_history(store: ObjectStore) -> History | None:
    """Return the stored view, None where it is missing or damaged: it can be made again."""
    try:
        history = from_json(store.read(HISTORY) or b"", History, HISTORY, "a history")
    except StoreError:
        return None
    whole = history.schema_version == SCHEMA_VERSION
    whole &= _digest_rows(history.tickers) == history.rows_sha256
    return history if whole else None


def build_history(
    store: ObjectStore,
    tables: Tables,
    head: Link,
    tickers: Collection[str],
    known: History | None = None,
) -> History:
    """Return the history up to `head` of the first 500 of some tickers.

    Parts are read from the newest back to that of a `known` history, or until a year is there.
    """
    names = sorted(tickers)[:MOST_TICKERS]
    if known is not None and not known.tickers.keys() >= set(names):
        known = None  # It never had the rows of a ticker that is new or back.
    before, parts = _read_new_parts(store, tables, head, frozenset(names), known)
    rows = {ticker: {row.target_date: row for row in before.get(ticker, ())} for ticker in names}
    for part in reversed(parts):
        for ticker, row in part:
            rows[ticker][row.target_date] = row
    first = _find_first({target for of_ticker in rows.values() for target in of_ticker})
    kept = {
        ticker: tuple(row for target, row in sorted(of_ticker.items()) if target >= first)
        for ticker, of_ticker in rows.items()
    }
    manifest = ManifestDigest(head.manifest.key, head.digest)
    return History(SCHEMA_VERSION, manifest, _digest_rows(kept), kept)


def _digest_rows(rows: Rows) -> str:
    return sha256(msgspec.json.encode(rows))


def _find_first(targets: Collection[date]) -> date:
    """Return the oldest of the targets that are kept."""
    return min(sorted(targets)[-KEPT:], default=date.min)


def _read_new_parts(
    store: ObjectStore, tables: Tables, head: Link, tickers: frozenset[str], known: History | None
) -> tuple[Rows, list[NamedRows]]:
    """Return the rows that a known history has, and those of the parts after it, newest first.

    What is damaged or lost on the way ends no run: the history then begins after it.
    """
    parts: list[NamedRows] = []
    targets: set[date] = set()
    issued = _IssueTimes(store)
    try:
        for link in walk_back(store, head):
            if known is not None and link.digest == known.manifest.sha256:
                return known.tickers, parts
            # Parts before the oldest target realised none that is kept.
            if len(targets) >= KEPT and link.manifest.session < _find_first(targets):
                break
            parts.append(_read_rows(store, tables, link.manifest, tickers, issued))
            targets |= {row.target_date for _, row in parts[-1]}
    except DamagedObject:
        pass
    return {}, parts


class _IssueTimes:
    """When forecasts were issued; the manifests of a session are read once."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._runs: dict[date, list[RunManifest]] = {}

    def find(self, origin: date, ticker: str) -> datetime:
        """Return when a ticker was published; raises StoreError where it never was."""
        if origin not in self._runs:
            self._runs[origin] = read_manifests(self._store, origin)
        for run in self._runs[origin]:
            if ticker in run.published:
                return run.issued_at
        raise StoreError(f"expected a part of {origin} to publish {ticker}, which has a score")


def _read_rows(
    store: ObjectStore,
    tables: Tables,
    run: RunManifest,
    tickers: frozenset[str],
    issued: _IssueTimes,
) -> NamedRows:
    """Return what a part realised one session ahead, with its ticker."""
    rows: NamedRows = []
    for key in sorted(key for key in run.objects if key.startswith("scores/")):
        scores = tables.decode("scores", read_verified(store, run, key))[0]
        rows += _select_rows(scores, tickers, issued)
    return rows


def _select_rows(scores: Columns, tickers: frozenset[str], issued: _IssueTimes) -> NamedRows:
    ours = where(scores, (scores["horizon"] == 1) & (scores["model"] == FORECASTER))
    columns = (ours[name].tolist() for name in ("ticker", *COLUMNS))
    return [
        (
            ticker,
            PastForecast(
                on, of, close, low, high, issued.find(of, ticker), Mode(mode), learnt, not inside_98
            ),
        )
        for ticker, on, of, close, low, high, mode, learnt, inside_98 in zip(*columns, strict=True)
        if ticker in tickers
    ]
