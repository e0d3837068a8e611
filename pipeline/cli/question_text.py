"""What is printed of risk, of a probability and of a session assumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.cli.console import FEW, new_table, print_line, print_lines, print_whole
from pipeline.cli.plain import count
from pipeline.record.independent import INDEPENDENT
from pipeline.record.notes import Note, NoteCode
from pipeline.serving.question_answers import (
    HorizonRisk,
    ProbabilityAnswer,
    RiskAnswer,
    WhatIfAnswer,
)
from pipeline.views.documents import HorizonForecast

LEVELS = ("95", "97.5", "99")
MOST_COLUMNS = 6  # tickers whose returns stand beside a scenario


def print_risk(answer: RiskAnswer, horizon: int) -> None:
    """Print what a book can lose, and of one horizon what each ticker adds and the worst."""
    leverage = "" if not answer.leverage else f", {answer.leverage:.2f} times its capital"
    print_line(
        f"Book at the close of {answer.origin_date}: gross {_money(answer.gross)}, net "
        f"{_money(answer.net)}{leverage}; {count(answer.scenarios, 'scenario')}"
    )
    if answer.independent:
        print_line(Note(NoteCode.INDEPENDENT, INDEPENDENT, answer.independent).text, "yellow")
    _print_tails("VaR", answer.horizons)
    _print_tails("ES", answer.horizons)
    shown = answer.horizons[horizon - 1]
    print_line(f"What each ticker adds until {shown.target_date}:")
    _print_shares(shown, answer.positions)
    print_line(f"The worst scenarios until {shown.target_date}:")
    _print_worst(shown)
    beyond = round(answer.scenarios * 0.01)
    print_line(
        f"± is one standard error: of {answer.scenarios:,} scenarios, {beyond} lie beyond 99 %. "
        "Closes only; a loss is positive in VaR and ES."
    )


def print_probability(answer: ProbabilityAnswer) -> None:
    """Print a probability with its sampling error."""
    low, high = (_share(limit) for limit in answer.interval_95)
    print_lines(
        f"{answer.event}: {_share(answer.probability)}",
        f"Sampling error of {count(answer.scenarios, 'scenario')}: 95 % within {low} to {high}",
        f"Last close {answer.last_close:.2f} on {answer.origin_date}. {answer.note}",
    )


def print_what_if(answer: WhatIfAnswer) -> None:
    """Print a hypothetical forecast beside the published one."""
    bar = answer.assumed
    print_line("HYPOTHETICAL, never on the record", "bold yellow")
    print_lines(
        f"{answer.ticker}, assumed {bar.session}: open {bar.open:.2f}, high {bar.high:.2f}, low "
        f"{bar.low:.2f}, close {bar.close:.2f}; the VIX as it is",
        f"Range {_share(bar.range)} of the last close, {bar.range_is}",
    )
    numbers = ("Horizon", "Prediction", "95 % interval", "Width, %")
    table = new_table("Forecast", "Target date", numbers=numbers, spare=("Prediction",))
    for name, horizons, close in (
        ("published", answer.published, answer.last_close),
        ("hypothetical", answer.horizons, bar.close),
    ):
        table.add_section()
        for horizon in horizons:
            table.add_row(name, *_list_cells(horizon, close))
    print_whole(table)
    if answer.width_ratio:
        percent = 100 * (answer.width_ratio - 1)
        word = "wider" if percent >= 0 else "narrower"
        print_line(
            f"The next session's 95 % interval would be {abs(percent):.1f} % {word} than the one "
            "published."
        )


def _print_tails(name: str, horizons: Sequence[HorizonRisk]) -> None:
    numbers = ("Mean", "90 % range") if name == "VaR" else ()
    names = (f"{name} {level} %" for level in LEVELS)
    table = new_table("Target date", numbers=(*numbers, *names), spare=numbers)
    for each in horizons:
        tails = [each.tails[level] for level in LEVELS]
        if name == "VaR":
            low, high = each.range_90
            shown = [_money(each.mean), f"{_money(low)} to {_money(high)}"]
            shown += [f"{_money(tail.var)} ± {_money(tail.var_error)}" for tail in tails]
        else:
            shown = [f"{_money(tail.es)} ± {_money(tail.es_error)}" for tail in tails]
        table.add_row(str(each.target_date), *shown)
    print_whole(table)


def _print_shares(horizon: HorizonRisk, positions: Mapping[str, float]) -> None:
    numbers = ("Value", *(f"{kind} {level} %" for kind in ("VaR", "ES") for level in LEVELS))
    table = new_table("Ticker", numbers=numbers, spare=("VaR 97.5 %", "ES 95 %", "ES 99 %"))
    columns = [horizon.tails[level].var_contributions for level in LEVELS]
    columns += [horizon.tails[level].es_contributions for level in LEVELS]
    for ticker, value in list(positions.items())[:FEW]:
        table.add_row(ticker, _money(value), *(_money(column[ticker]) for column in columns))
    table.add_section()
    sums = (_money(sum(column.values())) for column in columns)
    table.add_row("all", _money(sum(positions.values())), *sums)
    print_whole(table)
    if len(positions) > FEW:
        print_line(f"These are {FEW} of {len(positions):,} tickers; --json has them all.", "yellow")


def _print_worst(horizon: HorizonRisk) -> None:
    names = list(horizon.worst[0].returns)[:MOST_COLUMNS]
    table = new_table("Scenario", numbers=("Gain", *names), spare=names[::-1])
    for each in horizon.worst:
        returns = (f"{100 * each.returns[name]:+.2f} %" for name in names)
        table.add_row(str(each.scenario), _money(each.gain), *returns)
    print_whole(table)


def _list_cells(horizon: HorizonForecast, close: float) -> list[str]:
    low, high = horizon.intervals["95"]
    return [
        str(horizon.target_date) if horizon.target_date else "not known yet",
        str(horizon.horizon),
        f"{horizon.prediction:.2f}",
        f"{low:.2f} to {high:.2f}",
        f"{100 * (high - low) / close:.2f}",
    ]


def _money(amount: float) -> str:
    return f"{amount:,.0f}" if abs(amount) >= 1000 else f"{amount:,.2f}"


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"
