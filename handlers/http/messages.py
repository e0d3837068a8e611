"""Messages: a Function URL's event (payload 2.0) as a request, a response as what it returns."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec
from msgspec import UNSET, Struct, UnsetType

from handlers.http.problems import Refusal
from pipeline.errors import InvalidBody, RequestError

MAX_BODY = 256 * 1024  # bytes; a window is 15 kB, bars of ten years are 200 kB
READ_AS_JSON = ("", "application/json", "application/x-www-form-urlencoded", "text/plain")
EVENTS = 'an event of a Function URL, or {"body": "..."}'
Event = TypeVar("Event", bound=Struct)


class _Line(Struct):
    method: str


class _Authorizer(Struct):
    iam: dict[str, Any] | None = None


class _Context(Struct):
    http: _Line
    authorizer: _Authorizer | None = None


class _UrlEvent(Struct, rename="camel"):
    """What is read of a Function URL's event; null stands where there is nothing."""

    request_context: _Context
    raw_path: str
    headers: dict[str, str] | None = None
    body: str | None = None
    is_base64_encoded: bool = False


class _DirectEvent(Struct, rename="camel"):
    """What is read of an event that somebody who invokes the function wrote.

    With a path it may be any request of the URL's, without a body too.
    """

    body: str | UnsetType = UNSET
    path: str | UnsetType = UNSET
    method: str = "POST"
    is_base64_encoded: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    `direct` is an invocation by AWS's own API, which IAM has let in. `signed` is one by the URL, of
    which AWS says in the event who signed it.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: str = ""
    is_base64: bool = False
    direct: bool = False
    signed: bool = False

    @classmethod
    def of(cls, event: Any) -> Request:
        """Return the request in an event; raises RequestError where it is none."""
        if not isinstance(event, dict):
            raise RequestError(f"expected {EVENTS}, got {type(event).__name__}")
        if "requestContext" not in event:
            return cls._of_direct(_read_event(event, _DirectEvent))
        sent = _read_event(event, _UrlEvent)
        headers = {name.lower(): value for name, value in (sent.headers or {}).items()}
        method, path = sent.request_context.http.method, _clean_path(sent.raw_path)
        _refuse_surrogates(method, path, *headers, *headers.values())
        signed = bool(sent.request_context.authorizer and sent.request_context.authorizer.iam)
        return cls(method, path, headers, sent.body or "", sent.is_base64_encoded, signed=signed)

    @classmethod
    def _of_direct(cls, sent: _DirectEvent) -> Request:
        if sent.body is UNSET and sent.path is UNSET:
            raise RequestError(f"expected {EVENTS}, got one without a body or a path")
        body = "" if sent.body is UNSET else sent.body
        path = "/predict" if sent.path is UNSET else _clean_path(sent.path)
        method = sent.method
        _refuse_surrogates(method, path)
        return cls(method, path, {}, body, sent.is_base64_encoded, direct=True)

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


def _read_event(event: Any, kind: type[Event]) -> Event:
    try:
        return msgspec.convert(event, kind)
    except (msgspec.ValidationError, UnicodeEncodeError) as exc:
        raise RequestError(f"expected {EVENTS}, got one that is not: {exc}") from exc


def _clean_path(raw: str) -> str:
    """Return a path without escapes and without a slash at its end."""
    # An endpoint that ends in a slash, with a path after it, has two.
    return re.sub("/{2,}", "/", unquote(raw)).rstrip("/") or "/"


def _refuse_surrogates(*texts: str) -> None:
    """Refuse half a character, which JSON can say and no answer and no log can repeat."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as exc:
        raise RequestError(f"expected {EVENTS} in UTF-8, got {exc.object[exc.start]!a}") from exc


def _refuse_size(size: int) -> Refusal:
    return Refusal(413, f"expected a body of at most {MAX_BODY} bytes, got {size}")
