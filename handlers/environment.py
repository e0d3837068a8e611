"""The environment: variables read one by one, and what is wrong with them gathered."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.adapters.aws.s3_options import LOCATION
from pipeline.errors import ConfigError
from pipeline.jobs.renaming import parse_renamed
from pipeline.wiring import SSM, is_source, open_store

STORES = "s3://bucket/prefix or a folder"
BUNDLES = "the folder of a model bundle"
TICKERS = "tickers joined by commas, of letters, digits and . - ="
RENAMES = (
    "old and new names as FB=META joined by commas, each once, the new ones among "
    "FORECASTER_TICKERS and the old ones not, or none"
)
NO_RENAMES = "none with FORECASTER_UNIVERSE, whose file says it in its column renamed_from"
RATES = "requests a minute, 1 to 6000, or none"
UNIVERSES = "a CSV file of tickers, s3://bucket/key or none"
API_KEY, IAM, NONE = "api-key", "iam", "none"
DIGESTS = "hex SHA-256 digests of the accepted keys joined by commas (forecaster api-key new)"
ORIGINS = "hex SHA-256 digests of CloudFront's secrets joined by commas, or none"
SIGNING_KEYS = "the file of a private key (forecaster key new), ssm:/name or none"
BUSES, TOPICS = "the name of an EventBridge bus or none", "the ARN of an SNS topic or none"
DIGEST = re.compile(r"[0-9a-f]{64}")
AUTH, AUTHS = re.compile(f"{API_KEY}|{IAM}|{NONE}"), f"{API_KEY}, {IAM} or {NONE}"
CALENDAR, CALENDARS = (
    re.compile(r"[A-Za-z0-9_/]{1,20}"),
    "the code of an exchange, like XNYS or 24/7",
)
BUS = re.compile(r"[A-Za-z0-9._-]{1,256}")
TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}")


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
        text = self._environ.get(name, "")
        value = parse(text)
        if value is None:
            received = "something else" if text.strip() else "nothing"
            self._problems.append(f"{name}: expected {expected}, got {received}")
        return value

    def unless_none(self, read: Callable[..., Any], name: str, *how: Any) -> Any:
        """Read what can be left out: `none` and no variable are None."""
        return None if self._environ.get(name, NONE) == NONE else read(name, *how)

    def refuse_problems(self) -> None:
        if self._problems:
            raise ConfigError("settings: " + "; ".join(self._problems))


def matching(form: re.Pattern[str]) -> Callable[[str], str | None]:
    return lambda text: text if form.fullmatch(text) else None


def unless_refused(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def attempt(text: str) -> Any:
        with suppress(ConfigError):
            return parse(text)
        return None

    return attempt


@unless_refused
def parse_store(text: str) -> str:
    open_store(text)
    return text


def parse_bundle(text: str) -> Path | None:
    return Path(text) if Path(text).is_dir() else None


def parse_bars(text: str) -> str | None:
    return text if is_source(text) else None


def parse_universe(text: str) -> str | None:
    return text if LOCATION.fullmatch(text) or Path(text).is_file() else None


def parse_renames(text: str, tickers: Collection[str] | None) -> Mapping[str, str] | None:
    """Return new name -> old name; what goes wrong with the tickers is said of them."""
    if tickers is None:
        return {}
    with suppress(ConfigError):
        return parse_renamed(text, tickers, "FORECASTER_TICKERS")
    return None


def parse_rate(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() and 1 <= int(text) <= 6000 else None


def parse_signing_key(text: str) -> str | None:
    return text if text.startswith(f"{SSM}/") or Path(text).is_file() else None


def parse_digests(text: str) -> tuple[str, ...] | None:
    digests = [digest.strip().lower() for digest in text.split(",")]
    return tuple(dict.fromkeys(digests)) if all(map(DIGEST.fullmatch, digests)) else None
