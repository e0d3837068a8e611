"""Console: what the commands print, for people by rich."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.text import Text

from pipeline.cli.plain import PlainTable, to_text
from pipeline.cli.reasons import Withheld
from pipeline.encoding import escape_json, to_json

# A pipe or a log has no width; rich would take 80 columns.
WIDTH = 100
UNREAL = "simulated"
MOST_ROWS = 2000  # a table of more is a wall that nobody reads
FEW = 20  # rows, names or reasons that are shown of many


def print_withheld(withheld: Mapping[str, Withheld]) -> None:
    """Print which tickers have no forecast and why, if any."""
    print_reasons("Withheld", {t: (why.reason, why.message) for t, why in withheld.items()})


def print_source(label: str) -> None:
    """Print where bars come from; invented prices stand out."""
    if UNREAL in label:
        print_line(f"SIMULATED, NOT REAL: {label}", "bold yellow")
    else:
        print_line(f"Source: {label}")


def print_line(text: str, style: str = "") -> None:
    """Print text in one line; in a terminal over as many as it takes, broken between words."""
    _print_words(_console(), to_text(text, style))


def print_lines(*lines: str, style: str = "") -> None:
    """Print each text in a line of its own."""
    for line in lines:
        print_line(line, style)


def print_error(text: str) -> None:
    """Print an error to stderr, in one line."""
    _print_words(_console(stderr=True), to_text("error: " + " ".join(text.split()), "red"))


def print_drawing(lines: Sequence[str], styles: Mapping[str, str]) -> None:
    """Print lines that mean nothing when broken, each character in the style that it has."""
    console = _console()
    for line in lines:
        text = Text()
        for character in line:
            text.append(character, styles.get(character, ""))
        console.print(text, soft_wrap=True)


def find_width() -> int:
    """Return how many columns there are to draw on."""
    return _console().width


def print_json(document: Mapping[str, Any]) -> None:
    """Print a JSON document in ASCII, which any console and any program takes."""
    sys.stdout.write(escape_json(to_json(document).decode()))


def print_text(text: str) -> None:
    """Print text for machines as it is."""
    sys.stdout.write(text)


@contextmanager
def progress(doing: str) -> Iterator[Status]:
    """Show a spinner on stderr, if that is a terminal; `update` names the next phase."""
    console = _console(stderr=True)
    spinner = "dots" if console.encoding.startswith("utf") else "line"
    with console.status(doing, spinner=spinner) as status:
        yield status


def print_reasons(title: str, reasons: Mapping[str, tuple[str, str]]) -> None:
    """Print tickers under a title, each with a reason and what it means; like ones together."""
    if not reasons:
        return
    alike: dict[tuple[str, str], list[str]] = {}
    for ticker, (reason, message) in reasons.items():
        alike.setdefault((reason, message.removeprefix(f"{ticker}: ")), []).append(ticker)
    if len(alike) > FEW:
        alike = _group_by_reason(alike)
    table = new_table(title, "Reason")
    table.add_names(["What it means"])
    for (reason, message), tickers in alike.items():
        more = [f"and {len(tickers) - FEW:,} more"] if len(tickers) > FEW else []
        table.add_row([*tickers[:FEW], *more], reason, message)
    print_whole(table)


def _group_by_reason(
    alike: Mapping[tuple[str, str], Sequence[str]],
) -> dict[tuple[str, str], list[str]]:
    """Return tickers by reason alone, with what is said of the first of them."""
    examples: dict[str, str] = {}
    grouped: dict[tuple[str, str], list[str]] = {}
    for (reason, message), tickers in alike.items():
        example = examples.setdefault(reason, f"{tickers[0]}: {message}")
        grouped.setdefault((reason, example), []).extend(tickers)
    return grouped


def new_table(*names: str, numbers: Sequence[str] = (), spare: Sequence[str] = ()) -> PlainTable:
    """Return an empty table; a narrow terminal goes without the columns to `spare`, in order."""
    table = PlainTable(spare)
    table.add_names(names, no_wrap=True)
    table.add_names(numbers, no_wrap=True, justify="right")
    return table


def print_whole(table: PlainTable) -> None:
    """Print a table and cut nothing in it; what a terminal has no room for is named.

    Of thousands of rows the first are shown. Where a terminal is too narrow, columns that can be
    spared go; where that is not enough, each row becomes lines of its own. A pipe has all columns.
    """
    console, rows, left_out = _console(), table.row_count, 0
    table = (table.first(FEW) if rows > MOST_ROWS else table).firm()
    if console.is_terminal:
        while _measure(console, table) > console.width and left_out < len(table.spare):
            left_out += 1
            table = table.without(table.spare[:left_out])
    narrowest = _measure(console, table)
    if narrowest > console.width and console.is_terminal:
        _print_cards(console, table)
    else:
        console.width = max(console.width, narrowest)
        console.print(table)
    if left_out:
        print_line(f"Left out, for the terminal is narrow: {', '.join(table.spare[:left_out])}.")
    if rows > MOST_ROWS:
        print_line(f"These are {FEW} of {rows:,} rows; --json has them all.", "yellow")


def _measure(console: Console, table: PlainTable) -> int:
    """Return the columns that a table takes when no word in it is broken."""
    wide = console.options.update(max_width=10_000)
    return console.measure(table, options=wide).minimum


def _print_cards(console: Console, table: PlainTable) -> None:
    """Print each row as lines under its first cell: name and value, below each other if long."""
    for (_, title), *cells in table.list_cards():
        console.print()
        _print_words(console, title)
        for name, value in cells:
            parts = [f"  {part}" for part in (name, value.plain) if part]
            if len("".join(parts)) > console.width:
                parts[1:] = [f"    {value.plain}"]
            else:
                parts = ["".join(parts)]
            for part in parts:
                _print_words(console, Text(part), "    ")
    console.print()


def _print_words(console: Console, text: Text, indent: str = "") -> None:
    """Print text, in a terminal broken between words; what is one word, as a path, stays one."""
    lines = [text.plain]
    if console.is_terminal:
        lines = textwrap.wrap(
            text.plain,
            console.width,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    for line in lines:
        console.print(Text(line, text.style), soft_wrap=True)


def _console(*, stderr: bool = False) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    return console
