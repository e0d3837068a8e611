"""The model's numbers: those of its graph, whatever the number of windows asked at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.bars import VIX
from pipeline.errors import InvalidBars, NonFiniteOutput
from pipeline.forecasting.calibration import NEUTRAL
from pipeline.forecasting.features import WARM_UP, compute_features
from pipeline.forecasting.forecast import forecast
from pipeline.forecasting.levels import MEDIAN
from pipeline.forecasting.model import Model, Prediction
from pipeline.forecasting.panel import Panel
from pipeline.forecasting.windows import all_windows
from tests.support.builders import bars, raw_bars

SHIPPED = "2024-12-31-518b0a8b4fea"


def test_more_windows_than_one_batch_are_answered_as_each_alone(model: Model) -> None:
    n = 513 + 59 + WARM_UP
    windows = all_windows(compute_features(Panel.of([bars(n=n)], n)))[0]
    together = model.predict(windows)
    assert together.sigma.shape == (513, 5)
    assert together.finite.all()
    for row in (0, 1, 256, 510, 511, 512):
        alone = model.predict(windows[row : row + 1])
        quantiles = together.log_return_quantiles[row]
        assert quantiles.tobytes() == alone.log_return_quantiles[0].tobytes()
        assert together.sigma[row].tobytes() == alone.sigma[0].tobytes()


@pytest.mark.parametrize("of_sigma", [True, False])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_number_that_is_not_finite_spoils_its_row_and_names_it(
    of_sigma: bool, value: float
) -> None:
    quantiles, sigma = np.zeros((4, 5, 11)), np.ones((4, 5))
    (sigma if of_sigma else quantiles)[2, 3] = value
    prediction = Prediction(quantiles, sigma)
    assert prediction.finite.tolist() == [True, True, False, True]
    with pytest.raises(NonFiniteOutput, match="got NaN or infinity in row 2"):
        prediction.require_finite()


def test_126_bars_make_one_window_and_125_none(model: Model) -> None:
    assert forecast([bars(n=126)], model, NEUTRAL).finite.tolist() == [True]
    with pytest.raises(InvalidBars, match="SPY: expected at least 126 bars, got 125"):
        forecast([bars(n=125)], model, NEUTRAL)


def test_the_shipped_models_numbers_are_these(model: Model) -> None:
    """Literal numbers: an error that every caller shares is seen here.

    They come from the features session by session as `naive_features` of test_features.py has
    them, and from ONNX's own reference evaluator (onnx.reference) on the shipped graph. Another
    bundle has other numbers: get them the same way.
    """
    assert model.bundle.version == SHIPPED
    spy, vix = bars(n=200), raw_bars(VIX)
    answer = forecast([spy], model, NEUTRAL, replace(vix, close=vix.close / 20))
    sigma = [0.0108074443, 0.0162122604, 0.0203009006, 0.0239260290, 0.0253061559]
    np.testing.assert_allclose(answer.sigma[0], sigma, rtol=1e-5)
    quantiles = answer.log_return_quantiles[0][:, [0, MEDIAN, -1]]
    at_1, at_5 = (
        [-0.0289671849, 0.000883250148, 0.0232686475],
        [-0.0705564618, 0.00420104899, 0.0509813391],
    )
    np.testing.assert_allclose(quantiles[0], at_1, rtol=1e-5)
    np.testing.assert_allclose(quantiles[4], at_5, rtol=1e-5)
    assert answer.median[0, 0] == pytest.approx(329.2425914852238 * np.exp(at_1[1]), rel=1e-7)
