"""Stored models: those whose bundles the record kept of a part."""

from __future__ import annotations

from functools import lru_cache

from pipeline.errors import StoreError
from pipeline.forecasting.bundle import parse_bundle
from pipeline.forecasting.foreign_model import load_foreign
from pipeline.forecasting.model import Model
from pipeline.forecasting.models import Models
from pipeline.ports import ObjectStore
from pipeline.record.claims import Claim
from pipeline.record.keys import BUNDLES, bundle_folder
from pipeline.record.manifest import RunManifest
from pipeline.record.objects import read_verified


def read_models(store: ObjectStore, named: RunManifest | Claim) -> Models:
    """Return the models whose bundles the record kept of a part.

    Raises
    ------
    StoreError
        When the part does not name a bundle, or more than two, or one is missing or changed.
    BundleMismatch
        When one is none that may be run.
    """
    others = list_other_versions(named)
    if len(others) > 1:
        raise StoreError(f"{store.url(named.key)}: expected it to name two bundles at most")
    broad = read_model(store, named, others[0]) if others else None
    return Models(read_model(store, named, named.model_version), broad)


def list_other_versions(named: RunManifest | Claim) -> list[str]:
    """Return the versions of the bundles that a part names beside that of the model on duty."""
    versions = dict.fromkeys(key.split("/")[1] for key in named.objects if key.startswith(BUNDLES))
    return [version for version in versions if version != named.model_version]


def read_model(store: ObjectStore, named: RunManifest | Claim, version: str) -> Model:
    """Return the model of one version of a part; raises as `read_models` does."""
    folder = bundle_folder(version)
    kept = sorted(key for key in named.objects if key.startswith(folder))
    if len(kept) != 2:
        raise StoreError(f"{store.url(named.key)}: expected it to name a bundle's two files")
    manifest, onnx = (read_verified(store, named, key) for key in kept)
    return _load_model(manifest, onnx, store.url(folder))


# To load a model takes longer than all it forecasts of a part; most parts have the one before's.
@lru_cache(maxsize=2)
def _load_model(manifest: bytes, onnx: bytes, where_from: str) -> Model:
    return load_foreign(parse_bundle(manifest, onnx, where_from))
