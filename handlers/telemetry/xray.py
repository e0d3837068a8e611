"""Tracing: subsegments of a sampled call, sent to the X-Ray daemon that runs beside the function.

Lambda names the trace in `_X_AMZN_TRACE_ID` anew for each call, and the daemon's address in
`AWS_XRAY_DAEMON_ADDRESS`. A datagram is a line about the format and a line with the segment.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import msgspec

HEADER = b'{"format":"json","version":1}\n'


class Tracer:
    """Sends what took how long, where the caller of the function wants to know."""

    def __init__(self, service: str, environ: Mapping[str, str]) -> None:
        self._service, self._environ = service, environ
        self._parent: str | None = None

    @property
    def trace_id(self) -> str | None:
        """The trace of the call under way, sampled or not; None where nothing names one."""
        return _parse_trace(self._environ.get("_X_AMZN_TRACE_ID", "")).get("Root")

    @contextmanager
    def subsegment(self, name: str, **fields: Any) -> Iterator[dict[str, Any]]:
        """Time the block; what is put into the mapping given becomes fields of the subsegment."""
        trace = _parse_trace(self._environ.get("_X_AMZN_TRACE_ID", ""))
        address = self._environ.get("AWS_XRAY_DAEMON_ADDRESS")
        if trace.get("Sampled") != "1" or "Root" not in trace or address is None:
            yield {}
            return
        outer, parent = self._parent, self._parent or trace.get("Parent")
        self._parent = new = os.urandom(8).hex()
        ids = {"id": new, "parent_id": parent, "trace_id": trace["Root"], "type": "subsegment"}
        segment = {"name": name, "start_time": time.time(), **ids, **fields}
        segment["annotations"] = {"Service": self._service}
        try:
            yield segment
        except BaseException:
            segment["fault"] = True
            raise
        finally:
            self._parent = outer
            _send({**segment, "end_time": time.time()}, address)


def _parse_trace(header: str) -> dict[str, str]:
    """Return `Root=1-…;Parent=…;Sampled=1` as a mapping."""
    pairs = (part.partition("=") for part in header.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _send(segment: Mapping[str, Any], address: str) -> None:
    """Send a datagram; a daemon that is not there costs no answer."""
    import socket  # noqa: PLC0415

    host, _, port = address.rpartition(":")
    with suppress(OSError, ValueError), socket.socket(type=socket.SOCK_DGRAM) as daemon:
        daemon.sendto(HEADER + msgspec.json.encode(segment), (host, int(port)))
