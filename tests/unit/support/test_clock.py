"""The clocks that tests set are the ones that modules read."""

from __future__ import annotations

import sys
import time
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.support.clock import StoppedDatetime, travel_to

SATURDAY = datetime(2031, 8, 2, 12, tzinfo=UTC)


def test_the_whole_process_is_in_another_day_until_it_is_set_back() -> None:
    pytest.importorskip("time_machine")
    before, waited = datetime.now(UTC), time.monotonic()
    set_back = travel_to("2031-08-02T12:00Z")
    try:
        assert timedelta(0) <= datetime.now(UTC) - SATURDAY < timedelta(hours=1)
        assert abs(time.time() - SATURDAY.timestamp()) < 3600
        assert abs((date.today() - SATURDAY.date()).days) <= 1
        assert datetime.now(UTC).strftime("%A") == "Saturday"
        assert time.monotonic() - waited < 3600
    finally:
        set_back()
    assert timedelta(0) <= datetime.now(UTC) - before < timedelta(hours=1)


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("soon", "expected a time like 2031-08-02T12:00Z, got soon"),
        ("2031-08-02T12:00", "with its zone, got 2031-08-02T12:00"),
    ],
)
def test_what_is_no_moment_is_named(moment: str, words: str) -> None:
    with pytest.raises(pytest.UsageError, match=words):
        travel_to(moment)


def test_without_the_library_one_line_says_what_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "time_machine", None)
    with pytest.raises(pytest.UsageError, match="expected the library time-machine; make check"):
        travel_to("2031-08-02T12:00Z")


def test_a_stopped_clock_says_its_moment_in_any_zone_and_makes_ordinary_times() -> None:
    clock = StoppedDatetime(SATURDAY)
    assert clock.now(UTC) == clock.now() == SATURDAY
    assert type(clock.now(UTC)) is type(clock.fromisoformat("2031-08-02")) is datetime
