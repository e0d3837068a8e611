"""Two models that tell themselves apart, though they answer alike: the graph is the same."""

from __future__ import annotations

from datetime import date

import msgspec

from pipeline.forecasting.bundle import ModelBundle, name_version
from pipeline.forecasting.model import Model


def renamed(model: Model, last_session: date, *tickers: str, gain: float = 1.5) -> Model:
    """Return the model as if trained until another day on other tickers, all gains alike."""
    bundle, kept = model.bundle, tickers or model.manifest.training.tickers
    training = msgspec.structs.replace(
        bundle.manifest.training, last_session=last_session, tickers=kept
    )
    manifest = msgspec.structs.replace(
        bundle.manifest,
        training=training,
        model_version=name_version(last_session, bundle.onnx),
        gains=dict.fromkeys(kept, ((gain,) * 5 + (1.0,) + (gain,) * 5,) * 5),
        baselines={"garch_t": dict.fromkeys(kept, bundle.manifest.baselines["garch_t"]["SPY"])},
    )
    return Model(ModelBundle(manifest, bundle.onnx))
