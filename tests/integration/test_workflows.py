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
        "branch": {"contents": "write", **VOUCHES},
        "land": {"contents": "write", "pull-requests": "write"},
        "newest": {"contents": "read"},
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
    # What runs at all comes after one of these, and both are for main alone.
    for name in ("ci", "train"):
        assert "github.ref == 'refs/heads/main'" in JOBS[name]["if"]
    assert [name for name, job in JOBS.items() if "needs" not in job] == ["train"]
    assert "!cancelled()" not in JOBS["branch"].get("if", "")


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


COMMIT = "${{ needs.land.outputs.commit || github.sha }}"


def test_the_very_commit_that_is_deployed_was_tested_first() -> None:
    """A model's commit lies on a branch until it is; main then comes to have it, as it is."""
    ci = JOBS["ci"]
    assert ci["uses"] == "./.github/workflows/ci.yml"
    assert ci["with"] == {"ref": "${{ needs.branch.outputs.commit || github.sha }}"}
    assert "needs.train.result == 'skipped' || needs.branch.result == 'success'" in ci["if"]
    assert CI[ON]["workflow_call"]["inputs"]["ref"]["default"] == ""
    for name in CI["jobs"].keys() - {"audit"}:  # which is not part of a deployment
        assert CI["jobs"][name]["steps"][0]["with"]["ref"] == "${{ inputs.ref }}"
    assert "inputs.ref" in CI["concurrency"]["group"]
    assert JOBS["land"]["needs"] == ["branch", "ci"]
    for word in ("needs.branch.result == 'success'", "needs.ci.result == 'success'"):
        assert word in JOBS["land"]["if"]
    (land,) = steps_of("land", "land-bundle.sh")
    assert land["env"]["COMMIT"] == "${{ needs.branch.outputs.commit }}"
    (checkout,) = steps_of("deploy", "actions/checkout@")
    assert checkout["with"]["ref"] == COMMIT


def test_training_and_its_commit_begin_where_the_run_does() -> None:
    """Not where main is by then: what it lands on is what it was trained and tested beside."""
    for job in ("train", "branch"):
        (checkout,) = steps_of(job, "actions/checkout@")
        assert "ref" not in checkout["with"]


def test_an_older_run_never_takes_the_place_of_a_newer_one_that_waits() -> None:
    newest = JOBS["newest"]
    assert "concurrency" not in newest
    assert "needs.ci.result == 'success'" in newest["if"]
    assert "needs.train.result == 'skipped' || needs.land.outputs.commit != ''" in newest["if"]
    assert JOBS["deploy"]["needs"] == ["land", "newest"]
    assert JOBS["deploy"]["if"] == "!cancelled() && needs.newest.outputs.newest == 'true'"
    for job in ("newest", "deploy"):
        (step,) = steps_of(job, "is-newest.sh")
        assert step["env"]["COMMIT"] == COMMIT
    for word in ("configure-aws", "push-image.sh", "infra/deploy.sh"):
        (step,) = steps_of("deploy", word)
        assert step["if"] == NEWEST


def test_jobs_that_may_take_the_role_run_no_code_of_packages_and_train_nothing() -> None:
    takes = [name for name, job in JOBS.items() if "environment" in job]
    assert takes == ["deploy"]
    (install,) = steps_of("deploy", "npm ci")
    assert install["run"] == "npm ci --ignore-scripts"
    for word in ("pip install", ".venv", "pipeline.cli", "npm run"):
        assert not [step for step in JOBS["deploy"]["steps"] if word in step.get("run", "")]


def test_one_deployment_of_a_stage_at_a_time_is_never_broken_off() -> None:
    concurrency = JOBS["deploy"]["concurrency"]
    assert concurrency["cancel-in-progress"] is False
    stage = JOBS["deploy"]["environment"]
    assert concurrency["group"] == f"deploy-{stage}"
    assert JOBS["deploy"]["env"]["STAGE"] == stage


