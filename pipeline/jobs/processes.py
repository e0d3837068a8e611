"""Processes: workers of one thread each, which never outlive the one that started them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import TypeVar

from pipeline.errors import ForecasterError

T = TypeVar("T")
R = TypeVar("R")

# Workers share the cores by being many; threads of each would only wait for each other.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def run_each(
    work: Callable[[T], R], tasks: Sequence[T], workers: int, on_result: Callable[[T, R], None]
) -> None:
    """Call `work` for each task, by `workers` processes, and `on_result` here as each one ends.

    One worker is this process itself. An error or interrupt here or there stops all of them.

    Raises
    ------
    ForecasterError
        When a worker died, and whatever `work` raises.
    """
    if workers == 1:
        for task in tasks:
            on_result(task, work(task))
        return
    with _open_pool(workers) as pool:
        with _ignore_interrupts():
            futures = {pool.submit(work, task): task for task in tasks}
        try:
            for future in as_completed(futures):
                on_result(futures[future], future.result())
        except BrokenProcessPool as exc:
            raise ForecasterError(
                "expected every worker to end its task, got one that was killed; fewer workers "
                "need less memory"
            ) from exc


@contextmanager
def _open_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    # Forked processes would inherit locks that threads of torch and ONNX Runtime hold.
    context = get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, _watch_parent, (theirs,))
    # Leaving, our end is closed first: whoever is still at work then works for nobody.
    with theirs, _limit_threads(), pool, ours:
        yield pool


@contextmanager
def _limit_threads() -> Iterator[None]:
    """Have processes started meanwhile use one thread: libraries read this when they load."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _ignore_interrupts() -> Iterator[None]:
    """Have processes started meanwhile ignore an interrupt: this one tells them to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield  # where no interrupt arrives
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _watch_parent(parent: Connection) -> None:
    """Have this worker end when its parent ends, even if that was killed."""
    threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()


def _exit_with(parent: Connection) -> None:
    wait([parent])
    os._exit(0)
