from __future__ import annotations

import re
from pathlib import Path

from pipeline.forecasting.bundle import load_bundle
from pipeline.training.bill import list_materials

ROOT = Path(__file__).resolve().parents[3]
MANIFEST = load_bundle(ROOT / "models" / "default").manifest
LOCK = "numpy==2.4.6 \\\n    --hash=sha256:00\ntorch==2.13.0+cpu \\\n    --hash=sha256:11\n"
BILL = list_materials(MANIFEST, LOCK)


def test_it_names_the_model_by_version_and_digest_and_the_data_it_learnt_from() -> None:
    model = BILL["metadata"]["component"]
    assert (model["type"], model["version"]) == (
        "machine-learning-model",
        "2024-12-31-518b0a8b4fea",
    )
    assert model["hashes"] == [{"alg": "SHA-256", "content": MANIFEST.onnx_sha256}]
    facts = {each["name"].partition(":")[2]: each["value"] for each in model["properties"]}
    assert facts == {
        "data_sha256": MANIFEST.training.data_sha256,
        "first_session": "1993-01-29",
        "last_session": "2024-12-31",
        "tickers": "SPY,QQQ,DIA,IWM",
    }


def test_it_lists_every_locked_package_and_the_model_depends_on_each() -> None:
    assert [(each["name"], each["version"]) for each in BILL["components"]] == [
        ("numpy", "2.4.6"),
        ("torch", "2.13.0+cpu"),
    ]
    (dependency,) = BILL["dependencies"]
    assert dependency["ref"] == BILL["metadata"]["component"]["bom-ref"]
    assert dependency["dependsOn"] == ["pkg:pypi/numpy@2.4.6", "pkg:pypi/torch@2.13.0%2Bcpu"]


def test_it_has_what_github_knows_cyclonedx_by_and_is_the_same_every_time() -> None:
    assert (BILL["bomFormat"], BILL["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", BILL["serialNumber"])
    assert list_materials(MANIFEST, LOCK) == BILL


def test_the_lock_of_training_is_listed_whole() -> None:
    lock = (ROOT / "infra" / "training-requirements.txt").read_text("utf-8")
    listed = list_materials(MANIFEST, lock)["components"]
    assert len(listed) == lock.count("==")
