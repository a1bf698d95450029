"""A node's channels by the names that people use: a0..a7 are analog, d0..d3 digital. Their numbers are the wire's."""

from __future__ import annotations

from collections.abc import Iterable

from host.core.wire import ANALOG, DIGITAL, RAW_MAX

NAMES = (*(f"a{i}" for i in range(ANALOG)), *(f"d{i}" for i in range(DIGITAL)))
"""By their number."""


def is_analog(name: str) -> bool:
    return NAMES.index(name) < ANALOG


def highest(name: str) -> int:
    """The largest raw value."""
    return RAW_MAX if is_analog(name) else 1


def mask_of(names: Iterable[str]) -> int:
    """Bit n for channel n."""
    return sum({1 << NAMES.index(name) for name in names})


def names_of(mask: int) -> tuple[str, ...]:
    """The channels of a mask, in the order of their numbers; bits beyond them are nobody's."""
    return tuple(name for number, name in enumerate(NAMES) if mask >> number & 1)


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """The same channels in the order of their numbers."""
    return names_of(mask_of(names))
