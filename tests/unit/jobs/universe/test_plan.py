"""What a universe comes to is arithmetic that can be done by hand."""

from __future__ import annotations

import pytest

from pipeline.jobs.universe.plan import plan_universe

SIZES = dict.fromkeys(range(40), 250)


def test_requests_are_those_of_tickers_and_of_what_each_shard_reads_beside_them() -> None:
    plan = plan_universe(SIZES, covariates=1, rate=120, runs=3)
    assert (plan.tickers, plan.shards, plan.largest) == (10_000, 40, 250)
    assert plan.requests == 10_040
    assert plan.minutes == pytest.approx(83.667, abs=1e-3)
    assert plan.seconds == 20.5


def test_a_month_is_21_sessions() -> None:
    costs = {cost.what: cost for cost in plan_universe(SIZES, 1, 120, runs=1).costs}
    assert costs["writes to S3"].amount == 21 * 40 * 31
    assert costs["writes to S3"].usd == pytest.approx(0.1302)
    assert costs["reads of S3"].amount == 21 * 40 * 40
    assert costs["GB in S3 after a year"].amount == pytest.approx(10_000 * 45_000 * 252 / 1e9)
    assert costs["GB-seconds of functions"].amount == pytest.approx(
        2 * 21 * (40 * 8 + 10_000 * 0.05)
    )
    assert costs["steps of the state machine"].amount == 21 * 40 * 4


def test_runs_that_find_nothing_to_do_cost_less_than_the_first() -> None:
    once, thrice = (plan_universe(SIZES, 1, 120, runs).usd for runs in (1, 3))
    assert once < thrice < 2 * once


def test_the_document_has_every_product_and_their_sum() -> None:
    document = plan_universe({0: 4}, 1, 120, 3).document()
    costs = document["costs"]
    assert isinstance(costs, list)
    assert all(cost["usd"] == cost["amount"] * cost["price"] for cost in costs)
    assert document["usd"] == pytest.approx(sum(cost["usd"] for cost in costs))
