"""Shards over processes: one that is killed is told of, and nothing that ended before is lost."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.cli.universe_shards import Ended, Setup, Task, find_failed, run_shards
from pipeline.jobs.universe.members import Member, Universe

NOW = datetime(2025, 6, 5, 23, tzinfo=UTC)
SETUP = Setup("simulated", None, "store", Path("models/default"), None, "none", None, "XNYS")


def tasks(n: int) -> list[Task]:
    part = Universe((Member("SPY"),))
    return [Task(SETUP, number, n, part, NOW, NOW) for number in range(n)]


def killing_the_last(task: Task) -> Ended:
    if task.number == task.shards - 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return Ended("published", published=task.number)


def refusing(task: Task) -> Ended:
    if task.number == 1:
        return Ended("failed", failure="StoreError: gone")
    return Ended("published", published=1)


def test_results_are_by_shard_in_order_whoever_ends_first() -> None:
    for workers in (1, 2):
        ended = run_shards(refusing, tasks(3), workers)
        assert list(ended) == [0, 1, 2]
        assert [each.published for each in ended.values()] == [1, 0, 1]
        assert find_failed(ended) == [1]


def interrupted_at_the_last(task: Task) -> Ended:
    if task.number == task.shards - 1:
        raise KeyboardInterrupt
    return Ended("published", published=1)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interruption_says_what_is_kept(
    workers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_shards(interrupted_at_the_last, tasks(3), workers)
    said = " ".join(capsys.readouterr().err.split())
    assert "of 3 shards have ended, and the others keep what they have issued" in said


def test_a_process_that_is_killed_fails_its_shard_and_says_so() -> None:
    ended = run_shards(killing_the_last, tasks(4), 2)
    assert list(ended) == [0, 1, 2, 3]
    assert 3 in find_failed(ended)
    assert "got one that was killed; fewer workers" in str(ended[3].failure)
    assert all(each.published == n for n, each in ended.items() if each.failure is None)
