"""Scenario fared: what the page says of how scenarios have fared, of one mode alone."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from pipeline.scenarios.benchmarks import GAUSSIAN, INDEPENDENCE
from pipeline.views.figures import TrackRecord
from pipeline.views.page import words
from pipeline.views.page.fared import Table
from pipeline.views.scenario_figures import HorizonFigures

COUPLED = {GAUSSIAN: "Gaussian copula", INDEPENDENCE: "independence"}
LEVELS = ("95", "97.5", "99")
LABELS = (
    "Scored",
    *(f"Energy score to {name}" for name in COUPLED.values()),
    *(f"Beyond {level} % VaR" for level in LEVELS),
)


class ScenarioFared(Struct, frozen=True):
    """How scenarios of one mode have fared."""

    says: str
    in_sample: str | None
    table: Table


def describe_scenarios(record: TrackRecord) -> ScenarioFared | None:
    """Return how scenarios of the mode that counts have fared, None before there are any."""
    mode = record.shown_mode
    if mode is None or mode not in record.scenarios:
        return None
    figures = record.scenarios[mode]
    learnt = max(of.in_sample for of in figures.horizons.values())
    rows = [
        list(row) for row in zip(LABELS, *map(_list_cells, figures.horizons.values()), strict=True)
    ]
    return ScenarioFared(
        says=f"Closes from {figures.first_session} to {figures.last_session}, {words.MODES[mode]}.",
        in_sample=f"In sample: of {learnt} of these sessions the model had learnt what came. The "
        "figures prove nothing."
        if learnt
        else None,
        table=Table(["Sessions ahead", *figures.horizons], rows),
    )


def _list_cells(figures: HorizonFigures) -> Iterator[str]:
    yield str(figures.scored)
    for name in COUPLED:
        ratio = figures.energy.get(name)
        yield "none" if ratio is None else f"{ratio.ratio:.3f}"
    for level in LEVELS:
        of = figures.exceeded[level]
        chance = f"{words.format_share(of.lower)} to {words.format_share(of.upper)}"
        yield f"{of.beyond}, {words.format_share(of.share)}; by chance {chance}"
