"""How scenarios have fared is said small and clear: ratios of energy scores, losses beyond VaR."""

from __future__ import annotations

import msgspec
import pytest

from pipeline.cli.scenario_text import print_scenarios
from pipeline.record.manifest import Mode
from pipeline.record.scenario_state import EnergySums, HorizonSums, ScenarioState, ScenarioTrack
from pipeline.scenarios.benchmarks import GAUSSIAN, INDEPENDENCE
from pipeline.views.page.scenario_fared import describe_scenarios
from pipeline.views.scenario_figures import summarise_scenarios
from tests.support.pages import page
from tests.support.track_records import mode_figures, track_record

SUMS = HorizonSums(
    scored=200,
    exceeded={"950": 12, "975": 4, "990": 0},
    against={GAUSSIAN: EnergySums(200, 1.94, 2.0), INDEPENDENCE: EnergySums(200, 1.8, 2.0)},
)
TRACK = ScenarioTrack("2024-03-01", "2024-12-27", {"1": SUMS, "5": SUMS})
STATE = ScenarioState((), {Mode.LIVE: TRACK})
RECORD = msgspec.structs.replace(
    track_record(live=mode_figures()), scenarios=summarise_scenarios(STATE)
)


def test_ratios_and_shares_are_those_of_the_sums() -> None:
    figures = summarise_scenarios(STATE)[Mode.LIVE]
    assert (figures.first_session, figures.last_session) == ("2024-03-01", "2024-12-27")
    of = figures.horizons["1"]
    assert (of.scored, of.energy[GAUSSIAN].ratio, of.energy[INDEPENDENCE].ratio) == (200, 0.97, 0.9)
    assert {level: (e.beyond, e.share) for level, e in of.exceeded.items()} == {
        "95": (12, 0.06),
        "97.5": (4, 0.02),
        "99": (0, 0.0),
    }
    assert all(e.lower <= 1 - float(level) / 100 <= e.upper for level, e in of.exceeded.items())


def test_targets_that_overlap_leave_more_to_chance() -> None:
    one, five = (summarise_scenarios(STATE)[Mode.LIVE].horizons[h].exceeded for h in ("1", "5"))
    assert five["95"].lower <= one["95"].lower < one["95"].upper < five["95"].upper


def test_without_another_score_there_is_no_ratio() -> None:
    lone = msgspec.structs.replace(SUMS, against={GAUSSIAN: EnergySums()})
    track = ScenarioTrack("2024-03-01", "2024-12-27", {"1": lone})
    of = summarise_scenarios(ScenarioState((), {Mode.LIVE: track}))[Mode.LIVE].horizons["1"]
    assert of.energy == {}
    record = msgspec.structs.replace(
        RECORD, scenarios=summarise_scenarios(ScenarioState((), {Mode.LIVE: track}))
    )
    fared = describe_scenarios(record)
    assert fared is not None
    assert [row[1] for row in fared.table.rows[:3]] == ["200", "none", "none"]


def test_the_page_shows_the_mode_that_counts_alone() -> None:
    shown = page(record=RECORD)
    assert "How the joint futures have fared" in shown
    assert "12, 6.0 %" in shown
    assert "In sample" not in shown.partition("How the joint futures")[2].partition("</section>")[0]
    others = msgspec.structs.replace(RECORD, scenarios={Mode.BACKFILL: RECORD.scenarios[Mode.LIVE]})
    assert "How the joint futures" not in page(record=others)
    assert "How the joint futures" not in page()


def test_in_sample_is_said() -> None:
    learnt = msgspec.structs.replace(SUMS, in_sample=200)
    track = ScenarioTrack("2024-03-01", "2024-12-27", {"1": learnt})
    scenarios = summarise_scenarios(ScenarioState((), {Mode.LIVE: track}))
    fared = describe_scenarios(msgspec.structs.replace(RECORD, scenarios=scenarios))
    assert fared is not None
    assert fared.in_sample is not None
    assert "of 200 of these sessions" in fared.in_sample


def test_the_terminal_shows_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_scenarios(RECORD)
    said = capsys.readouterr().out
    assert "0.970" in said
    assert "6.0% [" in said
    print_scenarios(track_record())
    assert capsys.readouterr().out == ""
