"""The samples of a training in their parts, and as the model sees them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from host.data.dataset import Dataset
from host.data.scaler import Scaler
from host.models.dense import Float

PARTS = ("training", "validation", "test")


@dataclass(frozen=True)
class Samples:
    """parts: those that have any, by name, in raw units; input_scaler, target_scaler: of the training part, None where
    raw units are learnt from; weights: of each sample of the training part, None where all count the same."""

    parts: dict[str, Dataset]
    input_scaler: Scaler | None = None
    target_scaler: Scaler | None = None
    weights: Float | None = None

    def of(self, part: str) -> tuple[Float, Float]:
        """(samples, inputs) and (samples, outputs) of a part as a training takes them."""
        data = self.parts[part]
        x = self.input_scaler.apply(data.x) if self.input_scaler else data.x
        return x, self.target_scaler.apply(data.targets) if self.target_scaler else data.targets

    def weights_of(self, part: str) -> Float | None:
        """(samples,) by which each counts: the classes of a part as those of the training part."""
        return None if self.weights is None else balanced(self.parts[part].labels)

    def weighted(self, part: str) -> tuple[Float, Float, Float | None]:
        """`of` and `weights_of`."""
        return (*self.of(part), self.weights_of(part))

    @functools.cached_property
    def seen(self) -> Float:
        """(samples, inputs) in raw units of all parts but the test part, which nothing may look at but a score."""
        return np.vstack([data.x for name, data in self.parts.items() if name != "test"])

    @functools.cached_property
    def seen_numerators(self) -> NDArray[np.int64] | None:
        """(samples, inputs) of the same, where they were measured in windows."""
        found = [data.numerators for name, data in self.parts.items() if name != "test"]
        return np.vstack([one for one in found if one is not None]) if found[0] is not None else None


def balanced(labels: np.ndarray) -> Float:
    """A weight a sample so that every class that is there counts the same, and their mean is 1."""
    _, of, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(len(labels) / (len(counts) * counts[of]))
