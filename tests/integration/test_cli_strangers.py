"""What the command line says of a store that others use too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.commands import Forecaster, assert_refused

BACKFILL = ("backfill", "--bars", "simulated", "--from", "2025-06-26", "--to", "2025-06-30")
NEWEST = Path("store/runs/2025-06-30.00.json")


@pytest.fixture(autouse=True)
def recorded(forecaster: Forecaster) -> None:
    assert forecaster(*BACKFILL).code == 0


def test_verify_names_strangers_and_is_content(forecaster: Forecaster) -> None:
    Path(f"{NEWEST}.bak").write_bytes(b"[")
    Path("store/desktop.ini").write_bytes(b"")
    answer = forecaster("verify")
    assert (answer.code, answer.err) == (0, "")
    assert "2 strangers: no object of a record has such a name" in answer.out
    assert "  runs/2025-06-30.00.json.bak\n" in answer.out
    document = forecaster("verify", "--json").document
    assert document["strangers"] == ["desktop.ini", "runs/2025-06-30.00.json.bak"]


def test_a_folder_named_like_a_manifest_is_one_error(forecaster: Forecaster) -> None:
    NEWEST.unlink()
    NEWEST.mkdir()
    (NEWEST / "x").write_bytes(b"")
    assert_refused(forecaster("replay", "2025-06-30"), 1, "found none")
    again = forecaster(*BACKFILL)
    assert_refused(again, 1, str(NEWEST))
    assert forecaster("verify", "--json").document["strangers"] == ["runs/2025-06-30.00.json/x"]


def test_a_link_in_place_of_a_manifest_is_one_error(forecaster: Forecaster) -> None:
    NEWEST.rename("elsewhere")
    NEWEST.symlink_to(Path("elsewhere").absolute())
    for command in (["show"], ["status"], ["replay", "2025-06-30"], BACKFILL):
        assert_refused(forecaster(*command), 1, "expected a regular file at", NEWEST.name)


@pytest.mark.parametrize("kind", ["link", "pipe", "bomb", "folder"])
def test_verify_names_what_is_no_object_and_goes_on(forecaster: Forecaster, kind: str) -> None:
    path = Path("store/forecasts/month=2025-06/2025-06-27.00.parquet")
    data = path.read_bytes()
    path.unlink()
    if kind == "link":
        Path("elsewhere").write_bytes(data)
        path.symlink_to(Path("elsewhere").absolute())
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "bomb":
        with path.open("wb") as file:
            file.truncate(2**28 + 1)
    else:
        path.parent.rename("elsewhere")
        path.parent.symlink_to(Path("elsewhere").absolute())
    Path("store/calibration/2025-06-26.00.json").unlink()
    answer = forecaster("verify", "--json")
    said = {finding["key"]: finding["message"] for finding in answer.document["findings"]}
    key = str(path.relative_to("store"))
    expected = {"bomb": "at most", "folder": "expected a folder at"}
    assert (answer.code, expected.get(kind, "expected a regular file at") in said[key]) == (1, True)
    assert "calibration/2025-06-26.00.json" in said
