"""One arithmetic, on the real ELF: the firmware's features equal host/core/features.py, with ==. tools/bench counts
what they cost."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from host.core import features
from host.core.wire import CHANNELS, RATE_MAX
from tests.elf import Machine
from tests.elf.features import RING, Features
from tests.elf.firmware import firmware_elf
from tests.parity.features import SIZES, Windows, corners, parted, random_raw, squares

RANDOM = {2: 60, 4: 60, 8: 60, 16: 60, 32: 40, 64: 20, 128: 12, 256: 8, 512: 4, 1024: 4}
"""Windows by size, at each of two strides."""


@pytest.fixture(scope="module")
def machine() -> Machine:
    machine = Machine(firmware_elf())
    machine.run_to("node_boot")
    return machine


def compare(machine: Machine, windows: Windows) -> int:
    expected = windows.expected()
    for row, numbers in enumerate(expected):
        assert (Features(machine).numerators(windows, row)[0] == numbers).all(), windows.samples[row].tolist()
    return len(expected)


def test_random_windows(machine: Machine) -> None:
    rng = np.random.default_rng(31)
    compared = 0
    for (size, rows), stride in itertools.product(RANDOM.items(), (1, 7)):
        low = int(rng.integers(1, max(2, size // 2)))
        band = (0, 0) if size == 2 else (low, min(low + 1, size // 2 - 1))
        compared += compare(machine, parted(rng, random_raw(rng, rows, size), stride=stride, band=band))
        levels = rng.integers(0, 1 << 16, (rows, size))
        compared += compare(machine, parted(rng, levels, stride=stride, mask=4, rate=RATE_MAX))
    assert compared == 4 * sum(RANDOM.values())


def test_corner_windows(machine: Machine) -> None:
    rng = np.random.default_rng(32)
    for size in SIZES:
        fewer = max(1, size // 64)
        compare(machine, parted(rng, corners(size)[:: 3 * fewer]))
        compare(machine, parted(rng, (corners(size) > 2000)[::fewer], mask=1, rate=RATE_MAX))


def test_full_scale_squares(machine: Machine) -> None:
    """Where the recurrence of a band goes farthest."""
    for size in SIZES:
        some = list(squares(size))
        for windows in [*some[:1], *some[-5:]] if size < 1024 else some[-5:]:
            compare(machine, windows)


def test_seeded_windows(machine: Machine) -> None:
    for channel in range(CHANNELS):
        machine.call("features_seeded", 485 + channel, channel, 100, RING, returns="void")
        window = np.frombuffer(machine.read(RING, 200), "<u2")
        assert (window == features.seeded(485 + channel, channel, 100)[0]).all()
