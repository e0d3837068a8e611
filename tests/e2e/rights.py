"""Who may do what in a deployment: calls, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.exceptions

from tests.e2e.cloud import BUCKET, NAME, Cloud

Call = tuple[str, str, str, dict[str, Any], bool]  # who, service, operation, arguments, allowed
DAILY, ON_DEMAND, VERIFY = (f"{NAME}-{name}" for name in ("daily", "on-demand", "verify"))
ALLOWED, DENIED = True, False
STORED = {"Bucket": BUCKET, "Key": "store/latest.json"}
VINTAGE = {"Bucket": BUCKET, "Key": "store/bars/month=2020-01/2020-01-02.00.parquet"}
ANEW = {"Bucket": BUCKET, "Key": "store/bars/month=2020-01/2020-01-03.00.parquet"}
RESULTS = {"Bucket": BUCKET, "Key": "athena/results.csv"}
BODY = {"Body": b"{}"}
ONCE = {"IfNoneMatch": "*"}
LOCKED = {
    "ObjectLockMode": "GOVERNANCE",
    "ObjectLockRetainUntilDate": datetime(2099, 12, 31, tzinfo=UTC),
}
CALLS: list[Call] = [
    ("daily", "s3", "get_object", STORED, ALLOWED),
    ("daily", "s3", "put_object", STORED | BODY, ALLOWED),
    ("daily", "s3", "put_object", VINTAGE | BODY, DENIED),
    ("daily", "s3", "put_object", ANEW | BODY | ONCE | LOCKED, ALLOWED),
    ("daily", "s3", "delete_object", ANEW, DENIED),
    ("daily", "s3", "delete_object", VINTAGE | {"VersionId": "any"}, DENIED),
    ("daily", "s3", "list_objects_v2", {"Bucket": BUCKET, "Prefix": "store/runs/"}, ALLOWED),
    ("daily", "s3", "list_objects_v2", {"Bucket": BUCKET, "Prefix": "athena/"}, DENIED),
    ("daily", "s3", "put_object", RESULTS | BODY, DENIED),
    ("daily", "s3", "delete_object", STORED, DENIED),
    ("daily", "s3", "delete_bucket", {"Bucket": BUCKET}, DENIED),
    ("daily", "ssm", "get_parameter", {"Name": "/financial-forecaster/dev/api-key"}, DENIED),
    ("daily", "lambda", "invoke", {"FunctionName": ON_DEMAND}, DENIED),
    ("on-demand", "s3", "get_object", STORED, ALLOWED),
    ("on-demand", "s3", "list_objects_v2", {"Bucket": BUCKET, "Prefix": "store/"}, ALLOWED),
    ("on-demand", "s3", "get_object", VINTAGE, DENIED),
    ("on-demand", "s3", "put_object", STORED | BODY, DENIED),
    ("on-demand", "s3", "delete_object", STORED, DENIED),
    ("on-demand", "ssm", "get_parameter", {"Name": "/financial-forecaster/dev/api-key"}, DENIED),
    ("schedule", "lambda", "invoke", {"FunctionName": f"{DAILY}:live", "Payload": b"{}"}, ALLOWED),
    ("verify", "s3", "get_object", VINTAGE, ALLOWED),
    ("verify", "s3", "list_objects_v2", {"Bucket": BUCKET, "Prefix": "store/"}, ALLOWED),
    ("verify", "s3", "put_object", STORED | BODY, DENIED),
    ("verify", "s3", "put_object", ANEW | BODY | ONCE, DENIED),
    ("verify", "s3", "delete_object", STORED, DENIED),
    ("verify", "ssm", "get_parameter", {"Name": "/financial-forecaster/dev/api-key"}, DENIED),
    ("schedule", "lambda", "invoke", {"FunctionName": f"{VERIFY}:live", "Payload": b"{}"}, ALLOWED),
    ("schedule", "lambda", "invoke", {"FunctionName": f"{ON_DEMAND}:live"}, DENIED),
    ("schedule", "s3", "get_object", STORED, DENIED),
]

# Two people who may do anything, one of them named as what is deployed is.
PERSON, OURS = "administrator", f"{NAME}-robot"


def published_calls(version: dict[str, str]) -> list[Call]:
    """What the bucket's rules make of people who may do anything, with a version of a manifest."""
    bucket = {"Bucket": BUCKET}
    key = {name: version[name] for name in ("Bucket", "Key")}
    view = bucket | {"Key": "store/index.html"}
    bypass = version | {"BypassGovernanceRetention": True}
    policy = bucket | {"Policy": json.dumps({"Version": "2012-10-17", "Statement": []})}
    versioning = bucket | {"VersioningConfiguration": {"Status": "Enabled"}}
    return [
        (PERSON, "s3", "put_object", key | BODY, DENIED),
        (PERSON, "s3", "delete_object", key, DENIED),
        (PERSON, "s3", "delete_object", version, DENIED),
        (PERSON, "s3", "copy_object", key | {"CopySource": view}, DENIED),
        (PERSON, "s3", "create_multipart_upload", key, ALLOWED),
        (PERSON, "s3", "put_object", view | BODY, ALLOWED),
        (PERSON, "s3", "put_object", RESULTS | BODY, ALLOWED),
        (PERSON, "s3", "delete_object", RESULTS, ALLOWED),
        (PERSON, "s3", "put_bucket_versioning", versioning, ALLOWED),
        (OURS, "s3", "put_object", view | BODY, ALLOWED),
        (OURS, "s3", "delete_object", bypass, DENIED),
        (OURS, "s3", "put_bucket_versioning", versioning, DENIED),
        (OURS, "s3", "put_bucket_policy", policy, DENIED),
        (OURS, "s3", "delete_bucket_policy", bucket, DENIED),
        (OURS, "s3", "delete_bucket_lifecycle", bucket, DENIED),
    ]


def rights_of(cloud: Cloud, role: str) -> dict[str, str]:
    """Return the keys of a user who may do what the deployed role may."""
    iam = cloud.client("iam")
    name = f"{NAME}-{role}-us-east-1"
    policies = {
        policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    }
    return user(cloud, name, policies)


def anything_goes(cloud: Cloud, name: str) -> dict[str, str]:
    """Return the keys of a user of this name whom IAM allows everything."""
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    return user(cloud, name, {"all": {"Version": "2012-10-17", "Statement": [everything]}})


def user(cloud: Cloud, name: str, policies: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys of a new user with these policies."""
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    for policy, document in policies.items():
        iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
    created = iam.create_access_key(UserName=name)["AccessKey"]
    return {
        "aws_access_key_id": created["AccessKeyId"],
        "aws_secret_access_key": created["SecretAccessKey"],
    }


def tried(cloud: Cloud, calls: list[Call], keys_of: Callable[[str], dict[str, str]]) -> list[Call]:
    """Make the calls, each as who it names, and return them with whether they were allowed."""
    seen, keys = [], cache(keys_of)
    for who, service, operation, arguments, _ in calls:
        try:
            getattr(cloud.client(service, **keys(who)), operation)(**arguments)
            allowed = ALLOWED
        except botocore.exceptions.ClientError as error:
            assert "AccessDenied" in error.response["Error"]["Code"], error
            allowed = DENIED
        seen.append((who, service, operation, arguments, allowed))
    return seen
