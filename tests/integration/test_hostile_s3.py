"""Daily runs behind bad networks and odd S3 servers: they end right, or the store is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import count

import pytest

from pipeline.adapters.aws.clients import Patience
from pipeline.adapters.aws.s3_store import S3Objects
from pipeline.errors import StoreError
from pipeline.forecasting.model import Model
from tests.support import fault_proxy as faults
from tests.support.fault_proxy import (
    CLOSE,
    PAGE,
    RESET,
    SILENCE,
    XHTML,
    Answer,
    FaultProxy,
    Manner,
    always,
    half,
    lost,
    only,
    refusal,
)
from tests.support.records import SESSIONS, backfilled, run_days
from tests.support.s3_server import BUCKET, S3, s3_server

SPAN = SESSIONS[-2:]
PREFIXES = count()


def go_on_by_backfill(model: Model, sessions: Sequence[date], store: S3Objects) -> None:
    backfilled(model, sessions[0], sessions[-1], store=store)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


@pytest.fixture(scope="module")
def proxy(s3: S3) -> Iterator[FaultProxy]:
    with faults.fault_proxy(s3.url) as running:
        yield running


@pytest.fixture
def store(s3: S3, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> S3Objects:
    """An empty store behind the proxy, whose client waits for fractions of a second."""
    for name, value in {**s3.environ, "AWS_ENDPOINT_URL_S3": proxy.url}.items():
        monkeypatch.setenv(name, value)
    proxy.manner = faults.pass_on
    patience = Patience(attempts=6, connect=2, read=1)
    return S3Objects(BUCKET, f"run-{next(PREFIXES)}", patience=patience, pause=lambda _: None)


@pytest.fixture
def hurried(store: S3Objects) -> S3Objects:
    """The same store for what never passes: here a busy machine may take an answer for silence."""
    return replace(store, patience=Patience(attempts=6, connect=2, read=0.1))


# What passes. Silence costs a client's patience each time, so there is less of it.
DISTURBANCES: dict[str, tuple[Manner, int]] = {
    "503": (always(refusal(503, "SlowDown")), 3),
    "500": (always(refusal(500, "InternalError")), 3),
    "a proxy's 502": (always(Answer(502, PAGE)), 3),
    "too many requests": (always(refusal(429, "TooManyRequests")), 3),
    "no answer and a reset": (always(Answer(None, then=RESET)), 3),
    "no answer and an end": (always(Answer(None, then=CLOSE)), 3),
    "silence": (always(Answer(None, then=SILENCE)), 9),
    "an answer lost by a reset": (lost(RESET), 3),
    "an answer lost in silence": (lost(SILENCE), 9),
    "half a body and an end": (half(CLOSE), 3),
    "half a body and a reset": (half(RESET), 3),
    "half a body and silence": (half(SILENCE), 9),
    "a conflict with another put": (
        only("PUT", always(refusal(409, "ConditionalRequestConflict"))),
        2,
    ),
    "a conflict of another name": (only("PUT", always(refusal(409, "Conflict"))), 2),
    "an aborted operation": (only("PUT", always(refusal(409, "OperationAborted"))), 2),
}
ODDITIES: dict[str, Manner] = {
    "304 for 412": faults.not_modified,
    "412 without a code": faults.bare_status,
    "no StartAfter": faults.ignore_start,
    "no order": faults.unsorted,
    "short pages": faults.short_pages,
}


@pytest.mark.parametrize(("manner", "every"), DISTURBANCES.values(), ids=DISTURBANCES)
def test_disturbed_runs_leave_what_undisturbed_ones_do(
    model: Model, s3: S3, proxy: FaultProxy, store: S3Objects, manner: Manner, every: int
) -> None:
    proxy.disturb(manner, every)
    run_days(model, SPAN, store=store)
    assert s3.objects(store.prefix) == run_days(model, SPAN).objects


@pytest.mark.parametrize("manner", ODDITIES.values(), ids=ODDITIES)
def test_runs_on_an_odd_server_leave_what_those_on_s3_do(
    model: Model, s3: S3, proxy: FaultProxy, store: S3Objects, manner: Manner
) -> None:
    proxy.manner = manner
    run_days(model, SPAN, store=store)
    run_days(model, SPAN, store=store)  # finds everything there
    assert s3.objects(store.prefix) == run_days(model, SPAN).objects


class TestIgnoredConditions:
    """A server that ignores If-None-Match overwrites what it has: nothing is published in it."""

    def test_a_record_is_not_begun(
        self, model: Model, s3: S3, proxy: FaultProxy, store: S3Objects
    ) -> None:
        proxy.manner = faults.ignore_conditions
        for _ in range(2):
            with pytest.raises(StoreError, match=r"store\.json: expected the store to") as said:
                run_days(model, SPAN[:1], store=store)
            assert "it ignores If-None-Match" in str(said.value)
            assert "\n" not in str(said.value)
            lying = s3.objects(store.prefix)
            assert {key.partition("/")[0] for key in lying} <= {"bars", "bundles", "store.json"}

    @pytest.mark.parametrize("go_on", [run_days, go_on_by_backfill])
    def test_a_record_does_not_go_on(
        self,
        model: Model,
        s3: S3,
        proxy: FaultProxy,
        store: S3Objects,
        go_on: Callable[..., object],
    ) -> None:
        run_days(model, SPAN[:1], store=store)
        before = s3.objects(store.prefix)
        proxy.manner = faults.ignore_conditions
        with pytest.raises(StoreError, match="it ignores If-None-Match"):
            go_on(model, SPAN[1:], store=store)
        assert s3.objects(store.prefix) == before

    def test_the_try_costs_a_request_a_run(
        self, model: Model, proxy: FaultProxy, store: S3Objects
    ) -> None:
        run_days(model, SPAN[:1], store=store)
        before = len(proxy.seen)
        run_days(model, SPAN[:1], store=store)  # has nothing to do
        assert proxy.seen[before:].count("PUT") == 1


class TestLists:
    @pytest.mark.parametrize(
        "manner",
        [faults.ignore_start, faults.ignore_prefix, faults.unsorted, faults.short_pages],
    )
    def test_a_list_is_what_was_asked_for(
        self, proxy: FaultProxy, store: S3Objects, manner: Manner
    ) -> None:
        for name in ("runs/b", "runs/a", "runs/c", "bars/x", "runs-of-old"):
            store.create(name, b"")
        proxy.manner = manner
        assert store.keys("runs/") == ["runs/a", "runs/b", "runs/c"]
        assert store.keys("runs/", after="runs/a") == ["runs/b", "runs/c"]
        assert [*store.written_at("runs/").times] == ["runs/a", "runs/b", "runs/c"]

    @pytest.mark.parametrize(
        ("manner", "words"),
        [
            (faults.cut_lists, "expected the whole list of .*, got 2 names and no more"),
            (faults.pages_without_end, "expected the next page .* got the same names again"),
            (always(Answer(200, XHTML)), "expected S3's list of .*, got an answer that is none"),
            (always(Answer(200, PAGE)), "expected to list .*Is a proxy or a login page in between"),
        ],
    )
    def test_what_is_no_whole_list_is_none(
        self, proxy: FaultProxy, store: S3Objects, manner: Manner, words: str
    ) -> None:
        for name in ("runs/a", "runs/b", "runs/c"):
            store.create(name, b"")
        proxy.manner = manner
        with pytest.raises(StoreError, match=words):
            store.keys("runs/")


class TestPages:
    """A page of a proxy or a login, with status 200, is no answer of S3's."""

    def test_it_is_no_object(self, proxy: FaultProxy, store: S3Objects) -> None:
        store.create("a", b"data")
        proxy.manner = always(Answer(200, PAGE, {"Content-Type": "text/html"}))
        with pytest.raises(
            StoreError, match="got one of text/html without an ETag. Is a proxy or a"
        ):
            store.read("a")

    @pytest.mark.parametrize("page", [PAGE, XHTML, b""])
    def test_nothing_was_written_by_it(
        self, proxy: FaultProxy, store: S3Objects, page: bytes
    ) -> None:
        proxy.manner = always(Answer(200, page, {"Content-Type": "text/html"}))
        for write in (store.create, store.replace):
            with pytest.raises(StoreError, match="Is a proxy or a login page in between"):
                write("a", b"data")

    def test_a_run_behind_it_publishes_nothing(
        self, model: Model, s3: S3, proxy: FaultProxy, store: S3Objects
    ) -> None:
        proxy.manner = only("PUT", always(Answer(200, PAGE)))
        with pytest.raises(StoreError, match="Is a proxy or a login page in between"):
            run_days(model, SPAN, store=store)
        assert s3.objects(store.prefix) == {}


