"""Plan: what a universe asks of its source, its store and its functions, and what that costs.

Prices are list prices of us-east-1 without free allowances: compare them with AWS's own before you
rely on them. What a shard takes is an allowance above what was measured (docs/scaling.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

SESSIONS = 21  # a month
# A shard and a run of a session.
OBJECTS = 11  # that stay: tables, state, claim, manifest
VIEWS = 20  # that are written again: seven, and pages of latest.json for 250 tickers
READS = 40  # of objects, views and lists of the record
SECONDS, SECONDS_A_TICKER = 8.0, 0.05  # of a function of 2 GB
BYTES_A_TICKER = 45_000  # that stay, of a session
GB_OF_FUNCTION = 2.0
TRANSITIONS = 4  # of the state machine: a child's beginning, its function, its answer, its end
# USD.
PUT, GET, GB_MONTH = 0.005 / 1000, 0.0004 / 1000, 0.023
GB_SECOND, TRANSITION = 0.0000166667, 25 / 1e6


class Cost(NamedTuple):
    """What is paid for in a month: how much of it, at what price of one."""

    what: str
    amount: float
    price: float

    @property
    def usd(self) -> float:
        """The two multiplied."""
        return self.amount * self.price


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs of a universe come to.

    Attributes
    ----------
    tickers, shards, largest : how many there are, and tickers of the largest shard
    requests : of a source that is asked ticker by ticker, a session; each shard asks for the
        covariates too
    minutes : that these take at `rate` requests a minute
    seconds : that the largest shard's function takes beside its source
    runs : of a session, the first of which writes
    costs : of a month, after a year on the record
    """

    tickers: int
    shards: int
    largest: int
    requests: int
    rate: float
    seconds: float
    runs: int
    costs: tuple[Cost, ...]

    @property
    def minutes(self) -> float:
        return self.requests / self.rate

    @property
    def usd(self) -> float:
        return sum(cost.usd for cost in self.costs)

    def document(self) -> Mapping[str, object]:
        """Return all of it as plain values."""
        names = ("tickers", "shards", "largest", "requests", "rate", "minutes", "seconds", "runs")
        costs = [{**cost._asdict(), "usd": cost.usd} for cost in self.costs]
        return {**{name: getattr(self, name) for name in names}, "costs": costs, "usd": self.usd}


def plan_universe(sizes: Mapping[int, int], covariates: int, rate: float, runs: int) -> Plan:
    """Return what a universe comes to whose shards, by their numbers, have so many tickers.

    Parameters
    ----------
    covariates : read by each shard beside its tickers
    rate : requests a minute, of all shards together
    runs : of a session; the first one publishes, the others look
    """
    tickers, shards = sum(sizes.values()), len(sizes)
    written, looked = SESSIONS * shards, SESSIONS * shards * runs
    function = written * SECONDS + SESSIONS * tickers * SECONDS_A_TICKER
    function += (looked - written) * SECONDS / 2  # a run with nothing to do reads its models alone
    stored = tickers * BYTES_A_TICKER * SESSIONS * 12 / 1e9
    costs = (
        Cost("writes to S3", written * (OBJECTS + VIEWS), PUT),
        Cost("reads of S3", looked * READS, GET),
        Cost("GB in S3 after a year", stored, GB_MONTH),
        Cost("GB-seconds of functions", function * GB_OF_FUNCTION, GB_SECOND),
        Cost("steps of the state machine", looked * TRANSITIONS, TRANSITION),
    )
    largest = max(sizes.values())
    seconds = SECONDS + largest * SECONDS_A_TICKER
    return Plan(tickers, shards, largest, tickers + shards * covariates, rate, seconds, runs, costs)
