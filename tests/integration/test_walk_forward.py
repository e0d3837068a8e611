"""The walk-forward backtest: each year by its past alone, resumed after whatever happens."""

from __future__ import annotations

import ast
import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from pipeline import errors
from pipeline.backtest import backtest
from pipeline.bars import Bars, RawBars
from pipeline.baselines import ewma, persistence
from pipeline.bundle import ModelBundle, load_bundle
from pipeline.errors import ConfigError, DataError, ForecasterError, Reason, StoreError
from pipeline.model import Model
from pipeline.ports import Columns
from pipeline.progress_bar import time_left
from pipeline.training import provenance
from pipeline.training.pace import Pace, Progress
from pipeline.training.parts import Market
from pipeline.training.provenance import code_digest
from pipeline.training.trainers import range_har_alone
from pipeline.training.walk_forward import WalkForward, bundle_folder, walk_forward
from tests.builders import bars, raw_bars
from tests.conftest import DEFAULT_BUNDLE

ROOT = Path(__file__).resolve().parents[2]
FIRST, LAST = date(2022, 11, 1), date(2024, 1, 31)
YEARS = (2022, 2023, 2024)
SPY, QQQ = bars("SPY", 1850, seed=3), bars("QQQ", 1850, seed=4)
MARKET = Market((SPY, QQQ))

trained: list[date] = []
interrupted: set[int] = set()


@dataclass(frozen=True)
class Alone:
    bundle: ModelBundle
    members: Mapping[str, ModelBundle] = field(default_factory=dict)


def range_har(of: Sequence[Bars], vix: RawBars | None) -> Alone:
    """Train what takes a second."""
    return Alone(range_har_alone(of, vix).bundle)


def shipped(of: Sequence[Bars], vix: RawBars | None) -> Alone:
    """Train nothing; remember the last session seen."""
    if of[0].session[-1].item().year in interrupted:
        raise KeyboardInterrupt
    trained.append(of[0].session[-1].item())
    bundle = load_bundle(DEFAULT_BUNDLE)
    return Alone(bundle, {"member": bundle})


def dying(of: Sequence[Bars], vix: RawBars | None) -> Alone:
    os.kill(os.getpid(), signal.SIGKILL)
    return shipped(of, vix)


def refusing(of: Sequence[Bars], vix: RawBars | None) -> Alone:
    raise DataError("SPY: expected more", Reason.NOT_ENOUGH_HISTORY)


def plan(trainer: Callable[..., Alone] = shipped, market: Market = MARKET) -> WalkForward:
    return WalkForward(market, trainer, {"ewma": ewma, "persistence": persistence}, FIRST, LAST)


def assert_equal(came: Columns, expected: Columns) -> None:
    assert list(came) == list(expected)
    for name, column in came.items():
        np.testing.assert_array_equal(column, expected[name], err_msg=name, strict=True)


def files(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in found}


@pytest.fixture(autouse=True)
def _nothing_trained() -> None:
    trained.clear()
    interrupted.clear()


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Columns, Path]:
    """Scores and folder of an undisturbed run with the range-HAR."""
    folder = tmp_path_factory.mktemp("walked")
    return walk_forward(plan(range_har), folder), folder


# what is learnt, and what is scored


def test_each_year_is_forecast_by_the_bundle_trained_on_what_came_before(
    walked: tuple[Columns, Path],
) -> None:
    scores, folder = walked
    for year in YEARS:
        bundle = load_bundle(bundle_folder(folder, year))
        before = SPY.session[SPY.session < np.datetime64(f"{year}-01-01")]
        assert bundle.manifest.training.last_session == before[-1].item()
        span = max(FIRST, date(year, 1, 1)), min(LAST, date(year, 12, 31))
        expected = backtest(MARKET.bars, Model(bundle), *span)
        years = scores["origin_date"].astype("datetime64[Y]")
        rows = (scores["model"] == "forecaster") & (years == np.datetime64(str(year)))
        assert_equal({name: column[rows] for name, column in scores.items()}, expected)


def test_every_model_is_scored_on_the_same_forecasts(tmp_path: Path) -> None:
    scores = walk_forward(plan(), tmp_path)
    keys = {
        model: set(
            zip(
                *(scores[name][scores["model"] == model] for name in ("ticker", "horizon")),
                scores["origin_date"][scores["model"] == model].tolist(),
                strict=True,
            )
        )
        for model in ("forecaster", "member", "ewma", "persistence")
    }
    inside = (SPY.session >= np.datetime64(FIRST)) & (SPY.session <= np.datetime64(LAST))
    assert all(len(made) == 2 * 5 * inside.sum() for made in keys.values())
    assert len({frozenset(made) for made in keys.values()}) == 1