@pytest.mark.parametrize("then", [CLOSE, RESET, SILENCE])
@pytest.mark.parametrize("method", ["GET", "PUT", "LIST"])
def test_what_does_not_pass_is_an_error_of_ours(
    proxy: FaultProxy, hurried: S3Objects, method: str, then: str
) -> None:
    proxy.manner = only(method, always(Answer(None, then=then)))
    asked = {
        "GET": lambda: hurried.read("a"),
        "PUT": lambda: hurried.create("a", b""),
        "LIST": lambda: hurried.keys(""),
    }
    before = len(proxy.seen)
    with pytest.raises(StoreError, match=r"expected to (read|create|list) s3://.*, got \w+Error: "):
        asked[method]()
    assert len(proxy.seen) - before == 6


@pytest.mark.parametrize("then", [CLOSE, RESET, SILENCE])
def test_a_body_that_always_breaks_off_is_an_error_of_ours(
    proxy: FaultProxy, store: S3Objects, hurried: S3Objects, then: str
) -> None:
    store.create("a", b"x" * 1000)
    proxy.manner = only("GET", half(then))
    with pytest.raises(StoreError, match=r"expected to read s3://.*, got \w+Error: "):
        hurried.read("a")


@pytest.mark.parametrize("then", [CLOSE, RESET, SILENCE])
def test_a_refusal_whose_words_break_off_is_an_error_of_ours(
    proxy: FaultProxy, hurried: S3Objects, then: str
) -> None:
    proxy.manner = only("GET", half(then))
    with pytest.raises(StoreError, match=r"expected to read s3://.*, got \w+Error: "):
        hurried.read("missing")


