"""The record and forecasts of own bars, as a notebook has them."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pipeline import frames
from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.folder_store import FolderObjects
from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.bars import VIX, RawBars
from pipeline.errors import ConfigError, InvalidBars, Reason, RequestError, StoreError
from pipeline.jobs.backfill.run import backfill
from pipeline.views.rows import Selection, read_rows
from pipeline.wiring import DEFAULT_BUNDLE, daily_job
from tests.support.fakes import ScriptedSource
from tests.support.records import run

CALENDAR = ExchangeCalendar()
LAST = date(2026, 11, 20)
EVENINGS = [datetime(2026, 11, day, 23, 30, tzinfo=UTC) for day in (18, 19, 20)]
READERS = {
    "forecasts": frames.read_forecasts,
    "baselines": frames.read_baselines,
    "scores": frames.read_scores,
}


def simulated() -> dict[str, RawBars]:
    """Bars of a ticker that no bundle knows, and the VIX."""
    read = SimulatedMarket(CALENDAR).read(["SPY", VIX], date(2025, 1, 2), LAST).bars
    return {"ABC": replace(read["SPY"], ticker="ABC"), VIX: read[VIX]}


def frame_of(raw: RawBars) -> pd.DataFrame:
    columns = {name.title(): getattr(raw, name) for name in ("open", "high", "low", "close")}
    return pd.DataFrame(columns, index=pd.DatetimeIndex(raw.session, name="Date"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions of a backfill, then three live ones."""
    folder = tmp_path_factory.mktemp("store")
    source = ScriptedSource.of(*simulated().values())
    opened = FolderObjects(folder)
    job = daily_job(("ABC",), source, CALENDAR, store=opened, bundle=DEFAULT_BUNDLE)
    backfill(job, date(2026, 11, 16), date(2026, 11, 17), EVENINGS[0], lambda done, of: None)
    for evening in EVENINGS:
        run(job, evening)
    return folder


@pytest.mark.parametrize("name", READERS)
def test_a_frame_has_the_rows_of_its_table_and_days_to_compare(store: Path, name: str) -> None:
    read = READERS[name](store)
    rows = read_rows(FolderObjects(store), ParquetTables(), name, Selection())
    assert list(read.columns) == list(rows)
    assert len(read) == len(rows["ticker"]) > 0
    assert set(read["mode"]) == {"live"}
    for column, values in rows.items():
        got = read[column].to_numpy()
        if values.dtype.kind == "M" and column != "issued_at":
            assert str(read[column].dtype) == "datetime64[us]"
            got = got.astype(values.dtype)
        if column != "issued_at":
            np.testing.assert_array_equal(got, values, err_msg=column)
    day = "target_date" if name == "scores" else "origin_date"
    assert (read[day] == "2026-11-20").any()
    assert (read[day] >= "2026-11-18").all()


def test_what_is_asked_for_is_what_is_read(store: Path) -> None:
    some = frames.read_forecasts(
        str(store), first="2026-11-17", last=date(2026, 11, 18), tickers="abc", horizons=5,
        modes=("live", "backfill"),
    )  # fmt: skip
    assert some.origin_date.dt.day.tolist() == [17, 18]
    assert some["mode"].tolist() == ["backfill", "live"]
    assert set(some.horizon) == {5}
    assert frames.read_baselines(store, tickers=["SPY"]).empty


