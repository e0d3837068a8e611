"""Builders of valid records, so that a test states only what it is about."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from statistics import NormalDist
from typing import Any

import numpy as np

from pipeline.backtest.evaluate import score_quantiles
from pipeline.bars import Bars, RawBars
from pipeline.columns import Columns, concatenate
from pipeline.forecasting.features import compute_features
from pipeline.forecasting.levels import LEVELS
from pipeline.forecasting.panel import Panel


def weekdays(n: int, last: str = "2024-12-27") -> np.ndarray:
    """Return n weekdays ending at `last`, datetime64[D]."""
    return np.busday_offset(last, np.arange(-n + 1, 1), roll="backward")


def raw_bars(ticker: str = "SPY", n: int = 200, *, seed: int = 7, **columns: Any) -> RawBars:
    """Return n bars of a plausible random walk; any column can be replaced."""
    random = np.random.default_rng([seed, *ticker.encode()])
    close = 400 * np.exp(np.cumsum(random.normal(0, 0.01, n)))
    open_ = close * np.exp(random.normal(0, 0.003, n))
    made = {
        "session": weekdays(n),
        "open": open_,
        "high": np.maximum(open_, close) * np.exp(np.abs(random.normal(0, 0.003, n))),
        "low": np.minimum(open_, close) * np.exp(-np.abs(random.normal(0, 0.003, n))),
        "close": close,
        "volume": random.integers(1e6, 1e8, n).astype(float),
        "dividend": np.zeros(n),
        "split": np.zeros(n),
    }
    return RawBars(ticker=ticker, **(made | columns))


def bars(ticker: str = "SPY", n: int = 200, *, seed: int = 7, **columns: Any) -> Bars:
    """Return validated bars of a plausible random walk."""
    return Bars.validate(raw_bars(ticker, n, seed=seed, **columns))


def well_formed_bars(ticker: str = "SPY", n: int = 200, *, seed: int = 7, **columns: Any) -> Bars:
    """Return bars that keep every rule of form, whether a market can have made them or not."""
    raw = raw_bars(ticker, n, seed=seed, **columns)
    return Bars(**{field.name: getattr(raw, field.name) for field in fields(raw)})


def bar_rows(raw: RawBars) -> list[list[Any]]:
    """Return bars as a request has them: session, open, high, low, close, volume."""
    columns = (raw.open, raw.high, raw.low, raw.close, raw.volume)
    numbers = zip(*(column.tolist() for column in columns), strict=True)
    return [[str(day), *row] for day, row in zip(raw.session, numbers, strict=True)]


def window_rows(one: Bars) -> list[list[float]]:
    """Return the latest window of bars as a request has it, 60 x 12."""
    rows: list[list[float]] = compute_features(Panel.of([one], 126))[0].tolist()
    return rows


def url_event(
    method: str, path: str, body: Any = None, headers: Mapping[str, str] = {}, **others: Any
) -> dict[str, Any]:
    """Return a Function URL's event (payload 2.0); a body that is no text becomes JSON."""
    text = body if body is None or isinstance(body, str) else json.dumps(body)
    context = {"http": {"method": method, "path": path, "sourceIp": "127.0.0.1"}}
    event = {"version": "2.0", "rawPath": path, "rawQueryString": "", "requestContext": context}
    sent = {**event, "headers": dict(headers), "isBase64Encoded": False, **others}
    return sent if text is None else {**sent, "body": text}


def latest_view(gains: Any = None, **tickers: Any) -> dict[str, Any]:
    """Return latest.json of 2024-12-27: SPY with a forecast around 400, and what else is given."""
    limits = {str(c): [400.0 - c / 10, 400.0 + c / 10] for c in (50, 80, 90, 95, 98)}
    horizons = [
        {
            "horizon": horizon,
            "target_date": target,
            "prediction": 400.0,
            "sigma": 0.01,
            "intervals": limits,
        }
        for horizon, target in enumerate(
            ("2024-12-30", "2024-12-31", "2025-01-02", "2025-01-03", "2025-01-06"), start=1
        )
    ]
    head = {"model_version": "made", "issued_at": "2024-12-27T23:30:00Z"}
    spy = {"status": "ok", **head, "last_close": 399.5, "horizons": horizons}
    spy |= {} if gains is None else {"gains": gains}
    withheld = {"status": "withheld:stale", **head}
    known = {"IWM": withheld, "SPY": spy, **tickers}
    return {"schema_version": 1, "session": "2024-12-27", "source": "made", "tickers": known}


def scores_table(
    scales: Mapping[str, float], tickers: Sequence[str] = ("SPY", "QQQ"), n: int = 600
) -> Columns:
    """Return scores of models that forecast a normal return of `scale` percent a session.

    The bars of `bars` have a deviation of 1 %, so that a scale of 1.0 is the truth.
    """
    z = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
    of_horizon = 0.01 * np.sqrt(np.arange(1, 6))[:, None] * z
    parts = [
        score_quantiles(
            one, one.session, np.tile(scale * of_horizon, (len(one), 1, 1)), model, "made"
        )
        for one in (bars(ticker, n) for ticker in tickers)
        for model, scale in scales.items()
    ]
    return concatenate(parts)
