"""A file that a person names is whole, or as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.whole_file import writing
from pipeline.errors import ConfigError, StoreError


def test_what_is_written_gets_its_name_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "a file.csv"
    with writing(out, force=False) as file:
        file.write(b"all of it")
        assert not out.exists()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"all of it"]


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, ValueError, MemoryError])
def test_nothing_is_left_of_what_was_stopped(tmp_path: Path, trouble: type[BaseException]) -> None:
    with pytest.raises(trouble), writing(tmp_path / "x.csv", force=False) as file:
        file.write(b"half")
        raise trouble
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_that_says_so(tmp_path: Path) -> None:
    expected = "expected to write .*x.csv, got No space left on device"
    with pytest.raises(StoreError, match=expected), writing(tmp_path / "x.csv", force=False):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_comes_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "x.csv"
    with pytest.raises(ConfigError, match="--force"), writing(out, force=False):
        out.write_text("another's")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["another's"]


def test_force_replaces_a_file_and_nothing_else(tmp_path: Path) -> None:
    out, link, folder = tmp_path / "x.csv", tmp_path / "link.csv", tmp_path / "folder.csv"
    out.write_text("before")
    with writing(out, force=True) as file:
        file.write(b"after")
    assert out.read_text() == "after"
    folder.mkdir()
    link.symlink_to(out)
    for other in (link, folder, Path("/dev/null")):
        with pytest.raises(ConfigError, match="expected a file"), writing(other, force=True):
            pass
    assert Path("/dev/null").is_char_device()
