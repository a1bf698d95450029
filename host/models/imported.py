"""A model that was trained elsewhere, as dense layers, and what it decides: what every importer gives.

An importer walks through the foreign model with a Chain: linear maps are multiplied into one, and an activation closes
a layer. At its end stands `numbers` or `classes_of`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.core.wire import UNITS_MAX, Activation
from host.errors import NeuronError, counted
from host.models.dense import Dense, Float, reference


class Decide(Enum):
    """What the outputs are.

    NUMBERS: values, a target each. SIGN: one step, 1 where a score is above 0. PROBABILITY: sigmoids, each compared
    with a threshold. ARGMAX: a score a class, the first of the largest wins.
    """

    NUMBERS = "numbers"
    SIGN = "sign"
    PROBABILITY = "probability"
    ARGMAX = "argmax"


@dataclass(frozen=True)
class Imported:
    """A foreign model in our terms.

    layers: float64, for raw inputs; classes: names in the order of the class numbers, two where one output decides, one
    an output where the largest wins, else empty; inputs, outputs: names, empty where the model has none; notes: what
    was left out, or could have been read in another way, for people; threshold: what a PROBABILITY is compared with.
    """

    name: str
    layers: tuple[Dense, ...]
    decide: Decide
    classes: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    threshold: float = 0.5

    @property
    def units(self) -> tuple[int, ...]:
        """Inputs, then the outputs of every layer."""
        return (self.layers[0].weights.shape[1], *(len(layer.bias) for layer in self.layers))

    def decisions(self, x: ArrayLike) -> NDArray[np.int64]:
        """What the float model decides of x (samples, inputs), as `decisions_of` gives it."""
        sums, outputs = reference(self.layers, np.asarray(x, np.float64))
        if self.decide is Decide.PROBABILITY and self.threshold == 0.5:
            # It is above 0.5 where its sum is above 0, also where float64 rounds it to 0.5.
            return (sums > 0).astype(np.int64)
        return self.decisions_of(outputs)

    def decisions_of(self, outputs: Float) -> NDArray[np.int64]:
        """The decisions in outputs (samples, outputs) in their own units: (samples, 1) class numbers, or (samples,
        outputs) of 0 and 1 where several sigmoids stand side by side. NUMBERS decide nothing: (samples, 0)."""
        match self.decide:
            case Decide.NUMBERS:
                return np.zeros((len(outputs), 0), np.int64)
            case Decide.ARGMAX:
                return np.asarray(outputs.argmax(axis=1)[:, np.newaxis], np.int64)
        return (outputs > self.threshold).astype(np.int64)


# --------------------------------------------------------------------------------------------- layers, from the inputs

WIDEST = 4096
"""Values between two linear maps, which become one: no node holds them."""


@dataclass(frozen=True)
class Chain:
    """A value on the way through a model: weights @ h + bias, where h are the outputs of `layers`, or the inputs where
    there are none yet. weights: (units, outputs of the last layer); bias: (units,)."""

    layers: tuple[Dense, ...]
    weights: Float
    bias: Float

    @property
    def units(self) -> int:
        return len(self.bias)

    @property
    def plain(self) -> bool:
        """Whether nothing has been done since the last layer."""
        return bool(np.array_equal(self.weights, np.eye(*self.weights.shape)) and not self.bias.any())

    def linear(self, weights: ArrayLike, bias: ArrayLike) -> Chain:
        """weights (rows, units) @ value + bias (rows,)."""
        matrix, vector = real(weights), real(bias)
        if len(vector) > WIDEST:
            raise NeuronError(f"{len(vector)} values side by side, far more than the {UNITS_MAX} of a node")
        if matrix.ndim != 2 or matrix.shape[1] != self.units or vector.shape != (len(matrix),):
            raise NeuronError(
                f"weights of {_shape(matrix)} and biases of {_shape(vector)} behind {counted(self.units, 'value')}"
            )
        if not len(matrix):
            raise NeuronError("it gives no values")
        weights, bias = matrix @ self.weights, matrix @ self.bias + vector
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise NeuronError("a weight or bias is not a finite number")
        return Chain(self.layers, weights, bias)

    def scaled(self, factor: ArrayLike, offset: ArrayLike) -> Chain:
        """factor * value + offset, each a number or one a unit."""
        units = (self.units,)
        try:
            factors, offsets = (np.broadcast_to(real(v), units) for v in (factor, offset))
        except ValueError:
            raise NeuronError(f"constants that do not go with {counted(self.units, 'value')}") from None
        return self.linear(np.diag(factors), offsets)

    def activated(self, activation: Activation) -> Chain:
        """The value behind an activation, which closes a layer."""
        if self.units > UNITS_MAX:
            raise NeuronError(f"a layer of {self.units} units, a node takes at most {UNITS_MAX}")
        return Chain(
            (*self.layers, Dense(self.weights, self.bias, activation)),
            np.eye(self.units),
            np.zeros(self.units),
        )

    def trimmed(self) -> Chain:
        """The same without the units of the last layer that nothing is made of."""
        used = np.flatnonzero(self.weights.any(axis=0))
        if not self.layers or not len(used):
            return self
        last = self.layers[-1]
        last = Dense(last.weights[used], last.bias[used], last.activation)
        return Chain((*self.layers[:-1], last), self.weights[:, used], self.bias)

    def is_positive(self) -> bool:
        """Whether every unit is above 0 whatever the inputs: sigmoids with positive weights."""
        behind = bool(self.layers) and self.layers[-1].activation is Activation.SIGMOID
        return behind and bool(
            (self.weights >= 0).all() and (self.weights.sum(axis=1) > 0).all() and (self.bias >= 0).all()
        )

    def before(self, activation: Activation) -> Chain | None:
        """The sums that these units are the activation of; None where they are not, each of one."""
        if not self.layers or self.layers[-1].activation is not activation or self.bias.any():
            return None
        chosen = self.weights.argmax(axis=1)
        if not np.array_equal(self.weights, np.eye(self.weights.shape[1])[chosen]):
            return None
        last = self.layers[-1]
        return Chain(self.layers[:-1], last.weights[chosen], last.bias[chosen])


def real(values: Any) -> Float:
    """As float64. NeuronError where they are complex: numpy would drop a part of them."""
    array = np.asarray(values)
    if np.iscomplexobj(array):
        raise NeuronError("a weight or bias is a complex number")
    return array.astype(np.float64)


def _shape(array: NDArray[Any]) -> str:
    return " x ".join(map(str, array.shape)) or "one number"


def start(inputs: int) -> Chain:
    """The raw inputs."""
    if not 1 <= inputs <= UNITS_MAX:
        raise NeuronError(f"the model takes {counted(inputs, 'input')}, a node takes 1..{UNITS_MAX}")
    return Chain((), np.eye(inputs), np.zeros(inputs))


def joined(chains: Sequence[Chain]) -> Chain:
    """Values side by side. Layers that they do not share stand side by side too, and must have the same activations."""
    if len({tuple(layer.activation for layer in chain.layers) for chain in chains}) > 1:
        raise NeuronError("it joins values that stand behind different layers")
    layers: tuple[Dense, ...] = ()
    apart = False
    for level in zip(*(chain.layers for chain in chains), strict=True):
        if not apart and all(layer is level[0] for layer in level):
            layers += (level[0],)
            continue
        parts = [layer.weights for layer in level]
        weights = _blocks(parts) if apart else np.vstack(parts)
        layers += (Dense(weights, np.concatenate([layer.bias for layer in level]), level[0].activation),)
        apart = True
    parts = [chain.weights for chain in chains]
    weights = _blocks(parts) if apart else np.vstack(parts)
    return Chain(layers, weights, np.concatenate([chain.bias for chain in chains]))


def _blocks(parts: Sequence[Float]) -> Float:
    """The matrices along a diagonal."""
    rows, columns = (np.cumsum([0, *(part.shape[axis] for part in parts)]) for axis in (0, 1))
    whole = np.zeros((rows[-1], columns[-1]))
    for index, part in enumerate(parts):
        whole[rows[index] : rows[index + 1], columns[index] : columns[index + 1]] = part
    return whole


# -------------------------------------------------------------------------------------------------------- at the end

SCORE = "the score is compared with 0 on the node: its output is 0 or 1"
LARGEST = "the outputs are the scores before the {}: the largest of them decides, as it does behind it"
ROUNDED = (
    "; where float32 rounds two sigmoids to the same, the original takes the first, the node the larger score"
)


def _closed(chain: Chain) -> tuple[Dense, ...]:
    """The layers, the last linear map among them."""
    return chain.layers if chain.layers and chain.plain else chain.activated(Activation.IDENTITY).layers


def numbers(name: str, chain: Chain, notes: Sequence[str] = ()) -> Imported:
    """A model whose outputs are values; behind a sigmoid they are taken as probabilities, one alone as that of the
    second of two classes."""
    layers = _closed(chain)
    if layers[-1].activation is not Activation.SIGMOID:
        return Imported(name, layers, Decide.NUMBERS, notes=tuple(notes))
    classes = ("0", "1") if chain.units == 1 else ()
    return Imported(name, layers, Decide.PROBABILITY, classes, notes=tuple(notes))


def classes_of(
    name: str, chain: Chain, classes: Sequence[str], *, softmax: bool = False, notes: Sequence[str] = ()
) -> Imported:
    """A model that decides for the class of the largest score, or where there is but one, for the second of two where
    it is above 0, or a sigmoid above 0.5. softmax: the original makes probabilities of the scores so.

    Two classes become one output: a probability where the original has one, else a step on the accumulator, before
    anything is rounded. A sigmoid or softmax of all scores goes, as it leaves the largest the largest."""
    count = max(2, chain.units)
    if len(classes) != count:
        raise NeuronError(f"{counted(len(classes), 'class name')} for {count} classes")
    if count == 2:
        decide, layers = _two_classes(chain, softmax)
        said = (SCORE,) if decide is Decide.SIGN else ()
        return Imported(name, layers, decide, tuple(classes), notes=(*notes, *said))
    under = chain.before(Activation.SIGMOID)
    dropped = "softmax" if softmax else "sigmoid" if under else None
    said = (LARGEST.format(dropped) + ROUNDED * bool(under),) if dropped else ()
    return Imported(name, _closed(under or chain), Decide.ARGMAX, tuple(classes), notes=(*notes, *said))


def with_classes(model: Imported, classes: Sequence[str]) -> Imported:
    """The same model with these names for its classes. One whose outputs are numbers then decides: for the largest of
    several, or where there is one, for the second of two classes above 0. NeuronError where it has other names already,
    or its numbers are put in another order: that would swap the classes."""
    if len(set(classes)) != len(classes) or not all(classes):
        raise NeuronError(f"classes {', '.join(map(repr, classes))}: each needs a name of its own")
    if model.classes:
        if len(classes) != len(model.classes):
            raise NeuronError(f"{counted(len(classes), 'class name')} for {len(model.classes)} classes")
        numbered = model.classes == tuple(map(str, range(len(classes)))) and set(classes) != set(
            model.classes
        )
        if tuple(classes) != model.classes and not numbered:
            raise NeuronError(
                f"{model.name} names its classes itself, {', '.join(model.classes)}: leave the classes out"
            )
        return replace(model, classes=tuple(classes))
    *before, last = model.layers
    chain = Chain(tuple(before), last.weights, last.bias)
    if last.activation is not Activation.IDENTITY:
        chain = chain.activated(last.activation)
    return replace(classes_of(model.name, chain, classes, notes=model.notes), inputs=model.inputs)


def _two_classes(chain: Chain, softmax: bool) -> tuple[Decide, tuple[Dense, ...]]:
    if chain.units == 1:
        if chain.plain and chain.layers and chain.layers[-1].activation is Activation.SIGMOID:
            return Decide.PROBABILITY, chain.layers
        return Decide.SIGN, chain.activated(Activation.STEP).layers
    step, activation = chain.linear([[-1.0, 1.0]], [0.0]), Activation.STEP
    if softmax:  # e^b / (e^a + e^b) = sigmoid(b - a)
        activation = Activation.SIGMOID
    elif under := chain.before(Activation.SIGMOID):
        if np.array_equal(under.weights[0], -under.weights[1]) and under.bias[0] == -under.bias[1]:
            step, activation = under.linear([[0.0, 1.0]], [0.0]), Activation.SIGMOID
        else:
            step = under.linear([[-1.0, 1.0]], [0.0])
    elif _is_complement(chain, step):
        return Decide.PROBABILITY, chain.layers
    decide = Decide.PROBABILITY if activation is Activation.SIGMOID else Decide.SIGN
    return decide, step.activated(activation).layers


def _is_complement(chain: Chain, step: Chain) -> bool:
    """Whether the two are 1 - p and p, of a sigmoid p."""
    if (
        not chain.layers
        or chain.layers[-1].activation is not Activation.SIGMOID
        or step.weights.shape != (1, 1)
    ):
        return False
    return bool(step.weights[0, 0] > 0 and step.bias[0] == -step.weights[0, 0] / 2)


def label(value: Any) -> str:
    """The name of a class that a model knows by any value: 1 for 1.0, too."""
    if isinstance(value, bytes):
        return printable(value.decode("utf-8", "replace"))
    whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return printable(int(value) if whole else value)


def printable(text: object) -> str:
    """A text of a stranger's file, without what would steer a terminal or end the line."""
    return "".join(c if c.isprintable() else "?" for c in str(text))


def first_line(error: object) -> str:
    """What went wrong in another library, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return printable((lines or [type(error).__name__])[0][:200])


# ------------------------------------------------------------------------------------------------- optional libraries

NEEDED = {
    "onnx": "onnx>=1.17",
    "joblib": "scikit-learn>=1.5",
    "sklearn": "scikit-learn>=1.5",
    "torch": "torch",
}
"""A package, and what installs it."""


def library(module: str, purpose: str) -> Any:
    """A library that only this purpose needs, imported now; NeuronError with the line that installs it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        package = module.partition(".")[0]
        raise NeuronError(
            f"{purpose} needs {package}: {sys.executable} -m pip install '{NEEDED[package]}'"
        ) from None
