"""The scripts of the deployment: with a real git, and with stand-ins for docker, aws and gh."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest

from tests.support.bundles import SCORES, write_bundle
from tests.support.workflow_clone import (
    DIGEST,
    MANIFEST,
    PYTHON,
    REPOSITORY,
    ROOT,
    Clone,
    make_clone,
)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return make_clone(tmp_path)


def main_of(clone: Clone) -> str:
    return clone.git("rev-parse", "main", at=clone.origin)


def protect_main(clone: Clone) -> None:
    hook = clone.origin / "hooks" / "update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ]\n')
    hook.chmod(0o755)


def branch(clone: Clone, version: str = "new") -> dict[str, str]:
    clone.train(version)
    (clone.folder / "training.json").write_text("{}")
    return clone.run("branch-bundle.sh")


def test_a_new_bundle_is_committed_to_a_branch_of_its_own_and_main_stays(clone: Clone) -> None:
    before = main_of(clone)
    said = branch(clone)
    assert said == {
        "commit": clone.git("rev-parse", "bundle/new", at=clone.origin),
        "branch": "bundle/new",
    }
    assert main_of(clone) == before
    assert clone.git("diff", "--name-only", "main", "bundle/new", at=clone.origin) == MANIFEST
    subject = clone.git("log", "-1", "--format=%s", "bundle/new", at=clone.origin)
    assert subject == "Bundle new, trained on fresh bars"
    assert branch(clone) == said  # a run that is repeated


def test_main_comes_to_have_the_very_commit_that_was_tested(clone: Clone) -> None:
    said = branch(clone)
    assert clone.run("land-bundle.sh", *said.values()) == {"commit": said["commit"]}
    assert main_of(clone) == said["commit"]
    assert clone.git("branch", "--list", "bundle/*", at=clone.origin) == ""
    assert clone.calls == ""


def test_a_bundle_that_is_there_already_is_what_is_deployed(clone: Clone) -> None:
    before = main_of(clone)
    said = clone.run("branch-bundle.sh")
    assert said["commit"] == before
    assert clone.run("land-bundle.sh", *said.values()) == {"commit": before}
    assert main_of(clone) == before


def test_where_main_is_protected_the_bundle_waits_in_a_pull_request(clone: Clone) -> None:
    protect_main(clone)
    before, said = main_of(clone), branch(clone)
    assert clone.run("land-bundle.sh", *said.values()) == {}
    assert main_of(clone) == before
    assert clone.git("rev-parse", "bundle/new~1", at=clone.origin) == before
    assert clone.calls.startswith("gh pr create --base main --head bundle/new --title Bundle new")


def test_main_that_moved_on_is_not_overwritten(clone: Clone, tmp_path: Path) -> None:
    said = branch(clone)
    other = tmp_path / "other"
    clone.git("clone", "--quiet", str(clone.origin), str(other), at=tmp_path)
    clone.git("commit", "--quiet", "--allow-empty", "--message", "Another's", at=other)
    clone.git("push", "--quiet", "origin", "HEAD:main", at=other)
    assert clone.run("land-bundle.sh", *said.values()) == {}
    assert clone.git("log", "-1", "--format=%s", "main", at=clone.origin) == "Another's"
    assert clone.calls.startswith("gh pr create ")


@pytest.mark.parametrize(
    ("region", "domain"), [("us-east-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn")]
)
def test_an_image_is_pushed_once_and_named_by_its_digest(
    clone: Clone, region: str, domain: str
) -> None:
    clone.environ["AWS_REGION"] = region
    repository = f"123456789012.dkr.ecr.{region}.{domain}/financial-forecaster"
    assert clone.run("push-image.sh", "dev") == {
        "repository": repository,
        "digest": DIGEST,
        "uri": f"{repository}@{DIGEST}",
        "built": "true",
        "source": clone.environ["GITHUB_SHA"],
    }
    commit = clone.git("rev-parse", "HEAD")
    (build,) = re.findall(r"docker buildx build .*", clone.calls)
    (pushed,) = re.findall(rf"docker push --quiet {repository}:(.*)", clone.calls)
    # The stage comes first: by it the registry knows which images may go.
    assert re.fullmatch(rf"dev-{commit[:12]}-{commit[:12]}-\d{{8}}T\d{{6}}", pushed)
    assert f"--tag {repository}:{pushed}" in build
    assert "--provenance=false --platform linux/amd64" in build
    assert f"REVISION={commit}" in build
    assert f"imageTag={pushed}" in clone.calls


def pushed(clone: Clone, *tags: str, digest: str = DIGEST) -> None:
    """Let the registry have an image."""
    with (Path(clone.environ["CALLS"]).parent / "images").open("a") as images:
        images.write("\t".join([digest, *tags]) + "\n")


def commit(clone: Clone, path: str) -> str:
    """Change a file and commit that."""
    file = clone.folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{file.read_text() if file.exists() else ''}# changed\n")
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--message", path)
    clone.environ["GITHUB_SHA"] = clone.git("rev-parse", "HEAD")
    return clone.environ["GITHUB_SHA"]


CONTENTS = ("Dockerfile", "pipeline/errors.py", "handlers/daily.py", MANIFEST,
            "infra/image-requirements.txt")  # fmt: skip


@pytest.mark.parametrize(
    ("path", "built"),
    [
        ("docs/operations.md", False),
        ("tests/test_it.py", False),
        *((each, True) for each in CONTENTS),
    ],
)
def test_a_push_that_changes_nothing_of_the_image_makes_no_new_one(
    clone: Clone, path: str, built: bool
) -> None:
    source = commit(clone, "README.md")
    pushed(clone, f"dev-{source[:12]}-{source[:12]}-20260101T000000", "keep-dev-555555555555")
    commit(clone, path)
    said = clone.run("push-image.sh", "dev")
    assert said["built"] == str(built).lower()
    assert said["source"] == (clone.environ["GITHUB_SHA"] if built else source)
    assert ("docker push" in clone.calls) == built
    if not built:
        assert "imageTag=dev-" in clone.calls


@pytest.mark.parametrize("case", ["another stage's", "never deployed", "of a commit nobody knows"])
def test_an_image_is_used_again_only_where_it_was_deployed_of_this_stage_and_history(
    clone: Clone, case: str
) -> None:
    source = commit(clone, "README.md")[:12]
    stage = "prod" if case.startswith("another") else "dev"
    known = "0123456789ab" if "nobody" in case else source
    kept = [] if "never" in case else [f"keep-{stage}-555555555555"]
    pushed(clone, f"{stage}-{known}-{known}-20260101T000000", *kept)
    assert clone.run("push-image.sh", "dev")["built"] == "true"


def test_the_image_of_a_model_s_commit_comes_from_the_run_of_the_commit_before(
    clone: Clone,
) -> None:
    source, model = commit(clone, "README.md"), commit(clone, MANIFEST)
    unrelated = clone.git("rev-parse", f"{source}~1")
    for by, built in ((unrelated, "true"), (source, "false")):
        pushed(clone, f"dev-{model[:12]}-{by[:12]}-20260101T000000", "keep-dev-555555555555")
        assert clone.run("push-image.sh", "dev")["built"] == built
        (Path(clone.environ["CALLS"]).parent / "images").unlink()


# the images that are used


def test_what_is_live_and_the_last_three_versions_are_kept_in_the_registry(clone: Clone) -> None:
    folder = Path(clone.environ["CALLS"]).parent
    uri = "123456789012.dkr.ecr.us-east-1.amazonaws.com/financial-forecaster@"
    digests = {str(n): f"sha256:{n}" + "0" * 63 for n in range(1, 8)}
    for digest in digests.values():
        pushed(clone, "dev-a-b-20260101T000000", digest=digest)
    lines = [f"financial-forecaster-dev-daily {n} {uri}{digests[n]}" for n in "1234567"]
    lines += [f"financial-forecaster-dev-daily live {uri}{digests['2']}"]
    lines += [
        f"financial-forecaster-dev-verify {n} elsewhere/other@{digests['1']}" for n in ("1", "live")
    ]
    (folder / "versions").write_text("\n".join(lines) + "\n")
    for _ in range(2):  # the second time there is nothing to do
        clone.run("keep-images.sh", "dev")
    kept = {
        line.split("\t")[0][7]: line.split("\t")[2:]
        for line in (folder / "images").read_text().splitlines()
    }
    expected = {n: [f"keep-dev-{digests[n][7:19]}"] if n in "2567" else [] for n in "1234567"}
    assert kept == expected


# parameters


def test_a_stage_s_parameters_are_those_of_its_file_at_a_desk_and_in_github(clone: Clone) -> None:
    (clone.folder / "deploy.dev").write_text(
        "# who is told\n--param=alarmEmail=desk@example.com\n\n"
        "  # and of what\n--param=tickers=SPY,QQQ\n"
    )
    clone.run("deploy.sh", "dev", "--param=image=prebuilt")
    assert clone.calls.splitlines()[-1] == (
        "npx --no-install serverless deploy --stage dev --param=alarmEmail=desk@example.com "
        "--param=tickers=SPY,QQQ --param=image=prebuilt"
    )
    clone.environ["DEPLOY"] = "--param=tickers=QQQ --param=alarmEmail="
    clone.run("deploy.sh", "dev")
    last = clone.calls.splitlines()[-1]
    assert last == "npx --no-install serverless deploy --stage dev --param=tickers=QQQ"


@pytest.mark.parametrize("said", ["", "   ", None])
def test_a_stage_without_parameters_is_deployed_with_all_defaults(
    clone: Clone, said: str | None
) -> None:
    if said is not None:
        clone.environ["DEPLOY"] = said
    clone.run("deploy.sh", "prod")
    assert clone.calls == "npx --no-install serverless deploy --stage prod\n"


def test_a_deployment_that_fails_fails_the_script(clone: Clone) -> None:
    clone.environ["DEPLOYMENT"] = "3"
    with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
        clone.run("deploy.sh", "dev")


# a bundle that another job trained


@pytest.fixture
def trained(clone: Clone) -> Path:
    """The folder of a new bundle, in a clone with a current one and the image's packages."""
    python = clone.folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    (clone.folder / "pipeline").symlink_to(ROOT / "pipeline")
    shutil.rmtree(clone.folder / "models" / "default")
    write_bundle(clone.folder / "models" / "default")
    return write_bundle(clone.folder / "new", date(2030, 2, 1))


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


