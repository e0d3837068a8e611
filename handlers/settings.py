"""The settings of the functions: the only place where the environment is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.adapters.aws.s3_options import LOCK, LOCKS, NO_LOCK, NO_SSE, SSE, SSES
from pipeline.errors import ConfigError
from pipeline.wiring import (
    DEFAULT_BUNDLE,
    DEFAULT_TICKERS,
    SIMULATED,
    SOURCES,
    SSM,
    YAHOO,
    open_store,
    parse_tickers,
)

STORES = "s3://bucket/prefix or a folder"
BUNDLES = "the folder of a model bundle"
TICKERS = "tickers joined by commas, of letters, digits and . - ="
API_KEY, IAM, NONE = "api-key", "iam", "none"
DIGESTS = "hex SHA-256 digests of the accepted keys joined by commas (forecaster api-key new)"
SIGNING_KEYS = "the file of a private key (forecaster key new), ssm:/name or none"
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class DailySettings:
    """What the daily function is told.

    Attributes
    ----------
    store : FORECASTER_STORE, s3://bucket/prefix or a folder; required
    bundle : FORECASTER_BUNDLE, folder of the model bundle
    tickers : FORECASTER_TICKERS, upper case, each once
    bars : FORECASTER_BARS, `yahoo`, `simulated` or an existing folder
    lock : FORECASTER_LOCK, `none` or how S3 locks the record, as `governance:7`
    sse : FORECASTER_SSE, `none` or how S3 is told to encrypt what is written, as `kms:KEY`
    signing_key : FORECASTER_SIGNING_KEY, a file or `ssm:/name` of the private key that signs the
        manifests; None for `none`
    """

    store: str
    bundle: Path
    tickers: tuple[str, ...]
    bars: str
    lock: str = NO_LOCK
    sse: str = NO_SSE
    signing_key: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings in `environ`; raises one ConfigError that lists every problem."""
        read = _Reader(environ)
        settings = {
            "store": read("FORECASTER_STORE", _parse_store, STORES),
            "bundle": read("FORECASTER_BUNDLE", _parse_bundle, BUNDLES, str(DEFAULT_BUNDLE)),
            "tickers": read("FORECASTER_TICKERS", _parse_tickers, TICKERS, DEFAULT_TICKERS),
            "bars": read("FORECASTER_BARS", _parse_bars, SOURCES, YAHOO),
            "lock": read("FORECASTER_LOCK", _parse_form(LOCK), LOCKS, NO_LOCK),
            "sse": read("FORECASTER_SSE", _parse_form(SSE), SSES, NO_SSE),
        }
        if environ.get("FORECASTER_SIGNING_KEY", NONE) != NONE:
            name = "FORECASTER_SIGNING_KEY"
            settings["signing_key"] = read.secret(name, _parse_signing_key, SIGNING_KEYS)
        read.refuse_problems()
        return cls(**settings)


@dataclass(frozen=True, slots=True)
class VerifySettings:
    """What the function that verifies the record is told.

    Attributes
    ----------
    store : FORECASTER_STORE, s3://bucket/prefix or a folder; required
    """

    store: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings in `environ`; raises one ConfigError that lists every problem."""
        read = _Reader(environ)
        settings = {"store": read("FORECASTER_STORE", _parse_store, STORES)}
        read.refuse_problems()
        return cls(**settings)


@dataclass(frozen=True, slots=True)
class OnDemandSettings:
    """What the on-demand function is told.

    Attributes
    ----------
    store : FORECASTER_STORE, s3://bucket/prefix or a folder; required
    bundle : FORECASTER_BUNDLE, folder of the model bundle
    auth : FORECASTER_AUTH, `api-key`, `iam` (AWS checks before the function is called) or `none`
    api_key_sha256 : FORECASTER_API_KEY_SHA256, hex digests; required with `api-key`, else not read
    """

    store: str
    bundle: Path
    auth: str
    api_key_sha256: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings in `environ`; raises one ConfigError that lists every problem."""
        read = _Reader(environ)
        settings = {
            "store": read("FORECASTER_STORE", _parse_store, STORES),
            "bundle": read("FORECASTER_BUNDLE", _parse_bundle, BUNDLES, str(DEFAULT_BUNDLE)),
            "auth": read("FORECASTER_AUTH", _parse_auth, f"{API_KEY}, {IAM} or {NONE}", API_KEY),
        }
        if settings["auth"] == API_KEY:
            name = "FORECASTER_API_KEY_SHA256"
            settings["api_key_sha256"] = read.secret(name, _parse_digests, DIGESTS)
        read.refuse_problems()
        return cls(**settings)


class _Reader:
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


def _parse_store(text: str) -> str | None:
    try:
        open_store(text)
    except ConfigError:
        return None
    return text


def _parse_bundle(text: str) -> Path | None:
    return Path(text) if Path(text).is_dir() else None


def _parse_tickers(text: str) -> tuple[str, ...] | None:
    try:
        return parse_tickers(text)
    except ConfigError:
        return None


def _parse_bars(text: str) -> str | None:
    return text if text in (YAHOO, SIMULATED) or Path(text).is_dir() else None


def _parse_form(form: re.Pattern[str]) -> Callable[[str], str | None]:
    return lambda text: text if form.fullmatch(text) else None


def _parse_signing_key(text: str) -> str | None:
    return text if text.startswith(f"{SSM}/") or Path(text).is_file() else None


def _parse_auth(text: str) -> str | None:
    return text if text in (API_KEY, IAM, NONE) else None


def _parse_digests(text: str) -> tuple[str, ...] | None:
    digests = [digest.strip().lower() for digest in text.split(",")]
    return tuple(dict.fromkeys(digests)) if all(map(DIGEST.fullmatch, digests)) else None
