"""Strangers: what lies in a store and is no object of the record, told apart for `verify`."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.record.grammar import kind_of
from pipeline.record.keys import UNIVERSE
from pipeline.record.sharding import is_of_universe


def set_strangers_apart(names: Iterable[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the keys of the record among `names`, in their order, and the names of strangers.

    Strangers are named so that any terminal and any JSON can show them. What a universe has beside
    a record in one store is none: its shards are verified as stores of their own. Where there is no
    universe, what looks like its own is a stranger.
    """
    names = list(names)
    has_universe = UNIVERSE in names
    keys, strangers = [], []
    for name in names:
        if has_universe and is_of_universe(name):
            continue
        if kind_of(name) is None:
            strangers.append(name if name.isprintable() else ascii(name))
        else:
            keys.append(name)
    return keys, tuple(strangers)
