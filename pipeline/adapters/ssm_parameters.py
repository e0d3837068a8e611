"""Secrets kept in AWS Systems Manager's Parameter Store (boto3)."""

from __future__ import annotations

from pipeline.errors import DeploymentError


def read_secret(name: str) -> str:
    """Return a parameter, decrypted; raises DeploymentError where AWS does not give it."""
    import boto3.session  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        client = boto3.session.Session().client("ssm")
        answer = client.get_parameter(Name=name, WithDecryption=True)
    except (BotoCoreError, ClientError) as exc:
        raise DeploymentError(
            f"ssm:{name}: expected to read the parameter, got {type(exc).__name__}: {exc}"
        ) from exc
    return str(answer["Parameter"]["Value"])
