"""The command `forecaster verify`."""

from __future__ import annotations

import secrets
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.adapters.aws.cloudwatch_logs import read_log
from pipeline.adapters.aws.stack import SERVICE
from pipeline.cli import console, options, record_text
from pipeline.cli.deployment import Region, Service
from pipeline.cli.plain import count
from pipeline.cli.progress import phases_bar
from pipeline.cli.universe_record import verify_shards
from pipeline.cli.verified_text import print_beside, print_unmade
from pipeline.errors import ConfigError, StoreError
from pipeline.jobs.daily_summary import RUN_ENDED
from pipeline.jobs.noted import SHA256, NotedDigest, parse_noted
from pipeline.jobs.remake_check import Sample
from pipeline.jobs.verify import Scope, Verified, verify
from pipeline.record.universe_terms import read_universe_terms
from pipeline.wiring import is_signed, open_store

SEEDS = 2**32
CLOUDWATCH = "cloudwatch"
DIGEST = "64 hex digits"

Noted = Annotated[
    str | None,
    typer.Option(
        metavar="SHA256|FILE|-|cloudwatch",
        help="Digests of manifests, noted when they were issued, that must be in the chain.",
    ),
]
PublicKey = Annotated[
    str | None,
    typer.Option(
        metavar="HEX|FILE", help="The public key you have kept: every manifest must be signed."
    ),
]
Stage = Annotated[
    str, typer.Option(metavar="NAME", help="Whose log has the digests, with --noted cloudwatch.")
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
    public_key: PublicKey = None,
    deep: Deep = False,
    seed: Seed = None,
    exchange: options.Exchange = None,
    stage: Stage = "dev",
    region: Region = "us-east-1",
    service: Service = SERVICE,
    json: options.Json = False,
) -> None:
    """Check every byte on the record, that it is one unbroken chain, and what it says.

    The newest 5 sessions and 20 others, drawn by chance, are made again from their bars and model
    and must come out as they are stored; with --deep all are.
    """
    opened, tables = open_store(store), options.open_tables()
    sample = Sample(seed=secrets.randbelow(SEEDS) if seed is None else seed, deep=deep)
    scope = Scope(
        sample,
        () if noted is None else _read_noted(noted, f"{service}-{stage}", region),
        None if public_key is None else _read_public_key(public_key),
        is_signed,
    )
    if (terms := read_universe_terms(opened)) is not None:
        if noted is not None:
            raise ConfigError("--noted: expected it with a shard of the universe, got all of them")
        verify_shards(opened, terms, scope, lambda each: _to_document(each, sample), json=json)
        return
    with phases_bar() as move:
        verified = verify(opened, tables, options.open_calendar(exchange, opened), scope, move)
    if not verified.manifests and not verified.findings:
        raise StoreError(f"expected a record in {store}, found none")
    if json:
        console.print_json(_to_document(verified, sample))
    else:
        _print(verified, sample)
    if verified.findings:
        amiss = count(len(verified.findings), "object")
        raise StoreError(f"{store}: expected an intact record, found {amiss} not as it says")


def _read_noted(where: str, name: str, region: str) -> tuple[NotedDigest, ...]:
    """Return the digests that `--noted` says or leads to; raises ConfigError where it does not."""
    if SHA256.fullmatch(where):
        return (NotedDigest(where),)
    if where == CLOUDWATCH:
        group = f"/aws/lambda/{name}-daily"
        return parse_noted("\n".join(read_log(group, RUN_ENDED, region)), group)
    if where == "-":
        return parse_noted(sys.stdin.read(), "--noted: standard input")
    expected = f"a sha256 of {DIGEST}, a file of such, - or {CLOUDWATCH}"
    return parse_noted(_read_file(f"--noted: expected {expected}", where), where)


def _read_public_key(where: str) -> str:
    expected = f"--public-key: expected {DIGEST} or a file of them"
    key = where if SHA256.fullmatch(where) else _read_file(expected, where).strip()
    if not SHA256.fullmatch(key):
        raise ConfigError(f"{expected}, got {where!r}, which holds something else")
    return key


def _read_file(expected: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError as exc:
        raise ConfigError(f"{expected}, got {path!r}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{expected}, got {path!r}, which is no text") from exc


def _to_document(verified: Verified, sample: Sample) -> dict[str, Any]:
    return {
        "manifests": verified.manifests,
        "objects": verified.objects,
        "made_again": verified.remade,
        "public_key": verified.public_key,
        "seed": None if sample.deep else sample.seed,
        "newest": {"key": verified.head.manifest.key, "sha256": verified.head.digest}
        if verified.head
        else None,
        "findings": [
            {**asdict(finding), "session": finding.session} for finding in verified.findings
        ],
        "hints": [asdict(hint) for hint in verified.hints],
        "left_behind": verified.left_behind,
        "strangers": verified.strangers,
        "lost": [asdict(finding) for finding in verified.lost],
    }


def _print(verified: Verified, sample: Sample) -> None:
    """Print what was checked, and every object that is not as the record says."""
    for finding in verified.findings:
        where = f"{finding.session}  {finding.key}" if finding.session else finding.key
        console.print_line(f"{finding.problem}  {where}: {finding.message}", "red")
    print_beside(verified)
    drawn = "" if sample.deep else f", drawn by --seed {sample.seed}"
    checked = (count(verified.manifests, "manifest"), count(verified.objects, "object"))
    remade = count(verified.remade, "session")
    console.print_line(f"{' and '.join(checked)} checked, {remade} made again{drawn}.")
    print_unmade(verified)
    if verified.public_key is None or not verified.findings:
        console.print_line(record_text.describe_signatures(verified.public_key))
    if verified.head is not None and not verified.findings:
        console.print_line(f"The chain is whole up to {verified.head.manifest.key}")
        console.print_line(f"sha256 {verified.head.digest}")
