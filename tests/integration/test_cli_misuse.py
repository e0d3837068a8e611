"""What `forecaster` answers to wrong use, to what it cannot read, to an interrupt; new keys."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main as cli
from pipeline.cli.forecast_text import OUTCOMES
from pipeline.cli.reasons import MEANINGS
from pipeline.errors import Reason
from pipeline.jobs import daily
from pipeline.jobs.daily_summary import Outcome
from pipeline.wiring import DEFAULT_BUNDLE
from tests.support.commands import (
    SESSION,
    Answer,
    Forecaster,
    assert_refused,
)


def test_every_reason_and_every_outcome_is_explained() -> None:
    assert set(MEANINGS) == set(Reason)
    assert set(OUTCOMES) == set(Outcome)


# wrong use and failures


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("run --as-of yesterday", "expected a date like 2024-12-27, got 'yesterday'"),
        ("run --as-of 2024-02-30", "expected a date like 2024-12-27, got '2024-02-30'"),
        ("run --as-of 2025-07-01", "expected a date not after today, 2025-06-30, got 2025-07-01"),
        ("run --as-of 1985-06-03", "expected a day of XNYS from 1990-01-01"),
        ("run --tickers=", "expected tickers joined by commas like SPY,QQQ, got ''"),
        ("run --tickers=SPY,,QQQ", "got 'SPY,,QQQ'"),
        ("run --tickers=../SPY", "got '../SPY'"),
        ("run --tickers SPY --tickers ../SPY", "got 'SPY,../SPY'"),
        ("run --store a --store b", "'--store': expected it once, got it 2 times"),
        ("key new --out a --out b", "'--out': expected it once, got it 2 times"),
        ("api-key rotate --stage a --stage b", "'--stage': expected it once, got it 2 times"),
        ("run --as-of 2025-06-27 --as-of 2025-06-27", "expected it once, got it 2 times"),
        ("run --bars=simulated --bars yahoo --bars .", "expected it once, got it 3 times"),
        ("serve --port 1 --port 2", "expected it once"),
        ("api-key rotate --stage dev --stage prod", "'--stage': expected it once"),
        ("run --bars nowhere", "expected yahoo, simulated, an existing folder or file of bars"),
        ("run --bars file", "expected yahoo, simulated, an existing folder or file of bars"),
        ("run --bars simulated --store file", "got file 'file'"),
        ("run --bars simulated --store ftp://host", "got 'ftp://host'"),
        ("run --date 2024-12-27", "No such option: --date"),
        ("run now", "unexpected extra argument"),
        ("guess", "No such command 'guess'"),
        ("show --store file", "got file 'file'"),
        ("fetch --bars simulated", "Missing option '--out'"),
        ("fetch --bars simulated --out file", "--out: expected a folder to write to, got file"),
        ("fetch --bars simulated --out file/below", "--out: expected a folder to write to"),
        ("fetch --bars . --out ../{here}", "--out: expected another folder than --bars"),
        ("fetch --bars simulated --out o --to 2025-07-01", "--to: expected a date not after today"),
        (
            "fetch --bars simulated --out o --from 2025-06-30",
            "expected a date not after 2025-06-27",
        ),
        pytest.param(
            "train --bars simulated --out file",
            "--out: expected a folder to write to, got file",
            marks=pytest.mark.training,
        ),
        ("train --bars simulated --out o --until 2025-07-01", "--until: expected a date not after"),
        ("backtest --bars simulated --from soon", "expected a year like 2010 or a date like"),
        ("backtest --bars simulated --from 2024 --to 2023", "--from: expected a date not after"),
        ("backtest --bars simulated --workers 0", "greater than or equal to 1"),
        ("backtest --bars simulated --bundle b", "--bundle: expected --no-refit beside it"),
        ("backtest --bars simulated --out file", "--out: expected a folder to write to, got file"),
    ],
)
def test_wrong_use_exits_2_with_one_line(
    forecaster: Forecaster, noon: None, tmp_path: Path, args: str, words: str
) -> None:
    Path("file").touch()
    assert_refused(forecaster(*args.format(here=tmp_path.name).split()), 2, words)


def test_a_folder_that_cannot_be_listed_exits_2(
    forecaster: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(path))

    Path("bars").mkdir()
    monkeypatch.setattr(Path, "iterdir", refuse)
    assert_refused(forecaster("run", "--bars", "bars"), 2, "folder of bars at bars", "Permission")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("onnx_sha256", "0" * 64, f"expected sha256 of model.onnx {'0' * 64}, got"),
        ("feature_names", lambda names: names[:10], "expected 12 features, got 10: lacks"),
    ],
)
def test_a_bundle_that_does_not_fit_exits_1(
    forecaster: Forecaster, field: str, value: Any, words: str
) -> None:
    shutil.copytree(DEFAULT_BUNDLE, "bundle")
    manifest = json.loads(Path("bundle/manifest.json").read_text())
    manifest[field] = value(manifest[field]) if callable(value) else value
    Path("bundle/manifest.json").write_text(json.dumps(manifest))
    assert_refused(forecaster("run", "--bars", "simulated", "--bundle", "bundle"), 1, words)
    assert not Path("store").exists()


def test_a_missing_bundle_exits_1(forecaster: Forecaster) -> None:
    answer = forecaster("run", "--bars", "simulated", "--bundle", "nowhere")
    assert_refused(answer, 1, "expected a bundle", "nowhere")


def test_a_manifest_that_no_run_wrote_is_refused_and_remade_by_the_next_run(
    forecaster: Forecaster,
) -> None:
    args = ("--bars", "simulated", "--as-of", SESSION)
    assert forecaster("run", *args).code == 0
    manifest = Path(f"store/runs/{SESSION}.00.json")
    written = manifest.read_bytes()
    manifest.write_text("{}")
    assert_refused(forecaster("show"), 1, "expected a run manifest")
    assert f"Healed    runs/{SESSION}.00.json" in forecaster("run", *args).out
    assert manifest.read_bytes() == written


def test_an_interrupt_exits_130_quietly(
    forecaster: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(daily, "run", interrupt)
    assert forecaster("run", "--bars", "simulated") == Answer(130, "", "")


def test_a_mistake_of_our_own_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(daily, "run", fail)
    with pytest.raises(RuntimeError, match="a mistake"):
        cli.main(["run", "--bars", "simulated"])


# show


def test_a_new_key_is_printed_with_its_digest(forecaster: Forecaster) -> None:
    answer = forecaster("api-key", "new")
    words = answer.out.split()
    assert (answer.code, answer.err) == (0, "")
    assert words == ["Key", words[1], "SHA-256", sha256(words[1].encode()).hexdigest()]


def test_a_new_key_is_one_document_for_machines(forecaster: Forecaster) -> None:
    made, again = (forecaster("api-key", "new", "--json").document for _ in range(2))
    assert made["sha256"] == sha256(made["key"].encode()).hexdigest()
    assert made["key"] != again["key"]
