"""Finish: a sheet as our bars are, oldest first and adjusted for splits, with what that took."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.adapters.bar_folder.columns import PRICES, Sheet
from pipeline.adapters.bar_folder.dialects import DIVIDENDS, SPLITS, VOLUME, Dialect
from pipeline.bars import Floats

NEWEST_FIRST = "newest first"
ADJUSTED = "prices as traded, adjusted here for the splits that it lists"


def finish(sheet: Sheet, dialect: Dialect) -> Sheet:
    """Return the sheet oldest first, and adjusted for splits where its dialect has not."""
    if dialect.warning:
        sheet = replace(sheet, assumed=(*sheet.assumed, dialect.warning))
    steps = np.diff(sheet.session).astype(np.int64)
    if (steps <= 0).all() and (steps < 0).any():
        numbers = {name: values[::-1] for name, values in sheet.numbers.items()}
        assumed = (*sheet.assumed, NEWEST_FIRST)
        sheet = replace(sheet, session=sheet.session[::-1], numbers=numbers, assumed=assumed)
    return _adjust(sheet) if dialect.as_traded else sheet


def _adjust(sheet: Sheet) -> Sheet:
    """Return prices, volumes and dividends as they are quoted after the sheet's last split."""
    splits = sheet.numbers[SPLITS]
    factors = np.where(np.isfinite(splits) & (splits > 0), splits, 1.0)
    later: Floats = np.append(np.cumprod(factors[:0:-1])[::-1], 1.0)[: len(factors)]
    per_share = (*PRICES, DIVIDENDS)
    numbers = {
        name: values / later if name in per_share else values
        for name, values in sheet.numbers.items()
    }
    if VOLUME in numbers:
        numbers[VOLUME] = numbers[VOLUME] * later
    numbers[SPLITS] = np.where(factors == 1.0, 0.0, factors)
    return replace(sheet, numbers=numbers, assumed=(*sheet.assumed, ADJUSTED))
