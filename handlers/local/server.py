"""The on-demand function on a local port: HTTP to a Function URL's event and back, no AWS."""

from __future__ import annotations

import argparse
import base64
import contextlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

from handlers.http.routes import to_problem_response
from handlers.local.invoke import LocalContext
from pipeline.errors import ForecasterError, InvalidBody

HOST = "127.0.0.1"
# What Lambda takes; of more, so much is read and forgotten that the caller hears the answer.
MAX_EVENT, MAX_DRAINED = 6 * 1024 * 1024, 64 * 1024 * 1024
LENGTH = re.compile(r"[0-9A-Fa-f]{1,15}")
Handler = Callable[[Any, Any], dict[str, Any]]


class Gateway(ThreadingHTTPServer):
    """Hands requests to a handler one at a time, as Lambda does."""

    daemon_threads = True

    def __init__(self, port: int, handler: Handler) -> None:
        super().__init__((HOST, port), _Exchange)
        self._handler = handler
        self._lock = Lock()

    def call(self, event: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            return self._handler(event, LocalContext())


class _Exchange(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "forecaster", ""
    timeout = 30
    wbufsize = -1  # an answer leaves in one piece; in two it would wait for the caller's receipt
    server: Gateway

    def __getattr__(self, name: str) -> Any:
        """Take every method there is: which are allowed is for the function to say."""
        if name.startswith("do_"):
            return self._exchange
        raise AttributeError(name)

    def _exchange(self) -> None:
        try:
            event = _build_event(self.command, self.path, self._headers(), self._body())
        except InvalidBody as exc:
            answer = to_problem_response(exc)[0].event()
        else:
            answer = self.server.call(event)
        content = answer["body"].encode()
        if answer["isBase64Encoded"]:
            content = base64.b64decode(content)
        self.send_response(answer["statusCode"])
        for name, value in answer["headers"].items():
            self.send_header(name, value)
        if self.command != "HEAD" and answer["statusCode"] not in (204, 304):
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _headers(self) -> dict[str, str]:
        names = dict.fromkeys(name.lower() for name in self.headers)
        return {name: ",".join(self.headers.get_all(name, ())) for name in names}

    def _body(self) -> bytes:
        """Read the body; raises InvalidBody where it cannot be told where it ends."""
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self._read(self.headers.get("content-length", "0"), 10)
        body = b""
        while chunk := self._read(self.rfile.readline(1024).decode("latin-1"), 16):
            body = (body + chunk)[:MAX_EVENT]
            self.rfile.readline(1024)
        while self.rfile.readline(1024).strip():
            continue
        return body

    def _read(self, length: str, base: int) -> bytes:
        """Read so many bytes; what Lambda would not take is read and forgotten."""
        digits = length.partition(";")[0].strip()
        if not LENGTH.fullmatch(digits) or (base == 10 and not digits.isdecimal()):
            self.close_connection = True
            raise InvalidBody(f"expected the length of the body, got {length!r:.60}")
        left = int(digits, base)
        body = self.rfile.read(min(left, MAX_EVENT))
        left = min(left, MAX_DRAINED) - len(body)
        while left > 0 and (part := self.rfile.read(min(left, 65536))):
            left -= len(part)
        return body

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


def main(arguments: list[str]) -> int:
    """Serve until Ctrl-C; 2 where the settings are wrong or the port is taken."""
    options = _parse_options(arguments)
    os.environ["FORECASTER_AUTH"] = options.auth
    os.environ["FORECASTER_STORE"] = options.store
    os.environ["FORECASTER_BUNDLE"] = str(options.bundle)
    try:
        from handlers.on_demand import handler  # noqa: PLC0415

        gateway = Gateway(options.port, handler)
    except ForecasterError as exc:
        return _refuse(str(exc))
    except (OSError, OverflowError) as exc:
        return _refuse(f"expected a free port on {HOST}, got port {options.port}: {exc}")
    print(f"Serving http://{HOST}:{gateway.server_port} until Ctrl-C", flush=True)
    # Metrics are for CloudWatch; the log, on standard error, says the same to people.
    with (
        gateway,
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.suppress(KeyboardInterrupt),
    ):
        gateway.serve_forever()
    return 0


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


def _parse_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m handlers.local.server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--auth", required=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
