"""What the daily function may read of bars in S3: what its parameters name, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from handlers.settings import DailySettings
from tests.support.packaged import package, template


def read_policy(packaged: Any) -> list[dict[str, Any]]:
    properties = packaged["Resources"]["ReadBars"]["Properties"]
    assert properties["Roles"] == ["DailyRole"]
    statements: list[dict[str, Any]] = properties["PolicyDocument"]["Statement"]
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    return statements


def objects_of(statements: list[dict[str, Any]]) -> list[str]:
    (own,) = (each["Resource"] for each in statements if each["Action"] == "s3:GetObject")
    return list(own)


def settings_of(packaged: Any) -> DailySettings:
    function = packaged["Resources"]["DailyLambdaFunction"]["Properties"]
    return DailySettings.from_env(function["Environment"]["Variables"])


@pytest.mark.parametrize("params", [{}, {"bars": "simulated"}], ids=repr)
def test_bars_from_elsewhere_give_no_right(tmp_path: Path, params: dict[str, str]) -> None:
    packaged = template(package(tmp_path, **params))
    assert "ReadBars" not in packaged["Resources"]
    settings = settings_of(packaged)
    assert (settings.check_bars, settings.rate, settings.renamed) == (None, None, {})


@pytest.mark.parametrize("end", ["", "/"])
def test_bars_under_a_prefix_are_read_and_listed_there_alone(tmp_path: Path, end: str) -> None:
    packaged = template(package(tmp_path, bars=f"s3://market-data/daily/us{end}"))
    statements = read_policy(packaged)
    arn = "arn:aws:s3:::market-data"
    assert objects_of(statements) == [f"{arn}/daily/us", f"{arn}/daily/us/*"]
    (listing,) = (each for each in statements if each["Action"] == "s3:ListBucket")
    assert listing["Resource"] == arn
    assert listing["Condition"] == {"StringLikeIfExists": {"s3:prefix": "daily/us/*"}}
    assert len(statements) == 2
    assert settings_of(packaged).bars == f"s3://market-data/daily/us{end}"


def test_bars_of_a_whole_bucket_are_those_of_that_bucket(tmp_path: Path) -> None:
    statements = read_policy(template(package(tmp_path, bars="s3://market-data")))
    assert objects_of(statements) == ["arn:aws:s3:::market-data/*"]
    assert all("Condition" not in statement for statement in statements)


def test_a_second_source_is_read_beside_the_first(tmp_path: Path) -> None:
    packaged = template(package(tmp_path, checkBars="s3://others/closes.parquet"))
    assert objects_of(read_policy(packaged))[0] == "arn:aws:s3:::others/closes.parquet"
    settings = settings_of(packaged)
    assert (settings.bars, settings.check_bars) == ("yahoo", "s3://others/closes.parquet")


def test_the_function_has_the_rate_and_the_renames_that_a_deployment_names(tmp_path: Path) -> None:
    packaged = template(package(tmp_path, rate="60", tickers="SPY,META", renamed="FB=META"))
    settings = settings_of(packaged)
    assert (settings.rate, settings.renamed) == (60, {"META": "FB"})
