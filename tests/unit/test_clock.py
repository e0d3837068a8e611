"""No test asks what day it is: it would hold on some days and fail on others."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
# A function's name, and where it is called on: whatever says what time it is.
CLOCKS = {
    "now": "datetime options Timestamp",
    "utcnow": "datetime Timestamp",
    "today": "datetime date Timestamp",
    "time": "time",
    "time_ns": "time",
    "gmtime": "time",
    "localtime": "time",
    "strftime": "time",
}
TEXTS = ("now", "today")  # what NumPy and pandas take for a time
ALLOWED = {
    # A schedule of the emulated AWS has to fire, by the clock of another process.
    "e2e/test_deployment.py": {"datetime.now"},
    "e2e/test_universe.py": {"datetime.now"},
    # Athena asks by its own clock for the newest days.
    "e2e/test_athena.py": {"datetime.now"},
    # When S3 or a disk says that something was written, by their own clocks.
    "integration/test_object_lock.py": {"datetime.now"},
    "integration/test_objects.py": {"datetime.now"},
    "unit/jobs/test_time_check.py": {"datetime.now"},
    # That the clock is the one that was set.
    "unit/support/test_clock.py": {"datetime.now", "date.today", "time.time"},
    # The example in the docs asks for the newest session, as a reader's script does.
    "integration/test_sources_docs.py": {"datetime.now"},
    # CloudWatch takes no event that is older than two weeks.
    "integration/test_cli_verify.py": {"time.time"},
    # Measures how long a call took, as the service that it stands in for.
    "e2e/local_cloud.py": {"time.time"},
}


def clocks_asked(source: str) -> Iterator[str]:
    """Yield every call in a module that depends on the time at which it runs."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "pipeline.cli.options":
            yield from ("options.now" for name in node.names if name.name == "now")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            if owner.rpartition(".")[2] in CLOCKS.get(node.func.attr, "").split():
                yield f"{owner}.{node.func.attr}"
            elif node.func.attr in ("datetime64", "Timestamp"):
                texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
                yield from (f"{node.func.attr} {text}" for text in texts if text in TEXTS)


@pytest.mark.parametrize(
    "path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.relative_to(TESTS).as_posix()
)
def test_no_test_asks_the_clock(path: Path) -> None:
    allowed = ALLOWED.get(path.relative_to(TESTS).as_posix(), set())
    assert set(clocks_asked(path.read_text(encoding="utf-8"))) == allowed


@pytest.mark.parametrize(
    "source",
    [
        *(f"{owner}.{name}()" for name, owners in CLOCKS.items() for owner in owners.split()),
        "dt.date.today()",
        "from pipeline.cli.options import now",
        "np.datetime64('today')",
        "pd.Timestamp('now')",
    ],
)
def test_each_way_to_ask_is_noticed(source: str) -> None:
    assert len([*clocks_asked(source)]) == 1
