"""The commands on the record: `forecaster backfill | verify | replay | status`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

import typer

from pipeline.cli import console, options, record_text
from pipeline.cli.progress import counting_bar
from pipeline.errors import ConfigError, StoreError
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.replay import replay
from pipeline.jobs.status import read_status
from pipeline.jobs.verify import Verified, verify
from pipeline.record.chain import find_head
from pipeline.wiring import DEFAULT_BUNDLE, daily_job

From = Annotated[date, options.day_option("--from", "First session to issue.")]
To = Annotated[
    date | None, options.day_option("--to", "Last session to issue; else the last one closed.")
]
Session = Annotated[date, typer.Argument(parser=options.parse_day, metavar="DATE")]
Noted = Annotated[
    str | None,
    typer.Option(metavar="SHA256", help="A manifest's digest that must be in the chain."),
]


def backfill_command(
    first: From,
    bars: options.Bars,
    to: To = None,
    store: options.Store = "./store",
    bundle: options.Bundle = DEFAULT_BUNDLE,
    tickers: options.Tickers = options.DEFAULT_TICKERS,
    json: options.Json = False,
) -> None:
    """Issue, score and calibrate past sessions from given bars, each with what was known then.

    Marked `backfill` on the record; nothing that is there is overwritten. Safe to interrupt.
    """
    names, at = options.parse_tickers(tickers), options.event_time("--to", to)
    calendar = options.open_calendar()
    job = daily_job(names, options.open_bars(bars, calendar), calendar, store=store, bundle=bundle)
    last = calendar.last_closed(at)
    if first > last:
        raise ConfigError(f"--from: expected a date not after {last}, got {first}")
    with counting_bar("Sessions") as move:
        sessions = backfill(job, first, last, options.now(), move)
    if json:
        console.print_json({"store": store, "sessions": sessions, "last": last})
    else:
        console.print_source(job.source.label)
        until = find_head(job.store)
        span = f", up to {until.manifest.session}" if until and sessions else ""
        console.print_line(f"{sessions} sessions issued into {store}{span}.")
        if first < job.model.manifest.training.last_session:
            console.print_line(
                record_text.LEARNT.format(job.model.manifest.training.last_session), "yellow"
            )


def verify_command(
    store: options.Store = "./store", noted: Noted = None, json: options.Json = False
) -> None:
    """Check every byte on the record, and that it is one unbroken chain of manifests."""
    if noted is not None and not re.fullmatch("[0-9a-f]{64}", noted):
        raise ConfigError(f"--noted: expected a sha256 of 64 hex digits, got {noted!r}")
    opened, tables = options.open_published(store)
    with counting_bar("Manifests") as move:
        verified = verify(opened, tables, options.open_calendar(), noted, move)
    if not verified.manifests and not verified.findings:
        raise StoreError(f"expected a record in {store}, found none")
    if json:
        console.print_json(_to_document(verified))
    else:
        record_text.print_verified(verified)
    if verified.findings:
        raise StoreError(
            f"{store}: expected an intact record, found {len(verified.findings)} objects that "
            "are not as it says"
        )


def replay_command(
    session: Session, store: options.Store = "./store", json: options.Json = False
) -> None:
    """Make a session again from its vintage, bundle and state, and compare the bytes."""
    opened, tables = options.open_published(store)
    with console.progress("Forecasting again"):
        objects = replay(opened, tables, options.open_calendar(), session)
    if json:
        console.print_json(
            {"session": session, "objects": [asdict(replayed) for replayed in objects]}
        )
    else:
        record_text.print_replayed(objects)
    if differing := [replayed.key for replayed in objects if not replayed.equal]:
        raise StoreError(
            f"{session}: expected equal bytes, got others for {', '.join(differing)}; another "
            "version of the code or of a library may write other bytes for equal numbers"
        )


def status_command(store: options.Store = "./store", json: options.Json = False) -> None:
    """Show how the forecasts on the record have fared, and what chance alone would do."""
    opened, _ = options.open_published(store)
    current = read_status(opened, options.open_calendar(), options.now())
    if json:
        console.print_json(asdict(current))
    else:
        record_text.print_status(current)


def _to_document(verified: Verified) -> dict[str, Any]:
    return {
        "manifests": verified.manifests,
        "objects": verified.objects,
        "newest": {"key": verified.head.manifest.key, "sha256": verified.head.digest}
        if verified.head
        else None,
        "findings": [asdict(finding) for finding in verified.findings],
        "left_behind": verified.left_behind,
    }


COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "backfill": (backfill_command, "forecaster backfill --bars ./bars --from 2019-01-02"),
    "verify": (verify_command, "forecaster verify --store ./store"),
    "replay": (replay_command, "forecaster replay 2024-12-27 --store ./store"),
    "status": (status_command, "forecaster status --store ./store"),
}


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for name, (command, example) in COMMANDS.items():
        app.command(name, epilog=f"Example: {example}")(command)
