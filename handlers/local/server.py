"""The on-demand function on a local port, without AWS."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

from handlers.local.gateway import HOST, Gateway
from pipeline.encoding import to_line
from pipeline.errors import ConfigError, ForecasterError, StoreError
from pipeline.record.keys import UNIVERSE
from pipeline.wiring import open_store


def main(arguments: list[str]) -> int:
    """Serve until Ctrl-C; 2 where the settings are wrong or the port is taken."""
    options = _parse_options(arguments)
    os.environ["FORECASTER_AUTH"] = options.auth
    os.environ["FORECASTER_STORE"] = options.store
    os.environ["FORECASTER_BUNDLE"] = str(options.bundle)
    try:
        if "FORECASTER_UNIVERSE" not in os.environ and _is_universe(options.store):
            os.environ["FORECASTER_UNIVERSE"] = UNIVERSE
        from handlers import on_demand  # noqa: PLC0415

        on_demand.signals.failures_only = not options.verbose
        gateway = Gateway(options.port, on_demand.handler)
    except ForecasterError as exc:
        return _refuse(str(exc))
    except (OSError, OverflowError) as exc:
        return _refuse(f"expected a free port on {HOST}, got port {options.port}: {exc}")
    print(f"Serving http://{HOST}:{gateway.server_port} until Ctrl-C", flush=True)
    # Metrics are for CloudWatch; the log, on standard error, says to people what failed.
    with (
        gateway,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.suppress(KeyboardInterrupt),
    ):
        gateway.serve_forever()
    return 0


def _is_universe(store: str) -> bool:
    """Whether a store is a universe's; what is none, or does not answer, the function refuses."""
    try:
        return open_store(store).read(UNIVERSE) is not None
    except (ConfigError, StoreError):
        return False


def _refuse(message: str) -> int:
    print(f"error: {to_line(message)}", file=sys.stderr)
    return 2


def _parse_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m handlers.local.server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--auth", required=True)
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
