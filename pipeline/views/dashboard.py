"""Dashboard: index.html, the newest forecasts and how forecasts have fared, on a page of its own.

It needs no script and loads nothing, so it reads the same from S3, a folder or the endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from pipeline.baselines.names import EWMA, GARCH_T, LABELS, PERSISTENCE
from pipeline.record.manifest import Mode
from pipeline.views.age import mark_page
from pipeline.views.documents import Latest, TickerForecast
from pipeline.views.fan_chart import draw_fan
from pipeline.views.figures import CoverageShare, SkillScore, TrackRecord

SHOWN = (95, 80)  # intervals in the table
BASELINES = (GARCH_T, EWMA, PERSISTENCE)
STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --faint: #6b7280; --line: #d9dce1;
  --fan: #0072b2 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8ea; --faint: #9aa1ac; --line: #3a3f47; --fan: #56b4e9 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); margin: 2rem auto; max-width: 72rem;
  padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2.5rem } p, li { max-width: 46rem }
.fans { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)) }
figure { margin: 0 } figcaption { font-weight: 600 }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif }
svg polygon { fill: var(--fan) } svg text { fill: var(--faint) }
svg polyline { fill: none; stroke: var(--fan); stroke-width: 1.5 }
.wide { overflow-x: auto; margin: 1rem 0 } table { border-collapse: collapse; white-space: nowrap }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums }
th:first-child, td:first-child { text-align: left } .note { color: var(--faint) }
.unreal { border: 2px solid #d55e00; padding: .5rem 1rem; font-weight: 600 }
"""


def render_dashboard(latest: Latest, record: TrackRecord) -> bytes:
    """Return the page of the newest forecasts and of the track record."""
    body = "\n".join(
        [
            f"<h1>Forecasts from the close of {latest.session}</h1>",
            mark_page(latest.next_sessions),
            _render_source(latest.source),
            *_render_notes(latest),
            *_render_forecasts(latest.tickers),
            *_render_track_record(record),
            _render_colophon(record),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>Forecasts of {latest.session}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    ).encode()


def _render_source(source: str) -> str:
    if "simulated" in source:
        return f'<p class="unreal">Simulated, not real: {escape(source)}</p>'
    return f'<p class="note">Bars: {escape(source)}</p>'


def _render_notes(latest: Latest) -> Iterator[str]:
    """Yield what a reader must know, and when the page will be old: it cannot tell by itself."""
    for note in latest.notes:
        yield f'<p class="unreal">Note: {escape(note.text)}</p>'
    if latest.next_sessions:
        yield (
            f'<p class="note">The next session is that of {latest.next_sessions[0]}. Once it is '
            "over, these forecasts are old.</p>"
        )


def _render_forecasts(tickers: Mapping[str, TickerForecast]) -> Iterator[str]:
    fans = (
        f"<figure><figcaption>{escape(ticker)}</figcaption>"
        f"{draw_fan(ticker, forecast.last_close, forecast.horizons)}</figure>"
        for ticker, forecast in tickers.items()
        if forecast.last_close is not None
    )
    yield f'<div class="fans">{"".join(fans)}</div>'
    heads = ["Ticker", "Target date", "Last close", "Median"]
    rows = [row for ticker, forecast in tickers.items() for row in _price_rows(ticker, forecast)]
    yield _render_table([*heads, *(f"{coverage} % interval" for coverage in SHOWN)], rows)
    for ticker, forecast in tickers.items():
        if forecast.last_close is None:
            yield f"<p>{escape(ticker)}: {escape(forecast.status)}</p>"


def _price_rows(ticker: str, forecast: TickerForecast) -> Iterator[list[str]]:
    for horizon in forecast.horizons:
        yield [
            ticker,
            str(horizon.target_date),
            f"{forecast.last_close:.2f}",
            f"{horizon.prediction:.2f}",
            *("{:.2f} to {:.2f}".format(*horizon.intervals[str(c)]) for c in SHOWN),
        ]


def _render_track_record(record: TrackRecord) -> Iterator[str]:
    yield "<h2>How forecasts have fared, one session ahead</h2>"
    mode = record.shown_mode
    if mode is None:
        yield '<p class="note">No forecast has been realised yet.</p>'
        return
    figures = record.modes[mode]
    live = mode is Mode.LIVE
    issued = "Issued live, before their day" if live else f"Not live: made afterwards ({mode})"
    yield (
        f"<p>{issued}: {figures.sessions} sessions from {figures.first_session} to "
        f"{figures.last_session}.</p>"
    )
    rows = [*figures.tickers.items(), ("all", figures.pooled)]
    heads = ["95 % interval", "Sessions", "Covered", "Last 60", "Last 250", "Chance, last 250"]
    yield _render_table(heads, [_coverage_cells(name, row.coverage["95"]) for name, row in rows])
    heads = ["CRPS skill against", *(name for name, _ in rows)]
    skill = [
        [LABELS[baseline], *(_format_skill(row.skill[baseline]) for _, row in rows)]
        for baseline in BASELINES
    ]
    yield _render_table(heads, skill)
    if figures.in_sample_sessions:
        yield (
            f"<p>In sample: of {figures.in_sample_sessions} of these sessions the model had "
            "learnt what came. The figures prove nothing.</p>"
        )
        return
    evidence = ", ".join(f"{LABELS[n]} {value:.3g}" for n, value in figures.e_values.items())
    yield (
        '<p class="note">Skill is 1 - CRPS over the baseline\'s, above 0 is better. E-values '
        f"against “no better than”: {evidence}; 20 is evidence at 5 %, whenever one looks. No "
        "skill in direction is claimed.</p>"
    )


def _coverage_cells(name: str, spans: Mapping[str, CoverageShare]) -> list[str]:
    shares = (f"{spans[span].coverage:.1%}" for span in ("all", "60", "250"))
    chance = f"{spans['250'].lower:.1%} to {spans['250'].upper:.1%}"
    return [name, str(spans["all"].sessions), *shares, chance]


def _format_skill(spans: Mapping[str, SkillScore]) -> str:
    return f"{spans['all'].skill:+.1%}" if spans else ""


def _render_colophon(record: TrackRecord) -> str:
    return (
        f'<p class="note">Model {escape(record.model_version)}. Newest manifest '
        f"{escape(record.manifest.key)}, sha256 {record.manifest.sha256}.</p>"
    )


def _render_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
