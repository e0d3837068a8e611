"""Console: what the commands print for people, by rich."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from pipeline.published import Published

# Without a terminal rich takes 80 columns; a log or a pipe has no width.
WIDTH = 100
UNREAL = "simulated"


def print_published(shown: Published) -> None:
    """Print a session's forecasts, where they come from and where they lie."""
    console = _console()
    _print_source(console, shown.source)
    _line(console, f"Forecasts from the close of {shown.session}")
    if shown.forecasts and len(shown.forecasts["ticker"]):
        _print_table(console, _forecast_table(shown.rows()))
    else:
        _line(console, "None: every ticker is withheld.", "yellow")
    for forecasts, manifest in shown.urls:
        _line(console, f"Parquet   {forecasts}\nManifest  {manifest}")


def print_source(label: str) -> None:
    """Print where bars come from; a source of invented prices stands out."""
    _print_source(_console(), label)


def print_failures(title: str, why: Mapping[str, tuple[str, str]]) -> None:
    """Print tickers that came to nothing; `why` has the reason and its meaning of each."""
    if not why:
        return
    table = _table(title, "Reason", "Meaning")
    table.columns[-1].no_wrap = False
    for ticker, (reason, meaning) in why.items():
        table.add_row(ticker, reason, Text(meaning))
    _console().print(table)


def print_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of text and numbers, the first column to the left and the rest aligned."""
    table = _table(header[0])
    for name in header[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    _print_table(_console(), table)


def print_line(text: str) -> None:
    """Print a line, however long, without breaking it."""
    _line(_console(), text)


def print_note(text: str) -> None:
    """Print a note that stands out."""
    _line(_console(), f"Note: {text}", "yellow")


def print_error(text: str) -> None:
    """Print an error to stderr, in one line."""
    _line(_console(stderr=True), "error: " + " ".join(text.split()), "red")


@contextmanager
def progress(doing: str) -> Iterator[Status]:
    """Show a spinner on stderr, where it is a terminal; `update` names the next phase."""
    with _console(stderr=True).status(doing) as status:
        yield status


def _forecast_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("Ticker", "Target date")
    for name in ("Horizon", "Last close", "Prediction", "95 % interval", "80 % interval"):
        table.add_column(name, justify="right", no_wrap=True)
    before = rows[0]["ticker"]
    for row in rows:
        if row["ticker"] != before:
            table.add_section()
        before = row["ticker"]
        intervals = (f"{row[f'lower_{c}']:.2f} to {row[f'upper_{c}']:.2f}" for c in (95, 80))
        table.add_row(
            row["ticker"],
            str(row["target_date"]),
            str(row["horizon"]),
            f"{row['last_close']:.2f}",
            f"{row['prediction']:.2f}",
            *intervals,
        )
    return table


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name, no_wrap=True)
    return table


def _print_source(console: Console, label: str) -> None:
    if label.startswith(UNREAL):
        _line(console, f"SIMULATED: {label}; nothing here is about a real market", "bold yellow")
    else:
        _line(console, f"Source: {label}")


def _print_table(console: Console, table: Table) -> None:
    """Print a table of numbers: rather wider than the terminal than cut."""
    wide = console.options.update(max_width=10_000)
    console.width = max(console.width, console.measure(table, options=wide).maximum)
    console.print(table)


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style), soft_wrap=True)


def _console(*, stderr: bool = False) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    return console
