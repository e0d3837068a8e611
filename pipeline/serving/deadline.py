"""Deadline: whoever waits for a store waits no longer than so many seconds, whatever hangs.

A client's own limits hold for each connection and each piece of an answer. Names that do not
resolve, an answer that comes by drops and a file system that hangs have none.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import BoundedSemaphore, Thread
from typing import Generic, TypeVar

from pipeline.errors import StoreError

Result = TypeVar("Result")
# Calls that may hang at a time, each a thread that nobody waits for.
PLACES = BoundedSemaphore(16)


def call_within(seconds: float, what: str, action: Callable[[], Result]) -> Result:
    """Return what `action` gives, or raise what it raises; `what` it does is for the message.

    Raises
    ------
    StoreError
        When that takes longer; it goes on by itself then, and what it gives is dropped.
    """
    if not PLACES.acquire(blocking=False):
        raise StoreError(f"expected to {what}, but too many such calls have not come back")
    call = _Call(action)
    thread = Thread(target=call.run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise StoreError(f"expected to {what} within {seconds:g} s, got no answer")
    return call.result()


class _Call(Generic[Result]):
    """A call that another thread makes."""

    def __init__(self, action: Callable[[], Result]) -> None:
        self._action = action
        self._results: list[Result] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._action())
        except BaseException as exc:  # for who waits
            self._error = exc
        finally:
            PLACES.release()

    def result(self) -> Result:
        if self._error is not None:
            raise self._error
        return self._results[0]
