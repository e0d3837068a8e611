"""Connections to a local port, by hand: bytes out, bytes in."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Any

from handlers.local.gateway import Gateway

GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def echo(event: Mapping[str, Any], _: Any) -> dict[str, Any]:
    """Answer with what came."""
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"path": event["rawPath"], "body": event["body"]}),
        "isBase64Encoded": False,
    }


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def read_to_end(line: socket.socket) -> bytes:
    """Return all that comes until the server ends the connection; raises where it resets it."""
    return b"".join(iter(lambda: line.recv(65536), b""))


def send(port: int, *parts: bytes) -> bytes:
    """Send, say that nothing more comes, and return all that is answered."""
    with connect(port) as line:
        for part in parts:
            line.sendall(part)
        line.shutdown(socket.SHUT_WR)
        return read_to_end(line)


@contextmanager
def serving(gateway: Gateway) -> Iterator[int]:
    """Answer in a thread until the block ends; gives the port."""
    thread = Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield gateway.server_port
    finally:
        gateway.shutdown()
        thread.join()
        gateway.server_close()


@contextmanager
def gateway(handler: Callable[..., Any] = echo, **options: Any) -> Iterator[int]:
    """Serve a handler on a free port; gives the port."""
    with serving(Gateway(0, handler, **options)) as port:
        yield port
