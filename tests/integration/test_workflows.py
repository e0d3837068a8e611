"""What the workflows may do, with what, and when."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
# An action by its full commit, with the version it is as a comment.
PINNED = re.compile(
    r"^\s*-? ?uses: (?P<action>[\w./-]+)@(?P<commit>[0-9a-f]{40}) # v\d+\.\d+\.\d+$"
)
OURS = re.compile(r"^\s*uses: \./\.github/workflows/\w+\.yml\b")


def workflow(name: str) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    return loaded


CI, DEPLOY = workflow("ci"), workflow("deploy")
JOBS = DEPLOY["jobs"]
ON = True  # what YAML 1.1 makes of the key `on`


def steps_of(job: str, word: str) -> list[dict[str, Any]]:
    """Return the steps that run or use something with this word."""
    steps = JOBS[job]["steps"]
    return [step for step in steps if word in step.get("run", "") + step.get("uses", "")]


def test_every_action_is_pinned_by_one_commit_everywhere() -> None:
    commits: dict[str, set[str]] = {}
    for path in FOLDER.glob("*.yml"):
        for line in path.read_text().splitlines():
            if re.match(r"\s*-? ?uses:", line) and not OURS.match(line):
                found = PINNED.match(line)
                assert found, line
                commits.setdefault(found["action"], set()).add(found["commit"])
    assert {len(each) for each in commits.values()} == {1}
    assert len(commits) == 6


def test_only_the_deployment_speaks_to_aws_and_only_the_keeping_writes_here() -> None:
    assert CI["permissions"] == DEPLOY["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "ci": {"contents": "read"},
        "train": {"contents": "read"},
        "keep": {"contents": "write", "pull-requests": "write"},
        "deploy": {"contents": "read", "id-token": "write"},
    }
    assert {str(job["permissions"]) for job in CI["jobs"].values()} == {"{'contents': 'read'}"}


def test_no_checkout_leaves_its_token_behind() -> None:
    for job in [*CI["jobs"].values(), *JOBS.values()]:
        for step in job.get("steps", []):
            if "actions/checkout@" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def test_it_deploys_after_a_push_once_a_month_and_by_hand() -> None:
    triggers = DEPLOY[ON]
    assert triggers["push"] == {"branches": ["main"]}
    (monthly,) = triggers["schedule"]
    assert re.fullmatch(r"\d+ \d+ 1 \* \*", monthly["cron"])
    assert triggers["workflow_dispatch"]["inputs"]["stage"]["options"] == ["dev", "prod"]


def test_it_trains_monthly_or_when_told_on_fresh_bars_of_all_years_and_the_gate_decides() -> None:
    assert "github.event_name == 'schedule' || inputs.train" in JOBS["train"]["if"]
    (fetch,) = steps_of("train", "forecaster fetch")
    (train,) = steps_of("train", "forecaster train")
    assert "--bars yahoo --from 1993-01-29 --out bars" in fetch["run"]
    # Into the place of the current one, so that it is compared with it; and no pipe hides the exit.
    assert "--bars bars --out models/default" in train["run"]
    assert "|" not in train["run"]
    assert JOBS["train"]["steps"].index(fetch) < JOBS["train"]["steps"].index(train)


def test_what_is_deployed_was_tested_passed_the_gate_and_is_on_main() -> None:
    assert JOBS["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert JOBS["keep"]["needs"] == ["ci", "train"]
    job = JOBS["deploy"]
    assert job["needs"] == ["ci", "train", "keep"]
    assert "needs.ci.result == 'success'" in job["if"]
    assert "needs.train.result == 'skipped' || needs.keep.outputs.commit != ''" in job["if"]
    (checkout,) = steps_of("deploy", "actions/checkout@")
    assert checkout["with"]["ref"] == "${{ needs.keep.outputs.commit || github.sha }}"
    for word in ("configure-aws", "push-image.sh", "serverless deploy"):
        (step,) = steps_of("deploy", word)
        assert step["if"] == "steps.main.outputs.newest == 'true'"


def test_one_deployment_of_a_stage_at_a_time_is_never_broken_off() -> None:
    concurrency = JOBS["deploy"]["concurrency"]
    assert concurrency["cancel-in-progress"] is False
    stage = JOBS["deploy"]["environment"]
    assert concurrency["group"] == f"deploy-{stage}"
    assert JOBS["deploy"]["env"]["STAGE"] == stage


def test_it_deploys_with_parameters_that_there_are() -> None:
    given = set(re.findall(r'--param="?(\w+)=', (FOLDER / "deploy.yml").read_text()))
    params = yaml.safe_load((ROOT / "serverless.yml").read_text().partition("\nplugins:")[0])
    assert given >= {"image", "imageUri"}
    assert given <= set(params["params"]["default"])


def test_it_deploys_the_image_by_digest() -> None:
    (push,) = steps_of("deploy", "push-image.sh")
    (deploy,) = steps_of("deploy", "serverless deploy")
    assert deploy["env"]["IMAGE"] == f"${{{{ steps.{push['id']}.outputs.uri }}}}"
    assert '--param=image=prebuilt --param="imageUri=$IMAGE"' in deploy["run"]


@pytest.mark.parametrize("name", ["ci", "deploy"])
def test_a_failure_inside_a_pipe_is_a_failure(name: str) -> None:
    # Only the shell that is named has pipefail.
    assert workflow(name)["defaults"]["run"]["shell"] == "bash"


def test_ci_covers_every_python_and_the_image_on_the_real_base() -> None:
    jobs = CI["jobs"]
    assert jobs["versions"]["strategy"]["matrix"]["python"] == ["3.12", "3.13"]
    assert [step["run"] for step in jobs["test"]["steps"] if "run" in step][-3:] == [
        "make check NOW=2031-08-02T12:00Z",
        "make check-days",
        "make test",
    ]
    (build, *_, test) = [step["run"] for step in jobs["image"]["steps"] if "run" in step]
    assert build == "make image IMAGE=forecaster:under-test ENGINE=docker"
    assert "--no-skips --image forecaster:under-test tests/e2e/test_image.py" in test
