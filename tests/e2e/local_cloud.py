"""AWS on this machine, for whole deployments: ministack, with functions in Lambda's real runtime.

    .venv-cloud/bin/python -m tests.e2e.local_cloud [port]

An image is not run: the function runs here, under AWS's emulator, on Python 3.13 with the locked
dependencies, with the variables, the command and the role's credentials that were deployed. What
ministack 1.5.33 does not do of what we deploy is added below, each in one place.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.e2e.faults import Faults
from tests.e2e.runtimes import ACCOUNT, REGION, Runtimes, variables

FAULTS = "FORECASTER_CLOUD_FAULTS"  # a folder
REFUSED = 404.0  # USD; the budget of which AWS on this machine makes nothing


def run_functions_here(runtimes: Runtimes) -> None:
    """Execute functions of images in the emulator, with the concurrency of the template."""
    from ministack.services import lambda_svc
    from ministack.services.cloudformation import provisioners

    def deployed(function_handler: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function_handler)
        def create(logical_id: str, props: dict[str, Any], stack: str) -> Any:
            made = function_handler(logical_id, props, stack)
            lambda_svc._functions[made[0]]["concurrency"] = props.get(
                "ReservedConcurrentExecutions"
            )
            return made

        return create

    lambda_svc._execute_function_docker = runtimes.execute
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    handlers["create"] = deployed(handlers["create"])


def retry_as_the_alias_says() -> None:
    """Retry asynchronous calls, and send dead letters, as configured on the alias; count them."""
    from ministack.services import cloudwatch, eventbridge, lambda_svc

    retried, routed = lambda_svc.invoke_async_with_retry, lambda_svc._route_async_failure
    executed = lambda_svc._execute_function

    # What ministack executes is a version, which knows nothing of what holds for the function.
    def whole(version: dict[str, Any]) -> Any:
        return lambda_svc._functions[version["config"]["FunctionName"]]

    def invoke(function: dict[str, Any], event: Any) -> None:
        (configured,) = whole(function)["event_invoke_configs"].values()
        retried({**function, "event_invoke_config": configured}, event)

    def dispatch(arn: str, payload: str) -> None:
        function, config, _ = lambda_svc._get_func_record_for_ref(arn)
        invoke(lambda_svc._execution_record_for_config(function, config), json.loads(payload))

    def execute(function: dict[str, Any], event: Any) -> dict[str, Any]:
        started = time.time()
        reserved = {"concurrency": whole(function)["concurrency"]}
        result: dict[str, Any] = executed({**function, **reserved}, event)
        name = function["config"]["FunctionName"]
        milliseconds = 1000 * (time.time() - started)
        lambda_svc._emit_lambda_metrics(name, milliseconds, bool(result.get("error")), False)
        cloudwatch._evaluate_all_alarms()
        return result

    def route(arn: str, name: str, event: Any, result: dict[str, Any]) -> None:
        routed(arn, name, event, result)
        queue = {"QueueName": arn.rpartition(":")[2]}
        visible = "ApproximateNumberOfMessagesVisible"
        cloudwatch.record_metric("AWS/SQS", visible, 1, "Count", queue)
        cloudwatch._evaluate_all_alarms()

    lambda_svc.invoke_async_with_retry = invoke
    lambda_svc._execute_function = execute
    lambda_svc._route_async_failure = route
    eventbridge._dispatch_to_lambda = dispatch


def fill_in_the_schedule_s_input() -> None:
    """Replace <aws.scheduler.…> in a schedule's Input as EventBridge Scheduler does."""
    from ministack.services import eventbridge

    invoked = eventbridge._invoke_target

    def invoke(target: dict[str, Any], event: dict[str, Any], *rest: Any) -> None:
        if event["Source"] == "aws.scheduler" and "Input" in target:
            at = datetime.fromtimestamp(event["Time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            text = target["Input"].replace("<aws.scheduler.scheduled-time>", at)
            text = text.replace("<aws.scheduler.execution-id>", uuid4().hex[:16])
            target = {**target, "Input": text}
        invoked(target, event, *rest)

    eventbridge._invoke_target = invoke


def deploy_queries_and_budgets() -> None:
    """Let CloudFormation make what ministack has, but not from templates."""
    from ministack.services import athena, budgets
    from ministack.services.cloudformation import provisioners

    def made(call: Callable[[Any], Any], data: Any) -> Any:
        status, _, body = call(data)
        if status >= 400:
            raise ValueError(f"expected {call.__name__} to succeed, got {body!r}")
        return json.loads(body or b"{}")

    def query(_logical_id: str, props: dict[str, Any], _stack: str) -> tuple[str, dict[str, Any]]:
        return made(athena._create_named_query, props)["NamedQueryId"], {}

    def budget(_logical_id: str, props: dict[str, Any], _stack: str) -> tuple[str, dict[str, Any]]:
        if float(props["Budget"]["BudgetLimit"]["Amount"]) == REFUSED:
            raise ValueError("a resource that cannot be made, which fails the stack's update")
        made(budgets._create_budget, {"AccountId": ACCOUNT, **props})
        return props["Budget"]["BudgetName"], {}

    provisioners._RESOURCE_HANDLERS["AWS::Athena::NamedQuery"] = {
        "create": query,
        "delete": lambda name, _props: made(athena._delete_named_query, {"NamedQueryId": name}),
    }
    provisioners._RESOURCE_HANDLERS["AWS::Budgets::Budget"] = {
        "create": budget,
        "delete": lambda name, _props: made(budgets._delete_budget, {"BudgetName": name}),
    }


def projected(table: Mapping[str, Any], files: list[str]) -> list[str]:
    """Return the files that lie where the table's partitions are projected to."""
    template = table["Parameters"].get("storage.location.template", "")
    within = template.removeprefix(table["StorageDescriptor"]["Location"])
    folders = "[^/]+".join(map(re.escape, re.split(r"\$\{\w+\}", within)))
    return [file for file in files if re.search(folders, file)]


def read_views_and_rows_files() -> None:
    """Answer from views, from where partitions are projected to, and know a row's "$path"."""
    from ministack.services import athena, glue

    rewritten, related, nothing = (
        athena._rewrite_data_paths,
        athena._table_relation,
        athena._empty_relation,
    )

    def expand(query: str, database: str) -> str:
        for ref in sorted(athena._table_references(query), key=lambda ref: ref.start, reverse=True):
            table = glue._tables.get(f"{ref.database or database}/{ref.table}") or {}
            if table.get("TableType") == "VIRTUAL_VIEW":
                text = table["ViewOriginalText"].removeprefix("/* Presto View: ")
                sql = json.loads(base64.b64decode(text.removesuffix(" */")))["originalSql"]
                alias = "" if ref.aliased else f" AS {ref.table}"
                query = f"{query[: ref.start]}({sql}){alias}{query[ref.end :]}"
        return query

    async def rewrite(query: str, database: str, catalog: str | None = None) -> Any:
        return await rewritten(expand(query, database), database, catalog)

    def relate(table: dict[str, Any], files: list[str]) -> str:
        if not (files := projected(table, files)):
            return relate_nothing(table)
        reading = related(table, files).removesuffix(")")
        return (
            f'(SELECT * EXCLUDE (filename), filename AS "$path" FROM {reading}, filename = true))'
        )

    def relate_nothing(table: dict[str, Any]) -> str:
        path = {"Name": "$path", "Type": "string"}
        return str(nothing({**table, "PartitionKeys": [*table["PartitionKeys"], path]}))

    athena._rewrite_data_paths = rewrite
    athena._table_relation, athena._empty_relation = relate, relate_nothing


def keep_results_where_they_are_said_to_be() -> None:
    """Write an answer of Athena's under the name that is told, not under one more."""
    from ministack.services import athena

    saved = athena._save_query_results

    async def save(query_id: str) -> None:
        results = athena._executions[query_id]["ResultConfiguration"]
        told = results["OutputLocation"]
        results["OutputLocation"] = told.removesuffix(f"{query_id}.csv")
        try:
            await saved(query_id)
        finally:
            results["OutputLocation"] = told

    athena._save_query_results = save


def write_once() -> None:
    """Lock buckets as templates say, and tell their policies what S3 tells of a write."""
    from ministack.core import iam_actions
    from ministack.services import s3
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]
    created = handlers["create"]
    told, checked = iam_actions.s3_service_context, iam_actions.s3_additional_checks

    def create(logical_id: str, props: dict[str, Any], stack: str) -> Any:
        made = created(logical_id, props, stack)
        if props.get("ObjectLockEnabled"):
            s3._bucket_object_lock[made[0]] = {"enabled": True, "default_retention": None}
        return made

    def tell(action: str, query: Any, path: str = "", headers: Any = None) -> dict[str, Any]:
        keys: dict[str, Any] = told(action, query, path, headers)
        if action == "s3:PutObject":
            whole = {"uploads", "partNumber"}.isdisjoint(query or {})
            keys["s3:ObjectCreationOperation"] = str(whole).lower()
            if "if-none-match" in (headers or {}):
                keys["s3:if-none-match"] = headers["if-none-match"]
        return keys

    def check(method: str, path: str, headers: Any, body: bytes, query: Any) -> list[Any]:
        checks: list[Any] = checked(method, path, headers, body, query)
        if "x-amz-object-lock-mode" in headers:
            checks.append(("s3:PutObjectRetention", f"arn:aws:s3:::{path.lstrip('/')}"))
        return checks

    handlers["create"] = create
    iam_actions.s3_service_context, iam_actions.s3_additional_checks = tell, check


def say_who_signed() -> None:
    """Name the signer in the event of a URL that asks for signatures, as AWS does."""
    from ministack.services import lambda_svc

    built = lambda_svc._build_function_url_event

    def build(*args: Any, anonymous: bool, **rest: Any) -> dict[str, Any]:
        event: dict[str, Any] = built(*args, anonymous=anonymous, **rest)
        if not anonymous:
            signer = {"userArn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT}
            event["requestContext"]["authorizer"] = {"iam": signer}
        return event

    lambda_svc._build_function_url_event = build


def name_errors_as_step_functions_does() -> None:
    """Give a refused start of an execution the name that a state machine catches it by."""
    from ministack.services import stepfunctions

    started = stepfunctions._invoke_nested_start_execution

    def start(resource: str, data: Any) -> Any:
        try:
            return started(resource, data)
        except stepfunctions._ExecutionError as exc:
            name = f"StepFunctions.{exc.error}Exception"
            raise stepfunctions._ExecutionError(name, exc.cause) from exc

    stepfunctions._invoke_nested_start_execution = start


def count_loopback_as_tls() -> None:
    """Answer as behind TLS: on loopback nobody listens in, and policies refuse plain HTTP."""
    from ministack import app

    pinned = app.pin_request_origin
    app.pin_request_origin = lambda address, _secure: pinned(address, True)


def main(port: int) -> None:
    """Serve until killed; only on loopback."""
    os.environ |= {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "IOT_MTLS_ENABLED": "false",
        "SFTP_ENABLED": "false",
        "AUTH": "true",
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.1",
        "SFN_WAIT_SCALE": "0.001",
    }
    from ministack import app

    sys.argv = sys.argv[:1]
    with tempfile.TemporaryDirectory(prefix="forecaster-cloud-") as folder:
        runtimes = Runtimes(port, Path(folder))
        run_functions_here(runtimes)
        if armed := os.environ.get(FAULTS):
            Faults(Path(armed), runtimes).install()
        retry_as_the_alias_says()
        fill_in_the_schedule_s_input()
        deploy_queries_and_budgets()
        read_views_and_rows_files()
        keep_results_where_they_are_said_to_be()
        write_once()
        say_who_signed()
        name_errors_as_step_functions_does()
        count_loopback_as_tls()
        told = " ".join(f"{name}={value}" for name, value in variables(port).items())
        print(f"AWS is here: export {told}", file=sys.stderr, flush=True)
        app.main()


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 4566)
