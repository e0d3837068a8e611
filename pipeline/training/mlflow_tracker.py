"""MlflowTracker: runs in MLflow, by default in a SQLite file where the command is run."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# MLflow reports to its maker unless it is forbidden before it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from pipeline.errors import StoreError
from pipeline.training.tracking import Run

EXPERIMENT = "forecaster"
KIND = "kind"
FINISHED, FAILED = "FINISHED", "FAILED"


class MlflowTracker:
    """Tracker that keeps an experiment's runs in MLflow.

    Parameters
    ----------
    uri : of the tracking store; without, MLflow's own rule: `MLFLOW_TRACKING_URI` if set, else
        the file `mlflow.db` in the working directory, with artefacts in `mlruns` beside it
    experiment : made if missing

    Raises
    ------
    StoreError
        When the store cannot be reached or written.
    """

    def __init__(self, uri: str | None = None, experiment: str = EXPERIMENT) -> None:
        with _translate_errors():
            self._client = _make_client(uri)
            stored = self._client.get_experiment_by_name(experiment)
            self._experiment: str = (
                stored.experiment_id if stored else self._client.create_experiment(experiment)
            )
        self._parent: str | None = None

    @property
    def uri(self) -> str:
        """Where the runs are kept."""
        uri: str = self._client.tracking_uri
        return uri

    @contextmanager
    def start_ensemble(self, name: str, params: Mapping[str, object]) -> Iterator[Run]:
        with self._start_run(name, params, {KIND: "ensemble"}) as run:
            self._parent = run.id
            try:
                yield run
            finally:
                self._parent = None

    @contextmanager
    def start_member(self, name: str, params: Mapping[str, object]) -> Iterator[Run]:
        parent = {MLFLOW_PARENT_RUN_ID: self._parent} if self._parent else {}
        with self._start_run(name, params, {KIND: "member", **parent}) as run:
            yield run

    @contextmanager
    def _start_run(
        self, name: str, params: Mapping[str, object], tags: dict[str, str]
    ) -> Iterator[MlflowRun]:
        with _translate_errors():
            created = self._client.create_run(self._experiment, run_name=name, tags=tags)
            run = MlflowRun(self._client, created.info.run_id)
            for key, value in params.items():
                self._client.log_param(run.id, key, value)
        ended = FAILED
        try:
            yield run
            ended = FINISHED
        finally:
            with _translate_errors():
                self._client.set_terminated(run.id, ended)


@dataclass(frozen=True, slots=True)
class MlflowRun:
    """One run kept by MLflow, under `id`."""

    client: Any
    id: str

    def log_metric(self, name: str, value: float, step: int = 0) -> None:
        with _translate_errors():
            self.client.log_metric(self.id, name, float(value), step=step)

    def log_artifact(self, path: Path) -> None:
        with _translate_errors():
            if path.is_dir():
                self.client.log_artifacts(self.id, str(path), path.name)
            else:
                self.client.log_artifact(self.id, str(path))


def _make_client(uri: str | None) -> Any:
    # A new file's tables are logged one migration at a time.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # MLflow 3.17 still loads relations in a way that SQLAlchemy 2.1 will drop.
        warnings.filterwarnings("ignore", "The ``noload`` loader", DeprecationWarning)
        return MlflowClient(tracking_uri=uri)


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except (MlflowException, OSError) as exc:
        raise StoreError(f"expected MLflow to keep the run, got: {exc}") from exc
