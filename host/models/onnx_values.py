"""What a value of an ONNX graph can be, of the model's inputs, and why a node of the graph cannot be dense layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.errors import NeuronError
from host.models.imported import Chain, real

Array = NDArray[Any]


class Refused(NeuronError):
    """Dense layers cannot do it. The text is why."""


@dataclass(frozen=True)
class Block:
    """Inputs of more than one dimension a row, before they are flattened."""

    chain: Chain


@dataclass(frozen=True)
class Stacked:
    """The units of each row below each other in one column, as skl2onnx ends a network of several targets."""

    chain: Chain


@dataclass(frozen=True)
class Scores:
    """Values whose order within a row is that of a chain's: its softmax, or shares of it. softmax: exactly that."""

    chain: Chain
    softmax: bool = False


@dataclass(frozen=True)
class Exponential:
    """e^chain + plus."""

    chain: Chain
    plus: float = 0.0


@dataclass(frozen=True)
class Label:
    """The class of the largest score, or of a score above 0. classes: their names, None where it is a number."""

    scores: Scores
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Unknown:
    """What dense layers cannot give, and the node that is to blame."""

    why: str


Value = Chain | Block | Stacked | Scores | Exponential | Label | Unknown | Array | None

REFUSALS = {
    "convolutions": "Conv ConvTranspose MaxPool AveragePool GlobalAveragePool",
    "a loop": "LSTM GRU RNN Loop Scan If",
    "decision trees": "TreeEnsembleClassifier TreeEnsembleRegressor TreeEnsemble",
    "a kernel over support vectors": "SVMClassifier SVMRegressor",
    "a division by what it computes from the row": "LayerNormalization InstanceNormalization GroupNormalization "
    "RMSNormalization LpNormalization",
    "an activation that it does not have": "LeakyRelu PRelu Elu Selu Gelu Softplus Softsign HardSigmoid HardSwish Mish "
    "Swish Celu ThresholdedRelu Clip Erf Abs",
    "distances or neighbours": "Cdist TopK CDist",
    "weights in integers": "QLinearMatMul MatMulInteger DequantizeLinear QuantizeLinear DynamicQuantizeLinear QGemm",
    "several labels at once": "Binarizer",
}
"""What nodes want that no node of ours has."""


def refusal(op: str) -> str:
    """Why there is no reader of this type."""
    what = next((why for why, ops in REFUSALS.items() if op in ops.split()), None)
    does = f"it wants {what}; " if what else ""
    return f"{does}a node runs dense layers with relu, tanh and sigmoid only"


CONSTANT_MAX = 1 << 26
"""Elements that constants may become: two short ones broadcast to a large one."""


def _quotient(left: Array, right: Array) -> Array:
    """Of integers without its fraction, as ONNX has it: -7 / 2 is -3."""
    if left.dtype.kind not in "iu":
        return np.asarray(np.divide(left, right))
    if not right.all():
        raise Refused("it divides integers by 0")
    up = (left % right != 0) & ((left < 0) != (right < 0))
    return np.asarray(left // right + up.astype(left.dtype))


ON_CONSTANTS: dict[str, Callable[..., Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _quotient,
    "Neg": np.negative,
    "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
    "Not": np.logical_not,
}


def folded(op: str, inputs: Sequence[Any]) -> Array | None:
    """What an element-wise node makes of constants alone; None where it is none."""
    if op not in ON_CONSTANTS or not all(isinstance(value, np.ndarray) for value in inputs):
        return None
    if math.prod(value.size for value in inputs) > CONSTANT_MAX:
        raise Refused("its constants are larger than any that a node needs")
    return np.asarray(ON_CONSTANTS[op](*inputs))


def chain_of(value: Any) -> Chain:
    match value:
        case Chain():
            return value
        case Block():
            raise Refused("its inputs have several dimensions: flatten them first")
        case np.ndarray() | None:
            raise Refused("one of its operands must come from the inputs")
    raise Refused(f"it goes on from what has become {_NAMES[type(value)]}")


_NAMES = {Stacked: "one column", Scores: "probabilities", Exponential: "exponentials", Label: "a decision"}


def constant_of(value: Any, what: str) -> Array:
    if not isinstance(value, np.ndarray):
        raise Refused(f"its {what} must be constant")
    return value


def row_of(value: Array) -> Array:
    """A constant that is added to, or multiplied with, every row: (1,) or (units,)."""
    if value.size != (value.shape[-1] if value.ndim else 1):
        raise Refused(f"a constant of the shape {value.shape} is not the same for every row")
    return real(value).reshape(-1)


def along_units(axis: int) -> None:
    if axis not in (1, -1):
        raise Refused(f"it goes along axis {axis}; over the columns is 1 or -1")
