"""The firmware's image_open, infer and the rest, called one by one, with an image in CCM RAM."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.core.wire import Reason

from .chip import CCM
from .machine import Machine

IMAGE, OPENED, DETAIL, X, Y = CCM, CCM + 0x3000, CCM + 0x3400, CCM + 0x3500, CCM + 0x3600
LAYERS, LAYER_SIZE, NARROW = 76, 16, 14
"""struct image and struct image_layer on this processor; Inference.__init__ proves the first two."""
OUTPUTS, LAYER_COUNT = 73, 74


class Inference:
    """Bring the machine to node_boot first: the firmware's variables must stand."""

    def __init__(self, machine: Machine, image: bytes) -> None:
        self.machine = machine
        machine.write(IMAGE, image)
        machine.write(DETAIL, bytes(2))
        result, self.open_instructions = machine.call("image_open", OPENED, IMAGE, len(image), DETAIL)
        self.reason = (Reason(int(result)), self._detail())
        if self.reason[0] is Reason.NONE:
            opened = machine.read(OPENED, LAYERS + 8 * LAYER_SIZE)
            self.outputs, count = opened[OUTPUTS], opened[LAYER_COUNT]
            last = LAYERS + (count - 1) * LAYER_SIZE
            assert 1 <= count <= 8
            assert opened[last + 9] == self.outputs, "struct image is laid out otherwise than here"

    def _detail(self) -> int:
        return int.from_bytes(self.machine.read(DETAIL, 2), "little")

    def narrow(self, layer: int) -> bool:
        return bool(self.machine.read(OPENED + LAYERS + layer * LAYER_SIZE + NARROW, 1)[0])

    def infer(self, inputs: ArrayLike) -> tuple[NDArray[np.int16], int]:
        """Outputs, and the instructions that they took."""
        self.machine.write(X, np.asarray(inputs, dtype="<i2").tobytes())
        self.machine.write(Y, b"\xa5" * 128)
        instructions = self.machine.call("infer", OPENED, X, Y, returns="void")[1]
        return np.frombuffer(self.machine.read(Y, 2 * self.outputs), dtype="<i2"), instructions

    def led(self) -> bool:
        """Of the last infer()."""
        return bool(int(self.machine.call("infer_led", OPENED, Y)[0]) & 0xFF)

    def class_number(self) -> int:
        """Of the last infer()."""
        return int(self.machine.call("infer_class", OPENED, Y)[0])

    def self_test(self) -> tuple[Reason, int]:
        return Reason(int(self.machine.call("image_self_test", OPENED, DETAIL)[0])), self._detail()
