"""What users rely on in the packaged template: a path into it, and what stands there."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.support.packaged import DIGEST, IMAGE
from tests.support.template_catalog import CATALOG, TAGS
from tests.support.template_store import BUCKET, OBJECTS, PAGED, STORE

NOT_SERVED = ("history.json", "announced.json")
LIVE_URL = "OnDemandLambdaFunction.Arn:live"
LOGS = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/financial-forecaster-dev"
DIGESTS = "arn:aws:sns:us-east-1:123456789012:financial-forecaster-dev-digests"
SIGNING_KEY = "arn:aws:ssm:us-east-1:123456789012:parameter/financial-forecaster/dev/signing-key"
FUNCTIONS = "arn:aws:lambda:us-east-1:123456789012:function:financial-forecaster-dev"


def assumed_by(service: str, **condition: Any) -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return {"Version": "2012-10-17", "Statement": [statement | condition]}


def allow(sid: str, action: Any, resource: Any, **condition: Any) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": action,
        "Resource": resource,
    } | condition


LIST = allow(
    "ListTheRecord",
    "s3:ListBucket",
    OBJECTS,
    Condition={"StringLikeIfExists": {"s3:prefix": "store/*"}},
)
TRACE = allow("Trace", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*")
FAILURES = allow("ReportFailures", "sqs:SendMessage", "DeadLetters.Arn")
LOG = ["logs:CreateLogStream", "logs:PutLogEvents"]
OF_DAILY, OF_VERIFY = (
    [
        {"Name": "service", "Value": name.lower()},
        {"Name": "function", "Value": f"{name}LambdaFunction"},
    ]
    for name in ("Daily", "Verify")
)
DAILY_FUNCTION = [{"Name": "FunctionName", "Value": "DailyLambdaFunction"}]
ON_DEMAND_FUNCTION = [{"Name": "FunctionName", "Value": "OnDemandLambdaFunction"}]


def function(name: str, handler: str, role: str, **properties: Any) -> dict[str, Any]:
    """Rows of a function: what both have, and `properties`."""
    both = {
        "FunctionName": f"financial-forecaster-dev-{handler.replace('_', '-')}",
        "Code.ImageUri": IMAGE,
        "PackageType": "Image",
        "ImageConfig.Command": [f"handlers.{handler}.handler"],
        "Architectures": ["x86_64"],
        "Role": f"{role}.Arn",
        "TracingConfig.Mode": "Active",
        "Tags": TAGS,
        "Environment.Variables.FORECASTER_STORE": f"s3://{BUCKET}/store",
        "Environment.Variables.ORT_DISABLE_TELEMETRY": "1",
    }
    rows = {f"{name}LambdaFunction.{path}": value for path, value in (both | properties).items()}
    return rows | {
        f"{name}LogGroup.LogGroupName": f"/aws/lambda/{both['FunctionName']}",
        f"{name}LogGroup.RetentionInDays": 30,
        f"{name}LiveAlias.Name": "live",
        f"{name}LiveAlias.FunctionName": f"{name}LambdaFunction",
        f"{name}LambdaEvConf.Qualifier": "live",
        f"{name}LambdaEvConf.FunctionName": f"{name}LambdaFunction",
        f"{name}LambdaEvConf.DestinationConfig.OnFailure.Destination": "DeadLetters.Arn",
    }


def schedule(name: str, expression: str, function: str = "Daily") -> dict[str, Any]:
    return {
        f"{name}.{path}": value
        for path, value in {
            "ScheduleExpression": expression,
            "ScheduleExpressionTimezone": "America/New_York",
            "State": "ENABLED",
            "FlexibleTimeWindow.Mode": "OFF",
            "Target.Arn": f"{function}LiveAlias",
            "Target.RoleArn": "ScheduleRole.Arn",
            "Target.Input": json.dumps(
                {
                    "scheduled_time": "<aws.scheduler.scheduled-time>",
                    "execution_id": "<aws.scheduler.execution-id>",
                }
            ),
            "Target.RetryPolicy.MaximumRetryAttempts": 5,
            "Target.RetryPolicy.MaximumEventAgeInSeconds": 3600,
            "Target.DeadLetterConfig.Arn": "DeadLetters.Arn",
        }.items()
    }


def alarm(
    name: str, metric: str, dimensions: Any, condition: str, period: str, missing: str
) -> dict[str, Any]:
    """Rows of an alarm: `condition` as `Maximum > 1`, `period` as seconds x periods."""
    statistic, comparison, threshold = condition.split()
    seconds, periods = period.split(" x ")
    namespace, _, metric = metric.rpartition(":")
    word = {">": "Greater", "<": "Less"}[comparison[0]]
    word += "ThanOrEqualToThreshold" if comparison[1:] else "ThanThreshold"
    slug = re.sub(r"(?<!^)(?=[A-Z])|(?<=[a-z])(?=\d)", "-", name).lower()
    return {
        f"{name}Alarm.{path}": value
        for path, value in {
            "AlarmName": f"financial-forecaster-dev-{slug}",
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": dimensions,
            "Statistic": statistic,
            "ComparisonOperator": word,
            "Threshold": float(threshold),
            "Period": int(seconds),
            "EvaluationPeriods": int(periods),
            "TreatMissingData": missing,
            "AlarmActions": ["Alarms"],
        }.items()
    }


ROWS: dict[str, Any] = {
    **STORE,
    # The framework's own bucket.
    "ServerlessDeploymentBucket.PublicAccessBlockConfiguration.RestrictPublicBuckets": True,
    "ServerlessDeploymentBucket.BucketEncryption.ServerSideEncryptionConfiguration.0"
    ".ServerSideEncryptionByDefault.SSEAlgorithm": "AES256",
    "ServerlessDeploymentBucketPolicy.PolicyDocument.Statement.0.Effect": "Deny",
    # The functions.
    **function(
        "Daily",
        "daily",
        "DailyRole",
        Timeout=300,
        MemorySize=1024,
        ReservedConcurrentExecutions=2,
        **{
            "Environment.Variables.FORECASTER_BARS": "yahoo",
            "Environment.Variables.FORECASTER_DIGEST_TOPIC": "none",
            "Environment.Variables.FORECASTER_EVENTS": "default",
            "Environment.Variables.FORECASTER_LOCK": "governance:7",
            "Environment.Variables.FORECASTER_SIGNING_KEY": "none",
            "Environment.Variables.FORECASTER_SSE": "none",
            "Environment.Variables.FORECASTER_TICKERS": "SPY,QQQ,DIA,IWM",
        },
    ),
    "DailyLambdaEvConf.MaximumRetryAttempts": 2,
    "DailyLambdaEvConf.MaximumEventAgeInSeconds": 3600,
    **function(
        "OnDemand",
        "on_demand",
        "OnDemandRole",
        Timeout=15,
        MemorySize=1024,
        ReservedConcurrentExecutions=5,
        **{
            "Environment.Variables.FORECASTER_AUTH": "api-key",
            "Environment.Variables.FORECASTER_API_KEY_SHA256": DIGEST,
        },
    ),
    "OnDemandLambdaEvConf.MaximumRetryAttempts": 0,
    **function(
        *("Verify", "verify", "VerifyRole"),
        Timeout=900,
        MemorySize=1024,
        ReservedConcurrentExecutions=1,
    ),
    "VerifyLambdaEvConf.MaximumRetryAttempts": 1,
    "VerifyLambdaEvConf.MaximumEventAgeInSeconds": 3600,
    # The URL: both permissions, or every request is answered 403.
    "OnDemandLambdaFunctionUrl.TargetFunctionArn": LIVE_URL,
    "OnDemandLambdaFunctionUrl.AuthType": "NONE",
    "OnDemandLambdaPermissionFnUrl.Action": "lambda:InvokeFunctionUrl",
    "OnDemandLambdaPermissionFnUrl.FunctionUrlAuthType": "NONE",
    "OnDemandLambdaPermissionFnUrl.Principal": "*",
    "OnDemandLambdaPermissionFnUrl.FunctionName": LIVE_URL,
    "OnDemandLambdaPermissionFn.Action": "lambda:InvokeFunction",
    "OnDemandLambdaPermissionFn.InvokedViaFunctionUrl": True,
    "OnDemandLambdaPermissionFn.Principal": "*",
    "OnDemandLambdaPermissionFn.FunctionName": LIVE_URL,
    # Roles: each statement, and none besides.
    "DailyRole.RoleName": "financial-forecaster-dev-daily-us-east-1",
    "DailyRole.AssumeRolePolicyDocument": assumed_by("lambda"),
    "DailyRole.Policies.0.PolicyDocument.Statement": [
        allow(
            "ReadAndAddToTheRecord",
            ["s3:GetObject", "s3:PutObject", "s3:PutObjectRetention"],
            f"{OBJECTS}/store/*",
        ),
        LIST,
        allow("ReadTheSigningKey", "ssm:GetParameter", SIGNING_KEY),
        allow(
            *("TellOthers", "events:PutEvents"),
            "arn:aws:events:us-east-1:123456789012:event-bus/default",
            Condition={"StringEqualsIfExists": {"events:source": "financial-forecaster"}},
        ),
        allow("SendTheDigest", "sns:Publish", DIGESTS),
        FAILURES,
        allow("Log", LOG, f"{LOGS}-daily:*"),
        TRACE,
    ],
    "VerifyRole.RoleName": "financial-forecaster-dev-verify-us-east-1",
    "VerifyRole.AssumeRolePolicyDocument": assumed_by("lambda"),
    "VerifyRole.Policies.0.PolicyDocument.Statement": [
        allow("ReadTheRecord", "s3:GetObject", f"{OBJECTS}/store/*"),
        LIST,
        FAILURES,
        allow("Log", LOG, f"{LOGS}-verify:*"),
        TRACE,
    ],
    "OnDemandRole.RoleName": "financial-forecaster-dev-on-demand-us-east-1",
    "OnDemandRole.AssumeRolePolicyDocument": assumed_by("lambda"),
    "OnDemandRole.Policies.0.PolicyDocument.Statement": [
        allow(
            "ReadTheViews",
            "s3:GetObject",
            [f"{OBJECTS}/store/{view}" for view in PAGED if view not in NOT_SERVED],
        ),
        LIST,
        FAILURES,
        allow("Log", LOG, f"{LOGS}-on-demand:*"),
        TRACE,
    ],
    "ScheduleRole.RoleName": "financial-forecaster-dev-schedule-us-east-1",
    "ScheduleRole.AssumeRolePolicyDocument": assumed_by(
        "scheduler", Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}}
    ),
    "ScheduleRole.Policies.0.PolicyDocument.Statement": [
        allow(
            *("StartWhatIsScheduled", "lambda:InvokeFunction"),
            [f"{FUNCTIONS}-daily:live", f"{FUNCTIONS}-verify:live"],
        ),
        allow("ReportWhatCouldNotBeStarted", "sqs:SendMessage", "DeadLetters.Arn"),
    ],
    # When it runs, and where failures go.
    **schedule("DailySchedule", "cron(30 18 ? * MON-FRI *)"),
    **schedule("EveningCatchUp", "cron(30 20 ? * MON-FRI *)"),
    **schedule("MorningCatchUp", "cron(0 7 * * ? *)"),
    **schedule("VerifySchedule", "cron(0 12 ? * SUN,WED *)", "Verify"),
    "VerifySchedule.Name": "financial-forecaster-dev-verify",
    "DailySchedule.Name": "financial-forecaster-dev-daily",
    "EveningCatchUp.Name": "financial-forecaster-dev-evening-catch-up",
    "MorningCatchUp.Name": "financial-forecaster-dev-morning-catch-up",
    "DeadLetters.QueueName": "financial-forecaster-dev-dead-letters",
    "DeadLetters.MessageRetentionPeriod": 14 * 24 * 3600,
    "DeadLetters.SqsManagedSseEnabled": True,
    "DeadLettersPolicy.Queues": ["DeadLetters"],
    "DeadLettersPolicy.PolicyDocument.Statement.0.Effect": "Deny",
    "DeadLettersPolicy.PolicyDocument.Statement.0.Condition.Bool.aws:SecureTransport": "false",
    **CATALOG,
    # Who is told, of what.
    **alarm(
        *("NoForecast", "financial-forecaster:session_complete", OF_DAILY),
        *("Maximum < 1", "3600 x 26", "breaching"),
    ),
    "NoForecastAlarm.OKActions": ["Alarms"],
    **alarm(
        *("DailyErrors", "AWS/Lambda:Errors", DAILY_FUNCTION),
        *("Sum >= 2", "3600 x 1", "notBreaching"),
    ),
    **alarm(
        *("NotVerified", "financial-forecaster:record_intact", OF_VERIFY),
        *("Maximum < 1", "86400 x 7", "breaching"),
    ),
    "NotVerifiedAlarm.OKActions": ["Alarms"],
    **alarm(
        *("DailyDuration", "AWS/Lambda:Duration", DAILY_FUNCTION),
        *("Maximum >= 240000", "3600 x 1", "notBreaching"),
    ),
    **alarm(
        *("DeadLetters", "AWS/SQS:ApproximateNumberOfMessagesVisible"),
        [{"Name": "QueueName", "Value": "DeadLetters.QueueName"}],
        *("Maximum >= 1", "300 x 1", "notBreaching"),
    ),
    **alarm(
        *("DataLag", "financial-forecaster:data_lag_sessions", OF_DAILY),
        *("Maximum >= 2", "3600 x 1", "notBreaching"),
    ),
    **alarm(
        *("CoverageLow", "financial-forecaster:coverage_95_250", OF_DAILY),
        *("Minimum < 0.91", "86400 x 1", "notBreaching"),
    ),
    **alarm(
        *("CoverageHigh", "financial-forecaster:coverage_95_250", OF_DAILY),
        *("Maximum > 0.985", "86400 x 1", "notBreaching"),
    ),
    **alarm(
        *("Url4xx", "AWS/Lambda:Url4xxCount", ON_DEMAND_FUNCTION),
        *("Sum >= 100", "3600 x 1", "notBreaching"),
    ),
    **alarm(
        *("Url5xx", "AWS/Lambda:Url5xxCount", ON_DEMAND_FUNCTION),
        *("Sum >= 3", "300 x 1", "notBreaching"),
    ),
    "Alarms.TopicName": "financial-forecaster-dev-alarms",
    "AlarmsPolicy.Topics": ["Alarms"],
    "AlarmsPolicy.PolicyDocument.Statement": [
        allow(
            *("AlarmsAndBudget", "sns:Publish", "Alarms"),
            Principal={"Service": ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]},
            Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}},
        )
    ],
    "AlarmsByMail!Condition": "SomebodyIsTold",
    "AlarmsByMail.Protocol": "email",
    "AlarmsByMail.TopicArn": "Alarms",
    "AlarmsByMail.Endpoint": "AlarmEmail",
    "Budget!Condition": "BudgetIsWatched",
    "Budget.Budget.BudgetLimit": {"Amount": "BudgetUsd", "Unit": "USD"},
    "Budget.Budget.TimeUnit": "MONTHLY",
    "Budget.NotificationsWithSubscribers.0.Notification": {
        "NotificationType": "ACTUAL",
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": 80,
    },
    "Budget.NotificationsWithSubscribers.1.Notification": {
        "NotificationType": "FORECASTED",
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": 100,
    },
    **{
        f"Budget.NotificationsWithSubscribers.{one}.Subscribers": [
            {"SubscriptionType": "SNS", "Address": "Alarms"}
        ]
        for one in (0, 1)
    },
    "Dashboard.DashboardName": "financial-forecaster-dev-us-east-1",
}
