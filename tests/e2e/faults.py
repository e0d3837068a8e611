"""What goes wrong on AWS on this machine, once or for as long as a test has armed it.

A fault is a file in a folder: `kill-0001` kills the function once, as shard 1 is about to write its
forecasts; `throttle-0002` refuses shard 2 its bars for as long as the file is there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.e2e.runtimes import Runtimes

MARKET = "market"  # the bucket of bars
SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
FORECASTS = re.compile(r"/store/shard=(\d{4})/forecasts/")


class Faults:
    """The faults that are armed in a folder."""

    def __init__(self, folder: Path, runtimes: Runtimes) -> None:
        self._folder, self._runtimes = folder, runtimes

    def install(self) -> None:
        """Let them strike where S3 is asked."""
        from ministack import app

        handled = app.SERVICE_HANDLERS["s3"]

        async def handle(method: str, path: str, *rest: Any, **named: Any) -> Any:
            if self._strike(method, path):
                return 503, {"Content-Type": "application/xml"}, SLOW_DOWN
            return await handled(method, path, *rest, **named)

        app.SERVICE_HANDLERS["s3"] = handle

    def _strike(self, method: str, path: str) -> bool:
        if method == "PUT" and (written := FORECASTS.search(unquote(path))) is not None:
            armed = self._folder / f"kill-{written[1]}"
            if armed.exists():
                armed.unlink()
                self._runtimes.kill(int(written[1]))
                return True
        throttled = [int(file.name[-4:]) for file in self._folder.glob("throttle-*")]
        asked = path.lstrip("/").split("/")[0] == MARKET
        return asked and any(self._runtimes.runs(shard) for shard in throttled)
