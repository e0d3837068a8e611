"""A model that anybody may have written is refused unless it is plain, small and quick."""

from __future__ import annotations

import dataclasses
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.errors import BundleMismatch
from pipeline.forecasting import foreign_model, graph_check
from pipeline.forecasting.bundle import ModelBundle
from pipeline.forecasting.foreign_model import load_foreign
from pipeline.forecasting.graph_check import check_graph
from pipeline.forecasting.model import Model
from tests.support.tree import ROOT


def shaped(size: int) -> Any:
    return numpy_helper.from_array(np.array([size], np.int64), "size")


def with_nodes(bundle: ModelBundle, *nodes: Any, tensors: Any = (), **changes: Any) -> ModelBundle:
    """Return the bundle with more nodes, of which ONNX Runtime may drop none: sigma needs them."""
    model = onnx.load_from_string(bundle.onnx)
    graph = model.graph
    graph.initializer.extend(tensors)
    graph.node.extend(nodes)
    if nodes and any("more" in node.output for node in nodes):
        for node in graph.node:
            node.output[:] = ["more_plain" if name == "sigma" else name for name in node.output]
        nothing = numpy_helper.from_array(np.array([0.0], np.float32), "more_nothing")
        graph.initializer.append(nothing)
        graph.node.append(helper.make_node("ReduceSum", ["more"], ["more_sum"], keepdims=0))
        graph.node.append(helper.make_node("Mul", ["more_sum", "more_nothing"], ["more_zero"]))
        graph.node.append(helper.make_node("Add", ["more_plain", "more_zero"], ["sigma"]))
    return with_onnx(bundle, model.SerializeToString(), **changes)


def with_onnx(bundle: ModelBundle, data: bytes, **changes: Any) -> ModelBundle:
    manifest = msgspec.structs.replace(
        bundle.manifest, onnx_sha256=sha256(data).hexdigest(), **changes
    )
    return dataclasses.replace(bundle, manifest=manifest, onnx=data)


def subgraph() -> Any:
    inner = helper.make_tensor_value_info("inner", TensorProto.FLOAT, [])
    value = helper.make_node("Constant", [], ["inner"], value_float=1.0)
    return helper.make_graph([value], "body", [], [inner])


