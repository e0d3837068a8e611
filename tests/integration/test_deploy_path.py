"""deploy.yml from training to what is live: its own shell steps, with stand-ins for others.

Each job has a clone of its own, as in GitHub; what goes from job to job goes by outputs, artifacts
and the repository alone. Conditions of jobs are looked at in test_workflows.py.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.bundles import write_bundle
from tests.support.workflow_clone import DIGEST, PYTHON, ROOT, Clone, make_clone

JOBS = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())["jobs"]
VARIABLES = {"vars.AWS_REGION": "us-east-1", "vars.DEPLOY": "--param=tickers=SPY,QQQ"}
# The packages are there, and so is what was trained: both are slow, and tested elsewhere.
MAKE = '#!/bin/sh\necho "make $*" >> "$CALLS"\n'
TRAIN = f"""#!/bin/sh
case "$*" in
    *'pipeline.cli fetch'*) echo fetched >> "$CALLS" ;;
    *'pipeline.cli train'*) cp "$TRAINED"/* models/default/; echo '{{}}' ;;
    *) {PYTHON.splitlines()[1]}
esac
"""
Outputs = dict[str, str]


class Run:
    """A run of the workflow: what its jobs have put out, and the repository that they share."""

    def __init__(self, clone: Clone, folder: Path) -> None:
        self.clone = clone
        self.folder = folder
        self.known: Outputs = {**VARIABLES, "github.token": "a-token", "inputs.stage": ""}
        self.known["github.sha"] = clone.environ["GITHUB_SHA"]

    def fill_in(self, text: str) -> str:
        def value(expression: str) -> str:
            options = [option.strip() for option in expression.split("||")]
            known = (self.known.get(o, o.strip("'") if o.startswith("'") else "") for o in options)
            return next((each for each in known if each), "")

        return re.sub(r"\$\{\{(.+?)\}\}", lambda match: value(match[1]), text)

    def job(self, name: str, *paths: tuple[Path, str]) -> Path:
        """Run the shell steps of a job in a clone of its own; `paths` are artifacts for it."""
        job = JOBS[name]
        at = self.folder / f"{name}-{self.known['github.sha'][:7]}"
        self.clone.git("clone", "--quiet", str(self.clone.origin), str(at), at=self.folder)
        checkout = next(
            step for step in job["steps"] if "actions/checkout@" in step.get("uses", "")
        )
        ref = self.fill_in(checkout.get("with", {}).get("ref", "")) or self.known["github.sha"]
        self.clone.git("checkout", "--quiet", "--detach", ref, at=at)
        self.prepare(at)
        for source, target in paths:
            shutil.copytree(source, at / target)
        for step in job["steps"]:
            if "run" in step:
                self.step(at, job, step)
        for output, expression in job.get("outputs", {}).items():
            self.known[f"needs.{name}.outputs.{output}"] = self.fill_in(expression)
        return at

    def prepare(self, at: Path) -> None:
        python = at / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(TRAIN)
        python.chmod(0o755)
        (at / ".git" / "info" / "exclude").write_text("/pipeline\n/.venv\n/new\n")
        (at / "pipeline").symlink_to(ROOT / "pipeline")

    def step(self, at: Path, job: Mapping[str, Any], step: Mapping[str, Any]) -> None:
        output = self.folder / "output"
        output.write_text("")
        wanted = {**job.get("env", {}), **step.get("env", {})}
        environ = {name: self.fill_in(str(value)) for name, value in wanted.items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self.fill_in(step["run"])],
            cwd=at,
            env={**os.environ, **self.clone.environ, **environ, "GITHUB_OUTPUT": str(output)},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (step["run"], done.stdout, done.stderr)
        for name, value in re.findall(r"^(\w+)=(.*)$", output.read_text(), re.MULTILINE):
            self.known[f"steps.{step.get('id')}.outputs.{name}"] = value


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    made = make_clone(tmp_path)
    shutil.rmtree(made.folder / "models" / "default")
    write_bundle(made.folder / "models" / "default")
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message", "The model that serves")
    made.git("push", "--quiet", "origin", "HEAD:main")
    made.environ["GITHUB_SHA"] = made.git("rev-parse", "HEAD")
    made.environ["TRAINED"] = str(write_bundle(tmp_path / "trained", date(2030, 2, 1)))
    tools = Path(made.environ["PATH"].split(os.pathsep)[0])
    answer = 'case "$*" in *commits/main*) git ls-remote origin refs/heads/main | cut -f1 ;; esac\n'
    (tools / "gh").write_text((tools / "gh").read_text() + answer)
    for name in ("make", "npm"):
        (tools / name).write_text(MAKE.replace("make", name))
        (tools / name).chmod(0o755)
    return made


def deployments(clone: Clone) -> list[str]:
    return [line for line in clone.calls.splitlines() if "serverless deploy" in line]


def test_from_training_to_what_is_live_and_the_next_push_that_changes_nothing(
    clone: Clone, tmp_path: Path
) -> None:
    state = Path(clone.environ["CALLS"]).parent
    run = Run(clone, tmp_path)
    trained = run.job("train")
    run.job("branch", (trained / "models" / "default", "new"))
    commit = run.known["needs.branch.outputs.commit"]
    assert run.fill_in(JOBS["ci"]["with"]["ref"]) == commit != clone.environ["GITHUB_SHA"]
    assert clone.git("rev-parse", "main", at=clone.origin) == clone.environ["GITHUB_SHA"]

    run.job("land")
    assert clone.git("rev-parse", "main", at=clone.origin) == commit
    run.job("newest")
    assert run.known["needs.newest.outputs.newest"] == "true"
    uri = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/financial-forecaster@{DIGEST}"
    functions = [f"financial-forecaster-prod-{name}" for name in ("daily", "verify", "on-demand")]
    (state / "versions").write_text(
        "".join(f"{name} {version} {uri}\n" for name in functions for version in ("1", "live"))
    )
    deployed = run.job("deploy")
    manifest = json.loads((deployed / "models" / "default" / "manifest.json").read_text())
    assert manifest["model_version"].startswith("2030-02-01-")
    assert run.known["steps.image.outputs.built"] == "true"
    assert deployments(clone) == [
        "npx --no-install serverless deploy --stage prod --param=tickers=SPY,QQQ "
        f"--region us-east-1 --param=image=prebuilt --param=imageUri={uri}"
    ]
    assert "npm ci --ignore-scripts" in clone.calls

    (pushed,) = re.findall(r"docker push --quiet \S+:(prod-\S+)", clone.calls)
    (state / "images").write_text(f"{DIGEST}\t{pushed}\tkeep-prod-{DIGEST[7:19]}\n")
    clone.git("fetch", "--quiet", "origin", "main")
    clone.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    (clone.folder / "README.md").write_text("Another word\n")
    clone.git("add", "README.md")
    clone.git("commit", "--quiet", "--message", "A word")
    clone.git("push", "--quiet", "origin", "HEAD:main")
    source, clone.environ["GITHUB_SHA"] = run.known["github.sha"], clone.git("rev-parse", "HEAD")
    again = Run(clone, tmp_path)
    again.job("newest")
    again.job("deploy")
    assert again.known["steps.image.outputs.built"] == "false"
    assert again.known["steps.image.outputs.source"] == source
    assert len(re.findall(r"docker push", clone.calls)) == 1
    assert deployments(clone)[0] == deployments(clone)[1]

    late = Run(clone, tmp_path / "late")
    (tmp_path / "late").mkdir()
    late.known["github.sha"] = source
    late.job("newest")
    assert late.known["needs.newest.outputs.newest"] == ""
