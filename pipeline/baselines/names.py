"""The baselines' names, as columns and views have them."""

from __future__ import annotations

PERSISTENCE, EWMA, GARCH_T = "persistence", "ewma", "garch_t"
ISSUED = (PERSISTENCE, EWMA, GARCH_T)
