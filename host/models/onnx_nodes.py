"""The nodes of an ONNX graph that dense layers can do: what each makes of what it takes.

Values are (rows, units). A reader takes a node's inputs and attributes and gives its outputs, or raises Refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from host.core.wire import Activation
from host.models.imported import Chain, joined, label, real
from host.models.onnx_values import (
    Array,
    Block,
    Exponential,
    Label,
    Refused,
    Scores,
    Stacked,
    Value,
    along_units,
    chain_of,
    constant_of,
    row_of,
)

Attributes = dict[str, Any]
Reader = Callable[[Sequence[Any], Attributes], Sequence[Value]]
READERS: dict[tuple[str, str], Reader] = {}
"""By the operator set's domain behind ai.onnx, and type."""
ML = ".ml"


def _reads(*ops: str, domain: str = "") -> Callable[[Reader], Reader]:
    def register(reader: Reader) -> Reader:
        READERS.update({(domain, op): reader for op in ops})
        return reader

    return register


# ------------------------------------------------------------------------------------------------------ linear maps


def _spread(chain: Chain, units: int) -> Chain:
    """One column as many, as a longer constant beside it makes it."""
    return chain.linear(np.ones((units, 1)), np.zeros(units)) if chain.units == 1 < units else chain


@_reads("MatMul")
def _matmul(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    weights = constant_of(inputs[1], "weights")
    return [chain_of(inputs[0]).linear(weights.T, np.zeros(weights.shape[-1]))]


@_reads("Gemm")
def _gemm(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    if attributes.get("transA", 0):
        raise Refused("it turns its rows into columns (transA)")
    weights = real(constant_of(inputs[1], "weights")) * attributes.get("alpha", 1.0)
    rows = weights if attributes.get("transB", 0) else weights.T
    bias = np.zeros(len(rows))
    if len(inputs) > 2 and inputs[2] is not None:
        bias = bias + row_of(constant_of(inputs[2], "bias")) * attributes.get("beta", 1.0)
    return [chain_of(inputs[0]).linear(rows, bias)]


def _sum_of(left: Any, right: Any, sign: float) -> Value:
    """left + sign * right."""
    if isinstance(left, np.ndarray):
        if isinstance(right, Exponential) and sign > 0:
            return _sum_of(right, left, sign)
        row = row_of(left)
        return _spread(chain_of(right), len(row)).scaled(sign, row)
    if isinstance(right, np.ndarray):
        row = sign * row_of(right)
        if isinstance(left, Exponential) and len(row) == 1:
            return replace(left, plus=left.plus + float(row[0]))
        return _spread(chain_of(left), len(row)).scaled(1.0, row)
    both, units = joined([chain_of(left), chain_of(right)]), left.units
    if both.units != 2 * units:
        raise Refused("its operands differ in their columns")
    return both.linear(np.hstack([np.eye(units), sign * np.eye(units)]), np.zeros(units))


@_reads("Add")
def _add(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    left, right = inputs
    return [_sum_of(left, right, 1.0)]


@_reads("Sub")
def _subtract(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    left, right = inputs
    return [_sum_of(left, right, -1.0)]


@_reads("Mul")
def _multiply(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    left, right = inputs if isinstance(inputs[1], np.ndarray) else reversed(inputs)
    if not isinstance(right, np.ndarray):
        raise Refused("it multiplies two values that both come from the inputs")
    row = row_of(right)
    return [_spread(chain_of(left), len(row)).scaled(row, 0.0)]


@_reads("Div")
def _divide(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    left, right = inputs
    if isinstance(right, np.ndarray):
        if right.dtype.kind in "iu":
            raise Refused("it divides integers, which drops the fraction")
        row = row_of(right)
        return [_spread(chain_of(left), len(row)).scaled(1 / row, 0.0)]
    if isinstance(right, Chain) and right.units == 1 and not right.weights.any():  # as the sum of 1 - p and p
        return [chain_of(left).scaled(1 / right.bias[0], 0.0)]
    if not (
        isinstance(left, Chain) and isinstance(right, Chain) and right.units == 1 and right.is_positive()
    ):
        raise Refused("it divides by what comes from the inputs")
    return [Scores(left)]


@_reads("Neg")
def _negate(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    return [chain_of(inputs[0]).scaled(-1.0, 0.0)]


@_reads("Scaler", domain=ML)
def _scaler(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    offset, scale = (
        np.array(attributes.get(name, [usual])) for name, usual in (("offset", 0.0), ("scale", 1.0))
    )
    return [chain_of(inputs[0]).scaled(scale, -offset * scale)]


@_reads("BatchNormalization")
def _batch_normalization(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    if attributes.get("training_mode", 0):
        raise Refused("it learns from the batch (training_mode): export the model after model.eval()")
    factor, bias, mean, variance = (row_of(constant_of(v, "parameters")) for v in inputs[1:5])
    factor = factor / np.sqrt(variance + attributes.get("epsilon", 1e-5))
    return [chain_of(inputs[0]).scaled(factor, bias - mean * factor)]


@_reads("ReduceSum")
def _sum(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    axes = inputs[1] if len(inputs) > 1 and inputs[1] is not None else attributes.get("axes", [0])
    axes = np.ravel(axes).tolist()
    if len(axes) != 1 or not attributes.get("keepdims", 1):
        raise Refused("it must sum over the columns alone, and keep them as one (keepdims)")
    along_units(axes[0])
    chain = chain_of(inputs[0])
    return [chain.linear(np.ones((1, chain.units)), [0.0])]


@_reads("Concat")
def _concat(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    along_units(attributes["axis"])
    return _feature_vectorizer(inputs, attributes)


@_reads("FeatureVectorizer", domain=ML)
def _feature_vectorizer(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    return [joined([chain_of(v) for v in inputs])]


# ------------------------------------------------------------------------------------------ columns, shapes and types


def _columns(chain: Chain, numbers: Any) -> Chain:
    return chain.linear(np.eye(chain.units)[np.ravel(numbers)], np.zeros(np.size(numbers))).trimmed()


@_reads("Slice")
def _slice(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    names = ("starts", "ends", "axes", "steps")
    given = [*inputs[1:], *[None] * (5 - len(inputs))] if len(inputs) > 1 else map(attributes.get, names)
    starts, ends, axes, steps = (None if v is None else np.ravel(v).tolist() for v in given)
    if starts is None or ends is None or len(starts) != 1 or axes is None:
        raise Refused("it must cut the columns alone")
    along_units(axes[0])
    chain = chain_of(inputs[0])
    return [_columns(chain, np.arange(chain.units)[starts[0] : ends[0] : steps[0] if steps else 1])]


@_reads("Gather")
def _gather(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    if isinstance(inputs[0], np.ndarray):
        return _array_feature_extractor(inputs, attributes)
    along_units(attributes.get("axis", 0))
    return [_columns(chain_of(inputs[0]), constant_of(inputs[1], "columns"))]


@_reads("ArrayFeatureExtractor", domain=ML)
def _array_feature_extractor(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    """Names of classes for their numbers, or columns."""
    names, which = inputs
    if isinstance(names, np.ndarray) and isinstance(which, Label) and which.classes is None:
        return [Label(which.scores, tuple(label(name) for name in np.ravel(names)))]
    return [_columns(chain_of(names), constant_of(which, "columns"))]


@_reads("Identity", "Dropout")
def _identity(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    if len(inputs) > 2 and inputs[2] is not None and inputs[2].any():
        raise Refused("it drops at random (training_mode): export the model after model.eval()")
    return [inputs[0]]


@_reads("Constant")
def _constant_node(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    (value,) = attributes.values()
    return [np.asarray(value)]


FLOAT, DOUBLE, BOOL = 1, 11, 9
TYPES: dict[int, type[np.generic]] = {
    FLOAT: np.float32,
    DOUBLE: np.float64,
    BOOL: np.bool_,
    10: np.float16,
    3: np.int8,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    2: np.uint8,
    4: np.uint16,
    12: np.uint32,
    13: np.uint64,
}
"""By onnx.TensorProto's numbers."""


@_reads("Cast", "CastLike")
def _cast(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    value, to = inputs[0], attributes["to"]
    if isinstance(value, np.ndarray):
        return [_cast_constant(value, to)]
    if isinstance(value, Chain) and value.is_positive() and to == BOOL:
        return [np.ones(1, np.bool_)]  # what is above 0 is true
    if isinstance(value, Label):
        if to == BOOL:
            raise Refused("it makes true or false of a decision")
    elif to not in (FLOAT, DOUBLE):
        raise Refused("it makes of the values another type than float32 or float64")
    return [value]


def _cast_constant(value: Array, to: int) -> Array:
    kind = TYPES.get(to)
    if kind is None:
        raise Refused("it makes of a constant a type that is not read")
    if issubclass(kind, np.integer) and value.dtype.kind in "fiu":
        limits = np.iinfo(kind)
        if not ((value >= limits.min) & (value <= limits.max)).all():
            raise Refused(f"a constant is beyond {kind.__name__}, to which it is cast")
    return value.astype(kind)


@_reads("Flatten")
def _flatten(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    if attributes.get("axis", 1) != 1:
        raise Refused("it must leave the rows as they are (axis 1)")
    return [inputs[0].chain if isinstance(inputs[0], Block) else chain_of(inputs[0])]


@_reads("Reshape")
def _reshape(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    value, shape = inputs[0], constant_of(inputs[1], "shape")
    if isinstance(value, np.ndarray):
        return [value.reshape(shape)]
    if isinstance(value, Label):
        return [value]
    chain = value.chain if isinstance(value, Block) else chain_of(value)
    if shape.tolist() == [-1, 1] and chain.units > 1:
        return [Stacked(chain)]
    flat = shape.size == 1 and chain.units == 1
    if not flat and shape.tolist()[1:] != [chain.units] and shape.tolist() not in ([0, -1], [1, -1]):
        raise Refused(f"it makes another shape of rows of {chain.units} values: {shape.tolist()}")
    return [chain]


@_reads("Squeeze")
def _squeeze(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    if isinstance(inputs[0], Label):
        return [inputs[0]]
    chain = chain_of(inputs[0])
    if chain.units != 1:
        raise Refused(f"there is nothing to squeeze in rows of {chain.units} values")
    return [chain]


@_reads("Transpose")
def _transpose(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    return [np.transpose(constant_of(inputs[0], "operand"), attributes.get("perm"))]


# ------------------------------------------------------------------------------------------ activations and decisions


def _activation(activation: Activation) -> Reader:
    return lambda inputs, attributes: [chain_of(inputs[0]).activated(activation)]


_reads("Relu")(_activation(Activation.RELU))
_reads("Tanh")(_activation(Activation.TANH))
_reads("Sigmoid")(_activation(Activation.SIGMOID))


@_reads("Exp")
def _exp(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    return [Exponential(chain_of(inputs[0]))]


@_reads("Reciprocal")
def _reciprocal(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    """1 / (1 + e^-z), as skl2onnx writes a sigmoid."""
    if not isinstance(inputs[0], Exponential) or inputs[0].plus != 1.0:
        raise Refused("it divides by what comes from the inputs")
    return [inputs[0].chain.scaled(-1.0, 0.0).activated(Activation.SIGMOID)]


@_reads("Softmax", "LogSoftmax")
def _softmax(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    along_units(attributes.get("axis", -1))
    return [Scores(chain_of(inputs[0]), softmax=True)]


@_reads("Normalizer", domain=ML)
def _normalizer(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    """Positive values as shares of their sum or largest: their order stays."""
    value = inputs[0]
    if isinstance(value, Scores):
        return [value]
    if isinstance(value, Chain) and value.is_positive():
        return [Scores(value)]
    raise Refused("it divides each row by its own length, which is not linear")


@_reads("ArgMax")
def _argmax(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    along_units(attributes.get("axis", 0))
    if attributes.get("select_last_index", 0):
        raise Refused("of equal scores it takes the last, a node the first")
    scores = inputs[0] if isinstance(inputs[0], Scores) else Scores(chain_of(inputs[0]))
    if scores.chain.units < 2:
        raise Refused("it has one column to choose from")
    return [Label(scores)]


@_reads("ZipMap", domain=ML)
def _zipmap(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    """A table of names and values: the values."""
    return [inputs[0]]


@_reads("LinearRegressor", domain=ML)
def _linear_regressor(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    targets = attributes.get("targets", 1)
    chain = _linear(chain_of(inputs[0]), attributes, targets)
    if attributes.get("post_transform", b"NONE") != b"NONE":
        raise Refused(f"a node has no {label(attributes['post_transform'])} behind a regression")
    return [chain]


def _linear(chain: Chain, attributes: Attributes, rows: int) -> Chain:
    weights = np.array(attributes["coefficients"], np.float64)
    if rows < 1 or weights.size != rows * chain.units:
        raise Refused(f"{weights.size} coefficients for {rows} x {chain.units}")
    return chain.linear(weights.reshape(rows, -1), attributes.get("intercepts", np.zeros(rows)))


@_reads("LinearClassifier", domain=ML)
def _linear_classifier(inputs: Sequence[Any], attributes: Attributes) -> Sequence[Value]:
    classes = attributes.get("classlabels_strings") or attributes.get("classlabels_ints") or []
    names = tuple(label(name) for name in classes)
    chain = chain_of(inputs[0])
    rows = len(attributes["coefficients"]) // chain.units
    chain = _linear(chain, attributes, rows)
    behind = label(attributes.get("post_transform", b"NONE"))
    if behind == "LOGISTIC":
        chain = chain.activated(Activation.SIGMOID)
    elif behind not in ("NONE", "SOFTMAX"):
        raise Refused(f"a node has no {behind}")
    scores = Scores(chain, softmax=behind == "SOFTMAX")
    return [Label(scores, names), scores if behind == "SOFTMAX" else chain]
