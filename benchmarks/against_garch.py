"""The shipped method, trained before 2019 and left alone, beside GARCH(1,1)-t on 2019-2024.

Horizon 1, four ETFs; GARCH is refitted every 21 sessions on an expanding window. Run with a
folder of bars: `python -m benchmarks.against_garch DIR`.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from pipeline.adapters.files import FolderBars
from pipeline.bars import Bars
from pipeline.errors import ConfigError
from pipeline.intervals import INTERVALS
from pipeline.training.proof import FORECASTER, GARCH, Proof, daily_difference, prove, ratio

TICKERS = ("SPY", "QQQ", "DIA", "IWM")
FIRST, LAST = date(2019, 1, 1), date(2024, 12, 31)
BUDGETS = {"crps": 0.99, "interval_score_95": 0.96}
SCORES = ("crps", "interval_score_80", "interval_score_95")


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(
            "expected one argument, the folder of bars: python -m benchmarks.against_garch DIR"
        )
    try:
        reading = FolderBars(Path(sys.argv[1])).read(TICKERS, date(1990, 1, 1), LAST)
    except ConfigError as exc:
        sys.exit(str(exc))
    for failure in reading.failures.values():
        sys.exit(str(failure))
    proof = prove([Bars.validated(reading.bars[ticker]) for ticker in TICKERS], FIRST)
    days = {ticker: len(scored.crps) for ticker, scored in proof[FORECASTER].items()}
    print(f"origins from {FIRST} on, {days} days, horizon 1")
    show_ratios(proof)
    show_coverage(proof)


def show_ratios(proof: Proof) -> None:
    print(
        f"\n{'score / GARCH(1,1)-t':<22} {'pooled':>7} {'budget':>7} {'DM t':>7} {'p':>9}", end=""
    )
    print("".join(f" {ticker:>7}" for ticker in TICKERS))
    for score in SCORES:
        t, p = daily_difference(proof, score)
        budget = f"{BUDGETS[score]:.3f}" if score in BUDGETS else ""
        print(f"{score:<22} {ratio(proof, score):>7.4f} {budget:>7} {t:>7.2f} {p:>9.1e}", end="")
        for ticker in TICKERS:
            alone = {model: {ticker: scored[ticker]} for model, scored in proof.items()}
            print(f" {ratio(alone, score):>7.4f}", end="")
        print()


def show_coverage(proof: Proof) -> None:
    print(f"\n{'coverage, %':<22}" + "".join(f" {ticker:>7}" for ticker in TICKERS))
    for model in (FORECASTER, GARCH):
        for coverage in INTERVALS:
            shares = [100 * scored.covered[coverage].mean() for scored in proof[model].values()]
            cells = "".join(f" {share:>7.2f}" for share in shares)
            print(f"{model + ' ' + str(coverage):<22}{cells}")


if __name__ == "__main__":
    main()
