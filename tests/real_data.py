"""Real data for the tests: scikit-learn's own sets as CSV files such as a person would have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn import datasets


def write_csv(path: Path, inputs: list[str], x: np.ndarray, target: str, y: list[object]) -> str:
    """A header, then a sample a row; numbers with all the digits that they have. Its name, for --data."""
    rows = [",".join([*map(repr, row), str(label)]) for row, label in zip(x.tolist(), y, strict=True)]
    path.write_text("\n".join([",".join([*inputs, target]), *rows]) + "\n", encoding="utf-8")
    return str(path)


def classes_csv(folder: Path, name: str) -> str:
    """iris, wine, breast_cancer: the class by its name. digits: by its number."""
    found = getattr(datasets, f"load_{name}")()
    inputs = [str(column).replace(" (cm)", "") for column in found.feature_names]
    labels = [str(found.target_names[number]) for number in found.target]
    return write_csv(folder / f"{name}.csv", inputs, found.data, "class", labels)


def diabetes_csv(folder: Path, times: float = 1.0, times_target: float = 1.0) -> str:
    """442 patients: ten inputs, and a number, the progression. times: what each is multiplied by."""
    found = datasets.load_diabetes()
    name = f"diabetes x {times:g} x {times_target:g}.csv"
    progression = (found.target * times_target).tolist()
    return write_csv(folder / name, list(found.feature_names), found.data * times, "progression", progression)
