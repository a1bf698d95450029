"""Inputs that a node measures itself: how the numerators of a window's features become a model's integers.

host.core.features has the features and what each numerator is to be divided by; here they get units, and the multiply,
shift and offset that an image carries. What counts is always made from the numerators, never by way of floats: so PC
and node agree to the bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from host.core import features
from host.core.fixed import INT16_MAX, INT16_MIN, INT32_MAX, Int16, Int64
from host.core.image import Model
from host.core.infer import quantise_inputs
from host.core.senses import Senses, Source
from host.core.wire import FEATURE_SHIFT_MAX, FRACTION_MIN, Feature
from host.errors import NeuronError
from host.models.dense import Float
from host.models.formats import Ranges, Span, input_scales

SEED = 485
"""Of the windows of the self-test, which host.core.senses draws."""
MULTIPLY_BITS = 31
SHIFTED = frozenset({Feature.LAST, Feature.MEAN, Feature.MIN, Feature.MAX})
"""Features that an offset of the channel's scale shifts; it drops out of the others, or is no part of what they say."""
PLAIN = frozenset({Feature.CROSSINGS, Feature.LEVEL, Feature.COUNT, Feature.FREQUENCY})
"""Features in units of their own, whatever the channel's scale."""


@dataclass(frozen=True)
class Measured:
    """An input: a feature of a channel, as host.core.senses.Source has them. Its own value is
    numerator / divisor * factor + offset."""

    channel: int
    feature: Feature
    band: tuple[int, int] = (0, 0)
    factor: float = 1.0
    offset: float = 0.0

    @property
    def name(self) -> str:
        """As a node derives it: a0.rms, and of a band its bins, a0.bins(26,38)."""
        return Source(self.channel, self.feature, 1, 0, 0, self.band).name

    def in_words(self, rate: int, window: int) -> str:
        """Its name, and what a band's bins are in Hz."""
        if self.feature is not Feature.BAND:
            return self.name
        low, high = (rate / window * end for end in self.band)
        return f"{self.name} is {low:.4g} to {high:.4g} Hz"


@dataclass(frozen=True)
class Sensed:
    """What was measured: at so many scans a second, over windows of so many, every so many."""

    rate: int
    window: int
    hop: int
    inputs: tuple[Measured, ...]

    def values(self, numerators: Int64) -> Float:
        """(windows, inputs), in their own units, of the numerators."""
        columns = [
            column / features.divisor(one.feature, self.window) * one.factor + one.offset
            for one, column in zip(self.inputs, numerators.T, strict=True)
        ]
        return np.column_stack(columns)

    def scales(self, ranges: Ranges) -> tuple[tuple[float, ...], Span]:
        """As host.models.formats.input_scales, at scales of which each input's 0 is an integer: the offset that is
        added on the node then costs nothing."""
        offsets, span = input_scales(ranges)
        found = [
            _scale(one.offset, offset, min(fraction, self._finest(one)), ends)
            for one, offset, fraction, ends in zip(
                self.inputs, offsets, span.fraction.tolist(), ranges, strict=True
            )
        ]
        own, fractions, low, high = zip(*found, strict=True)
        return own, Span(np.array(low, np.int64), np.array(high, np.int64), np.array(fractions, np.int32))

    def _finest(self, one: Measured) -> int:
        """The finest fraction at which a multiply says the factor: a feature that was always 0 has any."""
        return MULTIPLY_BITS - 1 - math.frexp(one.factor / features.divisor(one.feature, self.window))[1]

    def senses(self, model: Model) -> Senses:
        """How that model's inputs, at its scales, come from the numerators."""
        sources = [
            self._source(one, offset, fraction)
            for one, offset, fraction in zip(
                self.inputs, model.input_offset, model.input_fraction, strict=True
            )
        ]
        return Senses(self.rate, self.window, self.hop, SEED, tuple(sources))

    def _source(self, one: Measured, offset: float, fraction: int) -> Source:
        """q = numerator * (factor / divisor * 2^fraction) + (own offset - offset) * 2^fraction, as exactly as 31 bits
        of a multiply can say it."""
        steps = math.ldexp(one.factor / features.divisor(one.feature, self.window), fraction)
        shift = min(MULTIPLY_BITS - math.frexp(steps)[1], FEATURE_SHIFT_MAX)
        multiply = round(math.ldexp(steps, shift))
        if abs(multiply) > INT32_MAX:
            shift -= 1
            multiply = round(math.ldexp(steps, shift))
        if shift < 0 or multiply == 0:
            raise NeuronError(
                f"{one.name}: a factor of {one.factor:g} is beyond what a node multiplies by: give the channel another "
                "unit (--scale of host.record)"
            )
        return Source(
            one.channel,
            one.feature,
            multiply,
            shift,
            round(math.ldexp(one.offset - offset, fraction)),
            one.band,
        )


def _scale(
    own: float, offset: float, fraction: int, ends: tuple[float, float]
) -> tuple[float, int, int, int]:
    """(offset, fraction, low, high) with own - offset a whole number of steps that int32 holds, near the offset and
    fraction that were given; low, high: the integers of both ends of the range."""
    low, high = np.array(ends, np.float32)
    for coarser in range(fraction, FRACTION_MIN - 1, -1):
        steps = round(math.ldexp(own - offset, coarser))
        near = np.float32(own - math.ldexp(steps, -coarser))
        unsaturated = [math.floor(math.ldexp(float(end - near), coarser) + 0.5) for end in (low, high)]
        if abs(steps) <= INT32_MAX and unsaturated[0] >= INT16_MIN and unsaturated[1] <= INT16_MAX:
            return float(near), coarser, unsaturated[0], unsaturated[1]
    raise NeuronError(f"inputs of {ends[0]:g}..{ends[1]:g} are more than a node holds; scale them")


def integers(model: Model, x: Float, numerators: Int64 | None = None) -> Int16:
    """int16 (rows, inputs): what a node takes for inputs x (rows, inputs) in their own units; numerators: (rows,
    inputs), where they were measured: then it is what the node itself makes of them."""
    if numerators is None or model.senses is None:
        return quantise_inputs(model, x)
    sources = zip(model.senses.sources, numerators.T, strict=True)
    return np.column_stack(
        [features.inputs(one.multiply, one.shift, one.offset, column)[0] for one, column in sources if one]
    )
