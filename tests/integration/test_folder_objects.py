"""Objects in a folder: what a disk does that S3 does not."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.adapters.folder_store import FolderObjects
from pipeline.errors import StoreError
from tests.support.operations import Operation, every_operation, raiser


class TestFolder:
    def test_the_url_is_the_file_s_path(self, tmp_path: Path) -> None:
        store = FolderObjects(tmp_path)
        store.create("runs/a.json", b"data")
        assert Path(store.url("runs/a.json")).read_bytes() == b"data"

    def test_nothing_is_left_beside_the_objects(self, tmp_path: Path) -> None:
        store = FolderObjects(tmp_path)
        for data in (b"one", b"two"):
            store.create("runs/a", data)
            store.replace("runs/b", data)
        assert [path.name for path in sorted((tmp_path / "runs").iterdir())] == ["a", "b"]

    def test_what_a_killed_writer_left_is_no_key(self, tmp_path: Path) -> None:
        (tmp_path / "runs").mkdir()
        (tmp_path / "runs" / f".{'0123' * 8}.tmp").write_bytes(b"hal")
        store = FolderObjects(tmp_path)
        assert store.keys("") == store.keys("runs/") == []
        assert store.create("runs/a", b"whole")
        assert store.keys("") == ["runs/a"]

    @pytest.mark.parametrize("write", ["create", "replace"])
    def test_a_write_that_fails_half_way_changes_nothing(
        self, write: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = FolderObjects(tmp_path)
        store.create("old", b"old")
        monkeypatch.setattr(os, "fsync", raiser(OSError(errno.ENOSPC, "No space left")))
        for key in ("old", "new"):
            with pytest.raises(StoreError, match=f"expected to {write} .*{key}, got .*No space"):
                getattr(store, write)(key, b"new")
        assert store.read("old") == b"old"
        assert [path.name for path in tmp_path.iterdir()] == ["old"]

    def test_a_file_system_without_hard_links_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused = PermissionError(errno.EPERM, "Operation not permitted")
        monkeypatch.setattr(Path, "hardlink_to", raiser(refused))
        with pytest.raises(StoreError, match="the hard link .*a, got .*not permitted"):
            FolderObjects(tmp_path).create("a", b"data")
        assert list(tmp_path.iterdir()) == []

    @every_operation
    def test_a_file_in_place_of_the_folder_is_an_error(
        self, operation: Operation, tmp_path: Path
    ) -> None:
        (tmp_path / "store").write_bytes(b"")
        with pytest.raises(StoreError, match=r"expected to .*store") as raised:
            operation(FolderObjects(tmp_path / "store"))
        assert isinstance(raised.value.__cause__, OSError)

    def test_a_folder_in_place_of_the_object_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "runs" / "a.json").mkdir(parents=True)
        for write in (FolderObjects(tmp_path).create, FolderObjects(tmp_path).replace):
            with pytest.raises(StoreError, match=r"runs/a\.json"):
                write("runs/a.json", b"")

    def test_it_never_imports_boto3(self, tmp_path: Path) -> None:
        program = (
            "import sys; from pipeline.wiring import open_store; "
            "open_store('s3://bucket'); store = open_store(sys.argv[1]); store.create('a', b''); "
            "store.keys(''); sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
        )
        root = Path(__file__).parents[2]
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=root, check=True)
