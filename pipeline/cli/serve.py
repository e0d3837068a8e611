"""The commands around the on-demand function: `forecaster serve` and `forecaster api-key new`."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from pipeline.cli import console, options
from pipeline.serving import api_keys
from pipeline.wiring import DEFAULT_BUNDLE

api_key_app = typer.Typer(help="Keys for the on-demand function.", no_args_is_help=True)


class Auth(StrEnum):
    """Who may ask."""

    NONE = "none"
    API_KEY = "api-key"


Port = Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0 takes a free one.")]
AuthOption = Annotated[
    Auth, typer.Option("--auth", help="Ask for a key, one of FORECASTER_API_KEY_SHA256, or not.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Log a line for every request, not failures alone.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(epilog="Example: forecaster serve --store ./store --port 8000")(serve)
    app.add_typer(api_key_app, name="api-key")


def serve(
    port: Port = 8000,
    store: options.Store = "./store",
    bundle: options.Bundle = DEFAULT_BUNDLE,
    auth: AuthOption = Auth.NONE,
    verbose: Verbose = False,
) -> None:
    """Answer requests over HTTP on this machine, with the function that AWS would run."""
    # The function takes its settings as its process begins, so it gets a process: this one.
    function = [sys.executable, "-P", "-m", "handlers.local.server"]
    arguments = ["--port", str(port), "--store", store, "--bundle", str(bundle), "--auth", auth]
    flags = ["--verbose"] if verbose else []
    sys.stdout.flush()
    os.execv(sys.executable, [*function, *arguments, *flags])


@api_key_app.command("new", epilog="Example: forecaster api-key new")
def new(json: options.Json = False) -> None:
    """Make a key and print it with its digest. It is kept nowhere: this is the only time."""
    key = api_keys.make_key()
    digests = {"key": key, "sha256": api_keys.digest_key(key)}
    if json:
        console.print_json(digests)
    else:
        console.print_lines(f"Key     {key}", f"SHA-256 {digests['sha256']}")
