"""A bar on stderr for what takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from pipeline.backtest.pace import Progress


@contextmanager
def progress_bar(doing: str) -> Iterator[Callable[[Progress], None]]:
    """Show a bar with the time left, if stderr is a terminal; what is yielded moves it."""
    stderr = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Bar(*columns, console=stderr, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(doing, total=None, left="")

        def move(now: Progress) -> None:
            bar.update(
                task, completed=now.done, total=now.total, left=format_time_left(now.seconds_left)
            )

        yield move


@contextmanager
def counting_bar(doing: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar as above; what is yielded is called with (done, total)."""
    started = monotonic()
    with progress_bar(doing) as move:

        def count(done: int, total: int) -> None:
            move(Progress(done, total, (monotonic() - started) / done * (total - done)))

        yield count


@contextmanager
def phases_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each phase as above; what is yielded is called with (phase, done, total)."""
    with ExitStack() as stack:
        moves: dict[str, Callable[[int, int], None]] = {}

        def count(phase: str, done: int, total: int) -> None:
            if phase not in moves:
                stack.close()
                moves[phase] = stack.enter_context(counting_bar(phase))
            moves[phase](done, total)

        yield count


def format_time_left(seconds: float | None) -> str:
    """Return the time left in words; nothing where it is not known."""
    if seconds is None:
        return ""
    return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"
