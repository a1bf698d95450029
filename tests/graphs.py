"""Small ONNX graphs, node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

ML = "ai.onnx.ml"

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
W = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
B = np.array([0.5, -1.0, 2.0], np.float32)


def node(op: str, inputs: str, output: str = "y", domain: str = "", **attributes: Any) -> Any:
    """A node that takes and gives these names, by which it goes itself in small letters."""
    return helper.make_node(
        op,
        inputs.split(),
        output.split(),
        domain=domain,
        name=op.lower(),
        **attributes,
    )


def graph(
    nodes: list[Any],
    constants: dict[str, Any] | None = None,
    outputs: str = "y",
    shape: Any = ("n", 4),
    opset: int = 17,
) -> Any:
    """A model of these nodes, which takes x and gives `outputs`; shape: of x."""
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n", "m")) for name in outputs.split()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    versions = [helper.make_opsetid("", opset), helper.make_opsetid(ML, 3)]
    return helper.make_model(made, opset_imports=versions, ir_version=8)


WB = {"w": W, "b": B}
MATMUL = node("MatMul", "x w", "h")
ADD = node("Add", "h b")
