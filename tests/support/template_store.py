"""What users rely on of the record's bucket in the packaged template."""

from __future__ import annotations

from typing import Any

BUCKET = "financial-forecaster-dev-123456789012-us-east-1"
OBJECTS = f"arn:aws:s3:::{BUCKET}"
VIEWS = ("latest.json", "track_record.json", "history.json", "scenarios.bin", "index.html")
OVERWRITTEN = (*VIEWS, "announced.json")
PAGED = ("latest.json", "latest/*", *OVERWRITTEN[1:])  # with the pages of many tickers
BUT_VIEWS = [
    *(f"Store.Arn/store/{name}" for name in (*PAGED, "compact/*")),
    # Of a universe, in each of its shards and beside them.
    *(f"Store.Arn/store/shard=*/{name}" for name in (*PAGED, "compact/*", "universe.shard.json")),
    "Store.Arn/store/universe/*",
    "Store.Arn/athena/*",
    "Store.Arn/engine/*",
]


def deny(sid: str, action: Any, **rest: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": action} | rest


def forget(name: str, view: str) -> dict[str, Any]:
    """The rule that drops the old versions of a view."""
    kept = {"NoncurrentVersionExpiration": {"NoncurrentDays": 90}}
    return {"Id": f"overwritten-{name}", "Status": "Enabled", "Prefix": f"store/{view}"} | kept


def passing(name: str, prefix: str, days: int) -> dict[str, Any]:
    """The rule that drops what is of no use after some days."""
    rule = {"Id": name, "Status": "Enabled", "Prefix": prefix, "ExpirationInDays": days}
    return rule | {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}


STORE: dict[str, Any] = {
    "Store.BucketName": BUCKET,
    "Store!DeletionPolicy": "RetainExceptOnCreate",
    "Store!UpdateReplacePolicy": "Retain",
    "Store.BucketEncryption.ServerSideEncryptionConfiguration.0"
    ".ServerSideEncryptionByDefault.SSEAlgorithm": "AES256",
    "Store.VersioningConfiguration.Status": "Enabled",
    "Store.OwnershipControls.Rules.0.ObjectOwnership": "BucketOwnerEnforced",
    "Store.PublicAccessBlockConfiguration.BlockPublicAcls": True,
    "Store.PublicAccessBlockConfiguration.BlockPublicPolicy": True,
    "Store.PublicAccessBlockConfiguration.IgnorePublicAcls": True,
    "Store.PublicAccessBlockConfiguration.RestrictPublicBuckets": True,
    "Store.ObjectLockEnabled": True,
    # No rule drops a version of the record.
    "Store.LifecycleConfiguration.Rules": [
        *map(
            forget,
            ("latest", "track-record", "history", "scenarios", "page", "mark"),
            ("latest", *OVERWRITTEN[1:]),
        ),
        forget("universe", "universe/"),
        forget("compacted", "compact/"),
        passing("results-of-shards", "engine/", 30),
        passing("query-results", "athena/", 14),
        {
            "Id": "broken-uploads",
            "Status": "Enabled",
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
    ],
    "StorePolicy!DeletionPolicy": "RetainExceptOnCreate",
    "StorePolicy!UpdateReplacePolicy": "Retain",
    "StorePolicy.Bucket": "Store",
    "StorePolicy.PolicyDocument.Statement": [
        deny(
            *("OnlyOverTls", "s3:*"),
            Resource=["Store.Arn", "Store.Arn/*"],
            Condition={"Bool": {"aws:SecureTransport": "false"}},
        ),
        deny(
            *("NothingIsOverwrittenButViews", "s3:PutObject"),
            NotResource=BUT_VIEWS,
            Condition={
                "Null": {"s3:if-none-match": "true"},
                "Bool": {"s3:ObjectCreationOperation": "true"},
            },
        ),
        deny("NothingIsHiddenButViews", "s3:DeleteObject", NotResource=BUT_VIEWS),
        deny(
            "OursNeverUnlockOrChangeTheRules",
            [
                "s3:BypassGovernanceRetention",
                "s3:DeleteBucket",
                "s3:DeleteBucketPolicy",
                "s3:DeleteObjectVersion",
                "s3:PutBucketObjectLockConfiguration",
                "s3:PutBucketPolicy",
                "s3:PutBucketVersioning",
                "s3:PutLifecycleConfiguration",
            ],
            Resource=["Store.Arn", "Store.Arn/*"],
            Condition={
                "ArnLike": {
                    "aws:PrincipalArn": "arn:aws:iam::123456789012:*/financial-forecaster-*"
                }
            },
        ),
    ],
}
