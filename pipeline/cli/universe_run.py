"""A universe's run from the command line: its shards over processes, then what they come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from typing import Annotated

import typer

from pipeline.cli import console, options
from pipeline.cli.plain import count, name_few
from pipeline.cli.universe_shards import Ended, Setup, Task, find_failed, run_shard, run_shards
from pipeline.errors import ConfigError, ForecasterError
from pipeline.jobs.universe.gather import gather, list_shards
from pipeline.jobs.universe.layout import Layout, open_layout
from pipeline.jobs.universe.members import RENAMED, Universe, read_universe
from pipeline.record.sharding import MOST_SHARDS, name_shard
from pipeline.record.universe_session import UniverseSession
from pipeline.record.universe_terms import read_universe_terms
from pipeline.wiring import DEFAULT_CALENDAR, open_store

File = Annotated[
    str | None,
    typer.Option("--universe", metavar="FILE|s3://...", help="A CSV of tickers, run in shards."),
]
Shards = Annotated[
    int | None,
    typer.Option(min=1, max=MOST_SHARDS, help="Of a new universe; else one for 250 tickers."),
]
Rate = Annotated[
    float,
    typer.Option(min=1, max=6000, help="Requests a minute of Yahoo, of all workers together."),
]
DEFAULT_RATE = 120.0
Workers = Annotated[int, typer.Option(min=1, help="Processes that run shards side by side.")]


def check_options(
    universe: str | None,
    shards: int | None,
    workers: int,
    *,
    rate: float = DEFAULT_RATE,
    tickers: bool = False,
    renamed: bool = False,
) -> None:
    """Raise ConfigError for options that do not go with a universe, or with none.

    `tickers` and `renamed` say whether the options of these names are there.
    """
    if universe is None and (shards is not None or workers != 1 or rate != DEFAULT_RATE):
        raise ConfigError("--shards, --workers, --rate: expected --universe beside them, got none")
    if universe is not None and tickers:
        raise ConfigError("--tickers: expected none beside --universe, whose file lists them")
    if universe is not None and renamed:
        raise ConfigError(
            f"--renamed: expected none beside --universe, whose file says it: the former name in "
            f"the column {RENAMED}, in the row of the new one"
        )


def open_universe(file: str, setup: Setup, shards: int | None) -> tuple[Setup, Layout]:
    """Return the universe of a file as it lies in its store, which is begun where it is new.

    With it the setup, whose exchange is the one that was said, or that of the file or the store.
    """
    universe = read_universe(file, open_store)
    calendar = _name_calendar(universe, setup)
    source = options.open_bars(setup.bars, options.open_calendar(calendar))
    layout = open_layout(setup.open_root(), universe, source.label, calendar, shards)
    return replace(setup, calendar=calendar), layout


def _name_calendar(universe: Universe, setup: Setup) -> str:
    if (named := setup.calendar or universe.calendar) is not None:
        return named
    terms = read_universe_terms(setup.open_root())
    return terms.calendar if terms else DEFAULT_CALENDAR


def run_universe(
    setup: Setup, layout: Layout, as_of: date | None, workers: int, *, json: bool
) -> None:
    """Run every shard of a universe, gather the session, and show what came of it.

    Raises
    ------
    ForecasterError
        After all of them, when a shard failed.
    IncompleteRun
        When a shard has nothing of the session, unless it was a closure for all of them.
    """
    calendar, now = options.open_calendar(setup.calendar), options.now()
    at = options.event_time("--as-of", as_of, calendar)
    session = calendar.last_closed(at)
    list_shards(layout, session, at)
    tasks = (Task(setup, n, layout.shards, part, at, now) for n, part in layout.parts.items())
    ended = run_shards(run_shard, tasks, workers)
    gathered = gather(layout, session)
    if json:
        shards = {str(number): asdict(each) for number, each in ended.items()}
        console.print_json({"shards": shards, "gathered": gathered})
    else:
        print_ended(ended)
        console.print_line(describe_session(gathered, setup.store))
    require_all(ended)
    gathered.require_complete(ended=True)


def require_all(ended: Mapping[int, Ended]) -> None:
    """Raise ForecasterError where a shard failed."""
    if failed := [name_shard(number) for number in find_failed(ended)]:
        raise ForecasterError(
            f"expected every shard to run, {len(failed)} of {len(ended)} failed: "
            f"{name_few(failed)}; the same command runs what is missing"
        )


def print_ended(ended: Mapping[int, Ended], published: str = "Published now") -> None:
    """Print how the work on each shard ended; `published` says what its count is of."""
    table = console.new_table("Shard", "Outcome", numbers=(published, "Withheld"))
    table.add_names(["What went wrong"])
    sums = [0, 0]
    for number, each in ended.items():
        counts = (each.published, sum(map(len, each.withheld.values())))
        sums = [before + n for before, n in zip(sums, counts, strict=True)]
        table.add_row(name_shard(number), each.outcome, *(f"{n:,}" for n in counts), each.amiss)
    table.add_row("all", "", *(f"{n:,}" for n in sums), "")
    console.print_whole(table)


def describe_session(gathered: UniverseSession, store: str) -> str:
    """Return in a line what a universe has of a session."""
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in gathered.withheld.items())
    withheld = f"{sum(gathered.withheld.values()):,} withheld"
    absent = f"; {count(len(gathered.absent), 'shard')} without it" if gathered.absent else ""
    return (
        f"{gathered.session}: {count(gathered.published, 'ticker')} published, {withheld}"
        f"{f' ({reasons})' if reasons else ''}, in {count(len(gathered.gathered), 'shard')} of "
        f"{store}{absent}"
    )
