"""host/training/plan.py: where a network begins, several starts of which the best is kept, and what a seed chooses."""

from __future__ import annotations

import math

import pytest

from host import train
from host.core.pcg32 import Pcg32
from host.core.wire import Activation
from host.training.options import Options
from host.training.pipeline import train as trained_by
from host.training.plan import make_plan
from host.training.starts import random_start
from tests.training import run

XOR = ["--model", "mlp", "--layers", "2-4-1"]


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid"])
def test_the_layers_between_are_as_told(name: str) -> None:
    trained = trained_by(make_plan(Options("mlp", layers=[2, 4, 3, 1], activation=name, epochs=20)))
    hidden = Activation[name.upper()]
    kinds = (hidden, hidden, Activation.IDENTITY)
    assert trained.config.activation == kinds
    assert tuple(layer.activation for layer in trained.model.layers) == kinds


def test_weights_begin_as_their_activation_wants() -> None:
    for activation, limit in (("relu", math.sqrt(6 / 10)), ("tanh", math.sqrt(6 / 17))):
        plan = make_plan(Options("mlp", layers=[10, 7, 10], activation=activation))
        first = plan.starts[0][:70]
        assert 0.9 * limit < max(map(abs, first)) <= limit


def test_the_best_of_several_starts_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    argv = [*XOR, "--epochs", "60", "--seed", "5"]
    best = run(capsys, *argv, "--tries", "4")
    tries = best["tries"]
    assert len(set(tries)) == 4
    assert best["losses"]["training"] == min(tries)
    assert run(capsys, *argv)["tries"] == tries[:1]
    assert min(tries) < tries[0]
    assert train.main([*argv, "--tries", "4"]) == 0
    said = f"start {tries.index(min(tries)) + 1} of 4 is kept: their losses end at {min(tries):.4g} to {max(tries):.4g}"
    assert said in capsys.readouterr().out


def test_the_first_of_several_starts_is_the_only_one_without() -> None:
    three = make_plan(Options("mlp", layers=[2, 4, 1], tries=3, seed=5))
    assert three.starts[0] == make_plan(Options("mlp", layers=[2, 4, 1], seed=5)).starts[0]
    assert three.starts[1] == random_start(three.config, 5, 1)
    limit = math.sqrt(6 / 2)
    assert three.starts[1][0] == Pcg32(5, 2).uniform(-limit, limit)  # sequence 1 chooses the split
    assert len({tuple(start) for start in three.starts}) == 3


def test_a_split_has_its_own_seed(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--model", "mlp", "--epochs", "2", "--split", "70,15,15"]
    runs = {
        seeds: run(capsys, *argv, "--seed", seeds[0], "--split-seed", seeds[1])
        for seeds in (("1", "1"), ("1", "2"), ("2", "1"))
    }
    assert run(capsys, *argv, "--seed", "1") == runs["1", "1"]
    same, other_split, other_start = (runs[key]["losses"] for key in runs)
    assert len({loss["test"] for loss in (same, other_split, other_start)}) == 3
    starts = {
        seed: make_plan(Options("mlp", seed=1, split=[70, 15, 15], split_seed=seed)).starts for seed in (1, 2)
    }
    assert starts[1] == starts[2]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--activation", "tanh"], "--activation needs --model"),
        (["--model", "wxb", "--tries", "2"], "--tries goes with --model mlp"),
        (["--model", "logistic", "--activation", "tanh"], "--activation goes with --model mlp"),
        (["--model", "mlp", "--layers", "2-1", "--activation", "tanh"], "--layers has none"),
        (["--model", "mlp", "--tries", "2", "--init", "1"], "--tries does nothing with --init"),
        (["--model", "mlp", "--tries", "0"], "'0' is not a whole number"),
        (["--model", "mlp", "--split-seed", "1"], "--split-seed goes with --split"),
        (
            ["--model", "wxb", "--init", "1,2", "--split", "60,40", "--seed", "1", "--split-seed", "1"],
            "--seed does nothing here",
        ),
    ],
)
def test_what_would_do_nothing_is_refused(
    capsys: pytest.CaptureFixture[str], argv: list[str], says: str
) -> None:
    assert train.main(argv) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
