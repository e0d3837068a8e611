"""What would be deployed: every property that users rely on, in the packaged template.

The rows of the table are in `tests/support/template_rows.py`; no resource is without one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from handlers.settings import DailySettings
from pipeline.record.keys import COMPACT, SHARD, compact_key
from pipeline.record.sharding import name_shard
from pipeline.record.universe_session import ANNOUNCED, LATEST
from tests.support.packaged import ROOT, package, template
from tests.support.template_rows import ROWS

RUN = "runs/2026-11-26.00.json"


@pytest.fixture(scope="module")
def dev_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(tmp_path_factory.mktemp("dev"))


@pytest.fixture(scope="module")
def dev(dev_file: Path) -> Any:
    return template(dev_file)


def steps(path: str) -> list[str]:
    """Return the keys of a path: `Resource.Property.…`, or `Resource!Attribute`."""
    resource, mark, rest = re.match(r"(\w+)([.!])(.*)", path).groups()  # type: ignore[union-attr]
    inside = [step.replace("\\.", ".") for step in re.split(r"(?<!\\)\.", rest)]
    return ["Resources", resource, *(["Properties"] if mark == "." else []), *inside]


def at(node: Any, path: list[str]) -> Any:
    for step in path:
        node = node[int(step)] if isinstance(node, list) else node[step]
    return node


@pytest.mark.parametrize("path", ROWS)
def test_the_template_has_every_property_that_users_rely_on(dev: Any, path: str) -> None:
    assert at(dev, steps(path)) == ROWS[path]


def test_no_resource_is_without_a_row(dev: Any) -> None:
    named = {steps(path)[1] for path in ROWS}
    versions = {
        name for name in dev["Resources"] if re.match(r"(Daily|OnDemand|Verify)LambdaVersion", name)
    }
    assert set(dev["Resources"]) - named == versions
    assert len(versions) == 3


def versions(packaged: Any) -> dict[str, str]:
    """The versions that are published, by their function."""
    return {
        resource["Properties"]["FunctionName"]: name
        for name, resource in packaged["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Version"
    }


def test_versions_are_published_and_kept_and_the_template_never_moves_the_alias(dev: Any) -> None:
    for name in ("Daily", "OnDemand", "Verify"):
        version = versions(dev)[f"{name}LambdaFunction"]
        assert dev["Resources"][version]["DeletionPolicy"] == "Retain"
        # What a deployment asked and found good, infra/plugins/live-version.js moves it to.
        assert at(dev, steps(f"{name}LiveAlias.FunctionVersion")) == "$LATEST"
        output = dev["Outputs"][f"{name}LambdaFunctionQualifiedArn"]["Value"]
        assert output == version


def test_a_rotated_key_makes_a_new_version_and_no_other_alias(dev: Any, tmp_path: Path) -> None:
    rotated = template(package(tmp_path, apiKeySha256="c" * 64))
    function = "OnDemandLambdaFunction"
    assert versions(rotated)[function] != versions(dev)[function]
    assert rotated["Resources"]["OnDemandLiveAlias"] == dev["Resources"]["OnDemandLiveAlias"]


def test_stages_share_no_name(dev: Any, tmp_path: Path) -> None:
    prod = template(package(tmp_path, "prod"))
    names = [path for path in ROWS if re.search(r"Name$", path) and "financial" in str(ROWS[path])]
    assert len(names) > 25
    for path in names:
        assert at(prod, steps(path)) == re.sub(r"([-_])dev\b", r"\1prod", ROWS[path])
    assert at(prod, steps("DailyLogGroup.RetentionInDays")) == 180
    assert "-dev" not in json.dumps(prod)


def test_with_iam_the_url_is_open_to_nobody_but_signed_requests(tmp_path: Path) -> None:
    iam = template(package(tmp_path, auth="iam", apiKeySha256=""))
    assert at(iam, steps("OnDemandLambdaFunctionUrl.AuthType")) == "AWS_IAM"
    assert not [name for name in iam["Resources"] if "LambdaPermission" in name]


def test_everybody_may_ask_only_where_that_is_said(tmp_path: Path) -> None:
    none = template(package(tmp_path, auth="none", apiKeySha256=""))
    environment = at(none, steps("OnDemandLambdaFunction.Environment.Variables"))
    assert environment["FORECASTER_AUTH"] == "none"
    assert "FORECASTER_API_KEY_SHA256" not in environment


def test_the_function_alone_names_who_may_read_its_answers(dev: Any) -> None:
    # A second Access-Control-Allow-Origin, from the URL, and browsers refuse both.
    assert "Cors" not in dev["Resources"]["OnDemandLambdaFunctionUrl"]["Properties"]


def test_a_small_account_reserves_nothing(tmp_path: Path) -> None:
    shared = template(package(tmp_path, concurrency="shared"))
    for name in ("Daily", "OnDemand", "Verify"):
        function = shared["Resources"][f"{name}LambdaFunction"]["Properties"]
        assert "ReservedConcurrentExecutions" not in function


def test_a_kept_bucket_is_used_and_not_made_again(dev: Any, tmp_path: Path) -> None:
    kept = template(package(tmp_path, storage="kept"))
    assert set(dev["Resources"]) - set(kept["Resources"]) == {"Store", "StorePolicy"}
    path = steps("DailyLambdaFunction.Environment.Variables.FORECASTER_STORE")
    assert at(kept, path) == at(dev, path)


def test_manifests_are_signed_by_the_key_in_ssm(tmp_path: Path) -> None:
    packaged = template(package(tmp_path, signing="ssm"))
    variables = at(packaged, steps("DailyLambdaFunction.Environment.Variables"))
    key = DailySettings.from_env(variables).signing_key
    assert key == "ssm:/financial-forecaster/dev/signing-key"


def test_a_digest_is_mailed_to_whom_alarms_go_if_asked_for(tmp_path: Path, dev: Any) -> None:
    assert "Digests" not in dev["Resources"]
    packaged = template(package(tmp_path, digest="mail"))
    variables = at(packaged, steps("DailyLambdaFunction.Environment.Variables"))
    assert variables["FORECASTER_DIGEST_TOPIC"] == "Digests"
    assert at(packaged, steps("Digests.TopicName")) == "financial-forecaster-dev-digests"
    subscription = packaged["Resources"]["DigestsByMail"]
    assert subscription["Condition"] == "SomebodyIsTold"
    assert at(packaged, steps("DigestsByMail.Protocol")) == "email"
    assert at(packaged, steps("DigestsByMail.Endpoint")) == "AlarmEmail"


@pytest.mark.parametrize(
    ("params", "lock"),
    [
        ({"lock": "none"}, "none"),
        ({"lock": "compliance"}, "compliance:7"),
        ({"lock": "governance", "lockYears": "10"}, "governance:10"),
        ({"storage": "kept"}, "governance:7"),
    ],
)
def test_the_writer_is_told_how_to_lock(
    tmp_path: Path, params: dict[str, str], lock: str, dev: Any
) -> None:
    packaged = template(package(tmp_path, **params))
    variables = at(packaged, steps("DailyLambdaFunction.Environment.Variables"))
    assert DailySettings.from_env(variables).lock == lock
    for name in ("Store", "StorePolicy"):  # whatever is locked, the bucket is the same
        assert packaged["Resources"].get(name) in (dev["Resources"][name], None)


def test_the_bucket_has_no_default_lock_which_would_hold_for_views(dev: Any) -> None:
    assert "ObjectLockConfiguration" not in dev["Resources"]["Store"]["Properties"]


@pytest.mark.parametrize("sid", ["NothingIsOverwrittenButViews", "NothingIsHiddenButViews"])
def test_what_our_own_code_writes_again_the_bucket_lets_it(dev: Any, sid: str) -> None:
    """`ObjectStore.replace` sends no If-None-Match, which all else in the bucket is asked for."""
    statements = dev["Resources"]["StorePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    (patterns,) = [each["NotResource"] for each in statements if each["Sid"] == sid]

    def free(key: str) -> bool:
        return any(fnmatchcase(f"Store.Arn/store/{key}", pattern) for pattern in patterns)

    compacted = compact_key("scores", "2026-11")
    assert compacted.startswith(COMPACT)
    for name in ("latest.json", "track_record.json", "announced.json", compacted):
        assert free(name)
        assert free(f"{name_shard(7)}/{name}")
    assert all(map(free, (f"{name_shard(7)}/{SHARD}", LATEST, ANNOUNCED)))
    assert not any(map(free, (RUN, f"{name_shard(7)}/{RUN}", "universe.json", "store.json")))


def test_whoever_gives_an_address_is_told(tmp_path: Path) -> None:
    told = template(package(tmp_path, alarmEmail="desk@example.com"))
    assert told["Parameters"]["AlarmEmail"]["Default"] == "desk@example.com"


def test_the_image_is_built_for_lambda_and_as_lambda_takes_it() -> None:
    text = re.sub(r"!\w+", "", (ROOT / "serverless.yml").read_text())
    built = yaml.safe_load(text)["custom"]["image"]["build"]
    assert built == {"path": ".", "platform": "linux/amd64", "provenance": "false"}


def test_alarms_fit_the_ten_that_are_free_and_the_dashboard_shows_them_all(dev: Any) -> None:
    alarms = {
        name
        for name, resource in dev["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert len(alarms) == 10
    widgets = json.loads(at(dev, steps("Dashboard.DashboardBody")))["widgets"]
    assert set(widgets[0]["properties"]["alarms"]) == {f"{name}.Arn" for name in alarms}


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_cfn_lint_finds_nothing(dev_file: Path, region: str) -> None:
    lint = "import sys; from cfnlint.runner import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--regions", region, "--template", dev_file],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
