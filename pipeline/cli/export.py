"""The command `forecaster export`: rows of the record for a spreadsheet or a notebook."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pipeline.cli import console, options, selecting
from pipeline.cli.export_files import STDOUT, Export, find_writer, write_export
from pipeline.cli.plain import count, name_few
from pipeline.cli.whole_file import require_free
from pipeline.columns import Columns, where
from pipeline.errors import ConfigError
from pipeline.forecasting.bundle import trained_until
from pipeline.ports import ObjectStore
from pipeline.record.chain import find_head
from pipeline.record.manifest import Mode
from pipeline.views.rows import NAMES, SCORES, Selection, read_rows

UTC_NOTE = "issued_at is in UTC; days are the exchange's sessions"
UNITS = "prices as quoted on the origin's day; errors and scores in log returns"


def _parse_table(text: str) -> str:
    if text not in NAMES:
        raise typer.BadParameter(f"expected {', '.join(NAMES)}, got {text!r}")
    return text


Out = Annotated[
    str, typer.Option(metavar="FILE.csv|.parquet|.xlsx", help="File to write; - is CSV on stdout.")
]
Table = Annotated[
    str, typer.Option(parser=_parse_table, metavar="|".join(NAMES), help="Which rows.")
]
ModeName = Annotated[
    str,
    typer.Option(
        "--mode",
        parser=selecting.parse_mode,
        metavar="live|as_of|backfill|all",
        help="How the forecasts were issued.",
    ),
]
First = Annotated[
    date | None,
    options.day_option("--from", "First session: of scores the targets', else the origins'."),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    example = "forecaster export SPY --table scores --from 2025-01-01 --out scores.xlsx"
    app.command("export", epilog=f"Example: {example}")(export_command)


def export_command(
    out: Out,
    tickers: selecting.Tickers = None,
    table: Table = "forecasts",
    first: First = None,
    last: selecting.Last = None,
    mode: ModeName = Mode.LIVE.value,
    in_sample: selecting.InSample = False,
    force: options.Force = False,
    store: options.Store = "./store",
    json: options.Json = False,
) -> None:
    """Write rows of the record to a file: CSV, Parquet or an Excel workbook, by its name.

    The file is whole or not there at all. For a spreadsheet that takes commas for decimals: .xlsx.
    """
    if json and out == STDOUT:
        raise ConfigError(f"--out: expected a file beside --json, got {STDOUT}")
    write = find_writer(out)
    if out != STDOUT:
        require_free(Path(out), force=force)
    selecting.check_span(first, last)
    opened, tables = options.open_published(store, selecting.parse_names(tickers) or ())
    modes = selecting.parse_modes(mode)
    wanted = Selection(
        first, last, selecting.parse_names(tickers), None, modes or (Mode.LIVE,), in_sample=True
    )
    with console.progress("Reading the record"):
        rows = read_rows(opened, tables, table, wanted)
        kept = _leave_out_learnt(rows) if table == SCORES and not in_sample else rows
        absent = _require_rows(opened, wanted, table, kept, rows)
    export = Export(table, kept, _describe(opened, table, mode, kept), tables)
    with console.progress(f"Writing {out}"):
        write_export(write, export, out, force=force)
    learnt = len(rows["ticker"]) - len(kept["ticker"])
    if json:
        document = {"out": out, "rows": len(kept["ticker"]), "in_sample_left_out": learnt}
        console.print_json(document | {"absent": absent, "notes": export.notes})
    elif out != STDOUT:
        _print_written(export, out, learnt, absent)


def _leave_out_learnt(scores: Columns) -> Columns:
    return where(scores, ~scores["in_sample"])


def _require_rows(
    store: ObjectStore, wanted: Selection, table: str, kept: Columns, rows: Columns
) -> tuple[str, ...]:
    """Return the tickers asked for without a row; raises RequestError where there is none."""
    absent = selecting.require_known(store, wanted.tickers, set(kept["ticker"].tolist()))
    if not len(kept["ticker"]):
        n = len(rows["ticker"])
        advice = f"; {count(n, 'row')} in sample, --in-sample takes them too" if n else ""
        modes = " or ".join(wanted.modes)
        asked = f"rows of {table} in mode {modes}"
        raise selecting.build_refusal(store, asked, f"{advice}; --mode all takes every mode")
    return absent


def _describe(store: ObjectStore, table: str, mode: str, rows: Columns) -> dict[str, str]:
    """Return what is to know of the rows, by name."""
    head = find_head(store)
    days = rows["target_date" if table == SCORES else "origin_date"]
    notes = {
        "table": table,
        "source": head.manifest.source if head else "",
        "mode": mode,
        "sessions": f"{days.min()} to {days.max()}",
        "time": UTC_NOTE,
        "units": UNITS,
    }
    learnt = 0 if table == "baselines" else _count_learnt(rows)
    if learnt:
        notes["in sample"] = (
            f"for {learnt:,} of {count(len(days), 'row')} the model had learnt from data after "
            "their origin: they prove nothing"
        )
    return notes


def _count_learnt(rows: Columns) -> int:
    """Return how many rows are of a model trained on data after their origin."""
    versions, number = np.unique(rows["model_version"].astype(str), return_inverse=True)
    until = np.array([trained_until(version) for version in versions.tolist()])
    return int((until[number] > rows["origin_date"].astype(str)).sum())


def _print_written(export: Export, out: str, learnt: int, absent: tuple[str, ...]) -> None:
    console.print_source(export.notes["source"])
    rows = count(len(export.rows["ticker"]), "row")
    console.print_line(f"{rows} of {export.table}, {export.notes['sessions']}, written to {out}")
    if absent:
        console.print_line(f"No row of {name_few(absent)}", "yellow")
    if learnt:
        console.print_line(
            f"Left out: {count(learnt, 'score')} in sample, for the model had learnt what came; "
            "--in-sample takes them too",
            "yellow",
        )
    if note := export.notes.get("in sample"):
        console.print_line(f"In sample: {note}", "yellow")
