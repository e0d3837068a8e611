"""When the deployed schedules fire, beside the exchange's calendar."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from handlers.schedule import parse_time
from infra.write_calendars import PATH, write_calendars
from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.exchange.hours import find_schedule
from tests.support.packaged import package, template

DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
CLOSE = time(16)
DAILY = ("daily", "evening-catch-up", "morning-catch-up")


class Cron(NamedTuple):
    """A cron expression of EventBridge as far as ours go: a time of day on days of the week."""

    at: time
    weekdays: frozenset[int]

    @classmethod
    def of(cls, expression: str) -> Cron:
        """Read an expression, strictly: EventBridge takes six fields and exactly one `?`."""
        kind, _, fields = expression.removesuffix(")").partition("(")
        minute, hour, day, month, weekday, year = fields.split(" ")
        assert (kind, month, year) == ("cron", "*", "*")
        assert sorted((day, weekday)).count("?") == 1, "one of the day's two fields must be ?"
        return cls(time(int(hour), int(minute)), frozenset(_weekdays(weekday)))

    def fires(self, first: date, days: int, zone: ZoneInfo) -> list[datetime]:
        """Return when it fires in the days from `first` on."""
        dates = [first + timedelta(days=one) for one in range(days)]
        chosen = [one for one in dates if one.isoweekday() % 7 in self.weekdays]
        return [datetime.combine(one, self.at, zone) for one in chosen]


def _weekdays(field: str) -> Iterable[int]:
    if field in ("?", "*"):
        return range(7)
    if "-" not in field:
        return [DAYS.index(day) for day in field.split(",")]
    first, _, last = field.partition("-")
    return range(DAYS.index(first), DAYS.index(last) + 1)


@pytest.fixture(scope="module")
def schedules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The deployed schedules by what they are for."""
    resources = template(package(tmp_path_factory.mktemp("packaged")))["Resources"].values()
    found = [one["Properties"] for one in resources if one["Type"] == "AWS::Scheduler::Schedule"]
    return {one["Name"].removeprefix("financial-forecaster-dev-"): one for one in found}


def fires(schedule: Any, first: date, days: int) -> list[datetime]:
    zone = ZoneInfo(schedule["ScheduleExpressionTimezone"])
    return Cron.of(schedule["ScheduleExpression"]).fires(first, days, zone)


def test_every_session_of_three_years_is_run_for_three_times_before_the_next(
    schedules: dict[str, Any],
) -> None:
    calendar = ExchangeCalendar()
    first, days = date(2024, 1, 2), 3 * 365
    runs = sorted(at for name in DAILY for at in fires(schedules[name], first, days))
    counted: dict[date, int] = {}
    for at in runs:
        session = calendar.last_closed(at)
        counted[session] = counted.get(session, 0) + 1
    sessions = [*counted][1:-1]
    assert sessions[1:] == list(calendar.following(sessions[0], len(sessions) - 1))
    assert min(counted[session] for session in sessions) == 3
    for at in fires(schedules["daily"], first, days):
        closed_at = datetime.combine(at.date(), CLOSE, at.tzinfo)
        assert at - closed_at == timedelta(hours=2, minutes=30)


def test_runs_keep_new_york_s_time_when_clocks_change(schedules: dict[str, Any]) -> None:
    winter, summer = (
        fires(schedules["daily"], day, 1)[0].astimezone(UTC).time()
        for day in (date(2026, 1, 5), date(2026, 7, 6))
    )
    assert (winter, summer) == (time(23, 30), time(22, 30))


