"""The page's library: copies of the package that package.json pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.views.page import render
from tests.support.packaged import ROOT

ASSETS, PACKAGE = Path(render.__file__).parent / "assets", ROOT / "node_modules" / "uplot"
COPIES = {
    "uplot.min.js": "dist/uPlot.iife.min.js",
    "uplot.min.css": "dist/uPlot.min.css",
    "uplot.LICENSE": "LICENSE",
}


@pytest.mark.parametrize("copy", COPIES)
def test_the_library_is_the_copy_of_the_pinned_package(copy: str) -> None:
    original = PACKAGE / COPIES[copy]
    if not original.is_file():
        pytest.skip("expected node_modules/uplot, found none: make node_modules/.made")
    assert (ASSETS / copy).read_bytes() == original.read_bytes()
