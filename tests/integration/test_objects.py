"""The store's promises hold for S3 (moto over HTTP), for a folder and for the fake of both."""

from __future__ import annotations

import gzip
import inspect
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import botocore.exceptions
import pytest
from botocore.exceptions import ClientError, IncompleteReadError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from pipeline import ports
from pipeline.adapters.aws.s3_store import PAUSES, S3Objects
from pipeline.adapters.folder_store import FolderObjects
from pipeline.errors import StoreError
from pipeline.ports import ObjectStore
from pipeline.wiring import open_store
from tests.support.fakes import MemoryObjects
from tests.support.operations import Operation, every_operation
from tests.support.s3_server import BUCKET, make_client, moto_server

PREFIX = "forecaster/store"
NO_PAUSE: Callable[[float], None] = lambda _: None  # noqa: E731


@pytest.fixture(scope="module", autouse=True)
def aws_of_tests_only() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        environment.setenv("AWS_CONFIG_FILE", os.devnull)
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def client_of_server(s3_url: str) -> Iterator[Any]:
    with closing(make_client(s3_url)) as client:
        yield client


@pytest.fixture
def client(client_of_server: Any) -> Any:
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].reset()
    client_of_server.create_bucket(Bucket=BUCKET)
    return client_of_server


@pytest.fixture(params=["memory", "folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return MemoryObjects()
    if request.param == "folder":
        return FolderObjects(tmp_path / "not" / "made" / "yet")
    return S3Objects(BUCKET, PREFIX, request.getfixturevalue("client"))


class TestEveryStore:
    def test_a_missing_key_reads_as_none(self, store: ObjectStore) -> None:
        assert store.read("runs/2026-11-20.00.json") is None

    def test_what_was_created_is_read_back(self, store: ObjectStore) -> None:
        assert store.create("month=2026-11/2026-11-20.00.parquet", b"bars") is True
        assert store.read("month=2026-11/2026-11-20.00.parquet") == b"bars"

    def test_a_second_create_says_no_and_changes_nothing(self, store: ObjectStore) -> None:
        store.create("a", b"first")
        assert store.create("a", b"second") is False
        assert store.read("a") == b"first"

    def test_replace_writes_where_nothing_is_and_over_what_is(self, store: ObjectStore) -> None:
        store.replace("latest.json", b"a longer first")
        store.replace("latest.json", b"second")
        assert store.read("latest.json") == b"second"

    def test_create_after_replace_says_no(self, store: ObjectStore) -> None:
        store.replace("a", b"replaced")
        assert store.create("a", b"created") is False

    @pytest.mark.parametrize("data", [b"", bytes(range(256)) * 4097, b"\r\n\x00\x1a"])
    def test_bytes_come_back_as_they_were(self, store: ObjectStore, data: bytes) -> None:
        store.create("created", data)
        store.replace("replaced", data)
        assert store.read("created") == store.read("replaced") == data

    def test_what_is_larger_than_any_object_is_not_read(
        self, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.create("runs/a.json", b"x" * 1001)
        monkeypatch.setattr(ports, "LARGEST_OBJECT", 1000)
        with pytest.raises(
            StoreError, match=r"runs/a\.json: expected at most 1000 bytes, got 1001"
        ):
            store.read("runs/a.json")
        monkeypatch.setattr(ports, "LARGEST_OBJECT", 1001)
        assert store.read("runs/a.json") == b"x" * 1001

    def test_an_empty_store_has_no_keys(self, store: ObjectStore) -> None:
        assert store.keys("") == store.keys("runs/") == []

    def test_keys_are_whole_and_sorted_by_their_characters(self, store: ObjectStore) -> None:
        keys = ["a-b/c", "a/b", "a0", "runs/2026-11-20.00.json", "runs/2026-11-20.01.json"]
        for key in reversed(keys):
            store.create(key, b"")
        assert store.keys("") == keys

    def test_a_prefix_may_end_anywhere_in_a_key(self, store: ObjectStore) -> None:
        for key in ["runs/2026-11-20.json", "runs/2026-12-01.json", "runs-of-old/x", "latest.json"]:
            store.create(key, b"")
        assert store.keys("runs/2026-11") == ["runs/2026-11-20.json"]
        assert store.keys("runs/") == ["runs/2026-11-20.json", "runs/2026-12-01.json"]
        assert len(store.keys("runs")) == 3
        assert store.keys("run/") == []

    def test_it_tells_when_each_object_was_written_and_whether_it_vouches_for_it(
        self, store: ObjectStore
    ) -> None:
        begun = datetime.now(UTC) - timedelta(seconds=2)  # S3 cuts to seconds, a disk's clock lags
        for key in ("runs/a.json", "bars/b"):
            store.create(key, b"")
        if isinstance(store, MemoryObjects):
            store.times = dict.fromkeys(store.keys(""), datetime.now(UTC))
        written = store.written_at("runs/")
        assert list(written.times) == ["runs/a.json"]
        assert written.vouched is not isinstance(store, FolderObjects)
        if not isinstance(store, FolderObjects):  # whose clock is the machine's, not the test's
            assert begun <= written.times["runs/a.json"] <= datetime.now(UTC)
            return
        path = Path(store.url("runs/a.json"))
        os.utime(path, (1_000_000_000, 1_000_000_000))
        assert store.written_at("").times["runs/a.json"] == datetime(
            2001, 9, 9, 1, 46, 40, tzinfo=UTC
        )

    def test_a_part_of_a_key_is_no_key(self, store: ObjectStore) -> None:
        store.create("runs/a.json", b"")
        assert store.read("runs") is None

    def test_of_racing_writers_one_wins_and_its_bytes_stay(self, store: ObjectStore) -> None:
        together = Barrier(16)

        def write(writer: int) -> bool:
            together.wait(timeout=30)
            return store.create("runs/a.json", b"%d" % writer * (1 + 4096 * writer))

        with ThreadPoolExecutor(16) as pool:
            won = list(pool.map(write, range(16)))
        assert sum(won) == 1
        winner = won.index(True)
        assert store.read("runs/a.json") == b"%d" % winner * (1 + 4096 * winner)
        assert store.keys("") == ["runs/a.json"]

    @pytest.mark.parametrize(
        "key", ["", "/a", "../a", "a/../b", "a//b", "a/", "./a", ".a", "a/.b", "a\\b", "a\nb", "é"]
    )
    def test_a_key_that_could_lead_elsewhere_is_refused(self, store: ObjectStore, key: str) -> None:
        for operation in (
            lambda: store.read(key),
            lambda: store.create(key, b""),
            lambda: store.replace(key, b""),
        ):
            with pytest.raises(StoreError, match="expected a key"):
                operation()

    @pytest.mark.parametrize("prefix", ["/", "..", "../a", "a/../b", "a//", ".a"])
    def test_a_prefix_that_could_lead_elsewhere_is_refused(
        self, store: ObjectStore, prefix: str
    ) -> None:
        with pytest.raises(StoreError, match="expected a key"):
            store.keys(prefix)


class TestS3:
    def test_keys_go_on_past_one_page(self, client: Any) -> None:
        keys = [f"runs/{number:04d}.json" for number in range(1203)]
        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for key in keys:
            backend.put_object(BUCKET, f"{PREFIX}/{key}", b"")
        assert S3Objects(BUCKET, PREFIX, client).keys("runs/") == keys

    def test_a_store_sees_nothing_of_its_neighbours(self, client: Any) -> None:
        whole, one, other = (S3Objects(BUCKET, prefix, client) for prefix in ("", "s", "s2"))
        one.create("a", b"one")
        other.create("a", b"other")
        whole.create("a", b"whole")
        assert (one.read("a"), other.read("a"), whole.read("a")) == (b"one", b"other", b"whole")
        assert one.keys("") == ["a"]
        assert whole.keys("") == ["a", "s/a", "s2/a"]

    def test_a_folder_marker_of_the_console_has_a_name_but_for_the_store_s(
        self, client: Any
    ) -> None:
        client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/", Body=b"")
        client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/runs/", Body=b"")
        assert S3Objects(BUCKET, PREFIX, client).keys("") == ["runs/"]

    def test_the_size_is_looked_at_before_the_body(self) -> None:
        client: Any = RefusingClient()
        client.get_object = lambda **_: {"ContentLength": 2**40, "Body": None}
        with pytest.raises(StoreError, match=f"x/a: expected at most .* got {2**40}"):
            S3Objects(BUCKET, "x", client).read("a")

    def test_an_object_marked_as_compressed_is_not_unpacked(self, client: Any) -> None:
        bomb = gzip.compress(bytes(10**6))
        client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/a", Body=bomb, ContentEncoding="gzip")
        assert S3Objects(BUCKET, PREFIX, client).read("a") == bomb

    def test_names_that_are_no_keys_are_listed(self, client: Any) -> None:
        names = ["_SUCCESS", "month=2026-11_$folder$", "n\u00e9.txt", "runs/0 (1).txt", "runs//x"]
        for name in names:
            client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=b"")
        assert S3Objects(BUCKET, PREFIX, client).keys("") == sorted(names)

    def test_the_url_is_the_object_s(self, client: Any) -> None:
        assert S3Objects(BUCKET, PREFIX, client).url("a/b") == f"s3://{BUCKET}/{PREFIX}/a/b"
        assert S3Objects(BUCKET, "", client).url("a/b") == f"s3://{BUCKET}/a/b"

    def test_opened_by_location_it_finds_its_own_client(
        self, client: Any, s3_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        store = open_store(f"s3://{BUCKET}/{PREFIX}/")
        assert store.create("a", b"data")
        assert client.get_object(Bucket=BUCKET, Key=f"{PREFIX}/a")["Body"].read() == b"data"

    def test_a_conflict_with_a_concurrent_writer_is_tried_again(self) -> None:
        pauses: list[float] = []
        client = RefusingClient(*[refusal("ConditionalRequestConflict")] * 2)
        assert S3Objects(BUCKET, PREFIX, client, pauses.append).create("a", b"") is True
        assert pauses == [*PAUSES[:2]]

    def test_the_loser_of_a_conflict_says_no(self) -> None:
        client = RefusingClient(
            refusal("ConditionalRequestConflict"), refusal("PreconditionFailed")
        )
        assert S3Objects(BUCKET, PREFIX, client, lambda _: None).create("a", b"") is False

    def test_a_conflict_without_end_is_an_error(self) -> None:
        pauses: list[float] = []
        client = RefusingClient(*[refusal("ConditionalRequestConflict")] * 99)
        with pytest.raises(StoreError, match="ConditionalRequestConflict"):
            S3Objects(BUCKET, PREFIX, client, pauses.append).create("a", b"")
        assert pauses == [*PAUSES[:4]]


class TestErrorsOfS3:
    @every_operation
    def test_a_missing_bucket_is_named(self, operation: Operation, client: Any) -> None:
        with pytest.raises(StoreError, match=r"expected to .* s3://nowhere/x/runs/.*NoSuchBucket"):
            operation(S3Objects("nowhere", "x", client))

    @every_operation
    def test_an_endpoint_that_is_down_is_an_error(self, operation: Operation) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with (
                closing(make_client(f"http://127.0.0.1:{unused.getsockname()[1]}")) as client,
                pytest.raises(StoreError, match="EndpointConnectionError: Could not connect"),
            ):
                operation(S3Objects(BUCKET, PREFIX, client, NO_PAUSE))

    @every_operation
    def test_missing_credentials_are_an_error(self, operation: Operation) -> None:
        with pytest.raises(StoreError, match="NoCredentialsError"):
            operation(open_store("s3://forecasts"))

    def test_an_endpoint_that_is_no_url_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "not a url")
        with pytest.raises(StoreError, match="Invalid endpoint"):
            open_store("s3://forecasts").read("a")

    @every_operation
    @pytest.mark.parametrize("code", ["AccessDenied", "SlowDown", "InternalError", "Whatever"])
    def test_a_refusal_keeps_its_code_and_its_cause(self, operation: Operation, code: str) -> None:
        with pytest.raises(StoreError, match=code) as raised:
            operation(S3Objects(BUCKET, PREFIX, RefusingClient(*[refusal(code)] * 9), NO_PAUSE))
        assert isinstance(raised.value.__cause__, ClientError)

    @every_operation
    def test_every_error_botocore_has_becomes_a_store_error(self, operation: Operation) -> None:
        for error in botocore_errors():
            with pytest.raises(StoreError):
                operation(S3Objects(BUCKET, PREFIX, RefusingClient(*[error] * 9), NO_PAUSE))

    def test_a_body_that_breaks_off_is_an_error(self) -> None:
        broken = IncompleteReadError(actual_bytes=1, expected_bytes=2)
        client: Any = RefusingClient()
        client.get_object = lambda **_: {"Body": RefusingClient(*[broken] * 9)}
        with pytest.raises(StoreError, match="IncompleteReadError"):
            S3Objects(BUCKET, PREFIX, client, NO_PAUSE).read("a")


class RefusingClient:
    """Stands for an S3 client or a body: raises the errors given, one a call, then says yes."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.get_object = self.put_object = self.read = self.get_paginator = self._answer

    def _answer(self, *_: Any, **__: Any) -> Any:
        if self._errors:
            raise self._errors.pop(0)
        return {"ETag": '"a"'}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "PutObject")


def botocore_errors() -> list[Exception]:
    """Return one of each error botocore can raise, but for warnings and a broken installation."""
    no_answers = (Warning, botocore.exceptions.UndefinedModelAttributeError)
    found = inspect.getmembers(botocore.exceptions, inspect.isclass)
    kinds = [kind for _, kind in found if issubclass(kind, Exception)]
    assert len(kinds) > 50
    return [kind.__new__(kind) for kind in kinds if not issubclass(kind, no_answers)]


@pytest.mark.parametrize(("hurried", "at_most"), [(True, 10), (False, 150)])
def test_whoever_is_waited_for_gives_up_soon(
    monkeypatch: pytest.MonkeyPatch, hurried: bool, at_most: float
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    store: Any = open_store("s3://bucket", hurried=hurried)
    config = store._s3.meta.config
    assert config.retries["total_max_attempts"] == 1  # the store asks again itself
    one = config.connect_timeout + config.read_timeout
    assert one * store.patience.attempts <= at_most
