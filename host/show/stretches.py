"""The recording behind a training, as far as its windows are judged: what was measured there, said and decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from host.data.dataset import Windows
from host.models.dense import Float
from host.training.decided import course, should_be_lit
from host.training.trained import Trained

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Stretch:
    """Windows that follow each other without a gap, and their scans.

    raw: (scans, channels); ends: (windows,) s from the first scan to the end of each; values: (windows, inputs) in
    their own units; true, said: (windows,) classes by label and model; should, lit: (windows,) whether the lamp should
    be lit, and whether it is, as decided.
    """

    raw: NDArray[np.int64]
    ends: Float
    values: Float
    true: NDArray[np.int64]
    said: NDArray[np.int64]
    should: Bools
    lit: Bools


@dataclass(frozen=True)
class Signal:
    """part: of the data; channels: names, those that the model measures; hop: s; classes: names, empty where labels are
    numbers; stretches: in their order."""

    part: str
    channels: Sequence[str]
    inputs: Sequence[str]
    rate: int
    hop: float
    classes: Sequence[str]
    stretches: Sequence[Stretch]


def signal_of(trained: Trained) -> Signal | None:
    """Of the last part; None where samples are no windows."""
    part, data = list(trained.parts.items())[-1]
    windows = data.windows
    if windows is None:
        return None
    sensed, lamp = windows.sensed, trained.plan.lamp
    channels = list(dict.fromkeys(name.partition(".")[0] for name in data.inputs))
    said = lamp.classes(trained.outputs[part]["fixed"])
    should = should_be_lit(data, lamp)
    courses = [course(trained.model, sensed, recording) for recording in windows.recordings]
    found = []
    for piece in _pieces(windows):
        recording, decided = windows.recordings[windows.of[piece[0]]], courses[windows.of[piece[0]]]
        begin = int(np.searchsorted(recording.samples, windows.first[piece[0]]))
        end = int(np.searchsorted(recording.samples, windows.first[piece[-1]])) + sensed.window
        columns = [recording.channels.index(name) for name in channels]
        places = np.searchsorted(decided.first, windows.first[piece])
        found.append(
            Stretch(
                recording.raw[begin:end, columns],
                (windows.first[piece] - windows.first[piece[0]] + sensed.window) / sensed.rate,
                data.x[piece],
                data.labels[piece],
                said[piece],
                should[piece],
                decided.decided[places],
            )
        )
    return Signal(part, channels, data.inputs, sensed.rate, sensed.hop / sensed.rate, data.classes, found)


def _pieces(windows: Windows) -> list[NDArray[np.intp]]:
    """The windows, parted where the next is not one hop on in the same recording."""
    apart = (np.diff(windows.of) != 0) | (np.diff(windows.first) != windows.sensed.hop)
    return np.split(np.arange(len(windows.of)), np.flatnonzero(apart) + 1)
