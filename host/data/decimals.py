"""Tables of decimal numbers out of bytes, all numbers at once: each is what Python's float() makes of it, bit for bit.

A number is m / 10**p, m its digits as an integer. Eight digits are read at a time, as bytes of one 64-bit word (D.
Lemire, "Quickly parsing eight digits", 2022). The quotient of two float64 is the nearest one where m <= 2**53 and
p <= 22 (W. D. Clinger, PLDI 1990); beyond that its rounding error is worked out (T. J. Dekker, Numer. Math. 18, 1971)
and put right. What is too close to the middle between two neighbours, or too long, float() reads itself.

The twin in C, decimals.c, is built when a large file is read: it does the same, for the usual numbers only, in a third
to a fifth of the time.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from host import compiler

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Word = NDArray[np.uint64]
Flags = NDArray[np.bool_]

MINUS, PLUS, POINT, COMMA, NEWLINE = b"-+.,\n"
TEXT_MAX = 100
EXPONENT_MAX = 4
"""Digits of a number, and of its exponent; what has more is left to others."""
DIGITS_MAX = 24
"""Digits that are read here, leading zeros included; float() reads what has more."""
POWER_MAX = 60
INTEGER_EXACT, POWER_EXACT = 1 << 53, 22
"""Integers, and powers of ten, up to which float64 has them all."""
SURE = 1 + 2.0**-30

_OF = np.arange(256)
OTHER, INSIDE, END = range(3)
KINDS = np.where(
    np.isin(_OF, list(b",\neE")), END, np.where(np.isin(_OF, list(b"-+.")), INSIDE, OTHER)
).astype(np.uint8)
"""What a byte that is no digit does: it ends a number, or one of its sides of an e; it stands inside; or neither."""


def _halves(value: Float) -> tuple[Float, Float]:
    """Two float64 of 26 bits whose sum it is: their products are exact."""
    scaled = 134217729.0 * value
    high = scaled - (scaled - value)
    return high, value - high


POWERS = np.array([float(10**p) for p in range(POWER_MAX + 1)])
POWERS_REST = np.array([float(10**p - int(float(10**p))) for p in range(POWER_MAX + 1)])
POWERS_HIGH, POWERS_LOW = _halves(POWERS)


def table(data: bytes, columns: int) -> Float | None:
    """(rows, columns) of lines that end in LF and have that many numbers, parted by commas.

    None where anything else stands there, even what float() would take: spaces, quotes, blank lines, nan.
    """
    text = np.frombuffer(data, np.uint8)
    marks = np.flatnonzero((text - np.uint8(ord("0"))) > 9)
    found = text[marks]
    kinds = KINDS[found]
    ending = np.flatnonzero(kinds == END)  # the marks that end a token: a number, or a side of its e
    ends, end_kinds = marks[ending], found[ending]
    last = np.flatnonzero(end_kinds < MINUS)  # the tokens that end a cell
    if not kinds.all() or not _is_grid(end_kinds[last], columns):
        return None
    begins = np.concatenate([[0], ends[:-1] + 1])
    first = text[begins]
    minus = first == MINUS
    pointed = found[ending - 1] == POINT
    pointed[0] &= ending[0] > 0
    beside = (minus | (first == PLUS)).view(np.int8) + pointed
    digits = ends - begins - beside
    apart = np.concatenate([ending[:1], ending[1:] - ending[:-1] - 1])  # marks of a token beside its end
    if (apart != beside).any() or digits.min() < 1 or digits.max() > TEXT_MAX:
        return None
    places = (ends - 1 - marks[ending - 1]) * pointed
    words = _words(data.replace(b".", b""))
    ends_there = ends - np.cumsum(pointed)
    if len(last) == len(ends):
        integers, sure = _integers(words, ends_there, digits)
    else:
        heads = np.concatenate([[0], last[:-1] + 1])
        powered = np.flatnonzero(last > heads)
        after = last[powered]
        if (after != heads[powered] + 1).any() or pointed[after].any() or digits[after].max() > EXPONENT_MAX:
            return None
        exponents = _integers(words, ends_there[after], digits[after])[0].view(np.int64)
        integers, sure = _integers(words, ends_there[heads], digits[heads])
        places = places[heads]
        places[powered] -= np.where(minus[after], -exponents, exponents)
        minus, begins, ends = minus[heads], begins[heads], ends[last]
    values = _quotients(integers, places, sure)
    values.view(np.uint64)[:] ^= minus.astype(np.uint64) << np.uint64(63)
    for index in np.flatnonzero(~sure):
        values[index] = float(data[begins[index] : ends[index]])
    return values.reshape(-1, columns)


def _is_grid(kinds: NDArray[np.uint8], columns: int) -> bool:
    """Whether these ends of cells are those of lines of so many cells."""
    if len(kinds) % columns:
        return False
    grid = kinds.reshape(-1, columns)
    return bool((grid[:, :-1] == COMMA).all() and (grid[:, -1] == NEWLINE).all())


def _words(data: bytes) -> Word:
    """The eight bytes from each place on, as a number; the first place is DIGITS_MAX before the data."""
    return np.ndarray(len(data) + DIGITS_MAX - 7, "<u8", b"0" * DIGITS_MAX + data, strides=(1,))


def _integers(words: Word, ends: Int, digits: Int) -> tuple[Word, Flags]:
    """The integers of so many digits before these ends, and whether they are right: below 10**19."""
    value: Word = np.zeros(len(ends), np.uint64)
    sure = digits <= DIGITS_MAX
    for group in range(8, min(DIGITS_MAX, int(digits.max()) + 7) + 1, 8):
        foreign = np.clip(group - digits, 0, 8).astype(np.uint64) * np.uint64(8)
        word = words[ends + (DIGITS_MAX - group)] ^ np.uint64(0x3030303030303030)
        eight = _eight((word >> foreign) << foreign)
        if group == DIGITS_MAX:
            sure &= eight < 1000
            eight *= sure
        value += eight * np.uint64(10 ** (group - 8))
    return value, sure


def _eight(word: Word) -> Word:
    """Eight decimal digits, the first in the lowest byte, as a number."""
    pairs = word * np.uint64(10) + (word >> np.uint64(8))
    low, high = np.uint64(0x000000FF000000FF), np.uint64(16)
    fours = (pairs & low) * np.uint64(100 + (1000000 << 32)) + ((pairs >> high) & low) * np.uint64(
        1 + (10000 << 32)
    )
    return np.asarray(fours >> np.uint64(32))


def _quotients(integers: Word, places: Int, sure: Flags) -> Float:
    """The float64 nearest to integers / 10**places. `sure` becomes False where that is not known."""
    if places.min() < 0 or places.max() > POWER_MAX:
        sure &= (places >= 0) & (places <= POWER_MAX)
        places = np.clip(places, 0, POWER_MAX)
    dividend, divisor = integers.astype(np.float64), POWERS[places]
    quotient = dividend / divisor
    if integers.max() <= INTEGER_EXACT and places.max() <= POWER_EXACT:
        return np.asarray(quotient)
    rounded = (integers - dividend.astype(np.uint64)).view(np.int64).astype(np.float64)
    product = quotient * divisor
    (high, low), divisor_high, divisor_low = _halves(quotient), POWERS_HIGH[places], POWERS_LOW[places]
    missing = ((high * divisor_high - product) + high * divisor_low + low * divisor_high) + low * divisor_low
    remainder = ((dividend - product) - missing) + rounded - quotient * POWERS_REST[places]
    correction = remainder / divisor
    nearest = quotient + correction
    beyond = correction - (nearest - quotient)
    sure &= nearest + beyond * SURE == nearest
    return np.asarray(nearest)


# ------------------------------------------------------------------------------------------------- the twin in C

SOURCES = [Path(__file__).with_name("decimals.c")]
HEADERS = [Path(__file__).with_name("decimals.h")]
WORTH_BUILDING = 1 << 24
"""Bytes of a file from which the C compiler's moment is well spent."""


