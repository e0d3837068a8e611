"""Selecting: which rows of the record a command is asked for, and what there is where none are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Annotated

import typer

from pipeline.cli import options
from pipeline.cli.plain import count, name_few
from pipeline.errors import ConfigError, RequestError, StoreError
from pipeline.ports import ObjectStore
from pipeline.record.chain import find_head
from pipeline.record.grammar import list_keys
from pipeline.record.keys import RUNS, session_of
from pipeline.record.manifest import Mode
from pipeline.views.on_record import OnRecord, survey

ALL = "all"
EVERY_MODE = tuple(Mode)


def parse_mode(text: str) -> str:
    """Return the name of a mode, or of all; raises BadParameter for another."""
    if text not in (ALL, *EVERY_MODE):
        raise typer.BadParameter(f"expected {', '.join(EVERY_MODE)} or {ALL}, got {text!r}")
    return text


Tickers = Annotated[
    list[str] | None, typer.Argument(metavar="[TICKER]...", help="Of which alone, like SPY QQQ.")
]
Day = Annotated[
    date | None,
    typer.Option(
        "--date", parser=options.parse_day, metavar="DATE", help="An earlier session's, by its day."
    ),
]
First = Annotated[date | None, options.day_option("--from", "First session of the slice.")]
Last = Annotated[date | None, options.day_option("--to", "Last session of the slice.")]
ModeName = Annotated[
    str | None,
    typer.Option(
        "--mode",
        parser=parse_mode,
        metavar="live|as_of|backfill|all",
        help="How the forecasts were issued.",
    ),
]
InSample = Annotated[
    bool, typer.Option("--in-sample", help="Count scores too that the model had learnt.")
]


def parse_modes(name: str | None) -> tuple[Mode, ...] | None:
    """Return the modes of `--mode`, None where it is not given."""
    if name is None:
        return None
    return EVERY_MODE if name == ALL else (Mode(name),)


def parse_names(tickers: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the tickers of the arguments, None where there are none."""
    return options.parse_tickers(tickers) if tickers else None


def check_span(first: date | None, last: date | None) -> None:
    """Raise ConfigError for a span that ends before it begins."""
    if first and last and first > last:
        raise ConfigError(f"--from: expected a date not after --to, {last}, got {first}")


def find_session(opened: ObjectStore, store: str, day: date | None) -> date:
    """Return the newest session on the record, or `day` where that is one.

    Raises
    ------
    StoreError
        Where nothing is on the record.
    RequestError
        Where nothing is published of the day, with what there is around it.
    """
    head = find_head(opened)
    if head is None:
        raise StoreError(
            f"expected published forecasts in {store}, found none; "
            f"publish some: forecaster run --store {store}"
        )
    if day is None:
        return head.manifest.session
    sessions = sorted({session_of(key) for key in list_keys(opened, RUNS)})
    if day not in sessions:
        before = [str(session) for session in sessions if session < day][-1:]
        after = [str(session) for session in sessions if session > day][:1]
        nearest = " and ".join([*before, *after])
        raise RequestError(f"{day}: expected a session on the record, the nearest are {nearest}")
    return day


def require_known(
    store: ObjectStore, wanted: Collection[str] | None, present: Collection[str]
) -> tuple[str, ...]:
    """Return the tickers asked for that are on the record, but have no row among those read.

    Raises
    ------
    RequestError
        For a ticker that no part names.
    """
    absent = [ticker for ticker in wanted or () if ticker not in present]
    known = survey(store) if absent else OnRecord({}, ())
    if strangers := [ticker for ticker in absent if ticker not in known.tickers]:
        raise RequestError(
            f"{', '.join(strangers)}: expected tickers of the record, which are "
            f"{name_few(known.tickers, 10)}"
        )
    return tuple(absent)


def build_refusal(store: ObjectStore, wanted: str, advice: str = "") -> RequestError:
    """Return the refusal of a slice without rows, which says what there is on the record."""
    known = survey(store)
    modes = "; ".join(
        f"{mode} {sessions[0]} to {sessions[-1]}, {count(len(sessions), 'session')}"
        for mode, sessions in known.sessions.items()
    )
    there = f"{modes}; tickers {name_few(known.tickers, 10)}" if modes else "nothing"
    return RequestError(
        f"expected {wanted}, found none{advice}; on the record of {store.url('runs')}: {there}"
    )
