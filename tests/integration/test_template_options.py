"""Options of the record's bucket, each off by default: what is in the template when it is on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from handlers.settings import DailySettings
from tests.support.packaged import package, properties, template

KEY = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0000-1111-2222-333344445555"
ELSEWHERE = "arn:aws:s3:::elsewhere"
KMS = {"sse": "kms", "kmsKey": KEY, "reader": "policy"}
REPLICA = {"replica": "bucket", "replicaBucket": ELSEWHERE}


@pytest.fixture(scope="module")
def kms_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(tmp_path_factory.mktemp("kms"), **KMS)


@pytest.fixture(scope="module")
def kms(kms_file: Path) -> Any:
    return template(kms_file)


@pytest.fixture(scope="module")
def replica_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(tmp_path_factory.mktemp("replica"), **REPLICA, reader="policy")


@pytest.fixture(scope="module")
def replica(replica_file: Path) -> Any:
    return template(replica_file)


def statements(packaged: Any, name: str) -> dict[str, Any]:
    """The statements of a policy by their names."""
    document = properties(packaged, name)["PolicyDocument"]
    return {one["Sid"]: one for one in document["Statement"]}


def added(packaged: Any, off: Any) -> set[str]:
    names = packaged["Resources"].keys() - off["Resources"].keys()
    return {name for name in names if not re.search("LambdaVersion", name)}


def changed(packaged: Any, off: Any) -> set[str]:
    """The resources that are in both and not the same."""
    return {
        name
        for name in packaged["Resources"].keys() & off["Resources"].keys()
        if packaged["Resources"][name] != off["Resources"][name]
    }


def sse_of(packaged: Any) -> str:
    variables = properties(packaged, "DailyLambdaFunction")["Environment"]["Variables"]
    return DailySettings.from_env(variables).sse


def test_s3_may_be_told_to_encrypt_with_its_own_keys(tmp_path: Path, off: Any) -> None:
    packaged = template(package(tmp_path, sse="aes256", reader="policy"))
    assert sse_of(packaged) == "aes256"
    assert (added(packaged, off), changed(packaged, off)) == (set(), {"DailyLambdaFunction"})


def test_with_a_key_of_ones_own_all_in_the_bucket_is_encrypted_by_it(kms: Any, off: Any) -> None:
    assert sse_of(kms) == f"kms:{KEY}"
    assert properties(kms, "Store")["BucketEncryption"] == {
        "ServerSideEncryptionConfiguration": [
            {
                "ServerSideEncryptionByDefault": {
                    "SSEAlgorithm": "aws:kms",
                    "KMSMasterKeyID": KEY,
                },
                "BucketKeyEnabled": True,
            }
        ]
    }
    workgroup = properties(kms, "Workgroup")["WorkGroupConfiguration"]
    assert workgroup["ResultConfiguration"]["EncryptionConfiguration"] == {
        "EncryptionOption": "SSE_KMS",
        "KmsKey": KEY,
    }
    assert changed(kms, off) == {"DailyLambdaFunction", "Store", "Workgroup", "Reader"}


def test_who_writes_has_data_keys_made_and_who_reads_decrypts_by_that_key_alone(
    kms: Any, off: Any
) -> None:
    assert added(kms, off) == {"WriteEncrypted", "ReadEncrypted"}
    assert properties(kms, "WriteEncrypted")["Roles"] == ["DailyRole"]
    assert properties(kms, "ReadEncrypted")["Roles"] == ["DailyRole", "VerifyRole", "OnDemandRole"]
    new = {**statements(kms, "WriteEncrypted"), **statements(kms, "ReadEncrypted")}
    readers = statements(kms, "Reader")
    new |= {sid: readers[sid] for sid in readers.keys() - statements(off, "Reader").keys()}
    assert {sid: one["Action"] for sid, one in new.items()} == {
        "MakeDataKeys": "kms:GenerateDataKey",
        "DecryptDataKeys": "kms:Decrypt",
        "ReadWhatTheKeyEncrypts": ["kms:Decrypt", "kms:GenerateDataKey"],
    }
    for one in new.values():
        assert one["Resource"] == KEY
        assert "kms:ViaService" in one["Condition"]["StringEquals"]


def test_the_record_is_copied_elsewhere_with_its_locks_and_never_deleted_there(
    replica: Any, off: Any
) -> None:
    assert (added(replica, off), changed(replica, off)) == ({"CopyRole"}, {"Store"})
    assert "ReplicationConfiguration" not in properties(off, "Store")
    replication = properties(replica, "Store")["ReplicationConfiguration"]
    (rule,) = replication["Rules"]
    assert replication["Role"] == "CopyRole.Arn"
    assert (rule["Status"], rule["Filter"]) == ("Enabled", {"Prefix": "store/"})
    assert rule["DeleteMarkerReplication"] == {"Status": "Disabled"}
    assert rule["Destination"] == {"Bucket": ELSEWHERE}
    (policy,) = properties(replica, "CopyRole")["Policies"]
    may = {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}
    assert may["AddItElsewhere"]["Resource"] == f"{ELSEWHERE}/store/*"
    assert may["AddItElsewhere"]["Action"] == ["s3:ReplicateObject", "s3:ReplicateTags"]
    assert "s3:GetObjectRetention" in may["ReadItWithItsLock"]["Action"]
    assert all("Delete" not in str(one["Action"]) for one in may.values())


@pytest.mark.parametrize("file", ["kms_file", "replica_file"])
def test_cfn_lint_finds_nothing(file: str, request: pytest.FixtureRequest) -> None:
    lint = "import sys; from cfnlint.runner import main; sys.exit(main())"
    packaged = request.getfixturevalue(file)
    done = subprocess.run(
        [sys.executable, "-c", lint, "--regions", "us-east-1", "--template", packaged],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
