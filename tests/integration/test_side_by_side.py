"""Deployments beside each other: another name, another region, two stages; none meets another."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.packaged import ROOT, package, require_node, serverless, template

OTHER = "market-oracle"
# The product's name, which stays: metrics' namespace, events' source, tags of nothing.
PRODUCT = {"Namespace", "events:source", "DashboardBody"}
# Of an account as a whole, whatever the region.
GLOBAL = {
    "AWS::IAM::Role": "RoleName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::S3::Bucket": "BucketName",
}
REGIONAL = re.compile(r"^(\w+Name|Name)$")


@pytest.fixture(scope="module")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The template of a service of another name: one line of serverless.yml."""
    require_node()
    folder = tmp_path_factory.mktemp("renamed")
    shutil.copytree(ROOT / "infra", folder / "infra")
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    shutil.copy(ROOT / "package.json", folder)
    text = (ROOT / "serverless.yml").read_text()
    (folder / "serverless.yml").write_text(
        text.replace("service: financial-forecaster", f"service: {OTHER}", 1)
    )
    return template(package(folder / "out", folder=folder))


def texts(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each text in a document, with the key it stands under."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield name, name
            yield from texts(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value, key)
    elif isinstance(node, str):
        yield key, node


def test_a_service_of_another_name_has_that_name_and_ours_in_nothing(renamed: Any) -> None:
    ours = [
        (key, text) for key, text in texts(renamed) if "financial" in text and key not in PRODUCT
    ]
    assert ours == []
    database = renamed["Resources"]["Catalog"]["Properties"]["DatabaseInput"]["Name"]
    assert database == "market_oracle_dev"
    assert f'"{OTHER}' not in json.dumps(
        renamed["Resources"]["NoForecastAlarm"]["Properties"]["Namespace"]
    )


def test_alarms_and_dashboard_watch_the_namespace_that_code_writes_to(renamed: Any) -> None:
    from handlers.telemetry.on_demand import NAMESPACE

    assert renamed["Resources"]["NoForecastAlarm"]["Properties"]["Namespace"] == NAMESPACE
    assert f'["{NAMESPACE}", "record_intact"' in json.dumps(
        renamed["Resources"]["Dashboard"]["Properties"]["DashboardBody"]
    ).replace("\\", "")


def names(packaged: Any) -> dict[str, str]:
    """Every name that is given to a resource, by the resource and the property."""
    return {
        f"{logical}.{key}": value
        for logical, resource in packaged["Resources"].items()
        for key, value in resource["Properties"].items()
        if REGIONAL.match(key) and isinstance(value, str) and "financial" in value
    }


def test_two_stages_of_an_account_share_no_name(tmp_path: Path) -> None:
    one, two = (template(package(tmp_path / stage, stage)) for stage in ("dev", "prod"))
    assert len(names(one)) > 20
    assert not set(names(one).values()) & set(names(two).values())


def test_what_a_whole_account_has_one_list_of_carries_the_region(tmp_path: Path) -> None:
    raw = json.loads(package(tmp_path).read_text())
    for logical, resource in raw["Resources"].items():
        name = resource["Properties"].get(GLOBAL.get(resource["Type"], ""))
        if name is not None:
            assert "${AWS::Region}" in json.dumps(name), logical
    budget = raw["Resources"]["Budget"]["Properties"]["Budget"]["BudgetName"]
    assert "${AWS::Region}" in json.dumps(budget)


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-1"])
def test_the_longest_stage_of_a_region_makes_no_name_longer_than_aws_takes(
    tmp_path: Path, region: str
) -> None:
    stage = "a" * (28 - len(region))
    done = serverless(
        *("package", "--package", str(tmp_path), "--region", region),
        stage=stage,
        params={
            "image": "prebuilt",
            "imageUri": "r/n@sha256:" + "a" * 64,
            "apiKeySha256": "b" * 64,
        },
        environ={},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    raw = json.loads((tmp_path / "cloudformation-template-update-stack.json").read_text())
    for logical, resource in raw["Resources"].items():
        name = resource["Properties"].get("RoleName")
        if name is not None:
            assert len(name["Fn::Sub"].replace("${AWS::Region}", region)) <= 64, logical


def test_no_script_and_no_command_has_the_service_s_name_but_serverless_yml() -> None:
    scripts = [*(ROOT / "infra").glob("*.sh"), ROOT / "Makefile"]
    for path in scripts:
        lines = [
            line
            for line in path.read_text().splitlines()
            if "financial-forecaster" in line and not line.startswith(("#", "IMAGE ?="))
        ]
        assert lines == [], path
    said = subprocess.run(
        ["make", "--dry-run", "rollback", "STAGE=dev"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "--service financial-forecaster --stage dev" in said
