"""The bucket's rules fit what the code writes: the record is written once, views are not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from typing import Any

import pytest

from pipeline.adapters.exchange.calendar import ExchangeCalendar
from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.adapters.simulated.market import SimulatedMarket
from pipeline.forecasting.bundle import load_bundle
from pipeline.forecasting.model import Model
from pipeline.jobs.backfill.run import backfill
from pipeline.jobs.daily import DailyJob, run
from pipeline.wiring import DEFAULT_BUNDLE
from tests.support.fakes import MemoryObjects
from tests.support.packaged import package, template
from tests.support.template_store import BUCKET, VIEWS

OURS = "arn:aws:iam::123456789012:role/financial-forecaster-"
SOMEBODY = "arn:aws:iam::123456789012:user/administrator"
STORE = "Store.Arn/store"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return template(package(tmp_path_factory.mktemp("packaged")))["Resources"]


class Watched(MemoryObjects):
    """A store that remembers how each key was written."""

    def __init__(self) -> None:
        super().__init__()
        self.created, self.replaced = set[str](), set[str]()

    def create(self, key: str, data: bytes) -> bool:
        self.created.add(key)
        return super().create(key, data)

    def replace(self, key: str, data: bytes) -> None:
        self.replaced.add(key)
        super().replace(key, data)


@pytest.fixture(scope="module")
def written() -> Watched:
    """A backfill, and the run after it."""
    calendar, store = ExchangeCalendar(), Watched()
    model = Model(load_bundle(DEFAULT_BUNDLE))
    source = SimulatedMarket(calendar)
    job = DailyJob(("SPY", "QQQ"), source, calendar, store, ParquetTables(), model)
    at = datetime(2025, 6, 10, 12, tzinfo=UTC)
    backfill(job, date(2025, 6, 2), date(2025, 6, 9), at, lambda done, total: None)
    at = datetime(2025, 6, 10, 23, tzinfo=UTC)
    run(job, at, at)
    return store


def denied(
    deployed: Any, action: str, resource: str, who: str = SOMEBODY, **request: str
) -> list[str]:
    """The statements of the bucket's policy that deny a request made over TLS."""
    keys = {"aws:SecureTransport": "true", "aws:PrincipalArn": who, **request}
    document = deployed["StorePolicy"]["Properties"]["PolicyDocument"]
    return [
        statement["Sid"]
        for statement in document["Statement"]
        if any(fnmatchcase(action, one) for one in listed(statement["Action"]))
        and covers(statement, resource)
        and all(
            TESTS[operator](keys.get(key), value)
            for operator, pairs in statement.get("Condition", {}).items()
            for key, value in pairs.items()
        )
    ]


TESTS: dict[str, Callable[[str | None, str], bool]] = {
    "Bool": lambda got, value: got == value,
    "Null": lambda got, value: (got is None) == (value == "true"),
    "ArnLike": lambda got, value: got is not None and fnmatchcase(got, value),
}


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def covers(statement: Any, resource: str) -> bool:
    if "NotResource" in statement:
        return not any(fnmatchcase(resource, one) for one in listed(statement["NotResource"]))
    return any(fnmatchcase(resource, one) for one in listed(statement["Resource"]))


def put(deployed: Any, key: str, **request: str) -> list[str]:
    whole = {"s3:ObjectCreationOperation": "true", **request}
    return denied(deployed, "s3:PutObject", f"{STORE}/{key}", **whole)


def test_what_is_created_can_be_created_only_and_what_is_replaced_replaced(
    deployed: Any, written: Watched
) -> None:
    assert written.replaced == set(VIEWS)
    assert written.created.isdisjoint(VIEWS)
    assert len({key.partition("/")[0] for key in written.created}) >= 8
    for key in written.created:
        assert put(deployed, key) == ["NothingIsOverwrittenButViews"]
        assert put(deployed, key, **{"s3:if-none-match": "*"}) == []
    for key in written.replaced:
        assert put(deployed, key) == []


@pytest.mark.parametrize(
    "key",
    ["store.json", "signatures/2026-11-20.00.sig", "losses/x.json", "latest.json/x", "to/come/x"],
)
def test_what_nobody_has_thought_of_is_record_too(deployed: Any, key: str) -> None:
    assert put(deployed, key) == ["NothingIsOverwrittenButViews"]
    assert denied(deployed, "s3:DeleteObject", f"{STORE}/{key}") == ["NothingIsHiddenButViews"]


def test_athena_writes_and_drops_its_results(deployed: Any) -> None:
    results = "Store.Arn/athena/results.csv"
    whole = {"s3:ObjectCreationOperation": "true"}
    assert denied(deployed, "s3:PutObject", results, **whole) == []
    assert denied(deployed, "s3:DeleteObject", results) == []


def test_an_upload_in_parts_says_it_when_the_parts_are_put_together(deployed: Any) -> None:
    part = {"s3:ObjectCreationOperation": "false"}
    assert put(deployed, "bars/x.parquet", **part) == []


@pytest.mark.parametrize("who", ["dev-daily-us-east-1", "prod-verify-eu-west-1", "github-deploy"])
@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:BypassGovernanceRetention", f"{STORE}/runs/x.json"),
        ("s3:DeleteObjectVersion", f"{STORE}/runs/x.json"),
        ("s3:DeleteBucketPolicy", "Store.Arn"),
        ("s3:PutBucketPolicy", "Store.Arn"),
        ("s3:PutLifecycleConfiguration", "Store.Arn"),
        ("s3:PutBucketVersioning", "Store.Arn"),
        ("s3:PutBucketObjectLockConfiguration", "Store.Arn"),
    ],
)
def test_only_people_unlock_and_change_the_rules(
    deployed: Any, who: str, action: str, resource: str
) -> None:
    ours = denied(deployed, action, resource, OURS + who)
    assert ours == ["OursNeverUnlockOrChangeTheRules"]
    assert denied(deployed, action, resource) == []


def test_no_rule_drops_a_version_of_the_record(deployed: Any, written: Watched) -> None:
    rules = deployed["Store"]["Properties"]["LifecycleConfiguration"]["Rules"]
    dropping = {rule["Prefix"] for rule in rules if "NoncurrentVersionExpiration" in rule}
    expiring = {rule["Prefix"] for rule in rules if "ExpirationInDays" in rule}
    assert expiring == {"athena/", "engine/"}  # what queries and executions answered
    for key in written.created:
        assert not any(f"store/{key}".startswith(prefix) for prefix in dropping)
    for key in written.replaced:
        assert any(f"store/{key}".startswith(prefix) for prefix in dropping)
    assert deployed["Store"]["Properties"]["BucketName"] == BUCKET
