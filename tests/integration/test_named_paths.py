"""Documents, settings and workflows name no file and no module that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.support.tree import ROOT, files

TREE = files()
TOPS = {path.partition("/")[0] for path in TREE if "/" in path}
DOCUMENTS = [
    path
    for path in TREE
    if path.startswith((".github/", ".ci/", "docs/", "infra/"))
    or path in {".dockerignore", ".gitattributes", "Dockerfile", "Makefile", "pyproject.toml"}
    or path in {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "serverless.yml"}
    if Path(path).suffix not in {".png", ".svg", ".sql"} and not path.endswith("-requirements.txt")
]
# A file named without its folder, `wiring.py`, is one of this project's.
SUFFIXES = (".py", ".sh", ".yml", ".cjs", ".toml", ".md")
PLACEHOLDER = re.compile(r"\$\{[^{}]*\}|\$\(\w+\)|<\w+>|…")
WORD = re.compile(r"[^\s`'\"()\[\],;:|=]+")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
MODULE = re.compile(r"(?<![\w./-])(?:benchmarks|handlers|pipeline|tests)(?:\.\w+)+")
# In code `handlers.get` is a dictionary's as well.
IN_CODE = re.compile(r"(?<![\w./-])(?:benchmarks|pipeline|tests)(?:\.\w+)+")


def paths_named(document: str, text: str) -> Iterator[str]:
    """Yield the paths that a document names, patterns with their stars, links from the root."""
    for word in WORD.findall(PLACEHOLDER.sub("*", text)):
        path = word.removeprefix("!").removeprefix("./").partition("#")[0].rstrip("./")
        if "/" in path and path.partition("/")[0] in TOPS:
            yield path
        elif "/" not in path and path.endswith(SUFFIXES) and "*" not in path:
            yield f"**/{path}"
    if document.endswith(".md"):
        folder = (ROOT / document).parent
        for target in LINK.findall(text):
            if "://" not in target:
                resolved = (folder / target).resolve()
                yield resolved.relative_to(ROOT).as_posix() if ROOT in resolved.parents else target


def is_there(path: str) -> bool:
    """Whether a file, a module without its suffix, a folder or what a pattern means is there."""
    if path.startswith("**/"):
        return any(f"/{one}".endswith(path[2:]) for one in TREE)
    return any(
        fnmatch(one, pattern) for pattern in (path, f"{path}.py", f"{path}/*") for one in TREE
    )


def module_is_there(name: str) -> bool:
    """Whether a dotted name is a package, a module or what a module defines."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        path, rest = "/".join(parts[:n]), parts[n:]
        if f"{path}.py" in TREE:
            text = (ROOT / f"{path}.py").read_text(encoding="utf-8")
            return not rest or re.search(rf"\b{rest[0]}\b", text) is not None
        if f"{path}/__init__.py" in TREE or (path == "tests" and not rest):
            return not rest
    # The tests' folders are packages without a file that says so.
    return is_there("/".join(parts))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_is_there(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert [path for path in paths_named(document, text) if not is_there(path)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_module_that_a_document_names_is_there(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert [name for name in MODULE.findall(text) if not module_is_there(name)] == []


def test_every_module_that_code_names_is_there() -> None:
    here = Path(__file__).relative_to(ROOT).as_posix()
    code = [path for path in TREE if path.endswith(".py") and path != here]
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in code}
    named = {(path, name) for path, text in texts.items() for name in IN_CODE.findall(text)}
    assert sorted(pair for pair in named if not module_is_there(pair[1])) == []


@pytest.mark.parametrize(
    "text",
    [
        "see `pipeline/nowhere.py`",
        "see nowhere.py.",
        "[here](nowhere.md)",
        "[here](docs/nowhere.md#part)",
        "!infra/nowhere",
        "`tests/unit/test_nowhere_*.py`",
        "${file(infra/nowhere-${param:auth}.yml)}",
        "run: infra/nowhere.sh >> out",
    ],
)
def test_a_path_that_is_not_there_is_noticed(text: str) -> None:
    assert any(not is_there(path) for path in paths_named("README.md", text))


@pytest.mark.parametrize(
    "text",
    [
        "see `pipeline/wiring.py`, `pipeline/adapters/`, `wiring.py` and infra/*.yml.",
        "[here](docs/glossary.md#words) and [there](https://example.com/nowhere.md)",
        "handlers/daily and handlers/http/routes; `docs/model-card/*`",
        "`tests/unit/<package>/test_<module>.py`, ${file(infra/auth-${param:auth}.yml)}",
        "demo/store/latest.json, ./until-2018, refs/heads/main",
    ],
)
def test_what_is_there_or_is_no_path_of_ours_passes(text: str) -> None:
    assert all(map(is_there, paths_named("README.md", text)))


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("pipeline.wiring", True),
        ("pipeline.wiring.daily_job", True),
        ("pipeline.adapters", True),
        ("tests.support.tree", True),
        ("tests.e2e", True),
        ("pipeline.nowhere", False),
        ("pipeline.adapters.nowhere", False),
        ("pipeline.wiring.nowhere_job", False),
        ("tests.nowhere", False),
    ],
)
def test_a_module_is_a_file_or_what_it_defines(name: str, there: bool) -> None:
    assert module_is_there(name) == there
