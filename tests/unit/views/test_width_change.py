"""Why an interval is wider, in latest.json: the numbers that everybody says, or none at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import expm1
from typing import Any

import msgspec
import numpy as np
import pytest

from handlers.http.messages import Request
from handlers.http.routes import Service
from pipeline.encoding import sha256, to_json
from pipeline.forecasting.attribution import CAUSES, GROUPS
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.model import Model
from pipeline.jobs.explain import explain
from pipeline.record.keys import LATEST, calibration_key, manifest_key, table_key
from pipeline.record.manifest import read_manifests
from pipeline.record.repairs import Loss, accept_loss
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.on_demand import OnDemand
from pipeline.views import closes, width_change
from pipeline.views.documents import Latest, WidthChange
from pipeline.views.refresh import refresh_views
from pipeline.views.width_words import CAUSE_WORDS, describe_width_change, share_out
from tests.support.builders import url_event
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    LONG_AFTER,
    SESSIONS,
    TABLES,
    TICKERS,
    backfilled,
    market,
    run_day,
    run_days,
    table,
)

SPAN = SESSIONS[-4:]
BEFORE, NOW = SPAN[-2:]


def latest(store: MemoryObjects) -> Latest:
    return CachedViews(store.read, lambda: 0.0).latest()


def changes(store: MemoryObjects) -> dict[str, WidthChange]:
    tickers = latest(store).tickers.items()
    return {ticker: said.width_change for ticker, said in tickers if said.width_change}


def log_width(store: MemoryObjects, ticker: str, session: object) -> float:
    """The log width of the log return's 95 % interval, from the prices in the table."""
    rows = table(store, "forecasts")
    of_ticker = (rows["ticker"] == ticker) & (rows["horizon"] == 1)
    (row,) = np.flatnonzero(of_ticker & (rows["origin_date"] == np.datetime64(str(session))))
    return float(np.log(np.log(rows["upper_95"][row] / rows["lower_95"][row])))


def test_the_causes_add_up_to_the_change_of_what_was_published(model: Model) -> None:
    store = run_days(model, SPAN)
    assert set(changes(store)) == set(TICKERS)
    for ticker, change in changes(store).items():
        assert (change.before, tuple(change.causes)) == (BEFORE, CAUSES)
        assert sum(change.causes.values()) == pytest.approx(change.change, abs=1e-9)
        expected = log_width(store, ticker, NOW) - log_width(store, ticker, BEFORE)
        # Published prices have nine digits.
        assert change.change == pytest.approx(expected, abs=1e-6)
        assert change.causes["calibration"] != 0


def asked(model: Model, store: MemoryObjects, path: str) -> Any:
    """Return what the HTTPS function answers to GET."""
    service = Service(OnDemand(model, CachedViews(store.read, lambda: 0.0)), None)
    answer = service.answer(Request.of(url_event("GET", path))).event()
    assert answer["statusCode"] == 200
    return msgspec.json.decode(answer["body"])


def said_of(change: WidthChange) -> Any:
    return msgspec.to_builtins(change)


@pytest.mark.parametrize("ticker", TICKERS)
def test_the_page_the_answer_and_the_command_say_the_numbers_of_latest_json(
    model: Model, ticker: str
) -> None:
    store = run_days(model, SPAN)
    change = changes(store)[ticker]
    assert explain(store, TABLES, ticker).width_change == change
    assert asked(model, store, f"/forecasts/{ticker}")["width_change"] == said_of(change)
    of_all = asked(model, store, "/forecasts")["tickers"]
    assert of_all[ticker]["width_change"] == said_of(change)
    text = store.objects["index.html"].decode()
    tile = text[text.index(f"<h3>{ticker} ") :].partition("</article>")[0]
    said = re.sub(r"</?time>", "", tile.split('<p class="faint">')[-1].partition("</p>")[0])
    how, why = describe_width_change(change)
    assert why is not None
    assert said.endswith(f"{how}: {why}.")
    points = dict(re.findall(r"([A-Za-z][A-Za-z ]+) ([+−]\d+)", why))
    shares = share_out(change)[1]
    assert {CAUSE_WORDS[c]: p for c, p in shares.items() if abs(p) >= 0.5} == {
        cause: pytest.approx(int(number.replace("−", "-")), abs=0.5)
        for cause, number in points.items()
    }


