from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from pipeline.errors import BundleMismatch, RequestError
from pipeline.forecasting.bundle import ModelBundle, load_bundle, name_version
from pipeline.forecasting.calibration import BROAD_CALIBRATOR, USUAL_CALIBRATOR
from pipeline.forecasting.features import FEATURE_NAMES
from pipeline.forecasting.model import Model
from tests.conftest import DEFAULT_BUNDLE

GOLDEN_BUNDLE = Path(__file__).resolve().parents[2] / "golden" / "bundle"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEFAULT_BUNDLE, tmp_path / "bundle"))


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def shapes(values: Any) -> dict[str, list[Any]]:
    return {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in values
    }


def test_the_shipped_bundle_keeps_the_contract(bundle: ModelBundle) -> None:
    graph = onnx.load_model_from_string(bundle.onnx)
    assert shapes(graph.graph.input) == {"window": ["n", 60, 12]}
    assert shapes(graph.graph.output) == {"log_return_quantiles": ["n", 5, 11], "sigma": ["n", 5]}
    assert graph.opset_import[0].version == 20
    assert not any(t.external_data for t in graph.graph.initializer)
    assert bundle.manifest.training.last_session.isoformat() == "2024-12-31"
    assert bundle.version == name_version(bundle.manifest.training.last_session, bundle.onnx)


def test_gains_learn_as_usual_unless_the_manifest_says_otherwise(bundle: ModelBundle) -> None:
    assert bundle.manifest.calibrator == USUAL_CALIBRATOR
    assert b"own_calibrator" not in (DEFAULT_BUNDLE / "manifest.json").read_bytes()
    broad = load_bundle(DEFAULT_BUNDLE.with_name("broad")).manifest
    assert broad.calibrator == broad.own_calibrator == BROAD_CALIBRATOR


MISMATCHES = {
    "another digest": ({"onnx_sha256": "0" * 64}, "expected sha256 of model.onnx 0000"),
    "ten features": (
        {"feature_names": list(FEATURE_NAMES[:10])},
        "expected 12 features, got 10: lacks days_to_next, lacks log_vix",
    ),
    "features in another order": (
        {"feature_names": [FEATURE_NAMES[1], FEATURE_NAMES[0], *FEATURE_NAMES[2:]]},
        "overnight_return for log_close",
    ),
    "another lookback": ({"lookback": 30}, "expected lookback 60, got 30"),
    "other levels": ({"levels": [0.1, 0.5, 0.9]}, "expected levels"),
    "horizons with a gap": ({"horizons": [1, 3]}, r"expected horizons \(1, 2\), got \(1, 3\)"),
    "another schema": ({"schema_version": 9}, "expected schema version 1, got 9"),
    "another model version": ({"model_version": "x"}, "expected model version 2024-12-31-"),
    "an unknown field": ({"scaler": "s.pkl"}, "unknown field `scaler`"),
    "gains of another shape": (
        {"gains": {"SPY": [[1.0] * 11]}},
        r"expected positive gains of shape \(5, 11\) of SPY",
    ),
    "a gain of zero": ({"gains": {"SPY": [[0.0] * 11] * 5}}, "expected positive gains"),
    "steps of ten levels": (
        {"own_calibrator": {"steps": [0.01] * 10}},
        r"Expected `array` of length >= 11 - at `\$\.own_calibrator\.steps`",
    ),
    "a step that runs away": ({"own_calibrator": {"steps": [1.5] * 11}}, "`float` <= 1.0"),
    "a negative shrinkage": ({"own_calibrator": {"shrinkage": -1}}, "`float` >= 0"),
    "a wrong type": ({"lookback": "60"}, "Expected `int`, got `str`"),
}


@pytest.mark.parametrize(("changes", "message"), MISMATCHES.values(), ids=MISMATCHES.keys())
def test_a_bundle_that_does_not_fit_is_refused_by_name(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    edit(folder, **changes)
    with pytest.raises(BundleMismatch, match=message):
        load_bundle(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    with pytest.raises(BundleMismatch, match=r"cannot read .*model\.onnx: No such file"):
        load_bundle(folder)


def test_a_changed_onnx_byte_is_noticed(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[-1] ^= 1
    (folder / "model.onnx").write_bytes(data)
    with pytest.raises(BundleMismatch, match=r"expected sha256 of model\.onnx"):
        load_bundle(folder)


def test_bytes_that_are_no_onnx_are_refused(bundle: ModelBundle) -> None:
    with pytest.raises(BundleMismatch, match="ONNX Runtime cannot load it"):
        Model(ModelBundle(bundle.manifest, b"not a graph"))


def test_a_graph_with_another_shape_is_refused() -> None:
    bundle = load_bundle(GOLDEN_BUNDLE)
    graph = onnx.load_model_from_string(bundle.onnx)
    graph.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 10
    with pytest.raises(BundleMismatch, match=r"expected float tensors .*\[60, 12\]"):
        Model(ModelBundle(bundle.manifest, graph.SerializeToString()))


@pytest.mark.parametrize("shape", [(60, 12), (1, 60, 10), (1, 59, 12)])
def test_windows_of_another_shape_are_a_request_error(model: Model, shape: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match=r"expected windows of shape \(n, 60, 12\), got"):
        model.predict(np.zeros(shape, np.float32))


def test_a_window_without_sense_is_flagged_and_leaves_the_others_alone(model: Model) -> None:
    windows = np.zeros((3, 60, 12), np.float32)
    windows[1] = np.nan
    assert model.predict(windows).finite.tolist() == [True, False, True]
    assert model.predict(windows[:0]).finite.tolist() == []
