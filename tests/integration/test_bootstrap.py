"""What is made once by hand: a registry, and a role for each stage, for GitHub and nobody else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import decode
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

INFRA = Path(__file__).resolve().parents[2] / "infra"
NAMES = {
    "AWS::Partition": "aws",
    "AWS::AccountId": "123456789012",
    "Service": "financial-forecaster",
    "Database": "financial_forecaster",
    "Repository": "owner/name",
    "Stage": "dev",
    "RolePath": "/",
}


def substituted(value: Any) -> Any:
    """Return a part of the template with the texts that CloudFormation would make."""
    if isinstance(value, list):
        return [substituted(each) for each in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Fn::Sub"}:
        text = str(value["Fn::Sub"])
        for name, known in NAMES.items():
            text = text.replace(f"${{{name}}}", known)
        return text
    return {str(key): substituted(each) for key, each in value.items()}


ALL_FUNCTIONS = "arn:aws:lambda:*:123456789012:function:financial-forecaster-*"
ACCOUNT, STAGE = (
    substituted(decode(str(INFRA / f"{name}.yml"))[0]) for name in ("bootstrap", "deploy-role")
)
RESOURCES = ACCOUNT["Resources"]
IMAGES = RESOURCES["Images"]["Properties"]
OF_STAGE = STAGE["Resources"]
ROLE = OF_STAGE["DeployRole"]["Properties"]
POLICIES = {
    name: OF_STAGE[name]["Properties"]["PolicyDocument"] for name in ("Deploys", "Resources")
}
LIFECYCLE = json.loads(IMAGES["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
(TRUST,) = ROLE["AssumeRolePolicyDocument"]["Statement"]
PROPERTIES = {
    "images are scanned when pushed": (IMAGES["ImageScanningConfiguration"], {"ScanOnPush": True}),
    "a tag never changes": (IMAGES["ImageTagMutability"], "IMMUTABLE"),
    "images are encrypted": (IMAGES["EncryptionConfiguration"], {"EncryptionType": "AES256"}),
    "images outlive the stack": (RESOURCES["Images"]["DeletionPolicy"], "Retain"),
    "what is used stays, by a rule before those by which others go": (
        [
            (rule["selection"].get("tagPrefixList"), rule["selection"]["countNumber"])
            for rule in LIFECYCLE
        ],
        [
            *((["keep-prod-"], 100), (["keep-dev-"], 50)),
            *((["prod-"], 4), (["dev-"], 2), (None, 1)),
        ],
    ),
    "only Lambda pulls, for functions of this account": (
        IMAGES["RepositoryPolicyText"]["Statement"],
        [
            {
                "Sid": "LambdaPullsForTheFunctionsOfThisAccount",
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                "Condition": {"ArnLike": {"aws:SourceArn": ALL_FUNCTIONS}},
            }
        ],
    ),
    "the role is taken by a token of GitHub's only": (
        (TRUST["Action"], TRUST["Principal"]),
        (
            "sts:AssumeRoleWithWebIdentity",
            {
                "Federated": "arn:aws:iam::123456789012:oidc-provider/"
                "token.actions.githubusercontent.com"
            },
        ),
    ),
    "of this repository's environment of the stage only": (
        TRUST["Condition"],
        {
            "StringEquals": {
                "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                "token.actions.githubusercontent.com:sub": "repo:owner/name:environment:dev",
            }
        },
    ),
    "for an hour": (ROLE["MaxSessionDuration"], 3600),
    "with these policies and no other": (
        (ROLE["ManagedPolicyArns"], "Policies" in ROLE),
        ([{"Ref": "Deploys"}, {"Ref": "Resources"}], False),
    ),
    "the provider is made where there is none, and stays": (
        (RESOURCES["GitHub"]["Condition"], RESOURCES["GitHub"]["DeletionPolicy"]),
        ("NoProvider", "Retain"),
    ),
}


@pytest.mark.parametrize("said", PROPERTIES)
def test_the_template_says_that(said: str) -> None:
    found, expected = PROPERTIES[said]
    assert found == expected


def statements() -> Iterator[dict[str, Any]]:
    for document in POLICIES.values():
        yield from document["Statement"]


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


# What AWS knows by no name.
NAMELESS = {
    "ecr:GetAuthorizationToken",
    "cloudformation:ValidateTemplate",
    "cloudwatch:DescribeAlarms",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
}


# Of this stage, and of no other whose name begins as this one's.
OURS = re.compile(r"financial[-_]forecaster[-_/]dev(?![a-z0-9*])")


def test_every_permission_is_for_what_has_the_service_s_and_the_stage_s_name() -> None:
    for statement in statements():
        assert statement["Effect"] == "Allow"
        actions, resources = set(listed(statement["Action"])), listed(statement["Resource"])
        if resources == ["*"]:
            assert actions <= NAMELESS
            continue
        for resource in resources:
            if resource.endswith((":catalog", ":repository/financial-forecaster")):
                continue
            assert OURS.search(resource), resource


def test_no_service_is_given_as_a_whole() -> None:
    actions = [action for statement in statements() for action in listed(statement["Action"])]
    assert not [action for action in actions if action.endswith(":*") or action == "*"]
    assert len(actions) == len(set(actions))


def test_it_can_neither_read_the_record_nor_the_key_nor_change_its_own_role() -> None:
    for statement in statements():
        actions, resources = listed(statement["Action"]), listed(statement["Resource"])
        if any(action.endswith(("Object", "ObjectVersion")) for action in actions):
            assert all("-serverlessdeploymentbuck*" in resource for resource in resources)
        if any(action.startswith("ssm:") for action in actions):
            of_stage = "arn:aws:ssm:*:123456789012:parameter/financial-forecaster/dev/"
            names = ("api-key-sha256", "origin-secret", "origin-secret-sha256")
            assert resources == [of_stage + name for name in names]
        if any(action.startswith("iam:") for action in actions):
            assert len(resources) == 1
            assert re.fullmatch(r".*/financial-forecaster-dev-(reader-)?\*", resources[0])
    assert ROLE["RoleName"] == "financial-forecaster-github-deploy-dev"


SUBJECTS = {
    "owner/name": True,
    "owner@123456/name@456789": True,
    "my-company_unit/a.b_c-d": True,
    "owner@1/name": True,
    "owner": False,
    "owner/name/more": False,
    "owner/*": False,
    "*/name": False,
    "owner@x/name@y": False,
    "owner/name:environment:prod": False,
    "": False,
}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_repository_is_named_as_github_s_tokens_do_and_never_by_a_pattern(subject: str) -> None:
    allowed = STAGE["Parameters"]["Repository"]["AllowedPattern"]
    assert bool(re.fullmatch(allowed, subject)) == SUBJECTS[subject]


def test_roles_are_passed_to_functions_and_schedules_only() -> None:
    (passing,) = [each for each in statements() if "iam:PassRole" in listed(each["Action"])]
    services = [f"{name}.amazonaws.com" for name in ("lambda", "scheduler", "states")]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": services}}


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_as_short_as_aws_wants_it(name: str) -> None:
    assert len(json.dumps(POLICIES[name], separators=(",", ":"))) <= 6144


# What the stacks are made of.
TYPES = (
    "Athena::NamedQuery", "Athena::WorkGroup", "Budgets::Budget", "CloudWatch::Alarm",
    "CloudWatch::Dashboard", "Glue::Database", "Glue::Table", "IAM::Role", "Lambda::Alias",
    "Lambda::EventInvokeConfig", "Lambda::Function", "Lambda::Permission", "Lambda::Url",
    "Lambda::Version", "Logs::LogGroup", "S3::Bucket", "S3::BucketPolicy", "SNS::Subscription",
    "SNS::Topic", "SNS::TopicPolicy", "SQS::Queue", "SQS::QueuePolicy", "Scheduler::Schedule",
    "IAM::Policy", "StepFunctions::StateMachine",
)  # fmt: skip
# What CloudFormation asks for on behalf of others: of such a type with what ours has not.
OF_OTHERS = (
    "billing:*", "codedeploy:*", "ec2:*", "elasticfilesystem:*", "firehose:*", "kms:*",
    "lakeformation:*", "s3files:*", "s3tables:*", "lambda:*CodeSigning*",
    "lambda:*Provisioned*", "lambda:*CapacityProvider", "lambda:*RecursionConfig",
    "lambda:*RuntimeAlias", "lambda:*RuntimeManagement*", "lambda:*ScalingConfig",
    "logs:*Bearer*", "logs:*Delivery", "logs:*IndexPolicy", "logs:*KmsKey",
    "logs:*ProtectionPolicy", "logs:*ResourcePolicy", "logs:*LogGroupDeletionProtection",
    "iam:*PermissionsBoundary", "iam:*tachRolePolicy", "iam:CreateServiceLinkedRole",
    "glue:*Connection", "glue:GetSchemaVersion", "s3:*Multipart*", "s3:???Object*",
    "s3:*MetadataTable*", "s3:*Metadata*Table*", "s3:*Abac", "s3:*AccelerateConfiguration",
    "s3:*AnalyticsConfiguration", "s3:*InventoryConfiguration",
    "s3:*IntelligentTieringConfiguration", "s3:*MetricsConfiguration", "s3:*Replication*",
    "s3:*Logging", "s3:*BucketNotification", "s3:*Website", "s3:*CORS", "s3:*Cors",
    "iam:*UserPolicy", "iam:*GroupPolicy",
    "s3:PutBucketAcl", "s3:DeleteBucketEncryption", "s3:DeleteBucketLifecycle",
    "sns:*ProtectionPolicy", "s3:REST*",
)  # fmt: skip
HOW = ("create", "read", "update")


@pytest.mark.parametrize("kind", TYPES)
def test_what_cloudformation_needs_to_make_and_change_it_is_granted(kind: str) -> None:
    granted = [action for statement in statements() for action in listed(statement["Action"])]
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", f"AWS::{kind}").schema
    handlers = schema.get("handlers", {})
    needed = {action for how in HOW for action in handlers.get(how, {}).get("permissions", ())}
    known = [*granted, *OF_OTHERS]
    assert [each for each in needed if not any(fnmatch(each, one) for one in known)] == []
