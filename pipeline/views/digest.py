"""Digest: a session in a few lines of plain text, for a mail."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from pipeline.columns import where
from pipeline.grid import format_interval, name_price
from pipeline.views.realised import RealisedClose
from pipeline.views.session import SessionForecasts

MOST = 50  # tickers named one by one: mail and event are bounded


def write_digest(session: SessionForecasts, realised: Sequence[RealisedClose]) -> str:
    """Return what came of the forecasts before, the next intervals, and what is withheld."""
    mode = session.runs[-1].mode.value if session.runs else "live"
    lines = [f"Forecasts from the close of {session.session} ({session.source}, {mode})", ""]
    if realised:
        lines += [*_cut([close.describe() for close in realised]), ""]
    lines += _describe_next(session)
    if session.withheld:
        reasons = (f"{ticker} ({reason})" for ticker, reason in session.withheld.items())
        lines += ["", "Withheld: " + ", ".join(islice(reasons, MOST))]
    lines += ["", *(f"Record: {manifest}" for _, manifest in session.urls[-1:])]
    return "\n".join(lines)


def _describe_next(session: SessionForecasts) -> list[str]:
    if not session.forecasts:
        return []
    rows = where(session.forecasts, session.forecasts["horizon"] == 1)
    currencies = session.currencies
    names = ("ticker", "target_date", "lower_95", "upper_95", "last_close")
    return _cut(
        [
            f"{ticker}: 95 % interval of the close of {target} "
            f"{format_interval(lower, upper, currencies.get(ticker))}, "
            f"last close {name_price(last, currencies.get(ticker))}"
            for ticker, target, lower, upper, last in zip(
                *(rows[name].tolist() for name in names), strict=True
            )
        ]
    )


def _cut(lines: list[str]) -> list[str]:
    more = len(lines) - MOST
    return lines if more <= 0 else [*lines[:MOST], f"and {more} more"]
