"""An object made again: equal, equal on the grid, or changed; no forgery passes for rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.encoding import sha256
from pipeline.errors import StoreError
from pipeline.forecasting.model import Model
from pipeline.grid import are_neighbours, round_decimals, round_digits
from pipeline.jobs.replay import replay
from pipeline.record.compare import Comparison, compare
from pipeline.record.state import State
from tests.support.fakes import MemoryObjects
from tests.support.records import CALENDAR, SESSIONS, TABLES, run_days

SPAN = SESSIONS[-6:]
KEYS = {
    name: f"{name}/month=2024-12/{SPAN[-1]}.00.parquet"
    for name in ("forecasts", "baselines", "scores")
}
STATE = f"calibration/{SPAN[-1]}.00.json"


@pytest.fixture(scope="module")
def store(model: Model) -> MemoryObjects:
    return run_days(model, SPAN)


def next_step(number: float, steps: int) -> float:
    """The number so many steps on, as it prints."""
    text = f"{number:.8e}"
    digits, exponent = text.split("e")
    return float(f"{int(digits.replace('.', '')) + steps}e{int(exponent) - 8}")


def moved(name: str, number: float, steps: float) -> float:
    prices = name.startswith(("last_close", "prediction", "lower_", "upper_", "realised_close"))
    if not prices:
        return float(f"{number + steps * 1e-10:.12f}")
    if steps == int(steps):
        return next_step(number, int(steps))
    return number + steps * (next_step(number, 1) - number)


def change_table(
    store: MemoryObjects, table: str, change: Callable[[dict[str, Any], dict[str, str]], Any]
) -> Comparison:
    """Compare a table with the same after a change of its columns or metadata."""
    stored = store.objects[KEYS[table]]
    columns, metadata = TABLES.decode(table, stored)
    columns = {name: column.copy() for name, column in columns.items()}
    change(columns, metadata)
    forged = TABLES.encode(table, columns, metadata)
    there_and_back = compare(KEYS[table], stored, forged, TABLES)
    assert compare(KEYS[table], forged, stored, TABLES) is there_and_back
    return there_and_back


def numbers_of(store: MemoryObjects, table: str) -> list[str]:
    columns, _ = TABLES.decode(table, store.objects[KEYS[table]])
    return [name for name, column in columns.items() if column.dtype == np.float64]


def test_equal_bytes_are_equal(store: MemoryObjects) -> None:
    for key, data in store.objects.items():
        assert compare(key, data, bytes(data), TABLES) is Comparison.EQUAL


@pytest.mark.parametrize("table", KEYS)
def test_any_number_may_be_one_step_off_and_no_more(store: MemoryObjects, table: str) -> None:
    for name in numbers_of(store, table):
        for steps, expected in [
            (1, Comparison.ON_GRID),
            (-1, Comparison.ON_GRID),
            (2, Comparison.CHANGED),
            (-2, Comparison.CHANGED),
            (0.5, Comparison.CHANGED),  # nearer than a step, and on no grid
            (1000, Comparison.CHANGED),
        ]:

            def move(columns: dict[str, Any], _: Any, name: str = name, by: float = steps) -> None:
                columns[name][-1] = moved(name, columns[name][-1], by)

            assert change_table(store, table, move) is expected, (name, steps)


@pytest.mark.parametrize("table", KEYS)
def test_every_number_may_be_one_step_off_at_once(store: MemoryObjects, table: str) -> None:
    def move(columns: dict[str, Any], _: Any) -> None:
        for name in numbers_of(store, table):
            columns[name][:] = [moved(name, number, 1) for number in columns[name].tolist()]

    assert change_table(store, table, move) is Comparison.ON_GRID


@pytest.mark.parametrize("table", KEYS)
def test_a_number_that_is_missing_or_no_number_is_a_change(
    store: MemoryObjects, table: str
) -> None:
    for name in numbers_of(store, table):
        for forged in (np.nan, np.inf, 0.0, -1.0):

            def forge(
                columns: dict[str, Any], _: Any, name: str = name, to: float = forged
            ) -> None:
                columns[name][0] = to

            # A score may be nought; it is a change all the same where it is another number.
            columns, _ = TABLES.decode(table, store.objects[KEYS[table]])
            if columns[name][0] != forged:
                assert change_table(store, table, forge) is Comparison.CHANGED, (name, forged)


@pytest.mark.parametrize("table", KEYS)
def test_what_is_no_number_must_be_equal(store: MemoryObjects, table: str) -> None:
    columns, _ = TABLES.decode(table, store.objects[KEYS[table]])
    others = [name for name in columns if columns[name].dtype != np.float64]
    assert len(others) >= 8
    for name in others:

        def forge(columns: dict[str, Any], _: Any, name: str = name) -> None:
            value = columns[name][0]
            if isinstance(value, str):
                columns[name][0] = f"{value}x"
            else:
                columns[name][0] = ~value if isinstance(value, np.bool_) else value + 1

        assert change_table(store, table, forge) is Comparison.CHANGED, name


@pytest.mark.parametrize("table", KEYS)
def test_rows_left_out_put_in_or_in_another_order_are_a_change(
    store: MemoryObjects, table: str
) -> None:
    n = len(TABLES.decode(table, store.objects[KEYS[table]])[0]["ticker"])
    for rows in (range(n - 1), [*range(n), 0], range(n)[::-1], []):

        def select(columns: dict[str, Any], _: Any, rows: Any = rows) -> None:
            for name, column in columns.items():
                columns[name] = column[np.array(rows, int)]

        assert change_table(store, table, select) is Comparison.CHANGED
    assert (
        change_table(store, table, lambda _, metadata: metadata.update(read="me"))
        is Comparison.CHANGED
    )


@pytest.mark.parametrize("table", KEYS)
def test_a_file_that_says_the_same_otherwise_is_a_change(store: MemoryObjects, table: str) -> None:
    """Bytes that no run writes could hold anything between them."""
    stored = store.objects[KEYS[table]]
    for forged in (b"", b"PAR1", stored[:-1], stored[:40] + stored[41:], b"{}"):
        assert compare(KEYS[table], forged, stored, TABLES) is Comparison.CHANGED
    read = pq.read_table(pa.BufferReader(stored))
    for foreign in ({"compression": "none"}, {"store_schema": True}, {"write_statistics": False}):
        sink = pa.BufferOutputStream()
        pq.write_table(read, sink, **foreign)
        forged = sink.getvalue().to_pybytes()
        np.testing.assert_equal(TABLES.decode(table, forged), TABLES.decode(table, stored))
        assert compare(KEYS[table], forged, stored, TABLES) is Comparison.CHANGED, foreign
    padded = stored[:4] + b"hidden" + stored[4:]
    assert compare(KEYS[table], padded, stored, TABLES) is Comparison.CHANGED
    assert compare(STATE, b" " + store.objects[STATE], store.objects[STATE], TABLES) is (
        Comparison.CHANGED
    )


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """Yield the path of every value in a document that has none within."""
    if not isinstance(value, (dict, list)):
        yield path
        return
    for name, within in value.items() if isinstance(value, dict) else enumerate(value):
        yield from leaves(within, (*path, name))


def test_a_state_may_be_one_step_off_in_its_numbers_alone(store: MemoryObjects) -> None:
    stored = store.objects[STATE]
    document = msgspec.json.decode(stored)
    seen = dict.fromkeys(Comparison, 0)
    for path in leaves(document):
        for steps in (1, 2):
            forged = msgspec.json.decode(stored)
            within = forged
            for name in path[:-1]:
                within = within[name]
            value = within[path[-1]]
            number = isinstance(value, float)
            within[path[-1]] = _forge(value, steps)
            comparison = compare(STATE, _as_stored(forged), stored, TABLES)
            step_of_a_number = number and steps == 1
            assert comparison is (Comparison.ON_GRID if step_of_a_number else Comparison.CHANGED), (
                path
            )
            seen[comparison] += 1
    assert seen[Comparison.ON_GRID] > 100
    assert seen[Comparison.CHANGED] > 300


def _as_stored(document: Any) -> bytes:
    """Return a state's bytes as a run writes them, or its JSON where no state can be so."""
    data = msgspec.json.encode(document)
    try:
        return State.decode(data, STATE).encode()
    except StoreError:
        return data


