"""Text for consoles and logs, whatever it came from."""

from __future__ import annotations

import json

import pytest

from pipeline.encoding import escape_json, to_line

HOSTILE = {
    "\x1b[2J": "\\x1b[2J",
    "\x9b31m": "\\x9b31m",
    "a\r\nb\tc": "a\\r\\nb\\tc",
    "\x00\x07\x7f": "\\x00\\x07\\x7f",
    "\u202egnp\u2066": "\\u202egnp\\u2066",
    "\u2028\u200b\ufeff": "\\u2028\\u200b\\ufeff",
    "\udcff": "\\udcff",
    "\U000e0001": "\\U000e0001",
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=ascii)
def test_what_moves_a_cursor_or_cannot_be_encoded_is_escaped(text: str, shown: str) -> None:
    assert to_line(text) == shown
    assert to_line(f"é {text} ±") == f"é {shown} ±"


@pytest.mark.parametrize("text", ["", "SPY", "± — é 日本 🙂", "a\\nb"])
def test_what_can_be_shown_stays(text: str) -> None:
    assert to_line(text) == text
    assert to_line(to_line(text)) == text


@pytest.mark.parametrize("text", ["± é", "\x1b\x9b\x7f\u202e", "🙂", "a\nb", "\\u202e"])
def test_json_in_ascii_is_the_same_document(text: str) -> None:
    document = json.dumps({text: [text]}, ensure_ascii=False, indent=1)
    escaped = escape_json(document)
    assert all(c == "\n" or " " <= c <= "~" for c in escaped)
    assert json.loads(escaped) == {text: [text]}
