"""What the commands on the record print for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.cli.console import new_table, print_line, print_source, print_whole
from pipeline.jobs.replay import Replayed
from pipeline.jobs.status import LIVE, Status
from pipeline.jobs.verify import Verified

POOLED = "all"
IN_SAMPLE = (
    "In sample: of {in_sample_sessions} of these {sessions} sessions the model had learnt what "
    "came. The figures prove nothing. For honest ones: forecaster train --until DATE --out DIR, "
    "then forecaster backfill --bundle DIR from the session after."
)
LEARNT = (
    "Note: the model was trained on data up to {}: sessions before are in sample and prove "
    "nothing. For honest ones: forecaster train --until DATE --out DIR, then --bundle DIR."
)
SHOWN = 20  # objects named one by one
BASELINE = "garch_t"
E_WORDS = {"persistence": "persistence", "ewma": "EWMA", "garch_t": "GARCH(1,1)-t"}


def print_verified(verified: Verified) -> None:
    """Print what was checked, and every object that is not as the record says."""
    for finding in verified.findings:
        print_line(f"{finding.problem}  {finding.key}: {finding.message}", "red")
    if verified.left_behind:
        print_line(
            f"{len(verified.left_behind)} objects belong to no manifest: runs that died left them, "
            "nobody claims them"
        )
        for key in verified.left_behind[:SHOWN]:
            print_line(f"  {key}")
    print_line(f"{verified.manifests} manifests and {verified.objects} objects checked.")
    if verified.head is not None and not verified.findings:
        print_line(f"The chain is whole up to {verified.head.manifest.key}")
        print_line(f"sha256 {verified.head.digest}")


def print_replayed(made: Sequence[Replayed]) -> None:
    """Print which objects of a session came out equal."""
    for one in made:
        said = ("equal", "green") if one.equal else ("DIFFERS", "red")
        print_line(f"{said[0]:8} {one.key}", said[1])


def print_status(status: Status) -> None:
    """Print the newest session, coverage, skill and evidence, and what was withheld."""
    record = status.record
    print_source(record["source"])
    print_line(
        f"Newest session {status.session}, {status.lag_sessions} behind; "
        f"model {record['model_version']}"
    )
    if status.missing:
        some = ", ".join(map(str, status.missing[:SHOWN]))
        more = ", ..." if len(status.missing) > SHOWN else ""
        print_line(f"Missing, for no run issued them in time: {some}{more}", "yellow")
    if not record["modes"]:
        print_line("No forecast has been realised yet.")
    else:
        _print_mode(status.mode, record["modes"][status.mode])
    _print_tickers(status)


def _print_mode(mode: str, figures: Mapping[str, Any]) -> None:
    days = f"{figures['sessions']} sessions"
    if mode == LIVE:
        print_line(f"Live: {days} from {figures['first_session']} to {figures['last_session']}")
    else:
        print_line(
            f"Not live but made afterwards ({mode}): {days} from {figures['first_session']} to "
            f"{figures['last_session']}; shows the mechanics, proves little",
            "yellow",
        )
    _print_coverage(figures)
    _print_skill(figures)
    if figures["in_sample_sessions"]:
        print_line(IN_SAMPLE.format(**figures), "yellow")
        return
    for name, value in figures["e_values"].items():
        print_line(
            f"E-value against 'no better than {E_WORDS[name]}': {value:.3g} "
            "(20 is evidence at 5 %, whenever one looks)"
        )


def _list_figures(figures: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [*figures["tickers"].items(), (POOLED, figures["pooled"])]


def _print_coverage(figures: Mapping[str, Any]) -> None:
    windows = ("60", "250")
    columns = tuple(f"Last {window}" for window in windows)
    table = new_table("95 % interval", numbers=("Sessions", "Covered", *columns))
    for ticker, of_ticker in _list_figures(figures):
        cover = of_ticker["coverage"]["95"]
        recent = (_format_share(cover[window]) for window in windows)
        table.add_row(ticker, str(of_ticker["scored"]), f"{cover['all']['coverage']:.1%}", *recent)
    print_whole(table)
    print_line("In brackets: where chance keeps an honest interval 19 times in 20.")


def _format_share(share: Mapping[str, float]) -> str:
    return f"{share['coverage']:.1%} [{share['lower']:.1%} {share['upper']:.1%}]"


def _print_skill(figures: Mapping[str, Any]) -> None:
    names = ("All", "Last 60", "Last 250", "t", "Days to prove")
    table = new_table("CRPS skill against", "", numbers=names)
    for baseline, words in E_WORDS.items():
        table.add_section()
        for ticker, of_ticker in _list_figures(figures):
            skill = of_ticker["skill"][baseline]
            if skill:
                table.add_row(words, ticker, *_skill_cells(skill))
    print_whole(table)
    print_line(
        "Skill is 1 - CRPS / the baseline's, above 0 better; t below -2 is sure; days to prove: "
        "live sessions that prove as large a skill at 5 %."
    )


def _skill_cells(skill: Mapping[str, Any]) -> tuple[str, ...]:
    last = skill["250"]
    t, days = last.get("t"), last.get("days_to_prove")
    return (
        f"{skill['all']['skill']:+.1%}",
        _format_recent_skill(skill["60"]),
        _format_recent_skill(last),
        "" if t is None else f"{t:.1f}",
        "" if days is None else str(days),
    )


def _format_recent_skill(skill: Mapping[str, Any]) -> str:
    if not skill:
        return ""
    error = skill.get("standard_error")
    return f"{skill['skill']:+.1%}" + (f" ± {error:.1%}" if error else "")


def _print_tickers(status: Status) -> None:
    table = new_table("Ticker", "Newest forecast", "Withheld so far", "Bars revised")
    for ticker, said in sorted(status.tickers.items()):
        withheld = _format_counts(status.record["withheld"].get(ticker, {}))
        table.add_row(
            ticker, said, withheld, _format_counts(status.record["revised"].get(ticker, {}))
        )
    print_whole(table)


def _format_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items())) or "never"
