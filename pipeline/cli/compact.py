"""The command `forecaster compact`: finished months as one file a table."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated

import typer

from pipeline.adapters.aws.s3_options import NO_SSE
from pipeline.cli import console, options
from pipeline.cli.plain import count
from pipeline.errors import ConfigError, StoreError
from pipeline.jobs.compact import Compacted, Outcome, compact, list_finished
from pipeline.jobs.universe.shards import select_store
from pipeline.wiring import open_store

SHOWN = {
    Outcome.WRITTEN: ("Written", ""),
    Outcome.EQUAL: ("Equal", ""),
    Outcome.MISSING: ("Missing", "yellow"),
    Outcome.BEHIND: ("Behind", "yellow"),
}

Month = Annotated[
    str | None, typer.Option(metavar="YYYY-MM", help="The month.", show_default="all finished")
]
Check = Annotated[
    bool, typer.Option("--check", help="Write nothing; say what is missing or behind.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    example = "Example: forecaster compact --month 2026-11 --store ./store"
    app.command("compact", epilog=example)(compact_command)


def compact_command(
    month: Month = None,
    store: options.Store = "./store",
    check: Check = False,
    sse: options.Sse = NO_SSE,
    json: options.Json = False,
) -> None:
    """Write each table of a finished month into one file, for readers, beside the originals.

    Under compact/ in the store; the originals stay as they are. Again, it writes what has changed.
    """
    if month is not None and not re.fullmatch(r"\d{4}-(?:0[1-9]|1[0-2])", month):
        raise ConfigError(f"--month: expected a month like 2026-11, got {month!r}")
    opened, tables = select_store(open_store(store, sse=sse), ()), options.open_tables()
    months = list_finished(opened) if month is None else [month]
    with console.progress("Reading the months' objects"):
        done = [of for each in months for of in compact(opened, tables, each, check=check)]
    if json:
        console.print_json({"tables": [asdict(of) for of in done]})
    else:
        _print(done)
    late = [of.key for of in done if of.outcome in (Outcome.MISSING, Outcome.BEHIND)]
    if late:
        raise StoreError(f"{store}: expected whole months, {len(late)} files are not; run it anew")


def _print(done: list[Compacted]) -> None:
    for of in done:
        word, colour = SHOWN[of.outcome]
        rows, originals = count(of.rows, "row"), count(of.originals, "object")
        console.print_line(f"{word:8} {of.key}: {rows} of {originals}", colour)
        for key in of.lost:
            console.print_line(f"Lost     {key}: given up before, not in it", "yellow")
    if not done:
        console.print_line("No month is finished: nothing to do.")
