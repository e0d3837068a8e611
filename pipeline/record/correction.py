"""Correction: what a part corrected of earlier scores, as its manifest says."""

from __future__ import annotations

from datetime import date

import msgspec


class Correction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A close by which forecasts had been scored, what it was mended to, and how many scores were.

    Both closes are quoted as in the part's vintage.
    """

    session: date
    was: float
    now: float
    scores: int
