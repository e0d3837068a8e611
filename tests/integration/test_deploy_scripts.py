"""The two scripts of the deployment: with a real git, and with stand-ins for docker, aws and gh."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = "models/default/manifest.json"
SITE, REPOSITORY, TOKEN = "https://git.example", "owner/name", "a-token"
DIGEST = "sha256:" + "5" * 64
# They write down how they were called.
GH = '#!/bin/sh\necho "gh $*" >> "$CALLS"\n'
DOCKER = '#!/bin/sh\necho "docker $*" >> "$CALLS"\n[ "$1" != login ] || cat > /dev/null\n'
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
    for path in ("infra/keep-bundle.sh", "infra/push-image.sh", "Makefile", "pyproject.toml"):
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
    assert clone.run("push-image.sh", "dev") == {"uri": f"{repository}@{DIGEST}"}
    commit = clone.git("rev-parse", "HEAD")
    (build,) = re.findall(r"docker buildx build .*", clone.calls)
    (pushed,) = re.findall(rf"docker push --quiet {repository}:(.*)", clone.calls)
    # The stage comes first: by it the registry knows which images may go.
    assert re.fullmatch(rf"dev-{commit[:12]}-\d{{8}}T\d{{6}}", pushed)
    assert f"--tag {repository}:{pushed}" in build
    assert "--provenance=false --platform linux/amd64" in build
    assert f"REVISION={commit}" in build
    assert f"imageTag={pushed}" in clone.calls
