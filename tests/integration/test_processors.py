"""The same sessions on other processors: every object of the record has equal bytes.

What a processor is taken for is set by the environment of a process of its own, which says by
which kernels it computed: a setting that this machine does not take is a failure, not a pass.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy._core import _multiarray_umath as umath

from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.grid import round_decimals, round_digits
from tests.support.golden_sessions import TICKERS

ROOT = Path(__file__).resolve().parents[2]
X86_LINUX = platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"
NEWER = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]]
AVX512 = [name for name in NEWER if name in {"X86_V4", "AVX512_ICL", "AVX512_SPR"}]
# By both spellings that the C library has had for its functions with fused products.
NO_FMA = "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX2_Usable,-FMA_Usable,-FMA4_Usable"

OLD_LOOPS = {"NPY_DISABLE_CPU_FEATURES": " ".join(NEWER)}
OLD_BLAS = {"OPENBLAS_CORETYPE": "Prescott"}
OLD_LIBM = {"GLIBC_TUNABLES": NO_FMA}


@dataclass(frozen=True)
class Setting:
    """Variables of a process, and which of its kernels are then others, on what machines."""

    name: str
    variables: Mapping[str, str]
    others: set[str]
    here: bool


_SETTINGS = [
    Setting("all of it old", OLD_LOOPS | OLD_BLAS | OLD_LIBM, {"numpy", "blas", "libm"}, X86_LINUX),
    Setting("old loops of NumPy", OLD_LOOPS, {"numpy"}, bool(NEWER)),
    Setting("no AVX-512", {"NPY_DISABLE_CPU_FEATURES": " ".join(AVX512)}, {"numpy"}, bool(AVX512)),
    Setting("an old BLAS", OLD_BLAS, {"blas"}, X86_LINUX),
    Setting("another BLAS", {"OPENBLAS_CORETYPE": "Sandybridge"}, {"blas"}, X86_LINUX),
    Setting("no fused products in the C library", OLD_LIBM, {"libm"}, X86_LINUX),
]
SETTINGS = [setting for setting in _SETTINGS if setting.here]


@dataclass(frozen=True)
class Computed:
    kernels: Mapping[str, list[str]]
    objects: Mapping[str, bytes]


def compute(folder: Path, variables: Mapping[str, str]) -> Computed:
    """Make the golden sessions in a process of its own."""
    chosen = {"NPY_DISABLE_CPU_FEATURES", "OPENBLAS_CORETYPE", "GLIBC_TUNABLES"}
    kept = {name: value for name, value in os.environ.items() if name not in chosen}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.golden_sessions", str(folder)],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), **variables},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    paths = [path for path in folder.rglob("*") if path.is_file()]
    objects = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    return Computed(json.loads(done.stdout), objects)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Computed:
    return compute(tmp_path_factory.mktemp("here"), {})


def mark_all_but_the_first(settings: Sequence[Setting]) -> list[Any]:
    """Return the settings as parameters, of which but one are slow: it has all in it."""
    return [
        pytest.param(setting, marks=[pytest.mark.slow] if place else [], id=setting.name)
        for place, setting in enumerate(settings)
    ]


@pytest.mark.parametrize("setting", mark_all_but_the_first(SETTINGS))
def test_every_object_has_equal_bytes(setting: Setting, here: Computed, tmp_path: Path) -> None:
    there = compute(tmp_path, setting.variables)
    others = {kind for kind in here.kernels if there.kernels[kind] != here.kernels[kind]}
    # NumPy's loops may bring their own logarithm, so more may be others than what was set.
    assert others >= setting.others, "this machine does not take the setting"
    assert there.objects.keys() == here.objects.keys()
    assert [key for key in here.objects if there.objects[key] != here.objects[key]] == []


def test_the_sessions_have_all_that_is_published(here: Computed) -> None:
    kinds = {key.partition("/")[0] for key in here.objects}
    tables = {"bars", "forecasts", "baselines", "scores", "scenarios", "templates"}
    tables |= {"scenario_scores"}
    views = {"latest.json", "track_record.json", "history.json", "scenarios.bin", "index.html"}
    records = {"calibration", "runs", "answers", "bundles", "claims", "backfills", "store.json"}
    assert kinds == tables | views | records


PRICES = ("prediction", "last_close", "realised_close", "lower_", "upper_")
# In documents: what is a price or may be any size. All else is a return, a score or a share.
DIGITS = {*PRICES, "intervals", "interval_95", "confidence_gap", "e_values"}


@pytest.mark.parametrize("table", ["forecasts", "baselines", "scores"])
def test_every_number_of_every_table_is_on_the_grid(table: str, here: Computed) -> None:
    keys = [key for key in here.objects if key.startswith(f"{table}/")]
    assert len(keys) >= 12
    for key in keys:
        columns, _ = ParquetTables().decode(table, here.objects[key])
        for name, column in columns.items():
            if column.dtype == np.float64:
                rounding = round_digits if name.startswith(PRICES) else round_decimals
                assert np.array_equal(rounding(column), column, equal_nan=True), (key, name)


def numbers(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield every number that is no whole one, with the names that lead to it."""
    if isinstance(value, float):
        yield path, value
    for name, within in value.items() if isinstance(value, dict) else ():
        yield from numbers(within, (*path, name))
    for within in value if isinstance(value, list) else ():
        yield from numbers(within, path)


@pytest.mark.parametrize("kind", ["calibration/", "latest.json", "track_record.json", "answers/"])
def test_every_number_of_every_document_is_on_the_grid(kind: str, here: Computed) -> None:
    documents = {key: data for key, data in here.objects.items() if key.startswith(kind)}
    of_all = [
        (key, *at) for key, data in documents.items() for at in numbers(msgspec.json.decode(data))
    ]
    assert len(of_all) >= len(TICKERS)
    for key, path, number in of_all:
        rounding = round_digits if DIGITS.intersection(path) else round_decimals
        assert rounding(number) == number, (key, path, number)
