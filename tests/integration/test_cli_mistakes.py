"""What a person mistypes or a folder lacks: said at once, with nothing recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import (
    BEFORE,
    SESSION,
    Forecaster,
    assert_refused,
    break_line,
    digests,
)

RUN = ("run", "--bars", "bars", "--as-of", SESSION)
BACKFILL = ("backfill", "--bars", "bars", "--from", BEFORE, "--to", SESSION)
BOTH = pytest.mark.parametrize("command", [RUN, BACKFILL], ids=["run", "backfill"])


@BOTH
def test_a_typo_fails_before_anything_is_recorded_and_says_what_is_like_it(
    forecaster: Forecaster, bars: Path, command: tuple[str, ...]
) -> None:
    answer = forecaster(*command, "--tickers", "SYP,QQQ")
    assert_refused(
        answer, 1, "got SYP, never on the record, so nothing was recorded", "near names there: SPY"
    )
    assert not Path("store").exists()


def test_a_typo_beside_what_is_on_the_record_changes_nothing_of_it(
    forecaster: Forecaster, bars: Path
) -> None:
    assert forecaster("run", "--bars", bars, "--as-of", BEFORE).code == 0
    before = digests(Path("store"))
    assert_refused(forecaster(*RUN, "--tickers", "SPY,BRK.B"), 1, "got BRK.B, never on the record")
    assert digests(Path("store")) == before


def test_a_ticker_that_the_source_has_lost_is_withheld_and_the_others_are_published(
    forecaster: Forecaster, bars: Path
) -> None:
    assert forecaster("run", "--bars", bars, "--as-of", BEFORE).code == 0
    (bars / "QQQ.csv").unlink()
    document = forecaster(*RUN, "--json").document
    assert document["withheld"]["QQQ"]["reason"] == "unknown_ticker"
    assert {row["ticker"] for row in document["forecasts"]} == {"SPY", "DIA", "IWM"}


def test_an_index_that_is_only_read_beside_the_tickers_may_be_missing(
    forecaster: Forecaster, bars: Path
) -> None:
    for path in bars.glob("*VIX.csv"):
        path.unlink()
    assert forecaster(*RUN).code == 0


def test_a_share_s_class_is_hinted_at(forecaster: Forecaster, bars: Path) -> None:
    (bars / "SPY.csv").rename(bars / "BRK-B.csv")
    assert_refused(forecaster(*RUN, "--tickers", "BRK.B"), 1, "near names there: BRK-B")


@pytest.mark.parametrize(
    ("breaking", "said"),
    [
        (lambda bars: break_line(bars / "SPY.csv", 200, "x"), "unreadable: SPY.csv: line 200"),
        (lambda bars: break_line(bars / "SPY.csv", 300, ""), "missing_session: SPY: expected a"),
        (lambda bars: (bars / "spy.parquet").write_bytes(b""), "SPY.csv and spy.parquet"),
    ],
    ids=["a broken line", "a missing session", "two files"],
)
def test_a_backfill_that_can_issue_nothing_says_why_as_a_run_does(
    forecaster: Forecaster, bars: Path, breaking: object, said: str
) -> None:
    breaking(bars)
    assert_refused(forecaster(*BACKFILL, "--tickers", "SPY"), 1, said)
    run = forecaster(*RUN, "--tickers", "SPY", "--json").document["withheld"]["SPY"]
    assert said in f"{run['reason']}: {run['message']}"


def test_a_newest_close_of_nan_is_called_nan(forecaster: Forecaster, bars: Path) -> None:
    break_line(bars / "SPY.csv", 321, f"{SESSION},440,441,439,,100,0,0")
    answer = forecaster(*RUN, "--tickers", "SPY")
    said = " ".join(answer.out.split())
    assert f"SPY last_bar_nan on {SESSION} a price is NaN or infinite: open 440" in said
    document = forecaster(*RUN, "--tickers", "SPY", "--json").document
    assert document["withheld"]["SPY"]["reason"] == "last_bar_nan"
    assert not Path("store").exists()
