"""docs/bars.md names every layout that is understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.adapters.bar_folder.csv_file import HISTORY
from pipeline.adapters.bar_folder.dialects import DIALECTS, DOWNLOAD, PLAIN

TEXT = (Path(__file__).parents[2] / "docs" / "bars.md").read_text(encoding="utf-8")
VENDORS = [dialect.name.split()[0] for dialect in DIALECTS if dialect is not PLAIN]


@pytest.mark.parametrize("name", [*VENDORS, *HISTORY.split(), *DOWNLOAD.name.split()])
def test_a_layout_is_named(name: str) -> None:
    assert name.removesuffix("()") in TEXT


def test_the_first_layout_has_the_columns_of_the_code() -> None:
    assert ",".join(PLAIN.list_names()) in TEXT
