"""The command `forecaster plan`: what a universe would ask of a source, and what it would cost."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli import console, options, universe_run
from pipeline.cli.plain import count
from pipeline.jobs.universe.layout import count_shards
from pipeline.jobs.universe.members import read_universe
from pipeline.jobs.universe.plan import Plan, plan_universe
from pipeline.wiring import open_store

EXAMPLE = "forecaster plan --universe universe.csv"

File = Annotated[
    str, typer.Option("--universe", metavar="FILE|s3://...", help="A CSV of its tickers.")
]
Runs = Annotated[
    int, typer.Option("--runs", min=1, max=48, help="Of a session, the second ones look.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("plan", epilog=f"Example: {EXAMPLE}")(plan_command)


def plan_command(
    universe: File,
    shards: universe_run.Shards = None,
    rate: universe_run.Rate = universe_run.DEFAULT_RATE,
    runs: Runs = 3,
    json: options.Json = False,
) -> None:
    """Say what a universe comes to: requests and minutes a session, USD a month. Runs nothing."""
    members = read_universe(universe, open_store)
    parts = members.split(shards or count_shards(len(members.members)))
    sizes = {number: len(part.members) for number, part in parts.items()}
    plan = plan_universe(sizes, covariates=1, rate=rate, runs=runs)
    if json:
        console.print_json(plan.document())
    else:
        _print(plan)


def _print(plan: Plan) -> None:
    console.print_line(
        f"{count(plan.tickers, 'ticker')} in {count(plan.shards, 'shard')}, the largest of "
        f"{plan.largest:,}"
    )
    console.print_line(
        f"Source    {count(plan.requests, 'request')} a session where it is asked ticker by "
        f"ticker: {plan.minutes:,.0f} minutes at {plan.rate:g} a minute; a file is read once a "
        "shard"
    )
    console.print_line(
        f"Function  {plan.seconds:,.0f} s of the largest shard beside its source, of 900 that "
        f"there are; {plan.runs} runs a session"
    )
    table = console.new_table("A month", numbers=("How much", "USD each", "USD"))
    for cost in plan.costs:
        table.add_row(cost.what, f"{cost.amount:,.0f}", f"{cost.price:.3g}", f"{cost.usd:,.3f}")
    table.add_row("all, without free allowances", "", "", f"{plan.usd:,.3f}")
    console.print_whole(table)
