"""An empty AWS account on 127.0.0.1, by moto over HTTP, which the environment leads to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.s3_server import moto_server

REGION = "eu-west-1"


@contextmanager
def aws_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run an account until the block ends; gives its URL."""
    with moto_server() as url:
        lead_to(url, monkeypatch)
        yield url


def lead_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 ask what answers under `url`, once, and nobody else."""
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
