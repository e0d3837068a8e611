"""The five baselines every forecast is scored beside, by name."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.baselines import Baseline, ewma, persistence
from pipeline.training.auto_ets import auto_ets
from pipeline.training.garch import garch_t
from pipeline.training.gjr import gjr_skew_t

BASELINES: Mapping[str, Baseline] = {
    "persistence": persistence,
    "ewma": ewma,
    "garch_t": garch_t,
    "gjr_skew_t": gjr_skew_t,
    "auto_ets": auto_ets,
}