def test_it_deploys_the_image_by_digest_and_all_else_as_a_desk_would() -> None:
    (push,) = steps_of("deploy", "push-image.sh")
    (deploy,) = steps_of("deploy", "infra/deploy.sh")
    assert deploy["env"] == {
        "IMAGE": f"${{{{ steps.{push['id']}.outputs.uri }}}}",
        "DEPLOY": "${{ vars.DEPLOY }}",
    }
    assert deploy["run"].split() == [
        *("infra/deploy.sh", '"$STAGE"', "--region", '"$AWS_REGION"'),
        *("--param=image=prebuilt", '"--param=imageUri=$IMAGE"'),
    ]


def test_images_that_are_used_are_kept_whatever_became_of_the_deployment() -> None:
    (keep,) = steps_of("deploy", "keep-images.sh")
    assert JOBS["deploy"]["steps"][-1] == keep
    assert keep["if"] == "!cancelled() && steps.image.outcome == 'success'"


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
    install, accepted = order("branch", "make .venv/.serving", "accept-bundle.sh")
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
        "branch", "actions/download-artifact@", "accept-bundle.sh", "branch-bundle.sh"
    )
    assert download < accepted < push
    steps = JOBS["branch"]["steps"]
    # Not over the current one, which it is compared with.
    assert steps[download]["with"]["path"] == "new"
    assert steps[accepted]["env"] == {"MANIFEST": "${{ needs.train.outputs.manifest }}"}
    assert steps[accepted]["run"] == 'infra/accept-bundle.sh new "$MANIFEST"'
    assert "if" not in steps[accepted]
    assert [index for index, step in enumerate(steps) if "env" in step] == [accepted, push]


@pytest.mark.parametrize("job", ["branch", "deploy"])
def test_how_it_was_made_and_of_what_is_vouched_for(job: str) -> None:
    provenance, materials = (step["with"] for step in steps_of(job, "actions/attest@"))
    assert materials == provenance | {"sbom-path": materials["sbom-path"]}
    if job == "branch":
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
    # An image that is there already was vouched for by the run that built it.
    asked = ATTESTED if job == "branch" else f"steps.image.outputs.built == 'true' && {ATTESTED}"
    for step in [*steps_of(job, "actions/attest@"), *steps_of(job, "anchore/")]:
        assert step["if"] == asked


def test_nothing_is_deployed_before_what_was_vouched_for_is_verified() -> None:
    (verify,) = steps_of("deploy", "verify-attested.sh")
    assert verify["if"] == f"{NEWEST} && {ATTESTED}"
    assert verify["run"].startswith('infra/verify-attested.sh "oci://$IMAGE"')
    assert verify["env"] == {
        "GH_TOKEN": "${{ github.token }}",
        "IMAGE": "${{ steps.image.outputs.uri }}",
        "SOURCE": "${{ steps.image.outputs.source }}",
        "TRAINED": "${{ needs.land.outputs.commit }}",
    }
    files = "models/default/manifest.json models/default/model.onnx"
    assert f"SOURCE= infra/verify-attested.sh {files}" in verify["run"]
    push, verified, deployed = order(
        "deploy", "push-image.sh", "verify-attested.sh", "infra/deploy.sh"
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


def list_steps() -> list[str]:
    """What .ci/run tests, but that what is missing may be skipped."""
    text = (ROOT / ".ci" / "run").read_text().replace("--no-skips ", "")
    for name, value in re.findall(r'^([A-Z]+)="(.*)"$', text, re.MULTILINE):
        text = text.replace(f"${name}", value)
    return re.findall(r"^(make (?:check|test)[^#\n]*?) *(?:#.*)?$", text, re.MULTILINE)


def test_ci_covers_every_python_and_the_image_on_the_real_base() -> None:
    jobs = CI["jobs"]
    assert jobs["versions"]["strategy"]["matrix"]["python"] == ["3.12", "3.13"]
    assert [step["run"] for step in jobs["test"]["steps"] if "run" in step][-3:] == list_steps()
    (build, *_, test) = [step["run"] for step in jobs["image"]["steps"] if "run" in step]
    assert build == "make image IMAGE=forecaster:under-test ENGINE=docker"
    assert "--no-skips --image forecaster:under-test tests/e2e/test_image.py" in test
