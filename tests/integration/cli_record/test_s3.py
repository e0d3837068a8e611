"""The commands on the record, on S3 as in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import Forecaster
from tests.support.record_commands import BACKFILL, SESSIONS, assert_refused, files
from tests.support.s3_server import BUCKET, S3, s3_server


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


def test_all_of_it_on_s3_as_in_a_folder(
    forecaster: Forecaster, made: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environ.items():
        monkeypatch.setenv(name, value)
    at = ("--store", f"s3://{BUCKET}/record")
    answer = forecaster(*BACKFILL, *at, "--json")
    assert (answer.code, answer.document["sessions"]) == (0, SESSIONS)
    # Equal but for the time of issue: the scores have none.
    ours, theirs = s3.objects("record"), files(made)
    # So are the digests of manifests, by which claims are called.
    named = [sorted(key for key in keys if "claims/" not in key) for keys in (ours, theirs)]
    assert named[0] == named[1]
    assert len(ours) == len(theirs)
    scores = [key for key in theirs if key.startswith(("scores/", "scenario_scores/"))]
    assert {key: ours[key] for key in scores} == {key: theirs[key] for key in scores}
    assert forecaster("verify", *at).code == 0
    assert forecaster("replay", "2025-06-20", *at).code == 0
    assert "9 sessions" in forecaster("status", *at).out
    key = "forecasts/month=2025-06/2025-06-20.00.parquet"
    s3.client.put_object(Bucket=BUCKET, Key=f"record/{key}", Body=b"another forecast")
    answer = forecaster("verify", *at)
    assert answer.code == 1
    assert key in answer.out
    assert_refused(forecaster("verify", "--store", f"s3://{BUCKET}/none"), 1, "found none")
