"""The baselines' names, as columns and views have them."""

from __future__ import annotations

PERSISTENCE, EWMA, GARCH_T = "persistence", "ewma", "garch_t"
ISSUED = (PERSISTENCE, EWMA, GARCH_T)
# In the words of tables and pages.
LABELS = {PERSISTENCE: "persistence", EWMA: "EWMA", GARCH_T: "GARCH(1,1)-t"}
