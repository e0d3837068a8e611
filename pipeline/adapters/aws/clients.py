"""Clients of AWS's services (boto3): how often they ask, and how long they wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a service is waited for: attempts in all, seconds for a connection, for an answer.

    A body is waited for as an answer is, from one piece to the next.
    """

    attempts: int
    connect: float
    read: float


# Objects are a few MB at most; whoever waits for a view waits for a few kB.
PATIENT, HURRIED = Patience(5, 5, 20), Patience(2, 1.4, 1.4)


def make_client(service: str, region: str | None = None, patience: Patience = PATIENT) -> Any:
    """Return a client, which tries again where that is safe; boto3 is imported here, not before.

    Where no region is named it is the environment's.
    """
    import boto3.session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
        connect_timeout=patience.connect,
        read_timeout=patience.read,
    )
    # A session of our own: making clients from boto3's shared one is not safe among threads.
    return boto3.session.Session().client(service, region_name=region, config=config)
