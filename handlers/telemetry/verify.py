"""What the function that verifies the record tells of itself: logs and metrics.

Logs go to standard error, metrics to standard output; Lambda takes both. It is not traced call by
call: it reads thousands of objects.
"""

from __future__ import annotations

import sys

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from pipeline.jobs.verify import Verified

logger = Logger(service="verify", stream=sys.stderr, utc=True)
metrics = Metrics(namespace="financial-forecaster", service="verify")


def count_verified(verified: Verified, *, complete: bool = True) -> None:
    """Emit how many manifests were checked and how many objects are not as they should be.

    `record_intact` is 1 where there is a record, all of it was looked at (`complete`) and nothing
    is wrong with it; an alarm waits for it.
    """
    intact = complete and verified.manifests > 0 and not verified.findings
    metrics.add_metric("record_intact", MetricUnit.Count, int(intact))
    metrics.add_metric("record_findings", MetricUnit.Count, len(verified.findings))
    metrics.add_metric("manifests_verified", MetricUnit.Count, verified.manifests)
