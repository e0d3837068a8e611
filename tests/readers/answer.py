"""Run a document's programs and say what they answer; in any environment, without pytest.

Standard input is JSON: the programs of one reader, in order. They share their names, as in a
notebook. Standard output's last line is JSON: the rows of each answer.
"""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from typing import Any

NAMES = ("today", "fan", "hits", "coverage", "skill", "risk", "positions")


def rows_of(answer: Any) -> list[Any]:
    """Return the rows of a frame of pandas, Polars or Spark, or of DuckDB's relation."""
    if hasattr(answer, "to_frame"):
        answer = answer.to_frame()
    if hasattr(answer, "iloc"):
        named = answer.reset_index() if answer.index.name else answer
        return named.to_numpy().tolist()
    for name in ("rows", "collect", "fetchall"):
        if hasattr(answer, name):
            return [list(row) for row in getattr(answer, name)()]
    raise TypeError(f"expected rows, got {type(answer)}")


def plain(value: Any) -> Any:
    """Return a value as JSON has it: a time as its day."""
    if isinstance(value, (date, datetime)):
        return value.isoformat()[:10]
    return value.item() if hasattr(value, "item") else value


def answers(programs: list[str]) -> dict[str, list[Any]]:
    """Return the rows of every answer that the programs leave."""
    names: dict[str, Any] = {}
    for program in programs:
        exec(program, names)
    there = {name: names[name] for name in NAMES if name in names}
    return {
        name: [[plain(value) for value in row] for row in rows_of(answer)]
        for name, answer in there.items()
    }


if __name__ == "__main__":
    print("\n" + json.dumps(answers(json.load(sys.stdin))))
