"""What is said to S3 of encryption, with every object that is written (moto over HTTP)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.aws.s3_options import parse_sse
from pipeline.errors import ConfigError, StoreError
from pipeline.wiring import open_store
from tests.support import fault_proxy as faults
from tests.support.commands import Forecaster
from tests.support.fault_proxy import Answer, FaultProxy, Forward, Sent, refusal
from tests.support.s3_server import BUCKET, S3, s3_server

KEY = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0000-1111-2222-333344445555"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


@pytest.fixture(scope="module")
def demanding(s3: S3) -> Iterator[FaultProxy]:
    """A bucket whose policy takes nothing that does not say how it is encrypted."""

    def demand(sent: Sent, forward: Forward) -> Answer:
        said = {name.lower() for name in sent.headers}
        if sent.method == "PUT" and "x-amz-server-side-encryption" not in said:
            return refusal(403, "AccessDenied")
        return forward(sent)

    with faults.fault_proxy(s3.url) as proxy:
        proxy.manner = demand
        yield proxy


@pytest.fixture(autouse=True)
def aws(s3: S3, demanding: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**s3.environ, "AWS_ENDPOINT_URL_S3": demanding.url}.items():
        monkeypatch.setenv(name, value)


def encryption(s3: S3, key: str) -> tuple[str, str | None]:
    head: dict[str, Any] = s3.client.head_object(Bucket=BUCKET, Key=key)
    return head["ServerSideEncryption"], head.get("SSEKMSKeyId")


@pytest.mark.parametrize(
    ("sse", "said"),
    [("aes256", ("AES256", None)), (f"kms:{KEY}", ("aws:kms", KEY))],
)
def test_every_put_says_how_it_is_encrypted(
    s3: S3, tmp_path: Path, sse: str, said: tuple[str, str | None]
) -> None:
    store = open_store(f"s3://{BUCKET}/{tmp_path.name}", sse=sse)
    assert store.create("runs/a.json", b"a")
    assert not store.create("runs/a.json", b"b")
    store.replace("latest.json", b"c")
    assert store.read("runs/a.json") == b"a"
    for key in ("runs/a.json", "latest.json"):
        assert encryption(s3, f"{tmp_path.name}/{key}") == said


def test_what_the_policy_refuses_is_told_with_what_to_do(tmp_path: Path) -> None:
    store = open_store(f"s3://{BUCKET}/{tmp_path.name}")
    for write in (store.create, store.replace):
        with pytest.raises(StoreError, match="AccessDenied.*encryption: --sse") as said:
            write("a", b"")
        assert "\n" not in str(said.value)


def test_a_run_at_a_desk_says_it_with_every_object(
    s3: S3, forecaster: Forecaster, tmp_path: Path
) -> None:
    run = ("run", "--bars", "simulated", "--as-of", "2024-12-27")
    at = f"s3://{BUCKET}/{tmp_path.name}"
    refused = forecaster(*run, "--store", at)
    assert refused.code == 1
    assert "--sse" in refused.err
    assert forecaster(*run, "--store", at, "--sse", "aes256").code == 0
    listed = s3.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{tmp_path.name}/")["Contents"]
    assert len(listed) > 9
    assert {encryption(s3, item["Key"]) for item in listed} == {("AES256", None)}


def test_none_leaves_it_to_the_bucket_and_kms_to_its_default_key() -> None:
    assert parse_sse("none") == {}
    assert parse_sse("kms") == {"ServerSideEncryption": "aws:kms"}


@pytest.mark.parametrize("text", ["", "AES256", "kms:", "kms: x", "aes256:x", "none:", "dsse"])
def test_what_is_no_encryption_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="sse: expected none, aes256, kms or kms:KEY, .*, got "):
        parse_sse(text)


def test_a_folder_encrypts_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sse: expected none for a folder, got one for '"):
        open_store(str(tmp_path), sse="aes256")


def test_a_directory_bucket_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a general purpose bucket, got the directory"):
        open_store("s3://record--use1-az4--x-s3/store")
