"""The settings of the functions, as the environment has them: read nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from handlers.environment import (
    API_KEY,
    AUTH,
    AUTHS,
    BUNDLES,
    BUS,
    BUSES,
    CALENDAR,
    CALENDARS,
    DIGESTS,
    NO_RENAMES,
    ORIGINS,
    RATES,
    RENAMES,
    SIGNING_KEYS,
    STORES,
    TICKERS,
    TOPIC,
    TOPICS,
    UNIVERSES,
    Reader,
    matching,
    parse_bars,
    parse_bundle,
    parse_digests,
    parse_rate,
    parse_renames,
    parse_signing_key,
    parse_store,
    parse_universe,
    unless_refused,
)
from pipeline.adapters.aws.s3_options import LOCK, LOCKS, NO_LOCK, NO_SSE, SSE, SSES
from pipeline.wiring import (
    DEFAULT_BUNDLE,
    DEFAULT_CALENDAR,
    DEFAULT_TICKERS,
    SOURCES,
    YAHOO,
    parse_tickers,
)


@dataclass(frozen=True, slots=True)
class DailySettings:
    """What the daily function is told.

    Attributes
    ----------
    store : FORECASTER_STORE, s3://bucket/prefix or a folder; required
    bundle : FORECASTER_BUNDLE, folder of the model bundle
    tickers : FORECASTER_TICKERS, upper case, each once
    bars : FORECASTER_BARS, `yahoo`, `simulated`, a folder or file, or s3://bucket/prefix
    calendar : FORECASTER_CALENDAR, the exchange's code in exchange_calendars, like XNYS or 24/7
    lock : FORECASTER_LOCK, `none` or how S3 locks the record, as `governance:7`
    sse : FORECASTER_SSE, `none` or how S3 is told to encrypt what is written, as `kms:KEY`
    signing_key : FORECASTER_SIGNING_KEY, a file or `ssm:/name` of the private key that signs the
        manifests; None for `none`
    events : FORECASTER_EVENTS, the EventBridge bus that is told of every part; None for `none`
    digest_topic : FORECASTER_DIGEST_TOPIC, ARN of the SNS topic that sends digests; None for `none`
    universe : FORECASTER_UNIVERSE, a CSV of tickers that are run in shards, a file or
        s3://bucket/key; None for `none`. `tickers` are then not read
    rate : FORECASTER_RATE, requests a minute of one function to a source that is asked ticker by
        ticker; None for `none`: as fast as it answers, of a universe 30
    renamed : FORECASTER_RENAMED, new name -> old name of tickers that go on under another one, as
        `FB=META`; empty for `none`
    check_bars : FORECASTER_CHECK_BARS, as `bars`, of a second source that must have the same last
        close; None for `none`
    """

    store: str
    bundle: Path
    tickers: tuple[str, ...]
    bars: str
    calendar: str = DEFAULT_CALENDAR
    lock: str = NO_LOCK
    sse: str = NO_SSE
    signing_key: str | None = None
    events: str | None = None
    digest_topic: str | None = None
    check_bars: str | None = None
    universe: str | None = None
    rate: float | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings in `environ`; raises one ConfigError that lists every problem."""
        read = Reader(environ)
        optional = read.unless_none
        settings = {
            "store": read("FORECASTER_STORE", parse_store, STORES),
            "bundle": read("FORECASTER_BUNDLE", parse_bundle, BUNDLES, str(DEFAULT_BUNDLE)),
            "tickers": read(
                "FORECASTER_TICKERS", unless_refused(parse_tickers), TICKERS, DEFAULT_TICKERS
            ),
            "bars": read("FORECASTER_BARS", parse_bars, SOURCES, YAHOO),
            "check_bars": optional(read, "FORECASTER_CHECK_BARS", parse_bars, SOURCES),
            "universe": optional(read, "FORECASTER_UNIVERSE", parse_universe, UNIVERSES),
            "rate": optional(read, "FORECASTER_RATE", parse_rate, RATES),
            "calendar": _read_calendar(read),
            "lock": read("FORECASTER_LOCK", matching(LOCK), LOCKS, NO_LOCK),
            "sse": read("FORECASTER_SSE", matching(SSE), SSES, NO_SSE),
            "signing_key": optional(
                read.secret, "FORECASTER_SIGNING_KEY", parse_signing_key, SIGNING_KEYS
            ),
            "events": optional(read, "FORECASTER_EVENTS", matching(BUS), BUSES),
            "digest_topic": optional(read, "FORECASTER_DIGEST_TOPIC", matching(TOPIC), TOPICS),
        }
        settings["renamed"] = _read_renamed(read, settings["tickers"], settings["universe"])
        read.refuse_problems()
        return cls(**settings)


