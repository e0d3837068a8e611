"""Tables keep every value, fit one exact schema, and are read as they are by other tools."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pipeline.adapters.parquet.parquet_tables import DTYPES, SCHEMAS, ParquetTables
from pipeline.backtest.evaluate import score_quantiles
from pipeline.errors import StoreError
from tests.support.builders import bars, raw_bars

UNKNOWN_TABLE = (
    "expected a table of bars, forecasts, baselines, scores, backtest_scores, scenarios, "
    "templates, scenario_scores, backtest_scenario_scores, got 'nonsense'"
)
GOLDEN = Path(__file__).parents[1] / "golden"
TABLES = ParquetTables()
PRICES = ["last_close", "prediction", "sigma", "es_975"] + [
    f"{end}_{level}" for level in (50, 80, 90, 95, 98) for end in ("lower", "upper")
]
METADATA = {"run": "2026-11-20.00", "note": "Zürich – close"}

Table = dict[str, np.ndarray]


def text(*values: str | None) -> np.ndarray:
    return np.array(values, dtype=object)


def forecasts(origin: str = "2026-11-20", **columns: np.ndarray) -> Table:
    """Two tickers of one horizon; the second withheld, its numbers null."""
    origin_date = np.array([origin, origin], "datetime64[D]")
    made: Table = {
        "ticker": text("SPY", "QQQ"),
        "origin_date": origin_date,
        "target_date": origin_date + 3,
        "horizon": np.array([1, 1], np.int32),
        "status": text("ok", "withheld:stale"),
        "model_version": text("2026-11-01.abc", "2026-11-01.abc"),
        "mode": text("live", "live"),
        "vintage_sha256": text("0" * 64, "0" * 64),
        "issued_at": np.array([f"{origin}T23:30:00.123"] * 2, "datetime64[ms]"),
    }
    made |= {name: np.array([600.1 + at, np.nan]) for at, name in enumerate(PRICES)}
    return made | columns


def vintage(**columns: np.ndarray) -> Table:
    bars = raw_bars("SPY", 50)
    names = ("session", "open", "high", "low", "close", "volume", "dividend", "split")
    made = {name: getattr(bars, name).copy() for name in names}
    made["close"][7] = np.nan
    return made | {"ticker": np.full(50, "SPY", object)} | columns


def scores(**columns: np.ndarray) -> Table:
    """The scores of a forecast at two horizons."""
    one = bars("SPY", 20)
    made = np.sort(np.random.default_rng(3).normal(0, 0.01, (1, 2, 11)), axis=-1)
    scored = score_quantiles(one, one.session[10:11], made, "forecaster", "2026-11-01.abc")
    of_record: Table = {
        "mode": text("live", "live"),
        "in_sample": np.array([False, True]),
        "lower_95": np.array([599.5, 598.25]),
        "upper_95": np.array([611.5, 613.0]),
    }
    return dict(scored) | of_record | columns


def empty(table: str) -> Table:
    return {field.name: np.empty(0, DTYPES[field.type]) for field in SCHEMAS[table]}


def assert_same(decoded: Table, table: Table) -> None:
    assert set(decoded) == set(table)
    for name, column in decoded.items():
        assert column.dtype == table[name].dtype, name
        np.testing.assert_array_equal(column, table[name], err_msg=name, strict=True)


def written(path: Path, table: pa.Table) -> bytes:
    pq.write_table(table, path)
    return path.read_bytes()


class TestRoundTrip:
    @pytest.mark.parametrize(
        ("name", "table"),
        [
            ("forecasts", forecasts()),
            ("bars", vintage()),
            ("scores", scores()),
            ("forecasts", empty("forecasts")),
            ("bars", empty("bars")),
            ("scores", empty("scores")),
        ],
        ids=["forecasts", "bars", "scores", "no-forecasts", "no-bars", "no-scores"],
    )
    def test_columns_and_metadata_come_back(self, name: str, table: Table) -> None:
        decoded, metadata = TABLES.decode(name, TABLES.encode(name, table, METADATA))
        assert_same(decoded, table)
        assert list(decoded) == SCHEMAS[name].names
        assert metadata == METADATA

    def test_no_metadata_comes_back_as_none(self) -> None:
        assert TABLES.decode("bars", TABLES.encode("bars", vintage(), {}))[1] == {}

    def test_rows_keep_their_order(self) -> None:
        table = {name: column[::-1] for name, column in vintage().items()}
        assert_same(TABLES.decode("bars", TABLES.encode("bars", table, {}))[0], table)

    def test_extreme_numbers_come_back(self) -> None:
        extreme = np.array(
            [-0.0, 5e-324, 1.7976931348623157e308, np.inf, -np.inf, 0.1] + [1.0] * 44
        )
        decoded, _ = TABLES.decode("bars", TABLES.encode("bars", vintage(volume=extreme), {}))
        assert decoded["volume"].tobytes() == extreme.tobytes()

    def test_nan_is_null_in_the_file(self) -> None:
        read = pq.read_table(pa.BufferReader(TABLES.encode("forecasts", forecasts(), {})))
        assert {name: read[name].null_count for name in PRICES} == dict.fromkeys(PRICES, 1)
        assert read["sigma"].to_pylist() == [602.1, None]


class TestDeterminism:
    def test_equal_tables_give_equal_bytes(self) -> None:
        assert TABLES.encode("bars", vintage(), METADATA) == TABLES.encode(
            "bars", vintage(), METADATA
        )

    def test_neither_the_order_of_columns_nor_of_metadata_matters(self) -> None:
        backwards = dict(reversed(forecasts().items()))
        assert TABLES.encode("forecasts", backwards, dict(reversed(METADATA.items()))) == (
            TABLES.encode("forecasts", forecasts(), METADATA)
        )

    def test_neither_memory_layout_nor_the_kind_of_nan_matters(self) -> None:
        strided = {name: np.repeat(column, 2)[::2] for name, column in vintage().items()}
        strided["close"][7] = -np.nan
        assert TABLES.encode("bars", strided, {}) == TABLES.encode("bars", vintage(), {})

    def test_decoded_and_encoded_again_the_bytes_are_equal(self) -> None:
        data = TABLES.encode("forecasts", forecasts(), METADATA)
        assert TABLES.encode("forecasts", *TABLES.decode("forecasts", data)) == data


class TestOtherReaders:
    @pytest.mark.parametrize("name", ["bars", "baselines", "forecasts", "scores"])
    def test_the_schema_in_the_file_is_the_golden_one(self, name: str) -> None:
        data = TABLES.encode(name, empty(name), METADATA)
        read = pq.read_schema(pa.BufferReader(data)).remove_metadata()
        assert f"{read}\n" == (GOLDEN / f"{name}.schema.txt").read_text()

    @pytest.mark.parametrize(
        ("name", "table"), [("bars", vintage()), ("forecasts", forecasts()), ("scores", scores())]
    )
    def test_the_file_uses_only_what_athena_reads(self, name: str, table: Table) -> None:
        file = pq.ParquetFile(pa.BufferReader(TABLES.encode(name, table, METADATA)))
        for at in range(len(file.schema)):
            column = file.schema.column(at)
            assert column.physical_type in {*("BOOLEAN", "INT32", "INT64", "DOUBLE", "BYTE_ARRAY")}
            assert column.max_repetition_level == 0
            chunk = file.metadata.row_group(0).column(at)
            assert chunk.compression == "SNAPPY"
            assert set(chunk.encodings) <= {"PLAIN", "RLE", "RLE_DICTIONARY"}

    def test_an_instant_is_milliseconds_of_utc(self) -> None:
        file = pq.ParquetFile(pa.BufferReader(TABLES.encode("forecasts", forecasts(), {})))
        kind = str(file.schema.column(file.schema.names.index("issued_at")).logical_type)
        assert "isAdjustedToUTC=true, timeUnit=milliseconds" in kind

    def test_no_foreign_metadata_is_added(self) -> None:
        file = pq.ParquetFile(pa.BufferReader(TABLES.encode("bars", vintage(), {"a": "b"})))
        assert file.metadata.metadata == {b"a": b"b"}

    @pytest.fixture
    def published(self, tmp_path: Path) -> Path:
        for month, origin in [("2026-11", "2026-11-20"), ("2026-12", "2026-12-01")]:
            folder = tmp_path / "forecasts" / f"month={month}"
            folder.mkdir(parents=True)
            data = TABLES.encode("forecasts", forecasts(origin), METADATA | {"origin": origin})
            (folder / f"{origin}.00.parquet").write_bytes(data)
        return tmp_path / "forecasts"

    def test_pyarrow_reads_all_months_as_one_dataset(self, published: Path) -> None:
        dataset = ds.dataset(published, partitioning="hive")
        expected = SCHEMAS["forecasts"].append(pa.field("month", pa.string()))
        assert dataset.schema.remove_metadata().equals(expected)
        december = dataset.to_table(filter=ds.field("month") == "2026-12")
        assert december["origin_date"].to_pylist() == [date(2026, 12, 1)] * 2

    def test_pandas_reads_all_months_as_one_frame(self, published: Path) -> None:
        frame = pd.read_parquet(published)
        assert list(frame.columns) == [*SCHEMAS["forecasts"].names, "month"]
        assert frame["ticker"].tolist() == ["SPY", "QQQ"] * 2
        assert frame["prediction"].isna().tolist() == [False, True] * 2
        assert frame["horizon"].dtype == np.int32
        assert frame["issued_at"][0] == datetime(2026, 11, 20, 23, 30, 0, 123_000, tzinfo=UTC)


class TestEncodeRefuses:
    def assert_refused(self, columns: Table, match: str, table: str = "forecasts") -> None:
        with pytest.raises(StoreError, match=match):
            TABLES.encode(table, columns, {})

    def test_an_unknown_table(self) -> None:
        self.assert_refused({}, UNKNOWN_TABLE, "nonsense")

    def test_a_missing_column(self) -> None:
        columns = forecasts()
        del columns["sigma"]
        self.assert_refused(columns, r"forecasts: expected columns \['sigma'\], got \['ticker'")

    def test_an_unexpected_column(self) -> None:
        self.assert_refused(forecasts(model=text("a", "b")), r"got \['model'\] besides")

    def test_a_column_of_another_length(self) -> None:
        self.assert_refused(
            forecasts(sigma=np.ones(3)),
            r"expected sigma as float64 of shape \(2,\), got float64 of shape \(3,\)",
        )

    @pytest.mark.parametrize(
        ("name", "column"),
        [
            ("sigma", np.ones(2, np.float32)),
            ("sigma", np.ones((2, 1))),
            ("sigma", np.array(["1", "2"])),
            ("horizon", np.ones(2, np.int64)),
            ("origin_date", np.array(["2026-11-20"] * 2, "datetime64[ns]")),
            ("issued_at", np.array(["2026-11-20"] * 2, "datetime64[us]")),
            ("ticker", np.array(["SPY", "QQQ"])),
        ],
    )
    def test_a_column_of_another_dtype_or_shape(self, name: str, column: np.ndarray) -> None:
        self.assert_refused(
            forecasts(**{name: column}), f"expected {name} as .* got {re.escape(str(column.dtype))}"
        )

    @pytest.mark.parametrize(
        ("name", "column"),
        [
            ("ticker", text("SPY", None)),
            ("status", text("ok", None)),
            ("origin_date", np.array(["2026-11-20", "NaT"], "datetime64[D]")),
            ("issued_at", np.array(["2026-11-20", "NaT"], "datetime64[ms]")),
        ],
    )
    def test_a_null_where_none_may_be(self, name: str, column: np.ndarray) -> None:
        self.assert_refused(
            forecasts(**{name: column}), f"expected no null in {name}, got one in row 1"
        )

    @pytest.mark.parametrize("value", [3, np.nan, b"\xff", "\ud800"])
    def test_what_is_no_text_in_a_text_column(self, value: Any) -> None:
        self.assert_refused(
            forecasts(ticker=np.array(["SPY", value], object)),
            "expected columns of the schema, got",
        )

    def test_columns_that_are_no_columns(self) -> None:
        scalars = {name: column[0:1].reshape(()) for name, column in forecasts().items()}
        self.assert_refused(scalars, r"expected ticker .* got object of shape \(\)")


class TestDecodeRefuses:
    def assert_refused(self, data: bytes, match: str, table: str = "forecasts") -> None:
        with pytest.raises(StoreError, match=match):
            TABLES.decode(table, data)

    def test_an_unknown_table(self) -> None:
        self.assert_refused(
            b"",
            UNKNOWN_TABLE,
            "nonsense",
        )

    @pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1PAR1", b"Date,Open\n", b"\x00" * 4096])
    def test_bytes_that_are_no_parquet(self, data: bytes) -> None:
        self.assert_refused(data, "expected a whole Parquet file, got")

    def test_every_truncation(self) -> None:
        data = TABLES.encode("bars", vintage(), METADATA)
        for length in range(0, len(data), 7):
            self.assert_refused(data[:length], "expected a whole Parquet file, got", "bars")

    def test_a_damaged_byte_unless_the_columns_are_right_all_the_same(self) -> None:
        table = forecasts()
        data = TABLES.encode("forecasts", table, {})
        refused = 0
        for at in range(0, len(data), 3):
            damaged = bytearray(data)
            damaged[at] ^= 0xFF
            try:
                decoded, _ = TABLES.decode("forecasts", bytes(damaged))
            except StoreError:
                refused += 1
            else:
                assert_same(decoded, table)
        assert refused > len(data) / 3 / 4

    def test_another_table_s_file(self) -> None:
        data = TABLES.encode("bars", vintage(), {})
        self.assert_refused(
            data, r"forecasts: expected \['origin_date: date32.* got \['session: date32"
        )

    def test_a_column_of_another_type(self, tmp_path: Path) -> None:
        table = pq.read_table(pa.BufferReader(TABLES.encode("forecasts", forecasts(), {})))
        at = table.schema.get_field_index("sigma")
        changed = table.set_column(at, "sigma", table["sigma"].cast(pa.float32()))
        self.assert_refused(
            written(tmp_path / "a.parquet", changed),
            r"expected \['sigma: double'\] in the file, got \['sigma: float'\]",
        )

    def test_columns_in_another_order(self, tmp_path: Path) -> None:
        table = pq.read_table(pa.BufferReader(TABLES.encode("forecasts", forecasts(), {})))
        backwards = table.select(table.column_names[::-1])
        self.assert_refused(
            written(tmp_path / "a.parquet", backwards), r"got \['issued_at: timestamp"
        )

    def test_nothing_of_arrow_s_own_metadata_comes_back(self, tmp_path: Path) -> None:
        table = pq.read_table(pa.BufferReader(TABLES.encode("bars", vintage(), {})))
        data = written(tmp_path / "a.parquet", table.replace_schema_metadata({"pandas": "{}"}))
        assert TABLES.decode("bars", data)[1] == {}
