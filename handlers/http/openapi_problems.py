"""The problems that the OpenAPI document names."""

from __future__ import annotations

from collections.abc import Mapping

from handlers.http.admission import SIGNED
from handlers.http.messages import MAX_BODY
from handlers.http.problems import Refusal
from pipeline.errors import ForecasterError, InvalidBody, InvalidField, NotFound, NotPublished

# Problems by status, each with an error that leads to it.
PROBLEMS: Mapping[int, tuple[str, ForecasterError]] = {
    400: (
        "The body is not JSON",
        InvalidBody("expected JSON in UTF-8, got: Input data was truncated"),
    ),
    401: (
        "The key is missing or wrong",
        Refusal(401, "expected the header X-API-Key with a valid key, got none"),
    ),
    403: (
        "AWS names nobody who signed, where IAM says who may ask; or it came past the domain",
        Refusal(403, SIGNED),
    ),
    404: (
        "There is no such thing",
        NotFound("ticker: expected one that is published, like IWM, SPY; got XYZ"),
    ),
    413: (
        "The body is too large",
        Refusal(413, f"expected a body of at most {MAX_BODY} bytes, got 300000"),
    ),
    415: (
        "The body is declared as no JSON",
        Refusal(415, "expected application/json, got text/csv"),
    ),
    422: (
        "A field is not as it should be",
        InvalidField("#/data/0/10", "days_to_next, a number >= 1.0", "0.0"),
    ),
    503: (
        "Not there yet, or the store cannot be read: try again",
        NotPublished("latest.json: expected it in the store, found none yet"),
    ),
}
