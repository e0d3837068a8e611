"""What the commands on the record print for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import UNSET

from pipeline.baselines.names import ISSUED, LABELS
from pipeline.cli.console import new_table, print_line, print_source, print_whole
from pipeline.cli.footnote import Footnote
from pipeline.cli.plain import count, name_few
from pipeline.cli.scenario_text import print_scenarios
from pipeline.jobs.replay import Replayed
from pipeline.jobs.status import Status
from pipeline.record.compare import Comparison
from pipeline.record.manifest import Mode
from pipeline.views.age import describe_age
from pipeline.views.figures import CoverageShare, Figures, ModeFigures, SkillScore, TrackRecord

POOLED = "all"
REPLAYED = {
    Comparison.EQUAL: ("equal", "green"),
    Comparison.ON_GRID: ("on grid", "green"),
    Comparison.CHANGED: ("DIFFERS", "red"),
}
IN_SAMPLE = (
    "In sample: of {learnt} of these {sessions} the model had learnt what came. The figures prove "
    "nothing. For honest ones: forecaster train --until DATE --out DIR, then forecaster backfill "
    "--bundle DIR from the session after."
)
LEARNT = (
    "Note: the model was trained on data up to {}: sessions before are in sample and prove "
    "nothing. For honest ones: forecaster train --until DATE --out DIR, then --bundle DIR."
)
SHOWN = 20  # sessions named one by one
MOST_TICKERS = 400  # each with a row in every table; of more, all together


def describe_signatures(public_key: str | None) -> str:
    """Return whether a store is signed, in a sentence."""
    if public_key is None:
        return "Unsigned: who can write the store can rewrite it."
    return f"Signed by the holder of {public_key}"


def print_replayed(objects: Sequence[Replayed]) -> None:
    """Print which objects of a session are equal to those in the store."""
    for replayed in objects:
        word, colour = REPLAYED[replayed.comparison]
        difference = f": {replayed.difference}" if replayed.difference else ""
        print_line(f"{word:8} {replayed.key}{difference}", colour)


def print_status(status: Status) -> None:
    """Print the newest session, coverage, skill and evidence, and what was withheld."""
    record, footnote = status.record, Footnote.of(status.notes)
    print_source(record.source)
    print_line(
        f"Newest session {status.session}, {status.lag_sessions} behind; "
        f"model {record.model_version}"
    )
    for version, tickers in _list_others(record).items():
        print_line(f"{name_few(tickers)} by model {version}")
    if status.stale:
        print_line(describe_age(status.lag_sessions, 0), "yellow")
    for note in status.notes:
        print_line(f"Note: {note.text}", "yellow")
    print_line(describe_signatures(status.public_key))
    if status.missing:
        missing = name_few([str(session) for session in status.missing], SHOWN)
        print_line(f"Missing, for no run issued them in time: {missing}", "yellow")
    if record.shown_mode is None:
        print_line("No forecast has been realised yet.")
    else:
        _print_mode(record.shown_mode, record.modes[record.shown_mode], footnote)
        print_scenarios(record)
    _print_tickers(status, footnote)
    footnote.print_below()


def _list_others(record: TrackRecord) -> dict[str, list[str]]:
    """Return version -> tickers of those that another model serves than the one on duty."""
    others = {} if record.others is UNSET else record.others
    versions = dict.fromkeys(others.values())
    return {of: [t for t, version in others.items() if version == of] for of in versions}


def _print_mode(mode: Mode, figures: ModeFigures, footnote: Footnote) -> None:
    sessions = count(figures.sessions, "session")
    span = f"{sessions} from {figures.first_session} to {figures.last_session}"
    if mode is Mode.LIVE:
        print_line(f"Live: {span}")
    else:
        print_line(
            f"Not live but made afterwards ({mode}): {span}; shows the mechanics, proves little",
            "yellow",
        )
    _print_coverage(figures, footnote)
    _print_skill(figures, footnote)
    if figures.in_sample_sessions:
        print_line(_describe_in_sample(figures), "yellow")
        return
    for baseline, e_value in figures.e_values.items():
        print_line(
            f"E-value against 'no better than {LABELS[baseline]}': {e_value:.3g} "
            "(20 is evidence at 5 %, whenever one looks)"
        )


def _describe_in_sample(figures: ModeFigures) -> str:
    sessions = count(figures.sessions, "session")
    return IN_SAMPLE.format(learnt=f"{figures.in_sample_sessions:,}", sessions=sessions)


def _list_figures(figures: ModeFigures) -> list[tuple[str, Figures]]:
    """Return the figures of each ticker and of all; of very many tickers those of all alone."""
    tickers = figures.tickers if len(figures.tickers) <= MOST_TICKERS else {}
    return [*tickers.items(), (POOLED, figures.pooled)]


def _print_coverage(figures: ModeFigures, footnote: Footnote) -> None:
    spans = ("60", "250")
    columns = tuple(f"Last {span}" for span in spans)
    numbers = ("Sessions", "Covered", *columns)
    table = new_table("95 % interval", numbers=numbers, spare=("Sessions", "Last 60", "Covered"))
    for ticker, of_ticker in _list_figures(figures):
        shares = of_ticker.coverage["95"]
        recent = (_format_share(shares[span]) for span in spans)
        counts = (str(of_ticker.scored), f"{shares['all'].coverage:.1%}")
        table.add_row(footnote.mark(ticker), *counts, *recent)
    print_whole(table)
    print_line("In brackets: where chance keeps an honest interval 19 times in 20.")


def _format_share(share: CoverageShare) -> str:
    return f"{share.coverage:.1%} [{share.lower:.1%} {share.upper:.1%}]"


def _print_skill(figures: ModeFigures, footnote: Footnote) -> None:
    names = ("All", "Last 60", "Last 250", "t", "Days to prove")
    spare = ("Days to prove", "t", "Last 60", "All")
    table = new_table("CRPS skill against", "", numbers=names, spare=spare)
    for baseline in ISSUED:
        table.add_section()
        for ticker, of_ticker in _list_figures(figures):
            if spans := of_ticker.skill[baseline]:
                table.add_row(LABELS[baseline], footnote.mark(ticker), *_skill_cells(spans))
    print_whole(table)
    print_line(
        "Skill is 1 - CRPS / the baseline's, above 0 better, ± its standard error; t is "
        "Diebold-Mariano's, below 0 better, and -2 is rare by chance for one look at one row: the "
        "e-value below holds for all looks; days to prove: live sessions that prove as large a "
        "skill at 5 %."
    )


def _skill_cells(spans: Mapping[str, SkillScore]) -> tuple[str, ...]:
    last = spans["250"]
    return (
        f"{spans['all'].skill:+.1%}",
        _format_recent_skill(spans["60"]),
        _format_recent_skill(last),
        "" if last.t is UNSET else f"{last.t:.1f}",
        "" if last.days_to_prove in (UNSET, None) else str(last.days_to_prove),
    )


def _format_recent_skill(score: SkillScore) -> str:
    if score.skill is UNSET:
        return ""
    error = score.standard_error
    return f"{score.skill:+.1%}" + (f" ± {error:.1%}" if isinstance(error, float) and error else "")


def _print_tickers(status: Status, footnote: Footnote) -> None:
    names = ("Ticker", "Newest forecast", "Withheld so far", "Bars revised")
    table = new_table(*names, spare=("Bars revised", "Withheld so far"))
    rows = [_describe_ticker(status, ticker) for ticker in sorted(status.tickers)]
    if len(rows) > MOST_TICKERS:
        amiss = [row for row in rows if row[1:] != ("ok", "never", "never")]
        rows = amiss[:SHOWN]
        print_line(
            f"Of {count(len(status.tickers), 'ticker')}, {len(amiss):,} were withheld or revised; "
            f"the first {len(rows)} are below, --json has all, and forecaster status TICKER one"
        )
    for ticker, *cells in rows:
        table.add_row(footnote.mark(ticker), *cells)
    print_whole(table)


def _describe_ticker(status: Status, ticker: str) -> tuple[str, ...]:
    counts = (status.record.withheld, status.record.revised)
    return (ticker, status.tickers[ticker], *(_format_counts(c.get(ticker, {})) for c in counts))


def _format_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items())) or "never"
