"""The commands that change a deployment: `pause | resume | rollback | api-key rotate`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.adapters.aws.deployment import Deployment
from pipeline.cli import console, options
from pipeline.serving import api_keys

Stage = Annotated[str, typer.Option(metavar="NAME", help="Which deployment.")]
Region = Annotated[
    str,
    typer.Option(
        metavar="NAME", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], help="Where it is deployed."
    ),
]


def register(app: typer.Typer, keys: typer.Typer) -> None:
    """Add these commands to the command line, and to those around keys."""
    app.command(epilog="Example: forecaster pause --stage dev")(pause)
    app.command(epilog="Example: forecaster resume --stage dev")(resume)
    app.command(epilog="Example: forecaster rollback --stage prod")(rollback)
    keys.command("rotate", epilog="Example: forecaster api-key rotate --stage prod")(rotate_key)


def pause(stage: Stage = "dev", region: Region = "us-east-1", json: options.Json = False) -> None:
    """Stop a deployment's schedules, URL and alarms; only storage costs go on."""
    Deployment(stage, region).pause()
    _print(json, {"paused": stage}, f"Paused {stage}: nothing runs until forecaster resume.")


def resume(stage: Stage = "dev", region: Region = "us-east-1", json: options.Json = False) -> None:
    """Start a paused deployment as it was deployed."""
    Deployment(stage, region).resume()
    _print(json, {"resumed": stage}, f"Resumed {stage}.")


def rollback(
    stage: Stage = "dev", region: Region = "us-east-1", json: options.Json = False
) -> None:
    """Point the functions back to before the last deployment; a second time, forward again."""
    moved = Deployment(stage, region).rollback()
    lines = [f"{function}: version {left} -> {now}" for function, (left, now) in moved.items()]
    nothing = "The last deployment changed no function; nothing was moved."
    document = {function: {"from": left, "to": now} for function, (left, now) in moved.items()}
    _print(json, document, *(lines or [nothing]))


def rotate_key(
    stage: Stage = "dev", region: Region = "us-east-1", json: options.Json = False
) -> None:
    """Make a key and keep it in SSM; the next deployment accepts it, and the one before it."""
    key = api_keys.make_key()
    path = Deployment(stage, region).store_key(key, api_keys.digest_key(key))
    where = f"is in SSM as {path}; deploy to accept it."
    _print(json, {"key": key, "parameter": path}, f"Key {key}", where)


def _print(json: bool, document: dict[str, Any], *lines: str) -> None:
    if json:
        console.print_json(document)
    else:
        console.print_lines(*lines)
