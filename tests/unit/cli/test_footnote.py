"""The mark in tables at tickers that the model was not proven on."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.cli.footnote import Footnote
from pipeline.cli.forecast_text import print_published
from pipeline.record.notes import Note, NoteCode
from pipeline.record.proven import UNPROVEN
from pipeline.views.session import SessionForecasts
from tests.support.pages import manifest

SESSION = date(2024, 12, 27)
LEGEND = f"* {UNPROVEN}"


def notes(*unproven: str) -> tuple[Note, ...]:
    about = Note(NoteCode.RENAMED, "the name was another", ("T2",))
    return (about, Note(NoteCode.UNPROVEN, "nobody knows", unproven)) if unproven else (about,)


def published(n: int, *unproven: str) -> SessionForecasts:
    """Return a session of n tickers, T0 with the widest interval; nothing is proven on some."""
    width = np.linspace(9.0, 1.0, n)
    limits: dict[str, Any] = {
        f"{side}_{c}": 100.0 + sign * width
        for c in (80, 95)
        for side, sign in (("lower", -1), ("upper", 1))
    }
    columns = {
        "ticker": np.array([f"T{at}" for at in range(n)], object),
        "origin_date": np.full(n, SESSION, "datetime64[D]"),
        "target_date": np.full(n, SESSION, "datetime64[D]") + 1,
        "horizon": np.ones(n, int),
        "last_close": np.full(n, 100.0),
        "prediction": np.full(n, 100.0),
        **limits,
    }
    run = msgspec.structs.replace(manifest(), notes=notes(*unproven))
    return SessionForecasts(SESSION, (run,), (("f", "m"),), columns)


def names_and_legends(text: str) -> tuple[list[str], int]:
    return re.findall(r"^ (T\d+(?: \*)?) ", text, re.MULTILINE), text.count(LEGEND)


@pytest.mark.parametrize(
    ("unproven", "names", "legends"),
    [
        ((), ["T0", "T1", "T2"], 0),
        (("T1",), ["T0", "T1 *", "T2"], 1),
        (("T0", "T2"), ["T0 *", "T1", "T2 *"], 1),
        (("T7",), ["T0", "T1", "T2"], 0),
    ],
)
def test_forecasts_have_the_mark_where_the_notes_have_the_ticker(
    capsys: pytest.CaptureFixture[str], unproven: tuple[str, ...], names: list[str], legends: int
) -> None:
    print_published(published(3, *unproven), "./store")
    assert names_and_legends(capsys.readouterr().out) == (names, legends)


def test_of_many_tickers_the_legend_stands_only_where_a_shown_one_has_the_mark(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_published(published(2001, "T3", "T2000"), "./store")
    names, legends = names_and_legends(capsys.readouterr().out)
    assert (names[:5], legends) == (["T0", "T1", "T2", "T3 *", "T4"], 1)
    print_published(published(2001, "T2000"), "./store")
    names, legends = names_and_legends(capsys.readouterr().out)
    assert ("*" in "".join(names), legends) == (False, 0)


def test_the_mark_is_at_no_ticker_of_which_another_note_speaks() -> None:
    footnote = Footnote.of(notes("T1"))
    assert [footnote.mark(name) for name in ("T1", "T2", "all")] == ["T1 *", "T2", "all"]
