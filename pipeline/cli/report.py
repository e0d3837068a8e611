"""The command `forecaster report`: the page of a store as a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli import console, options, selecting
from pipeline.cli.whole_file import require_free, writing
from pipeline.errors import ConfigError
from pipeline.record.chain import read_link
from pipeline.record.grammar import list_keys
from pipeline.record.keys import DASHBOARD, RUNS, session_prefix
from pipeline.views.refresh import build_views

Out = Annotated[Path, typer.Option(metavar="FILE.html", help="Page to write.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("report", epilog="Example: forecaster report --out report.html --store ./store")(
        report_command
    )


def report_command(
    out: Out,
    day: selecting.Day = None,
    force: options.Force = False,
    store: options.Store = "./store",
    json: options.Json = False,
) -> None:
    """Write the page of a store, made anew from the record: one file that needs nothing else.

    Of the newest session it has the bytes of the store's index.html.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--out: expected a file named .html, got {str(out)!r}")
    require_free(out, force=force)
    opened, tables = options.open_published(store)
    with console.progress("Reading the record"):
        session = selecting.find_session(opened, store, day)
        link = read_link(opened, list_keys(opened, session_prefix(session))[-1])
        views = build_views(opened, tables, link, None)
    if views is None:
        raise ConfigError(f"store: expected a record at {opened.url(RUNS)}, found none")
    with writing(out, force=force) as file:
        file.write(views.objects[DASHBOARD])
    if json:
        console.print_json({"out": str(out), "session": session})
    else:
        console.print_line(f"The page of {session}, written to {out}")
