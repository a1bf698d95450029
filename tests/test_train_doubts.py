"""host/training/doubts.py: a training that is not to be relied on says so, and what to try; a good one says nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from host import train
from host.core.pcg32 import Pcg32
from host.data.dataset import Dataset
from host.training.options import Options
from host.training.pipeline import train as trained_by
from host.training.plan import make_plan

ROWS = 60


def table(folder: Path, target: Callable[[float, float, Pcg32], float], rows: int = ROWS) -> str:
    """Two inputs of -1..1, and what a function of them and of chance makes of them."""
    random = Pcg32(11)
    lines = ["a,b,y"]
    for _ in range(rows):
        a, b = random.uniform(-1, 1), random.uniform(-1, 1)
        lines.append(f"{a!r},{b!r},{target(a, b, random)!r}")
    path = folder / "data.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def warnings_of(options: Options) -> list[str]:
    return trained_by(make_plan(options)).warnings


def only(found: list[str]) -> str:
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("model", ["wxb", "mlp"])
def test_a_good_training_says_nothing(tmp_path: Path, model: str) -> None:
    line = table(tmp_path, lambda a, b, random: 3 * a - b + random.uniform(-0.1, 0.1))
    assert warnings_of(Options(model, data=line)) == []


@pytest.mark.parametrize("model", ["and", "logistic"])
def test_a_good_decision_says_nothing(tmp_path: Path, model: str) -> None:
    assert warnings_of(Options(model, data=table(tmp_path, lambda a, b, _: float(a > b)))) == []


def test_rows_too_few_to_hold_any_out(tmp_path: Path) -> None:
    data = table(tmp_path, lambda a, b, _: a + b, rows=19)
    assert only(warnings_of(Options("wxb", data=data))).startswith("19 rows are too few to hold any out")
    assert warnings_of(Options("wxb", data=table(tmp_path, lambda a, b, _: a + b, rows=20))) == []
    assert warnings_of(Options("wxb")) == []  # the article's five are what they are


def test_a_class_that_no_test_row_has_is_named(tmp_path: Path) -> None:
    rows = iter(range(ROWS))
    data = table(tmp_path, lambda a, b, _: 2.0 if next(rows) == 7 else float(a > b))
    found = warnings_of(Options("logistic", data=data))
    assert found[0] == "no row of the test part is of class 2: its scores say nothing of that"


def test_what_fixed_point_loses_is_said_without_a_deploy_too(tmp_path: Path) -> None:
    small = table(tmp_path, lambda a, b, _: 1e-30 * (a + b))
    said = only(warnings_of(Options("wxb", data=small)))
    assert re.match(r"fixed point CHANGES \d+ of 60 decisions", said)
    lit = table(tmp_path, lambda a, b, _: 3e-10 * (a + b))
    said = only(warnings_of(Options("wxb", data=lit, led_threshold=1e-5)))
    assert re.match("fixed point loses R2 in the training part, 1 to .*; scale the target", said)


def test_rows_that_are_in_both_parts_are_counted(tmp_path: Path) -> None:
    rows = iter(range(ROWS))
    data = table(tmp_path, lambda a, b, random: float(random.uniform(-1, 1) > 0))
    path = Path(data)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(lines[1 + next(rows) % 6] for _ in range(ROWS))]) + "\n")
    assert warnings_of(Options("logistic", data=data))[0].startswith(
        "12 of 12 test rows have inputs of training"
    )


def test_scores_of_the_part_that_chose_the_epoch_are_said_to_flatter(tmp_path: Path) -> None:
    data = table(tmp_path, lambda a, b, _: a + b)
    assert only(warnings_of(Options("wxb", data=data, split=[80, 20, 0]))).startswith("no test part")


def test_rows_beyond_the_ranges_are_counted(tmp_path: Path) -> None:
    data = table(tmp_path, lambda a, b, _: a + b)
    test = make_plan(Options("wxb", data=data)).samples.parts["test"]
    lines = Path(data).read_text().splitlines()
    lines[test.rows[0] - 1] = "90,0,90"
    Path(data).write_text("\n".join(lines) + "\n")
    assert only(warnings_of(Options("wxb", data=data))).startswith(
        "1 row held out has inputs beyond the ranges"
    )


def test_few_rows_are_not_told_to_try_another_model(tmp_path: Path) -> None:
    data = table(tmp_path, lambda a, b, _: float(a + b > 0.2), rows=20)
    said = only(warnings_of(Options("logistic", data=data)))
    assert "so few rows may say that by chance" in said
    assert "--model mlp" not in said


def test_an_input_that_only_the_test_part_moves_is_unused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"

    def written(moved: int) -> Options:
        rows = [f"{row},{float(row == moved)},{row + 1}" for row in range(ROWS)]
        path.write_text("\n".join(["a,b,y", *rows]) + "\n")
        return Options("wxb", data=str(path))

    test: Dataset = make_plan(written(0)).samples.parts["test"]
    options = written(test.rows[0] - 2)
    assert only(warnings_of(options)) == "the same in every training row, and so left unused: b"
    assert trained_by(make_plan(options)).layers[0].weights[0, 1] == 0


def test_the_edge_of_a_grid() -> None:
    options = Options("wx", algorithm="grid", grid=[0, 1, 0.25])
    assert only(warnings_of(options)) == (
        "on the edge of its grid: w = 1; the best may lie beyond, try --grid=0,2,0.25"
    )
    assert warnings_of(Options("wx", algorithm="grid", grid=[0, 2.5, 0.25])) == []
    both = only(warnings_of(Options("wxb", algorithm="grid", grid=[0, 4, 0.5])))
    assert both.endswith("b = 0; the best may lie beyond, try --grid=0,4,0.5,-4,4,0.5")
    wider = [float(value) for value in both.rpartition("=")[2].split(",")]
    assert warnings_of(Options("wxb", algorithm="grid", grid=wider)) == []


def test_what_has_not_converged(tmp_path: Path) -> None:
    assert only(warnings_of(Options("wxb", epochs=3, rate=0.01))) == (
        "not converged: in the last tenth of 3 epochs the loss still fell from 13.3 to 10.35; "
        "try --epochs 30 or --lr 0.085"
    )
    data = table(tmp_path, lambda a, b, _: a * b)
    said = only(warnings_of(Options("mlp", data=data, epochs=20)))
    assert said.startswith("not converged: in the last tenth of 20 epochs")
    assert said.endswith("try --epochs 200")
    assert warnings_of(Options("mlp", data=data)) == []


def test_what_says_the_same_of_every_row(tmp_path: Path) -> None:
    flat = only(warnings_of(Options("wxb", rate=1e-300, epochs=2)))
    assert flat == "collapsed: y comes out the same in every training row; try --model mlp, or other inputs"
    rare = table(tmp_path, lambda a, b, random: float(random.uniform(0, 1) < 0.1))
    said = only(warnings_of(Options("logistic", data=rare)))
    assert said.startswith("collapsed: it says 0 in every training row; try --model mlp")
    assert said.endswith("--class-weight balanced where a class is rare")


@pytest.mark.parametrize(("model", "levels"), [("wxb", 1000), ("mlp", 1000), ("logistic", 2), ("and", 2)])
def test_what_is_no_better_than_chance(tmp_path: Path, model: str, levels: int) -> None:
    noise = table(tmp_path, lambda a, b, random: float(random.next() % levels), rows=200)
    for seed in range(4):
        said = only(warnings_of(Options(model, data=noise, seed=seed)))
        assert re.match("(no|hardly) better than always the same answer, on 72 rows held out: ", said)


def test_weighted_classes_are_judged_by_their_weights(tmp_path: Path) -> None:
    """A rare class that is found at the price of false alarms: fewer rows are right than of one who never alarms."""
    rare = table(tmp_path, lambda a, b, random: float(random.uniform(0, 1) < 0.3 * (a > 0.4)), rows=400)
    plain, weighted = (Options("logistic", data=rare, class_weight=way) for way in (None, "balanced"))
    assert "every class" not in only(warnings_of(plain))
    trained = trained_by(make_plan(weighted))
    assert trained.metrics["test"]["float"]["accuracy"] < trained.baselines["test"]["accuracy"]
    assert trained.warnings == []


@pytest.mark.parametrize("model", ["wxb", "logistic"])
def test_targets_that_are_all_the_same(tmp_path: Path, model: str) -> None:
    one = table(tmp_path, lambda a, b, random: 1.0)
    said = only(warnings_of(Options(model, data=one)))
    assert said == "the target is the same in every training row: there is nothing to learn"


def test_doubts_are_warnings_and_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--model", "wx", "--algorithm", "grid", "--grid", "0,1,0.5"]
    said = "on the edge of its grid: w = 1; the best may lie beyond, try --grid=0,2,0.5"
    assert train.main(argv) == 0
    assert capsys.readouterr().err == f"warning: {said}\n"
    assert train.main([*argv, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["warnings"] == [said]
    assert captured.err == ""
