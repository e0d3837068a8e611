"""One request, one answer: the numbers of the spine, with the gains and the views of the store."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pipeline.bars import Bars
from pipeline.errors import InvalidField, NotFound, NotPublished, StoreError
from pipeline.forecasting.calibration import NEUTRAL, Calibration
from pipeline.forecasting.features import FEATURE_NAMES
from pipeline.forecasting.forecast import forecast
from pipeline.forecasting.model import Model
from pipeline.grid import round_digits
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.on_demand import OnDemand
from pipeline.serving.requests import parse_request
from tests.support.builders import bar_rows, bars, latest_view, raw_bars, window_rows
from tests.support.fakes import MemoryObjects

BARS = bars()
ROWS, WINDOW = bar_rows(BARS), window_rows(BARS)
LAST_CLOSE = round_digits(BARS.close[-1])
GAINS = np.linspace(0.8, 1.2, 55).reshape(5, 11).tolist()


class Clock:
    """Seconds that pass when told to."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class CountingObjects(MemoryObjects):
    """A store that counts what is read."""

    reads = 0

    def read(self, key: str) -> bytes | None:
        self.reads += 1
        return super().read(key)


def store_of(view: Any = None) -> CountingObjects:
    return CountingObjects({} if view is None else {"latest.json": json.dumps(view).encode()})


def ask(model: Model, document: Any, view: Any = None) -> Any:
    on_demand = OnDemand(model, CachedViews(store_of(view).read, Clock()))
    return on_demand.predict(parse_request(json.dumps(document).encode()))


def all_prices(answer: Any) -> np.ndarray:
    rows = [[h.prediction, *sum(h.intervals.values(), ())] for h in answer.horizons]
    return np.array(rows)


def spine_prices(
    model: Model, calibration: Calibration = NEUTRAL, vix: Any = None, of: Bars = BARS
) -> np.ndarray:
    made = forecast([of], model, calibration, vix)
    limits = [made.interval(coverage) for coverage in (50, 80, 90, 95, 98)]
    columns = [made.median[0], *(side[0] for both in limits for side in both)]
    return np.stack(columns, axis=1)


def test_bars_are_answered_with_the_spine_s_numbers(model: Model) -> None:
    answer = ask(model, {"bars": ROWS})
    assert np.array_equal(all_prices(answer), spine_prices(model))
    assert (answer.last_close, str(answer.origin_date)) == (LAST_CLOSE, "2024-12-27")
    assert answer.calibrated is False
    assert answer.model_version == model.manifest.model_version


def test_a_window_is_answered_with_the_same_numbers_as_its_bars(model: Model) -> None:
    answer = ask(model, {"data": WINDOW})
    # The anchor is the window's own, which has single precision.
    np.testing.assert_allclose(all_prices(answer), spine_prices(model), rtol=1e-6)


def test_the_first_fields_are_those_of_the_next_session(model: Model) -> None:
    answer = ask(model, {"data": WINDOW})
    first = answer.horizons[0]
    assert [h.horizon for h in answer.horizons] == [1, 2, 3, 4, 5]
    assert (answer.horizon, answer.prediction, answer.sigma) == (1, first.prediction, first.sigma)
    assert answer.intervals == first.intervals
    lower, upper = answer.interval_95
    assert (lower, upper) == first.intervals["95"]
    assert answer.confidence_gap == pytest.approx((upper - lower) / 2, rel=5e-9)


def test_only_the_last_126_bars_matter(model: Model) -> None:
    assert ask(model, {"bars": ROWS}) == ask(model, {"bars": ROWS[-126:]})


def test_the_vix_is_read_where_it_is_given(model: Model) -> None:
    vix = raw_bars("^VIX", close=np.full(200, 35.0))
    rows = [[str(day), 35.0] for day in vix.session]
    with_vix = all_prices(ask(model, {"bars": ROWS, "vix": rows}))
    assert np.array_equal(with_vix, spine_prices(model, vix=vix))
    assert not np.array_equal(with_vix, spine_prices(model))
    assert np.array_equal(all_prices(ask(model, {"bars": ROWS, "vix": []})), spine_prices(model))


@pytest.mark.parametrize("sent", [{"bars": ROWS}, {"data": WINDOW}], ids=["bars", "data"])
@pytest.mark.parametrize("ticker", ["SPY", "spy"])
def test_a_ticker_brings_the_gains_it_was_published_with(
    model: Model, sent: dict[str, Any], ticker: str
) -> None:
    answer = ask(model, {**sent, "ticker": ticker}, latest_view(GAINS))
    expected = spine_prices(model, Calibration.from_stored({"SPY": GAINS}))
    np.testing.assert_allclose(all_prices(answer), expected, rtol=1e-6)
    assert answer.calibrated is True


@pytest.mark.parametrize(
    ("view", "ticker"),
    [(None, "SPY"), (latest_view(), "SPY"), (latest_view(GAINS), "QQQ")],
    ids=["nothing published", "published without gains", "another ticker"],
)
def test_without_gains_the_answer_says_so(model: Model, view: Any, ticker: str) -> None:
    answer = ask(model, {"bars": ROWS, "ticker": ticker}, view)
    assert answer.calibrated is False
    assert np.array_equal(all_prices(answer), spine_prices(model))


def test_a_ticker_alone_is_answered_with_what_is_published(model: Model) -> None:
    answer = ask(model, {"ticker": "spy"}, latest_view(GAINS))
    published = latest_view()["tickers"]["SPY"]
    assert (answer.ticker, answer.last_close, answer.calibrated) == ("SPY", 399.5, True)
    assert answer.model_version == "made"
    assert str(answer.origin_date) == "2024-12-27"
    assert [str(h.target_date) for h in answer.horizons] == [
        one["target_date"] for one in published["horizons"]
    ]
    assert str(answer.target_date) == "2024-12-30"
    assert answer.interval_95 == (390.5, 409.5)


