"""The restore drill of docs/operations.md: what is lost comes back, from versions or from a copy.

moto keeps versions and locks. Every object of the record is lost at once, by what each way names.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.wiring import open_store
from tests.support.commands import ROOT, Forecaster
from tests.support.s3_server import S3, s3_server
from tests.support.template_store import VIEWS

RECORD, ELSEWHERE = "record", "elsewhere"
LOCKED = ("--lock", "governance:7")
# What the next run makes again, and nothing else.
MISSING = {("missing", view) for view in VIEWS}
RUN = ("run", "--bars", "simulated", *LOCKED, "--as-of")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        for bucket in (RECORD, ELSEWHERE):
            server.client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        yield server


@pytest.fixture(autouse=True)
def aws(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environ.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def at(forecaster: Forecaster, tmp_path: Path) -> str:
    """A record of two sessions, locked, in a place of its own."""
    place = f"s3://{RECORD}/{tmp_path.name}"
    for session in ("2024-12-26", "2024-12-27"):
        assert forecaster(*RUN, session, "--store", place).code == 0
    return place


def stored(place: str) -> dict[str, bytes]:
    store = open_store(place)
    return {key: store.read(key) for key in store.keys("")}


def overwrite(s3: S3, **key: str) -> None:
    s3.client.put_object(**key, Body=b"false")


def hide(s3: S3, **key: str) -> None:
    s3.client.delete_object(**key)


def overwrite_and_hide(s3: S3, **key: str) -> None:
    overwrite(s3, **key)
    hide(s3, **key)


def take_away_what_lies_above(s3: S3, prefix: str, since: set[str]) -> None:
    """Delete every version that is not one of the record's, as a person does by hand."""
    listed = s3.client.list_object_versions(Bucket=RECORD, Prefix=f"{prefix}/")
    for version in [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]:
        if version["VersionId"] not in since:
            s3.client.delete_object(
                Bucket=RECORD,
                Key=version["Key"],
                VersionId=version["VersionId"],
                BypassGovernanceRetention=True,
            )


def versions(s3: S3, prefix: str) -> set[str]:
    listed = s3.client.list_object_versions(Bucket=RECORD, Prefix=f"{prefix}/")["Versions"]
    return {version["VersionId"] for version in listed}


@pytest.mark.parametrize("damage", [overwrite, hide, overwrite_and_hide])
def test_what_lies_above_the_record_is_taken_away_and_nothing_is_lost(
    s3: S3, at: str, forecaster: Forecaster, damage: Callable[..., None]
) -> None:
    before, prefix = stored(at), at.rpartition("/")[2]
    true = versions(s3, prefix)
    for key in before:
        damage(s3, Bucket=RECORD, Key=f"{prefix}/{key}")
    assert forecaster("verify", "--store", at).code != 0
    take_away_what_lies_above(s3, prefix, true)
    assert stored(at) == before
    assert forecaster("verify", "--store", at).code == 0


def test_from_a_copy_the_record_comes_back_in_another_bucket_and_goes_on_there(
    s3: S3, at: str, forecaster: Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stored(at)
    for key, content in before.items():  # aws s3 sync s3://BUCKET/store ./store
        file = tmp_path / "store" / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    new = f"s3://{ELSEWHERE}/{tmp_path.name}"
    copy(new, tmp_path, monkeypatch)
    assert before.items() >= stored(new).items()
    verified = forecaster("verify", "--store", new, "--deep").out
    assert set(re.findall(r"^([a-z_]+)  +(\S+):", verified, re.MULTILINE)) == MISSING
    assert forecaster(*RUN, "2024-12-30", "--store", new).code == 0
    assert forecaster("verify", "--store", new).code == 0
    assert set(VIEWS) <= stored(new).keys()


def copy(new: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the program that docs/operations.md has for this, with another bucket's name."""
    text = (ROOT / "docs" / "operations.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    file = folder / "restore.py"
    file.write_text(program.replace("s3://BUCKET/store", new))
    monkeypatch.chdir(folder)
    return runpy.run_path(str(file))
