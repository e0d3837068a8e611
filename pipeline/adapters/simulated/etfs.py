"""The ETFs of the simulated market: four that are named as real ones, and as many as one likes."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np


class Etf(NamedTuple):
    """One ETF: its first close, share of the common shock, own shock, volume and yearly yield."""

    close: float
    beta: float
    own: float
    volume: float
    dividends: float


ETFS = {
    "SPY": Etf(close=324.87, beta=1.00, own=0.08, volume=75e6, dividends=0.014),
    "QQQ": Etf(close=216.16, beta=1.12, own=0.40, volume=45e6, dividends=0.006),
    "DIA": Etf(close=288.69, beta=0.92, own=0.28, volume=3.6e6, dividends=0.018),
    "IWM": Etf(close=165.84, beta=1.12, own=0.52, volume=29e6, dividends=0.012),
}
MADE_UP = "SIM0000 to SIM99999"
_MADE_UP = re.compile("SIM[0-9]{4,5}")


def find_etf(ticker: str) -> Etf | None:
    """Return what an ETF of the market is like, None for one that it does not have."""
    if ticker in ETFS or not _MADE_UP.fullmatch(ticker):
        return ETFS.get(ticker)
    random = np.random.Generator(np.random.PCG64([*ticker.encode()]))
    close, beta, own, size, dividends = random.random(5).tolist()
    return Etf(
        close=round(20.0 + 480.0 * close, 2),
        beta=0.6 + beta,
        own=0.4 + own,
        volume=10.0 ** (5.5 + 2.0 * size),
        dividends=0.03 * dividends,
    )
