"""host/training/plan.py and samples.py: people's own data are held out, standardised and trained as they need it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host.core.pcg32 import Pcg32
from host.core.wire import Activation, Loss
from host.data.dataset import Dataset
from host.data.split import split
from host.errors import NeuronError
from host.training import plan as planning
from host.training import reading
from host.training.options import Options
from host.training.pipeline import train as trained_by
from host.training.plan import make_plan
from host.training.samples import balanced
from host.training.stability import stable_rate
from tests.training import run


def written(path: Path, x: np.ndarray, y: np.ndarray) -> str:
    rows = [",".join(map(repr, row)) for row in np.column_stack([x, y]).tolist()]
    names = [*(f"x{number}" for number in range(x.shape[1])), "y"]
    path.write_text("\n".join([",".join(names), *rows]) + "\n")
    return str(path)


def plane(rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    random = Pcg32(2)
    x = np.array([[random.uniform(300, 310), random.uniform(-1e-3, 1e-3)] for _ in range(rows)])
    return x, 2 * (x[:, 0] - 305) - 4000 * x[:, 1] + np.array([random.uniform(-1, 1) for _ in range(rows)])


# ------------------------------------------------------------------------------------------------------ parts


def labelled(counts: dict[str, int]) -> Dataset:
    """So many rows of each class, class after class."""
    labels = np.repeat(np.arange(len(counts)), list(counts.values()))
    x = np.arange(len(labels), dtype=np.float64).reshape(-1, 1)
    return Dataset(
        "d", ("x",), ("y",), x, np.eye(len(counts))[labels], range(2, len(x) + 2), classes=tuple(counts)
    )


@pytest.mark.parametrize(
    "counts", [{"a": 50, "b": 50, "c": 50}, {"a": 90, "b": 7, "c": 3}, {"a": 33, "b": 20, "c": 1}]
)
def test_each_part_has_its_share_of_every_class(counts: dict[str, int]) -> None:
    data = labelled(counts)
    for seed in range(5):
        parts = split(data, reading.HOLD_OUT, seed)
        assert sorted(row for part in parts for row in part.rows) == list(data.rows)
        for share, part in zip(reading.HOLD_OUT, parts, strict=True):
            found = Counter(part.labels.tolist())
            for number, count in enumerate(counts.values()):
                assert abs(found[number] - count * share / 100) <= 1
    assert split(data, [80, 20], 1)[0].rows != split(data, [80, 20], 2)[0].rows


@pytest.mark.parametrize(
    ("rows", "options", "sizes"),
    [
        (19, {}, [19]),
        (20, {}, [13, 3, 4]),
        (100, {}, [64, 16, 20]),
        (100, {"split": [50, 50, 0]}, [50, 50]),
        (100, {"split": [100, 0, 0]}, [100]),
    ],
)
def test_what_is_held_out(tmp_path: Path, rows: int, options: dict[str, Any], sizes: list[int]) -> None:
    plan = make_plan(Options("wxb", data=written(tmp_path / "d.csv", *plane(rows)), **options))
    assert [len(part) for part in plan.samples.parts.values()] == sizes
    assert bool(plan.patience) == (len(sizes) > 1)


@pytest.mark.parametrize("model", ["wx", "wxb", "and", "logistic", "mlp"])
def test_nothing_looks_at_the_test_part_but_the_score(tmp_path: Path, model: str) -> None:
    x, y = plane()
    numbers = model in ("wx", "wxb", "mlp")
    y = y if numbers else (y > 0).astype(np.float64)
    before = trained_by(make_plan(Options(model, data=written(tmp_path / "d.csv", x, y))))
    rows = [row - 2 for row in before.parts["test"].rows]
    x[rows] *= 1000
    y[rows] *= 10 if numbers else 1  # other classes would be another split
    after = trained_by(make_plan(Options(model, data=written(tmp_path / "d.csv", x, y))))
    assert after.parts["test"].x.tolist() == x[rows].tolist()
    assert after.image == before.image
    assert after.metrics["test"] != before.metrics["test"]


# --------------------------------------------------------------------------------------------------- decided


def planned(monkeypatch: pytest.MonkeyPatch, data: Dataset, model: str, **options: Any) -> planning.Plan:
    monkeypatch.setattr(reading, "_data_of", lambda options, progress: data)
    return make_plan(Options(model, data="d.csv", **options))


def test_the_rate_of_one_layer_follows_from_the_data(tmp_path: Path) -> None:
    for model in ("wx", "wxb", "and"):
        x, y = plane()
        plan = make_plan(Options(model, data=written(tmp_path / "d.csv", x, (y > 0).astype(float))))
        scaled, _ = plan.samples.of("training")
        assert plan.config.rate == stable_rate(plan.config, scaled) / 2
        assert make_plan(Options(model, data=str(tmp_path / "d.csv"), rate=0.25)).config.rate == 0.25


def test_inputs_of_nothing_but_zeros_teach_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Dataset("d", ("x",), ("y",), np.zeros((30, 1)), np.arange(1.0, 31.0), range(2, 32))
    trained = trained_by(planned(monkeypatch, data, "wx", standardise=False))
    assert trained.end.w == [0.0]
    assert trained.warnings[-1].startswith("collapsed: y comes out the same")


@pytest.mark.parametrize(("times", "times_y"), [(1000.0, 1.0), (1e-5, 1.0), (1.0, 1e6), (1e-5, 1e-5)])
def test_units_do_not_matter(tmp_path: Path, times: float, times_y: float) -> None:
    x, y = plane()
    one = trained_by(make_plan(Options("wxb", data=written(tmp_path / "d.csv", x, y))))
    other = trained_by(make_plan(Options("wxb", data=written(tmp_path / "d.csv", times * x, times_y * y))))
    r2 = [trained.metrics["test"]["float"]["r2"] for trained in (one, other)]
    assert r2[1] == pytest.approx(r2[0], abs=1e-9)
    assert r2[0] > 0.9
    assert other.end.w == pytest.approx([w * times_y / times for w in one.end.w], rel=1e-6)


def test_parameters_that_are_given_are_of_raw_units(tmp_path: Path) -> None:
    path = written(tmp_path / "d.csv", *plane())
    assert make_plan(Options("wxb", data=path)).standardised
    assert not make_plan(Options("wxb", data=path, init=[1, 2, 3], rate=1e-6)).standardised
    assert not make_plan(Options("wxb", data=path, algorithm="grid", grid=[0, 1, 1])).standardised
    assert make_plan(Options("wxb", data=path, init=[1, 2, 3], standardise=True)).standardised
    assert not make_plan(Options("wxb", data=path, standardise=False, rate=1e-6)).standardised
    assert not make_plan(Options("wxb")).standardised


@pytest.mark.parametrize("model", ["logistic", "mlp"])
def test_classes_are_told_apart_by_cross_entropy(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    three = labelled({"a": 30, "b": 30, "c": 30})
    plan = planned(monkeypatch, three, model)
    assert (plan.config.loss, plan.config.activation[-1]) == (Loss.SOFTMAX, Activation.IDENTITY)
    assert plan.samples.target_scaler is None
    two = replace(three, y=three.y[:, 2], classes=("a", "c"))
    plan = planned(monkeypatch, two, model)
    assert (plan.config.loss, plan.config.activation[-1]) == (Loss.CROSS, Activation.SIGMOID)
    assert plan.config.l2 > 0
    assert planned(monkeypatch, two, model, l2=0.0).config.l2 == 0
    mean = planned(monkeypatch, three, model, loss="mse")
    assert (mean.config.loss, mean.config.l2) == (Loss.MEAN, 0)


def test_numbers_are_not_shrunk(tmp_path: Path) -> None:
    plan = make_plan(Options("mlp", data=written(tmp_path / "d.csv", *plane())))
    assert (plan.config.loss, plan.config.l2) == (Loss.MEAN, 0)
    assert plan.samples.target_scaler is not None
    with pytest.raises(NeuronError, match="--class-weight is for classes: y is a number"):
        make_plan(Options("mlp", data=str(tmp_path / "d.csv"), class_weight="balanced"))


def test_balanced_classes_count_the_same() -> None:
    labels = np.array([0, 2, 0, 0, 2, 0])
    weights = balanced(labels)
    assert weights.mean() == 1
    assert weights[labels == 0].sum() == weights[labels == 2].sum() == 3


def test_balanced_weights_find_the_rare_class(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    random = Pcg32(3)
    x = np.array([[random.uniform(0, 1)] for _ in range(400)])
    y = np.array([float(random.uniform(0, 1) < 0.4 * (value > 0.75)) for value in x[:, 0]])
    argv = ["--model", "logistic", "--data", written(tmp_path / "d.csv", x, y)]
    plain, weighted = (run(capsys, *argv, *more) for more in ([], ["--class-weight", "balanced"]))
    recall = [one["metrics"]["test"]["float"]["recall"][1] for one in (plain, weighted)]
    assert recall[0] < 0.5 < recall[1]


def test_l2_keeps_weights_small(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    argv = ["--model", "wxb", "--data", written(tmp_path / "d.csv", *plane())]
    free, held = (run(capsys, *argv, *more)["parameters"]["w"] for more in ([], ["--l2", "10"]))
    assert all(abs(b) < abs(a) / 5 for a, b in zip(free, held, strict=True))


def test_the_epoch_is_chosen_by_weighted_classes_too(tmp_path: Path) -> None:
    x, y = plane(200)
    path = written(tmp_path / "d.csv", x, (y > 5).astype(float))
    trained = trained_by(make_plan(Options("logistic", data=path, class_weight="balanced")))
    part = trained.parts["validation"]
    of = [trained.outputs["validation"]["float"][part.labels == label, 0] for label in (0, 1)]
    mean = (-np.log(1 - of[0]).mean() - np.log(of[1]).mean()) / 2
    assert trained.fit.end.validation == pytest.approx(mean)
    assert trained.losses["validation"] == trained.fit.end.validation
