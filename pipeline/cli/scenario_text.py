"""How scenarios have fared, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.cli.console import new_table, print_line, print_whole
from pipeline.record.drawn import MOST_BACKFILLED
from pipeline.scenarios.benchmarks import GAUSSIAN, INDEPENDENCE
from pipeline.views.figures import TrackRecord
from pipeline.views.scenario_figures import Exceedances, HorizonFigures

COUPLED = {GAUSSIAN: "To Gaussian copula", INDEPENDENCE: "To independence"}
LEVELS = {level: f"Beyond {level} % VaR" for level in ("95", "97.5", "99")}
NOTE = (
    "Joint futures of all tickers: energy score over that of the same distributions coupled "
    "otherwise, below 1 better; how often equal weights lost more than VaR, and in brackets where "
    "chance keeps that 19 times in 20."
)
NO_SCENARIOS = (
    f"Of more than {MOST_BACKFILLED} tickers a backfill draws no scenarios; the next run does, of "
    "tickers together that have 60 outcomes in common."
)


def print_scenarios(record: TrackRecord) -> None:
    """Print how the scenarios of the mode that counts have fared, once there are any."""
    mode = record.shown_mode
    if mode is None or mode not in record.scenarios:
        return
    numbers = ("Scored", *COUPLED.values(), *LEVELS.values())
    table = new_table("Sessions ahead", numbers=numbers, spare=tuple(numbers[:2:-1]))
    for horizon, figures in record.scenarios[mode].horizons.items():
        table.add_row(horizon, *_list_cells(figures))
    print_whole(table)
    print_line(NOTE)


def _list_cells(figures: HorizonFigures) -> Iterator[str]:
    yield str(figures.scored)
    for name in COUPLED:
        ratio = figures.energy.get(name)
        yield "" if ratio is None else f"{ratio.ratio:.3f}"
    yield from (_format(figures.exceeded[level]) for level in LEVELS)


def _format(of: Exceedances) -> str:
    return f"{of.share:.1%} [{of.lower:.1%} {of.upper:.1%}]"
