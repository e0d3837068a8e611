"""How plots look, and their bytes: equal figures give equal SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

from pipeline.backtest.score_cube import BASELINES

# Okabe and Ito's colours, told apart by colour-blind readers too; markers differ as well.
COLOURS = {
    "forecaster": "#0072B2",
    "garch_t": "#D55E00",
    "gjr_skew_t": "#009E73",
    "ewma": "#E69F00",
    "auto_ets": "#CC79A7",
    "persistence": "#999999",
}
OTHER = "#56B4E9"
MARKERS = {"forecaster": "o", "garch_t": "s"}
HOLLOW = {"markerfacecolor": "none", "markersize": 7.5, "markeredgewidth": 1.4}
INK, FAINT, BAND = "#222222", "#BBBBBB", "#E6E6E6"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "forecaster",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


@contextmanager
def apply_style() -> Iterator[None]:
    """Make figures in the same style whatever the user's configuration says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def make_figure(width: float = 8.0, height: float = 3.6) -> Figure:
    """Return an empty white figure, in inches."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def to_svg(figure: Figure) -> bytes:
    """Return the figure as SVG, with neither date nor random ids; call it within `apply_style`."""
    out = BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def style_model(model: str) -> dict[str, Any]:
    """Return colour and marker of a model; a baseline's is hollow, so that none hides another."""
    shape = {"color": COLOURS.get(model, OTHER), "marker": MARKERS.get(model, "D")}
    return shape | (HOLLOW if model in BASELINES else {})


def draw_legend_above(figure: Figure, axes: Axes, extra: Mapping[str, BarContainer] = {}) -> None:
    """Put the legend of `axes` and what else is drawn above the plots, where nothing lies."""
    handles, labels = axes.get_legend_handles_labels()
    bands: Any = list(extra.values())
    figure.legend(
        [*handles, *bands],
        [*labels, *extra],
        loc="outside upper right",
        ncols=len(labels) + len(extra),
        fontsize=8,
        handletextpad=0.4,
        columnspacing=1.4,
    )
