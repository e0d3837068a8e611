"""What `forecaster verify` says of a universe names all that is said of its shards."""

from __future__ import annotations

import pytest

from pipeline.cli import universe_record
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.jobs.universe.verify import VerifiedUniverse
from pipeline.jobs.verify import Scope, Verified
from pipeline.record.universe_terms import UniverseTerms
from tests.support.fakes import MemoryObjects

SHARD = Verified(
    manifests=1,
    objects=9,
    head=None,
    findings=(),
    left_behind=("scores/left",),
    strangers=("notes.txt",),
    lost=(Finding(Problem.LOST, "runs/lost.json", "given up"),),
    hints=(Finding(Problem.CHANGED, "runs/hint.json", "of another time"),),
    unmade=2,
)


def test_what_is_no_finding_is_named_with_its_shard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verified = VerifiedUniverse({"shard=0000": SHARD, "shard=0001": SHARD}, (), 1)
    monkeypatch.setattr(universe_record, "verify_universe", lambda *_: verified)
    terms = UniverseTerms(2, "simulated", "XNYS")
    universe_record.verify_shards(MemoryObjects(), terms, Scope(), lambda _: {}, json=False)
    said = capsys.readouterr().out
    for key in ("runs/lost.json", "runs/hint.json", "scores/left", "notes.txt"):
        assert [f"shard=000{n}/{key}" in said for n in (0, 1)] == [True, True]
    assert "4 parts could not be made again" in said
