"""The command `forecaster key new`: keys that sign the record."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline.adapters.aws.deployment import Deployment
from pipeline.adapters.aws.stack import SERVICE
from pipeline.cli import console, options
from pipeline.cli.deployment import Region, Service
from pipeline.errors import ConfigError
from pipeline.wiring import SSM

KEEP = (
    "Keep the public key where who can write the store cannot: forecaster verify --public-key "
    "checks the record by it."
)
key_app = typer.Typer(help="Keys that sign the record.", no_args_is_help=True)

KeyFile = Annotated[Path, typer.Option(metavar="FILE", help="Where the private key goes.")]
Stage = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Keep it in SSM for this deployment, and in no file."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(key_app, name="key")


@key_app.command("new", epilog="Example: forecaster key new --out ./forecaster.pem")
def new(
    out: KeyFile = Path("forecaster.pem"),
    stage: Stage = None,
    region: Region = "us-east-1",
    service: Service = SERVICE,
    json: options.Json = False,
) -> None:
    """Make a key pair: the private key signs, the public key is printed for you to keep.

    A private key that is there already is never replaced.
    """
    from pipeline.adapters.ed25519 import Ed25519Signer, make_private_key  # noqa: PLC0415

    pem = make_private_key()
    public_key = Ed25519Signer(pem, "the new key").public_key
    if stage is None:
        _write_private(out, pem)
        kept = str(out)
    else:
        kept = SSM + Deployment(stage, region, service).store_signing_key(pem.decode())
    if json:
        console.print_json({"public_key": public_key, "private_key": kept})
    else:
        console.print_lines(f"Public key  {public_key}", f"Private key {kept}", KEEP)


def _write_private(path: Path, pem: bytes) -> None:
    """Write a file that only its owner can read; raises ConfigError where one is."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    except OSError as exc:
        raise ConfigError(
            f"--out: expected a new file for the private key, got {path}: {exc.strerror}"
        ) from exc
