"""What a store may hold that no run wrote: names of strangers, values that no field expects."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

from pipeline.encoding import sha256, to_json
from pipeline.errors import ForecasterError, StoreError
from pipeline.forecasting.model import Model
from pipeline.jobs.explain import explain
from pipeline.jobs.replay import replay
from pipeline.jobs.status import read_status
from pipeline.jobs.verify import verify
from pipeline.record.manifest import RunManifest
from pipeline.serving.cached_views import CachedViews
from pipeline.serving.on_demand import OnDemand
from pipeline.serving.published import answer_from_latest
from pipeline.serving.requests import parse_request
from pipeline.views.refresh import refresh_views
from pipeline.views.session import read_session
from tests.support.builders import bar_rows
from tests.support.fakes import MemoryObjects
from tests.support.records import (
    CALENDAR,
    LONG_AFTER,
    SESSIONS,
    TABLES,
    evening,
    job_on,
    market,
    run,
    run_days,
)

SPAN = SESSIONS[-4:]
HEAD = f"runs/{SPAN[2]}.00.json"

# No run makes these, and no reader may take them for what they look like.
STRANGERS = (
    "_SUCCESS",
    "desktop.ini",
    ".DS_Store",
    "bars/.DS_Store",
    "month=2026-11_$folder$",
    "forecasts/month=2026-11_$folder$",
    "runs/",
    "runs/_SUCCESS",
    "runs/0.txt",
    "runs/note.json",
    "runs/2026-11-20.00.json.bak",
    "runs/2026-11-20.00.json/x",
    "runs/2026-11-20.00.JSON",
    "Runs/2026-11-20.00.json",
    "runs/2026-02-30.00.json",
    "runs/2026-11-20.0.json",
    "runs/2026-11-20.100.json",
    f"runs/2026-11-20.{'9' * 40}.json",
    "runs/2026-11-20.٠٠.json",
    "runs/2026-11-20.00.json\n",
    "runs/9999-99-99.00.json",
    "runs/old/2026-11-20.00.json",
    f"runs/{'9' * 1100}.json",
    "claims/last.json",
    f"claims/{'A' * 64}.json",
    "backfills/2026-11.json",
    "bars/month=2026-11/2026-11-20.00 (1).parquet",
    "bars/month=2026-12/2026-11-20.00.parquet",
    "bars/2026-11-20.00.parquet",
    "bars/month=2099-12/2099-12-32.00.parquet",
    "scores/month=2027-01/2026-11-20.00.parquet",
    "bundles/2024-12-31-000000000000/model (copy).onnx",
    "calibration/2026-11-20.00.json~",
    "latest.json.tmp",
    "né à Zürich.txt",
    "\x1b[31mred",
    "\udcff",
)

stranger_names = st.sampled_from(STRANGERS) | st.builds(
    "{}{}".format,
    st.sampled_from(["", "runs/", "bars/month=2024-12/", "claims/", f"runs/{SPAN[3]}."]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
)

# Values that decoders or arithmetic may stumble over.
hostile_values = st.sampled_from(
    [
        *(None, True, -1, 0, 1, 65, 99, 100, 10**40, 300_000_000, -(2**63), 1e308, -0.5, 1e-320),
        *("", "x", "x" * 2000, "\x1b[31m", "\x00", "../../x", "ok", "withheld:", "live"),
        *("0001-01-01", "9999-12-31", "2024-12-28", "0001-01-01T00:00:00+23:59"),
        *("9999-12-31T23:59:59-23:59", "2024-12-27T23:59:59", "f" * 64),
        *([], [[]], {}, {"": {}}, {"SPY": "ok"}, {"x": 1}, [0] * 70, ["SPY"] * 3),
    ]
)


def record(model: Model) -> MemoryObjects:
    """Return a record of three sessions that has its claims and views."""
    return run_days(model, SPAN[:3])


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything inside plain values."""
    inside = value.items() if isinstance(value, dict) else ()
    inside = enumerate(value) if isinstance(value, list) else inside
    for step, item in inside:
        yield (*path, step)
        yield from places(item, (*path, step))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return plain values with another value at a path."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


def without(value: Any, path: tuple[Any, ...]) -> Any:
    """Return plain values without what is at a path."""
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = without(copy[path[0]], path[1:])
    return copy


