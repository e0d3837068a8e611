"""Models: which bundle forecasts a ticker, the one that was proven on it or the broad one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.forecasting.bundle import Manifest, load_bundle
from pipeline.forecasting.model import Model

# The broad bundle lies beside the default one; any other bundle serves all tickers.
DEFAULT, BROAD = "default", "broad"


def is_proven_on(manifest: Manifest, ticker: str) -> bool:
    """Whether a bundle was trained and proven on a ticker."""
    return ticker in manifest.training.tickers


@dataclass(frozen=True, slots=True)
class Models:
    """The model on duty, and the broad one for tickers that it was not proven on, if there is one.

    Without a broad one the model on duty serves all.
    """

    main: Model
    broad: Model | None = None

    def select(self, ticker: str) -> Model:
        """Return the model that serves a ticker."""
        if self.broad is None or is_proven_on(self.main.manifest, ticker):
            return self.main
        return self.broad

    def select_others(self, tickers: Iterable[str]) -> dict[str, Model]:
        """Return ticker -> model of the tickers that the model on duty does not serve."""
        served = {ticker: self.select(ticker) for ticker in tickers}
        return {ticker: model for ticker, model in served.items() if model is not self.main}


def find_broad_bundle(bundle: Path) -> Path | None:
    """Return the folder of the broad bundle beside the default one; None beside any other."""
    broad = bundle.parent / BROAD
    return broad if bundle.name == DEFAULT and broad.is_dir() else None


def load_models(bundle: Path, tickers: Iterable[str]) -> Models:
    """Return the model in a folder, with the broad one where there is one for some of `tickers`.

    Raises
    ------
    BundleMismatch
        When a bundle cannot be used.
    """
    main, broad = Model(load_bundle(bundle)), find_broad_bundle(bundle)
    foreign = any(not is_proven_on(main.manifest, ticker) for ticker in tickers)
    return Models(main, Model(load_bundle(broad)) if broad and foreign else None)
