"""The template of a bundle has the levels of outcomes that its forecasts had not seen."""

from __future__ import annotations

from datetime import date

import msgspec
import numpy as np
import pytest

from pipeline.bars import Bars
from pipeline.baselines.full_history import OriginQuantiles
from pipeline.encoding import to_json
from pipeline.errors import BundleMismatch
from pipeline.forecasting.bundle import ModelBundle, StoredTemplate, parse_bundle
from pipeline.forecasting.levels import LEVELS
from pipeline.scenarios.template import Template, unpack
from pipeline.training.template import learn_template, with_template
from tests.support.builders import bars
from tests.support.templates import HORIZONS, quantiles, template


def forecast_normal(of: Bars, first: date) -> OriginQuantiles:
    rows = of.session >= np.datetime64(first)
    return OriginQuantiles(of.session[rows], np.tile(quantiles(1), (int(rows.sum()), 1, 1)))


def test_every_outcome_has_its_level() -> None:
    of = [bars("SPY", 40), bars("QQQ", 40)]
    first = of[0].session[10].item()
    learnt = learn_template(of, forecast_normal, first)
    assert learnt.tickers == ("QQQ", "SPY")
    assert np.array_equal(learnt.origin_date, of[0].session[10:-1])
    known = np.isfinite(learnt.levels)
    assert known.sum() == 2 * sum(30 - h for h in range(1, HORIZONS + 1))
    at = 12
    move = np.log(of[1].close[at + 2] / of[1].close[at])
    level = learnt.levels[at - 10, 0, 1]
    assert level == pytest.approx(np.interp(move, quantiles(1)[0, 1], LEVELS), abs=0.001)


def test_a_bundle_with_a_template_is_the_same_model(bundle: ModelBundle) -> None:
    kept = with_template(bundle, template())
    assert kept.version == bundle.version
    read = parse_bundle(to_json(kept.manifest), kept.onnx, "bundle").manifest.template
    assert isinstance(read, StoredTemplate)
    assert np.array_equal(unpack(read, HORIZONS).levels, template().levels)
    assert len(to_json(kept.manifest)) - len(to_json(bundle.manifest)) < 100_000


def test_nothing_is_kept_of_nothing(bundle: ModelBundle) -> None:
    assert with_template(bundle, Template.empty(HORIZONS)) is bundle


def test_of_many_tickers_a_bundle_brings_none(bundle: ModelBundle) -> None:
    of = [bars(f"S{number}", 40) for number in range(8)]
    first = of[0].session[10].item()
    many = learn_template(of, forecast_normal, first)
    assert with_template(bundle, many) is bundle
    few = learn_template(of[:7], forecast_normal, first)
    assert with_template(bundle, few) is not bundle


@pytest.mark.parametrize(
    "stored",
    [
        StoredTemplate(("SPY",), b"\x01\x00", b"\x01\x00"),
        StoredTemplate(("SPY", "QQQ"), b"\x01\x00", b"\x01\x00" * 10),
        StoredTemplate(("SPY",), b"\x02\x00\x01\x00", b"\x01\x00" * 10),
        StoredTemplate(("SPY",), b"\x01\x00\x02", b"\x01\x00" * 5),
    ],
)
def test_a_template_of_no_shape_is_refused(bundle: ModelBundle, stored: StoredTemplate) -> None:
    manifest = msgspec.structs.replace(bundle.manifest, template=stored)
    with pytest.raises(BundleMismatch, match="expected a template"):
        parse_bundle(to_json(manifest), bundle.onnx, "bundle")
