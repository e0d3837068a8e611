"""What `forecaster check` prints for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from pipeline.cli.console import new_table, print_line, print_source, print_whole
from pipeline.cli.plain import PlainTable
from pipeline.forecasting.adjustment_check import Adjustment
from pipeline.jobs.bar_findings import Findings
from pipeline.jobs.check_bars import OK, PLAIN, CheckedBars, CheckedTicker

MOST_ROWS = 20  # files shown one by one; of more, those that cannot be used
SHOWN_DAYS, SHOWN_TICKERS = 3, 6
SEEN: Mapping[str, str] = {
    "missing": "sessions without a bar",
    "unexpected": "bars on days without a session",
    "holes": "bars with a price missing",
    "jumps": "jumps like an unadjusted split",
    "suspicious": "suspicious ticks",
    "frozen": "prices or volume standing still",
    "flat": "bars of one price",
    "idle": "bars without volume",
    "dividends": "dividends",
}


def print_checked(checked: CheckedBars) -> None:
    """Print a row for each file, or for those of many that cannot be used, and what is in them."""
    print_source(checked.source)
    few = len(checked.tickers) <= MOST_ROWS
    shown = checked.tickers if few else dict([*checked.unusable.items()][:MOST_ROWS])
    if shown:
        print_whole(_tabulate(shown))
    _print_texts("Read as", _group({t: [_name_dialect(c)] for t, c in checked.tickers.items()}))
    found = {t: [*_describe(c, brief=not few)] for t, c in checked.tickers.items()}
    _print_texts("What is in them", _group(found))
    failures = {t: [str(c.failure).removeprefix(f"{t}: ")] for t, c in shown.items() if c.failure}
    _print_texts("Not usable", _group(failures))
    usable = len(checked.tickers) - len(checked.unusable)
    stale = sum(1 for c in checked.tickers.values() if c.today and not c.failure)
    print_line(f"{usable} of {len(checked.tickers)} usable from their last bar")
    if stale:
        print_line(
            f"{stale} of these not from {checked.session}, the last session: `run --as-of DATE` "
            "goes back to their last bar, `backfill` over the past"
        )


def _tabulate(shown: Mapping[str, CheckedTicker]) -> PlainTable:
    table = new_table("Ticker", "First", "Last", "A run from there", "Today", numbers=("Bars",))
    for ticker, each in shown.items():
        days, count = ("-", "-"), 0
        if each.bars is not None and (count := len(each.bars)):
            days = (str(each.bars.session.min()), str(each.bars.session.max()))
        table.add_row(ticker, *days, _name(each.failure), _name(each.today), str(count))
    return table


def _name(failure: object) -> str:
    return OK if failure is None else str(getattr(failure, "reason", failure))


def _name_dialect(each: CheckedTicker) -> str:
    return "" if each.bars is None else each.dialect or PLAIN


def _describe(each: CheckedTicker, *, brief: bool) -> Iterator[str]:
    """Yield what was found in a ticker's bars, a sentence each; in brief without days."""
    findings = each.findings
    if findings is None:
        return
    for name, words in SEEN.items():
        if days := getattr(findings, name):
            yield words if brief else f"{len(days)} {words}: {_list_days(days)}"
    if findings.splits and brief:
        yield "splits"
    elif findings.splits:
        splits = ", ".join(f"{ratio:g} for 1 on {day}" for day, ratio in findings.splits)
        yield f"splits: {splits}"
    yield _describe_adjustment(findings)


def _describe_adjustment(findings: Findings) -> str:
    if findings.adjusted is Adjustment.NO:
        return "not adjusted for dividends"
    if findings.adjusted is Adjustment.NOT_TO_BE_SEEN:
        return "whether adjusted for dividends is not to be seen"
    some = "some prices are" if findings.adjusted is Adjustment.IN_PART else "prices look"
    return f"{some} adjusted for dividends; expected closes adjusted for splits alone"


def _list_days(days: Sequence[date]) -> str:
    before = "..., " if len(days) > SHOWN_DAYS else ""
    return before + ", ".join(map(str, days[-SHOWN_DAYS:]))


def _group(texts: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return each text with the tickers of which it is true."""
    groups: dict[str, list[str]] = {}
    for ticker, of_ticker in texts.items():
        for text in filter(None, of_ticker):
            groups.setdefault(text, []).append(ticker)
    return groups


def _print_texts(title: str, groups: Mapping[str, Sequence[str]]) -> None:
    if not groups:
        return
    table = PlainTable()
    table.add_names(["Ticker"], no_wrap=True)
    table.add_names([title])
    for text, tickers in groups.items():
        more = [f"and {len(tickers) - SHOWN_TICKERS} more"] if len(tickers) > SHOWN_TICKERS else []
        table.add_row([*tickers[:SHOWN_TICKERS], *more], text)
    print_whole(table)