def test_a_ticker_that_nobody_forecasts_is_not_found(model: Model) -> None:
    with pytest.raises(NotFound, match="expected one that is published, like IWM, SPY; got QQQ"):
        ask(model, {"ticker": "QQQ"}, latest_view())


def test_a_withheld_ticker_and_an_empty_store_are_for_later(model: Model) -> None:
    with pytest.raises(NotPublished, match="IWM: expected a forecast.*got withheld:stale"):
        ask(model, {"ticker": "IWM"}, latest_view())
    with pytest.raises(NotPublished, match=r"latest\.json"):
        ask(model, {"ticker": "SPY"})


@pytest.mark.parametrize(
    "view",
    [
        {},
        [],
        latest_view([[1.0] * 11] * 4),
        latest_view([[1.0] * 10] * 5),
        latest_view([[0.0] * 11] * 5),
        latest_view([["1"] * 11] * 5),
    ],
    ids=["empty", "no object", "four horizons", "ten levels", "a gain of zero", "text"],
)
def test_a_damaged_view_is_the_store_s_fault(model: Model, view: Any) -> None:
    with pytest.raises(StoreError, match=r"latest\.json: expected"):
        ask(model, {"bars": ROWS, "ticker": "SPY"}, view)


def swapped(rows: list[Any], i: int, j: int) -> list[Any]:
    copy = list(rows)
    copy[i], copy[j] = copy[j], copy[i]
    return copy


def replaced(row: int, column: int, value: Any, of: list[Any] = ROWS) -> list[Any]:
    copy = [list(one) for one in of]
    copy[row][column] = value
    return copy


@pytest.mark.parametrize(
    ("rows", "row", "came"),
    [
        (swapped(ROWS, 198, 199), 199, "2024-12-26 after 2024-12-27"),
        (swapped(ROWS, 3, 4), 4, "after"),
        (list(reversed(ROWS)), 1, "after"),
        (replaced(150, 0, ROWS[149][0]), 150, "came twice"),
        (replaced(74, 1, 1.0), 74, "outside low to high"),
        # Of several the first, and what is said is said of it; row 49 is not used.
        (replaced(80, 1, 1.0, swapped(ROWS, 150, 151)), 80, "outside low to high"),
        (replaced(151, 1, 1.0, swapped(ROWS, 80, 81)), 81, " after "),
        *((replaced(bad, 1, 1.0, replaced(49, 1, 1.0)), bad, "outside") for bad in (80, 136, 190)),
        (replaced(199, 2, 1.0), 199, "outside low to high"),
        ([*ROWS[:-1], [ROWS[-1][0], *(price * 2 for price in ROWS[-1][1:])]], 199, "split"),
    ],
)
def test_the_row_that_breaks_a_rule_is_named(
    model: Model, rows: list[Any], row: int, came: str
) -> None:
    with pytest.raises(InvalidField) as raised:
        ask(model, {"bars": rows})
    assert raised.value.pointer == f"#/bars/{row}"
    assert came in raised.value.got


def test_a_bad_price_before_the_window_is_no_harm(model: Model) -> None:
    assert ask(model, {"bars": replaced(73, 1, 1.0)}) == ask(model, {"bars": ROWS})


def test_a_saturday_is_a_session_where_the_caller_says_so(model: Model) -> None:
    # The function knows no calendar; two days lie before the next weekday instead of three.
    days = BARS.session.copy()
    days[-1] += 1
    saturday = bars(session=days)
    answer = ask(model, {"bars": bar_rows(saturday)})
    assert str(answer.origin_date) == "2024-12-28"
    assert window_rows(saturday)[-1][FEATURE_NAMES.index("days_to_next")] == 2.0
    assert np.array_equal(all_prices(answer), spine_prices(model, of=saturday))


class TestKeptViews:
    def test_a_view_is_read_once_a_minute(self) -> None:
        clock, store = Clock(), store_of(latest_view())
        views = CachedViews(store.read, clock)
        first = views.latest()
        clock.seconds += 59
        assert views.latest() is first
        assert store.reads == 1
        clock.seconds += 1
        store.replace("latest.json", json.dumps(latest_view(GAINS)).encode())
        assert views.latest().tickers["SPY"].gains is not None
        assert store.reads == 2

    def test_that_there_is_none_is_kept_too(self) -> None:
        clock, store = Clock(), store_of()
        views = CachedViews(store.read, clock)
        for _ in range(3):
            with pytest.raises(NotPublished):
                views.latest()
            assert views.dashboard() is None
        assert store.reads == 2
        clock.seconds += 60
        store.replace("latest.json", json.dumps(latest_view()).encode())
        assert str(views.latest().session) == "2024-12-27"

    def test_what_is_damaged_is_looked_at_again(self) -> None:
        store = store_of([])
        views = CachedViews(store.read, Clock())
        with pytest.raises(StoreError):
            views.latest()
        store.replace("latest.json", json.dumps(latest_view()).encode())
        assert str(views.latest().session) == "2024-12-27"

    def test_the_track_record_is_given_as_it_lies_there(self) -> None:
        store = store_of()
        store.replace("track_record.json", b'{ "days": 3 }\n')
        assert CachedViews(store.read, Clock()).track_record() == b'{ "days": 3 }\n'

    @pytest.mark.parametrize("data", [b"", b"[]", b"<html>", b"\xff", b"[" * 100_000])
    def test_a_track_record_that_is_no_object_is_the_store_s_fault(self, data: bytes) -> None:
        store = store_of()
        store.replace("track_record.json", data)
        with pytest.raises(StoreError, match="expected an object in JSON"):
            CachedViews(store.read, Clock()).track_record()
