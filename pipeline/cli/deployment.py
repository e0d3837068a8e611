"""The commands that change a deployment: `pause | resume | rollback | api-key rotate`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from pipeline.adapters.aws.deployment import Deployment
from pipeline.adapters.aws.rollback import plan_rollback, roll_back
from pipeline.adapters.aws.stack import SERVICE, Stack
from pipeline.cli import console, options
from pipeline.cli.rollback_text import describe_plan, to_document
from pipeline.errors import ConfigError
from pipeline.serving import api_keys

StageOption = Annotated[str, typer.Option(metavar="NAME", help="Which deployment.")]
Region = Annotated[
    str,
    typer.Option(
        metavar="NAME", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], help="Where it is deployed."
    ),
]
Service = Annotated[
    str,
    typer.Option(
        metavar="NAME", envvar="FORECASTER_SERVICE", help="The service's name in serverless.yml."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask first: for scripts.")]


def register(app: typer.Typer, keys: typer.Typer) -> None:
    """Add these commands to the command line, and to those around keys."""
    app.command(epilog="Example: forecaster pause --stage dev")(pause)
    app.command(epilog="Example: forecaster resume --stage dev")(resume)
    app.command(epilog="Example: forecaster rollback --stage prod")(rollback)
    keys.command("rotate", epilog="Example: forecaster api-key rotate --stage prod")(rotate_key)
    app.command(epilog="Example: forecaster origin-secret --stage prod")(origin_secret)


def pause(
    stage: StageOption = "dev",
    region: Region = "us-east-1",
    service: Service = SERVICE,
    json: options.Json = False,
) -> None:
    """Stop a deployment's schedules, URL and alarms; only storage costs go on."""
    Deployment(stage, region, service).pause()
    _print(json, {"paused": stage}, f"Paused {stage}: nothing runs until forecaster resume.")


def resume(
    stage: StageOption = "dev",
    region: Region = "us-east-1",
    service: Service = SERVICE,
    json: options.Json = False,
) -> None:
    """Start a paused deployment as it was deployed."""
    Deployment(stage, region, service).resume()
    _print(json, {"resumed": stage}, f"Resumed {stage}.")


def rollback(
    stage: StageOption = "dev",
    region: Region = "us-east-1",
    service: Service = SERVICE,
    yes: Yes = False,
    json: options.Json = False,
) -> None:
    """Point the functions back to before the last deployment; a second time, forward again.

    It says first which version, image, model and settings they go to, and asks.
    """
    stack = Stack(stage, region, service)
    moves = plan_rollback(stack)
    if not json:
        console.print_lines(*describe_plan(moves))
    if not yes and not _ask(f"Roll {stack.name} back?"):
        raise typer.Exit(1)
    roll_back(stack, moves)
    _print(json, to_document(moves), f"Rolled {stack.name} back.")


def _ask(question: str) -> bool:
    """Whether somebody says yes; on standard error, so that what is printed stays a document."""
    if not sys.stdin.isatty():
        raise ConfigError(f"{question} Expected a yes from a terminal, got none: --yes says it")
    return typer.confirm(question, err=True)


def rotate_key(
    stage: StageOption = "dev",
    region: Region = "us-east-1",
    service: Service = SERVICE,
    json: options.Json = False,
) -> None:
    """Make a key and keep it in SSM; the next deployment accepts it, and the one before it."""
    key = api_keys.make_key()
    path = Deployment(stage, region, service).store_key(key, api_keys.digest_key(key))
    where = f"is in SSM as {path}; deploy to accept it."
    _print(json, {"key": key, "parameter": path}, f"Key {key}", where)


def origin_secret(
    stage: StageOption = "dev",
    region: Region = "us-east-1",
    service: Service = SERVICE,
    json: options.Json = False,
) -> None:
    """Make the secret by which CloudFront is known, kept in SSM; the next deployment takes it.

    CloudFront goes on sending the one before it until another is made: nobody is refused meanwhile.
    """
    path = Deployment(stage, region, service).store_origin_secret(api_keys.make_key())
    _print(json, {"parameter": path}, f"The secret is in SSM as {path}; deploy to use it.")


def _print(json: bool, document: dict[str, Any], *lines: str) -> None:
    if json:
        console.print_json(document)
    else:
        console.print_lines(*lines)
