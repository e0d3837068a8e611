"""The functions as programs at a desk: what they print and how they exit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.desk import desk, run_at_a_desk
from tests.support.expected import EVENT_FILE


class TestAtADesk:
    def test_the_summary_alone_is_printed(self, tmp_path: Path) -> None:
        done = run_at_a_desk(EVENT_FILE, FORECASTER_STORE=str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["session"] == "2024-12-27"
        assert '"message":"the run ended"' in done.stderr

    def test_without_an_event_it_is_now(self, tmp_path: Path) -> None:
        done = run_at_a_desk(FORECASTER_STORE=str(tmp_path))
        assert json.loads(done.stdout)["outcome"] == "published"

    def test_a_failure_is_an_exit_code(self, tmp_path: Path) -> None:
        event = tmp_path / "event.json"
        event.write_text('{"time": "soon"}')
        done = run_at_a_desk(event, FORECASTER_STORE=str(tmp_path / "store"))
        assert (done.returncode, done.stdout) == (1, "")

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            ([], 2, "expected python -m handlers.local.invoke daily [event.json], got nothing"),
            (["nightly"], 2, "expected python -m handlers.local.invoke daily"),
            (["daily", "none.json"], 2, "none.json: expected an event in JSON"),
            (["daily", "broken.json"], 2, "broken.json: expected an event in JSON"),
            (["daily", "early.json"], 1, "expected a time that has come"),
            (["daily", "wrong.json"], 1, "event: expected {} or an object with a `time`"),
        ],
    )
    def test_wrong_use_is_one_line_and_no_traceback(
        self, tmp_path: Path, arguments: list[str], code: int, message: str
    ) -> None:
        (tmp_path / "broken.json").write_text("{")
        (tmp_path / "early.json").write_text('{"time": "2049-12-31T23:30:00Z"}')
        (tmp_path / "wrong.json").write_text("[]")
        done = desk(*arguments, cwd=tmp_path, FORECASTER_STORE=str(tmp_path / "store"))
        assert done.returncode == code
        assert done.stderr.splitlines()[-1].startswith("error: ")
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""

    def test_every_problem_of_the_settings_is_one_line(self, tmp_path: Path) -> None:
        done = desk("daily", cwd=tmp_path, FORECASTER_STORE="", FORECASTER_TICKERS="a b")
        assert done.returncode == 1
        assert "FORECASTER_STORE" in done.stderr
        assert "FORECASTER_TICKERS" in done.stderr
        assert "Traceback" not in done.stderr
