"""Remake check: sessions of a chain made again, and whatever comes out otherwise."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from pipeline.errors import ForecasterError
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.jobs.remembered import RememberedObjects, RememberedTables
from pipeline.jobs.replay import replay_part
from pipeline.ports import Calendar, ObjectStore, Tables
from pipeline.record.chain import Link

# What arithmetic says of readable objects that make no sense together, such as gains of no shape.
SENSELESS = (ArithmeticError, LookupError, TypeError, ValueError)
OTHERWISE = "made again from vintage, bundle and the record before, it comes out otherwise"


@dataclass(frozen=True, slots=True)
class Sample:
    """Which sessions are made again: the newest, others drawn by chance, or with `deep` all.

    A `seed` draws the same again; without one nobody can know beforehand what will be drawn.
    """

    newest: int = 5
    others: int = 20
    seed: int | None = None
    deep: bool = False

    def draw(self, sessions: Sequence[date]) -> set[date]:
        """Return those of `sessions`, oldest first."""
        if self.deep:
            return set(sessions)
        cut = max(len(sessions) - self.newest, 0)
        older = sessions[:cut]
        drawn = random.Random(self.seed).sample(older, min(self.others, len(older)))
        return {*drawn, *sessions[cut:]}


@dataclass(slots=True)
class Remade:
    """What came of it: sessions made again, parts that could not be, and what differs.

    A part could not be made again for `faulty` objects of other parts, which are found already.
    """

    sessions: int = 0
    unmade: int = 0
    findings: list[Finding] = field(default_factory=list)


class RemakeCheck:
    """Parts made again one by one, oldest first, so that each finds in memory what it needs.

    Parameters
    ----------
    head : the newest link, which no manifest confirms
    faulty : keys of what is known to be missing or changed
    """

    def __init__(
        self,
        store: ObjectStore,
        tables: Tables,
        calendar: Calendar,
        head: Link | None,
        faulty: frozenset[str],
    ) -> None:
        self._store, self._tables = RememberedObjects(store), RememberedTables(tables)
        self._calendar, self._head, self._faulty = calendar, head, faulty

    def run(
        self, links: Sequence[Link], sample: Sample, progress: Callable[[int, int], None]
    ) -> Remade:
        """Make the parts of the sample's sessions again; `links` come oldest first."""
        sessions = sample.draw(list(dict.fromkeys(link.manifest.session for link in links)))
        chosen = [link for link in links if link.manifest.session in sessions]
        remade = Remade(len(sessions))
        for done, link in enumerate(chosen, start=1):
            self._check(link, remade)
            progress(done, len(chosen))
        return remade

    def _check(self, link: Link, remade: Remade) -> None:
        key = link.manifest.key
        try:
            objects = replay_part(self._store, self._tables, self._calendar, link)
        except (ForecasterError, *SENSELESS) as exc:
            if link is not self._head and self._store.last in self._faulty:
                remade.unmade += 1
                return
            message = f"it cannot be made again from what is stored: {exc}"
            remade.findings.append(Finding(Problem.UNCONFIRMED, key, message))
            return
        remade.findings += [
            Finding(Problem.CHANGED, replayed.key, f"{OTHERWISE}: {replayed.difference}")
            for replayed in objects
            if not replayed.equal and replayed.key not in self._faulty
        ]
