"""The command `forecaster check`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeGuard

import typer

from pipeline.cli import console, options
from pipeline.cli.check_text import print_checked
from pipeline.errors import ConfigError
from pipeline.jobs.check_bars import EARLIEST, check_bars
from pipeline.jobs.clean_bars import Encode, write_clean
from pipeline.jobs.fetch import to_csv

if TYPE_CHECKING:
    from pipeline.adapters.bar_folder.folder_bars import FolderBars
    from pipeline.ports import BarSource

ALL_TIME = (date(1700, 1, 1), date(2199, 12, 31))


class Format(StrEnum):
    """How clean bars are written."""

    CSV = "csv"
    PARQUET = "parquet"


Tickers = Annotated[
    list[str] | None,
    typer.Option(metavar="A,B,...", help="Tickers; else those of all files of the folder."),
]
Clean = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder for clean files that --bars reads; made if missing."),
]
Written = Annotated[Format, typer.Option("--format", help="What --out writes.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("check", epilog="Example: forecaster check --bars ./bars --out ./clean")(check)


def check(
    bars: options.Bars,
    out: Clean = None,
    written: Written = Format.CSV,
    tickers: Tickers = None,
    exchange: options.Exchange = None,
    as_of: options.AsOf = None,
    json: options.Json = False,
) -> None:
    """Say how files of bars are read, what is in them, and what a run would say of them."""
    if out is not None and out.resolve() == Path(bars).resolve():
        raise ConfigError(f"--out: expected another folder than --bars, got {out}")
    with console.progress("Reading bars"):
        calendar = options.open_calendar(exchange)
        at = options.event_time("--as-of", as_of, calendar)
        source = options.open_bars(bars, calendar)
        names = options.parse_tickers(tickers) if tickers else _list_tickers(bars, source)
        span = ALL_TIME if _is_files(source) else (EARLIEST, calendar.last_closed(at))
        checked = check_bars(source, calendar, names, span, at)
        files: list[str] = []
        if out is not None:
            opened = options.open_folder("--out", out)
            files = write_clean(checked, opened, written, _choose_encoder(written))
    if json:
        console.print_json(checked.document() | {"written": files})
    else:
        print_checked(checked)
        if files:
            console.print_line(f"Written   {len(files)} files to {out}")
    checked.require_usable()


def _is_files(source: BarSource) -> TypeGuard[FolderBars]:
    from pipeline.adapters.bar_folder.folder_bars import FolderBars  # noqa: PLC0415

    return isinstance(source, FolderBars)


def _list_tickers(bars: str, source: BarSource) -> Sequence[str]:
    if not _is_files(source):
        raise ConfigError(f"--tickers: expected some for --bars {bars}, which has no list of them")
    if names := source.list_tickers():
        return names
    raise ConfigError(f"--bars: expected a folder of CSV or Parquet files, got none in {bars}")


def _choose_encoder(written: Format) -> Encode:
    if written is Format.CSV:
        return to_csv
    from pipeline.adapters.bar_folder.parquet_file import encode_parquet  # noqa: PLC0415

    return encode_parquet