def test_an_accepted_bundle_takes_the_place_of_the_current_one(clone: Clone, trained: Path) -> None:
    (trained / "sitecustomize.py").write_text("raise SystemExit('I was not trained')")
    clone.run("accept-bundle.sh", "new", digest(trained))
    there = {path.name: path.read_bytes() for path in (clone.folder / "models/default").iterdir()}
    assert there == {
        name: (trained / name).read_bytes() for name in ("manifest.json", "model.onnx")
    }
    bill = json.loads((clone.folder / "bundle.cdx.json").read_text())
    assert bill["metadata"]["component"]["version"].startswith("2030-02-01-")
    assert "torch" in {package["name"] for package in bill["components"]}


@pytest.mark.parametrize("scores", [{}, SCORES | {"coverage_95": 0.5}], ids=["none", "worse"])
def test_a_bundle_that_does_not_pass_leaves_the_current_one(
    clone: Clone, trained: Path, scores: dict[str, float]
) -> None:
    shutil.rmtree(trained)
    write_bundle(trained, date(2030, 2, 1), scores=scores)
    before = digest(clone.folder / "models" / "default")
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        clone.run("accept-bundle.sh", "new", digest(trained))
    assert digest(clone.folder / "models" / "default") == before


@pytest.mark.parametrize("sha256", ["0" * 64, ""], ids=["another", "none"])
def test_a_bundle_that_is_not_the_one_that_was_trained_is_not_even_loaded(
    clone: Clone, trained: Path, sha256: str
) -> None:
    before = digest(clone.folder / "models" / "default")
    with pytest.raises(subprocess.CalledProcessError):
        clone.run("accept-bundle.sh", "new", sha256)
    assert digest(clone.folder / "models" / "default") == before
    assert not (clone.folder / "bundle.cdx.json").exists()


