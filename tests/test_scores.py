"""host/training/scores.py: scores as scikit-learn has them, what lights the LED, and what fixed point changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from host.core.infer import class_of, infer, led, quantise_inputs
from host.core.wire import Activation
from host.data.dataset import Dataset
from host.errors import NeuronError
from host.models.changed import Changed
from host.models.dense import Dense, reference
from host.models.lamp import Lamp
from host.models.quantise import quantise
from host.models.report import fixed_outputs
from host.training import scores
from host.training.scores import (
    baseline,
    changed,
    confused,
    each,
    question_of,
    score,
)

FRUIT = ("apple", "pear", "quince")


def dataset(
    x: object, y: object, classes: tuple[str, ...] = (), targets: tuple[str, ...] = ("y",)
) -> Dataset:
    table, values = np.atleast_2d(np.array(x, np.float64).T).T, np.array(y, np.float64)
    names = tuple(f"x{i}" for i in range(table.shape[1]))
    return Dataset("d", names, targets, table, values, range(2, len(values) + 2), classes=classes)


def one_hot(labels: list[int], classes: int = 3) -> np.ndarray:
    return np.eye(classes)[labels]


# --------------------------------------------------------------------------------------------------- by hand


def test_a_class_is_right_only_where_its_output_is_the_largest() -> None:
    """The first output alone would have three of four right."""
    data = dataset([1, 2, 3, 4], one_hot([0, 1, 2, 1]), FRUIT)
    outputs = np.array([[0.9, 0, 0], [0.1, 0.3, 0.2], [0.2, 0.6, 0.5], [0.1, 0.2, 0.3]])
    found = score(data, outputs, Lamp(of_class=True).classes)
    assert found["rows"] == 4
    assert found["accuracy"] == 0.5
    assert found["confusion"] == [[1, 0, 0], [0, 1, 1], [0, 1, 0]]
    assert found["precision"] == [1.0, 0.5, 0.0]
    assert found["recall"] == [1.0, 0.5, 0.0]
    assert confused(found) == [(1, 2, 1), (2, 1, 1)]


def test_what_nobody_said_or_nobody_is_has_no_precision_or_recall() -> None:
    found = score(dataset([1, 2], one_hot([0, 1]), FRUIT), one_hot([0, 0]), Lamp().classes)
    assert found["precision"] == [0.5, None, None]
    assert found["recall"] == [1.0, 0.0, None]


def test_two_classes_of_one_output_are_parted_by_the_threshold() -> None:
    data = dataset([1, 2, 3], [0, 1, 1], ("no", "yes"))
    outputs = np.array([[0.2], [0.6], [0.8]])
    assert score(data, outputs, Lamp(0, 0.5).classes)["accuracy"] == 1
    assert score(data, outputs, Lamp(0, 0.7).classes)["confusion"] == [[1, 0], [1, 1]]
    signs = replace(data, y=np.array([-1.0, 1, 1]))
    assert score(signs, np.array([[0.0], [1], [1]]), Lamp().classes)["accuracy"] == 1


def test_every_target_has_its_scores() -> None:
    data = dataset([1, 2, 3], [[1, 10, 5], [2, 20, 5], [3, 60, 5]], targets=("a", "b", "c"))
    found = score(data, np.array([[1, 20, 5], [2, 20, 5], [3, 50, 6]]))
    assert [one["name"] for one in found["targets"]] == ["a", "b", "c"]
    assert [one["r2"] for one in found["targets"]] == [1.0, pytest.approx(1 - 200 / 1400), None]
    assert [one["rmse"] for one in found["targets"]] == pytest.approx([0, (200 / 3) ** 0.5, (1 / 3) ** 0.5])
    assert found["r2"] == pytest.approx((1 + 1 - 200 / 1400) / 2)
    assert found["rmse"] == pytest.approx(((200 / 3) ** 0.5 + (1 / 3) ** 0.5) / 3)


def test_several_decisions_are_right_where_each_is() -> None:
    data = dataset([1, 2, 3], [[-1, 1], [1, 1], [1, -1]], targets=("hot", "wet"))
    found = score(data, np.array([[0.0, 1], [1, 0], [1, 0]]), each)
    assert found["accuracy"] == 2 / 3
    assert [(one["name"], one["accuracy"]) for one in found["targets"]] == [("hot", 1.0), ("wet", 2 / 3)]
    assert found["targets"][1]["confusion"] == [[1, 0], [1, 1]]
    usual = baseline(data, data, (), each)
    assert (usual["says"], usual["accuracy"]) == ([1, 1], 1 / 3)
    other = np.array([[0.0, 1], [1, 1], [1, 0]])
    assert changed(Lamp(), np.array([[0.0, 1], [1, 0], [1, 0]]), other, each).tolist() == [False, True, False]


def test_equal_targets_have_no_r2_whatever_their_mean_rounds_to() -> None:
    data = dataset([1, 2, 3], [0.1, 0.1, 0.1])
    assert np.mean(data.y) != 0.1
    assert score(data, np.zeros((3, 1)))["r2"] is None


def test_the_baseline_knows_the_training_part_alone() -> None:
    training = dataset([1, 2, 3], one_hot([1, 1, 2]), FRUIT)
    test = dataset([1, 2, 3, 4], one_hot([2, 2, 2, 1]), FRUIT)
    assert baseline(training, test, FRUIT, Lamp().classes) == {"accuracy": 0.25, "says": "pear"}
    found = baseline(dataset([1, 2], [1, 3]), dataset([1, 2], [4, 8]), (), None)
    assert (found["says"], found["r2"], found["rmse"]) == ([2.0], 1 - 40 / 8, 20**0.5)


# ---------------------------------------------------------------------------------------------- scikit-learn


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_classes_are_those_of_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    classes, rows = int(rng.integers(3, 12)), int(rng.integers(20, 300))
    labels, outputs = rng.integers(0, classes, rows), rng.normal(size=(rows, classes))
    data = dataset(np.arange(rows), one_hot(labels, classes), tuple(map(str, range(classes))))
    found, said = score(data, outputs, Lamp().classes), outputs.argmax(axis=1)
    options = {"labels": range(classes), "average": None, "zero_division": np.nan}
    assert found["accuracy"] == metrics.accuracy_score(labels, said)
    assert found["confusion"] == metrics.confusion_matrix(labels, said, labels=range(classes)).tolist()
    for name in ("precision", "recall"):
        theirs = getattr(metrics, f"{name}_score")(labels, said, **options)
        assert found[name] == [None if np.isnan(v) else v for v in theirs.tolist()]


@pytest.mark.parametrize("targets", [1, 4])
def test_scores_of_numbers_are_those_of_scikit_learn(targets: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(targets)
    true = rng.normal(size=(50, targets))
    said = true + 0.5 * rng.normal(size=true.shape)
    data = dataset(np.arange(50), true, targets=tuple("abcd"[:targets]))
    found = score(data, said)
    assert found["r2"] == pytest.approx(metrics.r2_score(true, said), rel=1e-12)
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(true, said), rel=1e-12)
    if targets > 1:
        each = metrics.r2_score(true, said, multioutput="raw_values")
        assert [one["r2"] for one in found["targets"]] == pytest.approx(each.tolist(), rel=1e-12)


# --------------------------------------------------------------------------------------------------- the LED


def test_the_led_is_lit_by_a_class_or_by_an_output() -> None:
    outputs = np.array([[1.0, 2, 0], [3, 2, 3], [0, 1, 4]])
    assert Lamp(1, of_class=True).lit(outputs).tolist() == [True, False, False]
    assert Lamp(0, of_class=True).lit(outputs).tolist() == [False, True, False]  # the first of equal ones
    assert Lamp(2, 2.5).lit(outputs).tolist() == [False, True, True]
    two = np.array([[0.2], [0.9]])
    assert Lamp(0, 0.5).lit(two).tolist() == [False, True]
    assert Lamp(0, 0.5, of_class=True).lit(two).tolist() == [True, False]


@pytest.mark.parametrize(
    ("name", "threshold", "classes", "outputs", "expected"),
    [
        (None, None, FRUIT, 3, (2, True)),
        ("pear", None, FRUIT, 3, (1, True)),
        ("pear", 0.5, FRUIT, 3, (1, False)),
        (None, None, ("no", "yes"), 1, (0, False)),
        ("yes", None, ("no", "yes"), 1, (0, False)),
        ("no", None, ("no", "yes"), 1, (0, True)),
        ("no", None, ("no", "yes"), 2, (0, True)),
        (None, None, (), 2, (0, False)),
        ("b", None, (), 2, (1, False)),
    ],
)
def test_names_for_the_led(
    name: str | None,
    threshold: float | None,
    classes: tuple[str, ...],
    outputs: int,
    expected: tuple[int, bool],
) -> None:
    assert scores.lamp_named(name, threshold, classes, ("a", "b"), outputs) == expected


def test_a_name_that_is_not_there_has_near_matches() -> None:
    with pytest.raises(NeuronError, match="--led peer: the data have no such class; did you mean pear\\?"):
        scores.lamp_named("peer", None, FRUIT, ("y",), 3)
    with pytest.raises(NeuronError, match="no such target; they have a, b"):
        scores.lamp_named("zzz", None, (), ("a", "b"), 2)


@pytest.mark.parametrize("activation", [Activation.IDENTITY, Activation.SIGMOID, Activation.STEP])
@pytest.mark.parametrize("outputs", [1, 4])
def test_fixed_outputs_decide_as_the_node_does(activation: Activation, outputs: int) -> None:
    rng = np.random.default_rng(outputs)
    x = rng.normal(size=(300, 3))
    layers = [Dense(rng.normal(size=(outputs, 3)), rng.normal(size=outputs), activation)]
    model, _ = quantise("m", layers, x, led_output=outputs - 1, led_threshold=0.3)
    q, said = infer(model, quantise_inputs(model, x)), fixed_outputs(model, x)
    lamp = Lamp(outputs - 1, 0.3)
    assert (lamp.lit(said) == led(model, q)).all()
    assert (lamp.classes(said) == class_of(model, q)).all()
    by_class = replace(model, led_class=True)
    assert (replace(lamp, of_class=True).lit(said) == led(by_class, q)).all()


# -------------------------------------------------------------------------------------------------- changed


def test_what_is_within_float32_of_the_threshold_is_not_above_it() -> None:
    lamp, one, other = Lamp(0, 6.0), np.array([[6.000000003], [6.1]]), np.array([[6.0], [6.0]])
    assert changed(lamp, one, other, None).tolist() == [False, True]


def test_another_class_is_a_change_though_the_led_is_dark_for_both() -> None:
    one, other = np.array([[3.0, 1, 0], [0, 1, 0]]), np.array([[1.0, 3, 0], [0, 1, 0]])
    lamp = Lamp(2, of_class=True)
    assert changed(lamp, one, other, lamp.classes).tolist() == [True, False]


def test_several_numbers_change_where_the_led_does() -> None:
    one, other = np.array([[3.0, 1], [0, 1]]), np.array([[3.0, 4], [9, 1]])
    assert changed(Lamp(1, 2.0), one, other, None).tolist() == [True, False]


def test_fixed_point_too_coarse_for_its_inputs_changes_decisions() -> None:
    """A step of 2^16 between 1.7e9 and 1.8e9, as for seconds since 1970."""
    x = np.linspace(1.7e9, 1.8e9, 5000).reshape(-1, 1)
    layers = [Dense(np.array([[1e-6]]), np.array([-1750.001]), Activation.SIGMOID)]
    model, _ = quantise("time", layers, x, ranges=[(0, 2.1e9)], led_threshold=0.5)
    rows = changed(Lamp(0, 0.5), reference(layers, x)[1], fixed_outputs(model, x), Lamp(0, 0.5).classes)
    assert 0 < rows.sum() < 10


def test_a_share_of_changed_decisions_is_allowed_or_not() -> None:
    Changed(1, 200).require()
    Changed(0, 3).require(0.0)
    assert "all 3 rows" in Changed(0, 3).in_words()
    assert Changed(3, 3).in_words() == "fixed point CHANGES 3 of 3 decisions (100 %)"
    with pytest.raises(NeuronError) as refused:
        Changed(3, 200).require()
    assert str(refused.value).startswith(
        "fixed point CHANGES 3 of 200 decisions (1.5 %), 0.5 % are allowed: nothing was sent; narrow --range"
    )
    assert str(refused.value).endswith("--allow-changed 1.5%")
    assert "\n" not in str(refused.value)
    Changed(3, 200).require(0.015)
    with pytest.raises(NeuronError):
        Changed(1, 200).require(0.0)


def test_the_share_that_is_proposed_is_enough() -> None:
    for rows in range(1, 701):
        change = Changed(rows, 701)
        try:
            change.require(0.0)
        except NeuronError as refused:
            change.require(float(str(refused).rsplit(" ", 1)[1].removesuffix("%")) / 100)


# ------------------------------------------------------------------------------------------------- questions


def test_a_node_is_asked_every_row_of_the_part_held_out_once() -> None:
    seen, held = dataset([5, 6], [1, 2]), dataset([3, 1, 3, 2], [1, 2, 3, 4])
    asked = question_of({"training": seen, "test": held})
    assert (asked.part, asked.of, asked.x.tolist()) == ("test", 3, [[1], [2], [3]])
    assert asked.row_of.tolist() == [2, 0, 2, 1]
    answers = np.array([[2.0], [4], [1]])
    assert asked.score(answers, None)["rmse"] == 1.0


def test_of_many_rows_some_are_asked() -> None:
    x = np.arange(2000) % 1000
    asked = question_of({"training": dataset([0], [0]), "test": dataset(x, x)})
    assert (asked.of, len(asked.x), len(asked.data)) == (1000, scores.ASKED_UNSEEN, 2 * scores.ASKED_UNSEEN)
    assert (asked.x[0, 0], asked.x[-1, 0]) == (0, 999)
    assert (asked.data.x == asked.x[asked.row_of]).all()
    assert len(question_of({"training": dataset(x, x)}).x) == scores.ASKED_SEEN
