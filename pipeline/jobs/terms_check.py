"""Terms check: whether `store.json` is what the record's manifests say, and of one exchange."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.errors import StoreError
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.ports import Calendar, ObjectStore
from pipeline.record.grammar import list_keys
from pipeline.record.keys import RUNS, STORE
from pipeline.record.manifest import RunManifest, check_version
from pipeline.record.terms import decode_terms


def refuse_other_version(store: ObjectStore) -> None:
    """Raise StoreError for a record that another version of the schema began, without terms."""
    manifests = list_keys(store, RUNS)
    if manifests and store.read(STORE) is None:
        check_version(store.read(manifests[-1]) or b"", store.url(manifests[-1]))


def find_changed_terms(
    store: ObjectStore, calendar: Calendar, runs: Sequence[RunManifest]
) -> Iterator[Finding]:
    """Yield what is wrong with the terms of a record; it has some since its first manifest."""
    data = store.read(STORE)
    if data is None:
        if runs:
            yield Finding(Problem.MISSING, STORE, "a record begins with it")
        return
    try:
        terms = decode_terms(data, STORE)
    except StoreError as exc:
        yield Finding(Problem.CHANGED, STORE, str(exc))
        return
    sources = {run.source for run in runs} - {terms.source}
    if sources:
        message = f"it says source {terms.source}, manifests {', '.join(sorted(sources))}"
        yield Finding(Problem.CHANGED, STORE, message)
    if terms.calendar != calendar.name:
        message = f"it says calendar {terms.calendar}, this is {calendar.name}"
        yield Finding(Problem.CHANGED, STORE, message)
    if terms.encode() != data:
        yield Finding(Problem.CHANGED, STORE, "not in the bytes in which terms are written")
