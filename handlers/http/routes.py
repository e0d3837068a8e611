"""Routes: which method and path is answered how, and what holds for every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from handlers.http.admission import require_origin, require_signature
from handlers.http.messages import Request, Response
from handlers.http.page_policy import find_policy
from handlers.http.problems import Refusal
from handlers.http.responses import (
    ALWAYS,
    HTML,
    NOT_KEPT,
    Content,
    answer_conditionally,
    build_response,
)
from pipeline.record.keys import DASHBOARD, LATEST, TRACK_RECORD
from pipeline.serving.api_keys import is_accepted, read_password
from pipeline.serving.on_demand import OnDemand
from pipeline.serving.published import answer_from_latest
from pipeline.serving.requests import parse_request

OPENAPI = Path(__file__).with_name("openapi.json")
OF_TICKER = "/forecasts/"
QUESTIONS = ("/risk", "/probability", "/what-if")
# Whoever looks for a sign of life, or for how to ask, needs no key.
OPEN = ("/health", "/openapi.json")
CHALLENGE = 'ApiKey header="X-API-Key"'
# A browser that is asked so asks its user; the password is the key.
BROWSER_CHALLENGE = f'Basic realm="financial-forecaster", charset="UTF-8", {CHALLENGE}'
PREFLIGHT = {
    "access-control-allow-headers": "Content-Type, If-None-Match, X-API-Key",
    "access-control-max-age": "86400",
}


class Health(msgspec.Struct, frozen=True):
    """A sign of life. The store is not asked: a health check must cost nothing."""

    status: str
    model_version: str


Action = Callable[[Request], Content]


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that can be asked for. `keys` are digests; None asks for no key.

    `origins` are digests too, of what CloudFront sends along; None is asked past it as well.
    """

    on_demand: OnDemand
    keys: tuple[str, ...] | None
    signed_only: bool = False
    origins: tuple[str, ...] | None = None

    def answer(self, request: Request) -> Response:
        """Return the answer; raises ForecasterError for what is refused."""
        actions = self.admit(request)
        if request.method == "OPTIONS":
            allow = _list_methods(actions)
            allowed = {"allow": allow, "access-control-allow-methods": allow}
            return Response(204, headers={**ALWAYS, **PREFLIGHT, **allowed})
        if request.method == "POST":
            return build_response(actions["POST"](request), NOT_KEPT)
        return answer_conditionally(request, actions["GET"](request))

    def admit(self, request: Request) -> Mapping[str, Action]:
        """Return what answers each method of the path; raises Refusal for who may not ask."""
        if self.signed_only:
            require_signature(request)
        if self.origins is not None:
            require_origin(request, self.origins)
        actions = self._actions(request.path)
        methods = _list_methods(actions)
        if request.method not in methods.split(", "):
            raise Refusal(405, f"expected {methods}, got {request.method}", {"allow": methods})
        if request.method != "OPTIONS":
            self._require_key(request)
        return actions

    def _actions(self, path: str) -> Mapping[str, Action]:
        if path.startswith(OF_TICKER):
            return {"GET": self._ticker}
        actions: Mapping[str, Mapping[str, Action]] = {
            "/": {"GET": self._dashboard, "POST": self._predict},
            "/predict": {"POST": self._predict},
            **dict.fromkeys(QUESTIONS, {"POST": self._question}),
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

    def _question(self, request: Request) -> Content:
        # Not at the top: who asks for a forecast does not wait for what answers of risk.
        from handlers.http.questions import answer_question  # noqa: PLC0415

        return Content(answer_question(self.on_demand, request.path, request.json()))

    def _ticker(self, request: Request) -> Content:
        ticker = request.path.removeprefix(OF_TICKER).upper()
        answer = answer_from_latest(self.on_demand.views.latest_of(ticker), ticker)
        return Content(msgspec.json.encode(answer), age=self.on_demand.views.age_of(ticker))

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


def _list_methods(actions: Mapping[str, Action]) -> str:
    return ", ".join((*actions, *(("HEAD",) if "GET" in actions else ()), "OPTIONS"))


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
