"""The command `forecaster status`: how the record has fared, or a slice of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated

import msgspec
import typer

from pipeline.cli import console, options, record_text, selecting
from pipeline.cli.footnote import Footnote
from pipeline.cli.plain import name_few
from pipeline.cli.slice_text import describe_left_out, print_slice
from pipeline.cli.universe_record import show_status
from pipeline.errors import ConfigError
from pipeline.forecasting.levels import INTERVALS
from pipeline.jobs.status import read_status
from pipeline.ports import ObjectStore
from pipeline.record.chain import find_head
from pipeline.record.manifest import join_notes, read_manifests
from pipeline.record.notes import Note, NoteCode
from pipeline.record.universe_terms import read_universe_terms
from pipeline.views.rows import SCORES, Selection, read_rows
from pipeline.views.slice import Slice, summarise_slice
from pipeline.wiring import open_store

EXAMPLE = "forecaster status IWM --from 2020-03-01 --to 2020-03-31 --coverage 80 --store ./store"

Coverage = Annotated[
    int | None,
    typer.Option(metavar="|".join(map(str, INTERVALS)), help="Of this interval alone, in percent."),
]
Horizon = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Sessions ahead.", show_default="1")
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("status", epilog=f"Example: {EXAMPLE}")(status_command)


def status_command(
    tickers: selecting.Tickers = None,
    first: selecting.First = None,
    last: selecting.Last = None,
    coverage: Coverage = None,
    horizon: Horizon = None,
    mode: selecting.ModeName = None,
    in_sample: selecting.InSample = False,
    store: options.Store = "./store",
    json: options.Json = False,
) -> None:
    """Show how the forecasts on the record have fared, and what chance alone would do.

    With tickers or options, of that slice: sessions are those of the closes; without --mode, live
    forecasts where there are any, else the newest others. In-sample ones count only if asked for.
    """
    if coverage is not None and coverage not in INTERVALS:
        expected = ", ".join(map(str, INTERVALS))
        raise ConfigError(f"--coverage: expected one of {expected}, got {coverage}")
    selecting.check_span(first, last)
    if not tickers and (terms := read_universe_terms(root := open_store(store))) is not None:
        show_status(root, terms, options.now(), json=json)
        return
    opened, tables = options.open_published(store, selecting.parse_names(tickers) or ())
    if not (tickers or first or last or coverage or horizon or mode or in_sample):
        _print_all(opened, json=json)
        return
    coverages = tuple(INTERVALS) if coverage is None else (coverage,)
    wanted = Selection(
        first,
        last,
        selecting.parse_names(tickers),
        (horizon or 1,),
        selecting.EVERY_MODE,
        in_sample=True,
    )
    with console.progress("Reading scores"):
        rows = read_rows(opened, tables, SCORES, wanted)
        modes = selecting.parse_modes(mode)
        figures = summarise_slice(rows, horizon or 1, coverages, modes, in_sample=in_sample)
    _print_slice(figures, wanted, opened, json=json)


def _print_all(store: ObjectStore, *, json: bool) -> None:
    current = read_status(store, options.open_calendar(store=store), options.now())
    if json:
        console.print_json(asdict(current))
    else:
        record_text.print_status(current)


def _print_slice(figures: Slice, wanted: Selection, store: ObjectStore, *, json: bool) -> None:
    absent = selecting.require_known(store, wanted.tickers, figures.tickers)
    if figures.pooled is None:
        left = "".join(f"; {line}" for line in describe_left_out(figures))
        raise selecting.build_refusal(store, "realised forecasts in this slice", left)
    if json:
        console.print_json(asdict(figures) | {"absent": absent})
        return
    notes: list[Note] = []
    if (head := find_head(store)) is not None:
        notes = _list_unproven(store, head.manifest.session, figures)
        console.print_source(head.manifest.source)
        for note in notes:
            console.print_line(f"Note: {note.text}", "yellow")
    if absent:
        console.print_line(f"None realised here of {name_few(absent)}", "yellow")
    print_slice(figures, Footnote.of(notes))


def _list_unproven(store: ObjectStore, session: date, figures: Slice) -> list[Note]:
    """Return the notes of which of a slice's tickers nothing is proven yet."""
    notes = join_notes(read_manifests(store, session))
    unproven = [note for note in notes if note.code == NoteCode.UNPROVEN]
    named = [tuple(t for t in note.tickers if t in figures.tickers) for note in unproven]
    pairs = zip(unproven, named, strict=True)
    return [msgspec.structs.replace(note, tickers=tickers) for note, tickers in pairs if tickers]
