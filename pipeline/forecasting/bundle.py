"""ModelBundle: a manifest and one ONNX file, loaded only if both fit each other and the code."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec

from pipeline.encoding import from_json
from pipeline.errors import BundleMismatch
from pipeline.forecasting.calibration import USUAL_CALIBRATOR, Calibrator
from pipeline.forecasting.features import FEATURE_NAMES, LOOKBACK
from pipeline.forecasting.levels import LEVELS

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
ONNX = "model.onnx"


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model was trained on: span of origins, tickers, sha256 of the bars."""

    first_session: date
    last_session: date
    tickers: tuple[str, ...]
    data_sha256: str


class StoredTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Levels that past outcomes had in the forecasts of models which had not seen them.

    `origins` are days since 1970, uint16 (n_origins,); `units` are levels in 1/2000, 0 for none,
    uint16 (n_origins, n_tickers, n_horizons); both little-endian. What scenarios begin with.
    """

    tickers: tuple[str, ...]
    origins: bytes
    units: bytes


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a reader must know of the ONNX file.

    `covariates` are symbols read beside the tickers; `gains` a ticker's calibration per horizon
    and level, as outcomes that the model had not seen left it; `template` how outcomes went
    together before there was a record; `own_calibrator` how fast gains learn where not as usual.
    """

    schema_version: int
    model_version: str
    onnx_sha256: str
    feature_names: tuple[str, ...]
    lookback: int
    horizons: Annotated[tuple[int, ...], msgspec.Meta(min_length=1, max_length=64)]
    levels: tuple[float, ...]
    covariates: tuple[str, ...]
    training: Training
    members: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, Mapping[str, float]]]
    scores: Mapping[str, float]
    libraries: Mapping[str, str]
    gains: Mapping[str, tuple[tuple[float, ...], ...]] = {}
    template: StoredTemplate | msgspec.UnsetType = msgspec.UNSET
    own_calibrator: Calibrator | msgspec.UnsetType = msgspec.UNSET

    @property
    def calibrator(self) -> Calibrator:
        """How fast the gains of the bundle's tickers learn."""
        return USUAL_CALIBRATOR if self.own_calibrator is msgspec.UNSET else self.own_calibrator


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """A manifest and the bytes of the ONNX file it describes."""

    manifest: Manifest
    onnx: bytes

    @property
    def version(self) -> str:
        return self.manifest.model_version


def name_version(last_session: date, onnx: bytes) -> str:
    """Return the bundle's id: the last session trained on and a digest of the ONNX file."""
    return f"{last_session}-{hashlib.sha256(onnx).hexdigest()[:12]}"


def trained_until(version: str) -> str:
    """Return the last session that a model has learnt from, an ISO date, read off its version."""
    return version[:10]


def load_bundle(folder: Path) -> ModelBundle:
    """Return the bundle in `folder`.

    Raises
    ------
    BundleMismatch
        When a file is missing or unreadable, or manifest, ONNX file and code do not fit; the
        message names what differs.
    """
    return parse_bundle(_read_file(folder / MANIFEST), _read_file(folder / ONNX), str(folder))


def parse_bundle(manifest_json: bytes, onnx: bytes, where_from: str) -> ModelBundle:
    """Return the bundle of these files; raises BundleMismatch as `load_bundle` does."""
    manifest = _decode_manifest(manifest_json, where_from)
    digest = hashlib.sha256(onnx).hexdigest()
    version = name_version(manifest.training.last_session, onnx)
    expectations = (
        ("schema version", SCHEMA_VERSION, manifest.schema_version),
        ("lookback", LOOKBACK, manifest.lookback),
        ("levels", LEVELS, manifest.levels),
        ("horizons", tuple(range(1, len(manifest.horizons) + 1)), manifest.horizons),
        (f"sha256 of {ONNX}", manifest.onnx_sha256, digest),
        ("model version", version, manifest.model_version),
    )
    _check_features(manifest.feature_names, where_from)
    for what, expected, received in expectations:
        if expected != received:
            raise BundleMismatch(f"{where_from}: expected {what} {expected}, got {received}")
    _check_gains(manifest, where_from)
    _check_template(manifest, where_from)
    return ModelBundle(manifest, onnx)


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise BundleMismatch(
            f"expected a bundle with {MANIFEST} and {ONNX}, cannot read {path}: {exc.strerror}"
        ) from exc


def _decode_manifest(data: bytes, where_from: str) -> Manifest:
    return from_json(data, Manifest, where_from, f"{MANIFEST} of a bundle", BundleMismatch)


def _check_gains(manifest: Manifest, where_from: str) -> None:
    shape = (len(manifest.horizons), len(manifest.levels))
    for ticker, gains in manifest.gains.items():
        if (len(gains), *{len(row) for row in gains}) != shape or not all(
            0 < gain < math.inf for row in gains for gain in row
        ):
            raise BundleMismatch(
                f"{where_from}: expected positive gains of shape {shape} of {ticker}"
            )


def _check_template(manifest: Manifest, where_from: str) -> None:
    stored = manifest.template
    if not isinstance(stored, StoredTemplate):
        return
    n, size = len(stored.origins) // 2, 2 * len(stored.tickers) * len(manifest.horizons)
    days = [stored.origins[at : at + 2][::-1] for at in range(0, 2 * n, 2)]
    in_order = list(stored.tickers) == sorted(set(stored.tickers)) and days == sorted(set(days))
    if not in_order or (len(stored.origins), len(stored.units)) != (2 * n, n * size):
        raise BundleMismatch(
            f"{where_from}: expected a template of tickers in order, days in order and "
            f"{len(manifest.horizons)} levels of each"
        )


def _check_features(names: tuple[str, ...], where_from: str) -> None:
    if names == FEATURE_NAMES:
        return
    differ = [f"{a} for {b}" for a, b in zip(names, FEATURE_NAMES, strict=False) if a != b]
    lacking = [name for name in FEATURE_NAMES if name not in names]
    unknown = [f"has {name}" for name in names if name not in FEATURE_NAMES]
    problems = [f"lacks {name}" for name in lacking] + unknown or differ
    raise BundleMismatch(
        f"{where_from}: expected {len(FEATURE_NAMES)} features, got {len(names)}: "
        f"{', '.join(problems)}"
    )
