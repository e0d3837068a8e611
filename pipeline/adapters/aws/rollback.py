"""Rollback: where each function would go back to, and the way there (boto3)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.adapters.aws.errors import parse_code
from pipeline.adapters.aws.stack import FUNCTION, Stack
from pipeline.errors import DeploymentError

LIVE = "live"
# What a deployment notes on the alias of each function, in infra/plugins/live-version.js.
BEFORE = "before the last deployment: "
AUTH, KEYS = "FORECASTER_AUTH", "FORECASTER_API_KEY_SHA256"
ORIGIN = "FORECASTER_ORIGIN_SHA256"  # newest first: CloudFront sends the secret of the last
HEALTH = {"path": "/health", "method": "GET"}
PAUSED = "TooManyRequestsException"


@dataclass(frozen=True, slots=True)
class Version:
    """A published version of a function: number, image, settings, and the model where it says."""

    number: str
    image: str
    settings: Mapping[str, str]
    model: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """A function, the version that is live and the one before the last deployment."""

    function: str
    live: Version
    before: Version

    @property
    def is_none(self) -> bool:
        return self.live.number == self.before.number

    def find_revived_keys(self) -> list[str]:
        """Return the digests of keys that are accepted before and no longer by what is live."""
        accepted, live = (
            version.settings.get(KEYS, "").split(",") for version in (self.before, self.live)
        )
        return [digest for digest in accepted if digest and digest not in live]


def plan_rollback(stack: Stack) -> list[Move]:
    """Return what a rollback would do, function by function; nothing is changed.

    Raises
    ------
    DeploymentError
        Where AWS refuses, nothing was deployed before, the version before does not answer, or it
        lets in others than its URL does.
    """
    with stack.translate_errors("roll back"):
        names = [
            resource["FunctionName"] for resource in stack.find_resources(FUNCTION, "FunctionName")
        ]
        moves = [_plan_move(stack, name) for name in names]
    if all(move.is_none for move in moves):
        raise DeploymentError(
            f"{stack.name}: expected a version before the last deployment, got the one that is "
            "live: there is nothing to go back to. Check out the commit before and deploy it"
        )
    for move in moves:
        _refuse_another_auth(move)
        _refuse_another_front(move)
    return moves


def roll_back(stack: Stack, moves: list[Move]) -> None:
    """Point each function to before the last deployment, and note the one that was live."""
    with stack.translate_errors("roll back"):
        for move in moves:
            stack.connect("lambda").update_alias(
                FunctionName=move.function,
                Name=LIVE,
                FunctionVersion=move.before.number,
                RoutingConfig={"AdditionalVersionWeights": {}},  # nothing is shared any more
                Description=BEFORE + move.live.number,
            )


def _plan_move(stack: Stack, function: str) -> Move:
    alias = stack.connect("lambda").get_alias(FunctionName=function, Name=LIVE)
    live, before = alias["FunctionVersion"], _parse_note(function, alias)
    return Move(
        function, _read_version(stack, function, live), _read_version(stack, function, before)
    )


def _read_version(stack: Stack, function: str, number: str) -> Version:
    found = stack.connect("lambda").get_function(FunctionName=function, Qualifier=number)
    settings = found["Configuration"].get("Environment", {}).get("Variables", {})
    code = found.get("Code", {})
    image = str(code.get("ResolvedImageUri") or code.get("ImageUri") or "")
    model = _ask_model(stack, function, number) if AUTH in settings else ""
    return Version(number, image, settings, model)


def _ask_model(stack: Stack, function: str, number: str) -> str:
    """Return the model that a version says it has, empty where it is paused or cannot say."""
    client = stack.connect("lambda")
    try:
        answered = client.invoke(
            FunctionName=function, Qualifier=number, Payload=json.dumps(HEALTH).encode()
        )
    except client.exceptions.ClientError as exc:
        if parse_code(exc) == PAUSED:
            return ""
        raise
    answer: Any = json.loads(answered["Payload"].read())
    if answered.get("FunctionError"):
        raise DeploymentError(
            f"{function}: expected version {number} to answer, got {answer}. Nothing was moved"
        )
    return _parse_model(answer)


def _parse_model(answer: Any) -> str:
    if not isinstance(answer, dict) or answer.get("statusCode") != 200:
        return ""
    return str(json.loads(answer["body"]).get("model_version", ""))


def _refuse_another_auth(move: Move) -> None:
    live, before = (version.settings.get(AUTH) for version in (move.live, move.before))
    if live != before:
        raise DeploymentError(
            f"{move.function}: expected version {move.before.number} to let in whom the URL does "
            f"({AUTH}={live}), got {AUTH}={before}. A rollback leaves the URL as it is: check out "
            f"the commit before and deploy it with --param=auth={before}"
        )


def _refuse_another_front(move: Move) -> None:
    live, before = (
        version.settings.get(ORIGIN, "none").split(",") for version in (move.live, move.before)
    )
    if live[-1] not in before:
        raise DeploymentError(
            f"{move.function}: expected version {move.before.number} to answer what comes by the "
            f"domain and nothing past it, as the one that is live ({ORIGIN} {live[-1][:12]}), got "
            f"{before[-1][:12]}. A rollback leaves CloudFront as it is: check out the commit "
            "before and deploy it"
        )


def _parse_note(function: str, alias: Mapping[str, str]) -> str:
    note = re.fullmatch(rf"{BEFORE}(\d+)", alias.get("Description", ""))
    if note is None:
        raise DeploymentError(
            f"{function}: expected a deployment before the one at version "
            f"{alias['FunctionVersion']}, found none"
        )
    return note[1]
