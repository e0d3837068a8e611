"""What else is asked of AWS, behind bad networks and foreign answers: one error of ours, a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from pipeline.adapters.aws import clients
from pipeline.adapters.aws.clients import Patience
from pipeline.adapters.aws.cloudwatch_logs import read_log
from pipeline.adapters.aws.deployment import Deployment
from pipeline.adapters.aws.rollback import plan_rollback
from pipeline.adapters.aws.s3_store import S3Objects
from pipeline.adapters.aws.ssm_parameters import read_secret
from pipeline.errors import DeploymentError, ForecasterError, StoreError
from tests.support import fault_proxy as faults
from tests.support.fault_proxy import (
    CLOSE,
    PAGE,
    RESET,
    SILENCE,
    XHTML,
    Answer,
    FaultProxy,
    always,
    refusal,
)
from tests.support.s3_server import BUCKET, S3, s3_server

ONCE = Patience(attempts=1, connect=1, read=0.2)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


@pytest.fixture(scope="module")
def proxy(s3: S3) -> Iterator[FaultProxy]:
    with faults.fault_proxy(s3.url) as running:
        yield running


@pytest.fixture(autouse=True)
def aws(s3: S3, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**s3.environ, "AWS_ENDPOINT_URL": proxy.url}.items():
        monkeypatch.setenv(name, proxy.url if name.startswith("AWS_ENDPOINT") else value)
    monkeypatch.setattr(clients.make_client, "__defaults__", (None, ONCE))


def store() -> S3Objects:
    return S3Objects(BUCKET, "k", patience=ONCE)


def deployment() -> Deployment:
    return Deployment("dev", "us-east-1")


CALLS: dict[str, Callable[[], object]] = {
    "read a secret": partial(read_secret, "/name"),
    "read a log": partial(read_log, "group", "phrase", "us-east-1"),
    "pause": lambda: deployment().pause(),
    "resume": lambda: deployment().resume(),
    "roll back": lambda: plan_rollback(deployment()),
    "store a key": lambda: deployment().store_key("key", "digest"),
}
FOREIGN = {
    "no answer": Answer(None, then=CLOSE),
    "a reset": Answer(None, then=RESET),
    "silence": Answer(None, then=SILENCE),
    "a page": Answer(200, PAGE),
    "a page of XML": Answer(200, XHTML),
    "a page that says no": Answer(403, PAGE),
    "nothing": Answer(200, b""),
    "another document": Answer(200, b"{}"),
    "no UTF-8": Answer(200, b"\xff\xfe"),
    "an error": refusal(500, "InternalError"),
    "a refusal": refusal(400, "AccessDeniedException"),
}


@pytest.mark.parametrize("answer", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_it_is_an_error_of_the_deployment(
    proxy: FaultProxy, call: Callable[[], object], answer: Answer
) -> None:
    proxy.manner = always(answer)
    with pytest.raises(DeploymentError, match=r"expected to .*, got \w+") as said:
        call()
    assert "\n" not in str(said.value)
    assert said.value.__cause__ is not None


LIST = (
    b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents>%b</Contents></ListBucketResult>"
)
BODIES = [
    *(b"", b"[]", b"null", b"\xff", b"<a>" * 2000, b"<ListBucketResult/>"),
    *(b"<?xml version='1.0'?><Error/>", b"<Error><Code/></Error>"),
    LIST % b"<Key>k/a</Key><LastModified>x</LastModified>",
    LIST % b"<Size>3</Size>",
]
HEADERS: list[dict[str, str]] = [
    {},
    {"Last-Modified": "nonsense"},
    {"x-amz-checksum-crc32": "???", "ETag": "x"},
    {"x-amz-missing-meta": "x"},
    {"x-amz-bucket-region": "elsewhere", "Location": "x:y"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=str)
@pytest.mark.parametrize("status", [200, 301, 400, 404, 412])
def test_whatever_a_store_answers_is_understood_or_an_error_of_ours(
    proxy: FaultProxy, status: int, headers: dict[str, str]
) -> None:
    opened = store()
    for body in BODIES:
        proxy.manner = always(Answer(status, body, headers))
        for asked in (
            lambda: opened.read("a"),
            lambda: opened.create("a", b""),
            lambda: opened.keys(""),
            lambda: opened.written_at(""),
        ):
            try:
                asked()
            except StoreError as exc:
                assert "\n" not in str(exc)
            except ForecasterError as exc:
                raise AssertionError("expected a StoreError") from exc
