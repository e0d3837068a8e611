"""Bar findings: what is to be seen in bars, and nothing that is not there."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.bars import PRICES, RawBars
from pipeline.forecasting.adjustment_check import Adjustment
from pipeline.jobs.bar_findings import Findings, find_all
from tests.support.builders import raw_bars

RAW = raw_bars("SPY", 200)
SESSIONS: list[date] = RAW.session.tolist()
AT = 120
QUIET = ("missing", "unexpected", "splits", "dividends", "flat", "frozen", "jumps", "idle", "holes")


def find(raw: RawBars = RAW) -> Findings:
    return find_all(raw, SESSIONS)


def changed(rows: Any = AT, **values: Any) -> RawBars:
    columns = {}
    for name, value in values.items():
        column = getattr(RAW, name).copy()
        column[rows] = value
        columns[name] = column
    return raw_bars("SPY", 200, **columns)


def scaled(factor: float, names: tuple[str, ...] = PRICES, rows: Any = AT) -> RawBars:
    return changed(rows, **{name: getattr(RAW, name)[rows] * factor for name in names})


def test_good_bars_have_nothing_to_be_said_of() -> None:
    findings = find()
    assert {name: getattr(findings, name) for name in (*QUIET, "suspicious")} == dict.fromkeys(
        (*QUIET, "suspicious"), ()
    )


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("missing", RAW.rows(np.arange(200) != AT)),
        ("holes", changed(close=np.nan)),
        ("holes", changed(low=-1.0)),
        ("idle", changed(volume=0.0)),
        ("dividends", changed(dividend=1.5)),
        ("flat", changed(**dict.fromkeys(PRICES, float(RAW.close[AT])))),
        ("jumps", scaled(0.5, rows=slice(AT, None))),
        ("suspicious", changed(high=RAW.high[AT] * 1.5)),
        ("suspicious", changed(low=RAW.low[AT] * 0.6)),
        ("suspicious", scaled(1.35)),
        ("suspicious", changed(close=RAW.high[AT] * 1.02)),
    ],
)
def test_what_is_there_is_found_on_its_day(name: str, raw: RawBars) -> None:
    assert getattr(find(raw), name) == (SESSIONS[AT],)


def test_a_split_is_named_with_its_ratio() -> None:
    assert find(changed(split=4.0)).splits == ((SESSIONS[AT], 4.0),)
    assert find(changed(split=1.0)).splits == ()


def test_bars_on_other_days_are_unexpected() -> None:
    saturday = np.datetime64("2024-12-21")
    session = RAW.session.copy()
    session[-5] = saturday
    findings = find_all(raw_bars("SPY", 200, session=np.sort(session)), SESSIONS)
    assert findings.unexpected == (saturday.item(),)
    assert len(findings.missing) == 1


def test_a_feed_that_stands_still_is_found() -> None:
    rows = slice(100, 106)
    held = {name: float(getattr(RAW, name)[100]) for name in PRICES}
    assert find(changed(rows, **held)).frozen[0] == SESSIONS[104]
    assert find(changed(rows, volume=0.0)).frozen[0] == SESSIONS[104]


def test_a_crash_that_does_not_come_back_is_no_suspicious_tick() -> None:
    assert find(scaled(0.75, rows=slice(AT, None))).suspicious == ()


def test_neither_order_nor_repeated_sessions_matter() -> None:
    rows = np.append(np.arange(200)[::-1], 5)
    assert find(RAW.rows(rows)) == find()


def test_a_span_without_sessions_is_no_error() -> None:
    assert find_all(RAW.tail(1), []).missing == ()


def test_a_few_bars_are_no_error() -> None:
    for n in range(1, 30):
        found = find_all(RAW.tail(n), SESSIONS[-n:])
        assert (found.missing, found.suspicious) == ((), ())


def test_patterns_without_end_are_counted_to_twenty() -> None:
    still = {name: np.full(200, 5.0) for name in PRICES}
    assert len(find(raw_bars("SPY", 200, **still)).frozen) == 20


def test_cents_say_whether_prices_are_adjusted_for_dividends() -> None:
    cents = {name: getattr(RAW, name).round(2) for name in PRICES}
    older = {name: cents[name] * np.where(np.arange(200) < 150, 0.98765, 1) for name in PRICES}
    assert find(raw_bars("SPY", 200, **cents)).adjusted is Adjustment.NO
    assert find(raw_bars("SPY", 200, **older)).adjusted is Adjustment.YES
    assert find().adjusted is Adjustment.NOT_TO_BE_SEEN


@pytest.mark.real_bars
def test_real_bars_are_not_adjusted_and_have_no_bad_prints(real_bars: Path) -> None:
    calendar = ExchangeCalendar()
    reading = FolderBars(real_bars).read(
        ["SPY", "QQQ", "DIA"], date(2001, 1, 1), date(2024, 12, 31)
    )
    for raw in reading.bars.values():
        first, last = raw.session.min().item(), raw.session.max().item()
        findings = find_all(raw, calendar.between(first, last))
        assert (findings.missing, findings.unexpected, findings.jumps) == ((), (), ())
        assert len(findings.suspicious) <= 1
