"""One function, once, without Lambda: `python -m handlers.local.invoke daily [event.json]`."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline.encoding import to_line
from pipeline.errors import ForecasterError

FUNCTIONS = ("daily",)
USAGE = "python -m handlers.local.invoke daily [event.json]"


@dataclass(frozen=True, slots=True)
class LocalContext:
    """What stands in for Lambda's context: nobody is waiting, so time never runs short."""

    function_name: str = "desk"
    memory_limit_in_mb: int = 0
    invoked_function_arn: str = ""
    aws_request_id: str = "desk"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def main(arguments: list[str]) -> int:
    """Answer the event in a file, or `{}`, on standard output; 1 if it failed, 2 for wrong use.

    Metrics, which Lambda takes from standard output, go beside the logs instead.
    """
    if not arguments or arguments[0] not in FUNCTIONS or len(arguments) > 2:
        return _refuse(f"expected {USAGE}, got {' '.join(arguments) or 'nothing'}", 2)
    try:
        event = json.loads(Path(arguments[1]).read_bytes()) if arguments[1:] else {}
    except (OSError, ValueError) as exc:
        return _refuse(f"{arguments[1]}: expected an event in JSON, got: {exc}", 2)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            function = importlib.import_module(f"handlers.{arguments[0]}")
            # At a desk an error is one line; the stack is for the logs of Lambda.
            function.logger.addFilter(lambda record: not record.exc_info)
            answer = function.handler(event, LocalContext())
    except ForecasterError as exc:
        return _refuse(str(exc), 1)
    print(json.dumps(answer, indent=2))
    return 0


def _refuse(message: str, code: int) -> int:
    print(f"error: {to_line(message)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
