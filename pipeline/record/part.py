"""Part: what a part of a session is a function of, and how its objects are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from pipeline.columns import Columns
from pipeline.encoding import sha256, to_json
from pipeline.errors import DamagedObject, Overtaken, StoreError
from pipeline.forecasting.bundle import ModelBundle
from pipeline.ports import Tables
from pipeline.record.chain import Link
from pipeline.record.claims import Claim, decode_claim
from pipeline.record.compare import Comparison, compare
from pipeline.record.earlier_scenarios import EarlierScenarios
from pipeline.record.issued_scenarios import IssuedScenarios
from pipeline.record.keys import (
    MOST_PARTS,
    bundle_keys,
    calibration_key,
    scores_key,
    table_key,
)
from pipeline.record.mended import NOTHING_MENDED, MendedCloses
from pipeline.record.plausible_close import Fit
from pipeline.record.prior import PriorRecord
from pipeline.record.prior_templates import PriorTemplates
from pipeline.record.scoring import split_by_month
from pipeline.record.state import State
from pipeline.record.vintage import Vintage

# Writes an object, or finds it written, and returns what lies under the key now.
Write = Callable[[str, bytes], bytes]
KeyOfNumber = Callable[[date, int], str]


@dataclass(frozen=True, slots=True, eq=False)
class PartInputs:
    """What a part is a function of, beside the forecaster.

    Attributes
    ----------
    number : 0 for the first part of its session
    expected : the exchange's sessions up to the origin
    target_dates : one per horizon
    vintage, vintage_parquet : the vintage and the bytes it is stored in
    prior : what the record says before the part
    mended : closes of the vintage that the record has scored by otherwise
    scenarios : those of earlier parts that the vintage may realise
    fit : which of the vintage's tickers are fit for a forecast, where that is known already
    """

    number: int
    expected: Sequence[date]
    target_dates: tuple[date, ...]
    vintage: Vintage
    vintage_parquet: bytes
    prior: PriorRecord
    mended: MendedCloses = NOTHING_MENDED
    scenarios: EarlierScenarios = EarlierScenarios()
    fit: Fit | None = None

    @property
    def session(self) -> date:
        return self.expected[-1]

    def key(self, table: str) -> str:
        """Return the key of this part's table of that name."""
        return table_key(table, self.session, self.number)


@dataclass(frozen=True, slots=True, eq=False)
class PublishedPart:
    """A part as it was published: what the next one needs of it."""

    link: Link
    state: State
    forecasts: Columns
    baselines: Columns
    templates: PriorTemplates
    scenarios: IssuedScenarios | None = None


class PartWriter:
    """Writes a part's objects, and notes the digest of what lies under each key then.

    What an earlier run of the part wrote stays, and is what the part goes on with, if it is equal
    on the grid. Anything else was damaged before a manifest could name it: nobody can say what it
    was, so it stays too, and the object goes past it to the next number.
    """

    def __init__(self, part: PartInputs, tables: Tables, write: Write) -> None:
        self._part, self._tables, self._write = part, tables, write
        self.objects = {part.key("bars"): sha256(part.vintage_parquet)}

    def write_bundle(self, bundle: ModelBundle) -> None:
        """Write the bundle unless the part before kept it, and note its digests."""
        manifest, before = to_json(bundle.manifest), self._part.prior.manifest
        keys = bundle_keys(bundle.version, sha256(manifest))
        digests = (sha256(manifest), bundle.manifest.onnx_sha256)
        kept = dict(zip(keys, digests, strict=True))
        if before is None or before.is_given_up or not kept.items() <= before.objects.items():
            self._write_named(keys[0], manifest)
            self._write_named(keys[1], bundle.onnx)
        self.objects |= kept

    def claim(self, bundle: ModelBundle) -> None:
        """Claim to follow the part before; raises Overtaken where another part does."""
        part, before = self._part, self._part.prior.link
        claim = Claim(
            previous=before.digest if before else None,
            session=part.session,
            part=part.number,
            horizons=len(part.target_dates),
            model_version=bundle.version,
            objects=dict(self.objects),
            healed=part.prior.repairs.healed,
            lost=part.prior.repairs.lost,
        )
        data = claim.encode()
        stored = self._write(claim.key, data)
        if stored != data:
            other = decode_claim(stored, claim.key)
            raise Overtaken(
                f"{part.session}: expected to follow {before.manifest.key if before else 'nothing'}"
                f", but another run goes on with {other.session} there"
            )

    def write_scores(self, scores: Columns) -> None:
        """Write the scores, an object for each month of their targets."""
        for month, rows in split_by_month(scores).items():
            self._write_past(partial(scores_key, month), self._tables.encode("scores", rows, {}))

    def write_state(self, state: State) -> State:
        """Write the state, and return it, or its equal that an earlier run wrote."""
        data = state.encode()
        key, stored = self._write_past(calibration_key, data)
        return state if stored == data else State.decode(stored, key)

    def write_table(self, name: str, columns: Columns) -> Columns:
        """Write a table, and return it, or its equal that an earlier run wrote."""
        data = self._tables.encode(name, columns, {})
        stored = self._write_past(partial(table_key, name), data)[1]
        return columns if stored == data else self._tables.decode(name, stored)[0]

    def _write_past(self, key_of: KeyOfNumber, data: bytes) -> tuple[str, bytes]:
        """Write an object under the first number where nothing else lies; return key and bytes."""
        for number in range(self._part.number, MOST_PARTS):
            key = key_of(self._part.session, number)
            stored = self._write(key, data)
            if compare(key, stored, data, self._tables) is not Comparison.CHANGED:
                self.objects[key] = sha256(stored)
                return key, stored
        raise StoreError(
            f"{key}: expected fewer than {MOST_PARTS} objects of a session, of which some were "
            "damaged before they were published; use another store"
        )

    def _write_named(self, key: str, data: bytes) -> None:
        """Write an object whose bytes its key names; raises DamagedObject where others lie."""
        if self._write(key, data) != data:
            raise DamagedObject(
                f"{key}: expected sha256 {sha256(data)}, got other bytes", key, sha256(data), data
            )
