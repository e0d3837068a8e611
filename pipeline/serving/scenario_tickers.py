"""Scenario tickers: which of a session's tickers can be asked about, and why others cannot."""

from __future__ import annotations

from pipeline.errors import NotFound, NotPublished
from pipeline.views.scenario_view import ScenarioView


def find_place(view: ScenarioView, ticker: str) -> int:
    """Return which ticker of the cube it is.

    Raises
    ------
    NotFound
        When the session has no such ticker.
    NotPublished
        When it has no scenarios, with the reason.
    """
    if ticker in view.cube.tickers:
        return view.cube.tickers.index(ticker)
    if ticker in view.absent:
        raise refuse_withheld(view, ticker, view.absent[ticker])
    known = sorted({*view.cube.tickers, *view.absent})
    more = f" and {len(known) - 10} more" if len(known) > 10 else ""
    raise NotFound(f"ticker: expected one of {', '.join(known[:10])}{more}, got {ticker}")


def refuse_withheld(view: ScenarioView, ticker: str, status: str) -> NotPublished:
    """Return the refusal of a ticker that has no scenarios, or no forecast."""
    others = ", ".join(view.cube.tickers[:10]) or "no ticker"
    expected = f"{ticker}: expected scenarios from {view.cube.origin_date}, got none"
    if status == "ok":
        return NotPublished(
            f"{expected} beside its forecast: of so many tickers at once none are drawn; after a "
            f"backfill the next run draws some, see docs/risk.md; {others} can be asked for"
        )
    return NotPublished(
        f"{expected}, its status is {status}; {others} can be asked for, and a later run may "
        "publish it"
    )
