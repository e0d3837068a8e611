"""The verify function: schedule event → pipeline.jobs.verify.verify → counts; fails loudly."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from handlers.schedule import find_correlation_id, parse_step
from handlers.settings import VerifySettings
from handlers.telemetry.verify import count_verified, logger, metrics
from pipeline.adapters.parquet.parquet_tables import ParquetTables
from pipeline.errors import IncompleteRun, RecordDamaged
from pipeline.jobs.universe.verify import verify_shard, verify_universe
from pipeline.jobs.verify import Scope, Verified, verify
from pipeline.ports import ObjectStore
from pipeline.record.sharding import ShardStore
from pipeline.record.universe_terms import read_universe_terms
from pipeline.wiring import is_signed, open_calendar, open_store

RESERVE = 120  # seconds that a shard may take
NAMED = 10  # findings in the error, which goes into a mail; the log has them all


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Check the whole record, or a shard's; raises RecordDamaged if it is not as it says."""
    logger.set_correlation_id(find_correlation_id(event, context.aws_request_id))
    metrics.add_dimension("function", context.function_name)  # its name tells the stage
    try:
        remaining, checked = context.get_remaining_time_in_millis, _select_store(event)
        verified, unchecked = _verify(checked, lambda: remaining() > 1000 * RESERVE)
        count_verified(verified, complete=not unchecked)
        where = checked.url("").rstrip("/")
        answer = _to_answer(verified, where)
        logger.info("the record was verified", extra={"verified": answer})
        _require_checked(unchecked, verified)
        _require_intact(verified, where)
    except Exception:
        logger.exception("verify failed")
        raise
    return answer


def _select_store(event: Any) -> ObjectStore:
    shard = parse_step(event).shard
    return store if shard is None else ShardStore(store, shard)


def _verify(checked: ObjectStore, has_time: Callable[[], bool]) -> tuple[Verified, tuple[str, ...]]:
    """Return what the record or a shard came to, or all shards, and shards without their turn."""
    scope = Scope(is_signed=is_signed)
    if isinstance(checked, ShardStore):
        return verify_shard(checked.universe, checked.number, tables, calendar, scope), ()
    if read_universe_terms(checked) is None:
        return verify(checked, tables, calendar, scope), ()
    universe = verify_universe(checked, tables, calendar, scope, has_time=has_time)
    return universe.pooled, universe.unchecked


def _require_checked(unchecked: tuple[str, ...], verified: Verified) -> None:
    """Raise IncompleteRun for shards without their turn, unless there is worse to tell."""
    if unchecked and not verified.findings:
        raise IncompleteRun(
            f"expected time to verify every shard, {len(unchecked)} were left, from "
            f"{unchecked[0]} on; at a desk: forecaster verify --store {settings.store}",
            dict.fromkeys(unchecked, "unchecked"),
        )


def _to_answer(verified: Verified, where: str) -> dict[str, Any]:
    return {
        "manifests": verified.manifests,
        "objects": verified.objects,
        "newest": verified.head.digest if verified.head else None,
        "findings": [f"{each.problem} {each.key}: {each.message}" for each in verified.findings],
        "lost": [each.key for each in verified.lost],
        "left_behind": len(verified.left_behind),
        "strangers": len(verified.strangers),
        "public_key": verified.public_key,
        "store": where,
    }


def _require_intact(verified: Verified, where: str) -> None:
    findings = verified.findings
    if findings:
        named = "; ".join(f"{each.problem} {each.key}" for each in findings[:NAMED])
        more = f"; and {len(findings) - NAMED} more" if len(findings) > NAMED else ""
        raise RecordDamaged(
            f"{where}: expected an intact record, found {len(findings)} objects that are "
            f"not as it says: {named}{more}"
        )
    if not verified.manifests:
        raise RecordDamaged(f"expected a record in {where}, found none")


settings = VerifySettings.from_env(os.environ)
store, tables = open_store(settings.store), ParquetTables()
calendar = open_calendar(settings.calendar)
