"""Stored model: the one whose bundle the record kept of a part."""

from __future__ import annotations

from functools import lru_cache

from pipeline.errors import StoreError
from pipeline.forecasting.bundle import parse_bundle
from pipeline.forecasting.foreign_model import load_foreign
from pipeline.forecasting.model import Model
from pipeline.ports import ObjectStore
from pipeline.record.claims import Claim
from pipeline.record.keys import bundle_folder
from pipeline.record.manifest import RunManifest
from pipeline.record.objects import read_verified


def read_model(store: ObjectStore, named: RunManifest | Claim) -> Model:
    """Return the model whose bundle the record kept of a part.

    Raises
    ------
    StoreError
        When the part does not name a bundle, or it is missing or changed.
    BundleMismatch
        When it is none that may be run.
    """
    folder = bundle_folder(named.model_version)
    kept = sorted(key for key in named.objects if key.startswith(folder))
    if len(kept) != 2:
        raise StoreError(f"{store.url(named.key)}: expected it to name a bundle's two files")
    manifest, onnx = (read_verified(store, named, key) for key in kept)
    return _load_model(manifest, onnx, store.url(folder))


# To load a model takes longer than all it forecasts of a part; most parts have the one before's.
@lru_cache(maxsize=1)
def _load_model(manifest: bytes, onnx: bytes, where_from: str) -> Model:
    return load_foreign(parse_bundle(manifest, onnx, where_from))