def test_a_backfill_says_of_its_last_session_what_daily_runs_would_have_said(model: Model) -> None:
    assert changes(backfilled(model, SPAN[0], SPAN[-1])) == changes(run_days(model, SPAN))


def test_what_a_later_part_publishes_is_compared_too(model: Model) -> None:
    store = run_days(model, SPAN[:3])
    run_day(model, store, NOW, {"QQQ": market()["QQQ"]})
    assert set(changes(store)) == {"QQQ"}
    run_day(model, store, NOW, market())
    assert changes(store) == changes(run_days(model, SPAN))


@pytest.mark.parametrize(("withheld", "known"), [(4, True), (5, False)])
def test_the_one_before_is_looked_for_in_five_sessions(
    model: Model, withheld: int, known: bool
) -> None:
    days = SESSIONS[-withheld - 2 :]
    store = run_days(model, days[:1], store=MemoryObjects())
    run_days(model, days[1:-1], bars={"QQQ": market()["QQQ"]}, store=store)
    run_day(model, store, days[-1], market())
    assert ("SPY" in changes(store)) is known
    assert changes(store)["QQQ"].before == days[-2]
    # Who asks for it alone may wait for a longer search.
    change = explain(store, TABLES, "SPY").width_change
    assert change.before == days[0]
    assert changes(store).get("SPY", change) == change


def test_a_first_forecast_has_none(model: Model) -> None:
    assert changes(run_days(model, SPAN[:1])) == {}
    store = run_days(model, SPAN[:3], bars={"QQQ": market()["QQQ"]}, store=MemoryObjects())
    run_day(model, store, NOW, market())
    assert set(changes(store)) == {"QQQ"}


def test_after_another_model_there_is_none(model: Model) -> None:
    version = f"{SESSIONS[-20]}-{model.manifest.model_version[-12:]}"
    training = msgspec.structs.replace(model.manifest.training, last_session=SESSIONS[-20])
    manifest = msgspec.structs.replace(model.manifest, model_version=version, training=training)
    other = Model(ModelBundle(manifest, model.bundle.onnx))
    store = run_days(model, SPAN[:2])
    run_day(other, store, BEFORE, market())
    assert changes(store) == {}
    run_day(other, store, NOW, market())
    assert set(changes(store)) == set(TICKERS)
    assert "% wider" in page_of(store) or "% narrower" in page_of(store)


def page_of(store: MemoryObjects) -> str:
    return store.objects["index.html"].decode()


