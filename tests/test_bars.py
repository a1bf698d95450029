"""How good a model is that a person gets from real data without tuning anything: the mean over seeds 0..4, each its own
split and start, of rows held out. The data are scikit-learn's own."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from host import train
from tests.real_data import classes_csv, diabetes_csv

SEEDS = range(5)
BARS = {
    "iris": (0.95, "--model", "mlp"),
    "wine": (0.96, "--model", "mlp"),
    "breast_cancer": (0.97, "--model", "logistic"),
    "digits": (0.955, "--model", "mlp", "--layers", "64-32-10"),
}
DIABETES_BAR = 0.45


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


OF_THE_DATA = re.compile("left unused|held out has inputs beyond the ranges|^fixed point CHANGES 1 of 178 ")
"""What is true of some splits, and no doubt of the training."""


def scores(
    capsys: pytest.CaptureFixture[str], *argv: str, seeds: Sequence[int] = SEEDS
) -> Iterator[dict[str, Any]]:
    """Of the test part, a run a seed."""
    for seed in seeds:
        assert train.main([*argv, "--seed", str(seed), "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert [one for one in said["warnings"] if not OF_THE_DATA.search(one)] == []
        yield said["metrics"]["test"]


@pytest.mark.parametrize("name", BARS)
def test_classes(capsys: pytest.CaptureFixture[str], folder: Path, name: str) -> None:
    bar, *how = BARS[name]
    runs = list(scores(capsys, *how, "--data", classes_csv(folder, name), "--target", "class"))
    for which in ("float", "fixed"):
        assert statistics.mean(run[which]["accuracy"] for run in runs) >= bar


def of_diabetes(
    capsys: pytest.CaptureFixture[str], folder: Path, *times: float, seeds: Sequence[int] = SEEDS
) -> tuple[list[float], list[float]]:
    """R2 of each seed, float and fixed."""
    path = diabetes_csv(folder, *times)
    runs = list(scores(capsys, "--model", "wxb", "--data", path, "--target", "progression", seeds=seeds))
    float_, fixed = ([run[which]["r2"] for run in runs] for which in ("float", "fixed"))
    return float_, fixed


def test_numbers_in_any_units(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """In other units each seed's is the same, which two of them show."""
    float_, fixed = of_diabetes(capsys, folder)
    assert statistics.mean(float_) >= DIABETES_BAR
    assert statistics.mean(fixed) >= DIABETES_BAR
    for times in ((1000.0, 1.0), (1e-5, 1.0), (1000.0, 1000.0), (1e-5, 1e-5)):
        same, nearly = of_diabetes(capsys, folder, *times, seeds=SEEDS[:2])
        assert same == pytest.approx(float_[:2], abs=1e-6)
        assert nearly == pytest.approx(fixed[:2], abs=1e-3)
