"""A request is read into its type, or refused with the field, what was expected and what came."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.errors import InvalidBody, InvalidField
from pipeline.forecasting.features import FEATURE_NAMES
from pipeline.serving.requests import RANGES, BarsRequest, DataRequest, TickerRequest, parse_request
from tests.support.builders import bar_rows, bars, raw_bars, window_rows

WINDOW = window_rows(bars())
ROWS = bar_rows(raw_bars())


def parse(document: Any) -> Any:
    return parse_request(json.dumps(document).encode())


def refusal(document: Any) -> tuple[str, str, str]:
    with pytest.raises(InvalidField) as raised:
        parse(document)
    return raised.value.pointer, raised.value.expected, raised.value.got


def changed(rows: list[list[Any]], row: int, column: int, value: Any) -> list[list[Any]]:
    copy = [list(one) for one in rows]
    copy[row][column] = value
    return copy


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"data": WINDOW}, DataRequest),
        ({"data": WINDOW, "ticker": "SPY"}, DataRequest),
        ({"bars": ROWS}, BarsRequest),
        ({"bars": ROWS, "vix": [["2024-12-27", 15.5]], "ticker": "spy"}, BarsRequest),
        ({"ticker": "^GSPC"}, TickerRequest),
    ],
)
def test_what_the_body_has_says_which_request_it_is(document: Any, kind: type) -> None:
    assert type(parse(document)) is kind


def test_every_feature_has_its_range() -> None:
    assert tuple(RANGES) == FEATURE_NAMES


@pytest.mark.parametrize(
    ("document", "pointer", "expected", "got"),
    [
        ({}, "#", "an object with `data`, `bars` or `ticker`", "one with none of them"),
        ([], "#", "an object", "an array of 0"),
        (3, "#", "an object", "3"),
        ({"data": WINDOW[:59]}, "#/data", "array of length >= 60", "an array of 59"),
        ({"data": [*WINDOW, WINDOW[0]]}, "#/data", "array of length <= 60", "an array of 61"),
        ({"data": None}, "#/data", "array", "null"),
        ({"data": [*WINDOW[:9], WINDOW[0][:11]] + WINDOW[:50]}, "#/data/9", "array of length 12",
         "an array of 11"),
        ({"data": changed(WINDOW, 3, 1, "0")}, "#/data/3/1", "overnight_return, a number", '"0"'),
        ({"data": changed(WINDOW, 3, 1, True)}, "#/data/3/1", "overnight_return, a number", "true"),
        ({"data": changed(WINDOW, 0, 0, 450.25)}, "#/data/0/0", "log_close, a number <= 21.0",
         "450.25"),
        ({"data": [[0.0] * 12] * 60}, "#/data/0/10", "days_to_next, a number >= 1.0", "0.0"),
        ({"bars": ROWS[:125]}, "#/bars", "array of length >= 126", "an array of 125"),
        ({"bars": changed(ROWS, 5, 4, 0)}, "#/bars/5/4", "a number >= 1e-06", "0"),
        ({"bars": changed(ROWS, 5, 4, -1.5)}, "#/bars/5/4", "a number >= 1e-06", "-1.5"),
        ({"bars": changed(ROWS, 5, 5, -1)}, "#/bars/5/5", "a number >= 0.0", "-1"),
        ({"bars": changed(ROWS, 5, 5, None)}, "#/bars/5/5", "a number", "null"),
        ({"bars": changed(ROWS, 5, 0, "27.12.2024")}, "#/bars/5/0", "a date like 2024-12-27",
         '"27.12.2024"'),
        ({"bars": changed(ROWS, 5, 0, 20241227)}, "#/bars/5/0", "a date", "20241227"),
        ({"bars": ROWS, "vix": [["2024-12-27", 0]]}, "#/vix/0/1", "a number > 0.0", "0"),
        ({"ticker": ""}, "#/ticker", "a string matching regex", '""'),
        ({"ticker": "../x"}, "#/ticker", "a string matching regex", '"../x"'),
        ({"ticker": ["SPY"]}, "#/ticker", "a string", "an array of 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(document: Any, pointer: str, expected: str, got: str) -> None:
    told = refusal(document)
    assert (told[0], told[2]) == (pointer, got)
    assert expected in told[1]


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"data": WINDOW, "bars": ROWS}, "#/bars"),
        ({"data": WINDOW, "vix": []}, "#/vix"),
        ({"ticker": "SPY", "horizon": 1}, "#/horizon"),
        ({"ticker": "SPY", "a/b~c": 1}, "#/a~1b~0c"),
        ({"ticker": "SPY", "café #1": 1}, "#/caf%C3%A9%20%231"),
        ({"ticker": "SPY", "x" * 200_000: 1}, "#/" + "x" * 60),
    ],
)
def test_a_field_that_does_not_belong_is_named(document: Any, pointer: str) -> None:
    told = refusal(document)
    assert (told[0], told[2]) == (pointer, "one more field")
    assert told[1].startswith("only ")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_named_although_it_is_no_json(number: float) -> None:
    told = refusal({"data": changed(WINDOW, 7, 2, number)})
    assert told == ("#/data/7/2", "a finite number", "NaN or infinity, which is not JSON")


def test_a_number_too_large_for_a_float_is_refused() -> None:
    body = json.dumps({"data": changed(WINDOW, 7, 2, 0)}).replace(" 0,", " 1e999,", 1).encode()
    with pytest.raises(InvalidField, match="#/data/7/2: expected"):
        parse_request(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'"\xff"',
        b"{} {}",
        b"data=1",
        b'{"ticker": "\\ud800"}',
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises((InvalidBody, InvalidField)):
        parse_request(body)


@pytest.mark.parametrize("opening", ["[", '{"data":', '{"bars":[', '{"x":[', '{"ticker":['])
@pytest.mark.parametrize("closed", [True, False])
def test_deep_nesting_is_refused_before_it_can_hurt(opening: str, closed: bool) -> None:
    body = opening + "[" * 100_000 + ("]" * 100_000 if closed else "")
    with pytest.raises((InvalidBody, InvalidField)):
        parse_request(body.encode())


def test_what_came_is_shown_in_few_words() -> None:
    pointer, _, got = refusal({"ticker": "x" * 100_000})
    assert pointer == "#/ticker"
    assert len(got) < 80


@pytest.mark.parametrize("body", [b"", b" \r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
def test_no_body_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(InvalidBody, match="^expected a JSON body, got none$"):
        parse_request(body)


def test_a_byte_order_mark_before_json_does_not_matter() -> None:
    plain = b'{"ticker": "SPY"}'
    assert parse_request(b"\xef\xbb\xbf" + plain) == parse_request(plain)
    with pytest.raises(InvalidBody):
        parse_request(b"\xef\xbb\xbf" * 2 + plain)
    with pytest.raises(InvalidField, match="#/data"):
        parse_request(b'\xef\xbb\xbf{"data": 5}')