class TestPlainGraphs:
    @pytest.mark.parametrize(
        "path", ["models/default/model.onnx", "tests/golden/bundle/model.onnx"]
    )
    def test_what_our_training_writes_is_plain(self, path: str) -> None:
        check_graph((ROOT / path).read_bytes(), path)

    @pytest.mark.parametrize("kind", ["Loop", "If", "Scan"])
    def test_a_sub_graph_is_refused(self, bundle: ModelBundle, kind: str) -> None:
        node = helper.make_node(kind, ["x"], ["more"], body=subgraph())
        with pytest.raises(BundleMismatch, match="got a sub-graph"):
            load_foreign(with_nodes(bundle, node))

    def test_sub_graphs_side_by_side_are_refused(self, bundle: ModelBundle) -> None:
        node = helper.make_node("Abs", ["x"], ["more"])
        node.attribute.append(helper.make_attribute("bodies", [subgraph()]))
        with pytest.raises(BundleMismatch, match="got a sub-graph"):
            load_foreign(with_nodes(bundle, node))

    def test_code_of_others_is_refused(self, bundle: ModelBundle) -> None:
        node = helper.make_node("Gelu", ["x"], ["more"], domain="com.microsoft")
        with pytest.raises(BundleMismatch, match="got a domain"):
            load_foreign(with_nodes(bundle, node))

    def test_a_function_is_refused(self, bundle: ModelBundle) -> None:
        model = onnx.load_from_string(bundle.onnx)
        imports = [helper.make_opsetid("", 20)]
        model.functions.append(helper.make_function("ai.onnx", "Mine", [], [], [], imports))
        with pytest.raises(BundleMismatch, match="got a function"):
            load_foreign(with_onnx(bundle, model.SerializeToString()))

    @pytest.mark.parametrize("where", ["initializer", "attribute"])
    def test_data_in_another_file_is_refused(self, bundle: ModelBundle, where: str) -> None:
        tensor = TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[1])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/dev/zero")
        if where == "initializer":
            foreign = with_nodes(bundle, tensors=[tensor])
        else:
            foreign = with_nodes(bundle, helper.make_node("Constant", [], ["c"], value=tensor))
        with pytest.raises(BundleMismatch, match="got external data"):
            load_foreign(foreign)

    def test_a_sparse_tensor_is_refused(self, bundle: ModelBundle) -> None:
        model = onnx.load_from_string(bundle.onnx)
        model.graph.sparse_initializer.add(dims=[10**6, 10**6])
        with pytest.raises(BundleMismatch, match="got a sparse tensor"):
            load_foreign(with_onnx(bundle, model.SerializeToString()))

    def test_a_graph_that_is_there_twice_is_looked_at_twice(self, bundle: ModelBundle) -> None:
        # Protobuf merges them, so that the second adds its nodes to the first.
        node = helper.make_node("Loop", ["x"], ["more"], body=subgraph())
        second = onnx.ModelProto(graph=onnx.GraphProto(node=[node])).SerializeToString()
        with pytest.raises(BundleMismatch, match="got a sub-graph"):
            load_foreign(with_onnx(bundle, bundle.onnx + second))

    def test_too_many_nodes_are_refused(
        self, bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nodes = len(onnx.load_from_string(bundle.onnx).graph.node)
        monkeypatch.setattr(graph_check, "MOST_NODES", nodes)
        check_graph(bundle.onnx, "here")
        monkeypatch.setattr(graph_check, "MOST_NODES", nodes - 1)
        with pytest.raises(BundleMismatch, match=f"at most {nodes - 1} nodes .* got {nodes}"):
            check_graph(bundle.onnx, "here")

    def test_a_file_too_large_is_refused(
        self, bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(graph_check, "LARGEST_ONNX", len(bundle.onnx) - 1)
        with pytest.raises(BundleMismatch, match="here: expected an ONNX file of at most"):
            check_graph(bundle.onnx, "here")

    @pytest.mark.parametrize("data", [b"\xff" * 20, b"\x3a\xff", b"\x0b", b"\x3a", b"\x38\x01"])
    def test_what_is_no_protobuf_is_refused(self, data: bytes) -> None:
        with pytest.raises(BundleMismatch, match="expected an ONNX file, got another"):
            check_graph(data, "here")

    def test_any_damage_is_an_error_of_ours_or_no_matter(self, bundle: ModelBundle) -> None:
        random = np.random.default_rng(5)
        for at in random.integers(0, 5000, 300):
            damaged = bytearray(bundle.onnx[:5000])
            damaged[at] = random.integers(256)
            with pytest.raises(BundleMismatch):
                check_graph(bytes(damaged[: random.integers(4999)]) + b"\x0b", "here")


class TestBounds:
    def test_the_shipped_model_forecasts_the_same(self, bundle: ModelBundle, model: Model) -> None:
        windows = np.random.default_rng(1).normal(size=(3, 60, 12)).astype(np.float32)
        foreign, ours = load_foreign(bundle).predict(windows), model.predict(windows)
        np.testing.assert_array_equal(foreign.log_return_quantiles, ours.log_return_quantiles)
        np.testing.assert_array_equal(foreign.sigma, ours.sigma)

    @pytest.mark.parametrize("size", [10**9, 10**12])
    def test_a_giant_shape_is_refused(self, bundle: ModelBundle, size: int) -> None:
        node = helper.make_node("ConstantOfShape", ["size"], ["more"])
        with pytest.raises(BundleMismatch, match="cannot run it: .*(?:memory|verflow)"):
            load_foreign(with_nodes(bundle, node, tensors=[shaped(size)]))

    def test_a_giant_product_of_small_tensors_is_refused(self, bundle: ModelBundle) -> None:
        column = numpy_helper.from_array(np.ones((40_000, 1), np.float32), "column")
        row = numpy_helper.from_array(np.ones((1, 40_000), np.float32), "row")
        node = helper.make_node("MatMul", ["column", "row"], ["more"])
        with pytest.raises(BundleMismatch, match="cannot run it: .*memory"):
            load_foreign(with_nodes(bundle, node, tensors=[column, row]))

    def test_what_takes_too_long_is_stopped(
        self, bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(foreign_model, "TRIAL_SECONDS", 0.05)
        names = ["square", *(f"power{n}" for n in range(300)), "more"]
        square = numpy_helper.from_array(np.full((700, 700), 1e-3, np.float32), "square")
        nodes = [
            helper.make_node("MatMul", [before, "square"], [after])
            for before, after in zip(names, names[1:], strict=False)
        ]
        with pytest.raises(BundleMismatch, match="cannot run it: .*terminate"):
            load_foreign(with_nodes(bundle, *nodes, tensors=[square]))

    def test_outputs_of_another_shape_than_declared_are_refused(self, bundle: ModelBundle) -> None:
        # Declared with any number of rows, it answers one; NumPy would repeat that for every row.
        first = helper.make_node("Slice", ["more_plain", "more_0", "more_1"], ["sigma"])
        ends = [
            numpy_helper.from_array(np.array([value], np.int64), name)
            for value, name in ((0, "more_0"), (1, "more_1"))
        ]
        model = onnx.load_from_string(bundle.onnx)
        for node in model.graph.node:
            node.output[:] = ["more_plain" if name == "sigma" else name for name in node.output]
        model.graph.initializer.extend(ends)
        model.graph.node.append(first)
        foreign = Model(with_onnx(bundle, model.SerializeToString()))
        with pytest.raises(BundleMismatch, match="expected outputs of"):
            foreign.predict(np.zeros((2, 60, 12), np.float32))
