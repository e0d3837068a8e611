"""Bars out of a person's own frame, in the layouts that pandas and yfinance give."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.adapters.pandas_frames import FIELDS, read_bars, read_vix, to_frame
from pipeline.bars import COLUMNS, RawBars
from pipeline.errors import InvalidBars, Reason, RequestError
from tests.support.builders import raw_bars

RAW = raw_bars("SPY", 130)
OTHER = raw_bars("QQQ", 130)


def flat(raw: RawBars = RAW) -> pd.DataFrame:
    """Return bars as yfinance's history() has them, but for the zone."""
    columns = {theirs: getattr(raw, ours) for theirs, ours in zip(FIELDS, COLUMNS, strict=True)} | {
        "Adj Close": raw.close * 0.9
    }
    return pd.DataFrame(columns, index=pd.DatetimeIndex(raw.session, name="Date"))


def side_by_side(*, by: str = "Price") -> pd.DataFrame:
    """Return bars of two tickers as yfinance's download() has them."""
    both = pd.concat(
        {"QQQ": flat(OTHER), "SPY": flat()}, axis="columns", names=["Ticker", "Price"], sort=False
    )
    return both.swaplevel(axis="columns").sort_index(axis="columns") if by == "Price" else both


def as_column(change: Callable[[pd.Index], Any]) -> pd.DataFrame:
    frame = flat()
    return frame.reset_index(drop=True).assign(Date=change(frame.index))


def zoned() -> pd.DataFrame:
    return flat().tz_localize("America/New_York")


