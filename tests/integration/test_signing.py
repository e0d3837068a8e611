"""Keys made, kept and used: Ed25519 by cryptography, files, SSM on loopback, the daily function."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from handlers.settings import DailySettings
from pipeline.adapters.ed25519 import Ed25519Signer, is_signed, make_private_key
from pipeline.errors import ConfigError, DeploymentError
from pipeline.wiring import open_signer
from tests.support.aws_account import aws_account
from tests.support.commands import Forecaster, assert_refused
from tests.support.desk import run_at_a_desk

DAY = ("--bars", "simulated", "--as-of", "2025-06-12")
# RFC 8032, section 7.1, test 3.
SECRET = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
PUBLIC = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
SIGNATURE = (
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)


def to_pem(key: Any, encryption: Any = None) -> bytes:
    form = (Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return bytes(key.private_bytes(*form))


def test_signatures_are_those_of_the_standard() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SECRET))
    signer = Ed25519Signer(to_pem(key), "key")
    assert signer.public_key == PUBLIC
    assert signer.sign(b"\xaf\x82").hex() == SIGNATURE
    assert is_signed(PUBLIC, bytes.fromhex(SIGNATURE), b"\xaf\x82")


@pytest.mark.parametrize(
    ("public_key", "signature", "data"),
    [
        (PUBLIC, SIGNATURE, b"\xaf\x83"),
        (PUBLIC, SIGNATURE[:-2] + "0b", b"\xaf\x82"),
        (PUBLIC, SIGNATURE[:-2], b"\xaf\x82"),
        (PUBLIC, "", b"\xaf\x82"),
        ("00" * 32, SIGNATURE, b"\xaf\x82"),
        ("fc51", SIGNATURE, b"\xaf\x82"),
        ("no hex", SIGNATURE, b"\xaf\x82"),
    ],
)
def test_anything_else_is_not_signed(public_key: str, signature: str, data: bytes) -> None:
    assert not is_signed(public_key, bytes.fromhex(signature), data)


def test_two_keys_are_two() -> None:
    signers = [Ed25519Signer(make_private_key(), "key") for _ in range(2)]
    assert signers[0].public_key != signers[1].public_key
    assert signers[0].sign(b"x") == signers[0].sign(b"x") != signers[1].sign(b"x")


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"secret words",
        to_pem(generate_private_key(SECP256R1())),
        to_pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"secret words")),
    ],
    ids=["empty", "text", "another curve", "a password"],
)
def test_what_is_no_such_key_is_refused_and_not_shown(tmp_path: Path, pem: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem)
    with pytest.raises(ConfigError, match="expected an Ed25519 private key in PEM") as caught:
        open_signer(str(path))
    assert "secret words" not in str(caught.value)


def test_a_new_key_is_for_its_owner_alone_and_never_replaced(forecaster: Forecaster) -> None:
    answer = forecaster("key", "new", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.document["private_key"] == "forecaster.pem"
    path = Path("forecaster.pem")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_signer("forecaster.pem").public_key == answer.document["public_key"]
    before = path.read_bytes()
    assert_refused(forecaster("key", "new"), 2, "--out: expected a new file", "File exists")
    assert path.read_bytes() == before
    other = forecaster("key", "new", "--out", "other.pem")
    assert re.search("Public key  [0-9a-f]{64}\nPrivate key other.pem\nKeep the public", other.out)
    assert "PRIVATE" not in other.out
    assert_refused(forecaster("key", "new", "--out", "no/such/folder"), 2, "No such file")


def test_a_run_is_signed_and_only_its_key_goes_on(forecaster: Forecaster) -> None:
    public_key = forecaster("key", "new", "--json").document["public_key"]
    assert forecaster("run", *DAY, "--key", "forecaster.pem").code == 0
    assert f"Signed by the holder of {public_key}" in forecaster("verify").out
    assert f"Signed by the holder of {public_key}" in forecaster("status").out
    assert forecaster("verify", "--public-key", public_key).code == 0
    other = forecaster("key", "new", "--out", "other.pem", "--json").document["public_key"]
    on = ("--bars", "simulated", "--as-of", "2025-06-13")
    refused = forecaster("run", *on, "--key", "other.pem")
    assert_refused(refused, 1, f"expected public key {public_key}", f"got {other}")
    assert_refused(forecaster("run", *on), 1, f"expected public key {public_key}", "got none")
    span = ("backfill", "--bars", "simulated", "--from", "2025-06-13", "--to", "2025-06-16")
    assert_refused(forecaster(*span), 1, f"expected public key {public_key}")
    assert forecaster(*span, "--key", "forecaster.pem").code == 0
    assert forecaster("verify", "--public-key", public_key).code == 0
    assert_refused(forecaster("run", *on, "--key", "none.pem"), 2, "'none.pem': No such file")


def test_an_unsigned_store_is_called_so_and_stays_so(forecaster: Forecaster) -> None:
    assert forecaster("run", *DAY).code == 0
    for command in ("verify", "status"):
        assert "Unsigned: who can write the store can rewrite it." in forecaster(command).out
    assert forecaster("verify", "--json").document["public_key"] is None
    public_key = forecaster("key", "new", "--json").document["public_key"]
    on = ("--bars", "simulated", "--as-of", "2025-06-13", "--key", "forecaster.pem")
    assert_refused(forecaster("run", *on), 1, "expected public key none", f"got {public_key}")
    Path("kept").write_text(f"{public_key}\n")
    answer = forecaster("verify", "--public-key", "kept", "--json")
    assert answer.code == 1
    problems = {finding["key"]: finding["problem"] for finding in answer.document["findings"]}
    assert problems == {"store.json": "changed", "runs/2025-06-12.00.json": "unsigned"}


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty account, which the environment leads to."""
    with aws_account(monkeypatch):
        yield boto3.session.Session().client("ssm")


