"""Hand-written fakes of the ports: whole use cases run on these with no I/O and no clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import sha512
from threading import Lock
from zoneinfo import ZoneInfo

from pipeline.bars import RawBars
from pipeline.errors import ConfigError, Reason, SourceUnavailable
from pipeline.ports import Reading, WriteTimes, check_key, check_prefix, check_size
from pipeline.record.keys import STORE


class Crash(BaseException):
    """The process died here: like a kill, no `except Exception` survives it."""


class MemoryObjects:
    """ObjectStore in a dictionary, which can die once at a chosen write.

    A write is a call of `create` or `replace`, counted from 1 in `writes`; `written` has the keys
    of those that changed something, in order. That a run tries with `store.json` whether the store
    keeps what it has is no write. `crash_before=n` dies with the n-th write undone,
    `crash_after=n` with it done. The store lives on, as S3 would, for the next run. `times` says
    when objects were written, and whether that is `vouched` for; it knows of no other times.
    """

    def __init__(
        self,
        objects: Mapping[str, bytes] = {},
        *,
        crash_before: int | None = None,
        crash_after: int | None = None,
    ) -> None:
        self.objects = dict(objects)
        self.crash_before = crash_before
        self.crash_after = crash_after
        self.times: dict[str, datetime] = {}
        self.vouched = True
        self.writes = 0
        self.written: list[str] = []
        self._lock = Lock()

    def read(self, key: str) -> bytes | None:
        check_key(key)
        data = self.objects.get(key)
        check_size(len(data or b""), self.url(key))
        return data

    def create(self, key: str, data: bytes) -> bool:
        return self._write(key, data, over=False)

    def replace(self, key: str, data: bytes) -> None:
        self._write(key, data, over=True)

    def keys(self, prefix: str, after: str = "") -> list[str]:
        check_prefix(prefix)
        return sorted(key for key in self.objects if key.startswith(prefix) and key > after)

    def written_at(self, prefix: str) -> WriteTimes:
        times = {key: self.times[key] for key in self.keys(prefix) if key in self.times}
        return WriteTimes(times, self.vouched)

    def url(self, key: str) -> str:
        return f"memory://{key}"

    def _write(self, key: str, data: bytes, *, over: bool) -> bool:
        check_key(key)
        if key == STORE and not over and self.objects.get(key) == data:
            return False
        with self._lock:
            self.writes += 1
            if self.writes == self.crash_before:
                raise Crash(f"before write {self.writes}, of {key}")
            free = over or key not in self.objects
            if free:
                self.objects[key] = bytes(data)
                self.written.append(key)
            if self.writes == self.crash_after:
                raise Crash(f"after write {self.writes}, of {key}")
        return free


@dataclass(frozen=True)
class FakeSigner:
    """Signer whose signatures are digests of key and data: whoever knows the key can check them."""

    public_key: str

    def sign(self, data: bytes) -> bytes:
        return sha512(self.public_key.encode() + data).digest()

    @staticmethod
    def is_signed(public_key: str, signature: bytes, data: bytes) -> bool:
        return FakeSigner(public_key).sign(data) == signature


class FixedCalendar:
    """Calendar of the sessions given, each closing at `close` (aware; the delay is in it)."""

    name = "FIXED"
    zone = ZoneInfo("America/New_York")

    def __init__(self, sessions: Iterable[date], close: time = time(21, 30, tzinfo=UTC)) -> None:
        self.sessions = sorted(sessions)
        self._closes = [datetime.combine(session, close) for session in self.sessions]

    def end_of(self, day: date) -> datetime:
        return datetime.combine(day, time(23, 59, 59), self.zone)

    def last_closed(self, at: datetime) -> date:
        closed = bisect_right(self._closes, at)
        return self._part(closed - 1, closed, f"a session closed by {at}")[0]

    def ending(self, session: date, n: int) -> list[date]:
        last = self._index(session) + 1
        return self._part(last - n, last, f"{n} sessions up to {session}")

    def following(self, session: date, n: int) -> list[date]:
        first = self._index(session) + 1
        return self._part(first, first + n, f"{n} sessions after {session}")

    def between(self, first: date, last: date) -> list[date]:
        if first < self.sessions[0] or last > self.sessions[-1]:
            raise ConfigError(f"expected days of the fixed calendar, got {first} to {last}")
        return [session for session in self.sessions if first <= session <= last]

    def _index(self, session: date) -> int:
        if session not in self.sessions:
            raise ConfigError(f"expected a session of the fixed calendar, got {session}")
        return self.sessions.index(session)

    def _part(self, first: int, end: int, what: str) -> list[date]:
        if first < 0 or end > len(self.sessions):
            raise ConfigError(f"expected {what}, got a fixed calendar of {len(self.sessions)}")
        return self.sessions[first:end]


Answer = Callable[[Sequence[str], date, date], Reading]


class ScriptedSource:
    """BarSource that answers by a function, or with one Reading a call in the order given.

    `calls` keeps what was asked: (tickers, first, last) of each read.
    """

    def __init__(self, script: Sequence[Reading] | Answer, label: str = "scripted") -> None:
        self._script = script
        self.label = label
        self.calls: list[tuple[tuple[str, ...], date, date]] = []

    @classmethod
    def of(cls, *bars: RawBars) -> ScriptedSource:
        """Return a source that has these bars, and fails every other ticker as unknown."""
        known = {raw.ticker: raw for raw in bars}

        def answer(tickers: Sequence[str], first: date, last: date) -> Reading:
            return Reading(
                bars={t: known[t].as_of(last).since(first) for t in tickers if t in known},
                failures={t: _unknown(t, list(known)) for t in tickers if t not in known},
            )

        return cls(answer)

    def read(self, tickers: Sequence[str], first: date, last: date) -> Reading:
        self.calls.append((tuple(tickers), first, last))
        if callable(self._script):
            return self._script(tickers, first, last)
        if len(self.calls) > len(self._script):
            raise AssertionError(f"the script has {len(self._script)} readings; one more was read")
        return self._script[len(self.calls) - 1]


def _unknown(ticker: str, known: list[str]) -> SourceUnavailable:
    return SourceUnavailable(f"expected one of {known}, got {ticker}", Reason.UNKNOWN_TICKER)
