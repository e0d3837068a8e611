"""What shards came to, as the verification of all: nothing of it is left out."""

from __future__ import annotations

from dataclasses import fields

from pipeline.jobs.chain_check import Finding, Problem
from pipeline.jobs.universe.verify import VerifiedUniverse
from pipeline.jobs.verify import Verified


def test_pooled_nothing_of_a_shard_is_left_out() -> None:
    """All that is of one store's verification is of the universe's, keys with their folder."""
    lists = ("findings", "lost", "hints")
    of = {n: (Finding(Problem.LOST, f"runs/{n}.json", "gone"),) for n in lists}
    names = {n: (f"{n}/a.json",) for n in ("left_behind", "strangers")}
    sums = {n: at for at, n in enumerate(("manifests", "objects", "remade", "unmade"), 1)}
    each = Verified(**sums, **of, **names, head=None, public_key="key")
    pooled = VerifiedUniverse({"shard=0001": each, "shard=0002": each}, (), 1).pooled
    shards = ("shard=0001", "shard=0002")
    for name in lists:
        assert [f.key for f in getattr(pooled, name)] == [f"{s}/runs/{name}.json" for s in shards]
    for name, (key,) in names.items():
        assert getattr(pooled, name) == tuple(f"{shard}/{key}" for shard in shards)
    assert {name: getattr(pooled, name) for name in sums} == {n: 2 * at for n, at in sums.items()}
    known = {*lists, *names, *sums, "head", "public_key"}
    assert {field.name for field in fields(Verified)} == known
