"""A Function URL's event as a request."""

from __future__ import annotations

import pytest

from handlers.http.messages import Request
from tests.support.builders import url_event


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/forecasts/%53PY", "/forecasts/SPY"),
        ("/forecasts/%5EVIX", "/forecasts/^VIX"),
        ("/forecasts/%5evix/", "/forecasts/^vix"),
        ("/%66orecasts", "/forecasts"),
        ("/forecasts/%2553PY", "/forecasts/%53PY"),
    ],
)
def test_a_path_is_percent_decoded_once(raw: str, path: str) -> None:
    assert Request.of(url_event("GET", raw)).path == path
