"""What a model makes of rows of inputs: by our twin, or on a node, whose every answer is held against the twin's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.core.decide import AT_ONCE
from host.core.fixed import Int16
from host.core.hashes import hash_of
from host.core.image import image_crc
from host.core.infer import (
    class_of,
    clipped_inputs,
    dequantise_inputs,
    dequantise_outputs,
    infer,
    led,
    out_of_range,
    quantise_inputs,
)
from host.core.registers import unpack
from host.core.wire import BY_NAME
from host.errors import listed
from host.node.client import NodeError
from host.node.coils import set_coils
from host.node.node import Node, Result
from host.node.staging import checked_image, running_image

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """Rows of inputs, as a node takes and answers them.

    q: int16 (rows, inputs), at the model's scales; used: float32, the same in their own units; clipped: those that were
    beyond what the formats hold, not only rounded; beyond: those, and what is outside of the range that the model was
    made for; flagged: (rows,) the discrete input OUT_OF_RANGE of a node that is given q, of which it cannot tell what
    was clipped;
    y: int16 (rows, outputs); outputs: float32, the same in their own units; classes: (rows,) int64, by host.core.infer;
    led: (rows,) whether the lamp is lit.
    """

    q: Int16
    used: NDArray[np.float32]
    clipped: Bools
    beyond: Bools
    flagged: Bools
    y: Int16
    outputs: NDArray[np.float32]
    classes: NDArray[np.int64]
    led: Bools

    @property
    def cut(self) -> Bools:
        """(rows,) whether any input was clipped."""
        return np.asarray(self.clipped.any(axis=1))

    @property
    def out_of_range(self) -> Bools:
        """(rows,) whether any input is beyond its range."""
        return np.asarray(self.beyond.any(axis=1))


class Twin:
    """A model on this computer. most: rows that are best asked for at once; known: what its image is known by, for
    JSON."""

    most = 4096

    def __init__(self, image: bytes) -> None:
        self.model, self.crc = checked_image(image), image_crc(image)
        self.known = {"crc32": self.crc, "hash": hash_of(image).hex()}

    def ask(self, x: ArrayLike) -> Answers:
        """What a node gives for x (rows, inputs), in the model's own units."""
        q = quantise_inputs(self.model, x)
        y = infer(self.model, q)
        clipped, beyond = clipped_inputs(self.model, x), out_of_range(self.model, q)
        return Answers(
            q=q,
            used=dequantise_inputs(self.model, q),
            clipped=clipped,
            beyond=clipped | beyond,
            flagged=np.asarray(beyond.any(axis=1)),
            y=y,
            outputs=dequantise_outputs(self.model, y),
            classes=class_of(self.model, y),
            led=led(self.model, y),
        )

    def warnings(self) -> list[str]:
        """What else there is to be known when all has been asked."""
        return []


class OnNode(Twin):
    """The model that runs on a node; its image is read once. The node's inputs stay as the last row has set them."""

    most = 1

    def __init__(self, node: Node, none: str, override: str, image: bytes | None = None) -> None:
        """none: what to do where no model runs; override: what sets OVERRIDE; image: that is known to run, None: it is
        read."""
        super().__init__(_running(node, none) if image is None else image)
        self._node, self._coils = node, set_coils(node)
        self._last: list[int] = []
        self._at_once = self.model.decision == AT_ONCE  # otherwise the lamp is also a matter of time
        if self.model.senses and "OVERRIDE" not in self._coils:
            raise NodeError(
                f"the node measures {listed(self.model.names.inputs, 3)} itself: set the coil OVERRIDE to give it "
                f"rows ({override}), or ask the model's image file"
            )
        if "HOLD" in self._coils:
            raise NodeError(
                "coil HOLD is set: the node's outputs stay as they were, whatever its inputs; clear it"
            )

    def ask(self, x: ArrayLike) -> Answers:
        """What the node gives; NodeError where that is not what our twin gives."""
        answers = super().ask(x)
        lamps = [self._lamp(answers, row) for row in range(len(answers.q))]
        return replace(answers, led=np.array(lamps, np.bool_))

    def _lamp(self, answers: Answers, row: int) -> bool:
        """Whether the lamp of the node is lit after this row."""
        q, self._last = answers.q[row : row + 1], answers.q[row].tolist()
        for once_more in (True, False):
            result = self._evaluate(q)
            same = (
                (result.outputs[0] == answers.y[row]).all()
                and result.classes[0] == answers.classes[row]
                and result.out_of_range[0] == answers.flagged[row]
                and (result.held or not self._at_once or result.led[0] == answers.led[row])
            )
            if same:
                return bool(result.led[0])
            if once_more:
                self._node.doubt()  # a reply that came twice looks like the answer to the next row
        if not self._node.inputs_are_ours():
            raise NodeError("another master writes the node's inputs: stop it for a moment")
        found = _in_words(result.outputs[0], result.classes[0], result.out_of_range[0], result.led[0])
        expected = _in_words(answers.y[row], answers.classes[row], answers.flagged[row], answers.led[row])
        raise NodeError(
            f"the node says {found}, expected {expected}: is another master at work, or its firmware of another "
            "version?"
        )

    def _evaluate(self, q: Int16) -> Result:
        result = self._node.evaluate(q, self.model.outputs, whose=True)
        if result.held:
            self._coils += [coil for coil in set_coils(self._node) if coil not in self._coils]
        if "HOLD" in self._coils:
            raise NodeError(
                "another master has set coil HOLD meanwhile: the outputs are older than the inputs"
            )
        if result.model_crc != self.crc:
            raise NodeError("another master has changed the node's model meanwhile: ask again")
        return result

    def warnings(self) -> list[str]:
        said = [
            f"coil {coil} is set: "
            f"{'the node leaves its channels aside' if coil == 'OVERRIDE' else 'the lamp does not follow the neuron'}"
            for coil in self._coils
        ]
        row = BY_NAME["INPUTS"]
        if unpack(row, self._node.read_words(row, len(self._last))) != self._last:
            said.append("the node's inputs have changed again: another master writes them")
        return said


def _running(node: Node, none: str) -> bytes:
    identity = node.identity()
    if identity.sequence == 0:
        raise NodeError(f"the node runs no model: {none}")
    return running_image(node, identity)


def _in_words(y: Int16, number: int, beyond: bool, lit: bool) -> str:
    return f"{y.tolist()}, class {number}{', out of range' * bool(beyond)}, lamp {'lit' if lit else 'dark'}"
