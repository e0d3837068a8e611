"""Each line of the threat model names what shows it, and that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
REFERENCE = re.compile(r"`(?P<path>[\w/.-]+)::(?P<word>[^`]+)`")


def rows(title: str) -> list[list[str]]:
    """Return the cells of the one table below a heading, without its head."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


THREATS = rows("Who may do what")
SHOWN = [(row[0], *reference) for row in THREATS for reference in REFERENCE.findall(row[-1])]


def is_shown(path: str, word: str) -> bool:
    """Whether the file has the word; a test by its whole name."""
    file = ROOT / path
    if not file.is_file():
        return False
    text = file.read_text("utf-8")
    if word.startswith("test_"):
        return re.search(rf"^ *def {re.escape(word)}\(", text, re.MULTILINE) is not None
    return word in text


@pytest.mark.parametrize("row", THREATS, ids=lambda row: row[0][:40])
def test_each_threat_says_what_stops_it_and_what_shows_that(row: list[str]) -> None:
    who, stops, shown = row
    assert who
    assert stops
    # Nothing but references stands there.
    assert REFERENCE.sub("", shown).strip() == ""
    assert REFERENCE.search(shown)


@pytest.mark.parametrize(("who", "path", "word"), SHOWN)
def test_what_shows_it_is_there(who: str, path: str, word: str) -> None:
    assert is_shown(path, word), who


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("tests/integration/test_nowhere.py", "test_it"),
        ("tests/integration/test_workflows.py", "test_no_checkout"),
        ("tests/support/template_rows.py", "NoSuchRow"),
    ],
)
def test_what_is_not_there_would_be_missed(path: str, word: str) -> None:
    assert not is_shown(path, word)


def test_everybody_who_could_try_something_has_a_row() -> None:
    parties = re.findall(r"\*\*(.+?)\*\*", " ".join(row[0] for row in THREATS))
    for word in (
        "URL",
        "key",
        "reader",
        "writer",
        "source",
        "deploy role",
        "pull request",
        "trains",
    ):
        assert [party for party in parties if word in party], word


def test_everything_that_is_trusted_says_for_what_and_how_it_is_held() -> None:
    trusted = rows("What is trusted")
    assert all(len(row) == 3 and all(row) for row in trusted)
    named = " ".join(row[0] for row in trusted)
    for word in ("PyPI", "npm", "base image", "GitHub", "AWS", "Yahoo", "bundle", "key"):
        assert word in named, word


def test_whoever_finds_a_weakness_is_told_where_to_go() -> None:
    policy = (ROOT / "SECURITY.md").read_text("utf-8")
    assert "Report a vulnerability" in policy
    assert "docs/security.md" in policy
