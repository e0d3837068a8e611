"""What the image, the model and their makers are made of: pinned, locked, and watched."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import pin_base

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def locked(name: str) -> dict[str, list[str]]:
    """Return the lines of each locked requirement: `name==version` -> hashes."""
    text = (ROOT / "infra" / f"{name}-requirements.txt").read_text("utf-8").replace("\\\n", "")
    lines = [line.split() for line in text.splitlines() if line]
    return {line[0]: line[1:] for line in lines}


IMAGE, TRAINING = locked("image"), locked("training")


def versions(lock: dict[str, list[str]]) -> dict[str, str]:
    return dict(requirement.split("==") for requirement in lock)


# the packages that train


def test_what_trains_is_what_the_project_names_locked() -> None:
    named = [*PROJECT["dependencies"], *EXTRAS["training"]]
    pins = dict(requirement.replace("_", "-").split("==") for requirement in named)
    there = versions(TRAINING)
    # The CPU's build of torch has a version of its own, from an index of its own.
    assert pins | {"torch": f"{pins['torch']}+cpu"} == {name: there[name] for name in pins}
    assert f"TORCH := torch=={pins['torch']}\n" in MAKEFILE
    # Nothing of another processor's build has come with it.
    assert not [name for name in there if name.startswith(("nvidia", "triton", "cuda"))]


def test_every_package_that_trains_has_its_hashes_and_no_address() -> None:
    for requirement, hashes in TRAINING.items():
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9][\w.]*(\+cpu)?", requirement)
        assert hashes
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes)


def test_a_model_is_trained_in_the_versions_that_serve_it() -> None:
    trains, serves = versions(TRAINING), versions(IMAGE)
    shared = trains.keys() & serves.keys()
    assert {"numpy", "onnxruntime", "pandas", "yfinance"} <= shared
    assert {name: trains[name] for name in shared} == {name: serves[name] for name in shared}


@pytest.mark.parametrize(
    ("target", "lock"), [(".venv/.training", "training"), (".venv/.serving", "image")]
)
def test_a_lock_is_installed_by_its_hashes_and_nothing_is_built(target: str, lock: str) -> None:
    command = ["make", "--dry-run", "--always-make", target]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    (install,) = [line for line in said.splitlines() if "pip install" in line]
    assert install.endswith(f"-r infra/{lock}-requirements.txt")
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(install.split())


def test_both_locks_are_written_and_audited_together() -> None:
    command = ["make", "--dry-run", "--always-make", "lock", "audit"]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    written = re.findall(r"uv pip compile .*?-o infra/(\w+)-requirements.txt", said, re.DOTALL)
    assert written == ["image", "training"]
    assert "pip-audit --strict --disable-pip --require-hashes" in said
    assert re.findall(r"\w+/(\w+)-requirements.txt", said.partition("for lock in")[2])[:2] == [
        "image",
        "training",
    ]
    assert "npm audit --audit-level=high" in said


# the base of the image


def test_the_one_image_from_outside_is_named_by_digest() -> None:
    stages = re.findall(r"^FROM (\S+)(?: AS (\w+))?$", DOCKERFILE, re.MULTILINE)
    (base, name), *others = stages
    assert name == "base"
    assert re.fullmatch(
        r"public\.ecr\.aws/lambda/python:3\.13\.\d{4}(\.\d\d){3}@sha256:[0-9a-f]{64}", base
    )
    assert {source for source, _ in others} == {"base"}
    assert not re.findall(r"--from=(?!packages|code)|ARG BASE|FROM .*\$", DOCKERFILE)


@pytest.mark.parametrize(
    ("engine", "expected"),
    [("docker", "--build-context base=docker-image://here:1"), ("podman", "--from here:1")],
)
def test_another_base_takes_its_place_when_it_is_named(engine: str, expected: str) -> None:
    command = ["make", "--dry-run", "image", f"ENGINE={engine}"]
    for more, there in (["BASE=here:1"], True), ([], False):
        said = subprocess.run([*command, *more], cwd=ROOT, check=True, capture_output=True)
        assert (expected in said.stdout.decode()) == there


class FakeRegistry(BaseHTTPRequestHandler):
    """A registry as AWS's public one answers: a token for anybody, tags in pages, manifests."""

    PAGES = (
        ["latest", "3.13", "3.13.2026.11.20.13-x86_64", "3.13.2025.10.15.12", "3.13.2026.02.01.09"],
        [
            "3.13.2026.11.20.13",
            "3.14.2026.11.21.13",
            "3.13.2026.11.20.13-arm64",
            "3.12.2027.01.01.01",
        ],
    )
    NEWEST, MANIFEST = "3.13.2026.11.20.13", b'{"schemaVersion": 2}'

    def do_GET(self) -> None:
        name = "/v2/lambda/python"
        if self.path.startswith("/token/"):
            return self.answer(json.dumps({"token": "for-anybody"}).encode())
        assert self.headers["Authorization"] == "Bearer for-anybody"
        if self.path == f"{name}/tags/list?n=1000":
            link = f'<http://{self.headers["Host"]}{name}/tags/list?n=1000&last=a>; rel="next"'
            return self.answer(json.dumps({"tags": self.PAGES[0]}).encode(), Link=link)
        if self.path == f"{name}/tags/list?n=1000&last=a":
            return self.answer(json.dumps({"tags": self.PAGES[1]}).encode())
        assert self.path == f"{name}/manifests/{self.NEWEST}"
        assert "image.index" in self.headers["Accept"]
        return self.answer(self.MANIFEST)

    def answer(self, body: bytes, **headers: str) -> None:
        self.send_response(200)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeRegistry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_newest_base_of_the_same_python_is_pinned_by_its_own_digest(
    registry: str, tmp_path: Path
) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(DOCKERFILE)
    digest = hashlib.sha256(FakeRegistry.MANIFEST).hexdigest()
    expected = f"public.ecr.aws/lambda/python:{FakeRegistry.NEWEST}@sha256:{digest}"
    assert pin_base.pin(dockerfile, registry) == expected
    before, after = DOCKERFILE.splitlines(), dockerfile.read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new for _, new in changed] == [f"FROM {expected} AS base"]


