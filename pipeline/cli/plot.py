"""The command `forecaster plot`: fans as a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli import console, options, selecting
from pipeline.cli.fan_text import describe_fans
from pipeline.cli.whole_file import require_free, writing
from pipeline.errors import ConfigError
from pipeline.views.fan import Fan, read_fans

KINDS = ("svg", "png")
MOST_TICKERS = 12

Tickers = Annotated[list[str], typer.Argument(metavar="TICKER...", help="Whose fans, like SPY.")]
Out = Annotated[Path, typer.Option(metavar="FILE.svg|.png", help="Picture to write.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("plot", epilog="Example: forecaster plot SPY --out fan.svg --store ./store")(
        plot_command
    )


def plot_command(
    tickers: Tickers,
    out: Out,
    day: selecting.Day = None,
    force: options.Force = False,
    store: options.Store = "./store",
    json: options.Json = False,
) -> None:
    """Draw the last 60 sessions with the interval issued for each, and the fan of the next five."""
    names = options.parse_tickers(tickers)
    if len(names) > MOST_TICKERS:
        raise ConfigError(f"TICKER: expected at most {MOST_TICKERS}, got {len(names)}")
    kind = out.suffix.lower().removeprefix(".")
    if kind not in KINDS:
        raise ConfigError(f"--out: expected a file named .svg or .png, got {str(out)!r}")
    draw_fans, encode_figure = _import_figures()
    require_free(out, force=force)
    opened, tables = options.open_published(store, names)
    with console.progress("Reading the record"):
        session = selecting.find_session(opened, store, day)
        fans = read_fans(opened, tables, session, names)
    with console.progress("Drawing"):
        drawn = {_describe(fan): (fan.past, fan.ahead) for fan in fans}
        picture = encode_figure(draw_fans(drawn, describe_fans(fans)), kind)
    with writing(out, force=force) as file:
        file.write(picture)
    if json:
        console.print_json({"out": str(out), "session": session, "tickers": names})
    else:
        console.print_source(fans[0].source)
        console.print_line(f"{', '.join(names)} from the close of {session}, drawn in {out}")


def _describe(fan: Fan) -> str:
    return f"{fan.ticker}, forecast from the close of {fan.session}"


def _import_figures() -> tuple[Callable[..., Any], Callable[..., bytes]]:
    try:
        from pipeline.adapters.fan_figure import draw_fans, encode_figure  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        raise ConfigError(
            f"expected matplotlib, which draws pictures, got: {exc}; pip install '.[desk]', or in "
            "the terminal: forecaster show --plot"
        ) from exc
    return draw_fans, encode_figure
