"""Views while the store is away: what is kept is shown, nobody waits long, nobody for another."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore

import pytest

from pipeline.errors import NotPublished, StoreError
from pipeline.record.keys import LATEST, TRACK_RECORD
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.deadline import PLACES, call_within
from tests.support.builders import latest_view

VIEW = json.dumps(latest_view()).encode()
BOUND = 30.0  # seconds that a test waits at most


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class FragileStore:
    """Gives what `data` says, or raises it; `asked` counts."""

    def __init__(self, data: bytes | StoreError | None = VIEW) -> None:
        self.data, self.asked = data, 0

    def read(self, _: str) -> bytes | None:
        self.asked += 1
        if isinstance(self.data, StoreError):
            raise self.data
        return self.data


AWAY = StoreError("expected to read, got ReadTimeoutError")


class TestAStoreThatIsAway:
    def test_what_is_kept_is_shown_and_its_age_is_told(self) -> None:
        store, clock = FragileStore(), Clock()
        views = CachedViews(store.read, clock)
        shown = views.latest()
        assert views.age(LATEST) is None
        store.data, clock.now = AWAY, 70.0
        assert views.latest() == shown
        assert views.age(LATEST) == 70.0
        store.data, clock.now = VIEW, 80.0
        assert views.latest() == shown
        assert views.age(LATEST) is None

    def test_without_anything_kept_it_is_an_error(self) -> None:
        views = CachedViews(FragileStore(AWAY).read, Clock())
        with pytest.raises(StoreError, match="ReadTimeoutError") as raised:
            views.latest()
        assert not isinstance(raised.value, NotPublished)

    def test_that_nothing_was_there_is_no_view_to_be_shown(self) -> None:
        store, clock = FragileStore(None), Clock()
        views = CachedViews(store.read, clock)
        with pytest.raises(NotPublished):
            views.latest()
        store.data, clock.now = AWAY, 70.0
        with pytest.raises(StoreError, match="ReadTimeoutError"):
            views.latest()

    @pytest.mark.parametrize("known", [True, False])
    def test_it_is_not_asked_again_at_once(self, known: bool) -> None:
        store, clock = FragileStore(VIEW if known else AWAY), Clock()
        views = CachedViews(store.read, clock)
        look(views)
        store.data, clock.now = AWAY, 100.0
        for _ in range(9):
            look(views)
        assert store.asked == 2
        clock.now = 105.0
        look(views)
        assert store.asked == 3

    def test_what_is_kept_is_not_shown_for_ever(self) -> None:
        store, clock = FragileStore(), Clock()
        views = CachedViews(store.read, clock)
        views.latest()
        store.data, clock.now = AWAY, 24 * 3600.0
        with pytest.raises(StoreError, match="ReadTimeoutError"):
            views.latest()

    def test_a_view_that_is_damaged_now_is_shown_as_it_was(self) -> None:
        store, clock = FragileStore(), Clock()
        views = CachedViews(store.read, clock)
        shown = views.latest()
        store.data, clock.now = b"{", 60.0
        assert views.latest() == shown
        assert views.age(LATEST) == 60.0
        store.data = VIEW  # mended, and seen at once
        assert views.latest() == shown
        assert views.age(LATEST) is None


def look(views: CachedViews) -> None:
    try:
        views.latest()
    except StoreError as exc:
        assert "ReadTimeoutError" in str(exc)


class HangingStore:
    """Hangs, once told to, until it is released."""

    def __init__(self) -> None:
        self.hanging, self.entered, self.released = False, Event(), Event()
        self.asked = 0

    def read(self, _: str) -> bytes:
        self.asked += 1
        if self.hanging:
            self.entered.set()
            assert self.released.wait(BOUND)
        return VIEW


class TestAStoreThatHangs:
    def test_who_has_something_to_show_waits_for_no_other_s_look(self) -> None:
        store, clock = HangingStore(), Clock()
        views = CachedViews(store.read, clock, patience=10 * BOUND)
        shown = views.latest()
        store.hanging, clock.now = True, 70.0
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(views.latest)
            assert store.entered.wait(BOUND)
            assert views.latest() == shown
            assert views.age(LATEST) is None  # not away yet, for all that is known
            assert not other.done()
            store.released.set()
            assert other.result(BOUND) == shown

    def test_who_has_nothing_to_show_waits_so_long_and_no_longer(self) -> None:
        store = HangingStore()
        store.hanging = True
        views = CachedViews(store.read, Clock(), patience=0.05)
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(views.latest)
            assert store.entered.wait(BOUND)
            with pytest.raises(StoreError, match=r"expected it within 0\.05 s, got no answer"):
                views.latest()
            store.released.set()
            other.result(BOUND)

    def test_one_view_does_not_wait_for_another(self) -> None:
        store = HangingStore()
        views = CachedViews(lambda key: store.read(key) if key == LATEST else b"{}", Clock())
        store.hanging = True
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(views.latest)
            assert store.entered.wait(BOUND)
            assert views.track_record() == b"{}"
            assert views.age(TRACK_RECORD) is None
            store.released.set()
            other.result(BOUND)

    def test_many_who_come_at_once_ask_the_store_once(self) -> None:
        store, looked = HangingStore(), Semaphore(0)
        store.hanging = True

        def clock() -> float:
            looked.release()
            return 0.0

        views = CachedViews(store.read, clock, patience=BOUND)
        with ThreadPoolExecutor(16) as pool:
            shown = [pool.submit(views.latest) for _ in range(16)]
            for _ in range(16):  # until each has seen that nothing is there
                assert looked.acquire(timeout=BOUND)
            store.released.set()
            assert len({id(view.result(BOUND)) for view in shown}) == 1
        assert store.asked == 1


class TestDeadline:
    def test_what_is_there_in_time_is_given(self) -> None:
        assert call_within(BOUND, "read x", lambda: b"data") == b"data"

    def test_what_goes_wrong_is_raised_as_it_is(self) -> None:
        for error in (AWAY, KeyError("x")):
            with pytest.raises(type(error)) as raised:
                call_within(BOUND, "read x", raiser(error))
            assert raised.value is error

    def test_what_hangs_is_left_alone(self) -> None:
        released = Event()
        with pytest.raises(StoreError, match=r"expected to read x within 0\.05 s, got no answer"):
            call_within(0.05, "read x", lambda: released.wait(BOUND))
        released.set()

    def test_not_any_number_of_calls_hangs(self) -> None:
        released, ended = Event(), []
        for _ in range(16):
            with pytest.raises(StoreError, match="within 0 s"):
                call_within(0, "hang", lambda: ended.append(released.wait(BOUND)))
        with pytest.raises(StoreError, match="expected to read x, but too many such calls"):
            call_within(BOUND, "read x", lambda: b"data")
        released.set()
        for _ in range(16):
            assert PLACES.acquire(timeout=BOUND)
        for _ in range(16):
            PLACES.release()
        assert ended == [True] * 16


def raiser(error: Exception) -> Callable[[], None]:
    def raise_it() -> None:
        raise error

    return raise_it
