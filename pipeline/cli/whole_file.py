"""Whole file: a file that a person named is written whole, or is as it was before."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import ConfigError, StoreError


def require_free(path: Path, *, force: bool) -> None:
    """Raise ConfigError where no file can be made, or one lies that is not to be replaced."""
    if not path.parent.is_dir():
        raise ConfigError(f"--out: expected a folder that exists, got {str(path.parent)!r}")
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise ConfigError(f"--out: expected a file, got {str(path)!r}, which is none")
    if path.exists() and not force:
        raise ConfigError(f"--out: expected a new file, got {str(path)!r}; --force replaces it")


@contextmanager
def writing(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    """Yield a file that gets its name once all of it is on disk; else nothing is left of it.

    Raises
    ------
    ConfigError
        As `require_free`.
    StoreError
        When the disk does not take it.
    """
    require_free(path, force=force)
    hidden = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with hidden.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        require_free(path, force=force)
        hidden.replace(path)
    except OSError as exc:
        raise StoreError(
            f"--out: expected to write {path}, got {exc.strerror or exc}; nothing was left there"
        ) from exc
    finally:
        hidden.unlink(missing_ok=True)
