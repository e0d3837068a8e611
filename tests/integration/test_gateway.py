"""The local port: how many it answers, how long it waits, and what it refuses to guess."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Lock
from typing import Any

import pytest

from handlers.local.gateway import Gateway
from tests.support.lines import GET, connect, echo, gateway, read_to_end, send, serving

POST = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", answer)]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with gateway() as port:
        yield port


AMBIGUOUS = {
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 39\r\n\r\n{}",
    "a length twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "a length and chunks": POST + b"Content-Length: 5\r\n" + CHUNKED + b"0\r\n\r\n",
    "chunks and a length": POST + CHUNKED[:-2] + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "chunks twice": POST + CHUNKED[:-2] + CHUNKED + b"0\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": POST.replace(b"1.1", b"1.0") + CHUNKED + b"0\r\n\r\n",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "digits of another script": POST + b"Content-Length: \xb2\r\n\r\n{}",
    "an underscore": POST + b"Content-Length: 1_0\r\n\r\n0123456789",
    "hex": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "no digits": POST + b"Content-Length: \r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 37\r\n\r\n",
    "a space before the name": POST + b" Content-Length: 37\r\n\r\n",
    "a folded line": POST + b"Content-Length:\r\n 37\r\n\r\n",
    "no colon": POST + b"Content-Length\r\n\r\n",
    "a bare CR": POST + b"X: a\rContent-Length: 37\r\n\r\n",
    "a bare LF": POST + b"X: a\nContent-Length: 37\r\n\r\n",
    "a bare LF in the line": b"GET / HTTP/1.1\nHost: x\r\n\r\n",
    "a NUL": POST + b"X: a\0b\r\n\r\n",
    "a chunk of a negative size": POST + CHUNKED + b"-1\r\n\r\n",
    "a chunk without a size": POST + CHUNKED + b"\r\n\r\n",
    "a chunk's size in a bare LF": POST + CHUNKED + b"2\n{}\r\n0\r\n\r\n",
    "a chunk longer than its size": POST + CHUNKED + b"2\r\n{}}\r\n0\r\n\r\n",
    "an extension without end": POST + CHUNKED + b"2;" + b"a" * 2000 + b"\r\n{}\r\n0\r\n\r\n",
    "a trailer that is none": POST + CHUNKED + b"0\r\nContent-Length : 37\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("request_bytes", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read(
    port: int, request_bytes: bytes
) -> None:
    answer = send(port, request_bytes + SMUGGLED)
    assert statuses(answer) == [400]
    assert b"connection: close" in answer
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "sent", [b"Content-Length: 3\r\n\r\n{}", CHUNKED + b"2\r\n{}\r\n", CHUNKED + b"5\r\n{}"]
)
def test_a_body_that_ends_early_is_refused(port: int, sent: bytes) -> None:
    assert statuses(send(port, POST + sent)) == [400]


@pytest.mark.parametrize(
    "head", [b"Content-Length: 999999999999\r\n\r\n", CHUNKED + b"fffffffff\r\n"]
)
def test_a_body_too_long_to_be_read_is_refused_at_once(port: int, head: bytes) -> None:
    assert statuses(send(port, POST + head + SMUGGLED)) == [413]


@pytest.mark.parametrize("head", [b"Content-Length: 999999999999", b"Content-Length: 1_0"])
def test_a_refusal_arrives_although_more_was_sent_than_is_read(port: int, head: bytes) -> None:
    answer = send(port, POST + head + b"\r\n\r\n", b"a" * 8_000_000)
    assert statuses(answer) in ([413], [400])


def test_a_long_body_is_read_to_its_end_and_the_next_request_after_it(port: int) -> None:
    long = b"a" * 3_000_000
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (long, b"b", long))
    answer = send(port, POST + CHUNKED, chunks, b"0\r\nX: y\r\n\r\n", POST, b"\r\n", GET)
    assert statuses(answer) == [200, 200, 200]
    assert answer.count(b"a") < 2_000_000


def test_a_caller_who_asks_whether_to_send_its_body_hears_so_at_once(port: int) -> None:
    with connect(port) as line:
        line.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 100")
        line.sendall(b"{}")
        line.shutdown(socket.SHUT_WR)
        assert statuses(read_to_end(line)) == [200]


def test_two_hundred_come_at_once_and_all_are_answered() -> None:
    # All are connected before the first is looked at.
    unheard = Gateway(0, echo)
    lines = [connect(unheard.server_port) for _ in range(200)]
    with serving(unheard):
        for line in lines:
            line.sendall(GET)
        for line in lines:
            assert line.recv(65536).startswith(b"HTTP/1.1 200")
            line.close()


class Counted(Gateway):
    """Counts how many connections are answered at a time."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.counting, self.now, self.most = Lock(), 0, 0

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self.counting:
            self.now += 1
            self.most = max(self.most, self.now)
        super().finish_request(request, client_address)
        with self.counting:
            self.now -= 1


def test_beyond_the_bound_they_wait_for_a_place_and_none_is_reset() -> None:
    counted = Counted(0, echo, connections=3)
    with serving(counted) as port, ThreadPoolExecutor(40) as callers:
        answers = [*callers.map(lambda _: send(port, GET), range(200))]
    assert Counter(status for answer in answers for status in statuses(answer)) == {200: 200}
    assert counted.most <= 3


def test_those_who_stay_on_the_line_make_room_where_others_wait() -> None:
    with gateway(connections=1) as port, connect(port) as line:
        line.sendall(GET * 2)
        answer = read_to_end(line)
        assert statuses(answer) == [200]
        assert b"connection: close" in answer
        assert statuses(send(port, GET)) == [200]


@pytest.mark.parametrize(
    "begun", [b"", b"GET /he", GET[:-2], POST + b"Content-Length: 9\r\n\r\n{}", POST + CHUNKED]
)
def test_who_says_no_more_is_waited_for_no_longer(begun: bytes) -> None:
    with gateway(patience=0.2, connections=1) as port, connect(port) as line:
        line.sendall(begun)
        assert read_to_end(line) == b""
        assert statuses(send(port, GET)) == [200]


def test_who_says_a_byte_now_and_then_is_waited_for_no_longer() -> None:
    with gateway(patience=0.2) as port, connect(port) as line:
        line.settimeout(0.05)
        line.sendall(b"GET / HTTP/1.1\r\nX: ")
        for _ in range(100):
            try:
                assert line.recv(1) == b""
                return
            except TimeoutError:
                line.sendall(b"a")
        pytest.fail("expected an end, got none after a hundred bytes")


def test_what_fails_here_is_a_line_and_a_caller_who_is_gone_none(
    capfd: pytest.CaptureFixture[str],
) -> None:
    calls = count()

    def fail(event: Any, context: Any) -> Any:
        if next(calls):
            raise OSError("gone")
        raise ValueError("a\x1b[2J\nb")

    with gateway(fail) as port:
        assert [send(port, GET), send(port, GET)] == [b"", b""]
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "error: ValueError('a\\x1b[2J\\nb')\n"
