"""Renaming: which tickers go on under another name, as `--renamed` says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from pipeline.cli import options
from pipeline.errors import ConfigError

Renamed = Annotated[
    list[str] | None,
    typer.Option(metavar="OLD=NEW,...", help="Tickers that go on under another name: FB=META."),
]


def parse_renamed(texts: Sequence[str] | None, tickers: Sequence[str]) -> dict[str, str]:
    """Return new name -> old name of `FB=META` and so on; raises ConfigError for others.

    The new name is to be among `tickers`, the old one is not: it has no bars any more.
    """
    renamed: dict[str, str] = {}
    for text in ",".join(texts or ()).split(",") if texts else ():
        names = text.split("=")
        if len(names) != 2:
            raise ConfigError(f"--renamed: expected names like FB=META, got {text!r}")
        old, new = (_parse_name(name) for name in names)
        if old == new:
            raise ConfigError(f"--renamed: expected another name than the old one, got {text!r}")
        if new not in tickers or old in tickers:
            raise ConfigError(
                f"--renamed: expected {new} among --tickers and {old} not, got {','.join(tickers)}"
            )
        if new in renamed or old in renamed.values():
            raise ConfigError(f"--renamed: expected each name once, got {','.join(texts or ())}")
        renamed[new] = old
    return renamed


def _parse_name(text: str) -> str:
    try:
        return options.parse_tickers([text])[0]
    except ConfigError as exc:
        raise ConfigError(f"--renamed: expected names like FB=META, got {text!r}") from exc