def test_what_comes_after_the_cut_is_not_learnt(
    walked: tuple[Columns, Path], tmp_path: Path
) -> None:
    of_2023 = SPY.session >= np.datetime64("2023-01-01")
    other = {
        name: np.where(of_2023, 1.5 * getattr(SPY, name) - 0.2 * SPY.close, getattr(SPY, name))
        for name in ("open", "high", "low", "close")
    }
    changed = Bars.validated(RawBars("SPY", SPY.session, **other, **kept(SPY)))
    walk = WalkForward(Market((changed, QQQ)), range_har, {}, date(2023, 1, 3), date(2023, 1, 31))
    scores = walk_forward(walk, tmp_path)
    assert load_bundle(bundle_folder(tmp_path, 2023)) == load_bundle(bundle_folder(walked[1], 2023))
    assert not np.isin(scores["crps"], walked[0]["crps"]).all()


def kept(of: Bars) -> dict[str, np.ndarray]:
    return {name: getattr(of, name) for name in ("volume", "dividend", "split")}


def test_the_trainer_sees_the_vix_up_to_the_cut(tmp_path: Path) -> None:
    seen: list[np.datetime64] = []

    def looking(of: Sequence[Bars], vix: RawBars | None) -> Alone:
        assert vix is not None
        seen.append(vix.session[-1])
        return shipped(of, vix)

    walk_forward(plan(looking, Market((SPY,), raw_bars("^VIX", 1850))), tmp_path)
    assert [str(day) for day in seen] == ["2021-12-31", "2022-12-30", "2023-12-29"]


def test_a_year_without_bars_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(DataError, match="SPY: expected bars from 2025-01-01 to 2025-12-31, got"):
        WalkForward(MARKET, shipped, {}, FIRST, date(2025, 12, 31))
    with pytest.raises(ConfigError, match="expected a first origin not after 2022-11-01"):
        WalkForward(MARKET, shipped, {}, LAST, FIRST)


def test_prices_adjusted_in_part_are_refused_before_anything_is_trained() -> None:
    cents = {name: np.round(getattr(SPY, name), 2) for name in ("open", "high", "low", "close")}
    raw = RawBars("SPY", SPY.session, **cents, **kept(SPY))
    with pytest.raises(DataError, match="QQQ: expected prices in cents, like SPY"):
        WalkForward(Market((Bars.validated(raw), QQQ)), shipped, {}, FIRST, LAST)


# resuming


def test_a_second_run_computes_nothing_and_gives_the_same(tmp_path: Path) -> None:
    first = walk_forward(plan(), tmp_path)
    before = files(tmp_path)
    told: list[Progress] = []
    again = walk_forward(plan(), tmp_path, report=told.append)
    assert len(trained) == len(YEARS)
    assert_equal(again, first)
    assert files(tmp_path) == before
    assert told == [Progress(9, 9, 0.0)]


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    undisturbed = walk_forward(plan(), tmp_path / "undisturbed")
    trained.clear()
    interrupted.add(2023)
    with pytest.raises(KeyboardInterrupt):
        walk_forward(plan(), tmp_path / "disturbed")
    interrupted.clear()
    left = files(tmp_path / "disturbed")
    assert {Path(name).parts[1] for name in left} == {"2022", "2023"}
    assert left == seen(tmp_path / "disturbed")
    resumed = walk_forward(plan(), tmp_path / "disturbed")
    assert [day.year for day in trained] == [2021, 2022, 2023]
    assert_equal(resumed, undisturbed)
    assert files(tmp_path / "disturbed") == files(tmp_path / "undisturbed")


def test_bars_added_later_leave_what_is_done(tmp_path: Path) -> None:
    known = Market(tuple(Bars.validated(one.as_of(date(2024, 2, 15))) for one in MARKET.bars))
    walk_forward(plan(market=known), tmp_path)
    walk_forward(plan(), tmp_path)
    assert len(trained) == len(YEARS)


@pytest.mark.parametrize(
    ("changed", "again"), [("2020-06-01", [2021, 2022, 2023]), ("2023-06-01", [2022, 2023])]
)
def test_a_changed_bar_is_computed_anew_where_it_was_seen(
    tmp_path: Path, changed: str, again: list[int]
) -> None:
    walk_forward(plan(), tmp_path)
    trained.clear()
    high = np.where(SPY.session == np.datetime64(changed), SPY.high * 1.001, SPY.high)
    other = Bars.validated(bars("SPY", 1850, seed=3, high=high))
    walk_forward(plan(market=Market((other, QQQ))), tmp_path)
    assert [day.year for day in trained] == again


@pytest.mark.parametrize(
    "damaged", ["years/2023/forecaster.parquet", "bundles/2023/model.onnx", "bundles/2023"]
)
def test_what_is_damaged_or_gone_is_computed_anew(tmp_path: Path, damaged: str) -> None:
    walk_forward(plan(), tmp_path)
    before = files(tmp_path)
    if (tmp_path / damaged).is_dir():
        (tmp_path / damaged / "manifest.json").unlink()
    else:
        (tmp_path / damaged).write_bytes(b"damaged")
    trained.clear()
    walk_forward(plan(), tmp_path)
    assert [day.year for day in trained] == [2022]
    assert files(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "years").write_text("in the way")
    with pytest.raises(StoreError, match="years"):
        walk_forward(plan(), tmp_path)


