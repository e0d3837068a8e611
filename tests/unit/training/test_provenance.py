"""Digests of code: what counts, and what is found."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pipeline.baselines.full_history import persistence
from pipeline.training.walk_forward import provenance
from pipeline.training.walk_forward.provenance import digest_code
from tests.support.walks import range_har, shipped

ROOT = Path(__file__).resolve().parents[3]


def test_code_counts_and_comments_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)

    def digest_of(top: str, below: str) -> str:
        (tmp_path / "top.py").write_text(top)
        (tmp_path / "below.py").write_text(below)
        provenance._digest_modules.cache_clear()
        return digest_code(method)

    def method() -> None: ...

    method.__module__ = "top"
    before = digest_of("from below import x\n", "import top\nx = 1\n")
    assert digest_of("from below import x  # why\n", "import top\n\n\nx = 1\n") == before
    assert digest_of("from below import x\n", "import top\nx = 2\n") != before
    assert digest_of("from below import x\nimport numpy\n", "import top\nx = 1\n") != before
    provenance._digest_modules.cache_clear()


def test_what_a_trainer_is_made_of_is_found() -> None:
    tree = ast.parse((ROOT / "pipeline/training/trainers.py").read_text())
    assert "pipeline.training.bundles" in set(provenance._find_imports(tree))
    assert digest_code(range_har) != digest_code(persistence)
    assert digest_code(range_har) != digest_code(shipped)