def test_a_refusal_is_not_tried_again(proxy: FaultProxy, store: S3Objects) -> None:
    proxy.manner = always(refusal(403, "AccessDenied"))
    before = len(proxy.seen)
    with pytest.raises(StoreError, match="AccessDenied"):
        store.create("a", b"")
    assert len(proxy.seen) - before == 1


def test_a_body_longer_than_any_object_is_not_read_to_its_end(
    proxy: FaultProxy, store: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.ports.LARGEST_OBJECT", 1000)
    proxy.manner = faults.endless
    with pytest.raises(StoreError, match="expected at most 1000 bytes, got "):
        store.read("a")


@pytest.mark.parametrize(
    "answer",
    [
        refusal(501, "NotImplemented"),
        refusal(400, "XAmzContentSHA256Mismatch"),
        Answer(400, b"<Error><Code>InvalidArgument</Code><Message>Unsupported header "
               b"'x-amz-checksum-crc32' received</Message></Error>"),
    ],
)  # fmt: skip
def test_a_server_without_checksums_is_told_how_to_be_written_to(
    proxy: FaultProxy, store: S3Objects, answer: Answer
) -> None:
    proxy.manner = only("PUT", always(answer))
    with pytest.raises(StoreError, match="AWS_REQUEST_CHECKSUM_CALCULATION=when_required") as said:
        store.create("a", b"")
    assert "\n" not in str(said.value)
