"""The firmware's features_measure and features_band, called one by one, on a ring of scans in CCM RAM."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from host.core.wire import Feature
from tests.parity.features import Windows

from .chip import CCM
from .machine import Machine

WINDOW, NUMERATORS, RING = CCM, CCM + 0x80, CCM + 0x100


class Features:
    """Bring the machine to node_boot first: the firmware's variables must stand."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def numerators(self, windows: Windows, row: int) -> tuple[NDArray[np.uint32], int, int]:
        """All of one of the windows, and the instructions of features_measure and of features_band. The newer part
        stands at the beginning of the ring, as after a wrap; between a channel's words stand those of others."""
        samples, part = windows.samples[row], int(windows.parts[row])
        ring = np.full((len(samples), windows.stride), 0xA5A5, dtype="<u2")
        ring[:, 0] = np.roll(samples, -part)
        parts = RING + 2 * windows.stride * (len(samples) - part), RING
        counts = part, len(samples) - part
        self.machine.write(RING, ring.tobytes())
        self.machine.write(WINDOW, struct.pack("<5I2H", *parts, *counts, windows.stride, windows.mask, 0))
        wanted = sum(1 << feature for feature in windows.wanted if feature is not Feature.BAND)
        _, measured = self.machine.call(
            "features_measure", WINDOW, wanted, windows.rate, NUMERATORS, returns="void"
        )
        answer = self.machine.read(NUMERATORS, 4 * len(Feature))
        numbers, banded = np.frombuffer(answer, "<u4").copy(), 0
        if windows.band[0]:
            numbers[Feature.BAND], banded = self.machine.call(
                "features_band", WINDOW, int(numbers[Feature.MEAN]), *windows.band
            )
        return numbers, measured, banded
