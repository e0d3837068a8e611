"""Where a folder's bars come from: what its origin.txt may say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.adapters.bar_folder.folder_bars import FolderBars
from pipeline.errors import ConfigError


def label_of(folder: Path, origin: bytes | None = None) -> str:
    folder.mkdir(exist_ok=True)
    if origin is not None:
        (folder / "origin.txt").write_bytes(origin)
    return FolderBars(folder).label


def test_a_source_is_what_its_origin_says_wherever_the_folder_lies(tmp_path: Path) -> None:
    assert label_of(tmp_path / "bars") == label_of(tmp_path / "others") == "folder"
    for origin in (b"Yahoo Finance\n", b"\xef\xbb\xbf Yahoo Finance\r\n\r\n"):
        assert label_of(tmp_path / "bars", origin) == "Yahoo Finance"
    (tmp_path / "bars").rename(tmp_path / "moved")
    assert label_of(tmp_path / "moved") == "Yahoo Finance"
    assert label_of(tmp_path / "bars", "Börse Wien, Schlusskurse".encode()) != label_of(
        tmp_path / "moved"
    )


@pytest.mark.parametrize(
    "origin",
    [b"", b" \n", b"\xff\xfeY\x00", b"two\nlines", b"a\x00b", b"\x1b[2J", b"x" * 501, b" " * 10**6]
    + ["zero\u200bwidth".encode(), "\u202eright to left".encode()],
    ids=repr,
)
def test_an_origin_that_is_no_label_is_a_wrong_setting(tmp_path: Path, origin: bytes) -> None:
    with pytest.raises(
        ConfigError, match=r"origin\.txt: expected (one line|text in UTF-8)"
    ) as said:
        label_of(tmp_path, origin)
    assert len(str(said.value)) < 1000
    assert str(said.value).isprintable()


def test_an_origin_in_utf_16_is_told_how_to_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"origin\.txt: expected text in UTF-8, got UTF-16: save"):
        label_of(tmp_path, "Yahoo Finance".encode("utf-16"))


def test_an_origin_that_cannot_be_read_is_a_wrong_setting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "origin.txt")  # to open it would wait for whoever writes
    with pytest.raises(ConfigError, match=r"origin\.txt: expected a text file"):
        FolderBars(tmp_path)
    (tmp_path / "origin.txt").unlink()
    (tmp_path / "origin.txt").mkdir()
    with pytest.raises(ConfigError, match=r"origin\.txt: expected a text file"):
        FolderBars(tmp_path)
