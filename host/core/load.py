"""What it costs a board to decide on windows, in instructions, before any board is asked."""

from __future__ import annotations

import math

from host.core.image import Model
from host.core.senses import Senses
from host.core.wire import ANALOG, Feature
from host.errors import NeuronError

CLOCK_HZ = 168_000_000
SHARE_MAX = 0.5
"""Of the clock: an instruction takes one and a half cycles of it, and the bus is served too."""
SAMPLE, LEVEL, BIN = 22, 15, 8
"""Instructions a sample: of an analog channel, of a digital one, for each bin of a band; tests/test_load.py counts them
on the board's own code."""
CHANNEL, EACH_BIN, INPUT, PRODUCT, WINDOW = 500, 100, 400, 8, 2000
"""Instructions for each channel, bin, input and product, and for what is done once in a window: more than it takes."""


def instructions(model: Model, senses: Senses) -> int:
    """A window of a model that senses, about."""
    products = sum(layer.weights.size for layer in model.layers)
    return WINDOW + PRODUCT * products + measuring(senses)


def measuring(senses: Senses) -> int:
    """What its samples and inputs take of it."""
    sources = [source for source in senses.sources if source]
    total = INPUT * len(sources)
    for channel in {source.channel for source in sources}:
        total += CHANNEL + (SAMPLE if channel < ANALOG else LEVEL) * senses.window
    bins = sum(source.band[1] - source.band[0] + 1 for source in sources if source.feature is Feature.BAND)
    return total + bins * (EACH_BIN + BIN * senses.window)


def share(model: Model, senses: Senses) -> float:
    """Of the clock that these are, of all windows of a second."""
    return instructions(model, senses) * senses.rate / senses.hop / CLOCK_HZ


def too_slow(model: Model) -> str:
    """Why no board follows its channels in time by this model, and what would help; "" where one does."""
    senses = model.senses
    if senses is None:
        return ""
    each, taken = instructions(model, senses), share(model, senses)
    if taken <= SHARE_MAX:
        return ""
    hop = math.ceil(each * senses.rate / (SHARE_MAX * CLOCK_HZ))
    return (
        f"a window takes a node about {each} instructions, and {senses.rate / senses.hop:.4g} a second "
        f"{100 * taken:.0f} % of its clock, of which they have {100 * SHARE_MAX:.0f} %: --hop {hop} would do, or fewer "
        "bands"
    )


def require_in_time(model: Model) -> None:
    """NeuronError where a board cannot decide in time."""
    if why := too_slow(model):
        raise NeuronError(f"{why}; nothing was sent")
