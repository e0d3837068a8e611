"""Questioning: what the commands that ask of scenarios share: the record, and what is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec

from pipeline.cli import console, options, selecting
from pipeline.errors import ConfigError, InvalidField
from pipeline.ports import ObjectStore
from pipeline.record.manifest import RunManifest, read_manifests
from pipeline.record.sharding import OF_ONE_SHARD
from pipeline.views.age import count_sessions_behind, describe_age
from pipeline.views.documents import Latest
from pipeline.views.latest import build_latest
from pipeline.views.scenario_cubes import build_scenario_view
from pipeline.views.scenario_view import ScenarioView

# Where a field of a request has another name on the command line.
OPTIONS = {"positions": "--position", "horizon": "in", "date": "by"}
OPTIONS |= dict.fromkeys(("below", "above", "between"), "QUESTION")


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A session that is asked about, as the record has it."""

    store: ObjectStore
    runs: Sequence[RunManifest]
    latest: Latest
    scenarios: ScenarioView
    behind: int

    @property
    def age(self) -> dict[str, Any]:
        return {"stale": self.behind > 0, "sessions_behind": self.behind}


def read_asked(location: str, day: date | None, tickers: Collection[str]) -> Asked:
    """Return the newest session on the record, or that of a day; raises as `show` does.

    Of a universe it is that of the shard in which all of these tickers are.
    """
    opened, tables = options.open_published(location, [*tickers], OF_ONE_SHARD)
    session = selecting.find_session(opened, location, day)
    runs, latest = read_manifests(opened, session), build_latest(opened, tables, session)
    scenarios = build_scenario_view(opened, tables, latest, runs)
    # A session of the past is not old by mistake.
    behind = count_sessions_behind(latest.next_sessions, options.now()) if day is None else 0
    return Asked(opened, runs, latest, scenarios, behind)


@contextmanager
def refusing_options() -> Iterator[None]:
    """Raise what is wrong with a field as ConfigError, named as it is on the command line."""
    try:
        yield
    except InvalidField as exc:
        name, _, rest = exc.pointer.removeprefix("#/").partition("/")
        option = OPTIONS.get(name, f"--{name}")
        where = f"{option} {rest}".strip() if name != "#" else "expected"
        text = f"{where}: expected {exc.expected}, got {exc.got}"
        raise ConfigError(text.replace("expected: ", "", 1)) from exc


def print_answer(answer: msgspec.Struct, asked: Asked) -> None:
    """Print an answer as one JSON document, with its age."""
    console.print_json(msgspec.to_builtins(answer) | asked.age)


def print_age(asked: Asked) -> None:
    """Print that the scenarios are old, if they are."""
    if asked.behind:
        text = describe_age(asked.behind, len(asked.latest.next_sessions))
        console.print_line(text, "bold yellow")
