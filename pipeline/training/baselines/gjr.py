"""GJR-GARCH with skewed Student-t errors: the strongest baseline of daily closes, by arch.

Glosten, Jagannathan and Runkle (1993), "On the relation between the expected value and the
volatility of the nominal excess return on stocks", with the errors of Hansen (1994),
"Autoregressive conditional density estimation".
"""

from __future__ import annotations

from datetime import date

import numpy as np
from arch import arch_model
from arch.univariate import SkewStudent

from pipeline.bars import Bars, Floats
from pipeline.baselines.full_history import HORIZONS, LEVEL_GRID, OriginQuantiles
from pipeline.baselines.volatility import (
    PERCENT,
    conditional_variance,
    scale_quantiles,
    summed_variance,
)
from pipeline.training.baselines.garch import (
    Parameters,
    fit_or_keep,
    guess_parameters,
    refit_and_filter,
)

SHAPE = ("eta", "lambda")
USUAL_SHAPE = {"gamma[1]": 0.0, "eta": 8.0, "lambda": 0.0}


def gjr_skew_t(bars: Bars, first: date) -> OriginQuantiles:
    """Forecast by GJR-GARCH-skew-t, refitted every 21 sessions on all returns so far.

    Beyond horizon 1 the skewed t is scaled to the variance summed over the horizon.

    Raises
    ------
    DataError
        When there are fewer than 251 bars up to the first origin.
    """
    return refit_and_filter(bars, first, _fit, _filter)


def _fit(percent: Floats, before: Parameters | None) -> Parameters:
    model = arch_model(percent, vol="GARCH", p=1, o=1, q=1, dist="skewt", rescale=False)
    return fit_or_keep(model, before or guess_parameters(percent) | USUAL_SHAPE)


def _filter(returns: Floats, parameters: Parameters) -> Floats:
    errors, shape = SkewStudent(), np.array([parameters[name] for name in SHAPE])
    share_below = float(errors.partial_moment(2, 0.0, shape))
    variance = conditional_variance(returns * PERCENT, parameters)
    summed = summed_variance(variance, parameters, HORIZONS, share_below)
    z = np.asarray(errors.ppf(LEVEL_GRID, shape))
    return scale_quantiles(summed, parameters["mu"], HORIZONS, z)
