"""Answer probability: how likely a close is, the same over HTTPS and on the command line."""

from __future__ import annotations

from msgspec import UNSET

from pipeline.errors import InvalidField
from pipeline.grid import to_digits
from pipeline.scenarios.probability import PriceRange, measure_probability
from pipeline.serving.question_answers import ProbabilityAnswer
from pipeline.serving.questions import ProbabilityRequest, check_probability
from pipeline.serving.scenario_tickers import find_place
from pipeline.views.scenario_view import ScenarioView


def answer_probability(view: ScenarioView, request: ProbabilityRequest) -> ProbabilityAnswer:
    """Return how likely a close is; raises as `answer_risk` does."""
    check_probability(request)
    ticker = request.ticker.upper()
    place, horizon = find_place(view, ticker), _find_horizon(view, request)
    within, words = _read_range(request)
    target = view.cube.target_dates[horizon - 1]
    share = measure_probability(view.cube.price[:, place, :horizon], within, touch=request.touch)
    when = f"at any close until {target}" if request.touch else f"at the close of {target}"
    return ProbabilityAnswer(
        ticker=ticker,
        event=f"{ticker} {words} {when}",
        probability=share.share,
        standard_error=to_digits(share.error),
        interval_95=(to_digits(share.lower), to_digits(share.upper)),
        scenarios=len(view.cube.log_return),
        horizon=horizon,
        target_date=target,
        last_close=float(view.cube.last_close[place]),
        origin_date=view.cube.origin_date,
        source=view.source,
    )


def _find_horizon(view: ScenarioView, request: ProbabilityRequest) -> int:
    targets = view.cube.target_dates
    if request.date is not UNSET:
        if request.date not in targets:
            days = ", ".join(map(str, targets))
            raise InvalidField("#/date", f"a target of the session, {days}", str(request.date))
        return targets.index(request.date) + 1
    horizon = 0 if request.horizon is UNSET else request.horizon
    if not 1 <= horizon <= len(targets):
        raise InvalidField("#/horizon", f"1 to {len(targets)} sessions", str(horizon))
    return horizon


def _read_range(request: ProbabilityRequest) -> tuple[PriceRange, str]:
    """Return the prices that are asked for, and in words."""
    if request.below is not UNSET:
        return PriceRange(high=request.below, is_open=True), f"below {request.below:.10g}"
    if request.above is not UNSET:
        return PriceRange(low=request.above, is_open=True), f"above {request.above:.10g}"
    low, high = (0.0, 0.0) if request.between is UNSET else request.between
    return PriceRange(low, high), f"between {low:.10g} and {high:.10g}"
