"""S3 on 127.0.0.1, by moto over HTTP, for whole processes to talk to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any

import boto3.session
from botocore.config import Config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "forecasts"


class OneAtATime:
    """A WSGI application that answers one request at a time: S3 puts are atomic, moto's are not."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._lock = Lock()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        with self._lock:
            return self._application(environ, start_response)


@dataclass(frozen=True)
class S3:
    """A running server with one bucket."""

    url: str
    client: Any

    @property
    def environ(self) -> dict[str, str]:
        """Variables that lead boto3 here and nowhere else."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Return the objects under a prefix by the rest of their key."""
        listed = self.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/")
        keys = [item["Key"] for item in listed.get("Contents", ())]
        return {key.removeprefix(f"{prefix}/"): self._read(key) for key in keys}

    def _read(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())


@contextmanager
def s3_server() -> Iterator[S3]:
    """Run a server with an empty bucket until the block ends."""
    with moto_server() as url, closing(make_client(url)) as client:
        client.create_bucket(Bucket=BUCKET)
        yield S3(url, client)


@contextmanager
def moto_server() -> Iterator[str]:
    """Run a server without buckets until the block ends; gives its URL."""
    application = OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def make_client(url: str) -> Any:
    """Return a client that says at once when something fails."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=16),
    )
