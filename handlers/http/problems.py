"""Problems: which error is which status, as problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from pipeline.errors import (
    ForecasterError,
    InvalidBody,
    InvalidField,
    NonFiniteOutput,
    NotFound,
    NotPublished,
    RequestError,
    StoreError,
)

NOT_PUBLISHED = "not_published"
MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
HIDDEN = "the answer could not be made; the logs say why"


class FieldProblem(Struct, frozen=True):
    """What is wrong with one field."""

    pointer: Annotated[str, Meta(description="JSON pointer (RFC 6901) as a fragment")]
    expected: str
    got: str


class Problem(Struct, frozen=True, omit_defaults=True):
    """Problem details of an error (RFC 9457)."""

    title: str
    status: int
    code: Annotated[str, Meta(description="The kind of problem, for machines")]
    detail: str
    errors: tuple[FieldProblem, ...] = ()


class Refusal(RequestError):
    """A request that HTTP itself has a status for."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] = {}) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


class _Meaning(NamedTuple):
    status: int
    code: str
    retry_after: int | None = None  # seconds


# The first that fits; what the store lacks or cannot give is tried again.
MEANINGS: Mapping[type[ForecasterError], _Meaning] = {
    InvalidBody: _Meaning(400, "invalid_json"),
    InvalidField: _Meaning(422, "invalid_field"),
    NonFiniteOutput: _Meaning(422, "no_finite_forecast"),
    NotFound: _Meaning(404, "not_found"),
    RequestError: _Meaning(400, "bad_request"),
    NotPublished: _Meaning(503, NOT_PUBLISHED, 900),
    StoreError: _Meaning(503, "store_unavailable", 5),
    ForecasterError: _Meaning(500, "internal_error"),
}
CODES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}


def to_problem(error: Exception) -> tuple[Problem, dict[str, str]]:
    """Return the problem an error is, and its headers; causes on our side are not told."""
    if isinstance(error, Refusal):
        problem = _build_problem(error.status, CODES[error.status], str(error))
        return problem, dict(error.headers)
    kind = next((kind for kind in MEANINGS if isinstance(error, kind)), ForecasterError)
    status, code, retry_after = MEANINGS[kind]
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    fields: tuple[FieldProblem, ...] = ()
    if isinstance(error, InvalidField):
        fields = (FieldProblem(error.pointer, error.expected, error.got),)
    hidden = kind in (StoreError, ForecasterError)
    return _build_problem(status, code, HIDDEN if hidden else str(error), fields), headers


def _build_problem(
    status: int, code: str, detail: str, errors: tuple[FieldProblem, ...] = ()
) -> Problem:
    return Problem(TITLES[status], status, code, detail, errors)
