"""host/models/conversion.py: what lights the LED, what is counted, and what the image says; no library is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from host.core.image import decode
from host.core.infer import class_of, infer, led, quantise_inputs
from host.core.wire import Activation
from host.errors import NeuronError
from host.models import convert, load
from host.models.dense import reference
from host.models.imported import Chain, Decide, Imported, classes_of, joined, numbers, start, with_classes

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(-2, 2, (400, 3))


def chain(units: int) -> Chain:
    weights = np.random.default_rng(units).normal(size=(units, 3))
    return start(3).linear(weights, np.linspace(-0.5, 0.5, units))


NUMBERS = numbers("numbers", chain(2))
SIGN = classes_of("sign", chain(1), ["no", "yes"])
PROBABILITY = classes_of("probability", chain(1).activated(Activation.SIGMOID), ["no", "yes"])
SEVERAL = numbers("several", chain(3).activated(Activation.SIGMOID))
ARGMAX = classes_of("argmax", chain(3), ["a", "b", "c"])
EVERY = [NUMBERS, SIGN, PROBABILITY, SEVERAL, ARGMAX]


def test_each_is_what_it_is_called() -> None:
    assert [model.decide for model in EVERY] == [
        Decide.NUMBERS,
        Decide.SIGN,
        Decide.PROBABILITY,
        Decide.PROBABILITY,
        Decide.ARGMAX,
    ]


@pytest.mark.parametrize("model", EVERY, ids=lambda model: model.name)
def test_the_image_is_the_model_that_is_reported(model: Imported) -> None:
    image, report = convert(model, X)
    made = decode(image)
    y = infer(made, quantise_inputs(made, X))
    assert (led(made, y) == report.lit(X)).all()
    assert made.names.classes == model.classes
    if model.classes:
        assert (class_of(made, y) == report.decisions(X)[:, 0]).all()
        assert (report.predict(X) == np.array(model.classes)[class_of(made, y)]).all()
    assert report.rows == 400


def lit(model: Imported, **options: Any) -> Any:
    """The rows that light the LED, of an image that is exact enough for these."""
    _, report = convert(model, X, **options)
    assert report.changed <= 2
    return report.lit(X)


def sums(model: Imported) -> Any:
    last = model.layers[0]
    return X @ last.weights.T + last.bias


def mostly(one: Any, other: Any) -> bool:
    """But for rows that stand on the edge."""
    return bool((one != other).sum() <= 2)


def test_numbers_light_it_above_a_threshold() -> None:
    y = sums(NUMBERS)
    assert mostly(lit(NUMBERS), y[:, 0] > (y[:, 0].min() + y[:, 0].max()) / 2)
    assert mostly(lit(NUMBERS, led="2"), y[:, 1] > (y[:, 1].min() + y[:, 1].max()) / 2)
    assert mostly(lit(NUMBERS, led="2", led_threshold=1.0), y[:, 1] > 1)


def test_two_classes_light_it_each() -> None:
    for model in (SIGN, PROBABILITY):
        z = sums(model)[:, 0]
        assert mostly(lit(model), z > 0)
        assert mostly(lit(model, led="yes"), z > 0)
        assert mostly(lit(model, led="no"), z <= 0)


def test_a_probability_has_a_threshold_that_parts_the_classes_too() -> None:
    edge = np.log(0.8 / 0.2)
    _, report = convert(PROBABILITY, X, led_threshold=0.8)
    z = sums(PROBABILITY)[:, 0]
    assert mostly(report.lit(X), z > edge)
    assert mostly(report.decisions(X)[:, 0], z > edge)
    assert report.changed <= 2
    assert mostly(lit(PROBABILITY, led="no", led_threshold=0.8), z <= edge)


def test_one_of_many_classes_lights_it() -> None:
    z = sums(ARGMAX)
    for led_name, number in ((None, 2), ("a", 0), ("b", 1)):
        assert mostly(lit(ARGMAX, led=led_name), z.argmax(axis=1) == number)
    assert mostly(lit(ARGMAX, led="b", led_threshold=0.25), z[:, 1] > 0.25)


def test_what_cannot_light_it_is_refused() -> None:
    with pytest.raises(NeuronError, match="argmax has no class 'd' for the LED: it has a, b, c"):
        convert(ARGMAX, X, led="d")
    with pytest.raises(NeuronError, match="numbers has no output '3' for the LED: it has 1, 2"):
        convert(NUMBERS, X, led="3")
    with pytest.raises(NeuronError, match="sign compares its score with 0"):
        convert(SIGN, X, led_threshold=1.0)


def test_rows_that_fixed_point_decides_otherwise_are_counted() -> None:
    """In ranges a million times as wide as the data hardly a decision is left."""
    for model in EVERY:
        _, report = convert(model, X, ranges=[(-1e6, 1e6)])
        differ = (report.decisions(X) != model.decisions(X)).any(axis=1)
        assert report.changed >= differ.sum()
        assert report.changed > 40
        assert report.as_dict()["changed"]["rows"] == report.changed
    assert convert(ARGMAX, X, ranges=[(-2, 2)] * 3)[1].quantisation.ranges == [(-2.0, 2.0)] * 3


def test_layers_that_stand_apart_are_joined_into_blocks() -> None:
    """Two branches of two layers each, behind one that they share."""
    shared = chain(4).activated(Activation.TANH)
    ends = []
    for seed in (1, 2):
        random = np.random.default_rng(seed)
        inner = shared.linear(random.normal(size=(3, 4)), random.normal(size=3)).activated(Activation.RELU)
        ends.append(
            inner.linear(random.normal(size=(2, 3)), random.normal(size=2)).activated(Activation.SIGMOID)
        )
    both = numbers("both", joined(ends))
    assert both.units == (3, 4, 6, 4)
    apart = [numbers("one", end) for end in ends]
    said = np.hstack([outputs_of(model) for model in apart])
    assert np.abs(outputs_of(both) - said).max() <= 1e-15


def outputs_of(model: Imported) -> Any:
    return reference(model.layers, X)[1]


def test_names_make_classes_of_numbers() -> None:
    assert with_classes(SEVERAL, ["a", "b", "c"]).decide is Decide.ARGMAX
    assert with_classes(NUMBERS, ["a", "b"]).decide is Decide.SIGN
    relu = numbers("relu", chain(3).activated(Activation.RELU))
    named = with_classes(relu, ["a", "b", "c"])
    assert (named.decisions(X)[:, 0] == np.maximum(sums(relu), 0).argmax(axis=1)).all()


def test_names_that_a_model_has_are_kept() -> None:
    for names in (["yes", "no"], ["a", "b"]):
        with pytest.raises(NeuronError, match="sign names its classes itself, no, yes"):
            load(SIGN, classes=names)
    assert load(SIGN, classes=["no", "yes"]).classes == ("no", "yes")
    with pytest.raises(NeuronError, match="1 class name for 2 classes"):
        load(SIGN, classes=["no"])
    numbered = numbers("probability", chain(1).activated(Activation.SIGMOID))
    assert load(numbered, classes=["no", "yes"]).classes == ("no", "yes")
    with pytest.raises(NeuronError, match="names its classes itself, 0, 1"):
        load(numbered, classes=["1", "0"])
    assert load(NUMBERS, classes=[1, 2.0]).classes == ("1", "2")


TABLE = pd.DataFrame(X, columns=["a", "b", "c"])
ASKED = ["outputs", "decisions", "predict", "lit"]


@pytest.mark.parametrize("ask", ASKED)
def test_a_table_is_asked_by_its_names(ask: str) -> None:
    named = replace(PROBABILITY, inputs=("a", "b", "c"))
    _, report = convert(named, TABLE)
    expected = getattr(report, ask)(X)
    assert len(set(np.ravel(expected).tolist())) > 1
    turned = TABLE.assign(more=0.0)[["more", "c", "b", "a"]]
    assert (getattr(report, ask)(turned) == expected).all()
    with pytest.raises(NeuronError, match="x has no column b, an input of probability"):
        getattr(report, ask)(TABLE[["a", "c"]])


@pytest.mark.parametrize("ask", ASKED)
def test_rows_that_do_not_go_with_it_are_one_line(ask: str) -> None:
    _, report = convert(PROBABILITY, X)
    assert len(getattr(report, ask)(X[:0])) == 0
    for wrong in (X[:, :1], X[:, :2], np.hstack([X, X]), X[0], 3.0):
        with pytest.raises(NeuronError, match=r"takes 3 inputs: x must be \(rows, 3\)"):
            getattr(report, ask)(wrong)
    with pytest.raises(NeuronError, match="not a finite number"):
        getattr(report, ask)(np.full((1, 3), np.nan))
    for wrong in (X.astype(np.complex128), [["a", "b", "c"]]):
        with pytest.raises(NeuronError, match="no numbers"):
            getattr(report, ask)(wrong)


@pytest.mark.parametrize("ranges", [[(0, 1, 2)] * 3, (0, 9), [("a", "b")], 3])
def test_ranges_that_are_no_pairs_are_one_line(ranges: Any) -> None:
    with pytest.raises(NeuronError, match=r"ranges are \(low, high\) of every input"):
        convert(SIGN, X, ranges=ranges)