def test_what_runs_the_model_sees_nothing_of_the_jobs_environment(
    clone: Clone, trained: Path
) -> None:
    seen = clone.folder / "seen"
    python = clone.folder / ".venv" / "bin" / "python"
    python.write_text(f"#!/bin/sh\nenv > {seen}\n{PYTHON}")
    clone.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "a-secret"
    clone.run("accept-bundle.sh", "new", digest(trained))
    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    assert names <= {"PWD", "_", "LD_LIBRARY_PATH"}


# what GitHub vouches for


@pytest.mark.parametrize("built_by", ["", "d" * 40], ids=["this run", "an earlier run"])
def test_each_subject_is_verified_for_how_and_of_what_it_was_made(
    clone: Clone, built_by: str
) -> None:
    source = built_by or clone.environ["GITHUB_SHA"]
    clone.environ["SOURCE"] = built_by
    clone.run("verify-attested.sh", f"oci://registry/name@{DIGEST}", "models/default/model.onnx")
    calls = clone.calls.splitlines()
    kinds = ("https://slsa.dev/provenance/v1", "https://cyclonedx.org/bom")
    subjects = (f"oci://registry/name@{DIGEST}", "models/default/model.onnx")
    assert [call.split()[3] for call in calls] == [name for name in subjects for _ in kinds]
    for call, kind in zip(calls, kinds * len(subjects), strict=True):
        assert call.startswith("gh attestation verify ")
        options = dict(re.findall(r"--([a-z-]+) ?([^-\s]\S*)?", call))
        assert options == {
            "repo": REPOSITORY,
            "predicate-type": kind,
            "signer-workflow": f"{REPOSITORY}/.github/workflows/deploy.yml",
            "source-ref": "refs/heads/main",
            "source-digest": source,
            "deny-self-hosted-runners": "",
        }


@pytest.mark.parametrize("refused", ["oci:", "model.onnx", "cyclonedx", "slsa"])
def test_one_refusal_is_enough(clone: Clone, refused: str) -> None:
    clone.environ["REFUSED"] = refused
    with pytest.raises(subprocess.CalledProcessError):
        clone.run("verify-attested.sh", "oci://name", "model.onnx")