# code


def test_code_counts_and_comments_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)

    def digest_of(top: str, below: str) -> str:
        (tmp_path / "top.py").write_text(top)
        (tmp_path / "below.py").write_text(below)
        provenance._digest_of.cache_clear()
        return code_digest(method)

    def method() -> None: ...

    method.__module__ = "top"
    before = digest_of("from below import x\n", "import top\nx = 1\n")
    assert digest_of("from below import x  # why\n", "import top\n\n\nx = 1\n") == before
    assert digest_of("from below import x\n", "import top\nx = 2\n") != before
    assert digest_of("from below import x\nimport numpy\n", "import top\nx = 1\n") != before
    provenance._digest_of.cache_clear()


def test_what_a_trainer_is_made_of_is_found() -> None:
    tree = ast.parse((ROOT / "pipeline/training/trainers.py").read_text())
    assert "pipeline.training.train" in set(provenance._imported(tree))
    assert code_digest(range_har) != code_digest(persistence)
    assert code_digest(range_har) != code_digest(shipped)


# workers


def test_two_workers_give_what_one_gives(walked: tuple[Columns, Path], tmp_path: Path) -> None:
    scores = walk_forward(plan(range_har), tmp_path, workers=2)
    assert_equal(scores, walked[0])
    assert files(tmp_path) == files(walked[1])
    assert "OMP_NUM_THREADS" not in os.environ


def test_what_a_worker_raises_arrives_here(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="SPY: expected more") as raised:
        walk_forward(plan(refusing), tmp_path, workers=2)
    assert raised.value.reason is Reason.NOT_ENOUGH_HISTORY


def test_a_killed_worker_is_said(tmp_path: Path) -> None:
    with pytest.raises(ForecasterError, match="got one that was killed"):
        walk_forward(plan(dying), tmp_path, workers=2)


def test_every_error_survives_the_way_between_processes() -> None:
    made = [
        errors.StaleBars("late"),
        errors.InvalidBars("broken", Reason.BAR_NAN),
        errors.IncompleteRun("some", {"SPY": "stale"}),
        errors.StoreError("gone"),
    ]
    for error in made:
        came = pickle.loads(pickle.dumps(error))
        assert (type(came), str(came), vars(came)) == (type(error), str(error), vars(error))


SCRIPT = """
import signal
import sys
from pathlib import Path
from tests.integration.test_walk_forward import plan, range_har, walk_forward

def say(now):
    print(now.done, flush=True)
    if now.done:
        sys.stdin.read()  # stays in the middle until it is killed, however fast the rest is

if __name__ == "__main__":
    # A job started in the background inherits that Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    walk_forward(plan(range_har), Path(sys.argv[1]), 2, say)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="children are looked up in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle_no_worker_is_left_and_the_next_run_ends_the_same(
    walked: tuple[Columns, Path], tmp_path: Path, how: signal.Signals
) -> None:
    script, folder = tmp_path / "walk.py", tmp_path / "walk"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(folder)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        while int(running.stdout.readline()) == 0:
            pass
        workers = children(running.pid)
        if how is signal.SIGINT:
            os.killpg(running.pid, how)  # as a terminal does: everyone is told
        else:
            running.kill()
        stderr = running.communicate(timeout=60)[1]
    assert len(workers) >= 2
    assert all(map(ended, workers)), "a worker outlives the one that started it"
    for worker in workers:
        os.close(worker)
    assert stderr.count("Traceback") == (1 if how is signal.SIGINT else 0)
    assert running.returncode != 0
    # A killed writer may leave a hidden file, which nobody reads.
    assert set(seen(folder)) < set(files(walked[1]))
    assert_equal(walk_forward(plan(range_har), folder), walked[0])
    assert seen(folder) == files(walked[1])


def seen(folder: Path) -> dict[str, str]:
    return {name: digest for name, digest in files(folder).items() if "/." not in name}


def children(pid: int) -> list[int]:
    """Return a descriptor of each child process: readable once it has ended."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [os.pidfd_open(int(child)) for child in listed.split()]


def ended(process: int) -> bool:
    return bool(select.select([process], [], [], 60)[0])


# pace


def test_time_left_is_foretold_by_kind_and_shared_by_the_workers() -> None:
    pace = Pace(8, ["slow", "fast", "slow", "fast", "slow"], workers=2)
    assert pace.progress() == Progress(3, 8, None)
    pace.took("slow", 10.0)
    assert pace.progress() == Progress(4, 8, None)
    pace.took("fast", 1.0)
    pace.took("slow", 20.0)
    assert pace.progress() == Progress(6, 8, (15.0 + 1.0) / 2)
    pace.took("fast", 1.0)
    pace.took("slow", 12.0)
    assert pace.progress() == Progress(8, 8, 0.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0.0, "0 s left"), (89.4, "89 s left"), (3600.0, "60 min left")],
)
def test_time_left_is_said_in_minutes_once_it_is_long(seconds: float | None, words: str) -> None:
    assert time_left(seconds) == words
