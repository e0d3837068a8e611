"""The shipped method, trained before 2019 and left alone, beside GARCH(1,1)-t on 2019-2024.

Horizon 1, four ETFs; GARCH is refitted every 21 sessions on an expanding window. Run with a
folder of bars: `python -m benchmarks.against_garch DIR`.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.backtest.leaderboard import REFERENCE
from pipeline.errors import ForecasterError
from pipeline.evaluation.score_table import FORECASTER
from pipeline.forecasting.levels import INTERVALS
from pipeline.training.job import read_all
from pipeline.training.proof import Proof, prove
from pipeline.training.trainers import train_ensemble

TICKERS = ("SPY", "QQQ", "DIA", "IWM")
FIRST, LAST = date(2019, 1, 1), date(2024, 12, 31)
BUDGETS = {"crps": "0.990", "interval_score_95": "0.960"}


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(
            "expected one argument, the folder of bars: python -m benchmarks.against_garch DIR"
        )
    try:
        bars, vix = read_all(FolderBars(Path(sys.argv[1])), TICKERS, date(1970, 1, 1), LAST)
    except ForecasterError as exc:
        sys.exit(str(exc))
    proof = prove(bars, vix, FIRST, train_ensemble)
    print(f"origins from {FIRST} on, {proof.rows[0].days} days, horizon 1")
    show_ratios(proof)
    show_coverage(proof)


def show_ratios(proof: Proof) -> None:
    heads = "".join(f" {ticker:>7}" for ticker in TICKERS)
    print(f"\n{'score / GARCH(1,1)-t':<22} {'pooled':>7} {'budget':>7} {'DM t':>7} {'p':>9}{heads}")
    pooled, *of_tickers = proof.rows
    for score, ratio in pooled.ratios.items():
        difference = pooled.against[REFERENCE].get(score)
        tested = f"{difference.t:>7.2f} {difference.p:>9.1e}" if difference else " " * 17
        cells = "".join(f" {row.ratios[score]:>7.4f}" for row in of_tickers)
        print(f"{score:<22} {ratio:>7.4f} {BUDGETS.get(score, ''):>7} {tested}{cells}")


def show_coverage(proof: Proof) -> None:
    print(f"\n{'coverage, %':<22}" + "".join(f" {ticker:>7}" for ticker in TICKERS))
    for model in (FORECASTER, REFERENCE):
        rows = {row.value: row for row in proof.board.select("ticker", 1, model)}
        for coverage in INTERVALS:
            shares = "".join(f" {100 * rows[t].coverage[coverage]:>7.2f}" for t in TICKERS)
            print(f"{model + ' ' + str(coverage):<22}{shares}")


if __name__ == "__main__":
    main()
