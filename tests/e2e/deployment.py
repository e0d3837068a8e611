"""A whole deployment on AWS on this machine, made as a user makes it, and asked as anybody may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.cloud import BUCKET, NAME, PARAMS, Cloud, local_cloud

DAILY, ON_DEMAND, VERIFY = (f"{NAME}-{name}" for name in ("daily", "on-demand", "verify"))


@contextmanager
def deployed_cloud(folder: Path) -> Iterator[Cloud]:
    """Run a cloud until the block ends, with a key made and the forecaster deployed."""
    with local_cloud(folder) as started:
        deploy(started)
        yield started


def deploy(cloud: Cloud, **params: str) -> None:
    """Make a key and deploy the forecaster, as a user does."""
    rotated = cloud.forecaster("api-key", "rotate", "--stage", "dev")
    assert rotated.stdout.startswith("Key fcast_"), rotated.stdout + rotated.stderr
    said = " ".join(f"--param={name}={value}" for name, value in {**PARAMS, **params}.items())
    deployed = cloud.make("deploy", "STAGE=dev", f"DEPLOY={said}")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    assert "All functions answer as they should" in deployed.stderr


def keys(cloud: Cloud, prefix: str = "store/") -> list[str]:
    """Keys of the objects in the bucket under a prefix."""
    listed = cloud.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [item["Key"] for item in listed.get("Contents", ())]


def invoke(cloud: Cloud, function: str, event: Any, **how: str) -> Any:
    """What the version that is live answers."""
    called = cloud.client("lambda").invoke(
        FunctionName=function, Qualifier="live", Payload=json.dumps(event), **how
    )
    return json.loads(called["Payload"].read() or "null")


def alias(cloud: Cloud, function: str) -> str:
    """The version of a function that is live."""
    pointed = cloud.client("lambda").get_alias(FunctionName=function, Name="live")
    return str(pointed["FunctionVersion"])


def kept_key(cloud: Cloud) -> str:
    """The newest API key, read from where it is kept."""
    kept = cloud.client("ssm").get_parameter(
        Name="/financial-forecaster/dev/api-key", WithDecryption=True
    )
    return str(kept["Parameter"]["Value"])


def request(
    cloud: Cloud, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, str], Any]:
    """What the Function URL answers: status, headers, document."""
    address = urlsplit(cloud.environ["AWS_ENDPOINT_URL"]).netloc
    sent = {"Host": host_of_url(cloud), "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(HTTPConnection(address, timeout=60)) as connection:
        connection.request(method, path, json.dumps(body) if body is not None else None, sent)
        answer = connection.getresponse()
        text = answer.read()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, named, json.loads(text) if text else None


def host_of_url(cloud: Cloud) -> str:
    """The name under which the Function URL is asked."""
    configured = cloud.client("lambda").get_function_url_config(
        FunctionName=ON_DEMAND, Qualifier="live"
    )
    return str(urlsplit(configured["FunctionUrl"]).netloc)
