"""Digests noted elsewhere, in whatever form they were noted."""

from __future__ import annotations

import json

import pytest

from pipeline.errors import ConfigError
from pipeline.forecasting.model import Model
from pipeline.jobs.chain_check import Problem
from pipeline.jobs.noted import NotedDigest, check_noted, parse_noted
from pipeline.record.chain import Link, find_head, walk_back
from tests.support.records import SESSIONS, run_days

A, B = "a" * 64, "b" * 64
FIRST, SECOND = "runs/2024-12-26.00.json", "runs/2024-12-27.00.json"
SUMMARY = {"outcome": "published", "manifests": {FIRST: A}}
NOTED = (NotedDigest(A, FIRST), NotedDigest(B, SECOND))


@pytest.mark.parametrize(
    "text",
    [
        f"{FIRST} {A}\n{SECOND} {B}\n",
        f"\n  {FIRST}   {A}\n\n{SECOND}\t {B}",
        json.dumps({"summary": SUMMARY}) + "\n" + json.dumps({"manifests": {SECOND: B}}),
        json.dumps(SUMMARY, indent=2) + json.dumps({"manifests": {SECOND: B}}, indent=2),
        json.dumps({"level": "INFO", "message": "another line"}) + f"\n{FIRST} {A}\n"
        f"{json.dumps({'summary': {'manifests': {SECOND: B, FIRST: A}}})}\n",
        f"{FIRST} {A}\n{FIRST} {A}\n{SECOND} {B}\n",
    ],
    ids=["lines", "spaces", "logs", "documents", "mixed", "twice"],
)
def test_every_form_gives_the_digests_each_once(text: str) -> None:
    assert set(parse_noted(text, "noted")) == set(NOTED)
    assert len(parse_noted(text, "noted")) == 2


def test_a_bare_digest_has_no_key() -> None:
    assert parse_noted(f"{A}\n", "noted") == (NotedDigest(A),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "found no digest"),
        ('{"message": "the run failed"}', "found no digest"),
        ('{"manifests": ["x"], "summary": {"manifests": 3}}', "found no digest"),
        ('{"summary": 3}', "found no digest"),
        ('{"manifests": {"runs/x.json": "abc"}}', "found no digest"),
        ("runs/x.json abc", "got 'runs/x.json abc'"),
        (f"{FIRST} {A[1:]}", f"got '{FIRST} "),
        (f"{FIRST}{A}\n", f"got '{FIRST}"),
        (f"{A} {FIRST}", "got 'aaa"),
        ('{"manifests": ', "broken JSON"),
        ('{"a": ' * 100_000, "broken JSON"),
    ],
)
def test_anything_else_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match="noted: expected lines of KEY SHA256") as caught:
        parse_noted(text, "noted")
    assert words in str(caught.value)


@pytest.fixture(scope="module")
def links(model: Model) -> list[Link]:
    store = run_days(model, SESSIONS[-2:])
    return list(walk_back(store, find_head(store)))


def test_what_was_noted_of_an_intact_chain_is_there(links: list[Link]) -> None:
    keyed = [NotedDigest(link.digest, link.manifest.key) for link in links]
    bare = [NotedDigest(link.digest) for link in links]
    assert list(check_noted([*keyed, *bare], links)) == []


def test_what_the_chain_has_otherwise_or_not_at_all_is_named(links: list[Link]) -> None:
    newest = links[0].manifest.key
    noted = [NotedDigest(A), NotedDigest(A, newest), NotedDigest(B, "runs/2030-01-02.00.json")]
    found = list(check_noted(noted, links))
    assert [(f.problem, f.key) for f in found] == [
        (Problem.MISSING, A),
        (Problem.CHANGED, newest),
        (Problem.MISSING, "runs/2030-01-02.00.json"),
    ]
    assert f"noted as sha256 {A}, the chain has {links[0].digest}" in found[1].message
    # The digest of another manifest of the chain is not this one's.
    assert list(check_noted([NotedDigest(links[1].digest, newest)], links)) != []
