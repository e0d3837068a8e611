"""The plots of the model card, each of horizon 1."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import binom

from pipeline.backtest.findings import name_model
from pipeline.backtest.leaderboard import REFERENCE
from pipeline.backtest.score_cube import BASELINES, ScoreCube, daily_mean
from pipeline.bars import Floats, Sessions
from pipeline.forecasting.levels import LEVELS
from pipeline.training.report.plot_style import (
    BAND,
    FAINT,
    INK,
    apply_style,
    draw_legend_above,
    make_figure,
    style_model,
    to_svg,
)

HORIZON = 1
EDGES = np.array([0.0, *LEVELS, 1.0])
LIKELY = 0.95
BY_CHANCE = "95 of 100 perfect forecasters of one ETF"
Years = NDArray[np.int64]
WORST_YEARS, WORST_DAYS = (2008, 2020, 2022), 6
# A line that loses more than this, in percent, would only flatten the others.
FAR_OFF = 2.0
WEEK = 5


def draw_plots(cube: ScoreCube) -> Mapping[str, bytes]:
    """Return the plots that the scores allow: file name -> SVG."""
    with apply_style():
        figures = {
            "pit.svg": draw_pit_histogram(cube),
            "coverage-by-year.svg": draw_coverage_by_year(cube),
            "skill-over-time.svg": draw_skill_over_time(cube),
            "worst-days.svg": draw_worst_days(cube),
        }
        return {name: to_svg(figure) for name, figure in figures.items() if figure is not None}


def draw_pit_histogram(cube: ScoreCube) -> Figure:
    """Draw how often the realised value fell between two quantile levels, over the promise."""
    promised = np.diff(EDGES)
    days = int(cube.is_scored(HORIZON).any(axis=0).sum())
    figure = make_figure()
    axes = figure.subplots()
    x = np.arange(len(promised))
    low, high = binom.interval(LIKELY, days, promised)
    band = axes.bar(x, (high - low) / days / promised, 0.9, low / days / promised, color=BAND)
    axes.axhline(1.0, color=FAINT, linewidth=1)
    for model, shift in _select_models(cube):
        share = _pit_shares(cube, model) / promised
        axes.plot(x + shift, share, linestyle="", label=name_model(model), **style_model(model))
    names = [f"{100 * a:g}–{100 * b:g}" for a, b in zip(EDGES[:-1], EDGES[1:], strict=True)]
    axes.set_xticks(x, names)
    axes.set_xlabel("Where in the forecast distribution the close fell (PIT), %")
    axes.set_ylabel("Observed share / promised share")
    axes.set_ylim(bottom=0)
    axes.set_title("1 is perfect")
    draw_legend_above(figure, axes, {BY_CHANCE: band})
    return figure


def draw_coverage_by_year(cube: ScoreCube) -> Figure:
    """Draw the share of closes inside the 95 and 80 % intervals in each year, beside chance."""
    figure = make_figure(height=4.8)
    panels = figure.subplots(2, sharex=True)
    for axes, nominal in zip(panels, (95, 80), strict=True):
        band = _draw_coverage(axes, cube, find_years(cube.origins), nominal)
    draw_legend_above(figure, panels[0], {BY_CHANCE: band})
    return figure


def _draw_coverage(axes: Axes, cube: ScoreCube, years: Years, nominal: int) -> BarContainer:
    scored = cube.is_scored(HORIZON)
    scored_years = np.unique(years[scored.any(axis=0)])
    days = np.array([(scored.any(axis=0) & (years == year)).sum() for year in scored_years])
    low, high = binom.interval(LIKELY, days, nominal / 100)
    band = axes.bar(scored_years, 100 * (high - low) / days, 0.9, 100 * low / days, color=BAND)
    axes.axhline(nominal, color=FAINT, linewidth=1)
    for model, shift in _select_models(cube):
        hits = cube.select_scores(f"covered_{nominal}", model, HORIZON)
        share = [100 * hits[scored & (years == year)].mean() for year in scored_years]
        axes.plot(
            scored_years + shift, share, linestyle="", label=name_model(model), **style_model(model)
        )
    axes.set_xticks(scored_years[:: 1 + len(scored_years) // 20])
    axes.set_ylabel("Closes inside, %")
    axes.set_title(f"{nominal} % intervals")
    return band


def draw_skill_over_time(cube: ScoreCube) -> Figure | None:
    """Draw the CRPS saved against the reference so far, in percent of its total."""
    if REFERENCE not in cube.models:
        return None
    scored = cube.is_scored(HORIZON)
    days = cube.origins[scored.any(axis=0)]
    losses = {m: daily_mean(cube.select_scores("crps", m, HORIZON), scored) for m in cube.models}
    total = losses[REFERENCE].sum()
    saved = {m: 100 * np.cumsum(losses[REFERENCE] - loss) / total for m, loss in losses.items()}
    figure = make_figure()
    axes = figure.subplots()
    for model in _select_lines({m: line[-1] for m, line in saved.items()}, cube.models[0]):
        line, width = saved[model][::WEEK], 2.2 if model == cube.models[0] else 1.2
        label = f"{name_model(model)}, {saved[model][-1]:+.1f} %"
        axes.plot(
            days[::WEEK], line, color=style_model(model)["color"], linewidth=width, label=label
        )
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.set_ylabel(f"% of the CRPS of {name_model(REFERENCE)}")
    axes.set_title(f"CRPS saved against {name_model(REFERENCE)} so far: rising is better")
    axes.legend(loc="upper left")
    return figure


def _select_lines(ends: Mapping[str, float], ours: str) -> list[str]:
    """Return the models to draw, best first: ours, its best member and what is not far off."""
    others = [m for m in ends if m not in (ours, *BASELINES)]
    members = sorted(others, key=lambda member: -ends[member])[:1]
    baselines = [m for m in BASELINES if m != REFERENCE and ends.get(m, -np.inf) > -FAR_OFF]
    return sorted([ours, *members, *baselines], key=lambda model: -ends[model])


def draw_worst_days(cube: ScoreCube) -> Figure | None:
    """Draw 95 % interval scores on the days of the largest moves of the worst years."""
    scored = cube.is_scored(HORIZON)
    move = daily_mean(cube.select_scores("realised_return", cube.models[0], HORIZON), scored)
    target = cube.targets[:, cube.horizons.index(HORIZON)][scored.any(axis=0)]
    target_years = find_years(target)
    years = [year for year in WORST_YEARS if (target_years == year).sum() >= WORST_DAYS]
    if not years:
        return None
    figure = make_figure(height=3.2)
    for axes, year in zip(figure.subplots(1, len(years), squeeze=False)[0], years, strict=True):
        at = np.flatnonzero(target_years == year)
        at = at[np.argsort(-np.abs(move[at]), kind="stable")[:WORST_DAYS]][::-1]
        for model, _ in _select_models(cube):
            score = daily_mean(cube.select_scores("interval_score_95", model, HORIZON), scored)
            axes.plot(
                100 * score[at],
                np.arange(len(at)),
                ls="",
                label=name_model(model),
                **style_model(model),
            )
        names = [f"{str(target[i])[5:]}  {100 * np.expm1(move[i]):+.1f} %" for i in at]
        axes.set_yticks(np.arange(len(at)), names)
        axes.grid(axis="y", color=BAND)
        axes.set_xlim(left=0)
        axes.set_title(str(year))
    figure.supxlabel("95 % interval score, % of the price: lower is better", fontsize=9)
    draw_legend_above(figure, figure.axes[0])
    return figure


def find_years(days: Sessions) -> Years:
    """Return the calendar years, int (n,)."""
    return days.astype("datetime64[Y]").astype(int) + 1970


def _select_models(cube: ScoreCube) -> list[tuple[str, float]]:
    """Return the first model and the reference, each with its place beside the middle."""
    if REFERENCE in cube.models[1:]:
        return [(cube.models[0], -0.12), (REFERENCE, 0.12)]
    return [(cube.models[0], 0.0)]


def _pit_shares(cube: ScoreCube, model: str) -> Floats:
    values = cube.select_scores("pit", model, HORIZON)[cube.is_scored(HORIZON)]
    return np.histogram(values, EDGES)[0] / len(values)
