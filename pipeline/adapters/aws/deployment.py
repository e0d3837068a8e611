"""What is deployed to AWS, stopped, started and given keys (boto3)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pipeline.adapters.aws.stack import FUNCTION, Stack

SCHEDULE = "AWS::Scheduler::Schedule"
ALARM = "AWS::CloudWatch::Alarm"
KEYS_IN_USE = 2  # the new one, and the one before until its holders have changed


@dataclass(frozen=True)
class Deployment(Stack):
    """The stack of a stage, stopped, started and given keys.

    Every method raises DeploymentError where AWS refuses, cannot be reached or has no such stack.
    """

    def pause(self) -> None:
        """Stop schedules, functions and alarms; nothing is deleted, nothing costs but storage."""
        with self.translate_errors("pause"):
            self._switch_schedules(on=False)
            for function in self.find_resources(FUNCTION, "FunctionName"):
                self.connect("lambda").put_function_concurrency(
                    FunctionName=function["FunctionName"], ReservedConcurrentExecutions=0
                )
            self.connect("cloudwatch").disable_alarm_actions(AlarmNames=self._alarms)

    def resume(self) -> None:
        """Start again what the template has, as it has it."""
        with self.translate_errors("resume"):
            for function in self.find_resources(FUNCTION, "FunctionName"):
                self._restore_concurrency(function)
            self._switch_schedules(on=True)
            self.connect("cloudwatch").enable_alarm_actions(AlarmNames=self._alarms)

    def store_key(self, key: str, digest: str) -> str:
        """Keep an API key in SSM, encrypted, its digest beside that of the key in use.

        Returns
        -------
        where the key is kept
        """
        with self.translate_errors("store the key"):
            path = f"/{self.service}/{self.stage}/api-key"
            stored = self._find_parameter(f"{path}-sha256")
            digests = [digest, *(stored.split(",") if stored else ())][:KEYS_IN_USE]
            self._put_parameter(path, key, Type="SecureString", Overwrite=True)
            self._put_parameter(f"{path}-sha256", ",".join(digests), Overwrite=True)
        return path

    def store_origin_secret(self, secret: str) -> str:
        """Keep the secret that CloudFront sends next; until then it sends the one before.

        So what is sent is known to the version that is live, before a deployment, after it and
        where it fails. It cannot be encrypted: CloudFormation reads no such parameter.

        Returns
        -------
        where the secret that is sent is kept
        """
        with self.translate_errors("store the secret"):
            path = f"/{self.service}/{self.stage}/origin-secret"
            sent = self._find_parameter(f"{path}-next") or secret
            digests = dict.fromkeys(sha256(each.encode()).hexdigest() for each in (secret, sent))
            kept = {"": sent, "-next": secret, "-sha256": ",".join(digests)}
            for name, value in kept.items():
                self._put_parameter(path + name, value, Overwrite=True)
        return path

    def store_signing_key(self, pem: str) -> str:
        """Keep a private key in SSM, encrypted; one that is there is never replaced.

        Returns
        -------
        where the key is kept
        """
        path = f"/{self.service}/{self.stage}/signing-key"
        with self.translate_errors(f"store the key as {path}, where none is"):
            self._put_parameter(path, pem, Type="SecureString")
        return path

    def _find_parameter(self, name: str) -> str | None:
        ssm = self.connect("ssm")
        try:
            return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])
        except ssm.exceptions.ParameterNotFound:
            return None

    def _put_parameter(self, name: str, value: str, **how: Any) -> None:
        self.connect("ssm").put_parameter(Name=name, Value=value, **{"Type": "String"} | how)

    def _switch_schedules(self, *, on: bool) -> None:
        scheduler = self.connect("scheduler")
        update = scheduler.meta.service_model.operation_model("UpdateSchedule")
        for properties in self.find_resources(SCHEDULE, "Name"):
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
            self.connect("lambda").delete_function_concurrency(FunctionName=name)
        else:
            self.connect("lambda").put_function_concurrency(
                FunctionName=name, ReservedConcurrentExecutions=reserved
            )

    @property
    def _alarms(self) -> list[str]:
        return [alarm["AlarmName"] for alarm in self.find_resources(ALARM, "AlarmName")]
