"""The command that mends a damaged record: `forecaster repair`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC
from typing import Annotated

import typer

from pipeline.adapters.aws.s3_options import NO_SSE
from pipeline.cli import console, options
from pipeline.errors import StoreError
from pipeline.jobs.repair import Repaired, repair

GiveUp = Annotated[
    bool,
    typer.Option(
        "--accept-loss", help="Go on for good without what cannot be remade; no way leads back."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("repair", epilog="Example: forecaster repair --store ./store")(repair_command)


def repair_command(
    store: options.Store = "./store",
    accept_loss: GiveUp = False,
    sse: options.Sse = NO_SSE,
    json: options.Json = False,
) -> None:
    """Remake damaged objects of the record to the very bytes that their manifests name."""
    opened, tables = options.open_published(store, sse)
    with console.progress("Looking at every object"):
        done = repair(
            opened,
            tables,
            options.open_calendar(),
            options.now().astimezone(UTC),
            give_up=accept_loss,
        )
    if json:
        console.print_json(asdict(done))
    else:
        _print_repaired(done)
    if done.damaged:
        raise StoreError(
            f"{store}: expected to remake every damaged object, could not {len(done.damaged)}; "
            "put them back from a copy or from the bucket's versions, "
            "or give them up: --accept-loss"
        )


def print_repairs(healed: Iterable[str], lost: Iterable[str]) -> None:
    """Print the keys of what was remade, and of what is done without."""
    for key in healed:
        console.print_line(f"Healed    {key}")
    for key in lost:
        console.print_line(f"Lost      {key}: accepted; runs go on without it", "yellow")


def _print_repaired(done: Repaired) -> None:
    print_repairs(done.healed, done.lost)
    for key, reason in done.damaged.items():
        console.print_line(f"Damaged   {key}: {reason}", "red")
    if not (done.healed or done.lost or done.damaged):
        console.print_line("Every object is as its manifest says: nothing to repair.")
