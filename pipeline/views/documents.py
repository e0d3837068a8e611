"""Documents: latest.json as it is written, read and served."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from pipeline.encoding import Moment
from pipeline.forecasting.levels import LEVELS
from pipeline.record.notes import Note

Interval = Annotated[tuple[float, float], Meta(description="lower and upper limit, prices")]
Intervals = Annotated[
    Mapping[str, Interval], Meta(description="By promised coverage in percent: 50, 80, 90, 95, 98")
]

Stale = Annotated[bool, Meta(description="whether a session is over since the origin")]
SessionsBehind = Annotated[
    int, Meta(description="sessions that are over since the origin; 5 for 5 or more")
]


class HorizonForecast(Struct, frozen=True, kw_only=True):
    """The distribution of the close `horizon` sessions after the origin."""

    horizon: int
    target_date: date | UnsetType = UNSET
    prediction: Annotated[float, Meta(description="the median price")]
    sigma: Annotated[float, Meta(description="standard deviation of the log return")]
    intervals: Intervals


Gains = tuple[
    Annotated[
        tuple[Annotated[float, Meta(gt=0)], ...],
        Meta(min_length=len(LEVELS), max_length=len(LEVELS)),
    ],
    ...,
]


class WidthChange(Struct, frozen=True):
    """How the 95 % interval of the next session changed since the forecast published before.

    Of the log return's interval; `before` is the origin of the other forecast.
    """

    before: date
    change: Annotated[
        float,
        Meta(description="logarithm of the new width over the old one; 0.1 is 10.5 % wider"),
    ]
    causes: Annotated[
        Mapping[str, float],
        Meta(
            description="what each cause added to `change`: Shapley values over last_session, "
            "week, month, quarter, falls, days_to_next, vix and calibration"
        ),
    ]


Currency = Annotated[
    str, Meta(description="of the prices, as the source calls it: USD, or GBp for pence")
]
Proven = Annotated[
    bool,
    Meta(
        description="false of a ticker that the model was not proven on, until its own record "
        "has 250 scored sessions; left out where true"
    ),
]


class TickerForecast(Struct, frozen=True, omit_defaults=True):
    """What latest.json says of a ticker: a forecast, or only why it is withheld.

    `gains` are those by which the forecast was calibrated, per horizon and level; `width_change` is
    there where it is known, and so is `currency`.
    """

    status: str
    model_version: str
    issued_at: Moment
    last_close: float | None = None
    horizons: tuple[HorizonForecast, ...] = ()
    gains: Gains | None = None
    width_change: WidthChange | None = None
    currency: Currency | None = None
    proven: Proven = True


Pages = Annotated[
    tuple[str, ...],
    Meta(
        description="of more than 60 tickers, which are not in `tickers` then: the first one of "
        "each page, in order; ask for each by its name"
    ),
]


class Latest(Struct, frozen=True, omit_defaults=True):
    """latest.json: the published forecasts of the newest session.

    `next_sessions` are those after it; whoever answers says from them, by its clock, whether the
    forecasts are `stale`, and by how many sessions. `notes` are what a reader must know.
    """

    schema_version: int
    session: date
    source: str
    tickers: Mapping[str, TickerForecast]
    next_sessions: tuple[date, ...] = ()
    notes: tuple[Note, ...] = ()
    stale: Stale | UnsetType = UNSET
    sessions_behind: SessionsBehind | UnsetType = UNSET
    pages: Pages = ()
