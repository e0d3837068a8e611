"""Refusals: from what a decoder says of a body to the field, what was expected and what came."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from pipeline.errors import InvalidBody, InvalidField, RequestError
from pipeline.forecasting.features import FEATURE_NAMES

_SAID = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_STEP = re.compile(r"\[(?P<index>\d+)\]|\.(?P<name>[^.\[]+)")
_EXPECTED = re.compile(r"Expected (?P<expected>.*?)(?:, got `(?P<got>\w+)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)
_FEATURE = re.compile(r"#/data/\d+/(?P<column>\d+)")
WORDS = {
    "`float`": "a number",
    "`str`": "a string",
    "`object`": "an object",
    "`array`": "an array",
    "`date`": "a date",
}
SHOWN = 60
BOM = b"\xef\xbb\xbf"  # what some editors and shells put before UTF-8

T = TypeVar("T")


def decode_body(body: bytes, decode: Callable[[bytes], T], fields: str) -> T:
    """Return what is in a body of JSON; `fields` says which may be in it.

    Raises
    ------
    InvalidBody
        When it is empty, no JSON, or nested too deep.
    InvalidField
        When a field is missing, unknown or not as it should be.
    """
    body = body.removeprefix(BOM)
    if not body.strip():
        raise InvalidBody("expected a JSON body, got none")
    try:
        return decode(body)
    except RecursionError as exc:
        raise InvalidBody("expected JSON, got one that is nested too deep") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise to_refusal(exc, body, fields) from exc


def to_refusal(error: Exception, body: bytes, fields: str) -> RequestError:
    """Return a decoder's error as one that names the field, what was expected and what came."""
    if not isinstance(error, msgspec.ValidationError):
        return _refuse_not_finite(body) or InvalidBody(f"expected JSON in UTF-8, got: {error}")
    match = _SAID.fullmatch(str(error))
    what, path = (match["what"], match["path"] or "") if match else (str(error), "")
    steps = [int(i) if i else name for i, name in _STEP.findall(path)]
    if unknown := _UNKNOWN.fullmatch(what):
        return InvalidField(to_pointer([*steps, unknown["name"]]), fields, "one more field")
    if missing := _MISSING.fullmatch(what):
        return InvalidField(to_pointer([*steps, missing["name"]]), "this field", "none")
    pointer = to_pointer(steps)
    return InvalidField(pointer, _describe_expected(what, pointer), _describe_received(body, steps))


def describe_value(value: Any) -> str:
    """Return in a few words what came."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if isinstance(value, int) and abs(value) >= 2**63:
        return "a number of 19 digits or more"
    text = msgspec.json.encode(value).decode() if not isinstance(value, float) else repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def to_pointer(steps: Sequence[int | str]) -> str:
    """Return RFC 6901's fragment for the steps into a document."""
    names = (str(step)[:SHOWN].replace("~", "~0").replace("/", "~1") for step in steps)
    return "#" + "".join(f"/{quote(name)}" for name in names)


def _describe_expected(what: str, pointer: str) -> str:
    match = _EXPECTED.fullmatch(what)
    if "date" in what and not match:
        return "a date like 2024-12-27"
    if not match:
        return "a number of 64 bits" if "range" in what else what
    text = match["expected"]
    for word, plain in WORDS.items():
        text = text.replace(word, plain)
    feature = _FEATURE.fullmatch(pointer)
    text = text.replace("`", "")
    return f"{FEATURE_NAMES[int(feature['column'])]}, {text}" if feature else text


def _describe_received(body: bytes, steps: list[int | str]) -> str:
    try:
        value = msgspec.json.decode(body)
        for step in steps:
            value = value[step]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        return "what cannot be shown"
    return describe_value(value)


def _refuse_not_finite(body: bytes) -> RequestError | None:
    """Return the refusal of the first NaN or infinity, which many libraries write as JSON."""
    import json  # noqa: PLC0415

    try:
        steps = _find_not_finite(json.loads(body))
        # Half a character in a name, which this decoder takes, is a ValueError of the pointer.
        pointer = None if steps is None else to_pointer(steps)
    except (ValueError, RecursionError):
        return None
    if pointer is None:
        return None
    return InvalidField(pointer, "a finite number", "NaN or infinity, which is not JSON")


def _find_not_finite(value: Any) -> list[int | str] | None:
    if isinstance(value, float) and not math.isfinite(value):
        return []
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for step, item in inner:
        if (path := _find_not_finite(item)) is not None:
            return [step, *path]
    return None
