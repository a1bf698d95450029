"""What a lesson is: a command to try, what its text shows, and an exercise."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from host.cli.training import options_of, parse
from host.training.pipeline import train
from host.training.plan import make_plan
from host.training.trained import Trained

Facts = dict[str, Any]
"""Values of a text's placeholders. A value of several lines stands on a line of its own there."""

PROGRAM = "python -m host.train"


@dataclass(frozen=True)
class Exercise:
    """The number that is right, within the tolerance; what each known mistake would give; facts for the replies.

    limit: the answer is one: what is above it is wrong."""

    answer: float
    tolerance: float
    mistakes: Mapping[str, float]
    facts: Facts = field(default_factory=dict)
    limit: bool = False

    def judge(self, given: float) -> str:
        """'right', the name of a known mistake, or 'other'."""
        if abs(given - self.answer) <= self.tolerance and not (self.limit and given > self.answer):
            return "right"
        near = {name: abs(given - value) for name, value in self.mistakes.items()}
        best = min(near, key=near.__getitem__, default="other")
        return best if near.get(best, np.inf) <= self.tolerance else "other"


@dataclass(frozen=True)
class Lesson:
    """command: to try, where most of its numbers come from, and `status` its exit status; show(drawn): what the text
    shows; exercise: what it asks."""

    command: str
    show: Callable[[bool], Facts]
    exercise: Callable[[], Exercise]
    status: int = 0


@functools.cache
def trained(command: str) -> Trained:
    """What `python -m host.train ...` trains."""
    args = parse(shlex.split(command.removeprefix(PROGRAM)))
    return train(make_plan(options_of(args, args.model)))


def block(lines: Sequence[str]) -> str:
    return "\n".join(lines)


def table(rows: Sequence[Sequence[str]], gap: str = "   ") -> str:
    """Columns to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return block(
        ["    " + gap.join(f"{c:>{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    )
