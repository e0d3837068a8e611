"""A key opens if its digest is known, and only its digest is."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from pipeline.serving import api_keys
from pipeline.serving.api_keys import digest_key, is_accepted, make_key


def test_a_new_key_is_long_random_and_easy_to_find_where_it_leaked() -> None:
    keys = {make_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith("fcast_") and len(key) >= 6 + 43 for key in keys)


def test_the_digest_is_what_any_tool_makes_of_the_key() -> None:
    assert digest_key("fcast_x") == hashlib.sha256(b"fcast_x").hexdigest()


@pytest.mark.parametrize(
    ("key", "accepted"),
    [("one", True), ("two", True), ("", False), ("three", False), (digest_key("one"), False),
     ("One", False), ("\ud800", False)],
)  # fmt: skip
def test_only_a_key_opens(key: str, accepted: bool) -> None:
    assert is_accepted(key, [digest_key("one"), digest_key("two")]) is accepted


def test_without_digests_nothing_opens() -> None:
    assert not is_accepted("one", [])


def test_every_digest_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Any] = []

    def compare(came: str, accepted: str) -> bool:
        compared.append(accepted)
        return hmac.compare_digest(came, accepted)

    class Watched:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(api_keys, "hmac", Watched)
    digests = [digest_key(key) for key in ("one", "two", "three")]
    assert is_accepted("one", digests)
    assert compared == digests
