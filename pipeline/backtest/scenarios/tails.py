"""Tail: how often a VaR was exceeded, whether by chance, and the losses beyond beside ES."""

from __future__ import annotations

import msgspec
import numpy as np

from pipeline.backtest.skill import coverage_p
from pipeline.columns import Columns
from pipeline.evaluation.significance import christoffersen, kupiec


class Tail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Exceedances of VaR, and losses beyond it beside ES.

    Attributes
    ----------
    exceeded : share of the days that lost more than VaR
    kupiec_p, christoffersen_p : of the smallest series of targets that do not overlap, times their
        number; None where the days are too few
    es_ratio : mean loss of the days beyond VaR over the ES forecast for them; None where none is
    z2 : 0 where frequency and size of losses beyond VaR are as forecast, below 0 where more is lost
    """

    days: int
    exceeded: float
    kupiec_p: float | None
    christoffersen_p: float | None
    es_ratio: float | None
    z2: float


def measure_tail(columns: Columns, level: float, horizon: int) -> Tail:
    """Return what rows of one portfolio, horizon and model say of a level.

    Notes
    -----
    Z2: Acerbi and Szekely (2014), "Back-testing expected shortfall", their second test, which is 1
    less the sum of losses beyond VaR, each over its ES, over how many there should be.
    """
    name = f"{1000 * level:.0f}"
    loss, var, es = -columns["realised"], columns[f"var_{name}"], columns[f"es_{name}"]
    beyond = loss > var
    held = (~beyond).astype(np.float64)[None]
    scored = np.ones(held.shape, bool)
    expected = len(loss) * (1.0 - level)
    forecast = float(es[beyond].sum())
    return Tail(
        days=len(loss),
        exceeded=float(beyond.mean()),
        kupiec_p=coverage_p(kupiec, held, scored, horizon, level),
        christoffersen_p=coverage_p(christoffersen, held, scored, horizon, level),
        es_ratio=float(loss[beyond].sum()) / forecast if forecast > 0 else None,
        z2=1.0 - float((loss[beyond] / es[beyond]).sum()) / expected,
    )
