"""The errors of the forecaster, one tree; each says what was expected and what came.

ForecasterError
├── ConfigError            a setting, option or deployed value is missing or wrong
├── RequestError           the caller asked for something that cannot be answered
│   ├── InvalidBody        the body is no JSON, or too deep
│   ├── InvalidField       a field is not as it should be; `pointer` says which
│   └── NotFound           there is no such thing, now or later
├── DataError              bars cannot be used; `reason` says why, in one word
│   ├── InvalidBars        the bars break a rule (NaN, gap, jump, too few, …)
│   ├── StaleBars          the newest bar is older than the last closed session
│   └── SourceUnavailable  the source gave no bars: throttled, down, timed out, unreadable
├── ModelError             the model cannot be used
│   ├── BundleMismatch     manifest, digest and ONNX file do not fit each other or the code
│   ├── NonFiniteOutput    the model answered NaN or infinity
│   └── WorseModel         a new model would replace a better one
├── StoreError             the store cannot be read or written, or holds what it should not
│   ├── UnreadableObject   a link, a pipe or a bomb lies in the place of an object
│   ├── RecordDamaged      verify found what is not as the record says
│   ├── Overtaken          another part follows the newest one already
│   └── NotPublished       not there yet; a later run will publish it
├── DeploymentError        what is deployed cannot be reached or changed
└── IncompleteRun          some tickers were withheld; the rest are published
"""

from __future__ import annotations

import copyreg
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """Why a ticker's forecast is withheld: the codes after `withheld:` in the status column."""

    SOURCE_UNAVAILABLE = "source_unavailable"
    UNKNOWN_TICKER = "unknown_ticker"
    UNREADABLE = "unreadable"
    NO_BARS = "no_bars"
    STALE = "stale"
    MISSING_SESSION = "missing_session"
    UNEXPECTED_SESSION = "unexpected_session"
    UNORDERED_SESSIONS = "unordered_sessions"
    DUPLICATE_SESSION = "duplicate_session"
    LAST_BAR_NAN = "last_bar_nan"
    BAR_NAN = "bar_nan"
    NON_POSITIVE_PRICE = "non_positive_price"
    INCONSISTENT_OHLC = "inconsistent_ohlc"
    PRICE_JUMP = "price_jump"
    FROZEN = "frozen"
    WRONG_INSTRUMENT = "wrong_instrument"
    UNEXPLAINED_REVISION = "unexplained_revision"
    IMPLAUSIBLE_CLOSE = "implausible_close"
    SOURCES_DISAGREE = "sources_disagree"
    NOT_ENOUGH_HISTORY = "not_enough_history"
    NON_FINITE_OUTPUT = "non_finite_output"
    IMPLAUSIBLE_OUTPUT = "implausible_output"


class ForecasterError(Exception):
    """Base of every error this project raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the way from one process to another, attributes included."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class ConfigError(ForecasterError):
    """A setting, option or deployed value is missing or wrong."""


class RequestError(ForecasterError):
    """The caller asked for something that cannot be answered."""


class InvalidBody(RequestError):
    """The body is no JSON, or too deep."""


class InvalidField(RequestError):
    """A field is not as it should be.

    `pointer` is its JSON pointer as a fragment (RFC 6901), `#` for the whole body.
    """

    def __init__(self, pointer: str, expected: str, got: str) -> None:
        super().__init__(f"{pointer}: expected {expected}, got {got}")
        self.pointer, self.expected, self.got = pointer, expected, got


class NotFound(RequestError):
    """There is no such thing, now or later."""


class DataError(ForecasterError):
    """Bars cannot be used; `reason` is the code under which the ticker is withheld."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


class InvalidBars(DataError):
    """The bars break a rule."""


class StaleBars(DataError):
    """The newest bar is older than the last closed session; `newest` is its session, if known."""

    def __init__(
        self, message: str, reason: Reason = Reason.STALE, newest: date | None = None
    ) -> None:
        super().__init__(message, reason)
        self.newest = newest


class SourceUnavailable(DataError):
    """The source gave no bars."""

    def __init__(self, message: str, reason: Reason = Reason.SOURCE_UNAVAILABLE) -> None:
        super().__init__(message, reason)


class ModelError(ForecasterError):
    """The model cannot be used."""


class BundleMismatch(ModelError):
    """Manifest, digest and ONNX file do not fit each other or the code."""


class NonFiniteOutput(ModelError):
    """The model answered NaN or infinity."""


class WorseModel(ModelError):
    """A new model would replace a better one; `current` and `new` map scores' names to values."""

    def __init__(
        self, message: str, current: Mapping[str, float], new: Mapping[str, float]
    ) -> None:
        super().__init__(message)
        self.current, self.new = dict(current), dict(new)


class StoreError(ForecasterError):
    """The store cannot be read or written, or holds what it should not."""


class UnreadableObject(StoreError):
    """What lies in the place of an object is none: a link, a pipe, or larger than any."""


class DamagedObject(StoreError):
    """An object of the record is missing or not the bytes named.

    `key` says where it lies, `sha256` what its bytes should be, None where nothing names them;
    `data` are these bytes, where whoever looked has them.
    """

    def __init__(
        self, message: str, key: str, sha256: str | None = None, data: bytes | None = None
    ) -> None:
        super().__init__(message)
        self.key, self.sha256, self.data = key, sha256, data


class RecordDamaged(StoreError):
    """Verify found what is not as the record says."""


class Overtaken(StoreError):
    """Another part follows the newest one already; looked at again, the record has moved on."""


class NotPublished(StoreError):
    """Not there yet; a later run will publish it."""


class DeploymentError(ForecasterError):
    """What is deployed cannot be reached or changed."""


class IncompleteRun(ForecasterError):
    """Some tickers were withheld; the rest are published. `withheld` maps ticker to reason."""

    def __init__(self, message: str, withheld: Mapping[str, str]) -> None:
        super().__init__(message)
        self.withheld = dict(withheld)
