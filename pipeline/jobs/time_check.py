"""Time check: whether the store wrote when the record says that it was issued.

What reads the bars stores them within minutes, so that a vintage's age tells when its part was
issued; a backfill first stores its plan. S3 notes that itself. A folder's times are only a hint,
since a copy has the time of its copying.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.errors import ConfigError
from pipeline.jobs.chain_check import Finding, Problem
from pipeline.ports import Calendar, ObjectStore
from pipeline.record.keys import CLAIMS, PLANS, claim_key
from pipeline.record.manifest import Mode, RunManifest
from pipeline.record.part_vintage import CLOCKS_DIFFER
from pipeline.record.plan import BackfillPlan, read_plans

# A source that throttles is waited for ten minutes at most; what goes wrong then is tried for some
# minutes more. The nearest lie that pays, a forecast made when its close is known, takes a day.
LATE = timedelta(hours=1)
Times = Mapping[str, datetime]  # key -> when the store wrote it


@dataclass(frozen=True, slots=True)
class TimeCheck:
    """What was written at another time than it says: `findings` where the store vouches for it."""

    findings: tuple[Finding, ...]
    hints: tuple[Finding, ...]


def check_times(store: ObjectStore, calendar: Calendar, runs: Sequence[RunManifest]) -> TimeCheck:
    """Compare when parts and plans say that they were issued with when the store wrote them."""
    vintages, claims, plans = (store.written_at(prefix) for prefix in ("bars/", CLAIMS, PLANS))
    differing = (
        *_find_untimely_vintages(vintages.times, runs),
        *_find_late_claims(claims.times, calendar, runs),
        *_find_untimely_plans(plans.times, read_plans(store), runs),
    )
    return TimeCheck(differing, ()) if vintages.vouched else TimeCheck((), differing)


def _find_untimely_vintages(times: Times, runs: Sequence[RunManifest]) -> Iterator[Finding]:
    """Yield the parts whose bars were stored long before or after their issue.

    A backfill stores thousands of vintages from one reading, and may be finished days later. A part
    that was given up is issued when that was said.
    """
    for run in (run for run in runs if not run.is_given_up):
        written = times.get(run.table("bars"))
        latest = timedelta.max if run.mode is Mode.BACKFILL else LATE
        if written is not None and not -CLOCKS_DIFFER <= written - _utc(run.issued_at) <= latest:
            yield _untimely(run.key, "its bars", run.issued_at, written)


def _find_late_claims(
    times: Times, calendar: Calendar, runs: Sequence[RunManifest]
) -> Iterator[Finding]:
    """Yield the live parts that were claimed, which settles their model, after the next close."""
    for run in runs:
        key = claim_key(run.previous)
        written = times.get(key)
        if run.mode is Mode.LIVE and written is not None and not _is_newest(run, written, calendar):
            message = (
                f"a claim before the next close was expected, but the store wrote it {written}"
            )
            yield Finding(Problem.BACK_DATED, run.key, message)


def _find_untimely_plans(
    times: Times, plans: Mapping[str, BackfillPlan], runs: Sequence[RunManifest]
) -> Iterator[Finding]:
    """Yield the plans, of those by which parts were issued, that were stored at another time."""
    issued = {run.issued_at for run in runs if run.mode is Mode.BACKFILL}
    for key, plan in plans.items():
        written = times.get(key)
        timely = written is None or -CLOCKS_DIFFER <= written - _utc(plan.issued_at) <= LATE
        if plan.issued_at in issued and written is not None and not timely:
            yield _untimely(key, "it", plan.issued_at, written)


def _is_newest(run: RunManifest, written: datetime, calendar: Calendar) -> bool:
    """Whether a part's session was the newest when its claim was written, or shortly before."""
    try:
        return calendar.last_closed(written - LATE) <= run.session
    except ConfigError:  # no time of this calendar
        return False


def _untimely(key: str, what: str, issued_at: datetime, written: datetime) -> Finding:
    message = (
        f"it says issued {issued_at.isoformat()}, but the store wrote {what} "
        f"{written.isoformat()}: made, or copied, at another time"
    )
    return Finding(Problem.BACK_DATED, key, message)


def _utc(moment: datetime) -> datetime:
    """Return a manifest's time, which may have been changed to one without a zone, as aware."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def find_back_dated(runs: Sequence[RunManifest], calendar: Calendar) -> Iterator[Finding]:
    """Yield the live manifests that were not issued while their session was the newest."""
    for run in runs:
        if run.mode is Mode.LIVE and not _is_in_time(run, calendar):
            message = f"expected an issue before the next close, got {run.issued_at.isoformat()}"
            yield Finding(Problem.BACK_DATED, run.key, message)


def _is_in_time(run: RunManifest, calendar: Calendar) -> bool:
    try:
        return calendar.last_closed(run.issued_at) == run.session
    except ConfigError:  # no time of this calendar, or none with a time zone
        return False