def _inverse(power: int) -> tuple[int, int, int]:
    """struct decimals_inverse."""
    five = 5**power
    scale = five.bit_length()
    first = (1 << (127 + scale)) // five
    return first >> 64, first & (2**64 - 1), scale + power


INVERSES = np.array([_inverse(power) for power in range(1, POWER_MAX + 1)], np.uint64)


@functools.cache
def library(build: bool) -> ctypes.CDLL | None:
    """The library, or None where it cannot be had; build: even if that takes the compiler's time."""
    loaded = compiler.library("decimals.so", SOURCES, HEADERS, compiler.LIBRARY, build)
    if loaded is not None:
        loaded.decimals_read.restype = ctypes.c_size_t
        loaded.decimals_read.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_size_t,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
    return loaded


def usual(loaded: ctypes.CDLL, data: bytes, columns: int) -> Float | None:
    """As `table`, by the twin in C; None also where a number is none of the usual."""
    values = np.empty(len(data) // 2)  # of the shortest numbers
    lines = loaded.decimals_read(data, len(data), columns, INVERSES.ctypes.data, values.ctypes.data)
    return values[: lines * columns].reshape(-1, columns) if lines else None


def reader(size: int) -> Callable[[bytes, int], Float | None]:
    """`table`, for data of that many bytes in all: by the twin, if it is there or worth building, as far as it can."""
    loaded = library(size > WORTH_BUILDING)
    if loaded is None:
        return table

    def read(data: bytes, columns: int) -> Float | None:
        values = usual(loaded, data, columns)
        return table(data, columns) if values is None else values

    return read