@pytest.mark.parametrize(
    ("text", "message"), [("FROM python:3.13\n", "FROM host/name:tag@sha256"), ("", "got none")]
)
def test_a_dockerfile_without_such_a_base_is_left_alone(
    text: str, message: str, tmp_path: Path
) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(text)
    with pytest.raises(SystemExit, match=message):
        pin_base.pin(dockerfile, "http://127.0.0.1:9")
    assert dockerfile.read_text() == text


def test_a_registry_without_dated_tags_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"tags like 3\.13\.2025.*got 2 others"):
        pin_base.newest(["3.13", "3.14.2026.01.01.01"], "3.13.2025.10.15.12")


# who watches


WATCHED = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text("utf-8"))["updates"]
KINDS = {
    "github-actions": [".github/workflows/ci.yml"],
    "pip": [
        "pyproject.toml",
        "infra/image-requirements.txt",
        "infra/training-requirements.txt",
        "tests/e2e/cloud-requirements.txt",
    ],
    "npm": ["package-lock.json"],
    "docker": ["Dockerfile"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_dependabot_watches_every_pin(kind: str) -> None:
    (update,) = [each for each in WATCHED if each["package-ecosystem"] == kind]
    folders = update.get("directories") or [update["directory"]]
    for path in KINDS[kind]:
        # GitHub looks for workflows below the root by itself.
        folder = "/" if kind == "github-actions" else f"/{Path(path).parent}".replace("/.", "/")
        assert (ROOT / path).is_file()
        assert folder in folders
    # What was published this minute is what attacks begin with.
    assert update["cooldown"]["default-days"] >= 3


def test_dependabot_watches_nothing_else() -> None:
    assert {each["package-ecosystem"] for each in WATCHED} == set(KINDS)


def test_another_python_is_no_update_of_the_base() -> None:
    (docker,) = [each for each in WATCHED if each["package-ecosystem"] == "docker"]
    (ignored,) = docker["ignore"]
    assert ignored == {"dependency-name": "lambda/python", "versions": [">=3.14"]}
