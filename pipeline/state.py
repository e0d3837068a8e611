"""State: the calibrator after a part, with what is still to be scored and how it went so far.

States are a chain: each is a pure function of the one before, the manifest before and the new
scores. None ever changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import msgspec
import numpy as np

from pipeline.bars import Floats
from pipeline.bundle import Manifest
from pipeline.errors import StoreError
from pipeline.intervals import MAX_LOG_GAIN, Calibration, step_at, updated_log_gains
from pipeline.ports import Columns, ObjectStore
from pipeline.realised import FORECASTER, Scored, published_quantiles
from pipeline.record import RunManifest, read_verified
from pipeline.track import Track, extended

SCHEMA_VERSION = 1
# A vintage's window reaches 126 sessions back: what is older and not realised, on a target that
# turned out to be a holiday, never will be.
SCORABLE = timedelta(days=190)
Gains = tuple[tuple[float, ...], ...]
Counts = Mapping[str, Mapping[str, int]]


class Outstanding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Horizons of a published part that are not scored yet, by ticker."""

    session: date
    part: int
    mode: str
    tickers: Mapping[str, tuple[int, ...]]


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the next part needs of all before it.

    `log_gains` are float (n_horizons, n_levels) per ticker; `tracks` are by mode: what was issued
    live stays apart. `withheld` counts, by ticker and reason, the sessions whose first part
    withheld it, and `revised`, by ticker and column, those whose vintage differed from the one
    before; both up to the part before.
    """

    schema_version: int
    session: date
    part: int
    previous: str | None
    model_version: str
    log_gains: Mapping[str, Gains]
    outstanding: tuple[Outstanding, ...] = ()
    tracks: Mapping[str, Track] = {}
    withheld: Counts = {}
    revised: Counts = {}

    @property
    def calibration(self) -> Calibration:
        """The gains that the forecasts of this part are made with."""
        return Calibration({t: np.exp(np.array(gains)) for t, gains in self.log_gains.items()})

    def encode(self) -> bytes:
        """Return the state as one line of JSON; equal states give equal bytes."""
        return msgspec.json.encode(self, order="deterministic") + b"\n"

    @classmethod
    def decode(cls, data: bytes, where_from: str) -> State:
        """Return the state in `data`; raises StoreError if it is none."""
        try:
            return msgspec.json.decode(data, type=State)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise StoreError(f"{where_from}: expected a calibration state, got {exc}") from exc


def read_state(store: ObjectStore, run: RunManifest) -> State:
    """Return the state of a part; StoreError if it is not what the manifest names."""
    data = read_verified(store, run, run.calibration)
    return State.decode(data, store.url(run.calibration))


def outstanding(state: State | None, head: RunManifest | None) -> tuple[Outstanding, ...]:
    """Return what is still to be scored before a part: what was, and all that the head issued."""
    before = state.outstanding if state else ()
    if head is None or not head.published:
        return before
    horizons = tuple(range(1, head.horizons + 1))
    issued = dict.fromkeys(sorted(head.published), horizons)
    return (*before, Outstanding(head.session, head.part, head.mode, issued))


def advanced(
    state: State, head: RunManifest | None, bundle: Manifest, scored: Scored | None
) -> State:
    """Return the state after the scores of one run.

    Parameters
    ----------
    state : of the part before, already named for this part; see `begun`
    head : manifest of the part before
    scored : what this run could score, None for nothing
    """
    waiting = outstanding(state, head)
    open_before = tuple(one for one in waiting if state.session - one.session <= SCORABLE)
    state = msgspec.structs.replace(state, outstanding=open_before, **counted(state, head))
    if scored is None:
        return state
    tracks = dict(state.tracks)
    for mode in dict.fromkeys(scored.mode.tolist()):
        of_mode = scored.where(scored.mode == mode)
        tracks[mode] = extended(tracks.get(mode, Track()), of_mode.scores, of_mode.issued)
    ours = scored.where(scored.scores["model"] == FORECASTER)
    learned = ours.where(ours.scores["model_version"] == bundle.model_version)
    return msgspec.structs.replace(
        state,
        log_gains=_learned(state.log_gains, learned, bundle),
        outstanding=_left(open_before, ours.scores),
        tracks=tracks,
    )


def begun(
    before: State | None, previous: str | None, bundle: Manifest, session: date, part: int
) -> State:
    """Return the state of a part before any score: that of the part before, renamed.

    A model version that is new starts from the gains of its bundle: outcomes that the model had
    not seen left them.
    """
    head = {"session": session, "part": part, "previous": previous}
    if before is None:
        started = State(SCHEMA_VERSION, session, part, previous, bundle.model_version, {})
    else:
        started = msgspec.structs.replace(before, **head)
    if before is None or before.model_version != bundle.model_version:
        gains = {t: _warm(np.array(of_ticker)) for t, of_ticker in bundle.gains.items()}
        started = msgspec.structs.replace(
            started, model_version=bundle.model_version, log_gains=gains
        )
    return started


def _warm(gains: Floats) -> Gains:
    return _rows(np.clip(np.log(gains), -MAX_LOG_GAIN, MAX_LOG_GAIN))


def _learned(log_gains: Mapping[str, Gains], scored: Scored, bundle: Manifest) -> dict[str, Gains]:
    """Return the log gains after the forecaster's new scores, origins in time order."""
    after = dict(log_gains)
    neutral = _rows(np.zeros((len(bundle.horizons), len(bundle.levels))))
    quantiles, scores = published_quantiles(scored.issued), scored.scores
    for row in np.argsort(scores["origin_date"], kind="stable").tolist():
        ticker, horizon = scores["ticker"][row], int(scores["horizon"][row])
        gains = np.array(after.get(ticker, neutral))
        realised = np.array(scores["realised_return"][row])
        moved = updated_log_gains(gains[horizon - 1], quantiles[row], realised, step_at(horizon))
        gains[horizon - 1] = moved
        after[ticker] = _rows(gains)
    return after


def _rows(values: Floats) -> Gains:
    return tuple(tuple(row) for row in values.tolist())


def _left(before: Sequence[Outstanding], scores: Columns) -> tuple[Outstanding, ...]:
    """Return what is still to be scored after these scores, the forecaster's."""
    names = ("ticker", "origin_date", "horizon")
    done = set(zip(*(scores[name].tolist() for name in names), strict=True))
    left = []
    for one in before:
        tickers = {
            ticker: kept
            for ticker, horizons in one.tickers.items()
            if (kept := tuple(h for h in horizons if (ticker, one.session, h) not in done))
        }
        if tickers:
            left.append(msgspec.structs.replace(one, tickers=tickers))
    return tuple(left)


def counted(state: State, head: RunManifest | None) -> dict[str, Counts]:
    """Return the counts `withheld` and `revised` after the manifest before."""
    withheld, revised = state.withheld, state.revised
    if head is not None and head.part == 0:
        withheld = _more(withheld, {t: [reason] for t, reason in head.withheld.items()})
        revised = _more(revised, head.revisions)
    return {"withheld": withheld, "revised": revised}


def _more(counts: Counts, seen: Mapping[str, Iterable[str]]) -> Counts:
    """Return the counts with one more of each name seen of a ticker."""
    after = {ticker: dict(names) for ticker, names in counts.items()}
    for ticker, names in seen.items():
        of_ticker = after.setdefault(ticker, {})
        for name in names:
            of_ticker[name] = of_ticker.get(name, 0) + 1
    return after
