"""Which store a location names."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.wiring import open_store


class TestOpenStore:
    @pytest.mark.parametrize(
        ("location", "url"),
        [
            ("s3://bucket", "s3://bucket/a"),
            ("s3://bucket/", "s3://bucket/a"),
            ("s3://my.bucket-1/some/where/", "s3://my.bucket-1/some/where/a"),
            ("out/store", "out/store/a"),
            ("/tmp/a folder", "/tmp/a folder/a"),
            (".", "a"),
        ],
    )
    def test_a_location_is_s3_or_a_folder(self, location: str, url: str) -> None:
        assert open_store(location).url("a") == url

    @pytest.mark.parametrize(
        "location",
        ["", " ", "gs://bucket/x", "s3://", "s3:///x", "s3:/bucket", "S3://bucket", "s3://UPPER"]
        + [
            "s3://b",
            "s3://bucket//x",
            "s3://bucket/../x",
            "s3://bucket/.x",
            "file:///x",
            "~/store",
        ],
    )
    def test_anything_else_is_refused(self, location: str) -> None:
        with pytest.raises(ConfigError, match=r"expected s3://bucket/prefix"):
            open_store(location)

    def test_a_file_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(ConfigError, match="a folder, got file"):
            open_store(str(tmp_path / "file"))
