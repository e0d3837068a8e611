"""Pages made of a few views, for tests of what shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from pipeline.record.keys import table_key
from pipeline.record.manifest import Mode, RunManifest
from pipeline.views.documents import Latest
from pipeline.views.figures import TrackRecord
from pipeline.views.history import PastForecast
from pipeline.views.page.render import render_page
from pipeline.views.page.sources import PageSources
from tests.support.builders import latest_view, weekdays
from tests.support.track_records import track_record

SESSION = date(2024, 12, 27)
ISSUED = datetime(2024, 12, 26, 23, 30, tzinfo=UTC)
EMPTY = track_record()
VERSION = '"model_version": "2018-12-31-0123456789ab"'


def latest(**changed: Any) -> Latest:
    """Return the view of 2024-12-27: SPY with a forecast, IWM withheld, and what is changed."""
    targets = [h["target_date"] for h in latest_view()["tickers"]["SPY"]["horizons"]]
    text = json.dumps(latest_view() | {"next_sessions": targets} | changed).replace(
        '"model_version": "made"', VERSION
    )
    return msgspec.convert(json.loads(text), Latest)


def manifest(mode: Mode = Mode.LIVE, **changed: Any) -> RunManifest:
    vintage = table_key("bars", SESSION, 0)
    run = RunManifest(
        schema_version=3,
        session=SESSION,
        part=0,
        mode=mode,
        issued_at=ISSUED,
        source="made",
        model_version="made",
        tickers={"SPY": "ok"},
        horizons=5,
        objects={vintage: "cd" * 32},
        revisions={},
        previous_key=None,
        previous=None,
    )
    return msgspec.structs.replace(run, **changed)


def past(
    n: int = 60,
    close: float = 400.0,
    low: float = 395.0,
    high: float = 405.0,
    **changed: Any,
) -> list[PastForecast]:
    """Return n past forecasts up to 2024-12-27, all of the same numbers; newest can be changed."""
    days: list[date] = weekdays(n + 1, str(SESSION)).tolist()
    rows = [
        PastForecast(
            target,
            origin,
            close,
            low,
            high,
            ISSUED - timedelta(days=1),
            Mode.LIVE,
            in_sample=False,
            surprise=False,
        )
        for origin, target in zip(days, days[1:], strict=False)
    ]
    return [*rows[:-1], msgspec.structs.replace(rows[-1], **changed)]


def sources(
    view: Latest | None = None,
    record: TrackRecord = EMPTY,
    history: Mapping[str, Sequence[PastForecast]] | None = None,
    runs: Sequence[RunManifest] | None = None,
    **others: Any,
) -> PageSources:
    """Return what a page is made of: SPY with 60 past forecasts, IWM withheld."""
    known = {"SPY": past()} if history is None else history
    parts = [manifest()] if runs is None else runs
    bars, scenarios = others.get("bars", {}), others.get("scenarios")
    return PageSources(view or latest(), record, known, bars, parts, scenarios)


def page(*args: Any, **others: Any) -> str:
    return render_page(sources(*args, **others)).decode()
