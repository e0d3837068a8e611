"""The command `forecaster plan`: what a universe would ask of a source, and what it would cost."""

from __future__ import annotations

from math import ceil, floor, log10
from typing import Annotated

import typer

from pipeline.cli import console, options, universe_run
from pipeline.cli.plain import count
from pipeline.jobs.universe.layout import count_shards
from pipeline.jobs.universe.members import read_universe
from pipeline.jobs.universe.plan import Plan, plan_universe
from pipeline.wiring import open_store

LEAST_PRICE = 0.001  # USD; of less, a thousand are priced
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
        f"ticker: {count(ceil(plan.minutes), 'minute')} at {plan.rate:g} a minute; a file is read "
        "once a shard"
    )
    console.print_line(
        f"Function  {plan.seconds:,.0f} s of the largest shard beside its source, of 900 that "
        f"there are; {plan.runs} runs a session"
    )
    table = console.new_table("A month", numbers=("How much", "At USD", "USD"))
    for cost in plan.costs:
        cells = (_format(cost.amount), _format_price(cost.price), f"{cost.usd:,.4f}")
        table.add_row(cost.what, *cells)
    table.add_row("all, without free allowances", "", "", f"{plan.usd:,.4f}")
    console.print_whole(table)


def _format(amount: float) -> str:
    """Return an amount in as many decimals as it needs for two digits."""
    if amount >= 10 or not amount:
        return f"{amount:,.0f}"
    return f"{amount:.{1 - floor(log10(amount))}f}"


def _format_price(price: float) -> str:
    """Return a price of one, or as price lists have it of a thousand."""
    return f"{price:g} each" if price >= LEAST_PRICE else f"{1000 * price:g} for 1,000"
