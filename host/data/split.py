"""Parts to train with, to choose by and to judge by: a seeded split."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from host.core.pcg32 import Pcg32
from host.data.dataset import Dataset
from host.errors import NeuronError, counted


def split(data: Dataset, shares: Sequence[float], seed: int) -> list[Dataset]:
    """Training, validation and test parts in these proportions, chosen by the seed; each keeps its rows' order. Of
    named classes each part has its share of every one, to a row."""
    order = list(range(len(data)))
    Pcg32(seed, 1).shuffle(order)
    if data.classes:
        order = _interleaved(order, data.labels)
    relative = np.array(shares) / max(shares)
    ends = np.cumsum(relative) / relative.sum() * len(data)
    bounds = [0, *(round(float(end)) for end in ends)]
    parts = [data.part(order[a:b]) for a, b in itertools.pairwise(bounds)]
    for share, part in zip(shares, parts, strict=True):
        if share > 0 and len(part) == 0:
            raise NeuronError(
                f"{data.name}: {counted(len(data), 'row')} {'is' if len(data) == 1 else 'are'} too few for --split "
                f"{','.join(f'{share:g}' for share in shares)}: a part would be empty"
            )
    return parts


def _interleaved(order: Sequence[int], labels: np.ndarray) -> list[int]:
    """The rows so that those of each class lie evenly from end to end, in the order that they had among themselves."""
    rows = np.array(order)
    of = labels[rows]
    place = np.empty(len(rows))
    for label in np.unique(of):
        own = np.flatnonzero(of == label)
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
    return [int(row) for row in rows[np.lexsort((of, place))]]
