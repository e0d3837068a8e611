"""Answer risk: what a book can lose, the same over HTTPS and on the command line."""

from __future__ import annotations

from datetime import date

import numpy as np
from msgspec import UNSET

from pipeline.bars import Floats
from pipeline.errors import InvalidField, NonFiniteOutput
from pipeline.grid import to_digits
from pipeline.scenarios.risk import TAIL_LEVELS, RankedGains, measure_tail, rank_gains
from pipeline.serving.question_answers import HorizonRisk, RiskAnswer, Tail, Worst
from pipeline.serving.questions import LARGEST_LEVERAGE, SHARES, RiskRequest, read_positions
from pipeline.serving.scenario_tickers import find_place
from pipeline.views.scenario_view import ScenarioView

WORST = 5
LARGEST_GROSS = 1e100  # beyond it, squares of losses are no numbers


def answer_risk(view: ScenarioView, request: RiskRequest) -> RiskAnswer:
    """Return what a book can lose.

    Raises
    ------
    InvalidField
        For an empty book, amounts that are none, or a leverage over 1e6.
    NotFound
        When the session has no such ticker.
    NotPublished
        When a ticker has no scenarios.
    NonFiniteOutput
        When shares are worth more than numbers are good for.
    """
    positions = read_positions(request)
    places = [find_place(view, ticker) for ticker in positions]
    amounts = np.array(list(positions.values()))
    with np.errstate(over="ignore"):
        if request.value == SHARES:
            amounts = amounts * view.cube.last_close[places]
        gross = float(np.abs(amounts).sum())
    if gross > LARGEST_GROSS:
        raise NonFiniteOutput(f"expected a book of at most {LARGEST_GROSS:g}, got {gross:g}")
    _check_leverage(request, gross)
    tickers = tuple(positions)
    returns = view.cube.log_return[:, places]
    return RiskAnswer(
        origin_date=view.cube.origin_date,
        source=view.source,
        value=request.value,
        positions=_by_ticker(tickers, amounts),
        gross=to_digits(gross),
        net=to_digits(float(amounts.sum())),
        scenarios=len(returns),
        independent=tuple(ticker for ticker in view.independent if ticker in positions),
        horizons=tuple(
            _measure_horizon(tickers, amounts, returns[:, :, at], at + 1, target)
            for at, target in enumerate(view.cube.target_dates)
        ),
        leverage=UNSET if request.capital is UNSET else to_digits(gross / request.capital),
    )


def _check_leverage(request: RiskRequest, gross: float) -> None:
    if request.capital is not UNSET and gross > LARGEST_LEVERAGE * request.capital:
        least = gross / LARGEST_LEVERAGE
        raise InvalidField(
            "#/capital",
            f"{least:g} or more, a gross value of {gross:g} being at most 1e6 times it",
            f"{request.capital:g}",
        )


def _measure_horizon(
    tickers: tuple[str, ...], amounts: Floats, returns: np.ndarray, horizon: int, target: date
) -> HorizonRisk:
    ranked = rank_gains(returns, amounts)
    worst = ranked.scenarios[:WORST]
    return HorizonRisk(
        horizon=horizon,
        target_date=target,
        mean=to_digits(float(ranked.of_book.mean())),
        range_90=(to_digits(ranked.quantile(0.05)), to_digits(ranked.quantile(0.95))),
        tails={f"{100 * level:g}": _build_tail(tickers, ranked, level) for level in TAIL_LEVELS},
        worst=tuple(
            Worst(number, to_digits(gain), _by_ticker(tickers, np.expm1(returns[number])))
            for number, gain in zip(worst.tolist(), ranked.of_book[:WORST].tolist(), strict=True)
        ),
    )


def _build_tail(tickers: tuple[str, ...], ranked: RankedGains, level: float) -> Tail:
    tail = measure_tail(ranked, level)
    return Tail(
        var=tail.var,
        var_error=to_digits(tail.var_error),
        es=tail.es,
        es_error=to_digits(tail.es_error),
        # As they are: they would not add up if they were rounded.
        var_contributions=dict(zip(tickers, tail.var_shares.tolist(), strict=True)),
        es_contributions=dict(zip(tickers, tail.es_shares.tolist(), strict=True)),
    )


def _by_ticker(tickers: tuple[str, ...], values: Floats) -> dict[str, float]:
    return {t: to_digits(value) for t, value in zip(tickers, values.tolist(), strict=True)}
