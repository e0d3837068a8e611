"""Prior templates: from what the scenarios of a part are drawn, as earlier parts left it."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import takewhile

from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import Link, walk_back
from pipeline.record.drawn import Kept, kept_by
from pipeline.record.manifest import RunManifest
from pipeline.record.objects import read_verified
from pipeline.scenarios.template import Template, from_columns

TABLE = "templates"
# Parts without a template that are passed by: where no other is found, no scenarios are drawn.
LOOKED_BACK = 10


@dataclass(frozen=True, slots=True, eq=False)
class PriorTemplates:
    """The newest template, and that of the first part of the session, if there is one.

    All parts of a session draw from the same, so that their scenarios of a number belong together.

    Attributes
    ----------
    layers : oldest first: a whole template, and what parts since have added to it
    opening : of the first part of the session
    """

    layers: tuple[Template, ...] = ()
    opening: Template | None = None

    def select(self, template: Template) -> Template:
        """Return what a part draws from that has written this template."""
        return self.opening or template


def read_prior_templates(
    store: ObjectStore, tables: Tables, link: Link, session: date, lost: Container[str]
) -> PriorTemplates:
    """Return the templates that a part of a session goes on with; those that are lost are not."""
    kept = list(_walk_kept(store, link, lost))
    of_session = list(takewhile(lambda run: run.session == session, _walk(store, link)))
    opening = of_session[-1] if of_session and _is_whole(of_session[-1], lost) else None
    return PriorTemplates(
        tuple(_read(store, tables, run) for run in reversed(kept)),
        _read(store, tables, opening) if opening else None,
    )


def _walk_kept(store: ObjectStore, link: Link, lost: Container[str]) -> Iterator[RunManifest]:
    """Yield the parts with a template, newest first, until one whose is whole."""
    without = 0
    for run in _walk(store, link):
        if _has(run, lost):
            yield run
        else:
            without += 1
        if without == LOOKED_BACK or _is_whole(run, lost):
            return


def _walk(store: ObjectStore, link: Link) -> Iterator[RunManifest]:
    return (linked.manifest for linked in walk_back(store, link))


def _is_whole(run: RunManifest, lost: Container[str]) -> bool:
    return _has(run, lost) and kept_by(run) is Kept.WHOLE


def _has(run: RunManifest, lost: Container[str]) -> bool:
    key = run.table(TABLE)
    return key in run.objects and key not in lost


def _read(store: ObjectStore, tables: Tables, run: RunManifest) -> Template:
    key = run.table(TABLE)
    columns = tables.decode(TABLE, read_verified(store, run, key))[0]
    return from_columns(columns, store.url(key))
