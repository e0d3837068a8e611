"""What lies under a prefix of a bucket, by the lists of any S3 (boto3).

Servers there are that list without order, take no `StartAfter`, or answer with something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.errors import ConfigError, StoreError


def check_bucket(bucket: str) -> str:
    """Return a bucket's name; raises ConfigError for a directory bucket's.

    Those neither sort nor continue their lists where one asks, and lock and version nothing.
    """
    if bucket.endswith("--x-s3"):
        raise ConfigError(
            f"store: expected a general purpose bucket, got the directory bucket {bucket!r}, which "
            "locks and versions nothing and lists in no order"
        )
    return bucket


def list_objects(client: Any, bucket: str, prefix: str, after: str) -> dict[str, Any]:
    """Return what S3 says of each object whose key begins with `prefix` and sorts after `after`.

    Sorted by their keys. Raises StoreError for what is no list, or none that comes to its end, and
    what botocore raises.
    """
    where = f"s3://{bucket}/{prefix}"
    request = {"Bucket": bucket, "Prefix": prefix, **({"StartAfter": after} if after else {})}
    items: dict[str, Any] = {}
    page: dict[str, Any] = {}
    for page in client.get_paginator("list_objects_v2").paginate(**request):
        _check_page(page, items, where)
        items |= {item["Key"]: item for item in page.get("Contents", ())}
    if page.get("IsTruncated"):
        raise StoreError(f"expected the whole list of {where}, got {len(items)} names and no more")
    return dict(sorted(_select(items, prefix, after)))


def _check_page(page: dict[str, Any], known: dict[str, Any], where: str) -> None:
    """Raise StoreError for a page that is no list of S3's, or that was there before."""
    if "IsTruncated" not in page:
        raise StoreError(f"expected S3's list of {where}, got an answer that is none")
    listed = {item["Key"] for item in page.get("Contents", ())}
    if listed and listed <= known.keys():
        raise StoreError(f"expected the next page of the list of {where}, got the same names again")


def _select(items: dict[str, Any], prefix: str, after: str) -> Iterator[tuple[str, Any]]:
    for key, item in items.items():
        if key.startswith(prefix) and key > after:
            yield key, item
