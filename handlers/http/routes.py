"""Routes: which method and path is answered how, and what holds for every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from handlers.http.admission import require_signature
from handlers.http.messages import Request, Response
from handlers.http.page_policy import NOTHING, find_policy
from handlers.http.problems import MEDIA_TYPE, Refusal, to_problem
from pipeline.record.keys import DASHBOARD, LATEST, TRACK_RECORD
from pipeline.serving.api_keys import is_accepted, read_password
from pipeline.serving.cached_views import answer_from_latest
from pipeline.serving.on_demand import OnDemand
from pipeline.serving.requests import parse_request

JSON, HTML = "application/json", "text/html; charset=utf-8"
OPENAPI = Path(__file__).with_name("openapi.json")
OF_TICKER = "/forecasts/"
# Whoever looks for a sign of life, or for how to ask, needs no key.
OPEN = ("/health", "/openapi.json")
# No cookies are involved: any page may ask, if it has a key.
ALWAYS = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "Age, Cache-Status, ETag, Retry-After",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
CHALLENGE = 'ApiKey header="X-API-Key"'
# A browser that is asked so asks its user; the password is the key.
BROWSER_CHALLENGE = f'Basic realm="financial-forecaster", charset="UTF-8", {CHALLENGE}'
PREFLIGHT = {
    "access-control-allow-headers": "Content-Type, If-None-Match, X-API-Key",
    "access-control-max-age": "86400",
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


class Health(msgspec.Struct, frozen=True):
    """A sign of life. The store is not asked: a health check must cost nothing."""

    status: str
    model_version: str


Action = Callable[[Request], Content]


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that can be asked for. `keys` are digests; None asks for no key."""

    on_demand: OnDemand
    keys: tuple[str, ...] | None
    signed_only: bool = False

    def answer(self, request: Request) -> Response:
        """Return the answer; raises ForecasterError for what is refused."""
        if self.signed_only:
            require_signature(request)
        actions = self._actions(request.path)
        methods = (*actions, *(("HEAD",) if "GET" in actions else ()), "OPTIONS")
        allow = {"allow": ", ".join(methods)}
        if request.method not in methods:
            raise Refusal(405, f"expected {allow['allow']}, got {request.method}", allow)
        if request.method == "OPTIONS":
            allowed = {"access-control-allow-methods": allow["allow"]}
            return Response(204, headers={**ALWAYS, **PREFLIGHT, **allow, **allowed})
        self._require_key(request)
        if request.method == "POST":
            return _build_response(actions["POST"](request), NOT_KEPT)
        return _answer_conditionally(request, actions["GET"](request))

    def _actions(self, path: str) -> Mapping[str, Action]:
        if path.startswith(OF_TICKER):
            return {"GET": self._ticker}
        actions: Mapping[str, Mapping[str, Action]] = {
            "/": {"GET": self._dashboard, "POST": self._predict},
            "/predict": {"POST": self._predict},
            "/forecasts": {"GET": self._forecasts},
            "/track-record": {"GET": self._track_record},
            "/health": {"GET": self._health},
            "/openapi.json": {"GET": lambda _: Content(OPENAPI.read_bytes())},
        }
        if path not in actions:
            raise Refusal(404, f"expected one of {', '.join(actions)}, got {path:.100}")
        return actions[path]

    def _require_key(self, request: Request) -> None:
        if self.keys is None or request.direct or request.path in OPEN:
            return
        key = _find_key(request)
        if not is_accepted(key, self.keys):
            received = "another" if key else "none"
            asked = BROWSER_CHALLENGE if request.path == "/" and _is_read(request) else CHALLENGE
            raise Refusal(
                401,
                f"expected the header X-API-Key with a valid key, got {received}",
                {"www-authenticate": asked},
            )

    def _predict(self, request: Request) -> Content:
        asked = parse_request(request.json())
        return Content(msgspec.json.encode(self.on_demand.predict(asked)))

    def _ticker(self, request: Request) -> Content:
        ticker = request.path.removeprefix(OF_TICKER).upper()
        answer = answer_from_latest(self.on_demand.views.latest(), ticker)
        return Content(msgspec.json.encode(answer), age=self.on_demand.views.age(LATEST))

    def _forecasts(self, _: Request) -> Content:
        latest = self.on_demand.views.latest()
        return Content(msgspec.json.encode(latest), age=self.on_demand.views.age(LATEST))

    def _track_record(self, _: Request) -> Content:
        record = self.on_demand.views.track_record()
        return Content(record, age=self.on_demand.views.age(TRACK_RECORD))

    def _dashboard(self, _: Request) -> Content:
        page = self.on_demand.views.dashboard()
        if page is None:
            raise Refusal(404, f"expected the page {DASHBOARD} in the store, found none")
        return Content(page, HTML, find_policy(page), self.on_demand.views.age(DASHBOARD))

    def _health(self, _: Request) -> Content:
        version = self.on_demand.model.manifest.model_version
        return Content(msgspec.json.encode(Health("ok", version)))


def _find_key(request: Request) -> str:
    """Return the key: in its header or, of what is only read, as the password of HTTP Basic.

    A browser sends a password along by itself, so by it alone nothing is asked to be done.
    """
    key = request.headers.get("x-api-key", "")
    if key or not _is_read(request):
        return key
    return read_password(request.headers.get("authorization", ""))


def _is_read(request: Request) -> bool:
    return request.method in ("GET", "HEAD")


def to_problem_response(error: Exception) -> tuple[Response, str]:
    """Return the answer to a request that raised `error`, and the problem's code."""
    problem, headers = to_problem(error)
    content = Content(msgspec.json.encode(problem), MEDIA_TYPE)
    response = _build_response(content, {**NOT_KEPT, **headers}, problem.status)
    return response, problem.code


def _answer_conditionally(request: Request, content: Content) -> Response:
    """Return a GET's answer, without its body where the caller has it or asks only for the head."""
    if content.age is not None:
        response = _answer_from_kept(content, content.age)
        return Response(200, headers=response.headers) if request.method == "HEAD" else response
    etag = f'"{sha256(content.body).hexdigest()[:32]}"'
    response = _build_response(content, {**KEPT, "etag": etag})
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
    return _build_response(content, {**NOT_KEPT, **status})


def _build_response(content: Content, headers: Mapping[str, str], status: int = 200) -> Response:
    kind = {"content-type": content.media_type, "content-security-policy": content.policy}
    return Response(status, content.body, {**ALWAYS, **kind, **headers})
