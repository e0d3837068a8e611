"""What git and editors do to the files, on Windows too."""

from __future__ import annotations

import ast
import configparser
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.support.tree import ROOT, files, walked

TREE = files()
EXACT = [path for path in TREE if path.startswith(("models/", "tests/golden/"))]
SCRIPTS = [path for path in TREE if path.endswith(".sh")] + [".ci/run", "Makefile"]
GENERATED = {
    "package-lock.json",
    "infra/image-requirements.txt",
    "infra/training-requirements.txt",
    "handlers/http/openapi.json",
    *(path for path in TREE if path.startswith("docs/model-card")),
}
# Bytes that a checkout by the rules of text would change.
MIXED = b"one line\r\nand another\n"


def git(*arguments: str, cwd: Path) -> str:
    """Run git as on Windows, away from every setting of this machine."""
    settings = ["core.autocrlf=true", "core.eol=crlf", "core.safecrlf=false"]
    author = ["user.name=Somebody", "user.email=somebody@example.com"]
    options = [word for setting in settings + author for word in ("-c", setting)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        ["git", *options, *arguments], cwd=cwd, env=environ, check=True, capture_output=True
    )
    return done.stdout.decode()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone, as on Windows, of a repository of these files, committed as on Windows."""
    origin, clone = tmp_path_factory.mktemp("origin"), tmp_path_factory.mktemp("clone")
    for path in TREE:
        (origin / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, origin / path)
    for name in ("tests/golden/three_sessions/mixed.json", "models/default/mixed.json"):
        (origin / name).write_bytes(MIXED)
    for name in ("mixed.sh", "infra/mixed.parquet"):
        (origin / name).write_bytes(MIXED)
    git("init", "--quiet", cwd=origin)
    git("add", "--all", "--force", cwd=origin)
    git("commit", "--quiet", "--message", "All of it", cwd=origin)
    git("clone", "--quiet", origin.as_uri(), str(clone), cwd=clone)
    return clone


def attributes(clone: Path, name: str) -> dict[str, str]:
    """Return the value of an attribute by file."""
    answer = git("check-attr", "-z", name, "--", *TREE, cwd=clone).split("\0")
    return dict(zip(answer[::3], answer[2::3], strict=False))


def test_scripts_keep_their_line_ends(clone: Path) -> None:
    assert len(SCRIPTS) > 5
    for path in SCRIPTS:
        assert b"\r" not in (clone / path).read_bytes(), path
    assert (clone / "mixed.sh").read_bytes() == MIXED.replace(b"\r", b"")


def test_every_file_comes_out_as_it_is_here(clone: Path) -> None:
    changed = [path for path in TREE if (clone / path).read_bytes() != (ROOT / path).read_bytes()]
    assert changed == []


def test_golden_files_and_models_are_never_taken_for_text(clone: Path) -> None:
    text = attributes(clone, "text")
    assert len(EXACT) > 30
    assert {text[path] for path in EXACT} == {"unset"}
    for name in ("tests/golden/three_sessions", "models/default"):
        assert (clone / name / "mixed.json").read_bytes() == MIXED
    assert (clone / "infra/mixed.parquet").read_bytes() == MIXED
    assert text["README.md"] == "auto"


def test_what_programs_write_is_marked_as_such_and_nothing_else(clone: Path) -> None:
    marks = attributes(clone, "linguist-generated")
    assert {path for path, mark in marks.items() if mark == "set"} == GENERATED


# what editors are told


@pytest.fixture(scope="module")
def rules() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string("[preamble]\n" + (ROOT / ".editorconfig").read_text(encoding="utf-8"))
    return parser


def test_editors_indent_and_break_lines_as_the_formatters_do(
    rules: configparser.ConfigParser,
) -> None:
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    assert rules["*.py"].getint("max_line_length") == ruff["line-length"]
    assert rules["preamble"]["root"] == "true"
    assert rules["*"]["indent_size"] == "4"
    assert rules["*.{yml,yaml,json,js,cjs}"]["indent_size"] == "2"
    assert rules["Makefile"]["indent_style"] == "tab"


def test_files_are_as_editors_are_told_to_leave_them(rules: configparser.ConfigParser) -> None:
    asked = rules["*"]
    assert (asked["charset"], asked["end_of_line"]) == ("utf-8", "lf")
    assert asked["insert_final_newline"] == asked["trim_trailing_whitespace"] == "true"
    copied = "pipeline/views/page/assets/uplot."
    exempt = ("models/", "tests/golden/", "docs/model-card/", copied)
    for path in TREE:
        if path.startswith(exempt) or path.endswith(".png"):
            continue
        text = (ROOT / path).read_bytes().decode("utf-8")
        assert "\r" not in text, path
        assert text == "" or text.endswith("\n"), path
        assert all(line == line.rstrip() for line in text.split("\n")), path


def test_without_git_the_same_files_are_there() -> None:
    # Others may lie beside them: a working tree has what nobody has added yet.
    assert set(TREE) <= set(walked())


# what Windows makes of names and of text

RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{name}{i}" for name in ("com", "lpt") for i in range(10)),
}


def test_every_name_is_one_on_windows_too() -> None:
    folded = [path.casefold() for path in TREE]
    assert len(set(folded)) == len(folded)
    for path in TREE:
        assert not (ROOT / path).is_symlink(), path
        assert len(path) < 150, path
        for part in path.split("/"):
            assert not set(part) & set('<>:"\\|?*'), path
            assert part.isprintable(), path
            assert part == part.rstrip(". "), path
            assert part.partition(".")[0].casefold() not in RESERVED, path


def texts_opened(source: str) -> list[str]:
    """Return the calls that read text by the machine's encoding, or write the machine's lines."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [ast.unparse(call) for call in calls if by_the_machine(call)]


def by_the_machine(call: ast.Call) -> bool:
    function = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
    if function == "write_text":
        return "newline" not in {keyword.arg for keyword in call.keywords}
    named = "encoding" in {keyword.arg for keyword in call.keywords}
    if function == "read_text":
        return not (named or call.args)
    # What os.open gives is bytes: a descriptor.
    binary = any("b" in ast.unparse(argument) for argument in call.args)
    binary |= ast.unparse(call.func) == "os.open"
    return function == "open" and not (named or binary)


@pytest.mark.parametrize(
    "path", [p for p in TREE if p.endswith(".py") and p.startswith(("pipeline/", "handlers/"))]
)
def test_text_is_utf_8_with_lf_on_every_machine(path: str) -> None:
    assert texts_opened((ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "noticed"),
    [
        ("path.read_text()", True),
        ("path.read_text('utf-8')", False),
        ("path.write_text(text, 'utf-8')", True),
        ("path.write_text(text, 'utf-8', newline='')", False),
        ("path.open()", True),
        ("open(path, 'w')", True),
        ("path.open('rb')", False),
        ("path.open(encoding='utf-8')", False),
    ],
)
def test_text_by_the_machine_is_noticed(source: str, noticed: bool) -> None:
    assert bool(texts_opened(source)) == noticed
