"""Clean bars: what was checked, written to a folder as `--bars` reads it without a question."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.bars import ORIGIN_FILE, RawBars
from pipeline.errors import StoreError
from pipeline.jobs.check_bars import SHOWN, CheckedBars
from pipeline.ports import ObjectStore

Encode = Callable[[RawBars, str | None], bytes]  # bars and what their prices are in


def write_clean(
    checked: CheckedBars, folder: ObjectStore, suffix: str, encode: Encode
) -> list[str]:
    """Write all bars that could be read to a file each, and their origin; return the names.

    Raises
    ------
    StoreError
        When one is there already, or cannot be written.
    """
    bars = {f"{t}.{suffix}": each.bars for t, each in checked.tickers.items() if each.bars}
    present = [name for name in (*bars, ORIGIN_FILE) if folder.read(name) is not None]
    if present:
        raise StoreError(
            f"expected a folder without {', '.join(present[:SHOWN])}, got "
            f"{folder.url(present[0])}; name another one"
        )
    for name, raw in bars.items():
        folder.create(name, encode(raw, checked.currencies.get(raw.ticker)))
    if bars:
        folder.create(ORIGIN_FILE, f"{checked.source}\n".encode())
    return list(bars)
