"""Pictures of fans: what is drawn is what was given, and equal fans give equal bytes."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from tests.support.builders import weekdays

pytest.importorskip("matplotlib", reason="expected matplotlib: pip install -e '.[desk]'")
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from pipeline.adapters.fan_figure import (  # noqa: E402
    MISSED,
    ORANGE,
    draw_fan,
    draw_fans,
    encode_figure,
)


def past(n: int = 60, level: float = 400.0) -> dict[str, Any]:
    close = level * (1 + 0.01 * np.sin(np.arange(n)))
    return {
        "session": weekdays(n, "2025-06-30"),
        "close": close,
        "lower_95": close * 0.98,
        "upper_95": close * 1.02,
    }


def fan(level: float = 400.0, width: float = 0.02) -> dict[str, Any]:
    ahead = 1 + np.arange(5)
    limits = {
        f"{side}_{c}": level * (1 + sign * width * c / 95 * np.sqrt(ahead))
        for c in (50, 80, 95)
        for side, sign in (("lower", -1), ("upper", 1))
    }
    days = np.busday_offset("2025-06-30", ahead)
    return {"target_date": days, "prediction": np.full(5, level), **limits}


def test_a_close_outside_is_a_triangle_that_points_where_it_went() -> None:
    of = past()
    of["close"][10], of["close"][20] = of["upper_95"][10] + 1, of["lower_95"][20] - 1
    axes = draw_fan(of, fan())
    marks = {line.get_marker(): line for line in axes.lines if line.get_color() == ORANGE}
    assert {sign: list(line.get_xdata()) for sign, line in marks.items()} == {"^": [10], "v": [20]}
    missed = [bar for bar in axes.patches if bar.get_facecolor() == rgba(MISSED)]
    assert [round(bar.get_x() + bar.get_width() / 2) for bar in missed] == [10, 20]


def rgba(colour: str) -> Any:
    from matplotlib.colors import to_rgba

    return to_rgba(colour)


def test_the_ends_of_an_interval_belong_to_it() -> None:
    of = past()
    of["close"][10], of["close"][20] = of["upper_95"][10], of["lower_95"][20]
    marks = [line for line in draw_fan(of, fan()).lines if line.get_color() == ORANGE]
    assert [len(line.get_xdata()) for line in marks] == [0, 0]


def test_the_bands_begin_at_the_last_close_and_end_at_the_limits() -> None:
    of, ahead = past(), fan()
    axes = draw_fan(of, ahead)
    assert len(axes.collections) == 3
    for band, coverage in zip(axes.collections, (95, 80, 50), strict=True):
        points = band.get_paths()[0].vertices
        assert points[:, 1].max() == ahead[f"upper_{coverage}"].max()
        assert points[:, 1].min() == ahead[f"lower_{coverage}"].min()
        assert of["close"][-1] in points[:, 1][points[:, 0] == 59]


def test_sessions_without_a_forecast_have_a_close_and_no_bar() -> None:
    of = past()
    of["lower_95"][:30] = of["upper_95"][:30] = np.nan
    axes = draw_fan(of, fan())
    assert len(axes.patches) == 30
    assert len(axes.lines[0].get_xdata()) == 60


def test_axes_that_are_given_are_drawn_on_and_returned() -> None:
    axes = Figure().add_subplot()
    assert draw_fan(past(), fan(), axes) is axes


def test_without_a_fan_the_past_is_drawn_alone() -> None:
    none = {name: column[:0] for name, column in fan().items()}
    axes = draw_fan(past(), none)
    assert (len(axes.collections), len(axes.texts)) == (0, 0)


@pytest.mark.parametrize("tickers", [1, 2, 4])
@pytest.mark.parametrize("width", [0.02, 0.0004])
def test_no_text_lies_over_another(tickers: int, width: float) -> None:
    fans = {f"T{n}, forecast": (past(level=10.0**n), fan(10.0**n, width)) for n in range(tickers)}
    figure = draw_fans(fans, "a note")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [
        text.get_window_extent(renderer)
        for axes in figure.axes
        for text in (*axes.texts, *axes.get_xticklabels(), axes.title, axes._left_title)
        if text.get_text()
    ]
    texts += [legend.get_window_extent(renderer) for legend in figure.legends]
    assert figure._suptitle is not None
    texts.append(figure._suptitle.get_window_extent(renderer))
    assert len(texts) > 8 * tickers
    assert [pair for pair in combinations(texts, 2) if pair[0].overlaps(pair[1])] == []
    box = figure.bbox
    assert all(box.x0 <= t.x0 and t.x1 <= box.x1 and box.y0 <= t.y0 for t in texts)


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_equal_fans_give_equal_bytes_without_a_date(kind: str) -> None:
    pictures = {
        encode_figure(draw_fans({"SPY": (past(), fan())}, "made up"), kind) for _ in range(2)
    }
    assert len(pictures) == 1
    assert b"Matplotlib" not in next(iter(pictures)) or kind == "svg"
    assert b"dc:date" not in next(iter(pictures))


@pytest.mark.parametrize(
    "text", ["$\\frac{$", "<script>alert(1)</script>", "\x1b[2J", "x y " * 900]
)
def test_a_hostile_label_is_text(text: str) -> None:
    svg = encode_figure(draw_fans({text[:20]: (past(), fan())}, text), "svg").decode()
    assert "<script>" not in svg
    assert "\x1b" not in svg


def test_a_users_own_style_changes_nothing() -> None:
    import matplotlib as mpl

    plain = encode_figure(draw_fans({"SPY": (past(), fan())}, ""), "svg")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "lines.linewidth": 9}):
        assert encode_figure(draw_fans({"SPY": (past(), fan())}, ""), "svg") == plain
