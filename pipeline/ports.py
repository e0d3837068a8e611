"""What the use cases need of the outside world. Adapters fulfil these; tests have fakes of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.bars import RawBars
from pipeline.columns import Columns
from pipeline.errors import DataError, StaleBars, StoreError, UnreadableObject


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source answered: every ticker asked for is in exactly one of the first two maps.

    `dialects` says of tickers whose files are not as Yahoo exports them how they were read,
    `currencies` in what prices are, where the source says it. `second_closes` are the last
    closes by `second_source`, which was asked too.
    """

    bars: Mapping[str, RawBars]
    failures: Mapping[str, DataError] = field(default_factory=dict)
    dialects: Mapping[str, str] = field(default_factory=dict)
    currencies: Mapping[str, str] = field(default_factory=dict)
    second_source: str | None = None
    second_closes: Mapping[str, float] = field(default_factory=dict)

    def find_newest(self, tickers: Sequence[str]) -> date | None:
        """Return the newest session that the source has a close of, for any of the tickers."""
        bars = [self.bars[ticker] for ticker in tickers if ticker in self.bars]
        closed = [raw.session[np.isfinite(raw.close)] for raw in bars]
        ends: list[date] = [sessions.max().item() for sessions in closed if len(sessions)]
        stale = [failure for failure in self.failures.values() if isinstance(failure, StaleBars)]
        return max([*ends, *(failure.newest for failure in stale if failure.newest)], default=None)


class BarSource(Protocol):
    """A place to read daily bars from.

    `read` makes one batched call for all tickers and returns their bars of the sessions from
    `first` to `last`, both included, as the source has them: unchecked, with one row per row
    received (a vendor's client may fold repeated ones), Close split-adjusted and not
    dividend-adjusted. It never raises DataError: a ticker that could not be read is in
    `failures`. `label` names the source wherever its bars are shown.
    """

    @property
    def label(self) -> str: ...

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading: ...


class Calendar(Protocol):
    """The exchange's sessions; `name` is the exchange's code, like XNYS, `zone` its time zone.

    `last_closed` is the newest session whose close plus the configured delay is not after `at`
    (an aware datetime). `ending` gives the n sessions up to and including `session`, `following`
    the n after it, `between` those from the day `first` to the day `last`, both included; all in
    order. `end_of` is when those up to a day count as closed, and none after it does. Raises
    ConfigError for what lies outside the calendar.
    """

    @property
    def name(self) -> str: ...

    @property
    def zone(self) -> tzinfo: ...

    def end_of(self, day: date) -> datetime: ...

    def last_closed(self, at: datetime) -> date: ...

    def ending(self, session: date, n: int) -> list[date]: ...

    def following(self, session: date, n: int) -> list[date]: ...

    def between(self, first: date, last: date) -> list[date]: ...


@dataclass(frozen=True, slots=True)
class WriteTimes:
    """When objects were written, aware, by their keys; whether the store vouches, as S3 does."""

    times: Mapping[str, datetime]
    vouched: bool


class ObjectStore(Protocol):
    """Bytes under keys with `/` between their parts; every write is whole or not at all.

    `read` gives None for a missing key, and refuses what is larger than any object before it reads
    it. `create` writes only where nothing is, and says whether it wrote: of any number of racing
    writers exactly one gets True. `replace` overwrites. `keys` lists the names under a prefix,
    sorted, strangers' too that are no keys, if given only those that sort after `after`; what it
    costs does not grow with the names before. `written_at` gives when those under a prefix were
    written. Raises StoreError when the store itself fails, UnreadableObject where what lies under a
    key can be none.
    """

    def read(self, key: str) -> bytes | None: ...

    def create(self, key: str, data: bytes) -> bool: ...

    def replace(self, key: str, data: bytes) -> None: ...

    def keys(self, prefix: str, after: str = "") -> list[str]: ...

    def written_at(self, prefix: str) -> WriteTimes: ...

    def url(self, key: str) -> str: ...


# Bytes of one object. The vintage of 5,000 tickers has 60 MB, their state 58 MB a mode.
LARGEST_OBJECT = 256 * 2**20


def check_size(size: int, where: str) -> None:
    """Raise UnreadableObject for more bytes than an object can have."""
    if size > LARGEST_OBJECT:
        raise UnreadableObject(f"{where}: expected at most {LARGEST_OBJECT} bytes, got {size}")


# Parts that mean the same on S3 and on every file system. A leading dot is the store's own.
_PART = r"(?!\.)[!-.0-\[\]-~]+"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")


def is_key(text: str) -> bool:
    """Whether `text` is parts of visible ASCII joined by `/`, none with a dot in front."""
    return _KEY.fullmatch(text) is not None


def check_key(key: str) -> None:
    """Raise StoreError unless `key` is a key."""
    if not is_key(key):
        raise StoreError(
            "expected a key of visible ASCII parts joined by '/', none of them empty, starting "
            f"with a dot or holding a backslash, got {key!r}"
        )


def check_prefix(prefix: str) -> None:
    """Raise StoreError unless `prefix` is empty, a key, or a key and `/`."""
    if prefix:
        check_key(prefix.removesuffix("/"))


class Signer(Protocol):
    """Signs with a private key that only its holder has; equal bytes are signed alike.

    `public_key` is what everybody may know, in hex.
    """

    @property
    def public_key(self) -> str: ...

    def sign(self, data: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Announcement:
    """What others are told of a part: `detail` for programs, a `digest` for people."""

    name: str
    detail: Mapping[str, Any]
    subject: str
    digest: str


class Announcer(Protocol):
    """Tells others; raises DeploymentError where what it tells by does not take it."""

    def tell(self, announcement: Announcement) -> None: ...


# (public key in hex, signature, data) -> whether the one who has the private key signed the data.
CheckSignature = Callable[[str, bytes, bytes], bool]


class Tables(Protocol):
    """Tables as bytes: equal columns and metadata give equal bytes.

    `table` names a schema: `bars`, `forecasts`, `baselines` or `scores`. Null is NaN in float
    columns and None in string columns. Raises StoreError for bytes or columns that do not fit
    the schema. `empty` has the columns of no row.
    """

    def empty(self, table: str) -> dict[str, NDArray[Any]]: ...

    def encode(self, table: str, columns: Columns, metadata: Mapping[str, str]) -> bytes: ...

    def decode(self, table: str, data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]: ...
