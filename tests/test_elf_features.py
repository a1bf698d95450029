"""One arithmetic, on the real ELF: features and decide of the firmware equal host/core/features.py and decide.py, with
==. tools/bench counts what features cost."""

from __future__ import annotations

import ctypes
import itertools
import struct

import numpy as np
import pytest

from host.core import features
from host.core.wire import CHANNELS, RATE_MAX
from tests.elf import Machine
from tests.elf.features import RING, Features
from tests.elf.firmware import firmware_elf
from tests.parity.features import SIZES, Windows, corners, parted, random_raw, squares
from tests.test_decide import CLOCK, Call, Sequence, longer, python_twin, random_sequence

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


def test_inputs(machine: Machine) -> None:
    rng = np.random.default_rng(33)
    for _ in range(300):
        numerator, multiply, offset = (int(n) for n in rng.integers(-(1 << 31), 1 << 31, 3))
        numerator, shift = abs(numerator) >> 1 + int(rng.integers(0, 20)), int(rng.integers(0, 63))
        value, clipped = features.inputs(multiply, shift, offset >> 12, [numerator])
        machine.write(RING, b"\x07")
        answer = machine.call("features_input", numerator, multiply, shift, offset >> 12, RING)[0]
        assert ctypes.c_int16(int(answer)).value == value[0]
        assert machine.read(RING, 1)[0] == clipped[0]


def test_decisions(machine: Machine) -> None:
    """Delays of milliseconds and of weeks, across the wrap of the clock."""
    rng = np.random.default_rng(34)
    config, state = RING, RING + 0x40
    for number in range(40):
        sequence = random_sequence(rng)
        decision, on, calls = longer(sequence) if number % 2 else sequence
        calls = calls[:100]
        off = decision.threshold_off
        assert off is not None
        delays = decision.on_delay, decision.off_delay, decision.hold
        form = (off, decision.votes, decision.of, *delays, decision.latch, decision.before)
        machine.write(config, struct.pack("<hBB3I??2x", *form))
        machine.call("decide_begin", state, config, returns="void")
        expected = python_twin(Sequence(decision, on, calls))
        before = decision.before
        for (call, output, time), said in zip(calls, expected, strict=True):
            now = time % CLOCK
            if call is Call.STEP:
                before = bool(int(machine.call("decide_hysteresis", before, output, on, off)[0]) & 0xFF)
                answer = machine.call("decide_step", state, config, before, now)[0]
            elif call is Call.TICK:
                answer = machine.call("decide_tick", state, config, now)[0]
            else:
                answer = machine.call("decide_acknowledge", state)[0]
            assert (int(answer) & 0xFF, before) == (said.decision, said.condition)
