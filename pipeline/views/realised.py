"""Realised: what came of yesterday's forecasts, as the scores of a session say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.columns import Columns, where
from pipeline.evaluation.score_table import FORECASTER
from pipeline.grid import format_interval, name_price
from pipeline.ports import ObjectStore, Tables
from pipeline.record.keys import scores_key
from pipeline.record.manifest import RunManifest
from pipeline.record.objects import read_verified


@dataclass(frozen=True, slots=True)
class RealisedClose:
    """One ticker's close beside the 95 % interval that was issued for it a session before.

    `surprise` says that it lies outside the 98 % interval, as one close in fifty should.
    """

    ticker: str
    target_date: date
    close: float
    lower_95: float
    upper_95: float
    inside_95: bool
    surprise: bool
    currency: str | None = None

    def describe(self) -> str:
        """Return it as a sentence."""
        where = "inside" if self.inside_95 else "outside"
        outer = ", a surprise outside the 98 % interval too" if self.surprise else ""
        return (
            f"{self.ticker} closed at {name_price(self.close, self.currency)}, {where} the 95 % "
            f"interval {format_interval(self.lower_95, self.upper_95, self.currency)}{outer}"
        )


def read_realised(
    store: ObjectStore, tables: Tables, parts: Sequence[RunManifest]
) -> tuple[RealisedClose, ...]:
    """Return what the parts of one session scored of its closes, by ticker; read from the store.

    Raises
    ------
    StoreError
        When scores that a manifest names are missing or not what it names.
    """
    realised: dict[str, RealisedClose] = {}
    for part in parts:
        key = scores_key(part.session.isoformat()[:7], part.session, part.part)
        if key in part.objects:
            scores = tables.decode("scores", read_verified(store, part, key))[0]
            closes = select_realised(scores, part.session, part.currencies)
            realised |= {close.ticker: close for close in closes}
    return tuple(realised[ticker] for ticker in sorted(realised))


def select_realised(
    scores: Columns, session: date, currencies: Mapping[str, str] = {}
) -> list[RealisedClose]:
    """Return the forecaster's rows of horizon 1 that a session realised, of scores columns."""
    ours = (scores["model"] == FORECASTER) & (scores["horizon"] == 1)
    rows = where(scores, ours & (scores["target_date"] == np.datetime64(session, "D")))
    names = ("ticker", "realised_close", "lower_95", "upper_95", "covered_95", "covered_98")
    return [
        RealisedClose(
            *(ticker, session, close, lower, upper, inside_95, not inside_98),
            currency=currencies.get(ticker),
        )
        for ticker, close, lower, upper, inside_95, inside_98 in zip(
            *(rows[name].tolist() for name in names), strict=True
        )
    ]
