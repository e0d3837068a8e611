"""The image as it is built and run: both handlers, confined as Lambda confines them.

It is built here by podman on a stand-in for AWS's base image. `pytest --image NAME` tests an image
that docker or podman has already, as the workflow does with the one on AWS's own base.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.e2e.containers import Function, Image, function, given_image, image_on_a_stand_in
from tests.support.builders import bars, url_event, window_rows
from tests.support.expected import FORECASTS, KEYS, SCHEDULE

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

LIMIT = 550e6
ABSENT = ("torch", "sklearn", "onnx", "mlflow", "arch", "statsforecast", "matplotlib", "typer")
DAILY = {"FORECASTER_BARS": "simulated", "FORECASTER_STORE": "/tmp/store"}
KEY = "a key of these tests"
ON_DEMAND = {
    "FORECASTER_STORE": "/tmp/store",
    "FORECASTER_API_KEY_SHA256": sha256(KEY.encode()).hexdigest(),
}
SIZE = """
import os, pathlib
print(sum(p.lstat().st_size for p in pathlib.Path(os.environ["LAMBDA_TASK_ROOT"]).rglob("*")))
"""
ROOTS = """
import json, os, pathlib
print(json.dumps(sorted(p.name for p in pathlib.Path(os.environ["LAMBDA_TASK_ROOT"]).iterdir())))
"""
IMPORT_ALL = """
import importlib, pathlib
for path in sorted(pathlib.Path("pipeline").rglob("*.py")):
    importlib.import_module(".".join(path.with_suffix("").parts))
    print(path)
"""
UNCOMPILED = """
import importlib.util, os, pathlib
for path in pathlib.Path(os.environ["LAMBDA_TASK_ROOT"]).rglob("*.py"):
    compiled = pathlib.Path(importlib.util.cache_from_source(str(path)))
    # Flag 1 of PEP 552: told by its hash, and the hash is not looked at.
    if not compiled.exists() or compiled.read_bytes()[4:8] != bytes([1, 0, 0, 0]):
        print(path)
"""
UNREADABLE = """
import os, pathlib
for path in pathlib.Path(os.environ["LAMBDA_TASK_ROOT"]).rglob("*"):
    if not os.access(path, os.R_OK) or os.access(path, os.W_OK):
        print(path)
"""
FOREIGN = """
import importlib, os
for name in ("boto3", "botocore", "urllib3", "dateutil", "numpy", "handlers.settings"):
    if not importlib.import_module(name).__file__.startswith(os.environ["LAMBDA_TASK_ROOT"] + "/"):
        print(name)
"""
MEMORY = 'print(len(b"x" * (600 << 20)))'


@pytest.fixture(scope="module")
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    name = request.config.getoption("--image")
    return given_image(name) if name else image_on_a_stand_in(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="module")
def daily(image: Image) -> Iterator[Function]:
    with function(image, DAILY) as running:
        yield running


@pytest.fixture(scope="module")
def on_demand(image: Image) -> Iterator[Function]:
    with function(image, ON_DEMAND, "handlers.on_demand.handler") as running:
        yield running


def test_the_daily_function_answers_in_512_mb_on_a_read_only_root(daily: Function) -> None:
    first = daily.invoke(SCHEDULE)
    objects = daily.files("/tmp/store")
    again = daily.invoke(SCHEDULE)
    assert (first["outcome"], again["outcome"]) == ("published", "nothing_to_do")
    assert sorted(objects) == KEYS
    assert daily.files("/tmp/store") == objects
    table = pq.read_table(io.BytesIO(objects[FORECASTS])).to_pydict()
    assert table["status"] == ["ok"] * (4 * 5)


def test_a_malformed_event_fails_its_own_call_only(daily: Function) -> None:
    assert daily.invoke({"time": "soon"})["errorType"] == "RequestError"
    assert daily.invoke(SCHEDULE)["outcome"] in ("published", "nothing_to_do")


def test_the_on_demand_function_answers_a_window_from_the_same_image(
    on_demand: Function,
) -> None:
    made = bars()
    direct = {"body": json.dumps({"data": window_rows(made)})}
    answers = [on_demand.invoke(direct) for _ in range(2)]
    assert answers[0] == answers[1]
    answer = json.loads(answers[0]["body"])
    lower, upper = answer["interval_95"]
    assert lower < answer["prediction"] < upper
    assert answer["confidence_gap"] == pytest.approx((upper - lower) / 2)
    assert answer["prediction"] == pytest.approx(made.close[-1], rel=0.05)


def test_over_https_the_image_wants_a_key(on_demand: Function) -> None:
    body = {"data": window_rows(bars())}
    keys: list[dict[str, str]] = [{}, {"x-api-key": KEY}]
    events = [url_event("POST", "/predict", body, headers) for headers in keys]
    assert [on_demand.invoke(event)["statusCode"] for event in events] == [401, 200]


def test_it_runs_as_a_user_who_owns_nothing(daily: Function) -> None:
    ran_by = 'import pathlib; print(pathlib.Path("/proc/1").stat().st_uid)'
    assert daily.python(ran_by) == b"993\n"


def test_nothing_but_the_temporary_folder_was_written_to(daily: Function) -> None:
    daily.invoke(SCHEDULE)
    changed = daily.image.call("diff", daily.container).decode().splitlines()
    # What the engine itself puts there: mount points and the container's own name.
    places = {Path(line.split(maxsplit=1)[1]).parts[1] for line in changed}
    assert places <= {"etc", "run", "dev", "proc", "sys", "tmp"}
    assert {path.partition("/")[0] for path in daily.files("/tmp")} <= {"store", ".aws-xray"}


def test_the_limit_of_memory_holds_here(image: Image) -> None:
    with pytest.raises(pytest.fail.Exception, match="137"):
        image.python(MEMORY)


def test_only_the_serving_packages_are_in_it_and_they_fit(image: Image) -> None:
    there = set(json.loads(image.python(ROOTS)))
    assert there.isdisjoint(ABSENT)
    assert {"handlers", "pipeline", "models", "numpy", "onnxruntime"} <= there
    assert int(image.python(SIZE)) <= LIMIT


def test_every_module_of_the_pipeline_that_is_there_can_be_imported(image: Image) -> None:
    imported = image.python(IMPORT_ALL).split()
    assert "pipeline/jobs/daily.py" in imported
    left_out = ("pipeline/training/", "pipeline/cli/")
    assert not [path for path in imported if path.startswith(left_out)]


def test_all_of_it_is_compiled_readable_by_any_user_and_before_what_the_base_brings(
    image: Image,
) -> None:
    assert [image.python(code) for code in (UNCOMPILED, UNREADABLE, FOREIGN)] == [""] * 3


def test_it_says_what_it_is_and_runs_the_daily_function_unless_told_otherwise(image: Image) -> None:
    config = image.config
    assert config["Cmd"] == ["handlers.daily.handler"]
    labels = {name.rpartition(".")[2]: text for name, text in config["Labels"].items()}
    assert labels["title"] == "financial-forecaster"
    assert labels["version"] not in ("", "unknown")
    assert "ORT_DISABLE_TELEMETRY=1" in config["Env"]
