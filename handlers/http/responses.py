"""Responses: what there is to say as an answer, with what holds for every answer."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

import msgspec

from handlers.http.messages import Request, Response
from handlers.http.page_policy import NOTHING
from handlers.http.problems import MEDIA_TYPE, to_problem

JSON, HTML = "application/json", "text/html; charset=utf-8"
# No cookies are involved: any page may ask, if it has a key.
ALWAYS = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "Age, Cache-Status, ETag, Retry-After",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
# What is read may be kept for a minute by who asked, and then asked for by its ETag.
UNAVAILABLE = "store_unavailable"
KEPT, NOT_KEPT = {"cache-control": "private, max-age=60"}, {"cache-control": "no-store"}


class Content(NamedTuple):
    """What there is to say; `age` is that of a kept view, in seconds, while the store is away."""

    body: bytes
    media_type: str = JSON
    policy: str = NOTHING
    age: float | None = None


def to_problem_response(error: Exception) -> tuple[Response, str]:
    """Return the answer to a request that raised `error`, and the problem's code."""
    problem, headers = to_problem(error)
    content = Content(msgspec.json.encode(problem), MEDIA_TYPE)
    response = build_response(content, {**NOT_KEPT, **headers}, problem.status)
    return response, problem.code


def answer_conditionally(request: Request, content: Content) -> Response:
    """Return a GET's answer, without its body where the caller has it or asks only for the head."""
    if content.age is not None:
        response = _answer_from_kept(content, content.age)
        return Response(200, headers=response.headers) if request.method == "HEAD" else response
    etag = f'"{sha256(content.body).hexdigest()[:32]}"'
    response = build_response(content, {**KEPT, "etag": etag})
    etags = request.headers.get("if-none-match", "")
    if etags.strip() == "*" or etag in [
        known.strip().removeprefix("W/") for known in etags.split(",")
    ]:
        return Response(304, headers=response.headers)
    return Response(200, headers=response.headers) if request.method == "HEAD" else response


def _answer_from_kept(content: Content, age: float) -> Response:
    """Return an answer that says that it is an old one (RFC 9111, 9211), for nobody to keep."""
    if content.media_type == JSON:
        document = msgspec.json.decode(content.body, type=dict[str, msgspec.Raw])
        content = content._replace(body=msgspec.json.encode(document | {UNAVAILABLE: True}))
    status = {"age": f"{age:.0f}", "cache-status": "forecaster; hit; detail=store-unavailable"}
    return build_response(content, {**NOT_KEPT, **status})


def build_response(content: Content, headers: Mapping[str, str], status: int = 200) -> Response:
    kind = {"content-type": content.media_type, "content-security-policy": content.policy}
    return Response(status, content.body, {**ALWAYS, **kind, **headers})
