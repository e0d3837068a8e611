"""A stage is part of a bucket's name; what cannot be one is refused before anything is built."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.adapters.aws.deployment import Deployment
from pipeline.errors import ConfigError
from tests.support.packaged import PREBUILT, ROOT, require_node, serverless

NEAR, FAR = "us-east-1", "ap-southeast-1"
ACCOUNT = "123456789012"
STAGES = {
    "dev": True,
    "prod": True,
    "2": True,
    "a-b-": True,
    "a" * 14: True,
    "Prod": False,
    "a_b": False,
    "a.b": False,
    "-a": False,
    "": False,
    "dev\n": False,
    "d€v": False,
    "a" * 20: False,
    "a" * 80: False,
}
# The longest in one region is too long in another.
TABLE = [
    *((stage, region, fits) for stage, fits in STAGES.items() for region in (NEAR, FAR)),
    *(("a" * 19, NEAR, True), ("a" * 19, FAR, False), ("a" * 15, FAR, False)),
]
CASES = pytest.mark.parametrize(("stage", "region", "fits"), TABLE)
PLUGIN = """
const StageName = require('./infra/plugins/stage-name.js');
const [stage, region] = process.argv.slice(1);
const configurationInput = { service: 'financial-forecaster', provider: { stage: 'dev' } };
try {
  new StageName({ configurationInput, classes: { Error } }, { stage, region });
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
"""


@CASES
def test_the_command_line_says_which_names_fit(stage: str, region: str, fits: bool) -> None:
    assert (len(f"financial-forecaster-{stage}-{ACCOUNT}-{region}") > 63) <= (not fits)
    if fits:
        Deployment(stage, region)
    else:
        with pytest.raises(ConfigError, match=r"^--stage: expected 1 to 1[49] of a-z 0-9 -, .*got"):
            Deployment(stage, region)


@CASES
def test_the_deployment_says_the_same(stage: str, region: str, fits: bool) -> None:
    require_node()
    done = subprocess.run(
        ["node", "-e", PLUGIN, "--", stage, region],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == (not fits), done.stderr
    if not fits:
        assert done.stderr.startswith("--stage: expected 1 to ")


@CASES
def test_the_script_that_pushes_says_the_same_before_it_builds(
    stage: str, region: str, fits: bool, tmp_path: Path
) -> None:
    """Its first command is a stand-in that ends it."""
    (tmp_path / "aws").write_text("#!/bin/sh\nexit 7\n")
    (tmp_path / "aws").chmod(0o755)
    done = subprocess.run(
        ["bash", ROOT / "infra" / "push-image.sh", stage],
        env={"PATH": f"{tmp_path}:{os.defpath}", "AWS_REGION": region},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == (7 if fits else 1)
    assert done.stdout == ""
    assert ("expected a stage of 1 to " in done.stderr) == (not fits)


@pytest.mark.parametrize("stage", ["Prod", "a" * 80])
def test_nothing_is_packaged_for_a_stage_that_cannot_be(tmp_path: Path, stage: str) -> None:
    done = serverless(
        *("package", "--package", str(tmp_path / "packaged")),
        stage=stage,
        params=PREBUILT,
        environ={},
    )
    assert done.returncode == 1
    assert f'got "{stage}"' in done.stdout + done.stderr
    assert not (tmp_path / "packaged").exists()