def _read_renamed(
    read: Reader, tickers: tuple[str, ...] | None, universe: str | None
) -> Mapping[str, str]:
    parse, expected = partial(parse_renames, tickers=tickers), RENAMES
    if universe is not None:
        parse, expected = partial(parse_renames, tickers=()), NO_RENAMES
    return read.unless_none(read, "FORECASTER_RENAMED", parse, expected) or {}


def _read_calendar(read: Reader) -> Any:
    return read("FORECASTER_CALENDAR", matching(CALENDAR), CALENDARS, DEFAULT_CALENDAR)


@dataclass(frozen=True, slots=True)
class VerifySettings:
    """What the function that verifies the record is told.

    Attributes
    ----------
    store : FORECASTER_STORE, s3://bucket/prefix or a folder; required
    calendar : FORECASTER_CALENDAR, which the store's terms must name too
    """

    store: str
    calendar: str = DEFAULT_CALENDAR

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings in `environ`; raises one ConfigError that lists every problem."""
        read = Reader(environ)
        store = read("FORECASTER_STORE", parse_store, STORES)
        calendar = _read_calendar(read)
        read.refuse_problems()
        return cls(store, calendar)


@dataclass(frozen=True, slots=True)
class OnDemandSettings:
    """What the on-demand function is told.

    Attributes
    ----------
    store : FORECASTER_STORE, s3://bucket/prefix or a folder; required
    bundle : FORECASTER_BUNDLE, folder of the model bundle
    auth : FORECASTER_AUTH, `api-key`, `iam` (AWS must name in the event who signed) or `none`
    api_key_sha256 : FORECASTER_API_KEY_SHA256, hex digests; required with `api-key`, else not read
    origin_sha256 : FORECASTER_ORIGIN_SHA256, hex digests of what CloudFront sends along, without
        which nothing is answered; None for `none`
    universe : FORECASTER_UNIVERSE, any but `none`: the store is a universe's, whose shards it has
    """

    store: str
    bundle: Path
    auth: str
    api_key_sha256: tuple[str, ...] = ()
    origin_sha256: tuple[str, ...] | None = None
    universe: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings in `environ`; raises one ConfigError that lists every problem."""
        read = Reader(environ)
        settings = {
            "store": read("FORECASTER_STORE", parse_store, STORES),
            "bundle": read("FORECASTER_BUNDLE", parse_bundle, BUNDLES, str(DEFAULT_BUNDLE)),
            "auth": read("FORECASTER_AUTH", matching(AUTH), AUTHS, API_KEY),
            "origin_sha256": read.unless_none(
                read.secret, "FORECASTER_ORIGIN_SHA256", parse_digests, ORIGINS
            ),
        }
        settings["universe"] = read.unless_none(read, "FORECASTER_UNIVERSE", str, UNIVERSES)
        if settings["auth"] == API_KEY:
            name = "FORECASTER_API_KEY_SHA256"
            settings["api_key_sha256"] = read.secret(name, parse_digests, DIGESTS)
        read.refuse_problems()
        return cls(**settings)
