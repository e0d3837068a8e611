"""Views: the store's serving views, read as they are, typed, and kept for a short while."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.encoding import from_json
from pipeline.errors import NotPublished, StoreError
from pipeline.record.keys import DASHBOARD, LATEST, SCENARIOS, TRACK_RECORD
from pipeline.serving.published import parse_latest
from pipeline.views.age import show_age, with_age
from pipeline.views.documents import Latest
from pipeline.views.pages import find_page, is_page_of

if TYPE_CHECKING:
    from pipeline.views.scenario_view import ScenarioView


def _check_object(data: bytes) -> bytes:
    from_json(data, dict[str, msgspec.Raw], TRACK_RECORD, "an object in JSON")
    return data


@dataclass(frozen=True, slots=True)
class CachedViews:
    """The store's views, each read again once what is kept is older than `keep` seconds.

    A store that fails is not asked again for `pause` seconds. Meanwhile what is kept is shown, for
    `longest` seconds at most; `age` tells that it is. Nobody who has something to show waits for
    another's look at the store.

    Attributes
    ----------
    read : gives the bytes under a key of the store, None where there are none
    clock : gives seconds of a clock that never goes back
    now : gives the time, by which forecasts are old or not; without it none is called either
    """

    read: Callable[[str], bytes | None]
    clock: Callable[[], float]
    keep: float = 60.0
    now: Callable[[], datetime] | None = None
    pause: float = 5.0
    longest: float = 24 * 60 * 60
    patience: float = 3.0
    _kept: dict[str, tuple[float, Any]] = field(default_factory=dict)
    _failed: dict[str, tuple[float, StoreError]] = field(default_factory=dict)
    _looking: dict[str, Lock] = field(default_factory=dict)

    def latest(self) -> Latest:
        """Return the newest forecasts; raises NotPublished before the first run."""
        view: Latest = self._read(LATEST, parse_latest)
        return with_age(view, self.now()) if self.now else view

    def latest_of(self, ticker: str) -> Latest:
        """Return the newest forecasts, of very many those of the page that a ticker is on."""
        latest, page = self.latest(), self._page_of(ticker)
        if ticker in page.tickers or is_page_of(page, latest):
            return page
        # A run has moved the ticker to another page: look at index and page again, at once.
        self._renew(LATEST)
        self._renew(find_page(self.latest(), ticker) or LATEST)
        return self._page_of(ticker)

    def _renew(self, key: str) -> None:
        """Have a view read again when it is asked for next, whatever its age."""
        if key in self._kept:
            read_at, value = self._kept[key]
            self._kept[key] = read_at - self.keep, value

    def _page_of(self, ticker: str) -> Latest:
        latest = self.latest()
        key = find_page(latest, ticker)
        if key is None:
            return latest
        page: Latest = self._read(key, parse_latest)
        return with_age(page, self.now()) if self.now else page

    def track_record(self) -> bytes:
        """Return the scored record in JSON; raises NotPublished before it is first written."""
        record: bytes = self._read(TRACK_RECORD, _check_object)
        return record

    def scenarios(self) -> ScenarioView:
        """Return what questions are answered from; raises NotPublished before the first run."""
        # Not at the top: only who is asked for risk needs it.
        from pipeline.views.scenario_view import parse_scenarios  # noqa: PLC0415

        view: ScenarioView = self._read(SCENARIOS, parse_scenarios)
        return view

    def dashboard(self) -> bytes | None:
        """Return the page of the record, None where the store has none."""
        try:
            page: bytes = self._read(DASHBOARD, bytes)
        except NotPublished:
            return None
        return show_age(page, self.now()) if self.now else page

    def age_of(self, ticker: str) -> float | None:
        """Return how many seconds ago what is shown of a ticker was read, None if just now."""
        index: Latest | None = self._kept.get(LATEST, (0.0, None))[1]
        keys = (LATEST, (find_page(index, ticker) if index else None) or LATEST)
        return max((age for key in keys if (age := self.age(key)) is not None), default=None)

    def age(self, key: str) -> float | None:
        """Return how many seconds ago a view was read that the store does not give any more.

        None where the store has given it, or nothing is kept.
        """
        if key not in self._failed or key not in self._kept:
            return None
        return self.clock() - self._kept[key][0]

    def _read(self, key: str, parse: Callable[[bytes], Any]) -> Any:
        if self._is_due(key):
            # Who has nothing to show waits, and finds there what the other has read.
            patience = 0 if key in self._kept else self.patience
            looking = self._looking.setdefault(key, Lock())
            if looking.acquire(timeout=patience):
                try:
                    self._look(key, parse)
                finally:
                    looking.release()
        return self._show(key)

    def _is_due(self, key: str) -> bool:
        now, never = self.clock(), -math.inf
        kept_at, failed_at = (times.get(key, (never,))[0] for times in (self._kept, self._failed))
        return now - kept_at >= self.keep and now - failed_at >= self.pause

    def _look(self, key: str, parse: Callable[[bytes], Any]) -> None:
        if not self._is_due(key):
            return
        read_at = self.clock()
        try:
            data = self.read(key)
        except StoreError as exc:
            self._failed[key] = self.clock(), exc
            return
        try:
            self._kept[key] = read_at, None if data is None else parse(data)
            self._failed.pop(key, None)
        except StoreError as exc:  # damaged: the store may be asked again at once
            self._failed[key] = -math.inf, exc

    def _show(self, key: str) -> Any:
        value = self._kept.get(key, (0.0, None))[1]
        age, failed = self.age(key), self._failed.get(key)
        if failed is not None and (value is None or age is None or age >= self.longest):
            raise StoreError(str(failed[1])) from failed[1]
        if key not in self._kept:
            raise StoreError(f"{key}: expected it within {self.patience:g} s, got no answer")
        if value is None:
            raise NotPublished(f"{key}: expected it in the store, found none yet")
        return value
