"""Axes of a figure that a notebook shows by itself, by matplotlib's pyplot."""

from __future__ import annotations

from matplotlib import pyplot as plt
from matplotlib.axes import Axes


def new_axes() -> Axes:
    """Return the axes of a new figure, which pyplot keeps until it is closed."""
    axes: Axes = plt.figure(figsize=(9, 5), layout="constrained").add_subplot()
    return axes
