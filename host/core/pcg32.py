"""Random numbers that are the same everywhere: PCG32 (XSH RR 64/32) as M. E. O'Neill published it,
www.pcg-random.org, pcg-c-basic. Twin of firmware/core/pcg32.c, bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MASK_32, MASK_64 = (1 << 32) - 1, (1 << 64) - 1
MULTIPLIER = 6364136223846793005


class Pcg32:
    """Sequence number `sequence` of the generator, begun at `seed`."""

    def __init__(self, seed: int, sequence: int = 0) -> None:
        self.state = 0
        self.increment = (sequence << 1 | 1) & MASK_64
        self.next()
        self.state = (self.state + seed) & MASK_64
        self.next()

    def next(self) -> int:
        """A uniform number of 0..2**32 - 1."""
        state = self.state
        self.state = (state * MULTIPLIER + self.increment) & MASK_64
        mixed = (((state >> 18) ^ state) >> 27) & MASK_32
        turn = state >> 59
        return (mixed >> turn | mixed << (-turn & 31)) & MASK_32

    def numbers(self, count: int) -> NDArray[np.uint32]:
        """The next `count` numbers of `next`, at once."""
        import numpy as np  # most who draw a few do without

        states = np.array([self.state], dtype=np.uint64)
        factor, term = (
            np.uint64(MULTIPLIER),
            np.uint64(self.increment),
        )  # of as many steps as there are states
        with np.errstate(over="ignore"):
            while len(states) <= count:
                states = np.concatenate([states, states * factor + term])
                factor, term = factor * factor, term * factor + term
        self.state = int(states[count])
        states = states[:count]
        mixed = (states >> np.uint64(18) ^ states) >> np.uint64(27)
        turn = states >> np.uint64(59)
        mixed &= np.uint64(MASK_32)
        return (mixed >> turn | mixed << (-turn & np.uint64(31))).astype(np.uint32)

    def below(self, bound: int) -> int:
        """A uniform number of 0..bound - 1, without bias."""
        first_fair = (1 << 32) % bound  # below it some remainders come once more
        while (number := self.next()) < first_fair:
            pass
        return number % bound

    def shuffle(self, items: list[Any]) -> None:
        """Put the items into a random order: Fisher and Yates, from the end."""
        for i in range(len(items), 1, -1):
            chosen = self.below(i)
            items[chosen], items[i - 1] = items[i - 1], items[chosen]

    def uniform(self, low: float, high: float) -> float:
        """A number of low..high, one of 2**32 evenly spaced."""
        return low + (high - low) * (self.next() / 2**32)
