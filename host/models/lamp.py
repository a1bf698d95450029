"""What lights a node's LED, decided from outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from host.models.dense import Float

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Lamp:
    """What lights the LED, as host.core.image.Model has it. output: which one's threshold it is, in its own units; or,
    with `of_class`, the number of the class that lights it.

    Outputs are compared as float32, as they are read from a node: a float model's 6.000000003 is no more than 6.
    """

    output: int = 0
    threshold: float = 0.0
    of_class: bool = False

    def classes(self, outputs: Float) -> Labels:
        """The class that each row of outputs (rows, outputs) says: of one output 1 above the threshold, else 0; of
        several the largest, the first of equal ones."""
        if outputs.shape[1] == 1:
            return self._above(outputs, 0).astype(np.int64)
        return np.asarray(outputs.astype(np.float32).argmax(axis=1), np.int64)

    def lit(self, outputs: Float) -> NDArray[np.bool_]:
        """Whether each row of outputs lights the LED."""
        return self.classes(outputs) == self.output if self.of_class else self._above(outputs, self.output)

    def _above(self, outputs: Float, output: int) -> NDArray[np.bool_]:
        return np.asarray(outputs[:, output].astype(np.float32).astype(np.float64) > self.threshold)
