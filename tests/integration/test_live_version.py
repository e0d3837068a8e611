"""What is live after a deployment, whatever of it fails: the plugin, with a cloud in memory.

The same on AWS on this machine: tests/e2e/test_deployment.py and test_deployment_story.py.
"""

from __future__ import annotations

import json
import subprocess
from itertools import product
from typing import Any

import pytest

from tests.support.packaged import ROOT, require_node

FUNCTIONS = ("daily", "verify", "onDemand")
AUTHS = ("api-key", "iam", "none")


def all_at(version: str) -> dict[str, str]:
    return dict.fromkeys(FUNCTIONS, version)


def url_of(auth: str) -> str:
    return "AWS_IAM" if auth == "iam" else "NONE"


# How a deployment of version 3 goes, where 1 is live (as after a rollback) and 2 was the last.
WAYS: dict[str, dict[str, Any]] = {
    "well": {},
    "CloudFormation fails": {"fails": True},
    "daily does not answer": {"broken": ["daily"]},
    "the on-demand function does not answer": {"broken": ["onDemand"]},
    "a route fails": {"broken": ["/risk 500 internal_error"]},
    "the page fails": {"broken": ["/ 503 store_unavailable"]},
    "the smoke test is refused": {"broken": ["/predict 403 forbidden"]},
    "nothing can be reached": {"broken": ["unreachable"]},
    "the schedule may start nothing": {"rights": False},
    "CloudFormation moves the alias by itself": {"fails": True, "changes": {"live": all_at("2")}},
}
START = {
    "live": all_at("1"),
    "published": all_at("3"),
    "routes": ["/", "/risk", "/forecasts/{ticker}"],
}
SCENARIOS: dict[str, Any] = {way: {**START, **how} for way, how in WAYS.items()}
SCENARIOS |= {
    f"{before} to {after}, {way}": {
        **START,
        **WAYS[way],
        "auths": {"1": before, "3": after},
        "url": url_of(before),
        "changes": {"url": url_of(after)},
    }
    for before, after in product(AUTHS, AUTHS)
    for way in ("well", "CloudFormation fails", "the on-demand function does not answer")
}
SCENARIOS |= {
    "first": {"live": {}, "published": all_at("1"), "changes": {"live": all_at("$LATEST")}},
    "first, does not answer": {
        "live": {},
        "published": all_at("1"),
        "changes": {"live": all_at("$LATEST")},
        "broken": ["daily"],
    },
    "after a first that broke off": {
        "live": all_at("$LATEST"),
        "published": all_at("1"),
        "fails": True,
    },
    "without a change": {"live": all_at("3"), "published": all_at("3")},
    "of one function": {"live": all_at("2"), "published": {**all_at("2"), "daily": "3"}},
    "before the first run": {**START, "broken": ["/ 404 not_found", "/predict 503 not_published"]},
}
TENTH: dict[str, Any] = {**START, "canary": "tenth"}
CANARIES: dict[str, dict[str, Any]] = {
    "well": {},
    "rang before": {"rings": [*range(30)]},
    "rings at once": {"rings": [1]},
    "rings at last": {"rings": [20]},
    "cannot be watched": {"broken": ["cloudwatch"]},
}
SCENARIOS |= {f"a tenth, {how}": {**TENTH, **changes} for how, changes in CANARIES.items()}
SCENARIOS |= {
    "a tenth, another auth": {**TENTH, "auths": {"1": "api-key", "3": "iam"}},
    "a tenth, nothing new": {**TENTH, "live": all_at("3")},
    "a tenth, first": {**TENTH, "live": {}, "changes": {"live": all_at("$LATEST")}},
    "a tenth, does not answer": {**TENTH, "broken": ["onDemand"]},
}
SCENARIOS |= {
    "a universe": {**START, "universe": "many"},
    "a universe that may not be started": {**START, "universe": "many", "broken": ["f-universe"]},
}
NOT_SHARED = ["onDemand", {}]


