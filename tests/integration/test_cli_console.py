"""What the commands print reaches every console: whatever names it holds, whatever it can show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.record_text import print_replayed
from pipeline.jobs.replay import Replayed
from pipeline.record.compare import Comparison
from tests.support.commands import ROOT, SESSION, Forecaster, forecast_lines

HOSTILE = "b\x1b[2J\x9b31m\u202e[red]"
SHOWN = "b\\x1b[2J\\x9b31m\\u202e[red]"


def printable(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


def test_a_folder_s_name_moves_no_cursor(forecaster: Forecaster, bars: Path) -> None:
    store = ("--store", HOSTILE)
    args = ("run", "--bars", str(bars), "--as-of", SESSION, *store)
    shown, documented = forecaster(*args), forecaster(*args, "--json")
    assert SHOWN in shown.out
    for answer in (shown, documented, forecaster("status", *store), forecaster("show", *store)):
        assert answer.code == 0
        assert printable(answer.out)
    assert HOSTILE in documented.document["parts"][0]["forecasts"]


def test_an_object_s_name_is_a_line_of_its_own_and_no_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_replayed(
        [Replayed("runs/\x1b[2A\nequal    runs/x.json", equal=False, comparison=Comparison.CHANGED)]
    )
    assert capsys.readouterr().out == "DIFFERS  runs/\\x1b[2A\\nequal    runs/x.json\n"


def test_tickers_may_be_given_one_by_one(forecaster: Forecaster) -> None:
    args = ("run", "--bars", "simulated", "--as-of", SESSION)
    answer = forecaster(*args, "--tickers", "QQQ,iwm", "--tickers", "SPY", "--tickers", "QQQ")
    assert answer.code == 0
    tickers = [line.split()[0] for line in forecast_lines(answer.out)]
    assert list(dict.fromkeys(tickers)) == ["QQQ", "IWM", "SPY"]


PRINTS = (
    "import sys; from pipeline.cli import main; from pipeline.cli.console import print_line; "
    "main._describe_misuse = lambda text: print_line('0 \\u00b1 1 \\u2014 2') or text; "
    "main.main(sys.argv[1:])"
)
CONSOLES = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "windows": {"PYTHONIOENCODING": "cp437"},
}


@pytest.mark.parametrize("environ", CONSOLES.values(), ids=CONSOLES)
def test_a_console_of_few_characters_is_no_failure(environ: dict[str, str], tmp_path: Path) -> None:
    base = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PRINTS, "guess"],
        cwd=tmp_path,
        env={**base, **environ},
        check=False,
        capture_output=True,
    )
    assert done.returncode == 2
    assert done.stdout.decode("cp437").rstrip("\r\n") in ("0 +- 1 - 2", "0 ± 1 - 2")
    assert b"No such command" in done.stderr


def test_help_in_ascii_is_ascii(tmp_path: Path) -> None:
    main = "from pipeline.cli.main import main; main()"
    environ = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), **CONSOLES["ascii"]}
    for words in ([], ["run", "--help"], ["api-key", "new", "--json"]):
        done = subprocess.run(
            [sys.executable, "-c", main, *words],
            cwd=tmp_path,
            env=environ,
            check=False,
            capture_output=True,
        )
        assert done.stdout.isascii()
        assert b"Traceback" not in done.stderr
    assert set(json.loads(done.stdout)) == {"key", "sha256"}
