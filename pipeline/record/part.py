"""Part: what a part of a session is a function of, and how its objects are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.columns import Columns
from pipeline.encoding import sha256, to_json
from pipeline.errors import Overtaken, StoreError
from pipeline.forecasting.bundle import ModelBundle
from pipeline.ports import Tables
from pipeline.record.chain import Link
from pipeline.record.claims import Claim, decode_claim
from pipeline.record.keys import bundle_keys, calibration_key, scores_key, table_key
from pipeline.record.mended import NOTHING_MENDED, MendedCloses
from pipeline.record.prior import PriorRecord
from pipeline.record.scoring import split_by_month
from pipeline.record.state import State
from pipeline.record.vintage import Vintage

# Writes an object, or finds it written, and returns what lies under the key now.
Write = Callable[[str, bytes], bytes]


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
    """

    number: int
    expected: Sequence[date]
    target_dates: tuple[date, ...]
    vintage: Vintage
    vintage_parquet: bytes
    prior: PriorRecord
    mended: MendedCloses = NOTHING_MENDED

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


class PartWriter:
    """Writes a part's objects, and notes the digest of what lies under each key then.

    What an earlier run of the part wrote stays, and is what the part goes on with.
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
        if before is None or not kept.items() <= before.objects.items():
            self._write_and_note(keys[0], manifest)
            self._write_and_note(keys[1], bundle.onnx)
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
            key = scores_key(month, self._part.session, self._part.number)
            self._write_and_note(key, self._tables.encode("scores", rows, {}))

    def write_state(self, state: State) -> State:
        """Write the state, and return it, or what an earlier run wrote in its place."""
        key, data = calibration_key(self._part.session, self._part.number), state.encode()
        stored = self._write_and_note(key, data)
        return state if stored == data else State.decode(stored, key)

    def write_table(self, name: str, columns: Columns) -> Columns:
        """Write a table, and return it, or what an earlier run wrote in its place."""
        key, data = self._part.key(name), self._tables.encode(name, columns, {})
        stored = self._write_and_note(key, data)
        if stored == data:
            return columns
        written = self._tables.decode(name, stored)[0]
        expected, received = (set(table["vintage_sha256"]) for table in (columns, written))
        if received != expected:
            raise StoreError(f"{key}: expected rows of vintage {expected}, got of {received}")
        return written

    def _write_and_note(self, key: str, data: bytes) -> bytes:
        stored = self._write(key, data)
        self.objects[key] = sha256(stored)
        return stored
