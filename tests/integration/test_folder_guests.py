"""A folder that others use too: litter of dead writers, links, pipes, folders without end."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from pipeline.adapters import folder_store
from pipeline.adapters.folder_store import FolderObjects
from pipeline.errors import StoreError

DAY = 24 * 60 * 60
KEY = "bars/month=2024-12/2024-12-27.00.parquet"


def leave(path: Path, age: float, name: str = "") -> Path:
    """Leave what a writer that was killed `age` seconds ago leaves."""
    path.mkdir(parents=True, exist_ok=True)
    file = path / (name or f".{uuid.uuid4().hex}.tmp")
    file.write_bytes(b"hal")
    now = file.stat().st_mtime
    os.utime(file, (now - age, now - age))
    return file


class TestLitter:
    @pytest.mark.parametrize("folder", ["month=2024-12", "month=2019-03", "."])
    def test_the_first_write_sweeps_what_is_a_day_old(self, tmp_path: Path, folder: str) -> None:
        old = leave(tmp_path / "bars" / folder, DAY + 60)
        FolderObjects(tmp_path).create(KEY, b"bars")
        assert not old.exists()

    @pytest.mark.parametrize("age", [0, DAY - 60, -10 * DAY])
    def test_what_is_younger_may_be_a_live_writer_s(self, tmp_path: Path, age: float) -> None:
        live = leave(tmp_path / "bars", age)
        FolderObjects(tmp_path).create(KEY, b"bars")
        assert live.exists()

    def test_beside_the_views_it_is_swept_too(self, tmp_path: Path) -> None:
        old = leave(tmp_path, 2 * DAY)
        FolderObjects(tmp_path).replace("latest.json", b"{}")
        assert not old.exists()

    def test_a_write_at_the_top_looks_into_no_folder(self, tmp_path: Path) -> None:
        far = leave(tmp_path / "photos", 2 * DAY)
        FolderObjects(tmp_path).replace("SPY.csv", b"")
        assert far.exists()

    @pytest.mark.parametrize(
        "name", [".0123.tmp", "x.tmp", f"{'0' * 32}.tmp", f".{'0' * 32}.tmp~", f".{'G' * 32}.tmp"]
    )
    def test_other_names_are_not_ours(self, tmp_path: Path, name: str) -> None:
        theirs = leave(tmp_path / "bars", 9 * DAY, name)
        FolderObjects(tmp_path).create(KEY, b"bars")
        assert theirs.exists()

    def test_nothing_is_swept_through_a_link(self, tmp_path: Path) -> None:
        outside = leave(tmp_path / "elsewhere", 9 * DAY)
        (tmp_path / "store" / "bars").mkdir(parents=True)
        (tmp_path / "store" / "bars" / "month=2020-01").symlink_to(outside.parent)
        link = tmp_path / "store" / "bars" / f".{'0' * 32}.tmp"
        link.symlink_to(outside)
        os.utime(link, (0, 0), follow_symlinks=False)
        FolderObjects(tmp_path / "store").create(KEY, b"bars")
        assert outside.exists()
        assert link.is_symlink()

    def test_a_store_looks_once(self, tmp_path: Path) -> None:
        store = FolderObjects(tmp_path)
        store.create(KEY, b"bars")
        old = leave(tmp_path / "bars", 9 * DAY)
        store.create("bars/b", b"")
        assert old.exists()
        FolderObjects(tmp_path).create("bars/c", b"")
        assert not old.exists()

    def test_what_cannot_be_swept_ends_no_write(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> object:
            raise PermissionError

        monkeypatch.setattr(folder_store, "_walk", refuse)
        assert FolderObjects(tmp_path).create(KEY, b"bars")

    def test_no_clock_is_asked_but_the_file_system_s(self, tmp_path: Path) -> None:
        # A process whose clock is a year ahead would take every live writer's file for old.
        import time_machine

        live = leave(tmp_path / "bars", 60)
        with time_machine.travel("2101-01-01T00:00Z"):
            FolderObjects(tmp_path).create(KEY, b"bars")
        assert live.exists()


class TestLinksAndPipes:
    def test_a_link_is_named_and_not_read(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(b"secret")
        (tmp_path / "store" / "runs").mkdir(parents=True)
        (tmp_path / "store" / "runs" / "a.json").symlink_to(tmp_path / "secret")
        store = FolderObjects(tmp_path / "store")
        assert store.keys("runs/") == ["runs/a.json"]
        with pytest.raises(StoreError, match=r"regular file at .*runs/a\.json, got a link"):
            store.read("runs/a.json")
        assert store.create("runs/a.json", b"") is False
        assert (tmp_path / "secret").read_bytes() == b"secret"

    def test_a_pipe_is_named_and_nobody_waits_for_it(self, tmp_path: Path) -> None:
        (tmp_path / "runs").mkdir()
        os.mkfifo(tmp_path / "runs" / "a.json")
        with pytest.raises(StoreError, match=r"regular file at .*, got a pipe or device"):
            FolderObjects(tmp_path).read("runs/a.json")

    @pytest.mark.parametrize("target", ["elsewhere", "store", "store/bars"])
    def test_a_folder_that_is_a_link_is_refused(self, tmp_path: Path, target: str) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "store").mkdir()
        (tmp_path / "store" / "bars").symlink_to(tmp_path / target)
        store = FolderObjects(tmp_path / "store")
        for use in (
            lambda: store.read(KEY),
            lambda: store.create(KEY, b""),
            lambda: store.replace(KEY, b""),
            lambda: store.keys("bars/"),
            lambda: store.keys("bars/month=2024-12/"),
        ):
            with pytest.raises(StoreError, match=r"expected a folder at .*bars, got a link"):
                use()
        assert list((tmp_path / "elsewhere").iterdir()) == []
        assert store.keys("") == ["bars"]

    def test_the_store_itself_may_be_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "disk").mkdir()
        (tmp_path / "store").symlink_to(tmp_path / "disk")
        store = FolderObjects(tmp_path / "store")
        assert store.create("runs/a.json", b"a")
        assert (store.read("runs/a.json"), store.keys("")) == (b"a", ["runs/a.json"])


class TestStrangers:
    def test_names_that_are_no_keys_are_listed(self, tmp_path: Path) -> None:
        names = [".DS_Store", "_SUCCESS", "né.txt", "runs/0 (1).txt", os.fsdecode(b"\xff")]
        for name in names:
            leave((tmp_path / name).parent, 0, Path(name).name)
        assert FolderObjects(tmp_path).keys("") == sorted(names)

    def test_folders_without_end_are_named_where_they_get_too_deep(self, tmp_path: Path) -> None:
        (tmp_path / "/".join("d" * 40)).mkdir(parents=True)
        (tmp_path / "a").write_bytes(b"")
        assert FolderObjects(tmp_path).keys("") == ["a", "/".join("d" * 9)]

    def test_a_folder_that_nobody_may_look_into_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "lost+found").mkdir()
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert FolderObjects(tmp_path).keys("") == ["lost+found"]
