"""Grammar: which names in a store are keys of the record. All others are strangers.

Whoever looks through a store does so by `list_keys`, so that a file browser's `desktop.ini`, a
copy called `... (1).parquet` or a sub-folder under `runs/` is nothing to any run or reader.
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum

from pipeline.ports import ObjectStore


class Kind(StrEnum):
    """What lies under a key."""

    STORE = "store"
    SHARD = "shard"
    TABLE = "table"
    SCORES = "scores"
    STATE = "state"
    MANIFEST = "manifest"
    SIGNATURE = "signature"
    CLAIM = "claim"
    PLAN = "plan"
    LOSS = "loss"
    BUNDLE = "bundle"
    VIEW = "view"
    COMPACTED = "compacted"


_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_PART = rf"(?P<session>{_DAY})\.[0-9]{{2}}"
_MONTH = "month=(?P<month>[0-9]{4}-[0-9]{2})"
_SHA256 = "[0-9a-f]{64}"
_FORMS = {
    Kind.STORE: r"store\.json",
    Kind.SHARD: r"universe\.shard\.json",
    Kind.TABLE: r"(?:bars|forecasts|baselines|scenarios|templates|scenario_scores)/"
    rf"{_MONTH}/{_PART}\.parquet",
    Kind.SCORES: rf"scores/{_MONTH}/{_PART}\.parquet",
    Kind.STATE: rf"calibration/{_PART}\.json",
    Kind.MANIFEST: rf"runs/{_PART}\.json",
    Kind.SIGNATURE: rf"signatures/{_SHA256}\.sig",
    Kind.CLAIM: rf"claims/(?:first|{_SHA256})\.json",
    Kind.PLAN: rf"backfills/{_PART}\.json",
    Kind.LOSS: rf"losses/{_SHA256}\.json",
    Kind.BUNDLE: rf"bundles/(?P<session>{_DAY})-[0-9a-f]{{12}}/"
    r"(?:manifest\.[0-9a-f]{12}\.json|model\.onnx)",
    Kind.COMPACTED: r"compact/(?:forecasts|baselines|scores|scenario_scores)/"
    rf"{_MONTH}/(?P=month)\.parquet",
    Kind.VIEW: r"(?:latest|track_record|history|announced|latest/[0-9]{3,4})\.json|"
    r"scenarios\.bin|index\.html",
}
_KINDS = {kind: re.compile(form) for kind, form in _FORMS.items()}


def kind_of(name: str) -> Kind | None:
    """Return what lies under a key of the record, None for a stranger's name."""
    for kind, form in _KINDS.items():
        if (match := form.fullmatch(name)) is not None:
            return kind if _has_real_days(kind, **match.groupdict()) else None
    return None


def list_keys(store: ObjectStore, prefix: str, after: str = "") -> list[str]:
    """Return the record's keys under a prefix, sorted, that sort after `after`."""
    return [name for name in store.keys(prefix, after) if kind_of(name) is not None]


def _has_real_days(kind: Kind, session: str | None = None, month: str | None = None) -> bool:
    """Whether days exist, and the month is that of the session, or of targets until then."""
    if session is not None and not _is_day(session):
        return False
    if month is None or session is None:
        return month is None or _is_day(f"{month}-01")
    within = month <= session[:7] if kind is Kind.SCORES else month == session[:7]
    return within and _is_day(f"{month}-01")


def _is_day(text: str) -> bool:
    try:
        return str(date.fromisoformat(text)) == text
    except ValueError:
        return False