def test_in_sample_rows_are_read_where_asked_for(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def remember(*arguments: object) -> dict[str, np.ndarray]:
        asked.append(arguments[-1].in_sample)  # type: ignore[attr-defined]
        return ParquetTables().empty("scores")

    monkeypatch.setattr(frames, "read_rows", remember)
    frames.read_scores(store)
    frames.read_scores(store, in_sample=True)
    assert asked == [False, True]


def test_a_store_without_forecasts_is_none_to_read(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"expected published forecasts in .*, found none"):
        frames.read_forecasts(tmp_path / "typo")
    with pytest.raises(ConfigError, match="expected s3://bucket/prefix"):
        frames.read_scores("https://example.com/store")


@pytest.mark.filterwarnings("ignore:older prices")
def test_a_forecast_of_own_bars_is_the_daily_run_s_while_no_gains_are_learnt(
    tmp_path: Path,
) -> None:
    bars = simulated()
    source = ScriptedSource.of(*bars.values())
    job = daily_job(
        ("ABC",), source, CALENDAR, store=FolderObjects(tmp_path), bundle=DEFAULT_BUNDLE
    )
    run(job, EVENINGS[-1])
    recorded = frames.read_forecasts(tmp_path)
    own = frames.forecast(frame_of(bars["ABC"]), "ABC", frame_of(bars[VIX]))
    pd.testing.assert_frame_equal(own, recorded[own.columns.tolist()], check_exact=True)
    assert set(recorded) - set(own) == {"status", "mode", "vintage_sha256", "issued_at"}
    closes = frames.forecast(frame_of(bars["ABC"]), "ABC", frame_of(bars[VIX]).Close)
    pd.testing.assert_frame_equal(own, closes)
    without = frames.forecast(frame_of(bars["ABC"]), "ABC")
    assert (without.sigma != own.sigma).all()


def test_a_forecast_says_what_the_daily_run_would_note() -> None:
    bars = simulated()
    adjusted = frame_of(bars["ABC"])
    adjusted.iloc[:-40] *= 0.987654321
    with pytest.warns(UserWarning, match="ABC: older prices are not in cents"):
        frames.forecast(adjusted, "ABC")
    one_price = frame_of(bars["ABC"])
    one_price = one_price.assign(Open=one_price.Close, High=one_price.Close, Low=one_price.Close)
    with pytest.warns(UserWarning, match="ABC: open, high, low and close are one price"):
        frames.forecast(one_price, "ABC")
    with pytest.warns(UserWarning, match="newest close of .VIX is of 2026-11-19"):
        own = frames.forecast(frame_of(bars["ABC"]), "ABC", frame_of(bars[VIX])[:-1])
    assert own.horizon.tolist() == [1, 2, 3, 4, 5]  # all the same


REFUSED = {
    "too few": (lambda frame: frame[-50:], Reason.NOT_ENOUGH_HISTORY),
    "a session left out": (lambda frame: frame.drop(frame.index[-3]), Reason.MISSING_SESSION),
    "the wrong way round": (lambda frame: frame[::-1], Reason.UNORDERED_SESSIONS),
    "a hole": (
        lambda frame: frame.assign(Close=frame.Close.mask(frame.index == "2026-11-18")),
        Reason.BAR_NAN,
    ),
    "none": (lambda frame: frame[:0], Reason.NO_BARS),
}


@pytest.mark.parametrize(("spoil", "reason"), REFUSED.values(), ids=REFUSED)
def test_bars_that_the_daily_run_withholds_are_refused_for_its_reason(
    spoil: object, reason: Reason
) -> None:
    with pytest.raises(InvalidBars) as refused:
        frames.forecast(spoil(frame_of(simulated()["ABC"])), "ABC")  # type: ignore[operator]
    assert refused.value.reason is reason
    assert "\n" not in str(refused.value)


def test_bars_of_a_day_off_are_of_no_session() -> None:
    frame = frame_of(simulated()["ABC"])
    with pytest.raises(ConfigError, match="expected a session of XNYS, got 2026-11-21"):
        frames.forecast(frame.set_axis(frame.index + pd.Timedelta(days=1)))


def test_bars_of_no_name_have_none() -> None:
    assert set(frames.forecast(frame_of(simulated()["ABC"])).ticker) == {"unnamed"}
    with pytest.raises(RequestError, match="expected a pandas DataFrame of bars"):
        frames.forecast([1.0, 2.0])  # type: ignore[arg-type]


def test_a_fan_is_drawn_where_it_is_told(store: Path) -> None:
    own = frames.plot_fan(store, "abc")
    assert "ABC" in own.get_title(loc="left") + own.get_title()
    assert "2026-11-20" in own.get_title(loc="left") + own.get_title()
    there = Figure().add_subplot()
    assert frames.plot_fan(str(store), "ABC", ax=there) is there
    assert there.collections or there.lines
    plt.close("all")


def test_a_fan_of_nobody_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="XYZ: expected a ticker of 2026-11-20, which are ABC"):
        frames.plot_fan(store, "XYZ")
    with pytest.raises(StoreError, match="expected published forecasts in"):
        frames.plot_fan(tmp_path, "ABC")


def test_without_matplotlib_a_fan_says_what_is_missing(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "pipeline.adapters.fan_figure", raising=False)
    with pytest.raises(ConfigError, match="expected matplotlib, which draws pictures, got"):
        frames.plot_fan(store, "ABC")
