"""Made-up signals for a simulated board: what --signal understands, and the numbers that come of it.

Every generator is the same each time: its noise comes from pcg32. It is made at RATE, which the usual rates of a node
divide, and so long that it repeats without a jump, unless that takes more than SECONDS_MAX.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from host.boards.usage import PUMP_SECONDS
from host.core.pcg32 import Pcg32
from host.core.wire import RAW_MAX

Values = NDArray[np.float64]

RATE = 60_000
"""Scans a second of what is made up: a node at 1000 takes every 60th, at 3000 every 20th, at 10000 every sixth."""
SECONDS_MIN, SECONDS_MAX = 10, 60
"""How much is made before it repeats."""
FREQUENCY_MAX = 5000
"""Hz: half of the fastest rate of a node."""
MIDDLE = RAW_MAX // 2 + 1
NUMBER = r"\d{1,5}(\.\d{1,6})?"
"""So few digits that no phase overflows 64 bits."""

ALWAYS = Fraction(1, RATE)
"""The period of what does not change."""

PUMP_SECONDS_MIN = 30
"""Before a pump's noise repeats: what half a minute's recording holds out is no copy of what is learnt from."""
PUMP_STATES = ("off", "normal", "worn")
PUMP_TURNING, PUMP_BEARING, PUMP_NOISE = (0.0, 1.0, 1.2), (0.0, 0.0, 260.0), (3.0, 18.0, 45.0)
"""In each state: how much of rotation, harmonics and blades, and raw units of the bearing's blows and of noise."""


class SpecError(ValueError):
    """What is wrong with a specification, after its name."""


@dataclass(frozen=True)
class Span:
    """The instants for which values are made: scans 0..scans - 1 at RATE."""

    scans: int

    def phase(self, frequency: Fraction) -> Values:
        """Of an oscillation, 0 <= phase < 1: whole periods come back to exactly the same."""
        whole = frequency.denominator * RATE
        return np.arange(self.scans, dtype=np.int64) * frequency.numerator % whole / whole

    def sine(self, frequency: int) -> Values:
        return np.asarray(np.sin(2 * np.pi * self.phase(Fraction(frequency))))

    def seconds(self, values: Callable[[Span], Values]) -> Values:
        """Values that are the same every second: made for one."""
        return np.resize(values(Span(RATE)), self.scans)


def together(first: Fraction, second: Fraction) -> Fraction:
    """The period of both."""
    denominator = math.lcm(first.denominator, second.denominator)
    return Fraction(math.lcm(int(first * denominator), int(second * denominator)), denominator)


def noise(random: Pcg32, scans: int) -> Values:
    """Near to normal, mean 0, standard deviation 1: the sum of four uniform numbers of 16 bits."""
    words = random.numbers(2 * scans).astype(np.int64).reshape(scans, 2)
    total = ((words & 0xFFFF) + (words >> 16)).sum(axis=1)
    return np.asarray((total - 2 * 0xFFFF) / math.sqrt((2**32 - 1) / 3))


# ------------------------------------------------------------------------------------------------------- generators


@dataclass(frozen=True)
class Made:
    """A generator with its numbers. period: seconds after which it repeats, but for its noise.
    values(span, random): one for each scan."""

    period: Fraction
    values: Callable[[Span, Pcg32], Values]
    noisy: bool = False


def _number(
    parts: list[str], place: int, name: str, low: float, high: float, default: float | None
) -> Fraction:
    """The number at that place, low..high; without one, the default, unless it has to be there."""
    if place >= len(parts):
        if default is None:
            raise SpecError(f"{name} is missing")
        return Fraction(default)
    value = Fraction(parts[place]) if re.fullmatch(NUMBER, parts[place], re.ASCII) else None
    if value is None or not low <= value <= high:
        raise SpecError(f"{parts[place]!r} is no {name} of {float(low):g}..{float(high):g}")
    return value


def _at_most(parts: list[str], count: int) -> None:
    if len(parts) > count:
        raise SpecError(f"it has {len(parts)} numbers and takes {count}")


def _constant(high: int) -> Callable[[list[str]], Made]:
    def make(parts: list[str]) -> Made:
        _at_most(parts, 1)
        value = float(_number(parts, 0, "VALUE", 0, high, None))
        if not value.is_integer():
            raise SpecError(f"{parts[0]!r} is no whole VALUE, and a channel has no others")
        return Made(ALWAYS, lambda span, random: np.full(span.scans, value))

    return make


def _wave(shape: Callable[[Values], Values]) -> Callable[[list[str]], Made]:
    """shape: -1..1 of a phase 0..1."""

    def make(parts: list[str]) -> Made:
        _at_most(parts, 3)
        frequency = _number(parts, 0, "HZ", 0.001, FREQUENCY_MAX, None)
        amplitude = float(_number(parts, 1, "AMPLITUDE", 0, RAW_MAX, 1000))
        offset = float(_number(parts, 2, "OFFSET", 0, RAW_MAX, MIDDLE))
        return Made(1 / frequency, lambda span, random: offset + amplitude * shape(span.phase(frequency)))

    return make


def _pulse(parts: list[str]) -> Made:
    _at_most(parts, 1)
    frequency = _number(parts, 0, "HZ", 0.001, FREQUENCY_MAX, None)
    return Made(1 / frequency, lambda span, random: (span.phase(frequency) < 0.5).astype(float))


