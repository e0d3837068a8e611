"""Options: what the command line takes, and what it means. Reads the clock; nothing below may."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from pipeline import wiring
from pipeline.errors import ConfigError
from pipeline.ports import BarSource, Calendar, ObjectStore, Tables
from pipeline.record.sharding import OF_ONE_RECORD
from pipeline.record.vintage import HISTORY_SESSIONS
from pipeline.wiring import open_source, open_store

NEW_YORK = ZoneInfo("America/New_York")
PATIENCE = 600.0  # seconds, for a source that throttles us

DEFAULT_PROOF = date(2019, 1, 1)
DEFAULT_TICKERS, DEFAULT_SYMBOLS = [wiring.DEFAULT_TICKERS], [wiring.DEFAULT_SYMBOLS]


def parse_day(text: str | date) -> date:
    """Return the date of `2024-12-27`; raises BadParameter for anything else."""
    try:
        return text if isinstance(text, date) else date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"expected a date like 2024-12-27, got {text!r}") from None


def day_option(name: str, meaning: str) -> typer.models.OptionInfo:
    """Return an option that takes a date."""
    option: typer.models.OptionInfo = typer.Option(
        name, parser=parse_day, metavar="DATE", help=meaning
    )
    return option


def print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("financial-forecaster"))
        raise typer.Exit


Bars = Annotated[
    str,
    typer.Option(metavar="DIR|FILE|s3://...|yahoo|simulated", help="Where bars come from."),
]
CheckBars = Annotated[
    str | None,
    typer.Option(metavar="SPEC", help="A second source that must have the same last close."),
]
Store = Annotated[str, typer.Option(metavar="DIR|s3://...", help="Where forecasts are published.")]
Lock = Annotated[
    str,
    typer.Option(metavar="none|governance:YEARS|compliance:YEARS", help="Lock the record in S3."),
]
Sse = Annotated[
    str, typer.Option(metavar="none|aes256|kms|kms:KEY", help="Have S3 encrypt, where it asks.")
]
Bundle = Annotated[
    Path, typer.Option(metavar="DIR", help="The model.", show_default="models/default")
]
Tickers = Annotated[
    list[str], typer.Option(metavar="A,B,...", help="Tickers, joined by commas or one by one.")
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder to write to; made if missing.")]
Exchange = Annotated[
    str | None,
    typer.Option(
        "--calendar",
        metavar="XNYS|XLON|24/7|...",
        help="The exchange whose sessions count; else that of the store, or XNYS.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="FILE|ssm:/...", help="Sign with the private key kept there."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there already.")]
AsOf = Annotated[
    date | None, day_option("--as-of", "Act as at the end of this day on the exchange, not now.")
]
First = Annotated[
    date | None, day_option("--from", f"First session; else the last {HISTORY_SESSIONS} sessions.")
]
Last = Annotated[date | None, day_option("--to", "Last session; else the last one closed.")]
Until = Annotated[date | None, day_option("--until", "Learn from no later session.")]
ProveFrom = Annotated[
    date, day_option("--prove-from", "Score, from here on, a model trained on what came before.")
]
Version = Annotated[
    bool,
    typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
]


def parse_tickers(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the tickers of `SPY,QQQ` and so on, each once; raises ConfigError for others."""
    try:
        return wiring.parse_tickers(",".join(texts))
    except ConfigError as exc:
        raise ConfigError(f"--tickers: {exc}") from exc


def event_time(option: str, day: date | None, calendar: Calendar) -> datetime:
    """Return the end of the exchange's `day` but never later than now; now without a day.

    Raises
    ------
    ConfigError
        When the day has not begun.
    """
    if day is None:
        return now()
    today = now().astimezone(calendar.zone).date()
    if day > today:
        raise ConfigError(f"{option}: expected a date not after today, {today}, got {day}")
    return min(now(), calendar.end_of(day))


def now() -> datetime:
    """Return the time in New York."""
    return datetime.now(NEW_YORK)


def open_calendar(name: str | None = None, store: ObjectStore | None = None) -> Calendar:
    """Return the calendar of the exchange of that name; else the store's; else New York's."""
    if name is not None:
        return wiring.open_calendar(name)
    return wiring.open_calendar() if store is None else wiring.calendar_of(store)


def open_bars(spec: str, calendar: Calendar, pause: float = 0.0) -> BarSource:
    """Return the source that `--bars` names, as `open_source` does; who paces it has patience."""
    end = time.monotonic() + PATIENCE * (1 + pause)
    return open_source(
        spec,
        calendar,
        cache_dir=Path(typer.get_app_dir("financial-forecaster")) / "yahoo",
        remaining_seconds=lambda: end - time.monotonic(),
        pause=pause,
    )


def open_checked(
    spec: str, second: str | None, calendar: Calendar, tickers: Sequence[str], pause: float = 0.0
) -> BarSource:
    """Return the source that `--bars` names, checked by that of `--check-bars`, if any."""
    source = open_bars(spec, calendar, pause)
    if second is None:
        return source
    from pipeline.jobs.checked_source import CheckedSource  # noqa: PLC0415

    try:
        return CheckedSource(source, open_bars(second, calendar, pause), tickers)
    except ConfigError as exc:
        raise ConfigError(f"--check-bars: {str(exc).removeprefix('bars: ')}") from exc


def open_published(
    location: str, tickers: Sequence[str] = (), expected: str = OF_ONE_RECORD
) -> tuple[ObjectStore, Tables]:
    """Return the store that `--store` names and what reads its tables.

    Of a universe it is the shard in which these tickers are; raises as `select_store` does.
    """
    from pipeline.jobs.universe.shards import select_store  # noqa: PLC0415

    return select_store(open_store(location), tickers, expected), open_tables()


def open_tables() -> Tables:
    """Return what reads the tables of a store."""
    from pipeline.adapters.parquet.parquet_tables import ParquetTables  # noqa: PLC0415

    return ParquetTables()


def open_folder(option: str, folder: Path) -> ObjectStore:
    """Return the folder as a store; raises ConfigError where it cannot be made."""
    from pipeline.adapters.folder_store import FolderObjects  # noqa: PLC0415

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(
            f"{option}: expected a folder to write to, got {folder}: {exc.strerror}"
        ) from exc
    return FolderObjects(folder)
