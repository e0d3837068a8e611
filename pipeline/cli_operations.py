"""The commands that change a deployment: `pause | resume | rollback | api-key rotate`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline import api_keys, console
from pipeline.adapters.deployment import Deployment

Stage = Annotated[str, typer.Option(metavar="NAME", help="Which deployment.")]
Region = Annotated[
    str,
    typer.Option(
        metavar="NAME", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], help="Where it is deployed."
    ),
]


def pause(stage: Stage = "dev", region: Region = "us-east-1") -> None:
    """Stop a deployment's schedule, URL and alarms; only storage costs go on."""
    Deployment(stage, region).pause()
    console.print_line(f"Paused {stage}: nothing runs, nobody is answered. forecaster resume")


def resume(stage: Stage = "dev", region: Region = "us-east-1") -> None:
    """Start a paused deployment as it was deployed."""
    Deployment(stage, region).resume()
    console.print_line(f"Resumed {stage}.")


def rollback(stage: Stage = "dev", region: Region = "us-east-1") -> None:
    """Point the functions back to before the last deployment; a second time, forward again."""
    moved = Deployment(stage, region).rollback()
    for function, (left, now) in moved.items():
        console.print_line(f"{function}: version {left} -> {now}")
    if not moved:
        console.print_line("The last deployment changed no function; nothing was moved.")


def rotate_key(stage: Stage = "dev", region: Region = "us-east-1") -> None:
    """Make a key and keep it in SSM; the next deployment accepts it, and the one before it."""
    key = api_keys.new_key()
    path = Deployment(stage, region).store_key(key, api_keys.digest(key))
    console.print_line(f"Key {key}\nis in SSM as {path}; deploy to accept it.")
