"""host/show/tables.py: tables and curves stay within 80 columns, are plain text, and say what is true."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from host.core.learn import Config
from host.core.wire import Activation
from host.data.dataset import BUILT_IN
from host.models.dense import Dense
from host.models.quantise import quantise
from host.show import tables
from host.training.fit import Epoch, fit

AND = BUILT_IN["and"]


def dots(lines: list[str]) -> list[str]:
    """What stands right of the axis."""
    return [line.split("|", 1)[1].ljust(62) for line in lines if "|" in line]


def test_a_falling_loss_is_a_falling_line() -> None:
    lines = tables.loss_curve([10.0**-k for k in range(10)], drawn=False)
    assert lines[0].strip() == "loss, logarithmic"
    body = dots(lines)
    assert body[0][0] == "*"
    assert body[-1][-1] == "*"
    assert body[0][-1] == body[-1][0] == " "
    assert "1 |" in lines[1]
    assert "1e-09 |" in lines[7]
    assert lines[-1].endswith("epoch 9")


@pytest.mark.parametrize(
    "losses",
    [
        [1.0],
        [0.0],
        [0.0, 0.0],
        [2.0, 1.5, 1.9],
        [1e300, 1e-300, 0.0],
        [5.0] * 1000,
        [1 / (k + 1) for k in range(9999)],
    ],
)
@pytest.mark.parametrize("drawn", [True, False])
def test_any_losses_can_be_drawn(losses: list[float], drawn: bool) -> None:
    lines = tables.loss_curve(losses, drawn=drawn)
    assert len(lines) == 10
    assert max(map(len, lines)) <= 80
    assert any(set(line) - set(" |│*") for line in lines)
    if not drawn:
        assert "".join(lines).isascii()


def test_small_spans_are_linear() -> None:
    assert tables.loss_curve([2.0, 1.0])[0].strip() == "loss"
    assert tables.loss_curve([2.0, 1.0], "mean loss")[0].strip() == "mean loss"


@pytest.mark.parametrize("features", [1, 2, 3, 4, 64])
@pytest.mark.parametrize("bias", [None, -123456.789])
@pytest.mark.parametrize("epochs", [1, 2, 6, 7, 100000])
def test_the_training_table_is_a_handful_of_rows(features: int, bias: float | None, epochs: int) -> None:
    history = [Epoch(e, 1.25e-17, [-1234.56789012345] * features, bias) for e in range(epochs)]
    lines = tables.training_table(history)
    assert len(lines) == 1 + min(epochs, 6)
    assert max(map(len, lines)) <= 80
    assert lines[-1].split()[0] == str(epochs - 1)
    assert ("..." in lines[0]) == (features > 3)


def test_the_formula_has_all_digits_and_signs() -> None:
    assert (
        tables.formula(AND, Epoch(0, 0, [0.1, -0.2], -0.30000000000000004))
        == "0.1 x1 - 0.2 x2 - 0.30000000000000004"
    )
    assert tables.formula(BUILT_IN["wx"], Epoch(0, 0, [-1.5], None)) == "-1.5 x"


def report_of(w: list[float], b: float) -> list[str]:
    _, report = quantise("and", [Dense(np.array([w]), np.array([b]), Activation.STEP)], AND.x)
    lines = tables.quantisation(report, AND)
    assert max(map(len, lines)) <= 80
    return lines


def test_the_report_says_that_all_decisions_are_proven() -> None:
    text = " ".join(" ".join(report_of([0.4514297388906616, 0.2369025056182418], -0.611635769357402)).split())
    assert "All 4 decisions are provably unchanged: the sum nearest to 0 is 0.0767 away" in text
    assert "0..2, step 2^-13" in text


def test_the_report_says_what_is_not_proven() -> None:
    text = " ".join(report_of([1.0, 1.0], -1 + 2.0**-30))
    assert "2 of 4 decisions are provably unchanged" in text


def test_the_report_says_what_changed() -> None:
    _, report = quantise("and", [Dense(np.array([[1.0, 1.0]]), np.array([-1.5]), Activation.STEP)], AND.x)
    first = replace(report.decisions[0], proven=False, unchanged=False)
    changed = replace(report, decisions=[first, *report.decisions[1:]])
    assert "1 CHANGED, the first at (1, 0)" in tables.decisions_in_words(changed)


@dataclass
class Row:
    inputs: list[float] = field(default_factory=list)
    outputs: list[float] = field(default_factory=list)
    led: bool = False
    clipped: bool = False


def test_the_lamp_is_seen_at_once() -> None:
    rows = [Row([a, b], [float(a and b)], bool(a and b)) for a in (0.0, 1.0) for b in (0.0, 1.0)]
    lines = tables.node_table(rows, AND)
    assert lines[0].split() == ["x1", "x2", "output", "LED"]
    assert [line.split() for line in lines[1:4]] == [
        ["0", "0", "0", "○"],
        ["0", "1", "0", "○"],
        ["1", "0", "0", "○"],
    ]
    assert lines[4].split() == ["1", "1", "1", "●", "lit"]
    assert all(line.isascii() for line in tables.node_table(rows, AND, drawn=False))


def test_the_tables_of_a_real_training() -> None:
    config = Config((2, 1), (Activation.STEP,), batch=1, epochs=20)
    history = fit(config, AND.x, AND.y, [0.666, 0.333, 0.233]).history
    lines = tables.training_table(history, "last loss")
    assert lines[0].split() == ["epoch", "last", "loss", "w1", "w2", "b"]
    assert lines[-1].split() == ["19", "9.647911e-01", "0.4514297", "0.2369025", "-0.6116358"]


def columns(line: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in line)


def test_chinese_characters_take_two_columns() -> None:
    lines = tables.aligned([["花萼", "x"], ["a", "y"], ["花萼长", "z"]])
    assert [columns(line) for line in lines] == [12, 12, 12]
    assert tables.shortened("花萼的长度", 10) == "花萼的长度"
    assert tables.shortened("花萼的长度", 9) == "花萼的..."
    text = tables.wrapped("花萼的长度，" * 20 + " and more" * 5)
    assert max(map(columns, text)) <= tables.WIDTH < columns(text[0]) + 2
    assert "".join(line.strip() for line in text).startswith("花萼的长度，" * 20)


def test_weights_that_there_is_no_room_for_are_left_out() -> None:
    history = [Epoch(i, 0.1 + i, [-1.234567e-05] * 3, -1.5, 0.2) for i in range(3)]
    header, *rows = tables.training_table(history)
    assert header.split() == ["epoch", "loss", "validation", "w1", "...", "b"]
    assert max(map(len, rows)) <= 78
    assert tables.training_table([Epoch(0, 1.0, [1.0] * 3, 1.0)])[0].split() == [
        "epoch",
        "loss",
        "w1",
        "w2",
        "w3",
        "b",
    ]
