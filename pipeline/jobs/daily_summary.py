"""Summary: what a daily run did, for whoever invoked it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from pipeline.encoding import sha256, to_json
from pipeline.errors import IncompleteRun, Reason
from pipeline.record.manifest import RunManifest, last_statuses, reasons_of
from pipeline.record.repairs import NO_REPAIRS, Repairs
from pipeline.views.realised import RealisedClose

# What the daily function logs its summary under; `verify --noted cloudwatch` looks for it.
RUN_ENDED = "the run ended"

NAMED = 20  # tickers in a message; the summary has them all


class Outcome(StrEnum):
    """How a run ended.

    `published`, every ticker has its forecast now; `incomplete`, some are withheld, the others
    published now or before; `nothing_to_do`, all were published before; `closed_unconfirmed`, no
    ticker has a bar of the session, as on a closure that the calendar does not know.
    """

    PUBLISHED = "published"
    NOTHING_TO_DO = "nothing_to_do"
    CLOSED_UNCONFIRMED = "closed_unconfirmed"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    session : the last closed session, origin of the forecasts
    published : tickers this run published
    withheld : ticker -> reason, of all tickers still without a forecast
    manifests : of all parts of the session
    headline : figures of the track record that alarms watch, by name
    data_lag_sessions : sessions the newest bar read is behind, at the worst ticker that has bars;
        None where this run read none
    repairs : objects of earlier parts that this run found damaged
    realised : closes of the session beside the intervals issued for them before
    """

    outcome: Outcome
    session: date
    published: tuple[str, ...] = ()
    withheld: Mapping[str, str] = field(default_factory=dict)
    manifests: tuple[RunManifest, ...] = ()
    headline: Mapping[str, float] = field(default_factory=dict)
    data_lag_sessions: int | None = None
    repairs: Repairs = NO_REPAIRS
    realised: tuple[RealisedClose, ...] = ()

    @property
    def digests(self) -> dict[str, str]:
        """Key -> sha256 of the session's manifests; noted elsewhere, they show a rewriting."""
        return {part.key: sha256(to_json(part)) for part in self.manifests}

    @property
    def surprises(self) -> tuple[str, ...]:
        """Tickers that closed outside the 98 % interval, as one in fifty should."""
        return tuple(close.ticker for close in self.realised if close.surprise)

    def require_complete(self) -> None:
        """Raise IncompleteRun if a ticker is withheld, so that the run is tried again."""
        if self.withheld:
            named = [f"{ticker} ({reason})" for ticker, reason in self.withheld.items()]
            more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
            raise IncompleteRun(
                f"{self.session}: expected forecasts of every ticker, withheld "
                f"{', '.join(named[:NAMED])}{more}",
                self.withheld,
            )

    def require_any(self, tickers: Sequence[str]) -> None:
        """Raise IncompleteRun if all tickers are withheld: of many, some are every day."""
        if len(self.withheld) == len(tickers):
            self.require_complete()


def find_withheld(tickers: Sequence[str], manifests: Sequence[RunManifest]) -> dict[str, str]:
    """Return the reason of every ticker that no part published."""
    published = frozenset().union(*(manifest.published for manifest in manifests))
    reasons = reasons_of(last_statuses(manifests))
    return {
        ticker: reasons.get(ticker, Reason.SOURCE_UNAVAILABLE)
        for ticker in tickers
        if ticker not in published
    }
