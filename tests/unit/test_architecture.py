"""What import-linter cannot see: weights, environment, clock, empty packages."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

MARKS = re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE)
ROOT = Path(__file__).resolve().parents[2]
PIPELINE = [path for path in (ROOT / "pipeline").rglob("*.py") if "training" not in path.parts]
# The process that answers one window may load none of these.
HEAVY = (
    "pandas", "pyarrow", "yfinance", "exchange_calendars", "boto3", "botocore", "torch", "sklearn",
    "scipy", "onnx", "pydantic", "arch", "aws_lambda_powertools", "typer", "rich", "cryptography",
    "jinja2",
)  # fmt: skip


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*(name.split('.')[0] for name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


def test_the_spine_loads_no_heavy_library() -> None:
    loaded = modules_after(
        "import pipeline.forecasting.forecast, pipeline.record.chain, pipeline.ports"
    )
    assert loaded.isdisjoint(HEAVY)


def test_the_on_demand_function_loads_no_heavy_library() -> None:
    settings = "os.environ.update(FORECASTER_STORE='s3://bucket', FORECASTER_AUTH='none')"
    loaded = modules_after(f"import os; {settings}; import handlers.on_demand")
    assert "onnxruntime" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_a_folder_store_loads_no_boto3() -> None:
    loaded = modules_after("from pipeline.wiring import open_store; open_store('/tmp/none')")
    assert loaded.isdisjoint({"boto3", "botocore"})


PACKAGES = [
    folder.relative_to(ROOT)
    for top in ("handlers", "pipeline")
    for folder in (ROOT / top, *(ROOT / top).rglob("*"))
    if any(folder.glob("*.py"))
]


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_a_package_imports_nothing(package: Path) -> None:
    assert (ROOT / package / "__init__.py").read_text() == ""


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text())))


@pytest.mark.parametrize(("package", "most"), [("pipeline", 21), ("handlers", 10)])
def test_a_newcomer_reads_the_architecture_off_ls(package: str, most: int) -> None:
    entries = {path.name for path in (ROOT / package).iterdir()} - {"__pycache__", "__init__.py"}
    assert len(entries) <= most


def test_a_module_fits_on_a_few_screens() -> None:
    modules = [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "handlers").rglob("*.py")]
    lines = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in modules}
    assert {path: n for path, n in lines.items() if n > 200} == {}


def names_used(path: Path) -> set[str]:
    return {
        f"{node.value.id}.{node.attr}"
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


AMBIENT = {"os.environ", "os.getenv", "datetime.now", "date.today", "datetime.utcnow", "time.time"}
# The command line may ask for today; ONNX Runtime and the libraries of workers listen to nothing
# but the environment.
EXCEPTIONS = {
    "options.py": {"datetime.now"},
    "model.py": {"os.environ"},
    "processes.py": {"os.environ"},
}


@pytest.mark.parametrize("path", PIPELINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_pipeline_reads_neither_environment_nor_clock(path: Path) -> None:
    assert names_used(path) & AMBIENT == EXCEPTIONS.get(path.name, set())


def test_onnx_runtime_reports_nothing_to_its_maker(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    command = [sys.executable, "-c", "import pipeline.forecasting.model"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


VENDORS = {
    "yfinance": "session.py translate.py yahoo_bars.py",
    "curl_cffi": "session.py translate.py",
    "exchange_calendars": "calendar.py closures.py hours.py",
    "pyarrow": "arrow_columns.py csv_cells.py days.py groups.py numbers.py parquet_file.py "
    "parquet_tables.py schemas.py",
    "boto3": "clients.py errors.py",
    "botocore": "clients.py errors.py",
    "urllib3": "errors.py",
    "cryptography": "ed25519.py",
    "openpyxl": "excel_workbook.py",
    "matplotlib": "fan_figure.py notebook_axes.py",
    "jinja2": "render.py",  # It touches nothing outside: the page's room is its adapter.
}


@pytest.mark.parametrize(("vendor", "homes"), VENDORS.items(), ids=VENDORS.keys())
def test_a_vendor_library_lives_in_its_adapters(vendor: str, homes: str) -> None:
    users = {
        path.name
        for path in PIPELINE
        for node in nodes_of(path)
        if vendor in {name.split(".")[0] for name in imported(node)}
    }
    assert users == set(homes.split())


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []


def test_no_file_has_the_marks_of_a_merge() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    marked = [path.name for path in paths if MARKS.search(path.read_bytes())]
    assert marked == []
