"""The fake store dies where a test wants it to, and lives on."""

from __future__ import annotations

import pytest

from tests.support.fakes import Crash, MemoryObjects


class TestTheFakeThatCrashes:
    def test_it_dies_once_with_the_write_undone(self) -> None:
        store = MemoryObjects(crash_before=2)
        store.create("a", b"")
        with pytest.raises(Crash):
            store.create("b", b"")
        assert store.keys("") == store.written == ["a"]
        assert store.create("b", b"") is True

    def test_it_dies_once_with_the_write_done(self) -> None:
        store = MemoryObjects(crash_after=2)
        store.create("a", b"")
        with pytest.raises(Crash):
            store.replace("b", b"")
        assert store.keys("") == store.written == ["a", "b"]
        assert store.create("b", b"") is False
