"""The command line: `forecaster run | show | fetch | train | backtest | serve` and so on.

Exit codes: 0 done, 1 failed (a ticker withheld, or data, model or store unusable), 2 wrong use.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from pipeline.cli import (
    backtest,
    check,
    compact,
    console,
    deployment,
    explain,
    export,
    fetch,
    keys,
    options,
    parsing,
    plot,
    probability,
    record,
    repair,
    report,
    risk,
    run,
    serve,
    show,
    status,
    train,
    universe_plan,
    verify,
    what_if,
)
from pipeline.cli.plain import accept_any_text
from pipeline.errors import ConfigError, ForecasterError

app = typer.Typer(
    help="Daily forecasts of ETF prices with prediction intervals.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: the one place where errors become messages and exit codes."""
    accept_any_text(sys.stdout, sys.stderr)
    try:
        _refuse_unencodable(sys.argv[1:] if args is None else args)
        code: int = app(args, prog_name="forecaster", standalone_mode=False) or 0
    except TyperException as exc:
        code = _refuse(_describe_misuse(exc.format_message()), exc.exit_code)
    except ConfigError as exc:
        code = _refuse(str(exc), 2)
    except ForecasterError as exc:
        code = _refuse(str(exc), 1)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _refuse_unencodable(args: Sequence[str]) -> None:
    """Refuse bytes that are no UTF-8, which would be a name that no manifest can hold."""
    for arg in args:
        try:
            arg.encode()
        except UnicodeEncodeError as exc:
            raise ConfigError(f"expected arguments in UTF-8, got {arg!r}") from exc


def _describe_misuse(message: str) -> str:
    # Without arguments the help is shown, and there is no message.
    return message and f"{message.rstrip('.')}; --help shows what is expected"


def _refuse(message: str, code: int) -> int:
    if message:
        console.print_error(message)
    return code


@app.callback()
def _common(version: options.Version = False) -> None:
    pass


COMMANDS = (
    run, show, status, export, plot, report, explain, risk, probability, what_if, fetch, check,
    train, backtest, record, verify, repair, compact, serve, keys, universe_plan,
)  # fmt: skip
for commands in COMMANDS:
    commands.register(app)
deployment.register(app, serve.api_key_app)
for group in filter(None, (app, *(sub.typer_instance for sub in app.registered_groups))):
    group.info.cls = parsing.FlagsGroup
    for command in group.registered_commands:
        command.cls = parsing.OnceCommand
