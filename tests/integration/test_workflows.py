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
VOUCHES = {"id-token": "write", "attestations": "write"}
NEWEST = "steps.main.outputs.newest == 'true'"
ATTESTED = "vars.ATTEST != 'false'"  # so it is done unless somebody says no
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
    assert len(commits) == 8


def test_only_the_deployment_speaks_to_aws_and_only_the_keeping_writes_here() -> None:
    assert CI["permissions"] == DEPLOY["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "ci": {"contents": "read"},
        "train": {"contents": "read"},
        "keep": {"contents": "write", "pull-requests": "write", **VOUCHES},
        "deploy": {"contents": "read", **VOUCHES},
    }
    assert {str(job["permissions"]) for job in CI["jobs"].values()} == {"{'contents': 'read'}"}


def test_a_pull_request_meets_no_secret_and_deploys_nothing() -> None:
    triggers = {path.stem: workflow(path.stem)[ON] for path in FOLDER.glob("*.yml")}
    assert [name for name, on in triggers.items() if "pull_request" in on] == ["ci"]
    # Those run with the rights of main on what somebody else wrote.
    assert not [
        name for name, on in triggers.items() if {"pull_request_target", "workflow_run"} & {*on}
    ]
    assert "secrets." not in (FOLDER / "ci.yml").read_text()
    assert not [name for name, job in CI["jobs"].items() if "environment" in job]
    starts = [JOBS[name] for name in ("ci", "train")]
    assert all("github.ref == 'refs/heads/main'" in job["if"] for job in starts)
    assert {name for name, job in JOBS.items() if "needs" not in job} == {"ci", "train"}


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
    (fetch,) = steps_of("train", "pipeline.cli fetch")
    (train,) = steps_of("train", "pipeline.cli train")
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
        assert step["if"] == NEWEST


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


def order(job: str, *words: str) -> list[int]:
    """Return the place of the one step that has each word."""
    places = []
    for word in words:
        (step,) = steps_of(job, word)
        places.append(JOBS[job]["steps"].index(step))
    return places


def test_what_trains_and_what_accepts_is_locked() -> None:
    install, fetch, train = order("train", "make .venv/.training", "cli fetch", "cli train")
    assert install < fetch < train
    install, accepted = order("keep", "make .venv/.serving", "accept-bundle.sh")
    assert install < accepted
    text = (FOLDER / "deploy.yml").read_text()
    assert not re.search(r"pip install|make \.venv/\.(dev|demo)|npx (?!--no-install)", text)


def test_the_job_that_commits_a_bundle_accepts_it_first_and_by_the_digest_that_was_trained() -> (
    None
):
    (named,) = steps_of("train", "sha256sum < models/default/manifest.json")
    said = f"${{{{ steps.{named['id']}.outputs.manifest }}}}"
    assert JOBS["train"]["outputs"] == {"manifest": said}
    download, accepted, push = order(
        "keep", "actions/download-artifact@", "accept-bundle.sh", "keep-bundle.sh"
    )
    assert download < accepted < push
    steps = JOBS["keep"]["steps"]
    # Not over the current one, which it is compared with.
    assert steps[download]["with"]["path"] == "new"
    assert steps[accepted]["env"] == {"MANIFEST": "${{ needs.train.outputs.manifest }}"}
    assert steps[accepted]["run"] == 'infra/accept-bundle.sh new "$MANIFEST"'
    assert "if" not in steps[accepted]
    assert [index for index, step in enumerate(steps) if "env" in step] == [accepted, push]


@pytest.mark.parametrize("job", ["keep", "deploy"])
def test_how_it_was_made_and_of_what_is_vouched_for(job: str) -> None:
    provenance, materials = (step["with"] for step in steps_of(job, "actions/attest@"))
    assert materials == provenance | {"sbom-path": materials["sbom-path"]}
    if job == "keep":
        assert provenance == {"subject-path": "models/default/*"}
        script = (ROOT / "infra" / "accept-bundle.sh").read_text()
        assert f"> {materials['sbom-path']}" in script
    else:
        assert provenance == {
            "subject-name": "${{ steps.image.outputs.repository }}",
            "subject-digest": "${{ steps.image.outputs.digest }}",
        }
        (listed,) = steps_of(job, "anchore/sbom-action@")
        assert listed["with"] == {
            "image": "${{ steps.image.outputs.uri }}",
            "format": "cyclonedx-json",
            "output-file": materials["sbom-path"],
            "upload-artifact": False,
            "upload-release-assets": False,
        }
    for step in [*steps_of(job, "actions/attest@"), *steps_of(job, "anchore/")]:
        assert step["if"].endswith(ATTESTED)


def test_nothing_is_deployed_before_what_was_vouched_for_is_verified() -> None:
    (verify,) = steps_of("deploy", "verify-attested.sh")
    assert verify["if"] == f"{NEWEST} && {ATTESTED}"
    assert verify["run"].startswith('infra/verify-attested.sh "oci://$IMAGE"')
    assert verify["env"] == {
        "GH_TOKEN": "${{ github.token }}",
        "IMAGE": "${{ steps.image.outputs.uri }}",
        "TRAINED": "${{ needs.keep.outputs.commit }}",
    }
    assert "${TRAINED:+models/default/manifest.json models/default/model.onnx}" in verify["run"]
    push, verified, deployed = order(
        "deploy", "push-image.sh", "verify-attested.sh", "serverless deploy"
    )
    attested = [JOBS["deploy"]["steps"].index(step) for step in steps_of("deploy", "attest@")]
    assert push < min(attested) < max(attested) < verified < deployed


def test_vulnerabilities_are_looked_up_weekly_and_where_a_lock_changes() -> None:
    (weekly,) = CI[ON]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \d", weekly["cron"])
    job = CI["jobs"]["audit"]
    # Not where ci.yml is called: a deployment does not wait for it.
    assert job["if"] == "github.workflow == 'ci'"
    checkout, locks, *others = job["steps"]
    assert checkout["with"]["fetch-depth"] == 2
    assert "HEAD^1 -- 'infra/*-requirements.txt' package-lock.json" in locks["run"]
    assert {step["if"] for step in others} == {f"steps.{locks['id']}.outputs.look == 'true'"}
    assert others[-1]["run"] == "make audit"


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
