"""Questions: what is posted of risk, of a probability and of a session assumed, answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import UNSET, UnsetType

from pipeline.errors import NotPublished
from pipeline.record.keys import SCENARIOS
from pipeline.serving.answer_probability import answer_probability
from pipeline.serving.answer_risk import answer_risk
from pipeline.serving.answer_what_if import answer_what_if
from pipeline.serving.on_demand import OnDemand
from pipeline.serving.published import find_ticker
from pipeline.serving.question_answers import ProbabilityAnswer, RiskAnswer, WhatIfAnswer
from pipeline.serving.questions import parse_probability, parse_risk, parse_what_if
from pipeline.views.age import count_sessions_behind

Answer = RiskAnswer | ProbabilityAnswer | WhatIfAnswer


def answer_question(on_demand: OnDemand, path: str, body: bytes) -> bytes:
    """Return the answer to what is posted to one of the three paths, in JSON."""
    answer = ANSWERS[path](on_demand, body)
    views = on_demand.views
    behind: int | UnsetType = UNSET
    if views.now is not None:
        behind = count_sessions_behind(views.scenarios().cube.target_dates, views.now())
    aged = msgspec.structs.replace(
        answer,
        stale=UNSET if behind is UNSET else behind > 0,
        sessions_behind=behind,
        store_unavailable=UNSET if views.age(SCENARIOS) is None else True,
    )
    return msgspec.json.encode(aged)


def _answer_risk(on_demand: OnDemand, body: bytes) -> Answer:
    return answer_risk(on_demand.views.scenarios(), parse_risk(body))


def _answer_probability(on_demand: OnDemand, body: bytes) -> Answer:
    return answer_probability(on_demand.views.scenarios(), parse_probability(body))


def _answer_what_if(on_demand: OnDemand, body: bytes) -> Answer:
    asked, views = parse_what_if(body), on_demand.views
    ticker = asked.ticker.upper()
    latest, scenarios = views.latest_of(ticker), views.scenarios()
    if latest.session != scenarios.cube.origin_date:
        raise NotPublished(
            f"{SCENARIOS}: expected it of {latest.session}, got it of "
            f"{scenarios.cube.origin_date}: a run is just writing them"
        )
    published = find_ticker(latest, ticker)
    return answer_what_if(scenarios, published, on_demand.select_model(ticker), asked)


ANSWERS: Mapping[str, Callable[[OnDemand, bytes], Answer]] = {
    "/risk": _answer_risk,
    "/probability": _answer_probability,
    "/what-if": _answer_what_if,
}
