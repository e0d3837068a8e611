"""The image in a container: no network, little memory, nothing to write to but /tmp."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.emulator import INVOCATIONS, ROOT, emulator_binary, lambda_python

SCRIPT = ROOT / "tests" / "e2e" / "stand_in_base.sh"
LOCK = ROOT / "infra" / "image-requirements.txt"
WHEELS = ROOT / ".cache" / "wheels"
CONTEXT = (
    *("Dockerfile", ".dockerignore", "Makefile", "pyproject.toml"),
    *("infra/image-requirements.txt", "handlers", "pipeline", "models"),
)
NAME = "localhost/financial-forecaster"
# What Lambda allows a function: a user of its own, so many files and threads, no /dev/shm.
USER = "993:990"
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
CONFINED = (
    *("--memory", "512m", "--memory-swap", "512m", *LIMITS),
    *("--network", "none", "--ipc", "none", "--read-only", "--tmpfs", "/tmp", "--user", USER),
)
INVOKE = f"""
import socket, sys, time, urllib.request
deadline = time.monotonic() + 20
while socket.socket().connect_ex(("127.0.0.1", 8080)) and time.monotonic() < deadline:
    time.sleep(0.02)
url = "http://127.0.0.1:8080{INVOCATIONS}"
print(urllib.request.urlopen(url, sys.stdin.buffer.read(), timeout=90).read().decode())
"""
TAR = """
import sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
    archive.add(sys.argv[1], arcname=".")
"""


@dataclass(frozen=True)
class Image:
    """An image, and the program (docker or podman) that has it."""

    engine: str
    name: str

    def call(self, *arguments: str | Path, given: bytes = b"") -> bytes:
        """Return what the program prints; fails the test with what it complains of."""
        return called(self.engine, *arguments, given=given)

    @property
    def config(self) -> dict[str, Any]:
        (described,) = json.loads(self.call("image", "inspect", self.name))
        config: dict[str, Any] = described["Config"]
        return config

    def python(self, code: str, *arguments: str) -> str:
        """Return what the image's Python prints, confined as a function is."""
        run = ("run", "--rm", *CONFINED, "--entrypoint", "python3", self.name)
        return self.call(*run, "-c", code, *arguments).decode()


@dataclass(frozen=True)
class Function:
    """A function that answers in a container; it takes one call at a time."""

    image: Image
    container: str

    def invoke(self, event: Any) -> Any:
        """Return what the function answers; for an exception, an object with its errorType."""
        return json.loads(self.python(INVOKE, given=json.dumps(event).encode()))

    def python(self, code: str, *arguments: str, given: bytes = b"") -> bytes:
        """Return what Python prints beside the function."""
        run = ("exec", "--interactive", self.container, "python3", "-c", code, *arguments)
        return self.image.call(*run, given=given)

    def files(self, folder: str) -> dict[str, bytes]:
        """Return the files below a folder of the container."""
        with tarfile.open(fileobj=io.BytesIO(self.python(TAR, folder))) as archive:
            members = [member for member in archive if member.isfile()]
            contents = [archive.extractfile(member) for member in members]
            return {
                member.name.removeprefix("./"): content.read()
                for member, content in zip(members, contents, strict=True)
                if content is not None
            }


@contextmanager
def function(image: Image, environ: Mapping[str, str], *command: str) -> Iterator[Function]:
    """Run the image, with its own command or this, until the block ends."""
    fixed = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "60", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"}
    variables = [f"--env={name}={value}" for name, value in {**fixed, **environ}.items()]
    run = ("run", "--detach", "--stop-timeout", "0", *CONFINED, *variables, image.name, *command)
    container = image.call(*run).decode().strip()
    try:
        yield Function(image, container)
    finally:
        image.call("rm", "--force", container)


def given_image(name: str) -> Image:
    """Return an image that docker or podman already has."""
    for engine in ("docker", "podman"):
        if shutil.which(engine) and _succeeds(engine, "image", "inspect", name):
            return Image(engine, name)
    pytest.fail(f"expected docker or podman to have the image {name}, got none")


def image_on_a_stand_in(folder: Path) -> Image:
    """Return the image, built by podman on the stand-in base; skips the test where none can be.

    It is built in `folder` from a copy that only its owner may read, as some have their clones.
    """
    python, emulator = lambda_python(), emulator_binary()
    if os.geteuid() or not (shutil.which("podman") and shutil.which("debootstrap")):
        pytest.skip("expected root, podman and debootstrap to build the image on, got less")
    made_of = SCRIPT.read_bytes() + python.resolve().as_posix().encode()
    base = f"{NAME}/stand-in-base:{hashlib.sha256(made_of).hexdigest()[:12]}"
    if not _succeeds("podman", "image", "exists", base):
        called(SCRIPT, base, python, emulator)
    image = f"{NAME}/under-test:latest"
    for path in CONTEXT:
        copy = folder / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, copy)
        else:
            shutil.copy2(ROOT / path, copy)
    called("chmod", "-R", "go-rwx", folder)
    told = ("ENGINE=podman", f"IMAGE={image}", f"BASE={base}", f"IMAGE_ARGS={_offline()}")
    called("make", "-C", folder, "image", *told)
    return Image("podman", image)


def _offline() -> str:
    """Return the arguments of a build that takes the locked packages from files fetched here."""
    wheels = WHEELS / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    if not wheels.exists():
        unfinished = wheels.with_suffix(".unfinished")
        fetch = ("--python", lambda_python(), "download", "--quiet", "--require-hashes")
        called(
            *(sys.executable, "-m", "pip", *fetch, "--only-binary", ":all:"),
            *("--no-deps", "--dest", unfinished, "--requirement", LOCK),
        )
        unfinished.rename(wheels)
    (WHEELS / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    mounts = f"--volume {wheels}:/wheels:ro --volume {WHEELS}/pip.conf:/etc/pip.conf:ro"
    return f"--network none {mounts} {' '.join(LIMITS)}"


def called(*command: str | Path, given: bytes = b"") -> bytes:
    """Return what a command prints; fails the test with what it complains of."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path}
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=environ, input=given, capture_output=True
    )
    # What watches a container leaves this where it was started, once memory was short.
    (ROOT / "oom").unlink(missing_ok=True)
    if done.returncode:
        said = f"{done.stdout.decode()}\n{done.stderr.decode()}"[-3000:]
        pytest.fail(f"{' '.join(map(str, command))[:300]} failed with {done.returncode}: {said}")
    return done.stdout


def _succeeds(*command: str) -> bool:
    return not subprocess.run(command, check=False, capture_output=True).returncode