def test_a_key_of_a_stage_is_kept_encrypted_and_never_replaced(
    forecaster: Forecaster, ssm: Any
) -> None:
    answer = forecaster("key", "new", "--stage", "prod", "--json")
    name = "/financial-forecaster/prod/signing-key"
    assert answer.document["private_key"] == f"ssm:{name}"
    kept = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert kept["Type"] == "SecureString"
    assert not Path("forecaster.pem").exists()
    assert open_signer(f"ssm:{name}").public_key == answer.document["public_key"]
    again = forecaster("key", "new", "--stage", "prod")
    assert_refused(again, 1, f"expected to store the key as {name}", "ParameterAlreadyExists")
    assert ssm.get_parameter(Name=name)["Parameter"]["Version"] == 1
    with pytest.raises(DeploymentError, match="ssm:/none: expected to read the parameter"):
        open_signer("ssm:/none")


def test_the_daily_function_signs_with_the_key_it_is_told(
    forecaster: Forecaster, ssm: Any, tmp_path: Path
) -> None:
    public_key = forecaster("key", "new", "--stage", "dev", "--json").document["public_key"]
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"time": "2025-06-12T23:30:00Z"}))
    store, name = tmp_path / "store", "ssm:/financial-forecaster/dev/signing-key"
    account = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    environ = {"FORECASTER_STORE": str(store), "FORECASTER_SIGNING_KEY": name}
    done = run_at_a_desk(event, **account, **environ)
    assert done.returncode == 0, done.stderr
    assert forecaster("verify", "--store", store, "--public-key", public_key).code == 0
    noted = json.loads(done.stdout)["manifests"]
    (tmp_path / "noted").write_text("".join(f"{key} {noted[key]}\n" for key in noted))
    assert forecaster("verify", "--store", store, "--noted", tmp_path / "noted").code == 0


def settings(**environ: str) -> DailySettings:
    return DailySettings.from_env({"FORECASTER_STORE": "s3://bucket", **environ})


def test_the_setting_is_a_file_a_parameter_or_none(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(make_private_key())
    assert settings().signing_key is None
    assert settings(FORECASTER_SIGNING_KEY="none").signing_key is None
    assert settings(FORECASTER_SIGNING_KEY=str(key)).signing_key == str(key)
    assert settings(FORECASTER_SIGNING_KEY="ssm:/a/b").signing_key == "ssm:/a/b"


@pytest.mark.parametrize("value", ["", " ", "ssm:name", "no/such/file", "-----BEGIN PRIVATE"])
def test_any_other_setting_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(ConfigError, match="FORECASTER_SIGNING_KEY: expected the file") as caught:
        settings(FORECASTER_SIGNING_KEY=value)
    assert "BEGIN" not in str(caught.value)
