"""Verified text: what a record has beside its findings, of one store or of a universe's shards."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.cli import console
from pipeline.cli.plain import count
from pipeline.jobs.verify import Verified

SHOWN = 20  # objects named one by one


def print_beside(verified: Verified) -> None:
    """Print what is no finding: what was given up, hints, and what is of no manifest."""
    for finding in verified.lost:
        console.print_line(f"{finding.problem}  {finding.key}: {finding.message}", "yellow")
    _print_hints(verified)
    _print_names(
        verified.left_behind,
        "object",
        " of no manifest: runs that died left them, nobody claims them",
    )
    _print_names(verified.strangers, "stranger", ": no object of a record has such a name")


def print_unmade(verified: Verified) -> None:
    """Print how many parts could not be made again, if any."""
    if verified.unmade:
        console.print_line(
            f"{count(verified.unmade, 'part')} could not be made again, for want of an object "
            "named above."
        )


def _print_names(names: Sequence[str], noun: str, meaning: str) -> None:
    if names:
        console.print_line(f"{count(len(names), noun)}{meaning}")
    for name in names[:SHOWN]:
        console.print_line(f"  {name}")


def _print_hints(verified: Verified) -> None:
    if verified.hints:
        console.print_line(
            f"Hint: {count(len(verified.hints), 'file')} of another time than said inside; so has "
            "a copy, and a folder's times prove nothing",
            "yellow",
        )
    for hint in verified.hints[:SHOWN]:
        console.print_line(f"  {hint.key}: {hint.message}")
