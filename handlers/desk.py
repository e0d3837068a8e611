"""A function run at a desk, without Lambda."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class DeskContext:
    """What stands in for Lambda's context: nobody is waiting, so time never runs short."""

    function_name: str = "desk"
    memory_limit_in_mb: int = 0
    invoked_function_arn: str = ""
    aws_request_id: str = "desk"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def run_once(handler: Callable[[Any, Any], Any]) -> None:
    """Answer the event in the file named on the command line, or `{}`, on standard output.

    Metrics, which Lambda takes from standard output, go beside the logs instead.
    """
    event = json.loads(Path(sys.argv[1]).read_bytes()) if sys.argv[1:] else {}
    with contextlib.redirect_stdout(sys.stderr):
        answer = handler(event, DeskContext())
    print(json.dumps(answer, indent=2))