def _forge(value: Any, steps: int) -> Any:
    if isinstance(value, float):
        return float(f"{value + steps * 1e-10:.10f}")
    if isinstance(value, int):
        return value + steps
    if value in {"live", "as_of"}:
        return "as_of" if value == "live" else "live"
    if isinstance(value, str) and value[:4].isdigit() and len(value) == 10:
        return f"{value[:-2]}{'01' if value[-2:] != '01' else '02'}"
    return f"{value}0"


@pytest.mark.parametrize("kind", ["bars", "bundles", "runs", "claims"])
def test_inputs_and_manifests_must_have_equal_bytes(store: MemoryObjects, kind: str) -> None:
    key = next(key for key in store.objects if key.startswith(f"{kind}/"))
    data = store.objects[key]
    assert compare(key, data, data + b"\n", TABLES) is Comparison.CHANGED
    if kind == "bars":
        columns, metadata = TABLES.decode("bars", data)
        close = columns["close"].copy()
        close[-1] += 1e-10
        forged = TABLES.encode("bars", columns | {"close": close}, metadata)
        assert compare(key, forged, data, TABLES) is Comparison.CHANGED


def test_a_replay_goes_on_with_what_another_processor_rounded_otherwise(
    store: MemoryObjects,
) -> None:
    """The manifest then names the stored bytes, and comes out equal."""
    rounded = MemoryObjects(store.objects)
    key, run = KEYS["baselines"], f"runs/{SPAN[-1]}.00.json"
    columns, metadata = TABLES.decode("baselines", rounded.objects[key])
    upper = columns["upper_80"].copy()
    upper[3] = next_step(upper[3], 1)
    data = TABLES.encode("baselines", columns | {"upper_80": upper}, metadata)
    _publish_as_there(rounded, key, data, run)
    replayed = {one.key: one for one in replay(rounded, TABLES, CALENDAR, SPAN[-1])}
    assert replayed[key].comparison is Comparison.ON_GRID
    assert replayed[run].comparison is Comparison.EQUAL
    assert all(one.equal for one in replayed.values())


def _publish_as_there(store: MemoryObjects, key: str, data: bytes, run: str) -> None:
    """Put an object into the store as if the run had written it so."""
    before, after = sha256(store.objects[key]), sha256(data)
    store.objects[key] = data
    store.objects[run] = store.objects[run].replace(before.encode(), after.encode())


@pytest.mark.parametrize("rounding", [round_digits, round_decimals])
def test_neighbours_are_equal_or_one_step_apart_over_a_power_of_ten_too(rounding: Any) -> None:
    grid = {
        round_digits: [9.99999998, 9.99999999, 10.0, 10.0000001, 10.0000002],
        round_decimals: [-2e-10, -1e-10, 0.0, 1e-10, 2e-10],
    }[rounding]
    for i, ours in enumerate(grid):
        expected = [abs(i - j) <= 1 for j in range(5)]
        assert are_neighbours(rounding, [ours] * 5, grid).tolist() == expected
    odd = [np.nan, np.inf, -np.inf, 1.0]
    for number in odd:
        expected = [str(number) == str(other) for other in odd]
        assert are_neighbours(rounding, [number] * 4, odd).tolist() == expected
