"""Secrets kept in AWS Systems Manager's Parameter Store (boto3)."""

from __future__ import annotations

from pipeline.adapters.aws.clients import make_client
from pipeline.adapters.aws.errors import translate_errors
from pipeline.errors import DeploymentError


def read_secret(name: str) -> str:
    """Return a parameter, decrypted; raises DeploymentError where AWS does not give it."""
    with translate_errors(DeploymentError, f"ssm:{name}: expected to read the parameter"):
        answer = make_client("ssm").get_parameter(Name=name, WithDecryption=True)
        return str(answer["Parameter"]["Value"])
