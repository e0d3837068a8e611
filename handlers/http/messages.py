"""Messages: a Function URL's event (payload 2.0) as a request, a response as what it returns."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from handlers.http.problems import Refusal
from pipeline.errors import InvalidBody, RequestError

MAX_BODY = 256 * 1024  # bytes; a window is 15 kB, bars of ten years are 200 kB
READ_AS_JSON = ("", "application/json", "application/x-www-form-urlencoded", "text/plain")
EVENTS = 'an event of a Function URL, or {"body": "..."}'


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `direct` is an invocation by AWS's own API, which IAM has let in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str = ""
    is_base64: bool = False
    direct: bool = False

    @classmethod
    def of(cls, event: Any) -> Request:
        """Return the request in an event; raises RequestError where it is none."""
        if not isinstance(event, dict):
            raise RequestError(f"expected {EVENTS}, got {type(event).__name__}")
        body, is_base64 = event.get("body"), event.get("isBase64Encoded") is True
        if "requestContext" in event:
            return cls(
                *_parse_line(event), _lower_names(event.get("headers")), body or "", is_base64
            )
        if not isinstance(body, str):
            raise RequestError(f"expected {EVENTS}, got one with a body of {type(body).__name__}")
        return cls("POST", "/predict", {}, body, is_base64, direct=True)

    def json(self) -> bytes:
        """Return the body, if it may be JSON.

        Raises
        ------
        Refusal
            When it is too large, or declared as something else.
        InvalidBody
            When it is no base64 although the event says so, or no text.
        """
        media = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in READ_AS_JSON and not media.endswith("+json"):
            raise Refusal(415, f"expected application/json, got {media}")
        coding = self.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            raise Refusal(415, f"expected a body that is not compressed, got {coding}")
        # Looked at before anything is decoded: four characters of base64 are three bytes.
        if len(self.body) > (MAX_BODY * 4 // 3 + 4 if self.is_base64 else MAX_BODY):
            raise _refuse_size(len(self.body))
        data = self._bytes()
        if len(data) > MAX_BODY:
            raise _refuse_size(len(data))
        return data

    def _bytes(self) -> bytes:
        try:
            if self.is_base64:
                return base64.b64decode(self.body, validate=True)
            return self.body.encode()
        except (binascii.Error, ValueError) as exc:
            raise InvalidBody(f"expected a body in UTF-8 or base64, got: {exc}") from exc


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def event(self) -> dict[str, Any]:
        """Return the response as the function returns it."""
        answer = {"statusCode": self.status, "headers": dict(self.headers)}
        try:
            return answer | {"body": self.body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            encoded = base64.b64encode(self.body).decode()
            return answer | {"body": encoded, "isBase64Encoded": True}


def _parse_line(event: Mapping[str, Any]) -> tuple[str, str]:
    """Return the method and the path, without a slash at its end."""
    try:
        method, path = event["requestContext"]["http"]["method"], event["rawPath"]
        # An endpoint that ends in a slash, with a path after it, has two.
        return str(method), re.sub("/{2,}", "/", unquote(path)).rstrip("/") or "/"
    except (KeyError, TypeError) as exc:
        raise RequestError(f"expected {EVENTS}, got another event with a requestContext") from exc


def _lower_names(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}


def _refuse_size(size: int) -> Refusal:
    return Refusal(413, f"expected a body of at most {MAX_BODY} bytes, got {size}")
