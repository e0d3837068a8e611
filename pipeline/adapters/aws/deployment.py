"""What is deployed to AWS, stopped, started and pointed back (boto3)."""

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
LIVE = "live"
FUNCTION, SCHEDULE = "AWS::Lambda::Function", "AWS::Scheduler::Schedule"
ALARM = "AWS::CloudWatch::Alarm"
# What the smoke test of a deployment notes on the alias of each function.
BEFORE = "before the last deployment: "
KEYS_IN_USE = 2  # the new one, and the one before until its holders have changed


@dataclass(frozen=True)
class Deployment:
    """The stack of a stage; its template says what is normal.

    boto3 is imported and clients are made by the first call. Every method raises DeploymentError
    where AWS refuses, cannot be reached or has no such stack.
    """

    stage: str
    region: str
    _clients: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ConfigError for a stage whose name cannot be part of a bucket's."""
        most = LONGEST_BUCKET - len(f"{SERVICE}-{ACCOUNT}{self.region}")
        if not STAGE.fullmatch(self.stage) or len(self.stage) > most:
            raise ConfigError(
                f"--stage: expected 1 to {most} of a-z 0-9 -, as the bucket's name in "
                f"{self.region} allows, got {self.stage!r}"
            )

    def pause(self) -> None:
        """Stop schedules, functions and alarms; nothing is deleted, nothing costs but storage."""
        with self._translate_errors("pause"):
            self._switch_schedules(on=False)
            for function in self._find_resources(FUNCTION, "FunctionName"):
                self._connect("lambda").put_function_concurrency(
                    FunctionName=function["FunctionName"], ReservedConcurrentExecutions=0
                )
            self._connect("cloudwatch").disable_alarm_actions(AlarmNames=self._alarms)

    def resume(self) -> None:
        """Start again what the template has, as it has it."""
        with self._translate_errors("resume"):
            for function in self._find_resources(FUNCTION, "FunctionName"):
                self._restore_concurrency(function)
            self._switch_schedules(on=True)
            self._connect("cloudwatch").enable_alarm_actions(AlarmNames=self._alarms)

    def rollback(self) -> dict[str, tuple[str, str]]:
        """Point each function back to before the last deployment; a second time, forward again.

        Returns
        -------
        function -> version it had, version it has now; those that changed
        """
        with self._translate_errors("roll back"):
            functions = self._find_resources(FUNCTION, "FunctionName")
            names = [function["FunctionName"] for function in functions]
            aliases = {name: self._read_alias(name) for name in names}
            previous = {name: _parse_previous(name, alias) for name, alias in aliases.items()}
            for name, alias in aliases.items():
                self._connect("lambda").update_alias(
                    FunctionName=name,
                    Name=LIVE,
                    FunctionVersion=previous[name],
                    Description=BEFORE + alias["FunctionVersion"],
                )
        moved = {name: (aliases[name]["FunctionVersion"], previous[name]) for name in names}
        return {name: versions for name, versions in moved.items() if versions[0] != versions[1]}

    def store_key(self, key: str, digest: str) -> str:
        """Keep an API key in SSM, encrypted, its digest beside that of the key in use.

        Returns
        -------
        where the key is kept
        """
        with self._translate_errors("store the key"):
            ssm, path = self._connect("ssm"), f"/{SERVICE}/{self.stage}/api-key"
            try:
                stored = ssm.get_parameter(Name=f"{path}-sha256")["Parameter"]["Value"].split(",")
            except ssm.exceptions.ParameterNotFound:
                stored = []
            digests = ",".join([digest, *stored][:KEYS_IN_USE])
            ssm.put_parameter(Name=path, Value=key, Type="SecureString", Overwrite=True)
            ssm.put_parameter(Name=f"{path}-sha256", Value=digests, Type="String", Overwrite=True)
        return path

    def store_signing_key(self, pem: str) -> str:
        """Keep a private key in SSM, encrypted; one that is there is never replaced.

        Returns
        -------
        where the key is kept
        """
        path = f"/{SERVICE}/{self.stage}/signing-key"
        with self._translate_errors(f"store the key as {path}, where none is"):
            self._connect("ssm").put_parameter(Name=path, Value=pem, Type="SecureString")
        return path

    def _switch_schedules(self, *, on: bool) -> None:
        scheduler = self._connect("scheduler")
        update = scheduler.meta.service_model.operation_model("UpdateSchedule")
        for properties in self._find_resources(SCHEDULE, "Name"):
            schedule = scheduler.get_schedule(Name=properties["Name"])
            settings = {
                name: value
                for name, value in schedule.items()
                if name in update.input_shape.members
            }
            state = properties["State"] if on else "DISABLED"
            scheduler.update_schedule(**settings | {"State": state})

    def _restore_concurrency(self, function: dict[str, Any]) -> None:
        name, reserved = function["FunctionName"], function.get("ReservedConcurrentExecutions")
        if reserved is None:
            self._connect("lambda").delete_function_concurrency(FunctionName=name)
        else:
            self._connect("lambda").put_function_concurrency(
                FunctionName=name, ReservedConcurrentExecutions=reserved
            )

    def _read_alias(self, function: str) -> dict[str, str]:
        alias: dict[str, str] = self._connect("lambda").get_alias(FunctionName=function, Name=LIVE)
        return alias

    @property
    def _alarms(self) -> list[str]:
        return [alarm["AlarmName"] for alarm in self._find_resources(ALARM, "AlarmName")]

    def _find_resources(self, kind: str, name: str) -> list[dict[str, Any]]:
        """Return the properties of the template's resources of a kind, by name."""
        of_kind = (
            resource["Properties"] for resource in self._resources if resource["Type"] == kind
        )
        return sorted(of_kind, key=lambda properties: str(properties[name]))

    @cached_property
    def _resources(self) -> list[dict[str, Any]]:
        stack = self._connect("cloudformation").get_template(StackName=f"{SERVICE}-{self.stage}")
        return list(stack["TemplateBody"]["Resources"].values())

    def _connect(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = make_client(service, self.region)
        return self._clients[service]

    def _translate_errors(self, action: str) -> AbstractContextManager[None]:
        expected = f"{SERVICE} {self.stage} in {self.region}: expected to {action}"
        return translate_errors(DeploymentError, expected)


def _parse_previous(function: str, alias: dict[str, str]) -> str:
    note = re.fullmatch(rf"{BEFORE}(\d+)", alias.get("Description", ""))
    if note is None:
        raise DeploymentError(
            f"{function}: expected a deployment before the one at version "
            f"{alias['FunctionVersion']}, found none"
        )
    return note[1]