LAYOUTS = {
    "days as the index": flat,
    "history(), in New York's time": zoned,
    "days of another unit": lambda: flat().set_axis(flat().index.as_unit("s")),
    "an evening far from UTC": lambda: flat().shift(23, "h").tz_localize("America/New_York"),
    "periods": lambda: flat().to_period("D"),
    "a column of days": lambda: as_column(lambda days: days),
    "a column of text": lambda: as_column(lambda days: days.strftime("%Y-%m-%d")),
    "text with time and zone": lambda: as_column(lambda days: [f"{d}-05:00" for d in days]),
    "a column of dates": lambda: as_column(lambda days: days.date),
    "an index of text": lambda: flat().set_axis(flat().index.strftime("%Y-%m-%d")),
    "columns in another order": lambda: flat()[sorted(flat().columns)],
    "whole volumes": lambda: flat().astype({"Volume": "int64"}),
    "numbers that may be missing": lambda: flat().convert_dtypes(),
    "download() of one": lambda: side_by_side()[["Adj Close", *FIELDS]].loc[
        :, (slice(None), "SPY")
    ],
    "download() of two": side_by_side,
    "download() by ticker": lambda: side_by_side(by="Ticker"),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_bars_are_the_same_in_every_layout(layout: Callable[[], pd.DataFrame]) -> None:
    read = read_bars(layout(), "SPY", "unnamed")
    assert read.ticker == "SPY"
    assert read.session.dtype == RAW.session.dtype
    for name in ("session", *COLUMNS):
        np.testing.assert_array_equal(getattr(read, name), getattr(RAW, name), err_msg=name)


def test_what_no_bar_needs_may_be_missing() -> None:
    frame = flat()[["Open", "High", "Low", "Close"]]
    read = read_bars(frame, None, "unnamed")
    assert read.ticker == "unnamed"
    assert not read.volume.any()
    assert not read.dividend.any()
    assert not read.split.any()


def test_a_hole_stays_one_and_no_dividend_is_none() -> None:
    frame = flat().assign(Dividends=np.nan)
    frame.loc[frame.index[3], "Close"] = np.nan
    read = read_bars(frame, "SPY", "unnamed")
    assert np.flatnonzero(np.isnan(read.close)).tolist() == [3]
    assert not read.dividend.any()


def test_a_download_of_one_ticker_says_whose_it_is() -> None:
    one = side_by_side().loc[:, (slice(None), "QQQ")]
    assert read_bars(one, None, "unnamed").ticker == "QQQ"


def test_a_frame_is_not_changed() -> None:
    frame, before = side_by_side(), side_by_side()
    read_bars(frame, "SPY", "unnamed")
    pd.testing.assert_frame_equal(frame, before)


REFUSED = {
    "a list": (lambda: [1, 2], RequestError, "expected a pandas DataFrame of bars"),
    "rows without dates": (
        lambda: flat().reset_index(drop=True), InvalidBars, "expected dates in the index or a col"
    ),
    "days as numbers": (
        lambda: as_column(lambda days: np.arange(len(days))), InvalidBars, "got int64"
    ),
    "dates of nobody knows where": (
        lambda: as_column(lambda days: days.strftime("%d/%m/%Y")), InvalidBars, "like 2024-12-27"
    ),
    "no date in a row": (
        lambda: as_column(lambda days: days.where(days != days[7])), InvalidBars, "none in row 7"
    ),
    "no close": (lambda: flat().drop(columns="Close"), InvalidBars, "missing Close"),
    "a column twice": (
        lambda: flat()[["Open", *flat().columns]], InvalidBars, "got Open twice"
    ),
    "words for numbers": (lambda: flat().assign(High="much"), InvalidBars, "numbers in High"),
    "another ticker": (
        lambda: side_by_side().drop(columns="SPY", level="Ticker"), RequestError, "one of QQQ, got"
    ),
    "levels of something else": (
        lambda: side_by_side().drop(columns="Close", level="Price"), RequestError, "named Open"
    ),
    "nothing": (lambda: flat()[:0], InvalidBars, "no row"),
}  # fmt: skip


@pytest.mark.parametrize(("build", "kind", "words"), REFUSED.values(), ids=REFUSED)
def test_a_frame_that_is_none_of_bars_is_refused_in_a_line(
    build: Callable[[], Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words) as refused:
        read_bars(build(), "SPY", "unnamed")
    assert "\n" not in str(refused.value)


def test_of_several_tickers_one_must_be_named() -> None:
    with pytest.raises(RequestError, match="ticker: expected one of QQQ, SPY, got None"):
        read_bars(side_by_side(), None, "unnamed")


def test_nothing_has_no_bars() -> None:
    with pytest.raises(InvalidBars) as refused:
        read_bars(flat()[:0], "SPY", "unnamed")
    assert refused.value.reason is Reason.NO_BARS


@pytest.mark.parametrize("layout", [flat, zoned, lambda: flat().Close])
def test_the_vix_is_a_frame_or_a_series_of_closes(layout: Callable[[], Any]) -> None:
    read = read_vix(layout())
    np.testing.assert_array_equal(read.session, RAW.session)
    np.testing.assert_array_equal(read.close, RAW.close)


@pytest.mark.parametrize(("vix", "kind"), [(20.0, RequestError), (flat()[["Open"]], InvalidBars)])
def test_a_vix_without_closes_is_refused(vix: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="expected a"):
        read_vix(vix)


def test_days_and_instants_are_compared_as_people_expect() -> None:
    days = np.array(["2024-12-26", "2024-12-27"], "datetime64[D]")
    instants = np.array(["2024-12-26T22:10:00.123", "2024-12-27T22:10"], "datetime64[ms]")
    frame = to_frame({"day": days, "issued_at": instants})
    assert str(frame.day.dtype) == "datetime64[us]"
    assert str(frame.issued_at.dtype) == "datetime64[us, UTC]"
    assert (frame.day == "2024-12-27").tolist() == [False, True]
    assert (frame.day >= "2024-12-26").tolist() == [True, True]
    assert (frame.day == pd.Timestamp(date(2024, 12, 26))).tolist() == [True, False]
    assert frame.day.dt.month.tolist() == [12, 12]
    assert frame.issued_at[0].isoformat() == "2024-12-26T22:10:00.123000+00:00"
