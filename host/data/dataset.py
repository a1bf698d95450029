"""Stage 1, data: samples in, and the articles' built-in sets. host/data/columns.py reads files."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from host.core.pcg32 import Pcg32

if TYPE_CHECKING:
    from host.data.recording import Recording
    from host.models.sensed import Sensed


@dataclass(frozen=True)
class Windows:
    """Where samples come from that are windows of recordings. numerators: int64 (samples, inputs), of which `x` says
    the values; of: (samples,) which of the recordings; first: (samples,) the number of the window's first scan."""

    sensed: Sensed
    numerators: NDArray[np.int64]
    of: NDArray[np.int64]
    first: NDArray[np.int64]
    recordings: tuple[Recording, ...]

    def part(self, chosen: Sequence[int]) -> Windows:
        return replace(self, numerators=self.numerators[chosen], of=self.of[chosen], first=self.first[chosen])

    def columns(self, chosen: Sequence[int]) -> Windows:
        inputs = tuple(self.sensed.inputs[number] for number in chosen)
        return replace(
            self, sensed=replace(self.sensed, inputs=inputs), numerators=self.numerators[:, chosen]
        )


@dataclass(frozen=True)
class Dataset:
    """Samples in their order. x: (samples, inputs); rows: where each stands in its file; note: lines to be said.

    y: (samples,), or (samples, outputs) where there are several: a column a target, or, where a target says one of
    three or more classes, a column a class (one-hot). Two classes are one column: 0 and 1, or -1 and 1 for a step.
    targets_named: the columns of the file that y comes from; classes: their names in the order of `labels`, empty
    where targets are numbers; dropped: inputs left out, since they are the same in every row; windows: of samples that
    come from recordings.
    """

    name: str
    inputs: tuple[str, ...]
    targets_named: tuple[str, ...]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    rows: Sequence[int]
    note: str = ""
    classes: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    windows: Windows | None = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def target(self) -> str:
        """The first target."""
        return self.targets_named[0]

    @property
    def targets(self) -> NDArray[np.float64]:
        """y as (samples, outputs)."""
        return self.y.reshape(len(self.y), -1)

    @property
    def outputs_named(self) -> tuple[str, ...]:
        """What each column of `targets` stands for: a target, or a class."""
        one_hot = len(self.classes) > 1 and self.targets.shape[1] == len(self.classes)
        return self.classes if one_hot else self.targets_named

    @property
    def labels(self) -> NDArray[np.int64]:
        """(samples,) the number of each sample's class: of one column 1 above the middle of its two values, of
        several the largest."""
        if self.targets.shape[1] > 1:
            return np.asarray(self.targets.argmax(axis=1), np.int64)
        first = self.targets[:, 0]
        return np.asarray(first > (0.0 if first.min() < 0 else 0.5), np.int64)

    @property
    def numerators(self) -> NDArray[np.int64] | None:
        """(samples, inputs) of which x says the values; None of samples that were not measured by windows."""
        return self.windows.numerators if self.windows else None

    def part(self, indices: Sequence[int]) -> Dataset:
        """Some of the samples, in the order that they had."""
        chosen = sorted(indices)
        rows = tuple(self.rows[index] for index in chosen)
        windows = self.windows.part(chosen) if self.windows else None
        return replace(self, x=self.x[chosen], y=self.y[chosen], rows=rows, windows=windows)

    def columns(self, chosen: Sequence[int]) -> Dataset:
        """The same samples with some of the inputs."""
        inputs = tuple(self.inputs[number] for number in chosen)
        windows = self.windows.columns(chosen) if self.windows else None
        return replace(self, inputs=inputs, x=self.x[:, chosen], windows=windows)


def _built_in(name: str, inputs: str, samples: list[list[float]]) -> Dataset:
    table = np.array(samples, dtype=np.float64)
    rows = range(1, len(table) + 1)
    return Dataset(name, tuple(inputs.split()), ("y",), table[:, :-1], table[:, -1], rows)


BUILT_IN = {
    "wx": _built_in("wx", "x", [[1, 2], [2, 4], [3, 6]]),
    "and": _built_in("and", "x1 x2", [[1, 0, -1], [0, 1, -1], [0, 0, -1], [1, 1, 1]]),
    "wxb": _built_in("wxb", "x", [[1, 2], [2, 4], [3, 6], [4, 8], [5, 10]]),
    "logistic": _built_in("logistic", "hours", [[1, 0], [2, 0], [3, 1]]),
    "xor": _built_in("xor", "x1 x2", [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]),
}
"""The articles' sets, in the articles' order."""


@functools.cache
def synthetic() -> Dataset:
    """233 samples of 10 inputs and 10 targets for the 10-7-10 network: what another such network says, and noise."""
    random = Pcg32(233)

    def uniform(rows: int, columns: int) -> NDArray[np.float64]:
        return np.array([[random.uniform(-1, 1) for _ in range(columns)] for _ in range(rows)])

    x = uniform(233, 10)
    hidden = np.maximum((x[:, :, np.newaxis] * uniform(10, 7)).sum(axis=1), 0)
    y = (hidden[:, :, np.newaxis] * uniform(7, 10)).sum(axis=1) + 0.05 * uniform(233, 10)
    x_names, y_names = (tuple(f"{letter}{i}" for i in range(1, 11)) for letter in "xy")
    return Dataset("synthetic", x_names, y_names, x, y.round(6), range(1, 234))
