"""A proxy on 127.0.0.1 before an S3: it answers as bad networks and odd servers do.

A manner takes a request and what forwards it, and gives the answer. Manners for a while are
disturbances, which a client gets over; those for good are how some server is.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

BOUND = 20.0  # seconds that anything here takes at most
# Of a connection, not of an answer.
HOP = {"connection", "content-length", "date", "server", "transfer-encoding"}
CLOSE, RESET, SILENCE = "close", "reset", "silence"
PAGE = b"<!doctype html><html><body><h1>Please log in</h1></body></html>"
XHTML = b"<html><body><p>Please log in</p></body></html>"


@dataclass(frozen=True)
class Sent:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def lists(self) -> bool:
        return "list-type=2" in self.target

    def asking(self, **query: str | None) -> Sent:
        """The request with other parameters in its query; None takes one away."""
        path, _, asked = self.target.partition("?")
        new = dict(parse_qsl(asked, keep_blank_values=True))
        new |= {name.replace("_", "-"): value or "" for name, value in query.items()}
        new = {k: v for k, v in new.items() if query.get(k.replace("-", "_"), v) is not None}
        return replace(self, target=f"{path}?{urlencode(new)}")

    def without(self, header: str) -> Sent:
        kept = {name: value for name, value in self.headers.items() if name.lower() != header}
        return replace(self, headers=kept)


@dataclass(frozen=True)
class Answer:
    """An answer; of its body `only` so many bytes are sent, and `then` the connection ends.

    Without a status nothing is sent before that.
    """

    status: int | None = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    only: int | None = None
    then: str | None = None


Forward = Callable[[Sent], Answer]
Manner = Callable[[Sent, Forward], Answer]


def refusal(status: int, code: str, message: str = "no") -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})


def always(answer: Answer) -> Manner:
    return lambda _, __: answer


def only(method: str, manner: Manner) -> Manner:
    """A manner towards requests of a method, lists apart; the others are passed on."""

    def towards(sent: Sent, forward: Forward) -> Answer:
        kind = "LIST" if sent.lists else sent.method
        return manner(sent, forward) if kind == method else forward(sent)

    return towards


def lost(then: str) -> Manner:
    """What was asked is done, and the answer never comes."""

    def lose(sent: Sent, forward: Forward) -> Answer:
        forward(sent)
        return Answer(None, then=then)

    return lose


def half(then: str) -> Manner:
    """Half of a body comes."""

    def cut(sent: Sent, forward: Forward) -> Answer:
        answer = forward(sent)
        return replace(answer, only=len(answer.body) // 2, then=then) if answer.body else answer

    return cut


def pass_on(sent: Sent, forward: Forward) -> Answer:
    return forward(sent)


def ignore_conditions(sent: Sent, forward: Forward) -> Answer:
    return forward(sent.without("if-none-match"))


def not_modified(sent: Sent, forward: Forward) -> Answer:
    answer = forward(sent)
    return Answer(304) if answer.status == 412 else answer


def bare_status(sent: Sent, forward: Forward) -> Answer:
    """Refusals of a condition without a body, so without a code."""
    answer = forward(sent)
    return Answer(412) if answer.status == 412 else answer


def ignore_start(sent: Sent, forward: Forward) -> Answer:
    return forward(sent.asking(start_after=None) if sent.lists else sent)


def ignore_prefix(sent: Sent, forward: Forward) -> Answer:
    return forward(sent.asking(prefix=None) if sent.lists else sent)


def unsorted(sent: Sent, forward: Forward) -> Answer:
    answer = forward(sent)
    listed = re.findall(rb"<Contents>.*?</Contents>", answer.body, re.DOTALL)
    if not sent.lists or not listed:
        return answer
    begin, end = answer.body.index(listed[0]), answer.body.index(listed[-1]) + len(listed[-1])
    body = answer.body[:begin] + b"".join(reversed(listed)) + answer.body[end:]
    return replace(answer, body=body)


def short_pages(sent: Sent, forward: Forward) -> Answer:
    return forward(sent.asking(max_keys="2") if sent.lists else sent)


def pages_without_end(sent: Sent, forward: Forward) -> Answer:
    """A list in pages whose next one is always the first, by a token that is always another."""
    if not sent.lists:
        return forward(sent)
    answer = forward(sent.asking(max_keys="2", continuation_token=None))
    if len(sent.target) > 2000:  # a client that still believes it shall hear that this is all
        return replace(
            answer, body=answer.body.replace(b"<IsTruncated>true", b"<IsTruncated>false")
        )
    token = b"<NextContinuationToken>" + b"x" * len(sent.target)  # each longer than the last
    return replace(answer, body=re.sub(rb"<NextContinuationToken>[^<]*", token, answer.body))


def cut_lists(sent: Sent, forward: Forward) -> Answer:
    """Lists as a server of the first version gives them: they say no token for what is left."""
    answer = short_pages(sent, forward)
    body = re.sub(rb"<NextContinuationToken>.*?</NextContinuationToken>", b"", answer.body)
    return replace(answer, body=body)


def endless(_: Sent, __: Forward) -> Answer:
    """A body of which no length is told; its end is that of the connection."""
    return Answer(200, b"x" * 10**6, {"ETag": '"x"', "Content-Length": ""}, then=CLOSE)


class FaultProxy(ThreadingHTTPServer):
    """Forwards to `upstream` in a manner that can be changed; `seen` are the requests' methods."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.manner: Manner = pass_on
        self.released = Event()
        self.seen: list[str] = []
        self._upstream, self._lock = urlsplit(upstream).netloc, Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def disturb(self, manner: Manner, every: int) -> None:
        """Take every n-th of the requests to come in that manner."""
        since = len(self.seen)

        def now_and_then(sent: Sent, forward: Forward) -> Answer:
            due = (len(self.seen) - since) % every == 0
            return manner(sent, forward) if due else forward(sent)

        self.manner = now_and_then

    def answer(self, sent: Sent) -> Answer:
        with self._lock:
            self.seen.append("LIST" if sent.lists else sent.method)
            return self.manner(sent, self._forward)

    def _forward(self, sent: Sent) -> Answer:
        connection = HTTPConnection(self._upstream, timeout=BOUND)
        try:
            headers = sent.without("expect").headers
            connection.request(sent.method, sent.target, sent.body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.getheaders()))
        finally:
            connection.close()

    def shutdown_request(self, request: Any) -> None:
        """Close, and say no goodbye before: after it a reset would be none."""
        self.close_request(request)

    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients that go away are what this is for."""


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = BOUND
    wbufsize = -1
    server: FaultProxy

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._exchange
        raise AttributeError(name)

    def handle_expect_100(self) -> bool:
        """Let the client send its body at once."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def _exchange(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.server.answer(Sent(self.command, self.path, dict(self.headers), body))
        if answer.status is not None:
            self._send(answer, answer.status)
        if answer.then is not None:
            self._end(answer.then)

    def _send(self, answer: Answer, status: int) -> None:
        self.send_response_only(status)
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP}
        for name, value in kept.items():
            self.send_header(name, value)
        if status != 304:
            told = answer.headers.get("Content-Length", "")
            length = told if self.command == "HEAD" else str(len(answer.body))
            if not (answer.headers and told == "" and answer.then == CLOSE):
                self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.only])
        self.wfile.flush()

    def _end(self, then: str) -> None:
        self.close_connection = True
        if then == SILENCE:
            self.server.released.wait(BOUND)
        if then == RESET:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """Run a proxy before `upstream`, a URL, until the block ends."""
    proxy = FaultProxy(upstream)
    thread = Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.released.set()
        proxy.shutdown()
        with suppress(OSError):
            proxy.server_close()
        thread.join()
