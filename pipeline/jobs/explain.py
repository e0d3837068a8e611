"""Explain: why a ticker's newest interval is wider or narrower than the one issued before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from pipeline.errors import RequestError
from pipeline.ports import ObjectStore, Tables
from pipeline.record.chain import find_head, walk_back
from pipeline.record.manifest import RunManifest
from pipeline.views.documents import WidthChange
from pipeline.views.width_change import PartReader, attribute_change


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a ticker's interval changed up to its forecast from `session`."""

    ticker: str
    session: date
    width_change: WidthChange


def explain(store: ObjectStore, tables: Tables, ticker: str) -> Explanation:
    """Return why the newest published forecast of a ticker is wider than the one before it.

    However long ago that was; views look back a few sessions alone.

    Raises
    ------
    RequestError
        When the ticker has no two published forecasts, or another model made the one before.
    StoreError
        When what they were made from is missing or changed.
    NonFiniteOutput
        When the model has no answer to a mix of both windows.
    """
    now, before = _find_two(store, ticker)
    versions = [run.version_of(ticker) for run in (before, now)]
    if versions[0] != versions[1]:
        raise RequestError(
            f"{ticker}: expected forecasts of one model, got {versions[0]} on "
            f"{before.session} and {versions[1]} on {now.session}: their widths differ by "
            "more than their bars"
        )
    change = attribute_change(PartReader(store, tables), now, before, ticker)
    return Explanation(ticker, now.session, change)


def _find_two(store: ObjectStore, ticker: str) -> tuple[RunManifest, RunManifest]:
    """Return the parts of the two newest sessions that published a ticker, the newest first."""
    published = _walk_published(store, ticker)
    now = next(published, None)
    before = next((run for run in published if now and run.session < now.session), None)
    if now is None or before is None:
        have = "none" if now is None else f"that of {now.session} alone: a later run makes another"
        raise RequestError(f"{ticker}: expected two published forecasts, found {have}")
    return now, before


def _walk_published(store: ObjectStore, ticker: str) -> Iterator[RunManifest]:
    runs = (link.manifest for link in walk_back(store, find_head(store)))
    return (run for run in runs if ticker in run.published)
