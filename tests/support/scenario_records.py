"""Scores of scenarios on a record, read back and counted again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.columns import Columns, concatenate, where
from pipeline.record.scenario_state import EnergySums, HorizonSums
from pipeline.scenarios.benchmarks import GAUSSIAN, INDEPENDENCE
from pipeline.scenarios.portfolios import EQUAL_WEIGHTS, JOINT
from pipeline.scenarios.score_draw import NUMBERS, OURS, TAILS
from tests.support.fakes import MemoryObjects
from tests.support.records import TABLES, states

KEY = ("origin_date", "part", "horizon", "portfolio", "model")
Rows = dict[tuple[Any, ...], dict[str, float]]


def read_scores(store: MemoryObjects) -> Columns:
    """Return all rows, the oldest run's first."""
    keys = sorted(store.keys("scenario_scores/"), key=lambda key: key.rpartition("/")[2])
    return concatenate([TABLES.decode("scenario_scores", store.objects[key])[0] for key in keys])


def counted(store: MemoryObjects) -> Rows:
    """Return the numbers that count: of rows with one key those of the newest run."""
    table = read_scores(store)
    keys = zip(*(table[name].tolist() for name in KEY), strict=True)
    numbers = np.nan_to_num(np.stack([table[name] for name in NUMBERS], axis=1), nan=-1.0).tolist()
    rows = (dict(zip(NUMBERS, of_row, strict=True)) for of_row in numbers)
    return dict(zip(keys, rows, strict=True))


def recount(store: MemoryObjects) -> Mapping[str, HorizonSums]:
    """Return what the state should have summed, of first parts numbered 0."""
    rows = {key: row for key, row in counted(store).items() if key[1] == 0}
    learnt = bool(read_scores(store)["in_sample"].all())
    sums = {}
    for horizon in sorted({key[2] for key in rows}):
        ours = [key[0] for key in rows if key[2:] == (horizon, JOINT, OURS)]
        books = [rows[o, 0, horizon, EQUAL_WEIGHTS, OURS] for o in ours]
        sums[str(horizon)] = HorizonSums(
            len(ours),
            learnt * len(ours),
            {level: sum(-of["realised"] > of[f"var_{level}"] for of in books) for level in TAILS},
            {name: _sum_energy(rows, horizon, name) for name in (GAUSSIAN, INDEPENDENCE)},
        )
    return sums


def _sum_energy(rows: Rows, horizon: int, name: str) -> EnergySums:
    pairs = [
        (rows[*key[:4], OURS]["energy_score"], row["energy_score"])
        for key, row in rows.items()
        if key[2:] == (horizon, JOINT, name)
    ]
    ours, theirs = (round(sum(side), 9) for side in zip(*pairs, strict=True))
    return EnergySums(len(pairs), ours, theirs)


def state_sums(store: MemoryObjects) -> Mapping[str, HorizonSums]:
    """Return what the newest state has summed of its only mode, in nine decimals."""
    (track,) = states(store)[-1].scenarios.tracks.values()
    return {
        horizon: HorizonSums(
            sums.scored,
            sums.in_sample,
            sums.exceeded,
            {
                name: EnergySums(of.sessions, round(of.ours, 9), round(of.theirs, 9))
                for name, of in sums.against.items()
            },
        )
        for horizon, sums in track.horizons.items()
    }


def of_model(table: Columns, portfolio: str, horizon: int, model: str = OURS) -> Columns:
    rows = (table["portfolio"] == portfolio) & (table["horizon"] == horizon)
    return where(table, rows & (table["model"] == model))
