"""`forecaster risk`, `probability` and `what-if` at a desk."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.cli import options
from pipeline.errors import ConfigError
from pipeline.scenarios.scenario_cube import ScenarioCube
from pipeline.views import scenario_cubes
from tests.support.clock import StoppedDatetime
from tests.support.commands import Forecaster, assert_refused
from tests.support.scenarios import cube

SESSION = "2025-06-12"
TARGETS = ("2025-06-13", "2025-06-16", "2025-06-17", "2025-06-18", "2025-06-20")
OPTIONS = {"risk": ("--position", "SPY=10000"), "what-if": ("SPY", "--return", "-3%")}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pipeline.cli import main

    folder = tmp_path_factory.mktemp("asked") / "store"
    args = ["run", "--bars", "simulated", "--as-of", SESSION, "--store", str(folder)]
    with pytest.raises(SystemExit) as exited:
        main.main(args)
    assert exited.value.code == 0
    return folder


@pytest.fixture
def ask(forecaster: Forecaster, store: Path, monkeypatch: pytest.MonkeyPatch) -> Forecaster:
    """Ask of a session with scenarios of SPY, QQQ and IWM, on its evening."""
    moment = datetime(2025, 6, 12, 23, tzinfo=UTC)
    monkeypatch.setattr(options, "datetime", StoppedDatetime(moment))

    def read(_store: Any, _tables: Any, run: Any, closes: Any) -> ScenarioCube:
        days = [np.datetime64(day).item() for day in TARGETS]
        last = np.array([closes[ticker] for ticker in cube().tickers])
        return cube(origin_date=run.session, target_dates=tuple(days), last_close=last)

    monkeypatch.setattr(scenario_cubes, "_read_part", read)
    return lambda *args: forecaster(*args, "--store", store)


def test_risk_is_a_table_of_tails_whose_shares_add_up(ask: Forecaster) -> None:
    said = ask("risk", "--position", "SPY=10000", "--position", "IWM=-5000")
    assert said.code == 0, said.err
    assert "gross 15,000, net 5,000; 1,000 scenarios" in said.out
    for day in TARGETS:
        assert len(re.findall(rf"^ ?{day}", said.out, re.M)) == 2
    rows = {
        line.split()[0]: [float(cell.replace(",", "")) for cell in line.split()[1:]]
        for line in said.out.splitlines()
        if line.split()[:1] in (["SPY"], ["IWM"], ["all"])
    }
    added = np.add(rows["SPY"], rows["IWM"])
    assert added == pytest.approx(np.array(rows["all"]), abs=1.0)
    document = ask("risk", "--position", "SPY=10000", "--position", "IWM=-5000", "--json").document
    first = document["horizons"][0]
    assert rows["all"][3] == pytest.approx(first["tails"]["99"]["var"], abs=0.5)
    assert (document["stale"], document["sessions_behind"]) == (False, 0)


def test_tickers_drawn_apart_are_named(forecaster: Forecaster) -> None:
    bars = ("--bars", "simulated", "--as-of", SESSION, "--store", "own")
    ran = forecaster("run", "--tickers", "SPY,QQQ,SIM00001", *bars)
    book = ("--position", "SPY=1", "--position", "SIM00001=1", "--store", "own")
    words = "SIM00001: scenarios are drawn independently of those of tickers"
    for said in (ran, forecaster("show", "SIM00001", "--store", "own"), forecaster("risk", *book)):
        assert said.code == 0, said.err
        assert " ".join(said.out.split()).count(words) == 1
    assert forecaster("risk", *book, "--json").document["independent"] == ["SIM00001"]
    of_spy = forecaster("risk", *book[:2], *book[-2:])
    assert (of_spy.code, "independently" in of_spy.out) == (0, False)


def test_shares_are_worth_the_last_close(ask: Forecaster) -> None:
    said = ask("risk", "--position", "spy=2", "--value", "shares", "--capital", "100", "--json")
    document = said.document
    shown = ask("show", "SPY", "--json").document["forecasts"][0]["last_close"]
    assert document["gross"] == pytest.approx(2 * shown)
    assert document["leverage"] == pytest.approx(2 * shown / 100)


@pytest.mark.parametrize(
    ("sentence", "event"),
    [
        ("QQQ < 250 by 2025-06-20", "QQQ below 250 at the close of 2025-06-20"),
        ("qqq<250 in 5 sessions", "QQQ below 250 at the close of 2025-06-20"),
        ("QQQ above 250.5 in 1 session", "QQQ above 250.5 at the close of 2025-06-13"),
        ("QQQ touches > 260 by 2025-06-17", "QQQ above 260 at any close until 2025-06-17"),
        (
            "QQQ touch between 240 and 250 in 2 sessions",
            "QQQ between 240 and 250 at any close until 2025-06-16",
        ),
    ],
)
def test_a_question_is_a_sentence(ask: Forecaster, sentence: str, event: str) -> None:
    said = ask("probability", sentence)
    assert said.code == 0, said.err
    assert re.search(rf"{re.escape(event)}: \d+\.\d %", said.out)
    assert "Closes only" in said.out
    assert ask("probability", sentence, "--json").document["event"] == event


def test_a_flag_asks_of_any_close_too(ask: Forecaster) -> None:
    document = ask("probability", "QQQ < 250 in 2 sessions", "--touch", "--json").document
    assert "at any close until" in document["event"]


@pytest.mark.parametrize(
    "sentence",
    ["", "QQQ", "QQQ < 250", "QQQ = 250 in 1 session", "QQQ < x in 1 session", "< 250 in 1 session",
     "QQQ < 250 by Friday", "QQQ < 250 by 2025-02-30", "QQQ between 1 in 1 session"],
)  # fmt: skip
def test_another_sentence_is_refused_with_what_would_do(ask: Forecaster, sentence: str) -> None:
    assert_refused(ask("probability", sentence), 2, "QUESTION: expected")


def test_a_session_assumed_is_marked_and_changes_nothing(ask: Forecaster, store: Path) -> None:
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    said = ask("what-if", "SPY", "--return", "-3%", "--range", "4%")
    assert said.code == 0, said.err
    assert "HYPOTHETICAL, never on the record" in said.out
    assert "Range 4.0 % of the last close, given" in said.out
    assert re.search(r"would be \d+\.\d % wider", said.out)
    document = ask("what-if", "SPY", "--return=-3%", "--json").document
    assert document["assumed"]["range_is"].startswith("typical")
    latest = json.loads((store / "latest.json").read_bytes())["tickers"]["SPY"]
    assert document["published"] == latest["horizons"]
    assert before == {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("risk",), 2, "position"),
        (("risk", "--position", "SPY"), 2, "like SPY=10000"),
        (("risk", "--position", "SPY=x"), 2, "like SPY=10000"),
        (("risk", "--position", "SPY=nan"), 2, "--position SPY: expected a number"),
        (("risk", "--position", "SPY=0"), 2, "--position: expected a position that is not 0"),
        (("risk", "--position", "SPY=1", "--position", "spy=2"), 2, "SPY twice"),
        (("risk", "--position", "SPY=1", "--value", "eur"), 2, "usd or shares"),
        (("risk", "--position", "SPY=1", "--horizon", "6"), 2, "1 to 5"),
        (("risk", "--position", "SPY=9e6", "--capital", "1"), 2, "--capital: expected 9 or more"),
        (("risk", "--position", "XYZ=1"), 1, "one of DIA, IWM, QQQ, SPY"),
        (("risk", "--position", "DIA=1"), 1, "IWM, QQQ, SPY can be asked for"),
        (("risk", "--position", "SPY=1", "--date", "2025-06-11"), 1, "2025-06-12"),
        (("probability", "XYZ < 1 in 1 session"), 1, "got XYZ"),
        (("probability", "SPY < 1 in 6 sessions"), 2, "in: expected 1 to 5 sessions"),
        (("probability", "SPY < 1 by 2025-06-19"), 2, "by: expected a target"),
        (
            ("probability", "SPY between 9 and 8 by 2025-06-13"),
            2,
            "QUESTION: expected the lower price",
        ),
        (("what-if", "SPY"), 2, "--return"),
        (("what-if", "SPY", "--return", "-3"), 2, "a percentage like -3%"),
        (("what-if", "SPY", "--return", "-95%"), 2, "-90% to 200%"),
        (("what-if", "SPY", "--return", "-3%", "--range", "2%"), 2, "--range: expected no less"),
        (("what-if", "SPY,QQQ", "--return", "-3%"), 2, "expected one"),
        (("what-if", "XYZ", "--return", "-3%"), 1, "got XYZ"),
    ],
)
def test_what_cannot_be_answered_is_one_line(
    ask: Forecaster, args: tuple[str, ...], code: int, words: str
) -> None:
    said = ask(*args)
    assert_refused(said, code)
    assert words in said.err


@pytest.mark.parametrize("command", OPTIONS)
def test_an_empty_store_is_one_clear_line(forecaster: Forecaster, command: str) -> None:
    said = forecaster(command, *OPTIONS[command])
    assert_refused(said, 1)
    assert "publish some" in said.err


def test_a_session_without_scenarios_says_so(
    ask: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenario_cubes, "_read_part", lambda *_: None)
    said = ask("risk", "--position", "SPY=1")
    assert_refused(said, 1)
    assert "no ticker can be asked for" in said.err
    assert ask("what-if", "SPY", "--return", "1%").code == 0


def test_what_is_old_is_said_to_be(ask: Forecaster, monkeypatch: pytest.MonkeyPatch) -> None:
    later = datetime(2025, 6, 17, 12, tzinfo=UTC)
    monkeypatch.setattr(options, "datetime", StoppedDatetime(later))
    for args in (("risk", "--position", "SPY=1"), ("probability", "SPY < 1 in 1 session")):
        assert "Old: 2 sessions are over since" in ask(*args).out


def test_a_field_without_an_option_is_still_said() -> None:
    from pipeline.cli.questioning import refusing_options
    from pipeline.errors import InvalidField

    with pytest.raises(ConfigError, match="^expected one of a, b, got none"), refusing_options():
        raise InvalidField("#", "one of a, b", "none")


ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize(
    "args",
    [
        ("risk", "--position", "SPY=123456789", "--position", "IWM=-50000", "--position", "QQQ=1"),
        ("probability", "QQQ touches < 250 in 3 sessions"),
        ("what-if", "SPY", "--return", "-3%"),
    ],
    ids=" ".join,
)
def test_no_line_is_wider_than_the_terminal(
    ask: Forecaster, monkeypatch: pytest.MonkeyPatch, columns: int, args: tuple[str, ...]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    said = ask(*args)
    assert said.code == 0, said.err
    lines = [line.rstrip() for line in ANSI.sub("", said.out).splitlines()]
    assert max(len(line) for line in lines if " " in line.strip()) <= columns
    assert not [line for line in lines if "…" in line]


@pytest.mark.parametrize("command", ["risk", "probability", "what-if"])
def test_help_is_whole_and_has_an_example(
    ask: Forecaster, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    said = ask(command, "--help")
    assert (said.code, "…" in said.out) == (0, False)
    assert f"Example: forecaster {command}" in " ".join(said.out.split())
