"""Graph: ONNX functions written in Python (onnxscript) to self-contained models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import compose, helper, numpy_helper

OPSET = 20
IR_VERSION = 10
DOUBLE = onnx.TensorProto.DOUBLE
FLOAT = onnx.TensorProto.FLOAT


def build_model(
    function: Any,
    inputs: Mapping[str, tuple[int, list[Any]]],
    outputs: Mapping[str, tuple[int, list[Any]]],
    constants: Mapping[str, NDArray[Any]] | None = None,
) -> onnx.ModelProto:
    """Return the model of an onnxscript function.

    Parameters
    ----------
    function : its parameters are the inputs and then the constants, by name
    inputs, outputs : name -> (element type, shape), a string in a shape being dynamic
    constants : name -> array that becomes part of the model
    """
    model = function.to_model_proto()
    graph = model.graph
    del graph.value_info[:], graph.input[:], graph.output[:]
    graph.input.extend(_describe_values(inputs))
    graph.output.extend(_describe_values(outputs))
    for name, value in (constants or {}).items():
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
    model.ir_version = IR_VERSION
    return model


def join_models(
    first: onnx.ModelProto, second: onnx.ModelProto, prefix: str, links: Mapping[str, str] = {}
) -> onnx.ModelProto:
    """Return a model that feeds the outputs of `first` to the inputs of `second`.

    An input of `second` takes the output that `links` names for it, else the one of its own name.
    Everything of `second` gets the prefix; the outputs of `first` stay outputs.
    """
    renamed = compose.add_prefix(second, prefix)
    io_map = [(links.get(i.name, i.name), prefix + i.name) for i in second.graph.input]
    outputs = [*(o.name for o in first.graph.output), *(o.name for o in renamed.graph.output)]
    return compose.merge_models(first, renamed, io_map=io_map, outputs=outputs)


def serialise(model: onnx.ModelProto, outputs: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a checked model; equal models give equal bytes.

    `outputs` maps the outputs to keep to their final names; without it all are kept.
    """
    if outputs is not None:
        _keep_outputs(model.graph, outputs)
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _keep_outputs(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    by_name = {output.name: output for output in graph.output}
    keep = [by_name[name] for name in names]
    del graph.output[:]
    graph.output.extend(keep)
    for output in graph.output:
        output.name = names[output.name]
    for node in graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]


def _describe_values(values: Mapping[str, tuple[int, list[Any]]]) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in values.items()
    ]
