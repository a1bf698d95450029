"""How many decisions fixed point changes, and whether that is too many to send unasked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from host.errors import NeuronError, counted

CHANGED_MAX = 0.005
"""The share of rows that may be decided otherwise in fixed point before a model is not deployed unasked."""


@dataclass(frozen=True)
class Changed:
    """Rows of the data that the fixed-point model decides otherwise than its float self: so many, of so many."""

    rows: int
    of: int

    @property
    def share(self) -> float:
        return self.rows / self.of

    def as_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "of": self.of, "share": self.share}

    def in_words(self) -> str:
        if not self.rows:
            return f"fixed point decides as float does in {'all ' * (self.of > 1)}{counted(self.of, 'row')}"
        return f"fixed point CHANGES {self.rows} of {counted(self.of, 'decision')} ({100 * self.share:.3g} %)"

    def require(self, allowed: float | None = None) -> None:
        """NeuronError where that is a larger share than allowed, CHANGED_MAX unless told."""
        allowed = CHANGED_MAX if allowed is None else allowed
        if self.share > allowed:
            needed = math.ceil(self.share * 1000) / 10
            raise NeuronError(
                f"{self.in_words()}, {100 * allowed:g} % are allowed: nothing was sent; narrow --range to what the "
                "inputs really reach, leave out inputs, scale inputs or targets that 16 bits are too few for, or "
                f"accept it with --allow-changed {needed:g}%"
            )