def _step(low: int, high: int, top: int) -> Callable[[list[str]], Made]:
    """low, high: where it steps from and to, unless it is said; top: how far they may go."""

    def make(parts: list[str]) -> Made:
        _at_most(parts, 3 if top > 1 else 1)
        seconds = _number(parts, 0, "SECONDS", 0.001, SECONDS_MAX / 2, 1)
        first = float(_number(parts, 1, "LOW", 0, top, low))
        then = float(_number(parts, 2, "HIGH", 0, top, high))
        frequency = 1 / (2 * seconds)
        return Made(2 * seconds, lambda span, random: np.where(span.phase(frequency) < 0.5, first, then))

    return make


def _noise(parts: list[str]) -> Made:
    _at_most(parts, 2)
    rms = float(_number(parts, 0, "RMS", 0, RAW_MAX, 100))
    offset = float(_number(parts, 1, "OFFSET", 0, RAW_MAX, MIDDLE))
    return Made(ALWAYS, lambda span, random: offset + rms * noise(random, span.scans), noisy=True)


# -------------------------------------------------------------------------------------------------------------- pump


def _turning(span: Span) -> Values:
    """25 revolutions a second, their harmonics, and the blades."""
    return 120 * span.sine(25) + 50 * span.sine(50) + 25 * span.sine(75) + 40 * span.sine(150)


def _bearing(span: Span) -> Values:
    """A damaged race, struck 89 times a second: each blow rings at 380 Hz and dies away within 6 ms."""
    since = span.phase(Fraction(89)) / 89
    return np.exp(-since / 0.006) * np.sin(2 * np.pi * 380 * since)


def pump_vibration(states: NDArray[np.int64], span: Span, random: Pcg32) -> Values:
    """A made-up pump of 1500 revolutions a minute with six blades, as an accelerometer around MIDDLE might give it;
    states: (scans,) of PUMP_STATES. Its frequencies are whole, so that it repeats every second but for the noise."""
    swell = span.seconds(lambda one: 1 + 0.1 * one.sine(1))
    values = np.array(PUMP_TURNING)[states] * swell * span.seconds(_turning)
    values += np.array(PUMP_BEARING)[states] * swell * span.seconds(_bearing)
    values += np.array(PUMP_NOISE)[states] * noise(random, span.scans)
    return MIDDLE + values


def _pump_state(parts: list[str]) -> tuple[str | None, Fraction]:
    """(its one state, or None where it changes, and seconds of each)."""
    _at_most(parts, 1)
    if parts and parts[0] in PUMP_STATES:
        return parts[0], Fraction(1)
    try:
        return None, _number(parts, 0, "SECONDS", 0.001, SECONDS_MAX / 3, PUMP_SECONDS)
    except SpecError as error:
        raise SpecError(f"{error}, nor one of {', '.join(PUMP_STATES)}") from None


def _states(state: str | None, seconds: Fraction, span: Span) -> NDArray[np.int64]:
    """(scans,) which of PUMP_STATES it is in."""
    if state is not None:
        return np.full(span.scans, PUMP_STATES.index(state))
    return (span.phase(1 / (3 * seconds)) * 3).astype(np.int64)


def _pump(parts: list[str]) -> Made:
    state, seconds = _pump_state(parts)
    period = Fraction(1) if state else together(3 * seconds, Fraction(1))
    period *= math.ceil(PUMP_SECONDS_MIN / period)
    return Made(
        period, lambda span, random: pump_vibration(_states(state, seconds, span), span, random), noisy=True
    )


def pump_flag(parts: list[str], flagged: tuple[str, ...]) -> Made:
    """1 while a pump of that specification is in one of the states."""
    state, seconds = _pump_state(parts)
    flags = np.array([float(name in flagged) for name in PUMP_STATES])
    return Made(ALWAYS if state else 3 * seconds, lambda span, random: flags[_states(state, seconds, span)])


# ----------------------------------------------------------------------------------------------------- what there is

ANALOG_GENERATORS: dict[str, Callable[[list[str]], Made]] = {
    "constant": _constant(RAW_MAX),
    "sine": _wave(lambda phase: np.asarray(np.sin(2 * np.pi * phase))),
    "square": _wave(lambda phase: np.where(phase < 0.5, 1.0, -1.0)),
    "ramp": _wave(lambda phase: 2 * phase - 1),
    "step": _step(1024, 3072, RAW_MAX),
    "noise": _noise,
    "pump": _pump,
}
"""By name: what makes it of the numbers behind the name. host.boards.usage says what they are."""
DIGITAL_GENERATORS: dict[str, Callable[[list[str]], Made]] = {
    "constant": _constant(1),
    "pulse": _pulse,
    "step": _step(0, 1, 1),
}


def length(made: list[Made]) -> int:
    """Scans after which all of these repeat; at most SECONDS_MAX of them, then with a jump. What has noise does not
    before SECONDS_MIN."""
    seconds = functools.reduce(together, (one.period for one in made), ALWAYS)
    if seconds > SECONDS_MAX:
        return SECONDS_MAX * RATE
    least = SECONDS_MIN if any(one.noisy for one in made) else 1
    return int(seconds * math.ceil(least / seconds) * RATE)
