"""The stack of a stage: its template, and clients for what is in it (boto3)."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipeline.adapters.aws.clients import make_client
from pipeline.adapters.aws.errors import translate_errors
from pipeline.errors import ConfigError, DeploymentError

SERVICE = "financial-forecaster"
STAGE = re.compile(r"[a-z0-9][a-z0-9-]*")
LONGEST_BUCKET, ACCOUNT = 63, "-123456789012-"  # characters; what stands between stage and region
FUNCTION = "AWS::Lambda::Function"


@dataclass(frozen=True)
class Stack:
    """The stack of a stage; its template says what is normal.

    boto3 is imported and clients are made by the first call.
    """

    stage: str
    region: str
    service: str = SERVICE
    _clients: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ConfigError for a stage whose name cannot be part of a bucket's."""
        most = LONGEST_BUCKET - len(f"{self.service}-{ACCOUNT}{self.region}")
        if not STAGE.fullmatch(self.stage) or len(self.stage) > most:
            raise ConfigError(
                f"--stage: expected 1 to {most} of a-z 0-9 -, as the bucket's name in "
                f"{self.region} allows, got {self.stage!r}"
            )

    @property
    def name(self) -> str:
        return f"{self.service}-{self.stage}"

    def find_resources(self, kind: str, name: str) -> list[dict[str, Any]]:
        """Return the properties of the template's resources of a kind, by name."""
        of_kind = (
            resource["Properties"] for resource in self._resources if resource["Type"] == kind
        )
        return sorted(of_kind, key=lambda properties: str(properties[name]))

    def connect(self, service: str) -> Any:
        """Return the client of a service of AWS's in the stack's region."""
        if service not in self._clients:
            self._clients[service] = make_client(service, self.region)
        return self._clients[service]

    def translate_errors(self, action: str) -> AbstractContextManager[None]:
        """Raise what goes wrong with AWS in the block as DeploymentError, with the action."""
        expected = f"{self.service} {self.stage} in {self.region}: expected to {action}"
        return translate_errors(DeploymentError, expected)

    @cached_property
    def _resources(self) -> list[dict[str, Any]]:
        stack = self.connect("cloudformation").get_template(StackName=self.name)
        return list(stack["TemplateBody"]["Resources"].values())
