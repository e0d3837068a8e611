"""The page's script shows prices as the record does: both are held to one file of examples."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
SCRIPT = ROOT / "pipeline" / "views" / "page" / "assets" / "page.js"
PRICES = ROOT / "tests" / "golden" / "prices.json"


def test_the_script_shows_prices_as_the_record_does() -> None:
    if shutil.which("node") is None:
        pytest.skip("expected node, got none")
    code = re.search(r"  const COINS =.*?\n  };\n", SCRIPT.read_text(encoding="utf-8"), re.DOTALL)
    assert code
    examples = PRICES.read_text(encoding="utf-8")
    program = (
        f"{code[0]}\nconst said = {examples}.map(([value, name]) => formatPrice(value, name));"
        "console.log(JSON.stringify(said))"
    )
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [text for _, _, text in json.loads(examples)]
