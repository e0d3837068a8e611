"""Commands without a date, on days and at hours that are easily taken for others."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.commands import TICKERS, Clock, Forecaster

MOMENTS = {
    "2026-12-02T02:00+00:00": "2026-12-01",  # a month's second day, its first in New York
    "2027-01-05T12:00+00:00": "2027-01-04",  # before the exchange opens
    "2027-03-14T06:59+00:00": "2027-03-12",  # the hour that is left out in New York
    "2028-02-29T21:29:59+00:00": "2028-02-28",  # a second before the session counts as closed
    "2028-02-29T21:30+00:00": "2028-02-29",
    "2031-08-02T12:00+00:00": "2031-08-01",  # a Saturday
    "2031-12-31T21:30+00:00": "2031-12-31",
    "2032-01-01T04:59+00:00": "2031-12-31",  # still last year in New York
}


@pytest.mark.parametrize(("moment", "session"), MOMENTS.items())
def test_a_run_is_for_the_session_last_closed_and_is_live(
    forecaster: Forecaster, clock: Clock, moment: str, session: str
) -> None:
    clock(datetime.fromisoformat(moment))
    ran = forecaster("run", "--bars", "simulated", "--json").document
    (part,) = ran["parts"]
    assert (ran["outcome"], ran["session"], part["mode"]) == ("published", session, "live")
    assert part["forecasts"] == f"store/forecasts/month={session[:7]}/{session}.00.parquet"
    assert {datetime.fromisoformat(row["issued_at"]) for row in ran["forecasts"]} == {
        datetime.fromisoformat(moment)
    }
    again = forecaster("run", "--bars", "simulated", "--json").document
    assert again["outcome"] == "nothing_to_do"
    status = forecaster("status", "--json").document
    assert (status["session"], status["lag_sessions"], status["missing"]) == (session, 0, [])


@pytest.mark.parametrize(("moment", "session"), MOMENTS.items())
def test_bars_are_fetched_up_to_the_session_last_closed(
    forecaster: Forecaster, clock: Clock, moment: str, session: str
) -> None:
    clock(datetime.fromisoformat(moment).astimezone(UTC))
    assert forecaster("fetch", "--bars", "simulated", "--out", "bars").code == 0
    for ticker in TICKERS:
        lines = Path(f"bars/{ticker}.csv").read_text().splitlines()
        assert len(lines) == 1 + 320
        assert lines[-1].startswith(f"{session},")
