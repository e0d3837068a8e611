"""What the page says in words, and what it may not say without more."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from pipeline.bars import RawBars
from pipeline.errors import Reason
from pipeline.record.manifest import Mode
from pipeline.views.page.facts import list_facts
from pipeline.views.page.words import describe_change, describe_verdict, format_price
from pipeline.views.reasons import MEANINGS, describe_reason
from tests.support.builders import latest_view, raw_bars
from tests.support.pages import SESSION, latest, manifest, page, past, sources
from tests.support.track_records import mode_figures, track_record


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "Closed at 400.00, inside the 95 % interval 395.00 to 405.00."),
        ({"realised_close": 405.0}, "Closed at 405.00, inside the 95 % interval 395.00 to 405.00."),
        ({"realised_close": 405.01}, "Closed at 405.01, above the 95 % interval 395.00 to 405.00."),
        ({"realised_close": 394.99}, "Closed at 394.99, below the 95 % interval 395.00 to 405.00."),
        (
            {"realised_close": 394.99, "surprise": True},
            "below the 95 % interval 395.00 to 405.00: a surprise, outside the 98 % interval too.",
        ),
        ({"mode": Mode.BACKFILL}, "inside the 95 % interval 395.00 to 405.00. Not live: backfill,"),
        ({"in_sample": True}, "405.00. In sample: the model had learnt what came."),
        ({"target_date": date(2024, 12, 20)}, "On 2024-12-20 it closed at 400.00, inside"),
    ],
)
def test_the_verdict_in_words(changed: dict[str, Any], said: str) -> None:
    assert said in describe_verdict(past(2, **changed)[-1], SESSION)


def test_without_a_verdict_the_page_says_so() -> None:
    assert describe_verdict(None, SESSION) == "No forecast of it has been realised yet."


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ((395.0, 405.0), "As wide as the one from 2024-12-26"),
        ((394.0, 406.0), "20 % wider than the one from 2024-12-26"),
        ((396.0, 404.0), "20 % narrower than the one from 2024-12-26"),
    ],
)
def test_how_much_wider_in_words(now: tuple[float, float], said: str) -> None:
    assert describe_change(now, past(2)[-1]) == said


def test_a_width_is_compared_only_with_that_of_the_session_before() -> None:
    late = past(2, target_date=date(2024, 12, 20))
    tiles = {tile.ticker: tile for tile in list_facts(sources(history={"SPY": late})).tiles}
    following = tiles["SPY"].following
    assert following is not None
    assert (following.interval, following.width, following.change, following.why) == (
        "390.50 to 409.50", "4.76 %", None, None,
    )  # fmt: skip


def test_a_withheld_ticker_has_its_reason_in_words() -> None:
    tiles = {tile.ticker: tile for tile in list_facts(sources()).tiles}
    assert tiles["IWM"].withheld == MEANINGS[Reason.STALE]
    assert tiles["IWM"].following is None
    assert "Withheld: IWM. The reason is said with each." in list_facts(sources()).banners


def test_every_reason_has_words_and_an_unknown_one_keeps_its_own() -> None:
    assert set(MEANINGS) == set(Reason)
    assert describe_reason("not_known_here") == "not known here"


def banners(**others: Any) -> str:
    return "\n".join(list_facts(sources(**others)).banners)


def test_what_is_simulated_made_afterwards_or_in_sample_is_called_so() -> None:
    plain = banners()
    for word in ("Simulated", "not live", "In sample"):
        assert word not in plain
    assert "Simulated, not real: simulated market" in banners(
        view=latest(source="simulated market")
    )
    assert "not live: made afterwards, in a backfill" in banners(runs=[manifest(Mode.BACKFILL)])
    tickers = latest_view()["tickers"]
    learnt = {**tickers["SPY"], "model_version": "2024-12-31-0123456789ab"}
    assert "learnt from data up to 2024-12-31" in banners(view=latest(tickers={"SPY": learnt}))


def test_live_figures_are_shown_where_there_are_any_and_others_named() -> None:
    text = page(record=track_record(backfill=mode_figures(0.9), live=mode_figures(0.951)))
    assert "issued live, before its day" in text
    assert "95.1 %" in text
    assert "90.0 %" not in text
    assert "Forecasts of other modes (backfill) are not counted here." in text
    assert "+3.1 %" in text
    assert "GARCH(1,1)-t 21.5" in text
    assert "made afterwards, in a backfill" in page(record=track_record(backfill=mode_figures(0.9)))


def test_of_forecasts_made_afterwards_the_newest_are_shown() -> None:
    older = mode_figures(0.9, last_session="2024-11-29")
    text = page(record=track_record(as_of=older, backfill=mode_figures(0.951)))
    assert (
        "sessions from 2024-01-02 to 2024-12-27, not live: made afterwards, in a backfill" in text
    )
    text = page(record=track_record(backfill=older, as_of=mode_figures(0.951)))
    assert "to 2024-12-27, not live: made afterwards, as of a past date" in text


def test_figures_in_sample_are_called_so_and_are_no_evidence() -> None:
    text = page(record=track_record(backfill=mode_figures(in_sample_sessions=7)))
    assert "of 7 of these sessions the model had learnt what came" in text
    assert "E-value" not in text


def test_before_anything_is_realised_it_says_so() -> None:
    assert "No forecast has been realised yet. Data lag: 1 of 2 tickers have the close" in page()


def test_where_it_comes_from() -> None:
    said = dict(list_facts(sources()).provenance)
    assert said["Vintage"] == f"bars/month=2024-12/2024-12-27.00.parquet, sha256 {'cd' * 32}"
    assert said["Newest manifest"] == f"runs/2024-12-27.00.json, sha256 {'ab' * 32}"


def test_prices_below_one_keep_their_digits() -> None:
    assert [format_price(price) for price in (441.2, 1.0, 0.12345)] == ["441.20", "1.00", "0.1235"]


def split_in_two(rows: int, at: int) -> RawBars:
    split = np.zeros(rows)
    split[at] = 2.0
    return raw_bars("SPY", rows, split=split)


def test_past_intervals_are_quoted_as_prices_are_now() -> None:
    rows = past(5)
    bars = split_in_two(20, -2)  # on the session before the newest
    shown = sources(history={"SPY": rows}, bars={"SPY": bars}).past_of("SPY")
    assert [row.upper_95 for row in shown] == [202.5, 202.5, 202.5, 202.5, 405.0]
    assert [row.realised_close for row in shown] == [200.0, 200.0, 200.0, 200.0, 400.0]
