"""A clone of a repository as a workflow has it, with stand-ins for docker, aws, gh and npx."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = "models/default/manifest.json"
SITE, REPOSITORY, TOKEN = "https://git.example", "owner/name", "a-token"
DIGEST = "sha256:" + "5" * 64
COPIED = (
    *(
        f"infra/{name}.sh"
        for name in (
            *("accept-bundle", "branch-bundle", "deploy", "is-newest", "keep-images"),
            *("land-bundle", "push-image", "verify-attested"),
        )
    ),
    *("infra/training-requirements.txt", "Makefile", "pyproject.toml", "serverless.yml"),
    *("Dockerfile", ".dockerignore"),
)
# They write down how they were called.
GH = '#!/bin/sh\necho "gh $*" >> "$CALLS"\ncase "$*" in *${REFUSED:-none}*) exit 1 ;; esac\n'
DOCKER = '#!/bin/sh\necho "docker $*" >> "$CALLS"\n[ "$1" != login ] || cat > /dev/null\n'
PYTHON = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
NPX = '#!/bin/sh\necho "npx $*" >> "$CALLS"\nexit ${DEPLOYMENT:-0}\n'
# Its registry and functions are files: a line for each image, its digest and tags; a line for each
# version, its function, number and image. An image is pushed by docker, whose stand-in knows too.
AWS = f"""#!/bin/sh
echo "aws $*" >> "$CALLS"
images=$(dirname "$CALLS")/images versions=$(dirname "$CALLS")/versions
touch "$images" "$versions"
case "$*" in
    *get-caller-identity*) echo 123456789012 ;;
    *get-login-password*) echo password ;;
    *'describe-images'*imageTag=*) echo {DIGEST} ;;
    *'describe-images'*imageDigest=*) sed -n "s/^${{6#imageDigest=}}\t//p" "$images" ;;
    *describe-images*) cut -f2- "$images" ;;
    *list-versions-by-function*)
        grep -q "^$4 " "$versions" || exit 254
        grep "^$4 " "$versions" | cut -d' ' -f2 | tr '\\n' '\\t' ;;
    *get-function*) grep "^$4 $6 " "$versions" | cut -d' ' -f3 ;;
    *batch-get-image*) echo '{{}}' ;;
    *put-image*) sed -i "/^$8\t/s/\\$/\t$6/" "$images" ;;
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


def make_clone(tmp_path: Path) -> Clone:
    """Return a clone of a bare repository in `tmp_path`, with one commit on main."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {"gh": GH, "docker": DOCKER, "aws": AWS, "npx": NPX}.items():
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
    for path in COPIED:
        (folder / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message", "What there is")
    made.git("push", "--quiet", "origin", "HEAD:main")
    made.environ["GITHUB_SHA"] = made.git("rev-parse", "HEAD")
    return made
