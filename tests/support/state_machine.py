"""The state machine of a universe, taken out of the template and given to a validator."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.packaged import ROOT, require_node

VALIDATE = """
const validate = require('asl-validator');
const { isValid, errorsText } = validate(JSON.parse(require('fs').readFileSync(0, 'utf8')));
console.log(isValid ? '' : errorsText());
"""
ARN = "arn:aws:lambda:us-east-1:123456789012:function:financial-forecaster-dev-daily:live"


def definition(packaged: Any) -> Any:
    """The definition as AWS gets it, from a template whose references are texts."""
    text = json.dumps(packaged["Resources"]["Universe"]["Properties"]["Definition"])
    text = text.replace('"DailyLiveAlias"', json.dumps(ARN))
    return json.loads(text.replace('"VerifyLiveAlias"', json.dumps(ARN.replace("daily", "verify"))))


def find_faults(machine: Any) -> str:
    """What the validator finds wrong, in words; skips the test where it is not installed."""
    require_node()
    if not (ROOT / "node_modules" / "asl-validator").exists():
        pytest.skip("expected the npm package asl-validator, got none: npm ci")
    done = subprocess.run(
        ["node", "-e", VALIDATE],
        input=json.dumps(machine),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def states(machine: Any) -> Iterator[tuple[str, Any]]:
    """Every state by its name, those within a map too."""
    for name, state in machine["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"])
