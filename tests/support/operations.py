"""Each thing that is asked of a store of objects, and what fails in its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.ports import ObjectStore

Operation = Callable[[ObjectStore], object]
OPERATIONS: dict[str, Operation] = {
    "read": lambda store: store.read("runs/a.json"),
    "create": lambda store: store.create("runs/a.json", b"a"),
    "replace": lambda store: store.replace("runs/a.json", b"a"),
    "keys": lambda store: store.keys("runs/"),
    "written_at": lambda store: store.written_at("runs/"),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))


def raiser(error: Exception) -> Callable[..., None]:
    def raise_it(*_: Any, **__: Any) -> None:
        raise error

    return raise_it
