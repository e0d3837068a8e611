"""Foreign model: one that anybody may have written, loaded within bounds of memory and time."""

from __future__ import annotations

from functools import cache

import onnxruntime as ort

from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.graph_check import check_graph
from pipeline.forecasting.model import Model, session_options

MOST_MEMORY = 512 * 2**20  # bytes, of all such models together; a batch of the shipped one takes 20
TRIAL_SECONDS = 20.0  # a window of the shipped one takes a thousandth of one


def load_foreign(bundle: ModelBundle) -> Model:
    """Return the model of a bundle that was found in a store.

    It is tried out before ONNX Runtime optimises it, since that computes all that is constant.

    Raises
    ------
    BundleMismatch
        When the graph is not plain, does not fit the manifest, or needs too much memory or time.
    """
    check_graph(bundle.onnx, bundle.version)
    _bound_memory()
    as_written = _bounded_options()
    as_written.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    Model(bundle, as_written).try_out(TRIAL_SECONDS)
    return Model(bundle, _bounded_options())


def _bounded_options() -> ort.SessionOptions:
    options = session_options()
    options.add_session_config_entry("session.use_env_allocators", "1")
    return options


@cache
def _bound_memory() -> None:
    """Give the sessions that ask for it one allocator, which refuses more."""
    arena = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = ort.OrtMemoryInfo("Cpu", arena, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg({"max_mem": MOST_MEMORY}))
