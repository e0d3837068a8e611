"""The vintage of some tickers keeps what was said of them, and nothing of the others."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.record.manifest import Mode
from pipeline.record.vintage import ReadInfo, Vintage, select_currencies
from tests.support.builders import raw_bars

TICKERS = ("SPY", "QQQ")


def test_what_was_said_of_tickers_goes_with_them() -> None:
    bars = {name: raw_bars(name, 5) for name in (*TICKERS, "^VIX")}
    info = ReadInfo(
        asked=(*TICKERS, "^VIX"),
        tickers=TICKERS,
        failures={},
        source="A",
        mode=Mode.LIVE,
        issued_at=datetime(2024, 12, 27, 22, tzinfo=UTC),
        dialects={"SPY": "a", "^VIX": "b"},
        currencies={"SPY": "USD", "QQQ": "EUR"},
        second_source="B",
        second_closes={"SPY": 1.5, "QQQ": 2.5},
    )
    some = Vintage(bars, info).only(["QQQ"])
    assert {*some.bars} == {"QQQ", "^VIX"}
    assert some.info.dialects == {"^VIX": "b"}
    assert some.info.currencies == {"QQQ": "EUR"}
    assert (some.info.second_source, some.info.second_closes) == ("B", {"QQQ": 2.5})
    tables = ParquetTables()
    assert Vintage.decode(tables, some.encode(tables)).info == some.info


def test_a_currency_is_a_word_that_can_be_a_code() -> None:
    said = {"A": "USD", "B": "GBp", "C": "U S", "D": "", "E": "DOLLARS", "^VIX": "USD", "F": "USDT"}
    assert select_currencies(said, "ABCDEFG") == {"A": "USD", "B": "GBp", "F": "USDT"}