def test_the_morning_run_comes_often_enough_for_the_alarm_on_missing_forecasts(
    schedules: dict[str, Any], tmp_path: Path
) -> None:
    alarm = template(package(tmp_path))["Resources"]["NoForecastAlarm"]["Properties"]
    waits = timedelta(seconds=alarm["Period"] * alarm["EvaluationPeriods"])
    mornings = [
        one.astimezone(UTC) for one in fires(schedules["morning-catch-up"], date(2026, 1, 1), 365)
    ]
    gaps = {after - before for before, after in zip(mornings, mornings[1:], strict=False)}
    assert len(mornings) == 365
    assert max(gaps) == timedelta(hours=25) < waits
    # A session without forecasts is told of before the next one opens, at 9:30.
    assert mornings[0] + waits <= datetime(2026, 1, 2, 9, 30, tzinfo=ZoneInfo("America/New_York"))


def test_the_record_is_verified_often_enough_for_its_alarm_and_while_no_run_writes(
    schedules: dict[str, Any], tmp_path: Path
) -> None:
    assert set(schedules) == {*DAILY, "verify"}
    alarm = template(package(tmp_path))["Resources"]["NotVerifiedAlarm"]["Properties"]
    waits = timedelta(seconds=alarm["Period"] * alarm["EvaluationPeriods"])
    assert waits <= timedelta(days=7), "the most that CloudWatch takes"
    first, days = date(2026, 1, 1), 365
    verified = [at.astimezone(UTC) for at in fires(schedules["verify"], first, days)]
    gaps = {after - before for before, after in zip(verified, verified[1:], strict=False)}
    assert max(gaps) <= waits - timedelta(days=2)
    runs = [at.astimezone(UTC) for name in DAILY for at in fires(schedules[name], first, days)]
    for at in verified:
        assert min(abs(at - run) for run in runs) > timedelta(hours=4)


def test_the_input_is_an_event_the_function_understands(schedules: dict[str, Any]) -> None:
    now = datetime(2026, 11, 20, 23, 31, tzinfo=UTC)
    for schedule in schedules.values():
        sent = schedule["Target"]["Input"].replace(
            "<aws.scheduler.scheduled-time>", "2026-11-20T23:30:00Z"
        )
        assert parse_time(json.loads(sent), now) == datetime(2026, 11, 20, 23, 30, tzinfo=UTC)


def test_the_hours_of_every_exchange_are_those_of_the_pinned_library() -> None:
    assert PATH.read_text(encoding="utf-8") == write_calendars(), "make calendars"


@pytest.mark.parametrize(
    "name", ["XNYS", "XTSE", "BVMF", "XLON", "XETR", "XTKS", "XHKG", "XASX", "XSAU", "24/5", "24/7"]
)
def test_every_session_of_an_exchange_is_run_for_three_times_before_the_next(name: str) -> None:
    hours, calendar = find_schedule(name), ExchangeCalendar(name)
    zone, first, days = ZoneInfo(hours.zone), date(2025, 2, 3), 300
    crons = [Cron.of(expression) for expression in (hours.daily, hours.evening, hours.morning)]
    counted = Counter(
        calendar.last_closed(at) for cron in crons for at in cron.fires(first, days, zone)
    )
    sessions = sorted(counted)[1:-1]
    assert sessions == calendar.between(sessions[0], sessions[-1])
    assert min(counted[session] for session in sessions) == 3


@pytest.mark.parametrize(
    ("name", "zone", "daily"),
    [
        ("XTKS", "Asia/Tokyo", "cron(0 18 ? * MON-FRI *)"),
        ("XSAU", "Asia/Riyadh", "cron(30 17 ? * SUN-THU *)"),
        ("24/7", "UTC", "cron(30 2 * * ? *)"),
    ],
)
def test_a_deployment_runs_by_the_hours_of_its_exchange(
    tmp_path: Path, name: str, zone: str, daily: str
) -> None:
    resources = template(package(tmp_path, calendar=name))["Resources"]
    schedule = resources["DailySchedule"]["Properties"]
    assert (schedule["ScheduleExpressionTimezone"], schedule["ScheduleExpression"]) == (zone, daily)
    environment = resources["DailyLambdaFunction"]["Properties"]["Environment"]["Variables"]
    assert environment["FORECASTER_CALENDAR"] == name
