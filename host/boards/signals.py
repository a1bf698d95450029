"""What a simulated board's channels see: a recording, or what generators make up; and the file that carries it there.

The file, little-endian, of which firmware/port/native/signal.c is the reader:

    0   16 bytes "neuron485 signal"
    16  u32 rate        scans a second
    20  u32 channels    bit n: channel n
    24  u32 scans
    28  u32 flags       1: made up; whichever rate it is sampled at, nothing of it is lost that was measured
    32  scans, each: u16 of its analog channels, ascending; then, where it has digital ones, a u16 with their levels,
        Dn in bit n. All 0xFFFF: a scan that is missing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from host.boards.generators import (
    ANALOG_GENERATORS,
    DIGITAL_GENERATORS,
    RATE,
    Made,
    Span,
    SpecError,
    length,
    pump_flag,
)
from host.boards.usage import ANALOG_USAGE, DIGITAL_USAGE, PUMP
from host.core.channels import NAMES, highest, is_analog, mask_of
from host.core.pcg32 import Pcg32
from host.core.wire import ANALOG, SAMPLE_MISSING, SAMPLE_WORDS, WINDOW_MAX
from host.errors import NeuronError

HEADER = struct.Struct("<16sIIII")
MAGIC = b"neuron485 signal"
MADE_UP = 1
WORDS_MAX = 1 << 27
"""Of a signal: 256 MiB, as signal.c has it."""
SEED = 485


@dataclass(frozen=True)
class Signal:
    """What some channels see, scan by scan. rate: scans/s; channels: their names, in the order of `raw`'s columns;
    raw: (scans, channels), or SAMPLE_MISSING in all of a row that was not recorded; made_up: by a generator; shortened:
    of a recording, how many holes in its numbers were made short."""

    rate: int
    channels: tuple[str, ...]
    raw: NDArray[np.uint16]
    made_up: bool
    shortened: int = 0

    def encode(self) -> bytes:
        """The file."""
        order = sorted(self.channels, key=NAMES.index)
        columns = {name: self.raw[:, self.channels.index(name)] for name in order}
        words = [columns[name] for name in order if is_analog(name)]
        digital = [name for name in order if not is_analog(name)]
        if digital:
            levels = np.zeros(len(self.raw), np.uint16)
            for name in digital:
                levels |= columns[name] << (NAMES.index(name) - ANALOG)
            levels[columns[digital[0]] == SAMPLE_MISSING] = SAMPLE_MISSING
            words.append(levels)
        head = HEADER.pack(MAGIC, self.rate, mask_of(order), len(self.raw), MADE_UP * self.made_up)
        return head + np.stack(words, axis=1).astype("<u2").tobytes()


def recorded(
    rate: int, channels: tuple[str, ...], samples: NDArray[np.int64], raw: NDArray[np.int64], name: str
) -> Signal:
    """The signal of a recording: samples (n,) rising numbers, raw (n, channels). Where numbers are missing, scans are.
    A hole of more than SAMPLE_WORDS, more than any node's ring, is made short: it has at least a second and WINDOW_MAX
    scans, so that it is a gap at every rate, and windows whose hop divides WINDOW_MAX fall where they did.
    name: for the one line that says why it cannot be played."""
    missing = np.diff(samples) - 1
    long = missing > SAMPLE_WORDS
    short = 1 << (max(rate, WINDOW_MAX) - 1).bit_length()
    missing[long] = short + missing[long] % short
    places = np.concatenate(([0], np.cumsum(missing + 1)))
    scans = int(places[-1]) + 1
    if scans * len(channels) > WORDS_MAX:
        raise NeuronError(
            f"{name} cannot be played: from its first to its last sample it has {scans} scans, gaps included, "
            f"and up to {WORDS_MAX // len(channels)} fit; cut it into pieces"
        )
    whole = np.full((scans, len(channels)), SAMPLE_MISSING, np.uint16)
    whole[places] = raw
    return Signal(rate, channels, whole, made_up=False, shortened=int(long.sum()))


# --------------------------------------------------------------------------------------------------- specifications


def _made(spec: str) -> list[tuple[str, Made]]:
    """The channels of one specification: of `a0=sine:50` one, of `pump` three."""
    name, equals, text = spec.partition("=")
    if not equals:
        kind, *parts = spec.split(":")
        if kind != "pump":
            raise SpecError("it is neither a file nor CHANNEL=GENERATOR like a0=sine:50")
        with _naming(PUMP[0]):
            vibration = ANALOG_GENERATORS["pump"](parts)
        flags = (("d0", ("normal", "worn")), ("d1", ("worn",)))
        return [("a0", vibration), *((flag, pump_flag(parts, states)) for flag, states in flags)]
    kind, *parts = text.split(":")
    if name not in NAMES:
        raise SpecError(f"there is no channel {name!r}; the board has a0..a7 and d0..d3")
    known = ANALOG_GENERATORS if is_analog(name) else DIGITAL_GENERATORS
    if kind not in known:
        raise SpecError(f"{name} has no generator {kind!r}; it has {', '.join(known)}")
    with _naming((ANALOG_USAGE if is_analog(name) else DIGITAL_USAGE)[kind][0]):
        return [(name, known[kind](parts))]


@contextmanager
def _naming(usage: str) -> Iterator[None]:
    """What is wrong with a generator's numbers goes with how it is used."""
    try:
        yield
    except SpecError as error:
        raise SpecError(f"{error}; it is {usage}") from None


def generated(specs: Sequence[str]) -> Signal:
    """The signal of specifications like `a0=sine:50`, `d0=pulse:2` or `pump`. NeuronError names a wrong one."""
    made: dict[str, Made] = {}
    for spec in specs:
        try:
            for name, one in _made(spec):
                if name in made:
                    raise SpecError(f"{name} has a signal already")
                made[name] = one
        except SpecError as error:
            raise NeuronError(f"--signal {spec}: {error}") from None
    span = Span(length(list(made.values())))
    columns = [
        np.clip(np.rint(one.values(span, Pcg32(SEED, NAMES.index(name)))), 0, highest(name))
        for name, one in made.items()
    ]
    return Signal(RATE, tuple(made), np.stack(columns, axis=1).astype(np.uint16), made_up=True)
