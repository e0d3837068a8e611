"""Reasons in words: what each code after `withheld:` means to people."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import Reason

MEANINGS: Mapping[str, str] = {
    Reason.SOURCE_UNAVAILABLE: "the source gave no bars; run again later",
    Reason.UNKNOWN_TICKER: "the source does not know the ticker",
    Reason.UNREADABLE: "what the source gave cannot be read",
    Reason.NO_BARS: "the source has no bars of these sessions",
    Reason.STALE: "the newest bar is older than the session",
    Reason.MISSING_SESSION: "a bar is missing although the exchange was open",
    Reason.UNEXPECTED_SESSION: "a bar came of a day on which the exchange was closed",
    Reason.UNORDERED_SESSIONS: "the bars are not in the order of their sessions",
    Reason.DUPLICATE_SESSION: "a session came twice",
    Reason.LAST_BAR_NAN: "the newest bar has a hole",
    Reason.BAR_NAN: "a bar has a hole",
    Reason.NON_POSITIVE_PRICE: "a price is zero or negative",
    Reason.INCONSISTENT_OHLC: "a price lies outside its bar's low to high",
    Reason.PRICE_JUMP: "the close jumps like a split that was not adjusted",
    Reason.FROZEN: "prices stand still, or nothing was traded, for five sessions",
    Reason.WRONG_INSTRUMENT: "the source sent bars of something else",
    Reason.UNEXPLAINED_REVISION: (
        "closes of earlier sessions came back changed, with no split: is it the source, or the "
        "folder, of the last run?"
    ),
    Reason.IMPLAUSIBLE_CLOSE: (
        "a close is beyond 10 sigmas of the forecast; it counts if a run an hour later sees it too"
    ),
    Reason.SOURCES_DISAGREE: (
        "the second source has another last close, by more than .2 %; run again once they "
        "agree, or without --check-bars if the second is wrong"
    ),
    Reason.NOT_ENOUGH_HISTORY: "too few bars for one window",
    Reason.NON_FINITE_OUTPUT: "the model answered no finite number",
    Reason.IMPLAUSIBLE_OUTPUT: "what the model answered cannot be: see the glossary",
}


def describe_reason(code: str) -> str:
    """Return what a reason means, or the code itself where another version wrote it."""
    return MEANINGS.get(code, code.replace("_", " "))
