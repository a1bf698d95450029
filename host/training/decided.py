"""How often a node's lamp would be right on recordings: by each window alone, and by the decision stage behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.core.image import Model
from host.core.infer import decide_all, infer, led
from host.data.dataset import Dataset
from host.data.recording import Recording
from host.data.windows import measure, whole_windows
from host.models.lamp import Lamp
from host.models.sensed import Sensed, integers

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Course:
    """What a node says that follows a recording from its first scan, a window an entry. first: number of its first
    scan; last: row of its last one; alone: whether it lights the lamp by itself; decided: whether the lamp is lit."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    alone: Bools
    decided: Bools


def course(model: Model, sensed: Sensed, recording: Recording) -> Course:
    """By our twins of what the node does, from its first window on, without an acknowledgement."""
    rows, _ = whole_windows(recording, sensed.window, sensed.hop)
    numerators = measure(recording, sensed, rows)
    y = infer(model, integers(model, sensed.values(numerators), numerators))
    last = rows + sensed.window - 1
    times = recording.samples[last] * 1000 // sensed.rate
    return Course(recording.samples[rows], last, led(model, y), decide_all(model, y, times.tolist()))


def should_be_lit(data: Dataset, lamp: Lamp) -> Bools:
    """(samples,) whether the label says that the lamp is to be lit."""
    if not data.classes:
        return lamp.lit(data.targets)
    number = lamp.output if lamp.of_class or data.targets.shape[1] > 1 else 1
    return np.asarray(data.labels == number)


@dataclass(frozen=True)
class Decided:
    """Of so many windows of a part in so many the lamp is right, by each alone and as decided."""

    part: str
    windows: int
    alone: int
    decided: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "part": self.part,
            "windows": self.windows,
            "alone": self.alone / self.windows,
            "decided": self.decided / self.windows,
        }


def decided_of(model: Model, lamp: Lamp, parts: dict[str, Dataset]) -> Decided | None:
    """Of the last part; None where the samples are no windows."""
    part, data = list(parts.items())[-1]
    windows = data.windows
    if windows is None:
        return None
    true = should_be_lit(data, lamp)
    alone = decided = 0
    for number, recording in enumerate(windows.recordings):
        own = np.flatnonzero(windows.of == number)
        found = course(model, windows.sensed, recording)
        places = np.searchsorted(found.first, windows.first[own])
        alone += int((found.alone[places] == true[own]).sum())
        decided += int((found.decided[places] == true[own]).sum())
    return Decided(part, len(data), alone, decided)
