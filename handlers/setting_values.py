"""Values of settings: what each may be, and a reader that gathers what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from pipeline.wiring import LOCK, SIMULATED, SSM, YAHOO, open_store, parse_tickers

STORES = "s3://bucket/prefix or a folder"
BUNDLES = "the folder of a model bundle"
TICKERS = "tickers joined by commas, of letters, digits and . - ="
API_KEY, IAM, NONE = "api-key", "iam", "none"
DIGESTS = "hex SHA-256 digests of the accepted keys joined by commas (forecaster api-key new)"
SIGNING_KEYS = "the file of a private key (forecaster key new), ssm:/name or none"
BUSES = "the name of an EventBridge bus (default) or none"
BUS = re.compile(r"[A-Za-z0-9._-]{1,256}")
TOPICS = "the ARN of an SNS topic or none"
TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}")
DIGEST = re.compile(r"[0-9a-f]{64}")


class Reader:
    """Reads variables one by one and remembers what is wrong with each.

    A variable that is set, but to nothing, is wrong: a default would hide the slip that emptied it.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []

    def __call__(
        self, name: str, parse: Callable[[str], Any], expected: str, default: str | None = None
    ) -> Any:
        text = self._environ.get(name, default)
        value = parse(text.strip()) if text is not None and text.strip() else None
        if value is None:
            received = "nothing" if text is None else repr(text)
            self._problems.append(f"{name}: expected {expected}, got {received}")
        return value

    def secret(self, name: str, parse: Callable[[str], Any], expected: str) -> Any:
        """Read a variable whose text is told to nobody: it may hold the key itself by mistake."""
        text = self._environ.get(name)
        value = None if text is None else parse(text)
        if value is None:
            received = "nothing" if text is None or not text.strip() else "something else"
            self._problems.append(f"{name}: expected {expected}, got {received}")
        return value

    def refuse_problems(self) -> None:
        if self._problems:
            raise ConfigError("settings: " + "; ".join(self._problems))


def parse_store(text: str) -> str | None:
    try:
        open_store(text)
    except ConfigError:
        return None
    return text


def parse_bundle(text: str) -> Path | None:
    return Path(text) if Path(text).is_dir() else None


def parse_ticker_list(text: str) -> tuple[str, ...] | None:
    try:
        return parse_tickers(text)
    except ConfigError:
        return None


def parse_bars(text: str) -> str | None:
    return text if text in (YAHOO, SIMULATED) or Path(text).is_dir() else None


def parse_lock(text: str) -> str | None:
    return text if LOCK.fullmatch(text) else None


def parse_signing_key(text: str) -> str | None:
    return text if text.startswith(f"{SSM}/") or Path(text).is_file() else None


def parse_bus(text: str) -> str | None:
    return text if BUS.fullmatch(text) else None


def parse_topic(text: str) -> str | None:
    return text if TOPIC.fullmatch(text) else None


def parse_auth(text: str) -> str | None:
    return text if text in (API_KEY, IAM, NONE) else None


def parse_digests(text: str) -> tuple[str, ...] | None:
    digests = [digest.strip().lower() for digest in text.split(",")]
    return tuple(dict.fromkeys(digests)) if all(map(DIGEST.fullmatch, digests)) else None
