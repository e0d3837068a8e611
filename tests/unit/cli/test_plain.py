"""What a terminal is sent of labels, tickers and messages, whatever they hold."""

from __future__ import annotations

import ast
import io
import json
import sys
from pathlib import Path

import pytest
import rich

from pipeline.cli import console, main
from pipeline.cli.plain import NEAREST, accept_any_text
from pipeline.cli.reasons import Withheld

HOSTILE = "SPY\x1b[2J\x9b31m\x07\u202e\u2028\x7f\rx\ny [red]z[/red]"
SHOWN = "SPY\\x1b[2J\\x9b31m\\x07\\u202e\\u2028\\x7f\\rx\\ny [red]z[/red]"
COMMANDS = Path(main.__file__).parent


def printable(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize(
    "print_it", [console.print_line, console.print_lines, console.print_source]
)
def test_a_line_is_a_line_whatever_it_holds(
    print_it: object, capsys: pytest.CaptureFixture[str]
) -> None:
    print_it(HOSTILE)  # type: ignore[operator]
    assert capsys.readouterr().out.removeprefix("Source: ") == f"{SHOWN}\n"


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_error(HOSTILE)
    err = capsys.readouterr().err
    assert (
        err
        == "error: "
        + " ".join(SHOWN.replace("\\u2028", " ").replace("\\rx\\n", " x ").split())
        + "\n"
    )


def test_a_table_s_heads_and_cells_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    table = console.new_table(HOSTILE, numbers=(HOSTILE,))
    table.add_row(HOSTILE, HOSTILE)
    table.add_row(["first", HOSTILE], "")
    console.print_whole(table)
    console.print_withheld({HOSTILE: Withheld("unreadable", HOSTILE)})
    out = capsys.readouterr().out
    assert printable(out)
    assert out.count(SHOWN) >= 5
    assert "first" in out


def test_json_is_ascii_and_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"source": HOSTILE + "±"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert printable(out)
    assert json.loads(out) == {"source": HOSTILE + "±"}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_console_gets_the_nearest_it_can_show(encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    accept_any_text(stream)
    stream.write("±—…─é\udcff")
    stream.flush()
    stream.seek(0)
    known = {
        "ascii": "+--...\\u2500\\xe9\\udcff",
        "latin-1": "±-...\\u2500é\\udcff",
        "cp1252": "±—…\\u2500é\\udcff",
        "utf-8": "±—…─é\\udcff",
    }
    assert stream.read() == known[encoding]


def test_what_stands_for_a_character_is_ascii() -> None:
    assert all(text.isascii() and not character.isascii() for character, text in NEAREST.items())


def test_a_stream_that_has_no_encoding_is_left_alone() -> None:
    stream = io.StringIO()
    accept_any_text(stream)
    stream.write("0 \u00b1 1")
    assert stream.getvalue() == "0 \u00b1 1"


# Whoever prints, prints through these.


def prints(source: str) -> set[str]:
    """Return what a module prints with: print, a standard stream, typer's echo, or rich."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "print",
            "typer.echo",
            "typer.secho",
        ):
            found.add(ast.unparse(node.func))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in (
            "sys.stdout.write",
            "sys.stderr.write",
        ):
            found.add(ast.unparse(node))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == rich.__name__:
            found.add(f"rich.{(node.module or '').partition('.')[2]}".rstrip("."))
    return found


ALLOWED = {
    "console.py": {"rich.console", "rich.status", "rich.text", "sys.stdout.write"},
    "plain.py": {"rich", "rich.table", "rich.text"},
    "progress.py": {"rich.console", "rich.progress"},
    "options.py": {"typer.echo"},  # the version
}


@pytest.mark.parametrize("path", sorted(COMMANDS.glob("*.py")), ids=lambda path: path.name)
def test_no_command_prints_past_the_console(path: Path) -> None:
    assert prints(path.read_text(encoding="utf-8")) == ALLOWED.get(path.name, set())


@pytest.mark.parametrize("words", [["run", "--store", "st\udcff"], ["show", "\ud800"]])
def test_bytes_that_are_no_text_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        main.main(words)
    assert exited.value.code == 2
    assert capsys.readouterr().err.startswith("error: expected arguments in UTF-8, got '")
    assert sys.stdout.errors == "nearest"
