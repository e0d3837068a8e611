"""Bundles for tests: the golden one's graph, under another manifest."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from pipeline.encoding import to_json
from pipeline.forecasting.bundle import (
    MANIFEST,
    ONNX,
    ModelBundle,
    StoredTemplate,
    load_bundle,
    name_version,
)
from pipeline.forecasting.model import Model

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "bundle"
SCORES = {"crps_ratio_vs_garch_t": 0.97, "coverage_80": 0.8, "coverage_95": 0.947}
LAST_SESSION = date(2030, 1, 2)


def write_bundle(folder: Path, last_session: date = LAST_SESSION, **changes: Any) -> Path:
    """Write the golden bundle as of another last session, and with other fields."""
    bundle = load_bundle(GOLDEN)
    training = msgspec.structs.replace(bundle.manifest.training, last_session=last_session)
    version = name_version(last_session, bundle.onnx)
    fields = {"scores": SCORES, "training": training, "model_version": version, **changes}
    folder.mkdir(parents=True)
    (folder / ONNX).write_bytes(bundle.onnx)
    (folder / MANIFEST).write_bytes(to_json(msgspec.structs.replace(bundle.manifest, **fields)))
    return folder


def with_template(model: Model, kept: StoredTemplate | msgspec.UnsetType = msgspec.UNSET) -> Model:
    """Return the model in a bundle that keeps this template, or none: then a test is fast."""
    manifest = msgspec.structs.replace(model.manifest, template=kept)
    return Model(ModelBundle(manifest, model.bundle.onnx))
