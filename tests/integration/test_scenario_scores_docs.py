"""What docs/risk.md says of the scores of scenarios runs as it stands, on a record."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from pipeline.backtest.scenarios.tails import measure_tail
from pipeline.forecasting.model import Model
from pipeline.scenarios.portfolios import EQUAL_WEIGHTS
from tests.support.records import SESSIONS, run_days
from tests.support.scenario_records import of_model, read_scores, recount

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "risk.md").read_text("utf-8")
SQL = re.findall(r"```sql\n(.*?)```", TEXT, re.S)[1]


def test_sql_has_the_figures_of_the_record(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = run_days(model, SESSIONS[-8:])
    for key in store.keys("scenario_scores/"):
        path = tmp_path / "demo" / "store" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.objects[key])
    monkeypatch.chdir(tmp_path)
    connection = duckdb.connect()
    said = {}
    # The shipped model has learnt what came on these days.
    for statement in filter(str.strip, SQL.replace(" AND NOT in_sample", "").split(";")):
        name = re.search(r"-- (\w+)", statement)
        result = connection.execute(statement)
        if name:
            said[name[1]] = result.fetchall()
    sums = recount(store)
    for horizon, model_name, ratio in said["energy"]:
        of = sums[str(horizon)].against[model_name]
        assert ratio == pytest.approx(of.ours / of.theirs)
    assert len(said["energy"]) == 4
    tail = measure_tail(of_model(read_scores(store), EQUAL_WEIGHTS, 1), 0.95, 1)
    beyond = {row[0]: row[1:] for row in said["beyond"]}
    assert beyond[EQUAL_WEIGHTS][:2] == (tail.days, pytest.approx(tail.exceeded))
    z2 = measure_tail(of_model(read_scores(store), EQUAL_WEIGHTS, 1), 0.975, 1).z2
    assert dict(said["z2"])[EQUAL_WEIGHTS] == pytest.approx(z2)
