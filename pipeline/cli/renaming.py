"""The option `--renamed`: which tickers go on under another name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from pipeline.errors import ConfigError
from pipeline.jobs import renaming

Renamed = Annotated[
    list[str] | None,
    typer.Option(metavar="OLD=NEW,...", help="Tickers that go on under another name: FB=META."),
]


def parse_renamed(texts: Sequence[str] | None, tickers: Sequence[str]) -> dict[str, str]:
    """Return new name -> old name of what `--renamed` says, if anything; raises ConfigError."""
    if not texts:
        return {}
    try:
        return renaming.parse_renamed(",".join(texts), tickers, "--tickers")
    except ConfigError as exc:
        raise ConfigError(f"--renamed: {exc}") from exc
