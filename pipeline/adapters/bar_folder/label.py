"""Label: where a folder's bars come from, one line of text in its origin.txt."""

from __future__ import annotations

from pipeline.adapters.bar_folder.places import Place
from pipeline.adapters.bar_folder.text import decode_text
from pipeline.bars import ORIGIN_FILE
from pipeline.errors import ConfigError

LONGEST_LABEL = 500  # bytes of it, white space around it included


def read_label(place: Place) -> str:
    """Return the label, the kind of place without an origin.txt: where it lies says nothing of it.

    Raises
    ------
    ConfigError
        When the file is no file, or holds no label.
    OSError, StoreError
        When it cannot be read.
    """
    if ORIGIN_FILE not in place.list_names():
        return place.kind
    if not place.is_file(ORIGIN_FILE):
        where = f"{place.where}/{ORIGIN_FILE}"
        raise ConfigError(f"{where}: expected a text file, got something else")
    return _parse_label(place.read(ORIGIN_FILE, LONGEST_LABEL), f"{place.where}/{ORIGIN_FILE}")


def _parse_label(data: bytes, where: str) -> str:
    try:
        label = decode_text(data).strip()
    except ValueError as exc:
        raise ConfigError(f"{where}: {exc}") from exc
    if not label or not label.isprintable() or len(data) > LONGEST_LABEL:
        raise ConfigError(
            f"{where}: expected one line of up to {LONGEST_LABEL} bytes that names where the bars "
            f"come from, got {label[:50]!r}"
        )
    return label
