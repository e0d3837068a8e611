"""Renaming: which tickers go on under another name, as an option or a setting says it."""

from __future__ import annotations

import re
from collections.abc import Collection

from pipeline.bars import TICKER
from pipeline.errors import ConfigError


def parse_renamed(text: str, tickers: Collection[str], of_tickers: str) -> dict[str, str]:
    """Return new name -> old name of `FB=META,...`.

    Parameters
    ----------
    tickers : the new name is to be among them, the old one is not: it has no bars any more
    of_tickers : the option or setting that has them, for a refusal

    Raises
    ------
    ConfigError
        When the text is something else, or does not go with the tickers.
    """
    renamed: dict[str, str] = {}
    for pair in text.split(","):
        old, new = _parse_pair(pair)
        if new not in tickers or old in tickers:
            raise ConfigError(
                f"expected {new} among {of_tickers} and {old} not, got {','.join(tickers)}"
            )
        if new in renamed or old in renamed.values():
            raise ConfigError(f"expected each name once, got {text}")
        renamed[new] = old
    return renamed


def _parse_pair(text: str) -> tuple[str, str]:
    names = [name.strip().upper() for name in text.split("=")]
    if len(names) != 2 or not all(re.fullmatch(TICKER, name) for name in names):
        raise ConfigError(f"expected names like FB=META, got {text!r}")
    old, new = names
    if old == new:
        raise ConfigError(f"expected another name than the old one, got {text!r}")
    return old, new
