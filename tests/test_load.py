"""host/core/load.py: what it reckons a window to cost is what the board's own code takes, and a little more."""

from __future__ import annotations

import numpy as np
import pytest

from host.core import load
from host.core.senses import Senses, Source
from host.core.wire import BAND_BINS_MAX, Feature
from tests.elf import Machine
from tests.elf.features import Features
from tests.elf.firmware import firmware_elf
from tests.parity.features import Windows

MORE = 1.5
"""No more than so many times what is counted, of windows that cost something."""


@pytest.fixture(scope="module")
def machine() -> Machine:
    machine = Machine(firmware_elf())
    machine.run_to("node_boot")
    return machine


def reckoned(window: int, channel: int, feature: Feature, band: tuple[int, int] = (0, 0)) -> int:
    """Of all that is done for a model of one input but for the model itself."""
    return load.measuring(Senses(1000, window, window, 1, (Source(channel, feature, 1, 0, 0, band),)))


@pytest.mark.parametrize("window", [64, 256, 1024])
@pytest.mark.parametrize("bins", [1, BAND_BINS_MAX])
def test_an_analog_channel_and_a_band(machine: Machine, window: int, bins: int) -> None:
    rng = np.random.default_rng(window)
    raw = rng.integers(0, 4096, (1, window)).astype(np.uint16)
    windows = Windows(raw, np.array([window // 3], np.uint16), stride=8, band=(5, 4 + bins))
    _, measured, banded = Features(machine).numerators(windows, 0)
    estimate = reckoned(window, 0, Feature.BAND, (5, 4 + bins))
    assert measured + banded <= estimate
    assert window < 256 or estimate <= MORE * (measured + banded)
    alone = reckoned(window, 0, Feature.CROSSINGS)
    assert measured <= alone
    assert window < 256 or alone <= MORE * measured


@pytest.mark.parametrize("window", [64, 256, 1024])
def test_a_digital_channel(machine: Machine, window: int) -> None:
    raw = np.arange(window, dtype=np.uint16)[np.newaxis] % 2
    windows = Windows(raw, np.array([window // 3], np.uint16), stride=8, mask=1)
    _, measured, _ = Features(machine).numerators(windows, 0)
    estimate = reckoned(window, 8, Feature.FREQUENCY)
    assert measured <= estimate
    assert window < 256 or estimate <= MORE * measured
