"""Whether a bundle may replace the current one, found out away from the job that trained it.

`python -m pipeline.training.accept CURRENT NEW LOCK` loads the new bundle, asks it, puts it through
the gate and prints its bill of materials; or says what is wrong with it, and exits with 1. It needs
what serving needs and nothing of what trains.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.simulated.etfs import ETFS
from pipeline.adapters.simulated.market import START, SimulatedMarket
from pipeline.bars import VIX, Bars, Floats
from pipeline.errors import ForecasterError, NonFiniteOutput, WorseModel
from pipeline.evaluation.scoring_rules import crps
from pipeline.forecasting.bundle import ModelBundle, load_bundle
from pipeline.forecasting.calibration import NEUTRAL
from pipeline.forecasting.forecast import forecast_history
from pipeline.forecasting.levels import LEVELS
from pipeline.forecasting.model import Model
from pipeline.forecasting.windows import log_returns_ahead
from pipeline.training.bill import list_materials
from pipeline.training.gate import refuse_worse

# The simulated market up to here: a market that neither bundle has learnt from.
LAST = date(2022, 12, 30)
# Trainings on nearly the same bars differ there by some thousandths; what is no model, by far more.
TOLERANCE = 1.1


def accept(current: Path, new: Path) -> ModelBundle:
    """Return the bundle in `new` if it may replace the one in `current`.

    Raises
    ------
    BundleMismatch
        When a bundle is damaged, or does not fit the code.
    NonFiniteOutput
        When the new one says what cannot be published.
    WorseModel
        When it does not pass the gate, is older, or is far worse on the simulated market,
        whatever its manifest says.
    """
    before, bundle = load_bundle(current), load_bundle(new)
    refuse_worse(bundle.manifest.scores, before.manifest.scores)
    for problem in _find_problems(bundle, before):
        raise WorseModel(problem, current=before.manifest.scores, new=bundle.manifest.scores)
    return bundle


def _find_problems(bundle: ModelBundle, before: ModelBundle) -> Iterator[str]:
    learnt, expected = bundle.manifest.training.last_session, before.manifest.training.last_session
    if learnt < expected:
        yield f"expected a bundle trained until {expected} or later, got {learnt}"
    ratio = _score_simulated(bundle) / _score_simulated(before)
    if not ratio <= TOLERANCE:
        yield (
            f"expected a CRPS of at most {TOLERANCE} of the current bundle's on the simulated "
            f"market, got {ratio:.3f}"
        )


def _score_simulated(bundle: ModelBundle) -> float:
    """Return the mean CRPS of log returns on the simulated market, over tickers and horizons."""
    return float(np.mean(np.concatenate(list(_score_tickers(Model(bundle))))))


def _score_tickers(model: Model) -> Iterator[Floats]:
    reading = SimulatedMarket(ExchangeCalendar()).read([*ETFS, VIX], START, LAST)
    horizons = model.manifest.horizons
    for ticker in ETFS:
        bars = Bars.validate(reading.bars[ticker])
        forecast = forecast_history(bars, model, NEUTRAL, reading.bars[VIX])
        if not (forecast.finite & forecast.plausible).all():
            raise NonFiniteOutput(
                f"{model.bundle.version}: expected finite, ascending quantiles near the last close "
                f"of {ticker}, got others"
            )
        realised = log_returns_ahead(bars.close[None], horizons)[0, -len(forecast.finite) :]
        known = slice(None, -max(horizons))
        quantiles = forecast.log_return_quantiles[known]
        yield crps(quantiles, realised[known], np.array(LEVELS)).ravel()


def main(arguments: Sequence[str]) -> int:
    """Accept or refuse; returns the exit code."""
    current, new, lock = map(Path, arguments)
    try:
        bundle = accept(current, new)
    except ForecasterError as exc:
        print(f"{new} is not accepted: {exc}", file=sys.stderr)
        return 1
    print(json.dumps(list_materials(bundle.manifest, lock.read_text("utf-8")), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
