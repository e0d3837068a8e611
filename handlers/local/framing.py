"""Where a request begins and ends on a connection; what could be read in two ways is refused.

Two that read differently where a request ends, this server and a proxy before it, take part of one
caller's request for another's (RFC 9112, section 11.2).
"""

from __future__ import annotations

import re
import socket
from email.message import Message
from io import BufferedIOBase, RawIOBase
from time import monotonic

from handlers.http.problems import Refusal
from pipeline.errors import RequestError

MAX_HEAD = 64 * 1024
# What is kept of a body, more than the function takes; of more, so much is read and forgotten that
# the caller hears the answer.
MAX_KEPT, MAX_READ = 1024 * 1024, 64 * 1024 * 1024
FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n")
LENGTH = re.compile(r"[0-9]{1,15}")
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~\x80-\xff]*)?\r\n")
EXPECTED = "expected the length of the body in one Content-Length or in Transfer-Encoding: chunked"


class PatientReader(RawIOBase):
    """What comes on a connection until its patience ends, however slowly; then TimeoutError."""

    def __init__(self, connection: socket.socket, patience: float) -> None:
        self._connection, self._patience = connection, patience
        self.renew()

    def renew(self) -> None:
        """Begin to wait anew."""
        self._end = monotonic() + self._patience

    def readable(self) -> bool:
        """Whether it is for reading: always."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read what is there, at least a byte but at the end."""
        left = self._end - monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def read_head(stream: BufferedIOBase) -> bytes:
    """Return the fields up to the empty line; raises RequestError where a line is no field."""
    head = b""
    while (line := stream.readline(MAX_HEAD)) != b"\r\n":
        head += line
        if not FIELD.fullmatch(line) or len(head) > MAX_HEAD:
            raise RequestError(
                f"expected header fields, a line each, in {MAX_HEAD} bytes, got {line!r:.60}"
            )
    return head + line


def read_body(stream: BufferedIOBase, headers: Message, version: str) -> bytes:
    """Return the body, of a long one the beginning.

    Raises
    ------
    RequestError
        When it cannot be told where it ends, or it ends before.
    Refusal
        When it is too long to be read at all.
    """
    lengths = headers.get_all("content-length", [])
    codings = headers.get_all("transfer-encoding", [])
    if codings:
        if lengths or [coding.lower() for coding in codings] != ["chunked"] or version < "HTTP/1.1":
            raise RequestError(f"{EXPECTED}, got {[*lengths, *codings]!r:.60}")
        return _read_chunks(stream)
    if not lengths:
        return b""
    if len(lengths) > 1 or not LENGTH.fullmatch(lengths[0]):
        raise RequestError(f"{EXPECTED}, got {lengths!r:.60}")
    return _take(stream, _bounded(int(lengths[0])), MAX_KEPT)


def _read_chunks(stream: BufferedIOBase) -> bytes:
    kept, read = b"", 0
    while size := _read_size(stream):
        read = _bounded(read + size)
        kept += _take(stream, size, MAX_KEPT - len(kept))
        if (end := stream.readline(3)) != b"\r\n":
            raise RequestError(f"expected a chunk to end where its length says, got {end!r}")
    read_head(stream)
    return kept


def _read_size(stream: BufferedIOBase) -> int:
    line = stream.readline(1024)
    chunk = CHUNK.fullmatch(line)
    if chunk is None:
        raise RequestError(f"expected the length of the body's next chunk, got {line!r:.60}")
    return int(chunk[1], 16)


def _take(stream: BufferedIOBase, size: int, keep: int) -> bytes:
    """Read so many bytes and return the first `keep` of them."""
    kept = bytearray()
    while size and (part := stream.read(min(size, 65536))):
        kept += part[: keep - len(kept)]
        size -= len(part)
    if size:
        raise RequestError(f"expected a whole body, got {size} bytes less than its length says")
    return bytes(kept)


def _bounded(size: int) -> int:
    if size > MAX_READ:
        raise Refusal(413, f"expected a body of at most {MAX_READ} bytes, got {size}")
    return size
