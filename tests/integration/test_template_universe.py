"""A universe, off by default: what is in the template when there is one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pipeline.record.sharding import MOST_SHARDS
from pipeline.record.universe_session import TO_VERIFY
from tests.support.packaged import package, properties, template
from tests.support.state_machine import ARN, definition, find_faults, states
from tests.support.template_rows import allow
from tests.support.template_store import BUCKET, OBJECTS

UNIVERSE = {"universe": "s3://lists/us/universe.csv", "shards": "40", "shardConcurrency": "8"}
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:financial-forecaster-dev-universe"
EXECUTION = MACHINE.replace("stateMachine", "execution")
MAP_RUNS = MACHINE.replace("stateMachine", "mapRun")
NEW = {"Universe", "UniverseRole", "UniverseRights", "ReadUniverse", "ReadShards"} | {
    "UniverseTimedOutAlarm",
    "UniverseStoppedAlarm",
}


@pytest.fixture(scope="module")
def on_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(tmp_path_factory.mktemp("on"), **UNIVERSE, reader="policy")


@pytest.fixture(scope="module")
def on(on_file: Path) -> Any:
    return template(on_file)


@pytest.fixture(scope="module")
def machine(on: Any) -> Any:
    return definition(on)


def statements(packaged: Any, name: str) -> list[dict[str, Any]]:
    document: dict[str, Any] = properties(packaged, name)["PolicyDocument"]
    return [each for each in document["Statement"] if each]


def tables(packaged: Any) -> set[str]:
    """The tables that lie in the bucket, by the names of their resources."""
    return {
        name
        for name, resource in packaged["Resources"].items()
        if resource["Properties"].get("TableInput", {}).get("TableType") == "EXTERNAL_TABLE"
    }


def test_off_nothing_of_it_is_deployed(off: Any) -> None:
    kinds = {resource["Type"] for resource in off["Resources"].values()}
    assert not [kind for kind in kinds if "StepFunctions" in kind]
    assert not NEW & off["Resources"].keys()
    variables = properties(off, "DailyLambdaFunction")["Environment"]["Variables"]
    assert variables["FORECASTER_UNIVERSE"] == "none"
    for name in tables(off):
        assert "shard" not in json.dumps(off["Resources"][name])


def test_on_these_are_added_and_nothing_else_is_touched_that_does_not_know_of_shards(
    on: Any, off: Any
) -> None:
    added = set(on["Resources"].keys() - off["Resources"].keys())
    assert {name for name in added if "LambdaVersion" not in name} == NEW
    both = on["Resources"].keys() & off["Resources"].keys()
    changed = {name for name in both if on["Resources"][name] != off["Resources"][name]}
    assert changed == {
        *("DailySchedule", "EveningCatchUp", "MorningCatchUp", "VerifySchedule", "ScheduleRole"),
        *("DailyErrorsAlarm", "DailyDurationAlarm", "NotVerifiedAlarm", "Dashboard", "Reader"),
        *("DailyLambdaFunction", "OnDemandLambdaFunction"),
        *tables(off),
    }


SCHEDULED = {"time": "<aws.scheduler.scheduled-time>"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        *((name, {}) for name in ("DailySchedule", "EveningCatchUp", "MorningCatchUp")),
        ("VerifySchedule", {"verify": True}),
    ],
)
def test_the_schedules_start_the_machine_and_may_start_nothing_else(
    on: Any, off: Any, name: str, told: Any
) -> None:
    before, now = (deepcopy(properties(each, name)) for each in (off, on))
    assert now["Target"].pop("Arn") == "Universe"
    assert json.loads(now["Target"].pop("Input")) == SCHEDULED | told
    assert now["Target"].items() <= before["Target"].items()
    assert {**now, "Target": 0} == {**before, "Target": 0}
    (policy,) = properties(on, "ScheduleRole")["Policies"]
    started, *rest = policy["PolicyDocument"]["Statement"]
    assert started == allow("StartWhatIsScheduled", "states:StartExecution", [MACHINE])
    (before_policy,) = properties(off, "ScheduleRole")["Policies"]
    assert rest == before_policy["PolicyDocument"]["Statement"][1:]


def test_the_machine_may_do_what_its_states_do_and_no_more(on: Any) -> None:
    trust = properties(on, "UniverseRole")["AssumeRolePolicyDocument"]["Statement"]
    assert [each["Principal"] for each in trust] == [{"Service": "states.amazonaws.com"}]
    assert properties(on, "UniverseRights")["Roles"] == ["UniverseRole"]
    assert statements(on, "UniverseRights") == [
        allow("RunShards", "lambda:InvokeFunction", [ARN, ARN.replace("-daily:", "-verify:")]),
        allow("StartItselfAndItsShards", "states:StartExecution", MACHINE),
        allow(
            "LookAfterThem",
            ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"],
            [f"{EXECUTION}:*", f"{EXECUTION}/*"],
        ),
        allow("CountWhatFailed", "states:DescribeMapRun", f"{MAP_RUNS}/*"),
        allow("ReadTheListOfShards", "s3:GetObject", f"{OBJECTS}/store/universe/*.shards.json"),
        allow(
            "WriteWhatCameOfThem",
            [
                *("s3:AbortMultipartUpload", "s3:GetObject"),
                *("s3:ListMultipartUploadParts", "s3:PutObject"),
            ],
            f"{OBJECTS}/engine/*",
        ),
    ]
    # Else a schedule could start it before it may do anything.
    assert on["Resources"]["Universe"]["DependsOn"] == ["UniverseRights"]


def test_the_daily_function_reads_the_universe_s_file_and_nothing_beside_it(on: Any) -> None:
    assert properties(on, "ReadUniverse")["Roles"] == ["DailyRole"]
    read, listed = statements(on, "ReadUniverse")
    assert (read["Action"], read["Resource"]) == (
        "s3:GetObject",
        "arn:aws:s3:::lists/us/universe.csv",
    )
    assert (listed["Action"], listed["Resource"]) == ("s3:ListBucket", "arn:aws:s3:::lists")
    assert listed["Condition"] == {"StringLikeIfExists": {"s3:prefix": "us/universe.csv"}}


def test_the_on_demand_function_reads_the_views_of_shards_and_where_tickers_are(
    on: Any, off: Any
) -> None:
    for packaged, expected in ((on, "s3://lists/us/universe.csv"), (off, "none")):
        variables = properties(packaged, "OnDemandLambdaFunction")["Environment"]["Variables"]
        assert variables["FORECASTER_UNIVERSE"] == expected
    assert properties(on, "ReadShards")["Roles"] == ["OnDemandRole"]
    (read,) = statements(on, "ReadShards")
    assert read["Action"] == "s3:GetObject"
    (policy,) = properties(on, "OnDemandRole")["Policies"]
    of_one = policy["PolicyDocument"]["Statement"][0]["Resource"]
    assert read["Resource"] == [
        *(f"{OBJECTS}/store/{name}" for name in ("universe.json", "universe/latest.json")),
        *(arn.replace("/store/", "/store/shard=*/") for arn in of_one),
    ]


def test_a_shard_has_more_room_and_as_many_places_as_are_run_at_a_time(on: Any, off: Any) -> None:
    names = ("MemorySize", "Timeout", "ReservedConcurrentExecutions")
    for packaged, expected in ((off, (1024, 300, 2)), (on, (2048, 900, 8))):
        function = properties(packaged, "DailyLambdaFunction")
        assert tuple(function[name] for name in names) == expected
        warned = properties(packaged, "DailyDurationAlarm")["Threshold"]
        assert warned == 0.8 * function["Timeout"] * 1000


def test_who_is_told_of_a_failed_run_is_told_of_every_bad_end_of_an_execution(
    on: Any, off: Any
) -> None:
    """By alarms on one metric each: of their sum the local cloud knows none."""
    alarms = ("DailyErrorsAlarm", "UniverseTimedOutAlarm", "UniverseStoppedAlarm")
    told, before = [properties(on, name) for name in alarms], properties(off, alarms[0])
    names = {each["MetricName"] for each in told}
    assert names == {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}
    assert len({each["AlarmName"] for each in told}) == len(alarms)
    for each in told:
        assert each["Namespace"] == "AWS/States"
        assert each["Dimensions"] == [{"Name": "StateMachineArn", "Value": "Universe"}]
        assert (each["Statistic"], each["Threshold"]) == ("Sum", 1)
        assert each["AlarmActions"] == before["AlarmActions"]
    for packaged in (on, off):
        widgets = json.loads(properties(packaged, "Dashboard")["DashboardBody"])["widgets"]
        shown = [each for each in widgets if "AWS/States" in json.dumps(each)]
        assert len(shown) == (1 if packaged is on else 0)


def test_athena_reads_all_shards_as_one_table(on: Any, off: Any) -> None:
    assert len(tables(off)) >= 6
    for name in tables(off):
        table, before = (properties(each, name)["TableInput"] for each in (on, off))
        assert_sharded(table, before)


def assert_sharded(table: Any, before: Any) -> None:
    """Fail unless a table is the one without shards, read from all of them."""
    assert table["PartitionKeys"] == [{"Name": "shard", "Type": "int"}, *before["PartitionKeys"]]
    added = table["Parameters"].items() - before["Parameters"].items()
    folder = before["StorageDescriptor"]["Location"].removeprefix(f"s3://{BUCKET}/store/")
    assert dict(added) == {
        "projection.shard.type": "integer",
        "projection.shard.range": "0,39",
        "projection.shard.digits": "4",
        "storage.location.template": (
            f"s3://{BUCKET}/store/shard=${{!shard}}/{folder}month=${{!month}}/"
        ),
    }
    assert before["Parameters"].items() <= table["Parameters"].items()
    assert table["StorageDescriptor"].pop("Location") == f"s3://{BUCKET}/store/"
    assert table["StorageDescriptor"].items() <= before["StorageDescriptor"].items()


def test_readers_read_the_tables_of_all_shards_and_of_nothing_else(on: Any, off: Any) -> None:
    (read, *_), (before, *_) = statements(on, "Reader"), statements(off, "Reader")
    expected = [arn.replace("/store/", "/store/shard=*/") for arn in before["Resource"]]
    assert read["Resource"] == expected


def test_a_validator_of_the_language_finds_no_fault(machine: Any) -> None:
    assert find_faults(machine) == ""
    wrong = json.loads(json.dumps(machine).replace('"FULL"', '"HALF"'))
    wrong["States"]["Shards"]["MaxConcurrency"] = "8"
    assert "MaxConcurrency" in find_faults(wrong)


def test_shards_are_listed_then_read_from_s3_and_run_some_at_a_time(machine: Any) -> None:
    listing = machine["States"]["List"]["Parameters"]
    assert listing == {"universe": "list", "shards": 40, "time.$": "$.time"}
    for name, places in (("Shards", 8), ("Again", 8), ("Rest", 8), ("Verify", 1)):
        shards = machine["States"][name]
        assert shards["ItemProcessor"]["ProcessorConfig"] == {
            "Mode": "DISTRIBUTED",
            "ExecutionType": "STANDARD",
        }
        assert shards["MaxConcurrency"] == places
        reader = shards["ItemReader"]
        of_session = "States.Format('store/universe/{}.shards.json', $.list.session)"
        assert reader["Parameters"] == {"Bucket": BUCKET} | (
            {"Key": f"store/{TO_VERIFY}"} if name == "Verify" else {"Key.$": of_session}
        )
        # Not where the record is: S3 is told by Step Functions of no If-None-Match.
        assert shards["ResultWriter"]["Parameters"] == {"Bucket": BUCKET, "Prefix": "engine"}


def test_who_says_no_number_of_shards_lets_the_first_run_count_them(tmp_path: Path) -> None:
    packaged = template(package(tmp_path, universe=UNIVERSE["universe"]))
    listing = definition(packaged)["States"]["List"]["Parameters"]
    assert listing == {"universe": "list", "time.$": "$.time"}
    for name in tables(packaged):
        table = properties(packaged, name)["TableInput"]
        assert table["Parameters"]["projection.shard.range"] == f"0,{MOST_SHARDS - 1}"


def test_every_attempt_waits_longer_than_the_one_before_and_not_with_all_others(
    machine: Any,
) -> None:
    tasks = [(name, state) for name, state in states(machine) if state["Type"] == "Task"]
    assert len(tasks) == 11
    for name, task in tasks:
        retried = [each for each in task["Retry"] if each["MaxAttempts"]]
        assert retried, name
        for each in retried:
            assert each["BackoffRate"] > 1
            assert each["JitterStrategy"] == "FULL"
            assert each["MaxDelaySeconds"] <= 900


def test_what_fails_is_gathered_and_run_again_and_what_then_fails_can_be_redriven(
    machine: Any,
) -> None:
    named = dict(states(machine))
    assert named["Shards"]["ToleratedFailurePercentage"] == 50
    assert [catch["Next"] for catch in named["Shards"]["Catch"]] == ["Gather"]
    assert named["Shards"]["Next"] == "Gather"
    (caught,) = named["Gather"]["Catch"]
    assert (caught["ErrorEquals"], caught["Next"]) == (["IncompleteRun"], "Again")
    # Most have failed where the map has, whatever they left behind: that is no success.
    assert named["Gather"]["Next"] == "Gathered"
    assert named["Gathered"]["Choices"] == [
        {"Variable": "$.shards.Error", "IsPresent": True, "Next": "Again"}
    ]
    assert named["Gathered"]["Default"] == "Done"
    # Only behind a map that takes no failure has every run ended well.
    assert not [name for name in ("Gather", "GatherAgain") if "ended" in named[name]["Parameters"]]
    assert named["GatherAll"]["Parameters"]["ended"] is True
    # One that is broken stops no other, and what there is, is gathered before it fails all.
    assert (named["Again"]["ToleratedFailurePercentage"], named["Again"]["Next"]) == (
        *(100, "GatherAgain"),
    )
    (caught,) = named["GatherAgain"]["Catch"]
    assert (caught["ErrorEquals"], caught["Next"]) == (["IncompleteRun"], "Rest")
    (failed,) = named["GatheredAgain"]["Choices"]
    assert (failed["Variable"], failed["Next"]) == ("$.shards.Error", "Rest")
    assert (named["GatherAgain"]["Next"], named["Again"]["ResultPath"]) == (
        *("GatheredAgain", "$.again"),
    )
    # A state that catches has ended, and a redrive would go on behind it.
    for name in ("Rest", "ShardOfRest", "ShardAgain", "GatherAll", "Shard"):
        assert "Catch" not in named[name]
    assert "ToleratedFailurePercentage" not in named["Rest"]
    assert (named["Rest"]["Next"], named["GatherAll"]["End"]) == ("GatherAll", True)


def test_twice_a_week_all_shards_are_verified_and_any_that_is_damaged_fails_it(
    machine: Any, on: Any, off: Any
) -> None:
    todo = machine["States"]["ToDo"]
    assert todo["Choices"] == [{"Variable": "$.verify", "IsPresent": True, "Next": "ListToVerify"}]
    assert (machine["States"]["List"]["Next"], todo["Default"]) == ("Shards", "List")
    listing = machine["States"]["ListToVerify"]
    assert listing["Parameters"] == {"universe": "verify", "time.$": "$.time"}
    verified = machine["States"]["Verify"]
    assert (verified["ToleratedFailurePercentage"], verified["Next"]) == (100, "Verified")
    assert machine["States"]["Verified"]["Parameters"] == {"MapRunArn.$": "$.shards.MapRunArn"}
    (intact,) = machine["States"]["Intact"]["Choices"]
    counts = ("$.run.ItemCounts.Succeeded", "$.run.ItemCounts.Total")
    assert (intact["Variable"], intact["NumericEqualsPath"], intact["Next"]) == (*counts, "Done")
    assert machine["States"][machine["States"]["Intact"]["Default"]]["Type"] == "Fail"
    statistics = [properties(each, "NotVerifiedAlarm")["Statistic"] for each in (on, off)]
    assert statistics == ["Minimum", "Maximum"]
    task = verified["ItemProcessor"]["States"]["VerifyShard"]
    assert task["Resource"] == ARN.replace("-daily:", "-verify:")


def test_a_second_start_for_the_same_time_is_refused_by_its_name_and_harmless(
    machine: Any,
) -> None:
    begin = machine["States"]["Begin"]
    assert begin["Resource"] == "arn:aws:states:::states:startExecution"
    assert begin["Parameters"]["StateMachineArn.$"] == "$$.StateMachine.Id"
    # What it is told it hands on.
    assert begin["Parameters"]["Input.$"] == (
        "States.JsonMerge($, States.StringToJson('{\"named\":true}'), false)"
    )
    assert begin["Retry"][0]["MaxAttempts"] == 0
    exists = ["StepFunctions.ExecutionAlreadyExistsException"]
    assert begin["Retry"][0]["ErrorEquals"] == begin["Catch"][0]["ErrorEquals"] == exists
    assert machine["States"][begin["Catch"][0]["Next"]] == {"Type": "Succeed"}


def test_stages_and_regions_share_no_name(tmp_path: Path) -> None:
    prod = template(package(tmp_path, "prod", **UNIVERSE))
    said = json.dumps({name: prod["Resources"][name] for name in NEW})
    assert "financial-forecaster-prod-universe" in said
    assert not re.search(r"-dev\b", said)
    raw = json.loads((tmp_path / "cloudformation-template-update-stack.json").read_text())
    role = raw["Resources"]["UniverseRole"]["Properties"]["RoleName"]
    assert role == {"Fn::Sub": "financial-forecaster-prod-universe-${AWS::Region}"}
    assert '"us-east-1' not in json.dumps([raw["Resources"][name] for name in NEW])


def test_with_a_key_of_one_s_own_the_machine_may_use_it_too(tmp_path: Path) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d"
    packaged = template(package(tmp_path, **UNIVERSE, sse="kms", kmsKey=key))
    used = [each for each in statements(packaged, "UniverseRights") if "kms" in str(each["Action"])]
    assert [each["Resource"] for each in used] == [key]


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_cfn_lint_finds_nothing(on_file: Path, region: str) -> None:
    lint = "import sys; from cfnlint.runner import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--regions", region, "--template", on_file],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
