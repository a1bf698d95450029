"""An ONNX graph of dense layers, as skl2onnx, torch.onnx and others export them.

The graph is walked in its order, and every value is known as what it is of the inputs: a Chain of layers, scores whose
largest decides, a label, a constant. A node of the graph that gives nothing of these makes its values Unknown, with the
reason; that is an error only where the model's answer depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from host.errors import NeuronError, counted
from host.models.dense import Dense, Float
from host.models.imported import Chain, Imported, classes_of, first_line, library, numbers, printable, start
from host.models.onnx_nodes import READERS
from host.models.onnx_values import Block, Label, Refused, Scores, Stacked, Unknown, Value, folded, refusal

FILE_MAX = 1 << 26
"""Bytes of a file, or of its weights: what a node holds is a few thousand of them."""
OLDEST_OPSET = 7
"""Before it Gemm, Add and others broadcast in another way."""
STACKED = "the graph writes the outputs of a row below each other; here they are outputs side by side"
INTEGERS = {6, 7}
ELEMENTS = {1, 11} | INTEGERS
"""Types of inputs, by onnx.TensorProto's numbers: float, double, int32, int64. In half precision the original itself
rounds."""


def load_onnx(path: Path) -> Imported:
    """The model of an .onnx file, and of the file with its weights where they stand apart."""
    onnx = library("onnx", path.name)
    try:
        size = path.stat().st_size
        if not size:
            raise NeuronError(f"{path}: it is empty")
        _require_size(path, size)
        model = onnx.load(str(path), load_external_data=False)
        _require_size(path, sum(4 * math.prod(tensor.dims) for tensor in model.graph.initializer))
        library("onnx.external_data_helper", path.name).load_external_data_for_model(model, str(path.parent))
    except OSError as error:
        raise NeuronError(f"cannot read {path}: {error.strerror or first_line(error)}") from None
    except NeuronError:
        raise
    except Exception as error:  # protobuf's and onnx's errors have no class in common
        raise NeuronError(f"{path}: it is no whole ONNX file: {first_line(error)}") from None
    try:
        return from_onnx(model, path.stem)
    except NeuronError as error:
        raise NeuronError(f"{path}: {error}") from None


def _require_size(path: Path, size: int) -> None:
    if size > FILE_MAX:
        raise NeuronError(f"{path}: {size} bytes, a model for a node is far smaller")


def from_onnx(model: Any, name: str | None = None) -> Imported:
    """The dense layers of an onnx.ModelProto; name: of the model, by default its graph's. NeuronError names the node of
    the graph that dense layers cannot do."""
    onnx = library("onnx", "an ONNX model")
    try:
        if model.functions:
            model = library("onnx.inliner", "an ONNX model").inline_local_functions(model)
        found = _Graph(onnx, model).imported(name or printable(model.graph.name) or "onnx")
        # Behind our own look, which names nodes better: attributes that no node has, names that are given twice.
        library("onnx.checker", "an ONNX model").check_model(model)
        return found
    except NeuronError:
        raise
    except Exception as error:  # a damaged graph: types, shapes and references as nobody writes them
        raise NeuronError(f"its graph is damaged: {first_line(error)}") from None


class _Graph:
    """A graph on its way: the values that are known by name."""

    def __init__(self, onnx: Any, model: Any) -> None:
        self.onnx, self.graph = onnx, model.graph
        opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)
        if opset < OLDEST_OPSET:
            raise NeuronError(f"it is of opset {opset}: export it with opset {OLDEST_OPSET} or newer")
        self.values: dict[str, Value] = {t.name: self.array(t) for t in self.graph.initializer}
        self.types: dict[str, int] = {t.name: t.data_type for t in self.graph.initializer}
        self.types |= {i.name: i.type.tensor_type.elem_type for i in self.graph.input}
        self.inputs: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()
        self._take_inputs([i for i in self.graph.input if i.name not in self.values])

    def array(self, tensor: Any) -> Any:
        """A constant as numpy has it."""
        if tensor.data_location == tensor.EXTERNAL:
            raise NeuronError(
                f"the weights {tensor.name!r} stand in another file: load the model by its file"
            )
        return self.onnx.numpy_helper.to_array(tensor)

    def _take_inputs(self, inputs: Sequence[Any]) -> None:
        """Every input of the graph, (rows, columns) or (rows, ...), is some of the model's inputs, in their order."""
        shapes = [self._shape_of(each) for each in inputs]
        widths = [math.prod(shape) for shape in shapes]
        if not inputs:
            raise NeuronError("its graph has no inputs")
        raw, first = start(sum(widths)), 0
        for each, shape, width in zip(inputs, shapes, widths, strict=True):
            chain = Chain((), raw.weights[first : first + width], raw.bias[first : first + width])
            self.values[each.name] = chain if len(shape) == 1 else Block(chain)
            first += width
        whole = [printable(i.name) for i in inputs if i.type.tensor_type.elem_type in INTEGERS]
        if whole:
            self.notes = (
                f"of {', '.join(whole)} the original takes whole numbers only, a node fractions as well",
            )
        if len(inputs) == 1:
            return
        names = tuple(printable(each.name) for each in inputs)
        if set(widths) == {1}:
            self.inputs = names
        else:
            self.notes += (f"the graph's inputs stand side by side, in this order: {', '.join(names)}",)

    def _shape_of(self, value: Any) -> list[int]:
        """Dimensions behind that of the rows."""
        kind = value.type.tensor_type
        dims = [d.dim_value if d.HasField("dim_value") else 0 for d in kind.shape.dim]
        if kind.elem_type not in ELEMENTS:
            raise NeuronError(
                f"input {value.name!r} is no float32, float64 or integer: export the model in float32"
            )
        if len(dims) < 2:
            raise NeuronError(
                f"input {value.name!r} has no rows: export it for x of the shape (rows, columns)"
            )
        if min(dims[1:]) < 1:
            raise NeuronError(
                f"input {value.name!r} does not say how many columns it has: export it with that number"
            )
        return dims[1:]

    # ------------------------------------------------------------------------------------------------------ the walk

    def imported(self, name: str) -> Imported:
        nodes = self.graph.node
        for position, node in enumerate(nodes, 1):
            op = printable(node.op_type)
            where = f"node {position} of {len(nodes)}, {op}{f' {node.name!r}' if node.name else ''}"
            for output, value in zip(node.output, self._results(node, where), strict=False):
                self.values[output] = value
        return self._answer(name)

    def _results(self, node: Any, where: str) -> Iterator[Value]:
        arguments = [self.values.get(i) if i else None for i in node.input]
        missing = next((i for i in node.input if i and i not in self.values), None)
        if missing is not None:
            raise NeuronError(f"{where}: it takes {missing!r}, which nothing before it gives")
        unknown = next((v for v in arguments if isinstance(v, Unknown)), None)
        if unknown is not None:
            return iter([unknown] * len(node.output))
        reader = READERS.get((node.domain.replace("ai.onnx", "", 1), node.op_type))
        try:
            constant = folded(node.op_type, arguments)
            if constant is not None:
                return iter([constant])
            if reader is None:
                raise Refused(refusal(node.op_type))
            attributes = {a.name: self._attribute(a) for a in node.attribute}
            if node.op_type == "CastLike":
                attributes["to"] = self._type_of(node.input[1])
            return iter(reader(arguments, attributes))
        except NeuronError as error:
            return iter([Unknown(f"{where}: {error}")] * len(node.output))

    def _type_of(self, name: str) -> int:
        """By onnx.TensorProto's numbers."""
        if name not in self.types:
            raise Refused("it takes over the type of a value that is computed")
        return self.types[name]

    def _attribute(self, attribute: Any) -> Any:
        value = self.onnx.helper.get_attribute_value(attribute)
        return self.array(value) if attribute.type == attribute.TENSOR else value

    def _answer(self, name: str) -> Imported:
        """What the graph's outputs say: its label, or else its only value."""
        values = [self.values.get(o.name) for o in self.graph.output]
        labels = [v for v in values if isinstance(v, Label)]
        if len(labels) == 1:
            label = labels[0]
            classes = label.classes or [str(i) for i in range(label.scores.chain.units)]
            model = classes_of(name, label.scores.chain, classes, softmax=label.scores.softmax)
            model = replace(model, notes=(*model.notes, *self._left_out(values, model)))
        else:
            model = self._value(name, values)
        return replace(model, inputs=self.inputs, notes=(*self.notes, *model.notes))

    def _left_out(self, values: Sequence[Value], model: Imported) -> list[str]:
        """What is said of outputs beside the label that are not what it is decided by."""
        others = [
            repr(printable(output.name))
            for output, value in zip(self.graph.output, values, strict=True)
            if not isinstance(value, Label) and not _decides(value, model)
        ]
        return [f"left out, what the graph gives beside its decision: {', '.join(others)}"] if others else []

    def _value(self, name: str, values: Sequence[Value]) -> Imported:
        for value in values:
            if isinstance(value, Unknown):
                raise NeuronError(value.why)
        if len(values) != 1:
            names = ", ".join(repr(o.name) for o in self.graph.output)
            raise NeuronError(
                f"its graph has {counted(len(values), 'output')} ({names}); a node gives one of them"
            )
        match values[0]:
            case Chain() as chain:
                return numbers(name, chain)
            case Stacked(chain):
                return numbers(name, chain, [STACKED])
            case Scores(chain, True):
                return classes_of(name, chain, [str(i) for i in range(chain.units)], softmax=True)
        raise NeuronError(
            f"its output {self.graph.output[0].name!r} is not made of its inputs by dense layers"
        )


def _decides(value: Value, model: Imported) -> bool:
    """Whether a model's classes are decided by these scores, or shares of them."""
    scores = Scores(value) if isinstance(value, Chain) else value
    if not isinstance(scores, Scores):
        return False
    try:
        own = classes_of(model.name, scores.chain, model.classes, softmax=scores.softmax)
    except NeuronError:
        return False
    pairs = list(zip(own.layers, model.layers, strict=False))
    return own.units == model.units and all(
        np.allclose(_direction(one), _direction(other)) for one, other in pairs
    )


def _direction(layer: Dense) -> Float:
    """Weights and biases of a layer but for their size, which does not change which is larger."""
    rows = np.column_stack([layer.weights, layer.bias])
    return np.asarray(rows / (np.abs(rows).max() or 1.0))
