"""Facts: all that the page says in words, made of the views and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from msgspec import Struct

from pipeline.forecasting.bundle import trained_until
from pipeline.grid import format_interval, name_price
from pipeline.record.manifest import Mode, reason_of
from pipeline.views.documents import TickerForecast
from pipeline.views.page import words
from pipeline.views.page.fared import Fared, describe_record
from pipeline.views.page.sources import PageSources
from pipeline.views.reasons import describe_reason
from pipeline.views.width_words import describe_width_change


class NextInterval(Struct, frozen=True):
    """The 95 % interval of the next session; how it changed, and `why`, may be unknown."""

    target_date: date
    interval: str
    width: str
    change: str | None = None
    why: str | None = None


class Tile(Struct, frozen=True):
    """One ticker: what came of the newest forecast, and what comes, or why nothing does."""

    ticker: str
    last_close: str | None
    verdict: words.Verdict
    verdict_text: str
    following: NextInterval | None
    withheld: str | None


class PageFacts(Struct, frozen=True):
    """What the page says; `left_out` tickers are in the record alone."""

    session: date
    weekday: str
    issued: str
    source: str
    banners: Sequence[str]
    next_sessions: Sequence[date]
    tiles: Sequence[Tile]
    are_few: bool
    left_out: int
    sessions_shown: int
    lag: str
    fared: Fared | None
    provenance: Sequence[tuple[str, str]]


def list_facts(sources: PageSources) -> PageFacts:
    """Return what the page says."""
    latest = sources.latest
    return PageFacts(
        session=latest.session,
        weekday=f"{latest.session:%A}",
        issued=words.format_moment(max(t.issued_at for t in latest.tickers.values())),
        source=latest.source,
        banners=tuple(_list_banners(sources)),
        next_sessions=latest.next_sessions,
        tiles=[_build_tile(sources, ticker) for ticker in sources.tickers],
        are_few=sources.are_few,
        left_out=len(latest.tickers) - len(sources.tickers),
        sessions_shown=sources.sessions_shown,
        lag=_describe_lag(sources),
        fared=describe_record(sources.record, by_ticker=sources.are_few),
        provenance=tuple(_list_provenance(sources)),
    )


def _list_banners(sources: PageSources) -> Iterator[str]:
    """Yield what a reader must know before believing any of it."""
    latest = sources.latest
    if "simulated" in latest.source:
        yield f"Simulated, not real: {latest.source}"
    for mode in dict.fromkeys(run.mode for run in sources.runs if run.mode is not Mode.LIVE):
        yield f"These forecasts are {words.MODES[mode]}."
    trained = max((trained_until(t.model_version) for t in latest.tickers.values()), default="")
    if trained > str(latest.session):
        yield (
            f"In sample: the model has learnt from data up to {trained}, after this origin. The "
            "forecasts show the mechanics and prove nothing."
        )
    for note in latest.notes:
        yield f"Note: {note.text}"
    withheld = [ticker for ticker, each in latest.tickers.items() if reason_of(each.status)]
    if withheld:
        more = f" and {len(withheld) - 10} more" if len(withheld) > 10 else ""
        yield f"Withheld: {', '.join(withheld[:10])}{more}. The reason is said with each."


def _build_tile(sources: PageSources, ticker: str) -> Tile:
    forecast, past = sources.tickers[ticker], sources.past_of(ticker)
    newest, reason = past[-1] if past else None, reason_of(forecast.status)
    close = forecast.last_close
    return Tile(
        ticker=ticker,
        last_close=None if close is None else name_price(close, forecast.currency),
        verdict=words.judge(newest) if newest else words.Verdict.NONE,
        verdict_text=words.describe_verdict(newest, sources.latest.session, forecast.currency),
        following=_describe_next(sources, ticker, forecast),
        withheld=None if reason is None else describe_reason(reason),
    )


def _describe_next(
    sources: PageSources, ticker: str, forecast: TickerForecast
) -> NextInterval | None:
    if forecast.last_close is None or not forecast.horizons:
        return None
    first = forecast.horizons[0]
    limits = first.intervals["95"]
    change, why = _describe_change(sources, ticker, forecast)
    return NextInterval(
        target_date=first.target_date or sources.latest.session,
        interval=format_interval(*limits, forecast.currency),
        width=words.describe_width(*limits, forecast.last_close),
        change=change,
        why=why,
    )


def _describe_change(
    sources: PageSources, ticker: str, forecast: TickerForecast
) -> tuple[str | None, str | None]:
    """Return how much wider the next interval is, and why where the record tells."""
    if forecast.width_change is not None:
        return describe_width_change(forecast.width_change)
    past = sources.past_of(ticker)
    before = past[-1] if past and past[-1].target_date == sources.latest.session else None
    return words.describe_change(forecast.horizons[0].intervals["95"], before), None


def _describe_lag(sources: PageSources) -> str:
    tickers = sources.latest.tickers.values()
    fresh = sum(each.last_close is not None for each in tickers)
    return f"{fresh} of {len(tickers)} tickers have the close of {sources.latest.session}"


def _list_provenance(sources: PageSources) -> Iterator[tuple[str, str]]:
    record = sources.record
    yield (
        "Model",
        ", ".join(dict.fromkeys(version for run in sources.runs for version in run.model_versions))
        or record.model_version,
    )
    yield "Bars", sources.latest.source
    for run in sources.runs:
        yield "Vintage", f"{run.table('bars')}, sha256 {run.objects[run.table('bars')]}"
    yield "Newest manifest", f"{record.manifest.key}, sha256 {record.manifest.sha256}"
