"""The on-demand function: a Function URL's event → pipeline.serving → JSON, or a problem."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache, partial
from time import monotonic, perf_counter
from typing import Any

from handlers.environment import API_KEY, IAM
from handlers.http.messages import Request, Response
from handlers.http.problems import NOT_PUBLISHED
from handlers.http.responses import to_problem_response
from handlers.http.routes import Service
from handlers.settings import OnDemandSettings
from handlers.telemetry.on_demand import SERVICE, Signals
from handlers.telemetry.xray import Tracer
from pipeline.encoding import to_line
from pipeline.errors import ForecasterError
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.model import Model
from pipeline.forecasting.models import find_broad_bundle
from pipeline.ports import ObjectStore
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.deadline import call_within
from pipeline.serving.on_demand import OnDemand
from pipeline.wiring import open_store

PATIENCE = 3.0  # seconds that a request waits for the store


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one request; what goes wrong is a problem with a status, never an exception."""
    started = perf_counter()
    trace = tracer.trace_id
    fields: dict[str, Any] = {} if trace is None else {"xray_trace_id": trace}
    with tracer.subsegment("## handler") as traced:
        response = _answer(event, fields)
        traced["error"] = 400 <= response.status < 500
        traced["fault"] = response.status >= 500
    signals.emit(context, response.status, perf_counter() - started, fields)
    return response.event()


def _answer(event: Any, fields: dict[str, Any]) -> Response:
    try:
        request = Request.of(event)
        fields |= {"method": request.method, "path": request.path[:200]}
        return service.answer(request)
    except Exception as exc:
        response, fields["code"] = to_problem_response(exc)
        if response.status >= 500 and fields["code"] != NOT_PUBLISHED:
            fields |= _describe_error(exc)
        return response


def _describe_error(error: Exception) -> dict[str, str]:
    """Return what the log says of an error that is not the caller's."""
    if isinstance(error, ForecasterError):
        return {"exception_name": type(error).__name__, "exception": to_line(str(error))}
    import traceback  # noqa: PLC0415

    stack = "".join(traceback.format_exception(error)).splitlines()
    return {"exception_name": type(error).__name__, "exception": "\n".join(map(to_line, stack))}


def _now() -> datetime:
    return datetime.now(UTC)


@cache
def _open_store() -> ObjectStore:
    return open_store(settings.store, hurried=True)


def _read(key: str) -> bytes | None:
    with tracer.subsegment("store", namespace="remote"):
        store = _open_store()  # boto3 is loaded before the clock runs
        return call_within(PATIENCE, f"read {store.url(key)}", partial(store.read, key))


def _wire(settings: OnDemandSettings) -> Service:
    keys = settings.api_key_sha256 if settings.auth == API_KEY else None
    model, broad = Model(load_bundle(settings.bundle)), find_broad_bundle(settings.bundle)
    load_broad = cache(lambda: Model(load_bundle(broad))) if broad else None
    views = CachedViews(_read, monotonic, now=_now, patience=PATIENCE)
    return Service(
        OnDemand(model, views, load_broad),
        keys,
        signed_only=settings.auth == IAM,
        origins=settings.origin_sha256,
    )


settings = OnDemandSettings.from_env(os.environ)
tracer = Tracer(SERVICE, os.environ)
service = _wire(settings)
signals = Signals(service.on_demand.model.manifest.model_version)
