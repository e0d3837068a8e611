"""What is printed of a slice of the record."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.baselines.names import ISSUED, LABELS
from pipeline.cli.console import new_table, print_line, print_whole
from pipeline.cli.footnote import Footnote
from pipeline.cli.plain import count
from pipeline.grid import format_interval, format_price
from pipeline.record.manifest import Mode
from pipeline.views.figures import CoverageShare
from pipeline.views.page.words import MODES
from pipeline.views.slice import IN_SAMPLE, Slice
from pipeline.views.slice_figures import SliceFigures, WorstMiss

POOLED = "all"
MOST_TICKERS = 400
SCORES = {"CRPS, %": "crps", "95 % score, %": "interval_score_95"}
LEARNT = "in sample, for the model had learnt what came: {n} more, --in-sample counts them"
IN_SAMPLE_NOTE = "In sample: for {n} of these the model had learnt what came; they prove nothing."


def print_slice(figures: Slice, footnote: Footnote) -> None:
    """Print coverage and scores of a slice, what is mixed in it and what was left out of it."""
    if figures.pooled is None:
        return
    pooled = figures.pooled
    print_line(
        f"{count(pooled.forecasts, 'forecast')}, {count(figures.horizon, 'session')} ahead, of "
        f"closes from {pooled.first_target} to {pooled.last_target}"
    )
    for mode in figures.modes:
        print_line(f"Mode: {MODES[mode]}", "" if mode is Mode.LIVE else "yellow")
    if figures.in_sample:
        print_line(IN_SAMPLE_NOTE.format(n=f"{figures.in_sample:,}"), "yellow")
    _print_coverage(figures, footnote)
    _print_scores(figures, footnote)
    footnote.print_below()
    print_line(f"Mean error: {100 * pooled.mean_error:+.3f} %, what came less what was predicted")
    if pooled.worst_miss:
        print_line(_describe_miss(pooled.worst_miss))
    for line in describe_left_out(figures):
        print_line(f"Left out: {line}", "yellow")


def describe_left_out(figures: Slice) -> Iterator[str]:
    """Yield what of a slice was not counted, and how to count it."""
    for name, n in figures.left_out.items():
        if name == IN_SAMPLE:
            yield LEARNT.format(n=f"{n:,}")
        else:
            yield f"mode {name}: {n:,} more, --mode {name} counts them"


def _list_rows(figures: Slice) -> Iterator[tuple[str, SliceFigures]]:
    """Yield the figures of few tickers by themselves, and then of all together."""
    if len(figures.tickers) <= MOST_TICKERS:
        yield from figures.tickers.items()
    if figures.pooled and len(figures.tickers) != 1:
        yield POOLED, figures.pooled


def _print_coverage(figures: Slice, footnote: Footnote) -> None:
    nominals = list(figures.pooled.coverage) if figures.pooled else []
    names = [f"{nominal} % covered" for nominal in nominals]
    important = [f"{nominal} % covered" for nominal in ("95", "80") if nominal in nominals]
    spare = [name for name in names if name not in important] + important[:0:-1]
    table = new_table("Ticker", numbers=("Forecasts", *names), spare=(*spare, "Forecasts"))
    for ticker, row in _list_rows(figures):
        shares = map(_format_share, row.coverage.values())
        table.add_row(footnote.mark(ticker), str(row.forecasts), *shares)
    print_whole(table)
    print_line("In brackets: where chance keeps an honest interval 19 times in 20.")
    if len(figures.tickers) > MOST_TICKERS:
        print_line(f"Of {count(len(figures.tickers), 'ticker')} together: --json has each.")


def _format_share(share: CoverageShare) -> str:
    return f"{share.coverage:.1%} [{share.lower:.1%} {share.upper:.1%}]"


def _print_scores(figures: Slice, footnote: Footnote) -> None:
    names = [name for name in ISSUED if any(name in row.against for _, row in _list_rows(figures))]
    ratios = tuple(f"/ {LABELS[name]}" for name in names)
    for title, score in SCORES.items():
        table = new_table("Ticker", numbers=(title, *ratios), spare=(*ratios[:-1], title))
        for ticker, row in _list_rows(figures):
            against = (_format_ratio(row, name, score) for name in names)
            table.add_row(footnote.mark(ticker), f"{100 * getattr(row, score):.3f}", *against)
        print_whole(table)
    print_line(
        "In per cent of the price, lower is better; / a baseline: ours over its, on the same rows."
    )


def _format_ratio(row: SliceFigures, baseline: str, score: str) -> str:
    scores = row.against.get(baseline)
    return "" if scores is None else f"{getattr(scores, score):.3f}"


def _describe_miss(miss: WorstMiss) -> str:
    return (
        f"Worst miss: {miss.ticker} closed at {format_price(miss.realised_close)} on "
        f"{miss.target_date}, {100 * miss.error:+.2f} % from the prediction of {miss.origin_date}; "
        f"its 95 % interval was {format_interval(miss.lower_95, miss.upper_95)}"
    )
