"""Fared: what the page says of how forecasts have fared, of one mode alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import UNSET, Struct

from pipeline.baselines.names import EWMA, GARCH_T, LABELS, PERSISTENCE
from pipeline.views.figures import CoverageShare, Figures, ModeFigures, SkillScore, TrackRecord
from pipeline.views.page import words

BASELINES = (GARCH_T, EWMA, PERSISTENCE)
SPANS = {"60": "last 60", "250": "last 250", "all": "all"}


class Table(Struct, frozen=True):
    """A table with its heads; the first cell of a row names it."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


class Share(Struct, frozen=True):
    """How often the 95 % interval held over a span, and what chance would do."""

    span: str
    covered: str
    chance: str
    is_within: bool


class Fared(Struct, frozen=True):
    """How forecasts of one mode have fared, one session ahead."""

    says: str
    in_sample: str | None
    shares: Sequence[Share]
    coverage: Table
    skill: Table
    evidence: str | None
    others: str | None


def describe_record(record: TrackRecord, *, by_ticker: bool) -> Fared | None:
    """Return how forecasts of the mode that counts have fared, None before there are any."""
    mode = record.shown_mode
    if mode is None:
        return None
    figures = record.modes[mode]
    shown = figures.tickers if by_ticker else {}
    rows = [*shown.items(), ("all", figures.pooled)]
    others = [other for other in record.modes if other is not mode]
    learnt = figures.in_sample_sessions
    return Fared(
        says=f"{figures.sessions} sessions from {figures.first_session} to "
        f"{figures.last_session}, {words.MODES[mode]}.",
        in_sample=f"In sample: of {learnt} of these sessions the model had learnt what came. The "
        "figures prove nothing."
        if learnt
        else None,
        shares=tuple(_list_shares(figures.pooled)),
        coverage=_tabulate_coverage(rows),
        skill=_tabulate_skill(rows),
        evidence=None if learnt else _describe_evidence(figures),
        others=f"Forecasts of other modes ({', '.join(others)}) are not counted here."
        if others
        else None,
    )


def _list_shares(pooled: Figures) -> Iterator[Share]:
    for span, name in SPANS.items():
        share = pooled.coverage["95"][span]
        if span == "all" or share.sessions == int(span):
            held = share.lower <= share.coverage <= share.upper
            covered = words.format_share(share.coverage)
            sessions = f"all {share.sessions}" if span == "all" else name
            yield Share(f"{sessions} sessions", covered, _describe_chance(share), held)


def _describe_chance(share: CoverageShare) -> str:
    return f"{words.format_share(share.lower)} to {words.format_share(share.upper)}"


def _tabulate_coverage(rows: Sequence[tuple[str, Figures]]) -> Table:
    heads = ["95 % interval", "Sessions"]
    heads += [head for name in SPANS.values() for head in (name.capitalize(), "by chance")]
    cells = []
    for ticker, figures in rows:
        spans = [figures.coverage["95"][span] for span in SPANS]
        shares = [
            cell for s in spans for cell in (words.format_share(s.coverage), _describe_chance(s))
        ]
        cells.append([ticker, str(figures.coverage["95"]["all"].sessions), *shares])
    return Table(heads, cells)


def _tabulate_skill(rows: Sequence[tuple[str, Figures]]) -> Table:
    heads = ["CRPS skill against", *(LABELS[baseline] for baseline in BASELINES)]
    cells = [
        [ticker, *(_describe_skill(figures.skill[baseline]) for baseline in BASELINES)]
        for ticker, figures in rows
    ]
    recent = [
        [
            f"{rows[-1][0]}, {SPANS[span]}",
            *(_describe_recent(rows[-1][1], b, span) for b in BASELINES),
        ]
        for span in ("250", "60")
    ]
    return Table(heads, [*cells, *recent])


def _describe_skill(spans: Mapping[str, SkillScore]) -> str:
    return _format_signed(spans["all"].skill) if spans else "none"


def _describe_recent(figures: Figures, baseline: str, span: str) -> str:
    score = figures.skill[baseline].get(span, SkillScore())
    if score.skill is UNSET:
        return "none"
    error = score.standard_error
    around = "" if error is UNSET or error is None else f" ± {words.format_share(error)}"
    return f"{_format_signed(score.skill)}{around}"


def _format_signed(skill: float | object) -> str:
    return f"{skill:+.1%}".replace("%", " %").replace("-", "\N{MINUS SIGN}")


def _describe_evidence(figures: ModeFigures) -> str:
    values = ", ".join(f"{LABELS[name]} {value:.3g}" for name, value in figures.e_values.items())
    return (
        f"E-values against “no better than”: {values}; 20 is evidence at 5 %, whenever one looks. "
        "No skill in direction is claimed."
    )
