"""What a node decides on a recording, by the PC: host/core/windows.py against a plain walk, scan by scan."""

from __future__ import annotations

import numpy as np
import pytest

from host.core import features
from host.core.decide import Decider
from host.core.image import decode, encode
from host.core.infer import infer
from host.core.windows import hops
from host.core.wire import SAMPLE_MISSING
from tests.models import random_model
from tests.sensing import HOP, RATE, WINDOW, by_channel, model, recording

FROM_BUS = -200
"""0 in its own units."""
GAPS = [(0, 1), (700, 1), (1500, WINDOW), (2000, 3), (2100, 640), (5000, 1)]


@pytest.fixture(scope="module")
def run():
    return recording(6000, GAPS)


def test_the_sensing_model_of_the_tests_is_one_that_shows_something(run) -> None:
    sensing = model(run)
    assert encode(decode(encode(sensing))) == encode(sensing)
    found = hops(sensing, 0, by_channel(run))
    assert (found.features.std(axis=0)[:-1] > 0).all(), "every feature says something"
    assert 0.1 < found.decisions.mean() < 0.9
    assert np.count_nonzero(np.diff(found.decisions)) > 10
    assert found.missed > 10


@pytest.mark.parametrize("begin", [1, (1 << 32) - 4000, (1 << 40) + 5])
def test_windows_are_decided_as_a_node_does_one_by_one(run, begin: int) -> None:
    sensing, raw = model(run), by_channel(run)
    senses, decider = sensing.senses, Decider(sensing.decision)
    found = hops(sensing, begin, raw)
    missed, place = 0, 0
    for start in range(0, len(raw[0]) - WINDOW + 1, HOP):
        window = {channel: values[start : start + WINDOW] for channel, values in raw.items()}
        if any(SAMPLE_MISSING in values for values in window.values()):
            missed += 1
            continue
        sample = begin + start + WINDOW - 1
        inputs = np.array([[*[0] * (sensing.inputs - 1), FROM_BUS]], np.int16)
        for index, source in enumerate(senses.sources):
            if source is None:
                continue
            numerator = features.numerators(source.feature, [window[source.channel]], RATE, source.band)
            assert found.features[place, index] == numerator[0]
            inputs[:, index], _ = features.inputs(source.multiply, source.shift, source.offset, numerator)
        outputs = infer(sensing, inputs)
        decision = decider.step(
            bool(_condition(sensing, outputs, decider)), sample * 1000 // RATE % (1 << 32)
        )
        assert found.samples[place] == sample
        assert (found.inputs[place] == inputs[0]).all()
        assert (found.outputs[place] == outputs[0]).all()
        assert found.decisions[place] == decision
        place += 1
    assert (place, found.missed) == (len(found.samples), missed)


def _condition(sensing, outputs, decider: Decider) -> bool:
    output, on, off = (
        int(outputs[0, sensing.led_output]),
        sensing.led_threshold,
        sensing.decision.threshold_off,
    )
    return output > on or (decider.condition and output > off)


@pytest.mark.parametrize("scans", [0, 1, WINDOW - 1])
def test_too_few_scans_are_no_window(run, scans: int) -> None:
    raw = {channel: values[:scans] for channel, values in by_channel(run).items()}
    found = hops(model(run), 0, raw)
    assert len(found.samples) == len(found.decisions) == found.missed == 0
    assert found.outputs.shape == (0, 2)


def test_a_model_of_the_bus_has_no_windows() -> None:
    with pytest.raises(ValueError, match="the model's inputs come from the bus"):
        hops(random_model(np.random.default_rng(1), largest=4), 0, {})
