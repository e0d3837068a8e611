"""A bundle's bill of materials, CycloneDX 1.6: the model, its data, the packages it is made by."""

from __future__ import annotations

import re
import uuid
from typing import Any

from pipeline.forecasting.bundle import ONNX, Manifest

NAME = "financial-forecaster"
PINNED = re.compile(r"^([a-z0-9][a-z0-9.-]*)==([^\s\\]+)", re.MULTILINE)


def list_materials(manifest: Manifest, lock: str) -> dict[str, Any]:
    """Return the document; the same for the same bundle.

    Parameters
    ----------
    lock : text of the locked requirements of training
    """
    reference = f"{NAME}@{manifest.model_version}"
    packages = [_describe_package(name, version) for name, version in PINNED.findall(lock)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # Wanted by those who attest it, and made of what it is about.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, reference)}",
        "version": 1,
        "metadata": {"component": _describe_model(manifest, reference)},
        "components": packages,
        "dependencies": [
            {"ref": reference, "dependsOn": [package["bom-ref"] for package in packages]}
        ],
    }


def _describe_model(manifest: Manifest, reference: str) -> dict[str, Any]:
    training = manifest.training
    facts = {
        "data_sha256": training.data_sha256,
        "first_session": str(training.first_session),
        "last_session": str(training.last_session),
        "tickers": ",".join(training.tickers),
    }
    return {
        "type": "machine-learning-model",
        "bom-ref": reference,
        "name": f"{NAME}/{ONNX}",
        "version": manifest.model_version,
        "hashes": [{"alg": "SHA-256", "content": manifest.onnx_sha256}],
        "properties": [{"name": f"{NAME}:{name}", "value": fact} for name, fact in facts.items()],
    }


def _describe_package(name: str, version: str) -> dict[str, Any]:
    # In an address a plus, which local versions have, would be a blank.
    url = f"pkg:pypi/{name}@{version.replace('+', '%2B')}"
    return {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}