@st.composite
def mutated_json(draw: st.DrawFn, data: bytes) -> bytes:
    """Return a document of which one value is another, or missing."""
    value = msgspec.json.decode(data)
    path = draw(st.sampled_from(sorted(places(value), key=repr)))
    if draw(st.booleans()):
        return to_json(changed(value, path, draw(hostile_values)))
    return to_json(without(value, path))


@st.composite
def mutated_table(draw: st.DrawFn, name: str, data: bytes) -> bytes:
    """Return a table with a value, a row or its metadata changed; its schema stays."""
    columns, metadata = TABLES.decode(name, data)
    columns = {column: values.copy() for column, values in columns.items()}
    which = draw(st.sampled_from(["cell", "rows", "metadata"]))
    if which == "metadata" and metadata:
        read = draw(mutated_json(metadata["read"].encode()))
        return TABLES.encode(name, columns, {"read": read.decode()})
    if which == "rows":
        rows = draw(st.sampled_from([slice(0), slice(None, None, -1), slice(1), slice(1, None)]))
        return TABLES.encode(name, {c: v[rows] for c, v in columns.items()}, metadata)
    column = columns[draw(st.sampled_from(sorted(columns)))]
    with np.errstate(over="ignore"):  # a number of twice the bits is infinite here
        column[draw(st.integers(0, len(column) - 1))] = draw(_hostile_cells(column.dtype))
    try:
        return TABLES.encode(name, columns, metadata)
    except StoreError:  # a null where the file allows none: nobody can store it
        reject()


def _hostile_cells(dtype: np.dtype[Any]) -> st.SearchStrategy[Any]:
    values: dict[str, list[Any]] = {
        "f": [np.nan, np.inf, -np.inf, 0.0, -1.0, 1.79e308, 5e-324],
        "M": [np.datetime64(at, "D") for at in (-(2**31), 2**31 - 1, 0, 20_086)],
        "i": [-1, 0, 6, 2**31 - 1],
        "O": ["", "x" * 1000, "SPY", "ok", "withheld:nonsense", "\x00", "9999-12-31"],
        "b": [True, False],
    }
    return st.sampled_from(values[dtype.kind])


def relinked(objects: Mapping[str, bytes], key: str, data: bytes) -> dict[str, bytes]:
    """Return the objects with other bytes under a key that the newest manifest then names."""
    head = msgspec.json.decode(objects[HEAD], type=RunManifest)
    named = {**head.objects, key: sha256(data)} if key in head.objects else head.objects
    manifest = to_json(msgspec.structs.replace(head, objects=named))
    return {**objects, HEAD: manifest, key: data}


def uses(model: Model, objects: Mapping[str, bytes]) -> dict[str, Callable[[], object]]:
    """Return everything that is done with a store, each on a store of its own."""

    def opened() -> MemoryObjects:
        return MemoryObjects(objects)

    def ask() -> None:
        views = CachedViews(opened().read, lambda: 0.0)
        answer_from_latest(views.latest(), "SPY")
        rows = msgspec.json.encode({"bars": bar_rows(market()["SPY"])[-200:], "ticker": "SPY"})
        OnDemand(model, views).predict(parse_request(rows))

    def read_track_record() -> None:
        CachedViews(opened().read, lambda: 0.0).track_record()

    return {
        "run": lambda: run(job_on(model, opened(), market()), evening(SPAN[3])),
        "run again": lambda: run(job_on(model, opened(), market()), evening(SPAN[2], 23)),
        "show": lambda: read_session(opened(), TABLES, SPAN[2]).document(),
        "status": lambda: read_status(opened(), CALENDAR, LONG_AFTER),
        "verify": lambda: verify(opened(), TABLES, CALENDAR),
        "replay": lambda: replay(opened(), TABLES, CALENDAR, SPAN[2]),
        "explain": lambda: explain(opened(), TABLES, "SPY"),
        "views": lambda: refresh_views(opened(), TABLES),
        "GET /forecasts/SPY": ask,
        "GET /track-record": read_track_record,
    }


def assert_every_use_ends_well(model: Model, objects: Mapping[str, bytes]) -> None:
    """Let nothing but errors of ours out, whatever the store holds."""
    for name, use in uses(model, objects).items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # of numbers beyond all numbers
                use()
        except ForecasterError:
            pass
        except BaseException as exc:
            exc.add_note(f"by {name}")
            raise
