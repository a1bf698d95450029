"""Where a model's inputs come from: the bus, or features of the board's own channels. Twin of firmware/core/senses.c.

What a model that senses has between its scales and its layers, and what one has that decides otherwise than at once:

    SENSES     u16 rate, u16 window, u16 hop, u16 0, u32 seed
               inputs, each: u8 channel, u8 feature, u16 band_low, u16 band_high, u8 shift, u8 0,
                             i32 multiply, i32 offset, u32 expected; of the bus CHANNEL_BUS and then 0
    DECIDES    i16 threshold_off, u8 votes, u8 of, u32 on_delay, u32 off_delay, u32 hold, u8 latch, u8 before, u16 0
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from host.core import features
from host.core.channels import NAMES
from host.core.decide import Decision
from host.core.fixed import INT16_MIN, INT32_MAX, INT32_MIN
from host.core.reader import Reader, require
from host.core.wire import (
    ANALOG,
    BAND_BINS_MAX,
    CHANNEL_BUS,
    CHANNELS,
    DELAY_MAX,
    FEATURE_SHIFT_MAX,
    HOP_MAX,
    RATE_MAX,
    RATE_MIN,
    VOTES_MAX,
    WINDOW_MAX,
    WINDOW_MIN,
    WINDOW_TEST,
    Feature,
    Reason,
)
from host.errors import NeuronError

SENSES = struct.Struct("<HHHHI")
SOURCE = struct.Struct("<BBHHBBiiI")
DECIDES = struct.Struct("<hBBIIIBBH")
BUS = (CHANNEL_BUS, *[0] * 8)


@dataclass(frozen=True)
class Source:
    """What an input is made of: q = saturated(offset + round_half_up(numerator * multiply / 2**shift)), the numerator
    being that of a feature of a channel.

    channel: 0..11. band: of BAND its lowest and highest bin, at most 16 of 1..window/2 - 1; of any other (0, 0).
    multiply, offset: int32, or NeuronError says which is not. shift: 0..62.
    """

    channel: int
    feature: Feature
    multiply: int
    shift: int
    offset: int
    band: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        for what, value in (("multiply", self.multiply), ("offset", self.offset)):
            if not INT32_MIN <= value <= INT32_MAX:
                raise NeuronError(
                    f"the {what} {value} for {self.feature.name} of channel {self.channel} is no int32: "
                    "an input's scale of fewer fraction bits makes it smaller"
                )

    @property
    def name(self) -> str:
        """a0.rms or, of a band, its bins: a1.bins(5,12). Only people give a band in Hz, and call it so."""
        low, high = self.band
        what = f"bins({low},{high})" if self.feature is Feature.BAND else self.feature.name.lower()
        return f"{NAMES[self.channel]}.{what}"

    def fits(self, window: int) -> bool:
        """Whether the channel has that feature, over such a window."""
        low, high = self.band
        if self.feature is Feature.BAND and not (1 <= low <= high < min(window // 2, low + BAND_BINS_MAX)):
            return False
        return 0 <= self.shift <= FEATURE_SHIFT_MAX and (self.channel < ANALOG) == (
            self.feature <= Feature.BAND
        )


@dataclass(frozen=True)
class Senses:
    """How a model's inputs come from the board's channels.

    rate:     scans a second, 1..10000
    window:   scans of a window, 2**k, 2..1024
    hop:      scans from one window to the next, 1..65535
    seed:     of the self-test's windows, one a channel, uint32
    sources:  one an input; None: it comes from the bus
    expected: numerators over these windows, 0 of the bus. (): what core/features says

    ImageError says what is out of range, as the node would: its detail is the input, or how many there are. NeuronError
    says that a seed is no uint32, which no image can hold.
    """

    rate: int
    window: int
    hop: int
    seed: int
    sources: tuple[Source | None, ...]
    expected: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << 32:
            raise NeuronError(f"a seed of {self.seed} for the self-test's windows is no uint32")
        count = len(self.sources)
        require(RATE_MIN <= self.rate <= RATE_MAX and 1 <= self.hop <= HOP_MAX, Reason.SENSES, count)
        require(WINDOW_MIN <= self.window <= WINDOW_MAX, Reason.SENSES, count)
        require(self.window & (self.window - 1) == 0 and any(self.sources), Reason.SENSES, count)
        for index, source in enumerate(self.sources):
            require(source is None or source.fits(self.window), Reason.SENSES, index)
        if not self.expected:
            object.__setattr__(self, "expected", self.measured())

    @property
    def channels(self) -> int:
        """The channels that it needs, channel n in bit n."""
        return sum(1 << channel for channel in {source.channel for source in self.sources if source})

    def measured(self) -> tuple[int, ...]:
        """The numerators over the self-test's windows."""
        return tuple(self._measured(source) if source else 0 for source in self.sources)

    def _measured(self, source: Source) -> int:
        window = features.seeded(self.seed, source.channel, self.window)
        return int(features.numerators(source.feature, window, self.rate, source.band)[0])


