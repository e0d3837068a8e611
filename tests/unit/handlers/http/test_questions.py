"""POST /risk, /probability, /what-if: what is answered, and what is refused with what would do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from handlers.http.messages import Request
from handlers.http.responses import to_problem_response
from handlers.http.routes import Service
from pipeline.errors import ForecasterError
from pipeline.forecasting.model import Model
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.on_demand import OnDemand
from tests.support.builders import latest_view, url_event
from tests.support.fakes import MemoryObjects
from tests.support.openapi import DOCUMENT, assert_documented
from tests.support.scenarios import TARGETS, cube, view

GAINS = [[1.1] * 11] * 5
STORED = {
    "latest.json": json.dumps(latest_view(GAINS)).encode(),
    "scenarios.bin": view(absent={"DIA": "withheld:stale", "EEM": "ok"}).encode(),
}
NOW = datetime(2024, 12, 29, tzinfo=UTC)


def post(
    model: Model, path: str, body: Any, stored: Mapping[str, bytes] = STORED, now: datetime = NOW
) -> tuple[int, Any]:
    """Return status and answer, which the document must know."""
    views = CachedViews(MemoryObjects(stored).read, lambda: 0.0, now=lambda: now)
    try:
        response = Service(OnDemand(model, views), None).answer(
            Request.of(url_event("POST", path, body))
        )
    except ForecasterError as exc:
        response = to_problem_response(exc)[0]
    answer = response.event()
    return answer["statusCode"], assert_documented(answer, DOCUMENT["paths"][path]["post"])


def test_the_risk_of_a_book_is_that_of_its_scenarios(model: Model) -> None:
    status, said = post(model, "/risk", {"positions": {"spy": 10000, "IWM": -5000, "QQQ": 0}})
    assert status == 200
    assert said["positions"] == {"SPY": 10000, "IWM": -5000}
    assert (said["gross"], said["net"], said["scenarios"]) == (15000, 5000, 1000)
    assert (said["stale"], said["sessions_behind"]) == (False, 0)
    returns = np.expm1(cube().log_return.astype(float))
    for at, horizon in enumerate(said["horizons"]):
        gains = 10000 * returns[:, 2, at] - 5000 * returns[:, 0, at]
        assert horizon["target_date"] == str(TARGETS[at])
        assert horizon["mean"] == pytest.approx(gains.mean())
        assert horizon["range_90"] == pytest.approx(np.quantile(gains, [0.05, 0.95]).tolist())
        assert horizon["tails"].keys() == {"95", "97.5", "99"}
        for level, tail in horizon["tails"].items():
            assert tail["var"] == pytest.approx(np.quantile(-gains, float(level) / 100))
            for name in ("var", "es"):
                added = sum(tail[f"{name}_contributions"].values())
                assert added == pytest.approx(tail[name], rel=1e-12)
        assert [each["gain"] for each in horizon["worst"]] == pytest.approx(np.sort(gains)[:5])
        worst = horizon["worst"][0]
        assert worst["returns"]["SPY"] == pytest.approx(returns[worst["scenario"], 2, at])


@pytest.mark.parametrize(("book", "named"), [("QQQ", ["QQQ"]), ("IWM", [])])
def test_tickers_drawn_apart_are_named_with_the_risk(
    model: Model, book: str, named: list[str]
) -> None:
    stored = {**STORED, "scenarios.bin": view(independent=("QQQ",)).encode()}
    status, said = post(model, "/risk", {"positions": {"SPY": 1, book: 1}}, stored)
    assert (status, said["independent"]) == (200, named)


def test_shares_are_worth_the_last_close_and_leverage_is_gross_over_capital(model: Model) -> None:
    asked = {"positions": {"SPY": 10, "IWM": -5}, "value": "shares", "capital": 700}
    said = post(model, "/risk", asked)[1]
    assert said["positions"] == {"SPY": 3000, "IWM": -500}
    assert said["leverage"] == 5
    worth = post(model, "/risk", {"positions": {"SPY": 3000, "IWM": -500}})[1]
    assert said["horizons"] == worth["horizons"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"below": 295, "horizon": 4}, "SPY below 295 at the close of 2025-01-03"),
        ({"above": 305.5, "date": "2025-01-03"}, "SPY above 305.5 at the close of 2025-01-03"),
        (
            {"between": [295, 305], "horizon": 2, "touch": True},
            "SPY between 295 and 305 at any close until 2024-12-31",
        ),
    ],
)
def test_a_probability_is_a_share_of_the_closes(model: Model, asked: Any, words: str) -> None:
    status, said = post(model, "/probability", {"ticker": "spy", **asked})
    assert (status, said["event"]) == (200, words)
    prices = cube().price[:, 2, : said["horizon"]]
    inside = {
        "below": lambda p: p < 295,
        "above": lambda p: p > 305.5,
        "between": lambda p: (p >= 295) & (p <= 305),
    }[next(name for name in asked if name in ("below", "above", "between"))](prices)
    inside = inside.any(axis=1) if asked.get("touch") else inside[:, -1]
    assert said["probability"] == inside.mean()
    assert said["interval_95"][0] < inside.mean() < said["interval_95"][1]
    assert said["note"].startswith("Closes only")


def test_a_session_assumed_is_marked_and_stands_beside_what_is_published(model: Model) -> None:
    status, said = post(model, "/what-if", {"ticker": "SPY", "return": -0.03, "range": 0.04})
    assert (status, said["hypothetical"]) == (200, True)
    bar = said["assumed"]
    assert (bar["session"], bar["range_is"]) == ("2024-12-30", "given")
    assert bar["close"] == pytest.approx(0.97 * bar["open"])
    assert said["published"][0]["prediction"] == 400
    targets = [each.get("target_date") for each in said["horizons"]]
    assert targets == [*map(str, TARGETS[1:]), None]
    assert said["horizons"][0]["prediction"] == pytest.approx(bar["close"], rel=0.01)
    typical = post(model, "/what-if", {"ticker": "SPY", "return": -0.03})[1]["assumed"]
    assert typical["range_is"].startswith("typical")
    assert typical["range"] > 0.03


FAR = {f"T{k:04}": 1 for k in range(5001)}
REFUSED = [
    ("/risk", {"positions": {}}, 422, "#/positions", "length >= 1"),
    ("/risk", {"positions": {"SPY": 0}}, 422, "#/positions", "not 0"),
    ("/risk", {"positions": FAR}, 422, "#/positions", "length <= 5000"),
    ("/risk", {"positions": {"SPY": 1e16}}, 422, "#/positions/SPY", "from -1e+15 to 1e+15"),
    ("/risk", {"positions": {"SPY": 10**400}}, 422, "#/positions/SPY", "from -1e+15 to 1e+15"),
    ("/risk", {"positions": {"SPY": True}}, 422, "#/positions/SPY", "a number"),
    ("/risk", {"positions": {"SPY": "1"}}, 422, "#/positions/SPY", "a number"),
    ("/risk", {"positions": {"SPY": 1, "spy": 2}}, 422, "#/positions/spy", "once"),
    ("/risk", {"positions": {"S P": 1}}, 422, "#/positions/S%20P", "a ticker"),
    ("/risk", {"positions": {"SPY": 1}, "value": "eur"}, 422, "#/value", "usd"),
    ("/risk", {"positions": {"SPY": 1}, "capital": 0}, 422, "#/capital", "> 0"),
    ("/risk", {"positions": {"SPY": 2e6}, "capital": 1}, 422, "#/capital", "2 or more"),
    ("/risk", {"positions": {"SPY": 1}, "x": 1}, 422, "#/x", "positions, value and capital"),
    ("/risk", '{"positions": {"SPY": NaN}}', 422, "#/positions/SPY", "finite"),
    ("/risk", {"positions": {"XYZ": 1}}, 404, None, "one of DIA, EEM, IWM, QQQ, SPY"),
    ("/risk", {"positions": {"DIA": 1}}, 503, None, "withheld:stale; IWM, QQQ, SPY can be asked"),
    ("/risk", {"positions": {"EEM": 1}}, 503, None, "the next run draws some"),
    ("/risk", "", 400, None, "a JSON body"),
    ("/probability", {"ticker": "SPY", "below": 1}, 422, "#", "one of horizon, date"),
    ("/probability", {"ticker": "SPY", "horizon": 1}, 422, "#", "one of below, above, between"),
    (
        "/probability", {"ticker": "SPY", "below": 1, "above": 2, "horizon": 1},
        422, "#", "got below, above",
    ),
    ("/probability", {"ticker": "SPY", "below": 1, "horizon": 6}, 422, "#/horizon", "1 to 5"),
    ("/probability", {"ticker": "SPY", "below": 1, "horizon": 0}, 422, "#/horizon", ">= 1"),
    (
        "/probability", {"ticker": "SPY", "below": 1, "date": "2025-01-01"},
        422, "#/date", "2024-12-30, 2024-12-31, 2025-01-02",
    ),
    (
        "/probability", {"ticker": "SPY", "between": [2, 1], "horizon": 1},
        422, "#/between", "lower price first",
    ),
    ("/probability", {"ticker": "SPY", "below": -1, "horizon": 1}, 422, "#/below", ">= 1e-06"),
    ("/probability", {"ticker": "XYZ", "below": 1, "horizon": 1}, 404, None, "got XYZ"),
    ("/probability", {"ticker": "DIA", "below": 1, "horizon": 1}, 503, None, "withheld:stale"),
    ("/what-if", {"ticker": "SPY"}, 422, "#/return", "this field"),
    ("/what-if", {"ticker": "SPY", "return": -1}, 422, "#/return", ">= -0.9"),
    ("/what-if", {"ticker": "SPY", "return": -0.03, "range": 0.02}, 422, "#/range", "0.03"),
    ("/what-if", {"ticker": "SPY", "return": -0.9, "range": 2}, 422, "#/range", "less than 1.1"),
    ("/what-if", {"ticker": "XYZ", "return": 0}, 404, None, "got XYZ"),
    ("/what-if", {"ticker": "IWM", "return": 0}, 503, None, "withheld:stale"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "status", "pointer", "words"), REFUSED)
def test_what_cannot_be_answered_says_what_would_do(
    model: Model, path: str, body: Any, status: int, pointer: str | None, words: str
) -> None:
    received, said = post(model, path, body)
    assert (received, [each["pointer"] for each in said.get("errors", ())]) == (
        status,
        [] if pointer is None else [pointer],
    )
    assert words in said["detail"]


ASKED = {
    "/risk": {"positions": {"SPY": 1}},
    "/probability": {"ticker": "SPY", "below": 1, "horizon": 1},
    "/what-if": {"ticker": "SPY", "return": 0},
}


@pytest.mark.parametrize("path", ASKED)
def test_before_the_first_run_and_of_a_damaged_view_it_is_asked_again(
    model: Model, path: str
) -> None:
    only = {"latest.json": STORED["latest.json"]}
    status, said = post(model, path, ASKED[path], only)
    assert (status, said["code"]) == (503, "not_published")
    damaged = {**STORED, "scenarios.bin": STORED["scenarios.bin"][:-1]}
    status, said = post(model, path, ASKED[path], damaged)
    assert (status, said["code"]) == (503, "store_unavailable")


@pytest.mark.parametrize("path", ["/risk", "/probability"])
def test_a_session_without_scenarios_says_so(model: Model, path: str) -> None:
    none = cube((), last_close=np.zeros(0), log_return=np.zeros((0, 0, 5), np.float32))
    empty = {**STORED, "scenarios.bin": view(none, {"SPY": "ok"}, bars={}).encode()}
    status, said = post(model, path, ASKED[path], empty)
    assert (status, said["code"]) == (503, "not_published")
    assert "no ticker can be asked for" in said["detail"]


def test_views_of_two_sessions_are_not_mixed(model: Model) -> None:
    other = latest_view(GAINS) | {"session": "2024-12-26"}
    stored = {**STORED, "latest.json": json.dumps(other).encode()}
    status, said = post(model, "/what-if", ASKED["/what-if"], stored)
    assert (status, said["code"]) == (503, "not_published")


def test_an_answer_says_how_old_the_scenarios_are(model: Model) -> None:
    later = datetime(2025, 1, 1, 4, tzinfo=UTC)
    for path, asked in ASKED.items():
        said = post(model, path, asked, now=later)[1]
        assert (said["stale"], said["sessions_behind"]) == (True, 2)


def test_a_forecast_does_not_load_what_answers_of_risk() -> None:
    code = "import sys, handlers.http.routes; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    ours = {name for name in done.stdout.split() if name.startswith(("pipeline", "handlers"))}
    assert "handlers.http.questions" not in ours
    assert not [name for name in ours if "scenario" in name or "question" in name]
