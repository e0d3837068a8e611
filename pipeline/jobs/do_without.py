"""Do without: what becomes of a damaged object that a run meets, healed or lost."""

from __future__ import annotations

from dataclasses import replace

from pipeline.encoding import sha256, to_json
from pipeline.errors import DamagedObject, StoreError
from pipeline.jobs.daily_job import DailyJob
from pipeline.jobs.heal import FindCopy, heal
from pipeline.record.overlay import Overlaid
from pipeline.record.repairs import read_loss


def repair_or_do_without(job: DailyJob, damaged: DamagedObject) -> DailyJob:
    """Return the job with what becomes of one more damaged object.

    Raises
    ------
    StoreError
        When it cannot be remade and nobody has accepted its loss.
    """
    repairs = job.repairs
    if damaged.key in repairs:
        raise damaged
    try:
        healed = heal(job.store, job.tables, job.calendar, damaged, _copies_of_bundle(job))
        store = Overlaid(job.store, healed.unwritten) if healed.unwritten else job.store
        return replace(job, store=store, repairs=repairs.heal(healed.objects, healed.refused))
    except DamagedObject as cause:
        named = damaged.sha256
        if named is not None and read_loss(job.store, named) is not None:
            return replace(job, repairs=repairs.lose({damaged.key: named}))
        because = "" if cause.key == damaged.key else f"; it cannot be remade: {cause}"
        raise StoreError(
            f"{damaged}{because}. Put the object back from a copy, forecaster repair --copies, or "
            "from the bucket's versions; where that cannot be: forecaster repair --accept-loss"
        ) from cause


def _copies_of_bundle(job: DailyJob) -> FindCopy:
    """Return the copies that a run has at hand: the bundles that it forecasts with."""
    bundles = [model.bundle for model in (job.model, job.broad) if model is not None]
    files = [data for bundle in bundles for data in (to_json(bundle.manifest), bundle.onnx)]
    return lambda digest: next((data for data in files if sha256(data) == digest), None)
