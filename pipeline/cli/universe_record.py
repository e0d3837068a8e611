"""The record of a universe from the command line: a line for each shard, and what they come to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pipeline.cli import console, options
from pipeline.cli.plain import count
from pipeline.cli.progress import counting_bar
from pipeline.cli.verified_text import print_beside, print_unmade
from pipeline.errors import StoreError
from pipeline.jobs.status import Status, read_status
from pipeline.jobs.universe.shards import list_shard_stores
from pipeline.jobs.universe.verify import VerifiedUniverse, verify_universe
from pipeline.jobs.verify import Scope, Verified
from pipeline.ports import ObjectStore
from pipeline.record.sharding import name_shard
from pipeline.record.universe_terms import UniverseTerms

SHOWN = 20  # findings that are named one by one


def verify_shards(
    root: ObjectStore,
    terms: UniverseTerms,
    scope: Scope,
    to_document: Callable[[Verified], dict[str, Any]],
    *,
    json: bool,
) -> None:
    """Verify every shard of a universe and show what came of each.

    Raises
    ------
    StoreError
        When anything is amiss, or nothing has begun.
    """
    calendar = options.open_calendar(terms.calendar)
    with counting_bar("Shards") as move:
        verified = verify_universe(root, options.open_tables(), calendar, scope, move)
    if not verified.shards and not verified.findings:
        raise StoreError(f"expected a record in {root.url('')}, found none")
    if json:
        shards = {name: to_document(each) for name, each in verified.shards.items()}
        console.print_json({"shards": shards, "findings": verified.findings})
    else:
        _print_verified(verified)
    if amiss := len(verified.pooled.findings):
        raise StoreError(
            f"{root.url('')}: expected an intact record, found {count(amiss, 'object')} not as it "
            "says"
        )


def show_status(root: ObjectStore, terms: UniverseTerms, now: datetime, *, json: bool) -> None:
    """Show where each shard of a universe stands; raises StoreError where none has begun."""
    calendar = options.open_calendar(terms.calendar)
    statuses: dict[int, Status | str] = {}
    for number, store in list_shard_stores(root).items():
        try:
            statuses[number] = read_status(store, calendar, now)
        except StoreError as exc:
            statuses[number] = str(exc)
    if not statuses:
        raise StoreError(f"expected a record in {root.url('')}, found none")
    if json:
        console.print_json({"universe": terms, "shards": {str(n): s for n, s in statuses.items()}})
    else:
        _print_statuses(terms, statuses)


def _print_verified(verified: VerifiedUniverse) -> None:
    numbers = ("Manifests", "Objects", "Made again", "Not as it says")
    table = console.new_table("Shard", numbers=numbers)
    pooled = verified.pooled
    for name, each in [*verified.shards.items(), ("all", pooled)]:
        figures = (each.manifests, each.objects, each.remade, len(each.findings))
        table.add_row(name, *(f"{n:,}" for n in figures))
    console.print_whole(table)
    for finding in pooled.findings[:SHOWN]:
        console.print_line(f"{finding.problem}  {finding.key}: {finding.message}", "red")
    if len(pooled.findings) > SHOWN:
        more = len(pooled.findings) - SHOWN
        console.print_line(f"and {more:,} more; --json has them all", "red")
    print_beside(pooled)
    print_unmade(pooled)
    sessions = count(verified.sessions, "session")
    console.print_line(f"What was gathered of {sessions} was looked up in the shards' chains.")


def _print_statuses(terms: UniverseTerms, statuses: dict[int, Status | str]) -> None:
    console.print_source(terms.source)
    table = console.new_table("Shard", "Session", numbers=("Behind", "Tickers", "Withheld"))
    table.add_names(["What is wrong"])
    tickers = withheld = 0
    for number, status in statuses.items():
        if isinstance(status, str):
            table.add_row(name_shard(number), "", "", "", "", status)
            continue
        amiss = sum(said != "ok" for said in status.tickers.values())
        tickers, withheld = tickers + len(status.tickers), withheld + amiss
        figures = (f"{n:,}" for n in (status.lag_sessions, len(status.tickers), amiss))
        table.add_row(name_shard(number), str(status.session), *figures, "")
    table.add_row("all", "", "", f"{tickers:,}", f"{withheld:,}", "")
    console.print_whole(table)
    begun = sum(not isinstance(status, str) for status in statuses.values())
    console.print_line(f"Shards with a record: {begun:,} of {terms.shards:,}.")
