"""The command that mends a damaged record: `forecaster repair`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer

from pipeline.adapters.aws.s3_options import NO_LOCK, NO_SSE, parse_lock
from pipeline.adapters.folder_copies import FolderCopies
from pipeline.cli import console, options
from pipeline.errors import ConfigError, StoreError
from pipeline.jobs.heal import FindCopy, no_copies
from pipeline.jobs.repair import Repaired, repair
from pipeline.wiring import open_store

GiveUp = Annotated[
    bool,
    typer.Option(
        "--accept-loss", help="Go on for good without what cannot be remade; no way leads back."
    ),
]

Copies = Annotated[
    Path | None,
    typer.Option(
        "--copies",
        metavar="PATH",
        help="A file or folder, such as another store or a bundle, with copies of what was lost.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("repair", epilog="Example: forecaster repair --store ./store")(repair_command)


def repair_command(
    store: options.Store = "./store",
    accept_loss: GiveUp = False,
    copies: Copies = None,
    lock: options.Lock = NO_LOCK,
    sse: options.Sse = NO_SSE,
    json: options.Json = False,
) -> None:
    """Put damaged objects of the record back, to the very bytes that were named.

    They are remade, or taken from --copies if the sha256 is the one named.
    """
    now = options.now()
    locked = parse_lock(lock, now)
    opened = open_store(store, lock=locked and replace(locked, replaced=True), sse=sse)
    find_copy = no_copies if copies is None else _open_copies(copies)
    with console.progress("Looking at every object"):
        done = repair(
            opened,
            options.open_tables(),
            options.open_calendar(store=opened),
            now.astimezone(UTC),
            give_up=accept_loss,
            copies=find_copy,
        )
    if json:
        console.print_json(asdict(done))
    else:
        _print_repaired(done)
    if done.damaged:
        raise StoreError(
            f"{store}: expected to put back every damaged object, could not {len(done.damaged)}; "
            "put them back from a copy, --copies, or from the bucket's versions, "
            "or give them up: --accept-loss"
        )


def _open_copies(path: Path) -> FindCopy:
    """Return what finds the files of a folder, or one, by their sha256; ConfigError if none is."""
    if not path.exists():
        raise ConfigError(f"--copies: expected a file or folder, got {str(path)!r}, which is none")
    return FolderCopies(path).find


def print_repairs(
    healed: Iterable[str], lost: Iterable[str], refused: Mapping[str, str] = {}
) -> None:
    """Print the keys of what was remade, and of what is done without."""
    for key in healed:
        if key in refused:
            console.print_line(
                f"Healed    {key}: for this run alone, the store does not take it back; "
                "forecaster repair by who may",
                "yellow",
            )
        else:
            console.print_line(f"Healed    {key}")
    for key in lost:
        console.print_line(f"Lost      {key}: accepted; runs go on without it", "yellow")


def _print_repaired(done: Repaired) -> None:
    print_repairs(done.healed, done.lost)
    for key, reason in done.damaged.items():
        console.print_line(f"Damaged   {key}: {reason}", "red")
    if not (done.healed or done.lost or done.damaged):
        console.print_line("Every object is as its manifest says: nothing to repair.")
