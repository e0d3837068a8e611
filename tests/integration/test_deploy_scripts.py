"""The scripts of the deployment: with a real git, and with stand-ins for docker, aws and gh."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from tests.support.bundles import SCORES, write_bundle

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = "models/default/manifest.json"
SITE, REPOSITORY, TOKEN = "https://git.example", "owner/name", "a-token"
DIGEST = "sha256:" + "5" * 64
COPIED = (
    *(
        f"infra/{name}.sh"
        for name in ("accept-bundle", "keep-bundle", "push-image", "verify-attested")
    ),
    *("infra/training-requirements.txt", "Makefile", "pyproject.toml"),
)
# They write down how they were called.
GH = '#!/bin/sh\necho "gh $*" >> "$CALLS"\ncase "$*" in *${REFUSED:-none}*) exit 1 ;; esac\n'
DOCKER = '#!/bin/sh\necho "docker $*" >> "$CALLS"\n[ "$1" != login ] || cat > /dev/null\n'
PYTHON = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
AWS = f"""#!/bin/sh
echo "aws $*" >> "$CALLS"
case "$*" in
    *get-caller-identity*) echo 123456789012 ;;
    *get-login-password*) echo password ;;
    *describe-images*) echo {DIGEST} ;;
esac
"""


@dataclass(frozen=True)
class Clone:
    """A clone of a repository, as a workflow has it, with stand-ins on the path."""

    folder: Path
    origin: Path
    environ: dict[str, str]

    def git(self, *arguments: str, at: Path | None = None) -> str:
        command = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *arguments]
        done = subprocess.run(
            command, check=True, cwd=at or self.folder, capture_output=True, text=True
        )
        return done.stdout.strip()

    def train(self, version: str) -> None:
        (self.folder / MANIFEST).write_text(json.dumps({"model_version": version}))

    def run(self, script: str, *arguments: str) -> dict[str, str]:
        """Return what the script says to the steps after it."""
        done = subprocess.run(
            [f"infra/{script}", *arguments],
            check=True,
            cwd=self.folder,
            env={**os.environ, **self.environ},
            capture_output=True,
            text=True,
        )
        return dict(line.split("=", 1) for line in done.stdout.splitlines())

    @property
    def calls(self) -> str:
        path = Path(self.environ["CALLS"])
        return path.read_text() if path.exists() else ""


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {"gh": GH, "docker": DOCKER, "aws": AWS}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    origin, folder = tmp_path / "origin.git", tmp_path / "clone"
    environ = {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "GH_TOKEN": TOKEN,
        "GITHUB_SERVER_URL": SITE,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_SHA": "c" * 40,
        "AWS_REGION": "us-east-1",
        # The site of the repository is a folder here.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{origin}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://x-access-token:{TOKEN}@git.example/{REPOSITORY}",
    }
    made = Clone(folder, origin, environ)
    made.git("init", "--quiet", "--bare", "--initial-branch=main", str(origin), at=tmp_path)
    made.git("clone", "--quiet", str(origin), str(folder), at=tmp_path)
    (folder / MANIFEST).parent.mkdir(parents=True)
    made.train("old")
    for path in COPIED:
        (folder / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message", "What there is")
    made.git("push", "--quiet", "origin", "HEAD:main")
    return made


def test_a_new_bundle_is_committed_to_main(clone: Clone) -> None:
    clone.train("new")
    (clone.folder / "training.json").write_text("{}")
    said = clone.run("keep-bundle.sh")
    assert said == {"commit": clone.git("rev-parse", "main", at=clone.origin)}
    changed = clone.git("diff", "--name-only", "main~1", "main", at=clone.origin)
    assert changed == MANIFEST
    subject = clone.git("log", "-1", "--format=%s", "main", at=clone.origin)
    assert subject == "Bundle new, trained on fresh bars"
    assert clone.calls == ""


def test_a_bundle_that_is_there_already_is_what_is_deployed(clone: Clone) -> None:
    before = clone.git("rev-parse", "main", at=clone.origin)
    assert clone.run("keep-bundle.sh") == {"commit": before}
    assert clone.git("rev-parse", "main", at=clone.origin) == before


def test_where_main_is_protected_the_bundle_waits_in_a_pull_request(clone: Clone) -> None:
    hook = clone.origin / "hooks" / "update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ]\n')
    hook.chmod(0o755)
    before = clone.git("rev-parse", "main", at=clone.origin)
    clone.train("new")
    assert clone.run("keep-bundle.sh") == {}
    assert clone.git("rev-parse", "main", at=clone.origin) == before
    assert clone.git("rev-parse", "bundle/new~1", at=clone.origin) == before
    assert clone.calls.startswith("gh pr create --base main --head bundle/new --title Bundle new")


def test_main_that_moved_on_is_not_overwritten(clone: Clone, tmp_path: Path) -> None:
    other = tmp_path / "other"
    clone.git("clone", "--quiet", str(clone.origin), str(other), at=tmp_path)
    clone.git("commit", "--quiet", "--allow-empty", "--message", "Another's", at=other)
    clone.git("push", "--quiet", "origin", "HEAD:main", at=other)
    clone.train("new")
    assert clone.run("keep-bundle.sh") == {}
    assert clone.git("log", "-1", "--format=%s", "main", at=clone.origin) == "Another's"


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
    }
    commit = clone.git("rev-parse", "HEAD")
    (build,) = re.findall(r"docker buildx build .*", clone.calls)
    (pushed,) = re.findall(rf"docker push --quiet {repository}:(.*)", clone.calls)
    # The stage comes first: by it the registry knows which images may go.
    assert re.fullmatch(rf"dev-{commit[:12]}-\d{{8}}T\d{{6}}", pushed)
    assert f"--tag {repository}:{pushed}" in build
    assert "--provenance=false --platform linux/amd64" in build
    assert f"REVISION={commit}" in build
    assert f"imageTag={pushed}" in clone.calls


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


def test_each_subject_is_verified_for_how_and_of_what_it_was_made(clone: Clone) -> None:
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
            "source-digest": "c" * 40,
            "deny-self-hosted-runners": "",
        }


@pytest.mark.parametrize("refused", ["oci:", "model.onnx", "cyclonedx", "slsa"])
def test_one_refusal_is_enough(clone: Clone, refused: str) -> None:
    clone.environ["REFUSED"] = refused
    with pytest.raises(subprocess.CalledProcessError):
        clone.run("verify-attested.sh", "oci://name", "model.onnx")
