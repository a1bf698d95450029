"""The proof that a node computes what we compute: rows of inputs over the bus, every output, the class and the lamp
exactly as our own twin has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from host.core.decide import AT_ONCE
from host.core.fixed import Int16
from host.core.image import Model
from host.core.infer import (
    Scales,
    class_of,
    clipped_inputs,
    dequantise_inputs,
    dequantise_outputs,
    infer,
    led,
    quantise_inputs,
)
from host.errors import NeuronError
from host.node.client import NodeError
from host.node.coils import set_coils
from host.node.identity import Running
from host.node.node import Node, Result


@dataclass(frozen=True)
class Taken:
    """Inputs as a node takes them. q: at the model's scales; used: the same in its own units; clipped: those that are
    beyond what the formats hold, not only rounded."""

    q: list[int]
    used: list[float]
    clipped: list[bool]


def taken(inputs: Sequence[float], scales: Scales) -> Taken:
    """What a node makes of a row of inputs; scales: of its model."""
    q = quantise_inputs(scales, inputs)
    used, clipped = dequantise_inputs(scales, q), clipped_inputs(scales, inputs)
    return Taken(q[0].tolist(), used[0].tolist(), clipped[0].tolist())


@dataclass(frozen=True)
class Row:
    """One evaluation on the node, in the model's own units. used: the inputs that it took; clipped: one of them was
    beyond what the model can hold."""

    inputs: list[float]
    outputs: list[float]
    led: bool
    used: list[float]
    clipped: bool


@dataclass(frozen=True)
class Proven:
    """What a node gave for rows. outputs: int16 (rows, outputs); lamps: looked at where they can be seen, else as the
    node says."""

    outputs: Int16
    lamps: list[bool]


@dataclass
class Kept:
    """running: which model ran when the inputs had been put back."""

    running: Running | None = None


@contextmanager
def inputs_kept(node: Node, found: Sequence[int]) -> Iterator[Kept]:
    """Leave the inputs as they were found, by node.read_inputs or along with a command, whatever is evaluated
    meanwhile, and however that ends.

    Inputs that another master has written meanwhile are newer than ours: they stay.
    """
    kept = Kept()
    try:
        yield kept
    except BaseException:
        with suppress(NeuronError):  # of a node that has gone, the first failure says more
            node.put_back(found)
        raise
    kept.running = node.put_back(found)


def vector_of(model: Model) -> Int16:
    """The row (1, inputs) of the model's self-test to prove it by: the first that lights the lamp, if one does; outputs
    of 0 and a dark lamp are also what no model gives."""
    lit = led(model, infer(model, model.vector_inputs))
    return model.vector_inputs[[int(np.argmax(lit))]]


def quantised(model: Model, x: ArrayLike) -> tuple[Int16, list[Taken]]:
    """Rows of inputs (rows, inputs), in their own units, as a node takes them."""
    rows = np.atleast_2d(np.asarray(x, dtype=np.float64))
    took = [taken(row.tolist(), model) for row in rows]
    return np.array([each.q for each in took], np.int16).reshape(rows.shape), took


def prove(
    node: Node,
    model: Model,
    q: Int16,
    *,
    crc: int = 0,
    settle: Callable[[], object] | None = None,
    done: Callable[[int], None] = lambda row: None,
) -> Proven:
    """Evaluate rows (rows, inputs) on the node and compare with our own twin, exactly: NodeError where they differ.

    settle: makes sure that the commit of the image with this CRC-32 has ended, where one may be under way; done(row):
    after each.
    """
    expected = infer(model, q)
    lamps, classes = led(model, expected), class_of(model, expected)
    given, seen = [], []
    at_once = model.decision == AT_ONCE  # otherwise the lamp is also a matter of time
    compared = model.outputs > 1 or not at_once  # the class of a single output is what its LED says
    for i, (y, lit) in enumerate(zip(expected, lamps, strict=True)):
        # A reply that came twice looks like the answer to the next row.
        remedies: list[Callable[[], object]] = [node.doubt]
        unsettled = settle is not None and i == 0
        if settle and unsettled:
            remedies.insert(0, settle)
        while True:
            result = node.evaluate(q[i : i + 1], model.outputs, classes=compared, whose=unsettled)
            pending = unsettled and (result.busy or result.model_crc != crc)
            same = (result.outputs[0] == y).all() and (result.led[0] == lit or not at_once)
            same = same and (not compared or result.classes[0] == classes[i])
            if not pending and not result.held and same:
                break
            if not remedies:
                raise _not_proven(node, i, result, y)
            remedies.pop(0)()
            unsettled = False
        given.append(result.outputs[0])
        seen.append(node.lamp() if node.lamp else bool(result.led[0]))
        done(i)
    return Proven(np.array(given, np.int16).reshape(expected.shape), seen)


def rows_of(model: Model, x: ArrayLike, took: Sequence[Taken], proven: Proven) -> list[Row]:
    """What was proven for rows of inputs (rows, inputs), in their own units."""
    outputs = dequantise_outputs(model, proven.outputs)
    rows = np.atleast_2d(np.asarray(x, dtype=np.float64))
    return [
        Row(inputs.tolist(), output.tolist(), lit, each.used, any(each.clipped))
        for inputs, output, lit, each in zip(rows, outputs, proven.lamps, took, strict=True)
    ]


def _not_proven(node: Node, row: int, result: Result, expected: Int16) -> NodeError:
    """Why the node does not compute what it should, as far as its registers tell."""
    if not node.inputs_are_ours():
        return NodeError(
            f"the model runs, but could not be proven: another master writes the node's inputs (row {row}); "
            "stop it for a moment, or go without the proof (--no-prove)"
        )
    coils = set_coils(node)
    if coils:
        return NodeError(
            f"the model runs, but could not be proven: coil {coils[0]} is set and holds the lamp or the outputs; "
            "clear it, or go without the proof (--no-prove)"
        )
    return NodeError(
        f"the node computes {result.outputs[0].tolist()} for row {row}, expected {expected.tolist()}: "
        "is another master at work, or its firmware of another version?"
    )
