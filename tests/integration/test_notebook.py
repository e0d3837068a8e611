"""The notebook's walk, as a reader takes it: with both versions of pandas, in the demo's folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from handlers.local import demo
from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.jobs import daily
from pipeline.wiring import DEFAULT_BUNDLE, DEFAULT_TICKERS, daily_job, open_store, parse_tickers
from tests.support.reading import ROOT, read_blocks

OTHER = ROOT / ".venv-readers" / "bin" / "python"
EVENING = datetime.fromisoformat("2026-11-20T23:30Z")
BLOCKS = read_blocks((ROOT / "docs" / "notebook.md").read_text("utf-8"), "python")
# Of exchange_calendars, which this project pins, with pandas 3.1.
KNOWN = "ignore:Series.values returning:DeprecationWarning"
# What a cell of a notebook ends with is shown: here it is kept, under a name that is read.
SEEN = """
import matplotlib
rows = lambda frame, *names: frame.reset_index()[list(names)] if names else frame.reset_index()
positions = pd.DataFrame({
    "unit": [str(forecasts[day].dtype) for day in ("origin_date", "target_date", "issued_at")],
})
today = rows(today, "ticker", "target_date", "lower_95", "upper_95")
hits = rows(hits, "ticker", "target_date", "realised_close", "covered_95")
fan = rows(fan, "ticker", "target_date", "lower_95", "upper_95", "es_975")
risk = pd.DataFrame({"value": [value_at_risk, shortfall], "rows": [len(since), len(spy)]})
coverage, skill = rows(coverage), rows(skill.to_frame("skill"))
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make demo` leaves, a shorter past, and the bars that the walk fetches."""
    folder = tmp_path_factory.mktemp("desk")
    location, calendar = str(folder / "demo" / "store"), ExchangeCalendar()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "SESSIONS", 6)
        demo.fill(location, EVENING)
    names, source = parse_tickers(DEFAULT_TICKERS), SimulatedMarket(calendar)
    store = open_store(location)
    daily.run(
        daily_job(names, source, calendar, store=store, bundle=DEFAULT_BUNDLE), EVENING, EVENING
    )
    (command,) = read_blocks((ROOT / "docs" / "notebook.md").read_text("utf-8"), "")
    program, *arguments = command.split()
    assert program == ".venv/bin/forecaster"
    fetch = [sys.executable, "-m", "pipeline.cli", *arguments]
    subprocess.run(fetch, cwd=folder, env=environ(), check=True, capture_output=True)
    return folder


def environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}


def walk(python: str | Path, desk: Path) -> dict[str, list[list[Any]]]:
    """Take the walk, and return what is seen on it."""
    if not Path(python).exists():
        pytest.skip("expected .venv-readers with pandas 3, got none: make test makes it")
    answer = [
        str(python),
        "-W",
        "error",
        "-W",
        KNOWN,
        str(ROOT / "tests" / "readers" / "answer.py"),
    ]
    told = json.dumps([*BLOCKS, SEEN])
    done = subprocess.run(
        answer, input=told, cwd=desk, env=environ(), check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen: dict[str, list[list[Any]]] = json.loads(done.stdout.splitlines()[-1])
    return seen


def test_the_walk_shows_what_it_says(desk: Path) -> None:
    seen = walk(sys.executable, desk)
    tickers = parse_tickers(DEFAULT_TICKERS)
    session = EVENING.date()
    following = ExchangeCalendar().following(session, 5)
    assert [row[0] for row in seen["today"]] == list(tickers)
    assert {row[1] for row in seen["today"]} == {str(following[0])}
    assert all(lower < upper for _, _, lower, upper in seen["today"])
    assert {row[0] for row in seen["hits"]} == set(tickers)
    assert all(day <= str(session) for _, day, _, _ in seen["hits"])
    assert all(0 <= share <= 1 for row in seen["coverage"] for share in row[1:])
    assert {row[0] for row in seen["skill"]} == set(tickers)
    assert 0 < seen["risk"][0][0] < seen["risk"][1][0] * 3
    assert [row[1] for row in seen["risk"]] == [4 * 5, 2]
    assert len(seen["fan"]) == 5
    assert [row[0] for row in seen["positions"]] == [
        *("datetime64[us]", "datetime64[us]", "datetime64[us, UTC]"),
    ]
    assert (desk / "fan.png").read_bytes().startswith(b"\x89PNG")


def test_both_versions_of_pandas_show_the_same(desk: Path) -> None:
    assert walk(OTHER, desk) == walk(sys.executable, desk)


@pytest.mark.slow
def test_frames_are_tested_with_the_other_pandas() -> None:
    """By the tests' own environment, behind the one that has the other pandas."""
    if not OTHER.exists():
        pytest.skip("expected .venv-readers with pandas 3, got none: make test makes it")
    behind = next(path for path in sys.path if path.endswith("site-packages"))
    tests = ["tests/unit/test_frames.py", "tests/unit/adapters/test_pandas_frames.py"]
    program = (
        f"import sys; sys.path.append({behind!r}); import pandas, pytest; "
        f"print(pandas.__version__); sys.exit(pytest.main({[*tests, '-W', KNOWN]!r}))"
    )
    done = subprocess.run(
        [str(OTHER), "-c", program], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stdout.startswith("3.")
