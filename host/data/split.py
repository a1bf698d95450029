"""Parts to train with, to choose by and to judge by: a seeded split, or of recordings one by time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from host.core.pcg32 import Pcg32
from host.data.dataset import Dataset, Windows
from host.errors import NeuronError, counted


def split(data: Dataset, shares: Sequence[float], seed: int) -> list[Dataset]:
    """Training, validation and test parts in these proportions, chosen by the seed; each keeps its rows' order. Of
    named classes each part has its share of every one, to a row."""
    order = list(range(len(data)))
    Pcg32(seed, 1).shuffle(order)
    if data.classes:
        order = _interleaved(order, data.labels)
    parts = [data.part(order[a:b]) for a, b in itertools.pairwise(_bounds(shares, len(data)))]
    _require_filled(data, shares, parts)
    return parts


def split_by_time(data: Dataset, shares: Sequence[float]) -> list[Dataset]:
    """Of windows: in each recording the windows of each label are cut, as they come in time, into a block of each part;
    of numbers those that are too few for it together. Neighbouring windows have scans in common: where two lie in
    different parts the later one is left out, so that nothing is judged by what it has learnt from."""
    windows = data.windows
    assert windows is not None
    of_part = np.empty(len(data), np.int64)
    for recording in np.unique(windows.of):
        here = np.flatnonzero(windows.of == recording)
        labels = data.labels[here] if data.classes else _numbers(data.targets[here], shares)
        for label in np.unique(labels):
            own = here[labels == label]
            of_part[own] = np.searchsorted(_bounds(shares, len(own))[1:], np.arange(len(own)), "right")
    kept = _apart(windows, of_part)
    parts = [data.part(np.flatnonzero(kept & (of_part == number)).tolist()) for number in range(len(shares))]
    _require_filled(
        data, shares, parts, "a longer recording, or a longer --hop, has windows that share no scan"
    )
    return parts


def _numbers(targets: NDArray[np.float64], shares: Sequence[float]) -> NDArray[np.int64]:
    """(windows,) which of the labels it is of that have a window for every part, -1 of all others."""
    _, labels, counts = np.unique(targets, axis=0, return_inverse=True, return_counts=True)
    filled = [share for share in shares if share > 0]
    enough = np.array([min(np.diff(_bounds(filled, count))) > 0 for count in counts])
    labels = labels.reshape(-1)
    return np.where(enough[labels], labels, -1)


def _apart(windows: Windows, of_part: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(samples,) those that share no scan with one of another part that is kept. Samples are in order of time."""
    kept = np.ones(len(of_part), np.bool_)
    last = -1
    for number, part in enumerate(of_part.tolist()):
        shared = (
            last >= 0
            and part != of_part[last]
            and windows.of[number] == windows.of[last]
            and windows.first[number] < windows.first[last] + windows.sensed.window
        )
        kept[number] = not shared
        last = last if shared else number
    return kept


def _bounds(shares: Sequence[float], count: int) -> list[int]:
    """Where the parts of so many rows begin and end."""
    relative = np.array(shares) / max(shares)
    ends = np.cumsum(relative) / relative.sum() * count
    return [0, *(round(float(end)) for end in ends)]


def _require_filled(
    data: Dataset, shares: Sequence[float], parts: Sequence[Dataset], remedy: str = ""
) -> None:
    for share, part in zip(shares, parts, strict=True):
        if share > 0 and len(part) == 0:
            what = "window" if data.windows else "row"
            raise NeuronError(
                f"{data.name}: {counted(len(data), what)} {'is' if len(data) == 1 else 'are'} too few for --split "
                f"{','.join(f'{share:g}' for share in shares)}: a part would be empty{'; ' * bool(remedy)}{remedy}"
            )


def _interleaved(order: Sequence[int], labels: np.ndarray) -> list[int]:
    """The rows so that those of each class lie evenly from end to end, in the order that they had among themselves."""
    rows = np.array(order)
    of = labels[rows]
    place = np.empty(len(rows))
    for label in np.unique(of):
        own = np.flatnonzero(of == label)
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
    return [int(row) for row in rows[np.lexsort((of, place))]]
