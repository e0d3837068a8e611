"""A port that hands requests to a function: HTTP to a Function URL's event and back."""

from __future__ import annotations

import base64
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader, BytesIO
from threading import BoundedSemaphore
from time import monotonic
from typing import Any

from handlers.http.messages import Response
from handlers.http.responses import to_problem_response
from handlers.local.framing import PatientReader, read_body, read_head
from handlers.local.invoke import LocalContext
from pipeline.encoding import to_line
from pipeline.errors import RequestError

HOST = "127.0.0.1"
CONNECTIONS = 256  # answered at a time; whoever comes then waits in the backlog
PATIENCE = 10.0  # seconds, in which a request must have come, and an answer gone
LINGER = 1.0
Handler = Callable[[Any, Any], dict[str, Any]]


class Gateway(ThreadingHTTPServer):
    """Hands requests to a handler, each in a thread of its own: none waits behind another."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(
        self,
        port: int,
        handler: Handler,
        *,
        connections: int = CONNECTIONS,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__((HOST, port), _Exchange)
        self.patience = patience
        self._handler = handler
        self._places = BoundedSemaphore(connections)

    def call(self, event: Mapping[str, Any]) -> dict[str, Any]:
        return self._handler(event, LocalContext())

    def is_full(self) -> bool:
        """Whether no further connection would be answered now."""
        if not self._places.acquire(blocking=False):
            return True
        self._places.release()
        return False

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own, once there is a place for it."""
        self._places.acquire()
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a connection and give its place to the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def shutdown_request(self, request: Any) -> None:
        """End a connection so that the answer arrives: closed on unread bytes, it is reset."""
        with suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            request.settimeout(LINGER)
            end = monotonic() + LINGER
            while monotonic() < end and request.recv(65536):
                continue
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Say in a line what went wrong; that a caller has gone away is nothing to tell."""
        error = sys.exception()
        if not isinstance(error, OSError):
            print(f"error: {to_line(repr(error))}", file=sys.stderr, flush=True)


class _Exchange(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "forecaster", ""
    wbufsize = -1  # an answer leaves in one piece; in two it would wait for the caller's receipt
    server: Gateway

    def __getattr__(self, name: str) -> Any:
        """Take every method there is: which are allowed is for the function to say."""
        if name.startswith("do_"):
            return self._exchange
        raise AttributeError(name)

    def setup(self) -> None:
        """Read from the connection with patience that ends."""
        super().setup()
        self.rfile.close()
        self._patient = PatientReader(self.connection, self.server.patience)
        self.rfile = BufferedReader(self._patient)

    def handle_one_request(self) -> None:
        """Answer a request, for which there is time from now."""
        self._patient.renew()
        super().handle_one_request()

    def parse_request(self) -> bool:
        """Read the head by rules stricter than the library's, which then takes it apart."""
        self.command, self.requestline = "", ""
        self.request_version = self.protocol_version
        connection = self.rfile
        try:
            if not self.raw_requestline.endswith(b"\r\n"):
                raise RequestError("expected a request line that ends in CR and LF")
            self.rfile = BytesIO(read_head(connection))
            return super().parse_request()
        except RequestError as exc:
            self._refuse(exc)
            return False
        finally:
            self.rfile = connection

    def handle_expect_100(self) -> bool:
        """Let a caller who asks whether to send its body do so at once."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def _exchange(self) -> None:
        try:
            body = read_body(self.rfile, self.headers, self.request_version)
        except RequestError as exc:
            self._refuse(exc)
            return
        answer = self.server.call(_build_event(self.command, self.path, self._headers(), body))
        self._send(answer, close=self.server.is_full())

    def _refuse(self, error: RequestError) -> None:
        """Answer what cannot be read; nothing after it can be, either."""
        response: Response = to_problem_response(error)[0]
        self._send(response.event(), close=True)

    def _send(self, answer: Mapping[str, Any], *, close: bool) -> None:
        content = answer["body"].encode()
        if answer["isBase64Encoded"]:
            content = base64.b64decode(content)
        self.connection.settimeout(self.server.patience)
        self.send_response(answer["statusCode"])
        for name, value in answer["headers"].items():
            self.send_header(name, value)
        if close:
            self.send_header("connection", "close")
        if self.command != "HEAD" and answer["statusCode"] not in (204, 304):
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _headers(self) -> dict[str, str]:
        names = dict.fromkeys(name.lower() for name in self.headers)
        return {name: ",".join(self.headers.get_all(name, ())) for name in names}

    def log_message(self, *_: Any) -> None:
        """Say nothing: the function logs its calls itself."""


def _build_event(
    method: str, target: str, headers: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    """Return the event a Function URL would make (payload 2.0)."""
    path, _, query = target.partition("?")
    media = headers.get("content-type", "application/json").lower()
    try:
        is_text = media.startswith(("application/json", "text/"))
        text, is_base64 = (body.decode(), False) if is_text else ("", True)
    except UnicodeDecodeError:
        is_base64 = True
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": HOST}},
        "body": base64.b64encode(body).decode() if is_base64 else text,
        "isBase64Encoded": is_base64,
    }
