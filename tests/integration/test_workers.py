"""Workers of a walk-forward backtest: equal results, errors that arrive, nobody left behind."""

from __future__ import annotations

import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline import errors
from pipeline.bars import Bars, RawBars
from pipeline.columns import Columns
from pipeline.errors import DataError, ForecasterError, Reason
from pipeline.training.walk_forward.run import walk_forward
from tests.support.walks import Alone, assert_equal, files, plan, range_har, seen, shipped

ROOT = Path(__file__).resolve().parents[2]


def dying(of: Sequence[Bars], vix: RawBars | None) -> Alone:
    os.kill(os.getpid(), signal.SIGKILL)
    return shipped(of, vix)


def refusing(of: Sequence[Bars], vix: RawBars | None) -> Alone:
    raise DataError("SPY: expected more", Reason.NOT_ENOUGH_HISTORY)


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
from pipeline.training.walk_forward.run import walk_forward
from tests.support.walks import plan, range_har

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


def children(pid: int) -> list[int]:
    """Return a descriptor of each child process: readable once it has ended."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [os.pidfd_open(int(child)) for child in listed.split()]


def ended(process: int) -> bool:
    return bool(select.select([process], [], [], 60)[0])
