"""The command `forecaster verify`."""

from __future__ import annotations

import re
import secrets
from dataclasses import asdict
from typing import Annotated, Any

import typer

from pipeline.cli import console, options
from pipeline.cli.progress import phases_bar
from pipeline.errors import ConfigError, StoreError
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.verify import Scope, Verified, verify

SHOWN = 20  # objects named one by one
SEEDS = 2**32

Noted = Annotated[
    str | None,
    typer.Option(metavar="SHA256", help="A manifest's digest that must be in the chain."),
]
Deep = Annotated[bool, typer.Option("--deep", help="Make every session again, not only some.")]
Seed = Annotated[
    int | None,
    typer.Option(metavar="N", help="Draw the sessions that another verify with this seed drew."),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("verify", epilog="Example: forecaster verify --store ./store")(verify_command)


def verify_command(
    store: options.Store = "./store",
    noted: Noted = None,
    deep: Deep = False,
    seed: Seed = None,
    json: options.Json = False,
) -> None:
    """Check every byte on the record, that it is one unbroken chain, and what it says.

    The newest 5 sessions and 20 others, drawn by chance, are made again from their bars and model
    and must come out as they are stored; with --deep all are.
    """
    if noted is not None and not re.fullmatch("[0-9a-f]{64}", noted):
        raise ConfigError(f"--noted: expected a sha256 of 64 hex digits, got {noted!r}")
    opened, tables = options.open_published(store)
    sample = Sample(seed=secrets.randbelow(SEEDS) if seed is None else seed, deep=deep)
    with phases_bar() as move:
        verified = verify(opened, tables, options.open_calendar(), Scope(sample, noted), move)
    if not verified.manifests and not verified.findings:
        raise StoreError(f"expected a record in {store}, found none")
    if json:
        console.print_json(_to_document(verified, sample))
    else:
        _print(verified, sample)
    if verified.findings:
        raise StoreError(
            f"{store}: expected an intact record, found {len(verified.findings)} objects that "
            "are not as it says"
        )


def _to_document(verified: Verified, sample: Sample) -> dict[str, Any]:
    return {
        "manifests": verified.manifests,
        "objects": verified.objects,
        "made_again": verified.remade,
        "seed": None if sample.deep else sample.seed,
        "newest": {"key": verified.head.manifest.key, "sha256": verified.head.digest}
        if verified.head
        else None,
        "findings": [
            {**asdict(finding), "session": finding.session} for finding in verified.findings
        ],
        "left_behind": verified.left_behind,
    }


def _print(verified: Verified, sample: Sample) -> None:
    """Print what was checked, and every object that is not as the record says."""
    for finding in verified.findings:
        where = f"{finding.session}  {finding.key}" if finding.session else finding.key
        console.print_line(f"{finding.problem}  {where}: {finding.message}", "red")
    if verified.left_behind:
        console.print_line(
            f"{len(verified.left_behind)} objects belong to no manifest: runs that died left them, "
            "nobody claims them"
        )
        for key in verified.left_behind[:SHOWN]:
            console.print_line(f"  {key}")
    drawn = "" if sample.deep else f", drawn by --seed {sample.seed}"
    console.print_line(
        f"{verified.manifests} manifests and {verified.objects} objects checked, "
        f"{verified.remade} sessions made again{drawn}."
    )
    if verified.unmade:
        console.print_line(
            f"{verified.unmade} parts could not be made again, for they need an object named above."
        )
    if verified.head is not None and not verified.findings:
        console.print_line(f"The chain is whole up to {verified.head.manifest.key}")
        console.print_line(f"sha256 {verified.head.digest}")
