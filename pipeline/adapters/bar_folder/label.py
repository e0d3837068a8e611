"""Label: where a folder's bars come from, one line of text in its origin.txt."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from pipeline.adapters.bar_folder.text import decode_text
from pipeline.bars import ORIGIN_FILE
from pipeline.errors import ConfigError

LONGEST_LABEL = 500  # bytes of it, white space around it included


def read_label(folder: Path) -> str:
    """Return the label, `folder` without an origin.txt: a path does not say where bars come from.

    Raises
    ------
    ConfigError
        When the file is no file, or holds no label.
    OSError
        When it cannot be read.
    """
    path = folder / ORIGIN_FILE
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: expected a text file, got something else")
    with path.open("rb") if path.exists() else BytesIO(b"folder") as file:
        return _parse_label(file.read(LONGEST_LABEL + 1), path)


def _parse_label(data: bytes, path: Path) -> str:
    try:
        label = decode_text(data).strip()
    except ValueError as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    if not label or not label.isprintable() or len(data) > LONGEST_LABEL:
        raise ConfigError(
            f"{path}: expected one line of up to {LONGEST_LABEL} bytes that names where the bars "
            f"come from, got {label[:50]!r}"
        )
    return label
