"""A record with all that a reader may trip over, and what the documents say to run on it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import frames
from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.bars import VIX, RawBars
from pipeline.forecasting.model import Model
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.daily_job import DailyJob
from tests.readers.answer import plain
from tests.support.fakes import MemoryObjects, ScriptedSource
from tests.support.records import TABLES, run

ROOT = Path(__file__).resolve().parents[2]
TICKERS = ("SPY", "QQQ", "IWM")
CALENDAR = ExchangeCalendar()
# The model has learnt from all up to 2024: the first targets are in sample. Then, after a pause,
# the end of a month and more.
PAST = CALENDAR.between(date(2024, 12, 19), date(2024, 12, 24))
SESSIONS = [
    *CALENDAR.between(date(2024, 12, 27), date(2024, 12, 31)),
    *CALENDAR.between(date(2025, 1, 24), date(2025, 2, 7)),
]
Answers = Mapping[str, list[list[Any]]]
PRINTED = 7  # sessions before the last: SPY's close is a bad print, mended the day after


def build(
    model: Model, sessions: Sequence[date] = SESSIONS, past: Sequence[date] = PAST
) -> Mapping[str, bytes]:
    """Return the objects of a store: `past` issued afterwards, `sessions` live.

    On the last one IWM is withheld; of the one 7 before, SPY's scores were corrected.
    """
    first = (past or sessions)[0] - timedelta(days=500)
    bars = SimulatedMarket(CALENDAR).read([*TICKERS, VIX], first, sessions[-1]).bars
    store = MemoryObjects()
    job = DailyJob(TICKERS, ScriptedSource.of(*bars.values()), CALENDAR, store, TABLES, model)
    if past:
        backfill(job, past[0], past[-1], _evening(sessions[0]), lambda done, of: None)
    for session in sessions:
        known = dict(bars)
        if session == sessions[-1 - PRINTED]:
            known["SPY"] = _print(bars["SPY"], session)
        if session == sessions[-1]:
            del known["IWM"]
        run(replace(job, source=ScriptedSource.of(*known.values())), _evening(session))
    return store.objects


def lay_out(objects: Mapping[str, bytes], folder: Path) -> None:
    """Write objects as the files of a folder's store."""
    for key, data in objects.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)


def _evening(session: date) -> datetime:
    return datetime.combine(session, time(23, tzinfo=UTC))


def _print(raw: RawBars, session: date) -> RawBars:
    """Return bars whose close of a session is 1 % too high."""
    wrong = np.where(raw.session == np.datetime64(session), 1.01, 1.0)
    return replace(raw, close=raw.close * wrong, high=raw.high * wrong)


def expected(store: Path, last: date = SESSIONS[-1]) -> Answers:
    """Return the answers as computed from the rows that the project itself reads."""
    forecasts = frames.read_forecasts(store, first=last)
    newest = forecasts[forecasts.status == "ok"]
    scores = frames.read_scores(store, horizons=1)
    scores = scores.assign(month=scores.target_date.dt.strftime("%Y-%m"))
    ours, garch = (scores[scores.model == name] for name in ("forecaster", "garch_t"))
    at = {ticker: rows.iloc[0] for ticker, rows in newest[newest.horizon == 1].groupby("ticker")}
    risk = {ticker: row.last_close - row.lower_98 for ticker, row in at.items()}
    fan = ["target_date", "lower_95", "lower_80", "prediction", "upper_80", "upper_95"]
    hit = ["ticker", "realised_close", "lower_95", "upper_95", "covered_95"]
    return {
        "today": [
            [t, row.target_date, row.prediction, row.lower_95, row.upper_95]
            for t, row in at.items()
        ],
        "fan": newest[newest.ticker == "SPY"][fan].to_numpy().tolist(),
        "hits": ours[ours.target_date == str(last)][hit].to_numpy().tolist(),
        "coverage": [
            [month, len(rows), np.mean(rows.covered_80), np.mean(rows.covered_95)]
            for month, rows in ours.groupby("month")
        ],
        "skill": [
            [month, 1 - rows.crps.mean() / garch[garch.month == month].crps.mean()]
            for month, rows in ours.groupby("month")
        ],
        "risk": [[100 * risk["SPY"], 100 * at["SPY"].last_close * at["SPY"].es_975]],
        "positions": [
            [ticker, shares * at[ticker].last_close, shares * risk[ticker]]
            for ticker, shares in (("SPY", 100), ("QQQ", 40))
        ],
    }


def comparable(answers: Answers) -> dict[str, list[Any]]:
    """Return rows in an order of their own, numbers to ten digits."""
    digits = {
        name: [
            [float(f"{v:.10g}") if isinstance(v, float) else plain(v) for v in row] for row in rows
        ]
        for name, rows in answers.items()
    }
    return {name: sorted(rows, key=str) for name, rows in digits.items()}


def blocks(document: str, section: str, language: str) -> list[str]:
    """Return the blocks of a language in a section of a document."""
    text = (ROOT / "docs" / document).read_text("utf-8")
    part = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return read_blocks(part, language)


def read_blocks(text: str, language: str) -> list[str]:
    """Return the blocks of a language in a text."""
    return [
        body
        for name, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        if name == language
    ]
