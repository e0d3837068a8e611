"""The five baselines every forecast is scored beside, by name."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.baselines.full_history import Baseline, ewma, persistence
from pipeline.training.baselines.auto_ets import auto_ets
from pipeline.training.baselines.garch import garch_t
from pipeline.training.baselines.gjr import gjr_skew_t

BASELINES: Mapping[str, Baseline] = {
    "persistence": persistence,
    "ewma": ewma,
    "garch_t": garch_t,
    "gjr_skew_t": gjr_skew_t,
    "auto_ets": auto_ets,
}
