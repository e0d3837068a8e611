"""Provenance: digests of the code and of the bars that a result was computed from."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bars import PRICES, RawBars

ROOT = Path(__file__).parents[3]


def digest_code(*functions: Callable[..., Any]) -> str:
    """Return the sha256 of the functions' names and all code of this project they can reach.

    Versions of the libraries that it imports count, comments and layout do not.
    """
    code = _digest_modules(tuple(sorted({function.__module__ for function in functions})))
    names = (f"{function.__module__}.{function.__qualname__}" for function in functions)
    return hashlib.sha256(" ".join((code, *names)).encode()).hexdigest()


def digest_bars(bars: Iterable[RawBars]) -> str:
    """Return the sha256 of tickers, sessions and prices, in the order given."""
    digest = hashlib.sha256()
    for ticker_bars in bars:
        digest.update(f"{ticker_bars.ticker} {len(ticker_bars)} ".encode())
        for column in (
            ticker_bars.session.astype(np.int64),
            *(getattr(ticker_bars, name) for name in PRICES),
        ):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


@cache
def _digest_modules(modules: tuple[str, ...]) -> str:
    ours: dict[str, str] = {}
    others: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
        if name in ours:
            continue
        if path.is_file():
            tree = ast.parse(path.read_text("utf-8"))
            ours[name] = ast.dump(tree)
            waiting += _find_imports(tree)
        else:
            others.add(name.split(".")[0])
    sources = [*sorted(ours.items()), *_find_versions(others)]
    return hashlib.sha256(repr(sources).encode()).hexdigest()


def _find_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# A third of a second: it reads what every installed library consists of.
@cache
def _find_homes() -> Mapping[str, Sequence[str]]:
    return packages_distributions()


def _find_versions(modules: Iterable[str]) -> Iterator[tuple[str, str]]:
    homes = _find_homes()
    for name in sorted({home for module in modules for home in homes.get(module, ())}):
        yield name, version(name)