def senses_self_test(senses: Senses) -> None:
    """The first input whose feature is not as expected raises ImageError(SELF_TEST, 256 + its number)."""
    for index, (found, expected) in enumerate(zip(senses.measured(), senses.expected, strict=True)):
        require(found == expected, Reason.SELF_TEST, WINDOW_TEST + index)


def senses_bytes(senses: Senses) -> bytes:
    """As they stand in an image."""
    head = SENSES.pack(senses.rate, senses.window, senses.hop, 0, senses.seed)
    rows = [
        (s.channel, s.feature, *s.band, s.shift, 0, s.multiply, s.offset, expected) if s else BUS
        for s, expected in zip(senses.sources, senses.expected, strict=True)
    ]
    return head + b"".join(SOURCE.pack(*row) for row in rows)


def senses_decode(reader: Reader, inputs: int) -> Senses:
    rate, window, hop, reserved, seed = SENSES.unpack(reader.take(SENSES.size))
    rows = list(SOURCE.iter_unpack(reader.take(inputs * SOURCE.size)))
    require(reserved == 0, Reason.PADDING)
    sources = tuple(_source(row, index) for index, row in enumerate(rows))
    return Senses(rate, window, hop, seed, sources, tuple(row[-1] for row in rows))


def _source(row: tuple[int, ...], index: int) -> Source | None:
    channel, feature, low, high, shift, reserved, multiply, offset, _ = row
    if channel == CHANNEL_BUS:
        require(row == BUS, Reason.PADDING, index)
        return None
    require(reserved == 0 and (feature == Feature.BAND or (low, high) == (0, 0)), Reason.PADDING, index)
    require(channel < CHANNELS and feature in list(Feature), Reason.SENSES, index)
    return Source(channel, Feature(feature), multiply, shift, offset, (low, high))


def decision_bytes(decision: Decision, threshold: int) -> bytes:
    """threshold: above which the LED's output is on, and at most which it is off where the decision does not say.
    ImageError(DECIDES) for what is out of range."""
    off = threshold if decision.threshold_off is None else decision.threshold_off
    d = decision
    require(INT16_MIN <= off <= threshold and _in_range(d), Reason.DECIDES)
    return DECIDES.pack(off, d.votes, d.of, d.on_delay, d.off_delay, d.hold, d.latch, d.before, 0)


def decision_decode(reader: Reader, threshold: int, led_class: bool) -> Decision:
    off, votes, of, on_delay, off_delay, hold, latch, before, reserved = DECIDES.unpack(
        reader.take(DECIDES.size)
    )
    require(reserved == 0 and latch <= 1 and before <= 1, Reason.PADDING)
    require(off == threshold or (off < threshold and not led_class), Reason.DECIDES)
    found = Decision(
        off if off != threshold else None, votes, of, on_delay, off_delay, hold, bool(latch), bool(before)
    )
    require(_in_range(found), Reason.DECIDES)
    return found


def _in_range(decision: Decision) -> bool:
    """Votes and times."""
    times = (decision.on_delay, decision.off_delay, decision.hold)
    return 1 <= decision.votes <= decision.of <= VOTES_MAX and min(times) >= 0 and max(times) <= DELAY_MAX
