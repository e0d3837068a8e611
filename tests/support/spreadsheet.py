"""A sheet's formulas, as far as the documents use them: SUMIFS and its like on whole columns."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

CALL = re.compile(r"(SUMIFS|COUNTIFS|AVERAGEIFS)\(((?:[^()]|\([^()]*\))*)\)")
COMPARE = {">=": operator.ge, "<": operator.lt}
Cells = Mapping[str, Any]


def evaluate(formula: str, rows: Sequence[Sequence[Any]], cells: Cells) -> float:
    """Return what a formula beside rows gives; its cells are those named."""

    def call(found: re.Match[str]) -> str:
        arguments = [part.strip() for part in re.split(r",(?![^(]*\))", found[2])]
        values = [] if found[1] == "COUNTIFS" else _column(arguments.pop(0), rows)
        chosen = [True] * len(rows)
        for column, criterion in zip(arguments[::2], arguments[1::2], strict=True):
            holds = _criterion(criterion, rows, cells)
            chosen = [c and holds(v) for c, v in zip(chosen, _column(column, rows), strict=True)]
        if found[1] == "COUNTIFS":
            return str(sum(chosen))
        kept = [value for value, c in zip(values, chosen, strict=True) if c]
        return repr(sum(kept) / (len(kept) if found[1] == "AVERAGEIFS" else 1))

    arithmetic = CALL.sub(call, formula.removeprefix("="))
    for name, value in cells.items():
        arithmetic = re.sub(rf"\b{name}\b", str(value), arithmetic)
    if not re.fullmatch(r"[-+*/(). \de]+", arithmetic):
        raise ValueError(f"expected a formula of known parts, got {arithmetic!r} of {formula!r}")
    return float(eval(arithmetic))


def _column(letters: str, rows: Sequence[Sequence[Any]]) -> list[Any]:
    letter, other = letters.split(":")
    assert letter == other
    return [row[ord(letter) - ord("A")] for row in rows]


def _criterion(text: str, rows: Sequence[Sequence[Any]], cells: Cells) -> Callable[[Any], bool]:
    compared = re.fullmatch(r'"(>=|<)"&(.+)', text)
    sign, operand = (COMPARE[compared[1]], compared[2]) if compared else (operator.eq, text)
    value = _value(operand, rows, cells)
    return lambda cell: bool(sign(cell, value))


def _value(text: str, rows: Sequence[Sequence[Any]], cells: Cells) -> Any:
    if newest := re.fullmatch(r"MAX\((.+)\)", text):
        return max(_column(newest[1], rows))
    if later := re.fullmatch(r"EDATE\((\w+), (\d+)\)", text):
        day: datetime = cells[later[1]]
        months = day.month - 1 + int(later[2])
        return day.replace(year=day.year + months // 12, month=months % 12 + 1)
    words = {"TRUE": True, "FALSE": False}
    if text in cells or text in words:
        return {**words, **cells}[text]
    return text.strip('"') if text.startswith('"') else float(text)