def test_of_many_tickers_nothing_more_is_read(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = run_days(model, SPAN)
    reads: list[str] = []
    read = store.read
    monkeypatch.setattr(store, "read", lambda key: reads.append(key) or read(key))
    monkeypatch.setattr(closes, "MOST_TICKERS", 2)
    refresh_views(store, TABLES)
    assert set(changes(store)) == set(TICKERS)
    assert table_key("bars", BEFORE, 0) in reads
    monkeypatch.setattr(closes, "MOST_TICKERS", 1)
    reads.clear()
    refresh_views(store, TABLES)
    assert changes(store) == {}
    assert table_key("bars", BEFORE, 0) not in reads
    assert not [key for key in reads if key.startswith("bundles/")]


def bundle_key(store: MemoryObjects, name: str) -> str:
    return next(key for key in store.objects if re.fullmatch(f"bundles/.*{name}", key))


DAMAGED: dict[str, Callable[[MemoryObjects], str]] = {
    "vintage before": lambda store: table_key("bars", BEFORE, 0),
    "vintage now": lambda store: table_key("bars", NOW, 0),
    "state before": lambda store: calibration_key(BEFORE, 0),
    "manifest before": lambda store: manifest_key(BEFORE, 0),
    "model": lambda store: bundle_key(store, "onnx"),
    "bundle's manifest": lambda store: bundle_key(store, "json"),
}


@pytest.mark.parametrize("how", ["missing", "changed"])
@pytest.mark.parametrize("what", DAMAGED)
def test_what_is_damaged_leaves_it_out_and_nothing_else(model: Model, what: str, how: str) -> None:
    store = run_days(model, SPAN)
    whole, key = dict(store.objects), DAMAGED[what](store)
    if how == "missing":
        del store.objects[key]
    else:
        store.objects[key] = b"{}"
    refresh_views(store, TABLES)
    assert changes(store) == {}
    said = msgspec.json.decode(store.objects[LATEST])
    expected = msgspec.json.decode(whole[LATEST])
    for of_ticker in expected["tickers"].values():
        del of_ticker["width_change"]
    assert said == expected
    store.objects[key] = whole[key]
    refresh_views(store, TABLES)
    assert store.objects == whole


@pytest.mark.parametrize("what", ["vintage before", "model"])
def test_what_is_lost_leaves_it_out_and_the_next_run_goes_on(model: Model, what: str) -> None:
    store = run_days(model, SPAN[:-1])
    key = table_key("bars", BEFORE, 0) if what == "vintage before" else bundle_key(store, "onnx")
    accept_loss(store, Loss(key, sha256(store.objects.pop(key)), LONG_AFTER))
    run_day(model, store, NOW, market())
    assert read_manifests(store, NOW)[-1].published == set(TICKERS)
    assert changes(store) == {}
    written = dict(store.objects)
    refresh_views(store, TABLES)
    assert store.objects == written


def test_bars_that_nobody_can_forecast_from_leave_out_their_ticker_alone(model: Model) -> None:
    """A vintage that no run wrote, under a newest manifest that names it."""
    store, key = run_days(model, SPAN), table_key("bars", NOW, 0)
    columns, metadata = TABLES.decode("bars", store.objects[key])
    opens = columns["open"].copy()
    opens[np.flatnonzero(columns["ticker"] == "SPY")[-1]] = np.nan
    store.objects[key] = TABLES.encode("bars", {**columns, "open": opens}, metadata)
    head = read_manifests(store, NOW)[0]
    objects = {**head.objects, key: sha256(store.objects[key])}
    store.objects[head.key] = to_json(msgspec.structs.replace(head, objects=objects))
    refresh_views(store, TABLES)
    assert set(changes(store)) == {"QQQ"}


def test_an_answer_of_the_model_that_has_no_width_leaves_it_out(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = run_days(model, SPAN)
    monkeypatch.setattr(
        width_change, "attribute_width", lambda *_: np.full((1, len(CAUSES)), np.nan)
    )
    refresh_views(store, TABLES)
    assert changes(store) == {}


def test_every_cause_has_words_and_points_add_up_to_the_percentage() -> None:
    assert set(CAUSE_WORDS) == {*GROUPS, "calibration"}
    causes = {"vix": -0.5, "week": 0.02, "last_session": 0.1}
    percent, points = share_out(WidthChange(NOW, sum(causes.values()), causes))
    assert percent == pytest.approx(100 * expm1(-0.38))
    assert sum(points.values()) == pytest.approx(percent)
    assert list(points) == ["vix", "last_session", "week"]
    assert share_out(WidthChange(NOW, 0.0, {"vix": 0.1, "week": -0.1}))[1]["vix"] == 10.0


@pytest.mark.parametrize(
    ("causes", "how", "why"),
    [
        (
            {"vix": 0.0385, "last_session": 0.09, "calibration": -0.0135, "week": 0.002},
            "12 % wider than the one from 2024-12-31",
            "range and returns of the last session +10, VIX +4, calibration −1 points",
        ),
        ({"week": -0.22}, "20 % narrower than the one from 2024-12-31",
         "volatility of the week −20 points"),
        ({"vix": 0.04, "falls": -0.04}, "As wide as the one from 2024-12-31",
         "VIX +4, falls and drawdown −4 points"),
        ({"vix": 0.001}, "As wide as the one from 2024-12-31", None),
    ],
)  # fmt: skip
def test_a_change_in_words(causes: dict[str, float], how: str, why: str | None) -> None:
    change = WidthChange(SESSIONS[-1], sum(causes.values()), causes)
    assert describe_width_change(change) == (how, why)
