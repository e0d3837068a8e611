"""Console: what the commands print, for people by rich."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.status import Status

from pipeline.cli.plain import PlainTable, to_text
from pipeline.cli.reasons import Withheld
from pipeline.encoding import escape_json, to_json
from pipeline.jobs.daily_summary import Outcome, Summary
from pipeline.jobs.fetch import Fetched, name_csv
from pipeline.views.session import SessionForecasts

# A pipe or a log has no width; rich would take 80 columns.
WIDTH = 100
UNREAL = "simulated"
SCORES = ("interval_score_80", "interval_score_95")
OUTCOMES = {
    Outcome.PUBLISHED: "Published just now.",
    Outcome.NOTHING_TO_DO: "Published before; there was nothing to do.",
    Outcome.INCOMPLETE: (
        "Published just now: {published}. Withheld: {withheld}, the reasons are on the record."
    ),
    Outcome.CLOSED_UNCONFIRMED: (
        "No ticker has a bar of {session} yet, all end one session before: late data, or a "
        "closure that was not announced. Nothing was published; a later run will look again."
    ),
}


def print_published(shown: SessionForecasts) -> None:
    """Print a session's forecasts, where they come from and where they lie."""
    if not shown.runs:
        return
    print_source(shown.source)
    print_line(f"Forecasts from the close of {shown.session}")
    if rows := shown.rows():
        _print_forecasts(rows)
    else:
        print_lines("", "No forecasts.", "", style="yellow")
    for note in shown.notes:
        print_line(f"Note: {note}", "yellow")
    for forecasts, manifest in shown.urls:
        print_lines(f"Parquet   {forecasts}", f"Manifest  {manifest}")


def print_outcome(summary: Summary) -> None:
    """Print how a run ended."""
    if summary.withheld and not summary.manifests:
        print_line("Nothing was published, and nothing recorded.")
        return
    fields = {
        "session": summary.session,
        "published": ", ".join(summary.published) or "nothing",
        "withheld": ", ".join(summary.withheld),
    }
    print_line(OUTCOMES[summary.outcome].format(**fields))


def print_withheld(withheld: Mapping[str, Withheld]) -> None:
    """Print which tickers have no forecast and why, if any."""
    _print_reasons("Withheld", {t: (why.reason, why.message) for t, why in withheld.items()})


def print_fetched(fetched: Fetched, folder: Path) -> None:
    """Print which bars were written where, and which were not."""
    print_source(fetched.source)
    table = new_table("Ticker", "First", "Last", numbers=("Bars",))
    for ticker, bars in fetched.written.items():
        first, last = str(bars.session.min()), str(bars.session.max())
        table.add_row(ticker, first, last, str(len(bars)))
    print_whole(table)
    for ticker in fetched.written:
        print_line(str(folder / name_csv(ticker)))
    failed = {t: (str(error.reason), str(error)) for t, error in fetched.failures.items()}
    _print_reasons("Not written", failed)


def print_proof(scores: Mapping[str, float], first: date, note: str | None) -> None:
    """Print the scores of a proof from session `first` on, or why there is none."""
    if note is not None:
        print_line(f"Note: no proof. {note}", "yellow")
        return
    ratios = (f"{name}_ratio_vs_garch_t" for name in ("crps", *SCORES))
    columns = (*ratios, "coverage_80", "coverage_95")
    table = new_table(
        "Ticker", numbers=("CRPS", "80 % score", "95 % score", "80 % covered", "95 % covered")
    )
    tickers = [name.removeprefix("coverage_95") for name in scores if "coverage_95" in name]
    for ticker in tickers:
        values = (f"{scores[column + ticker]:.3f}" for column in columns)
        table.add_row(ticker.removeprefix("_") or "all", *values)
    print_line(f"Proof: trained on what came before {first}, scored from then on, horizon 1")
    print_whole(table)
    print_line("CRPS and interval scores are ratios to GARCH(1,1)-t: lower is better.")


def print_source(label: str) -> None:
    """Print where bars come from; invented prices stand out."""
    if UNREAL in label:
        print_line(f"SIMULATED, NOT REAL: {label}", "bold yellow")
    else:
        print_line(f"Source: {label}")


def print_line(text: str, style: str = "") -> None:
    """Print text in one line, however long."""
    _console().print(to_text(text, style), soft_wrap=True)


def print_lines(*lines: str, style: str = "") -> None:
    """Print each text in a line of its own."""
    for line in lines:
        print_line(line, style)


def print_error(text: str) -> None:
    """Print an error to stderr, in one line."""
    line = to_text("error: " + " ".join(text.split()), "red")
    _console(stderr=True).print(line, soft_wrap=True)


def print_json(document: Mapping[str, Any]) -> None:
    """Print a JSON document in ASCII, which any console and any program takes."""
    sys.stdout.write(escape_json(to_json(document).decode()))


@contextmanager
def progress(doing: str) -> Iterator[Status]:
    """Show a spinner on stderr, if that is a terminal; `update` names the next phase."""
    console = _console(stderr=True)
    spinner = "dots" if console.encoding.startswith("utf") else "line"
    with console.status(doing, spinner=spinner) as status:
        yield status


def _print_forecasts(rows: Sequence[Mapping[str, Any]]) -> None:
    numbers = ("Horizon", "Last close", "Prediction", "95 % interval", "80 % interval")
    table = new_table("Ticker", "Target date", numbers=numbers)
    for ticker, of_ticker in groupby(rows, lambda row: row["ticker"]):
        table.add_section()
        for row in of_ticker:
            prices = (f"{row[name]:.2f}" for name in ("last_close", "prediction"))
            within = (f"{row[f'lower_{c}']:.2f} to {row[f'upper_{c}']:.2f}" for c in (95, 80))
            table.add_row(ticker, str(row["target_date"]), str(row["horizon"]), *prices, *within)
    print_whole(table)


def _print_reasons(title: str, reasons: Mapping[str, tuple[str, str]]) -> None:
    if not reasons:
        return
    alike: dict[tuple[str, str], list[str]] = {}
    for ticker, (reason, message) in reasons.items():
        alike.setdefault((reason, message.removeprefix(f"{ticker}: ")), []).append(ticker)
    table = new_table(title, "Reason")
    table.add_names(["What it means"])
    for (reason, message), tickers in alike.items():
        table.add_row(tickers, reason, message)
    print_table(table)


def new_table(*names: str, numbers: Sequence[str] = ()) -> PlainTable:
    table = PlainTable()
    table.add_names(names, no_wrap=True)
    table.add_names(numbers, no_wrap=True, justify="right")
    return table


def print_table(table: PlainTable) -> None:
    """Print a table in the width there is, long cells in several lines."""
    _console().print(table)


def print_whole(table: PlainTable) -> None:
    """Print a table of numbers: rather wider than the terminal than cut."""
    console = _console()
    wide = console.options.update(max_width=10_000)
    console.width = max(console.width, console.measure(table, options=wide).maximum)
    console.print(table)


def _console(*, stderr: bool = False) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    return console