@pytest.fixture(scope="module")
def done() -> Any:
    """Every deployment, by one process."""
    require_node()
    run = subprocess.run(
        ["node", "tests/integration/live_version.cjs"],
        input=json.dumps(SCENARIOS),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(run.stdout)


@pytest.mark.parametrize("way", WAYS)
def test_live_is_the_new_version_where_all_goes_well_and_else_what_was_live(
    done: Any, way: str
) -> None:
    assert done[way]["live"] == all_at("3" if way == "well" else "1")
    assert bool(done[way]["error"]) == (way != "well")
    note = "before the last deployment: 1"
    assert done[way]["notes"] == (dict.fromkeys(FUNCTIONS, note) if way == "well" else {})


@pytest.mark.parametrize(("before", "after"), [*product(AUTHS, repeat=2)])
def test_the_url_lets_in_whom_the_version_does_that_is_live(
    done: Any, before: str, after: str
) -> None:
    for way in ("well", "CloudFormation fails", "the on-demand function does not answer"):
        live = after if way == "well" else before
        assert done[f"{before} to {after}, {way}"]["url"] == url_of(live), way


def test_a_first_deployment_is_live_by_its_number_whether_it_answers_or_not(done: Any) -> None:
    for way in ("first", "first, does not answer", "after a first that broke off"):
        assert (done[way]["live"], done[way]["notes"]) == (all_at("1"), {}), way


def test_functions_go_back_together_and_a_deployment_of_nothing_forgets_nothing(done: Any) -> None:
    assert done["without a change"]["notes"] == {}
    note = "before the last deployment: 2"
    assert done["of one function"]["notes"] == dict.fromkeys(FUNCTIONS, note)
    assert done["of one function"]["live"] == {**all_at("2"), "daily": "3"}


def test_what_is_not_there_yet_is_no_fault_of_the_deployment(done: Any) -> None:
    assert done["before the first run"]["live"] == all_at("3")


def test_every_route_is_asked_of_the_new_version_about_what_is_deployed(done: Any) -> None:
    asked = done["well"]["asked"]
    assert {version for _, version, *_ in asked} == {"3"}
    routes = [(path, body) for name, _, path, body in asked if name == "onDemand"]
    assert routes == [
        ("/openapi.json", ""),
        ("/predict", '{"ticker":"QQQ"}'),
        ("/", ""),
        ("/", '{"a":1}'),
        ("/risk", ""),
        ("/risk", '{"a":1}'),
        ("/forecasts/QQQ", ""),
        ("/forecasts/{ticker}", '{"a":1}'),
    ]


@pytest.mark.parametrize("how", CANARIES)
def test_a_canary_answers_a_tenth_for_five_minutes_and_sings_before_it_is_live(
    done: Any, how: str
) -> None:
    ended = done[f"a tenth, {how}"]
    well = how in ("well", "rang before")
    assert ended["live"] == all_at("3" if well else "1")
    assert ("rings f-url-5xx" in ended["error"]) == how.startswith("rings")
    assert ended["shares"] == [NOT_SHARED, ["onDemand", {"3": 0.1}], NOT_SHARED]
    assert sum(ended["waits"]) <= 5 * 60_000
    assert (sum(ended["waits"]) == 5 * 60_000) == (well or how == "rings at last")


@pytest.mark.parametrize("why", ["another auth", "nothing new", "first", "does not answer"])
def test_nothing_is_shared_where_there_is_nothing_to_compare(done: Any, why: str) -> None:
    assert done[f"a tenth, {why}"]["shares"] == [NOT_SHARED]


def test_without_a_canary_nobody_waits_and_a_share_left_behind_ends(done: Any) -> None:
    assert (done["well"]["shares"], done["well"]["waits"]) == ([NOT_SHARED], [])


def test_of_a_universe_the_list_of_shards_is_asked_for_and_the_state_machine_must_be_startable(
    done: Any,
) -> None:
    asked = [(name, path) for name, _, path, _ in done["a universe"]["asked"]]
    assert [path for name, path in asked if name == "daily"] == ["list"]
    # The first run counts the shards where nobody says how many.
    assert ["daily", "3", "list", "universe,time"] in done["a universe"]["asked"]
    assert [path for name, path in asked if name == "verify"] == ["0"]
    assert done["a universe"]["startable"] == ["f-universe"]
    assert done["a universe"]["live"] == all_at("3")
    refused = done["a universe that may not be started"]
    assert "f-universe: expected states:StartExecution" in refused["error"]
    assert refused["live"] == all_at("1")
    assert done["well"]["startable"] == ["daily", "verify"]
    assert ["daily", "3", "", ""] in done["well"]["asked"]
