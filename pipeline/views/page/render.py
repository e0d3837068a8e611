"""Render: the page of the record, one file that needs nothing else.

Style, script and data lie in it. Its policy names the digests of its own style and script, so that
nothing else in it can run or load, whatever a ticker or a source is called.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import msgspec

from pipeline.grid import format_price
from pipeline.views.page.data import build_data, list_past, list_quantiles
from pipeline.views.page.facts import list_facts
from pipeline.views.page.fan_chart import draw_fan
from pipeline.views.page.scenario_facts import list_scenario_facts
from pipeline.views.page.scenario_fared import describe_scenarios
from pipeline.views.page.sources import PageSources
from pipeline.views.page.words import judge

HERE = Path(__file__).parent
STATIC_SESSIONS = 60  # of the past where scripts are off
# What ends a script element, begins a comment in one, or ends a line of JavaScript.
_UNSAFE = re.compile("[<>&\u2028\u2029]")
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")


def render_page(sources: PageSources) -> bytes:
    """Return the page: equal sources give equal bytes."""
    style, script = read_style(), read_script()
    static = sources.tickers if sources.are_few else ()
    page: str = (
        _environment()
        .get_template("page.html")
        .render(
            facts=list_facts(sources),
            risk=list_scenario_facts(sources.scenarios),
            drawn=describe_scenarios(sources.record),
            tickers=sources.tickers,
            past={ticker: list_past(sources, ticker)[-STATIC_SESSIONS:] for ticker in static},
            data=encode_data(build_data(sources)),
            style=style,
            script=script,
            policy=build_policy(style, script),
        )
    )
    return page.encode()


def build_policy(style: str, script: str) -> str:
    """Return the page's Content-Security-Policy: its own style and script, and nothing else."""
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def encode_data(data: Mapping[str, Any]) -> str:
    """Return JSON that means the same in a script element, which no text in it can end."""
    text = msgspec.json.encode(data).decode()
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _digest(text: str) -> str:
    """Return the digest by which a policy names an element of that text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def read_style() -> str:
    """Return the text of the page's style element."""
    return _read("uplot.min.css") + _read("page.css")


@cache
def read_script() -> str:
    """Return the text of the page's script element: the chart's library, then the page's own."""
    return _read("uplot.min.js") + _read("page.js") + _read("probability.js")


def _read(name: str) -> str:
    return (HERE / "assets" / name).read_text("utf-8")


def mark_dates(text: str) -> str:
    """Return text as HTML in which no line ends within a date."""
    return _DATE.sub(r"<time>\g<0></time>", escape(text))


@cache
def _environment() -> Any:
    # Not at the top: what shows no page, like the command line's help, does not wait for it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {"price": format_price, "verdict": judge, "dates": mark_dates}
    environment.globals |= {"quantiles": list_quantiles, "draw_fan": draw_fan}
    return environment
