"""Frames: the record, and forecasts of a person's own bars, as pandas has them in a notebook.

Days (`origin_date`, `target_date`) are datetime64[us], so that `frame.origin_date == "2024-12-27"`
and `>=` mean what they say, in pandas 2 as in pandas 3; `issued_at` is datetime64[us, UTC]. Numbers
are float64, `horizon` is int32, `covered_50` and its like and `in_sample` are bool. Text is what
pandas makes of it: object in pandas 2, str in pandas 3.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.pandas_frames import read_bars, read_vix, to_frame
from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.errors import ConfigError, StoreError
from pipeline.forecasting.models import load_models
from pipeline.jobs.forecast_own import forecast_own
from pipeline.ports import ObjectStore
from pipeline.record.chain import find_head
from pipeline.record.manifest import Mode
from pipeline.views.fan import read_fans
from pipeline.views.rows import Selection, read_rows
from pipeline.views.selection import Day, select
from pipeline.wiring import DEFAULT_BUNDLE, open_store

if TYPE_CHECKING:
    import pandas as pd

LIVE = (Mode.LIVE.value,)
UNNAMED = "unnamed"


def read_forecasts(
    store: str | Path,
    *,
    first: Day = None,
    last: Day = None,
    tickers: str | Collection[str] | None = None,
    horizons: int | Collection[int] | None = None,
    modes: str | Collection[str] = LIVE,
) -> pd.DataFrame:
    """Return what was forecast, a row per ticker, origin and horizon, oldest first.

    A withheld ticker's rows have NaN in all numbers and the reason in `status`.

    Parameters
    ----------
    store : a folder, or s3://bucket/prefix
    first, last : origins, both included, as dates or like "2024-12-27"; None for no end
    tickers, horizons : None for all
    modes : how they were issued: live, as_of, backfill

    Returns
    -------
    ticker text, origin_date and target_date datetime64[us], horizon int32, last_close, prediction,
    lower_50, upper_50 ... upper_98, sigma, es_975 float64, status, mode, model_version,
    vintage_sha256 text, issued_at datetime64[us, UTC]

    Raises
    ------
    RequestError
        When a day, ticker, horizon or mode is none.
    ConfigError
        When `store` names none.
    StoreError
        When nothing is published there, or what is there is not as its manifests say.
    """
    return _read(store, "forecasts", select(first, last, tickers, horizons, modes))


def read_baselines(
    store: str | Path,
    *,
    first: Day = None,
    last: Day = None,
    tickers: str | Collection[str] | None = None,
    horizons: int | Collection[int] | None = None,
    modes: str | Collection[str] = LIVE,
) -> pd.DataFrame:
    """Return what the baselines forecast: the columns of `read_forecasts`, and `model`, text."""
    return _read(store, "baselines", select(first, last, tickers, horizons, modes))


def read_scores(
    store: str | Path,
    *,
    first: Day = None,
    last: Day = None,
    tickers: str | Collection[str] | None = None,
    horizons: int | Collection[int] | None = None,
    modes: str | Collection[str] = LIVE,
    in_sample: bool = False,
) -> pd.DataFrame:
    """Return what came of forecasts and baselines, a row each; of a corrected score the newest.

    Parameters
    ----------
    first, last : targets, both included
    in_sample : whether rows whose target the model had learnt are wanted too; they prove nothing

    Returns
    -------
    ticker text, origin_date and target_date datetime64[us], horizon int32, model and mode text,
    in_sample bool, realised_close, realised_return, error, pit, crps, interval_score_80,
    interval_score_95 float64, covered_50 ... covered_98 bool, lower_95, upper_95 float64,
    model_version text; the rest is as for `read_forecasts`
    """
    wanted = select(first, last, tickers, horizons, modes)
    return _read(store, "scores", replace(wanted, in_sample=in_sample))


def forecast(
    frame: pd.DataFrame,
    ticker: str | None = None,
    vix: pd.DataFrame | pd.Series | None = None,
    bundle: str | Path = DEFAULT_BUNDLE,
    calendar: str = "XNYS",
) -> pd.DataFrame:
    """Return the forecast from a frame's last bar, a row per horizon.

    It is what `forecaster run` makes of the same bars while no gains are learnt: a store that has
    forecast a ticker for a while corrects its intervals by what came. What is wrong with the bars
    and yet withholds nothing is a UserWarning.

    Parameters
    ----------
    frame : 126 daily bars or more, dates as its index or a column `Date`; `Open`, `High`, `Low`,
        `Close` adjusted for splits alone (in yfinance: auto_adjust=False) and, where there,
        `Volume`, `Dividends`, `Stock Splits`: as yfinance's history() and download() give them
    ticker : whose bars they are; of several tickers side by side, which
    vix : closes of the Cboe VIX, as a frame of bars or a Series by date; without it forecasts are
        a little less sharp
    bundle : folder of the model
    calendar : the exchange's code, for the target dates

    Returns
    -------
    the columns of `read_forecasts` but status, mode, vintage_sha256 and issued_at

    Raises
    ------
    RequestError
        When `frame` is none, or has not the ticker's bars.
    DataError
        When no forecast can be made of the bars; `reason` says why in a word.
    ConfigError
        When the last bar is not of a session of the exchange.
    """
    raw = read_bars(frame, ticker, UNNAMED)
    index = None if vix is None else read_vix(vix)
    models = load_models(Path(bundle), [raw.ticker] if ticker else [])
    columns, notes = forecast_own(raw, index, models, ExchangeCalendar(calendar))
    for note in notes:
        warnings.warn(note.text, stacklevel=2)
    return to_frame(columns)


def plot_fan(store: str | Path, ticker: str, ax: Any = None) -> Any:
    """Draw a ticker's last 60 sessions, the interval issued for each, and the newest fan.

    Parameters
    ----------
    ax : matplotlib's axes, which are returned; None for those of a new figure, as a notebook shows

    Raises as `read_forecasts` does; RequestError too where there is no forecast of the ticker, and
    ConfigError where there is no matplotlib.
    """
    opened, session = _open(store)
    name = ticker.strip().upper()
    (fan,) = read_fans(opened, ParquetTables(), session, [name])
    try:
        from pipeline.adapters.fan_figure import draw_fan  # noqa: PLC0415
        from pipeline.adapters.notebook_axes import new_axes  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        raise ConfigError(f"expected matplotlib, which draws pictures, got: {exc}") from exc
    axes = new_axes() if ax is None else ax
    return draw_fan(fan.past, fan.ahead, axes, title=f"{name}, from the close of {session}")


def _open(location: str | Path) -> tuple[ObjectStore, date]:
    """Return a store and its newest session."""
    store = open_store(str(location))
    head = find_head(store)
    if head is None:
        raise StoreError(f"expected published forecasts in {location}, found none")
    return store, head.manifest.session


def _read(location: str | Path, name: str, wanted: Selection) -> pd.DataFrame:
    store, _ = _open(location)
    return to_frame(read_rows(store, ParquetTables(), name, wanted))
