"""host/data/dataset.py, columns.py and targets.py: the built-in sets, and what a file's columns are taken for."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host.compiler import ROOT
from host.data.columns import Choice, read_data
from host.data.dataset import BUILT_IN, Dataset
from host.data.later import read_for
from host.data.targets import Answers
from host.errors import NeuronError


def write(folder: Path, text: str) -> Path:
    path = folder / "data.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str, task: str | None = None, **choice: Any) -> Dataset:
    return read_data(write(folder, text), Choice(**choice), Answers(task))


def test_built_in_sets_are_the_articles() -> None:
    wx, land = BUILT_IN["wx"], BUILT_IN["and"]
    assert wx.x.tolist() == [[1], [2], [3]]
    assert wx.y.tolist() == [2, 4, 6]
    assert land.x.tolist() == [[1, 0], [0, 1], [0, 0], [1, 1]]
    assert land.y.tolist() == [-1, -1, -1, 1]


def test_rows_follow_the_data() -> None:
    for data in BUILT_IN.values():
        assert len(data.rows) == len(data) == len(data.x)
        assert np.isfinite(data.x).all()


def test_labels_are_the_numbers_of_classes() -> None:
    assert BUILT_IN["and"].labels.tolist() == [0, 0, 0, 1]
    assert BUILT_IN["xor"].labels.tolist() == [0, 1, 1, 0]
    assert [BUILT_IN["and"].part([index]).labels.tolist() for index in (0, 3)] == [[0], [1]]
    one_hot = replace(
        BUILT_IN["wx"], y=np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]), classes=("a", "b", "c")
    )
    assert one_hot.labels.tolist() == [1, 2, 0]
    assert one_hot.outputs_named == ("a", "b", "c")
    assert replace(BUILT_IN["xor"], classes=("no", "yes")).outputs_named == ("y",)


# --------------------------------------------------------------------------------------------------------- the example


def test_the_example_file_is_read() -> None:
    data = read_data(ROOT / "host" / "lessons" / "iris.csv", Choice(target=["species"]))
    assert data.inputs == ("sepal_length", "sepal_width", "petal_length", "petal_width")
    assert data.targets_named == ("species",)
    assert data.classes == ("setosa", "versicolor", "virginica") == data.outputs_named
    assert data.y.sum(axis=0).tolist() == [50, 50, 50]
    assert data.labels.tolist() == [0] * 50 + [1] * 50 + [2] * 50
    assert list(data.rows) == list(range(2, 152))
    assert data.x.sum(axis=0).tolist() == pytest.approx([876.5, 458.6, 563.7, 179.9])
    assert data.note == "target species: 3 classes, setosa, versicolor, virginica"
    licence = (ROOT / "host" / "lessons" / "iris.txt").read_text(encoding="utf-8")
    assert "CC BY 4.0" in licence


# ------------------------------------------------------------------------------------------------ which column is what


COLOURS = ("colour=blue", "colour=green", "colour=red")
FRUIT = "weight,colour,ripe,price\n100,red,no,1.5\n120,green,yes,2\n140,red,yes,2.5\n150,blue,yes,2.5\n"


@pytest.mark.parametrize(
    ("choice", "inputs", "targets"),
    [
        ({"drop": ["colour", "ripe"]}, ("weight",), ("price",)),
        ({"target": ["weight"], "drop": ["colour", "ripe"]}, ("price",), ("weight",)),
        (
            {"target": ["price", "weight"], "categorical": ["colour"], "drop": ["ripe"]},
            COLOURS,
            ("price", "weight"),
        ),
        ({"only": ["weight"]}, ("weight",), ("price",)),
        ({"only": ["price", "weight"], "target": ["ripe"]}, ("price", "weight"), ("ripe",)),
        ({"outputs": 2, "only": ["weight"], "drop": ["ripe"], "target": ["price"]}, ("weight",), ("price",)),
        ({"outputs": 2, "drop": ["colour", "ripe"], "inputs": 1}, ("weight",), ("price",)),
    ],
)
def test_columns_are_taken_by_name(
    tmp_path: Path, choice: dict[str, Any], inputs: tuple[str, ...], targets: tuple[str, ...]
) -> None:
    data = read(tmp_path, FRUIT, **choice)
    assert data.inputs == inputs
    assert data.targets_named == targets
    assert data.x.shape == (4, len(inputs))
    assert len(data.targets[0]) == len(targets)
    prices = [1.5, 2, 2.5, 2.5]
    assert "price" not in targets or data.targets[:, targets.index("price")].tolist() == prices
    assert "price" not in inputs or data.x[:, inputs.index("price")].tolist() == prices


def test_the_last_columns_are_the_targets(tmp_path: Path) -> None:
    data = read(tmp_path, "a,b,c,d\n1,2,3,4\n5,6,7,8\n", outputs=2)
    assert (data.inputs, data.targets_named, data.target) == (("a", "b"), ("c", "d"), "c")
    assert data.y.tolist() == [[3, 4], [7, 8]]
    with pytest.raises(
        NeuronError, match="row 1: 4 columns, 5 or more are needed: the last 4 are the targets"
    ):
        read(tmp_path, "a,b,c,d\n1,2,3,4\n5,6,7,8\n", outputs=4)


def test_words_become_inputs(tmp_path: Path) -> None:
    data = read(tmp_path, FRUIT, categorical=["colour", "ripe"])
    assert data.inputs == ("weight", "colour=blue", "colour=green", "colour=red", "ripe=no", "ripe=yes")
    assert data.x.tolist() == [
        [100, 0, 0, 1, 1, 0],
        [120, 0, 1, 0, 0, 1],
        [140, 0, 0, 1, 0, 1],
        [150, 1, 0, 0, 0, 1],
    ]
    assert data.y.tolist() == [1.5, 2, 2.5, 2.5]
    many = "x,word,y\n" + "".join(f"{k},w{k},{k * k}\n" for k in range(64))
    with pytest.raises(
        NeuronError, match="--categorical word has 64 different words: 65 inputs, a node takes at most 64"
    ):
        read(tmp_path, many, categorical=["word"])


WIDE = "\n".join([",".join([*(f"x{i}" for i in range(65)), "y"]), ",".join("1" * 66), ",".join("2" * 66), ""])


@pytest.mark.parametrize(
    ("text", "choice", "says"),
    [
        (
            FRUIT,
            {},
            "row 2, colour: 'red' is not a number; if the column is text: --categorical or --drop 'colour'",
        ),
        (FRUIT, {"target": ["prise"]}, "has no column prise (--target): did you mean price or ripe?"),
        (FRUIT, {"target": ["Price"]}, "has no column Price (--target): did you mean price?"),
        (FRUIT, {"drop": ["zzz"]}, "has no column zzz (--drop): its columns are weight, colour, ripe, price"),
        (FRUIT, {"only": ["zzz"]}, "has no column zzz (--columns)"),
        (FRUIT, {"categorical": ["color"]}, "has no column color (--categorical): did you mean colour?"),
        (FRUIT, {"only": ["price"]}, "price is the target: give another one by --target"),
        (FRUIT, {"only": ["weight"], "categorical": ["colour"]}, "--categorical colour: it is no input"),
        (
            FRUIT,
            {"target": ["price", "ripe"], "drop": ["weight", "colour"]},
            "no input is left beside price, ripe",
        ),
        (WIDE, {}, "data.csv: 65 inputs, a node takes at most 64: --columns names those to take"),
        (
            "x,,y\n1,2,3\n",
            {},
            "row 1: column 2 has no name: give it one, or leave it out by --drop 'column 2'",
        ),
        (",x,y\n7,2,3\n5,1,2\n", {}, "row 1: column 1 has no name: give it one"),
        (",x,y\n0.5,2,3\n1.5,1,2\n", {}, "row 1: column 1 has no name: give it one"),
        (",x,y\n1,2,3\n2,1,2\n", {"target": ["column 1"]}, "row 1: column 1 has no name: give it one"),
        ("x,y\n1,5\n1,6\n", {}, "every input is the same in all rows: there is nothing to learn from"),
    ],
)
def test_what_cannot_be_taken_is_one_line(
    tmp_path: Path, text: str, choice: dict[str, Any], says: str
) -> None:
    with pytest.raises(NeuronError) as error:
        read(tmp_path, text, **choice)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_names_are_shown_on_one_line_and_harmless(tmp_path: Path) -> None:
    data = read(tmp_path, '"x\n(cm)","\x1b[31my"\n1,"light\nblue"\n2,red\n')
    assert data.inputs == ("x (cm)",)
    assert data.targets_named == ("[31my",)
    assert data.classes == ("light blue", "red")


def test_what_tells_nothing_is_left_out_and_said(tmp_path: Path) -> None:
    data = read(tmp_path, "a,b,c,y\n1,5,2,1\n1,6,2,2\n1,7,2,5\n")
    assert (data.inputs, data.dropped) == (("b",), ("a", "c"))
    assert data.note == "left out, the same in every row: a, c"
    assert data.x.tolist() == [[5], [6], [7]]
    data = read(tmp_path, "a,w,y\n1,red,1\n2,red,2\n", categorical=["w"])
    assert (data.inputs, data.dropped) == (("a",), ("w",))
    assert read(tmp_path, "a,b,y\n1,5,2\n").inputs == ("a", "b")


def test_an_index_is_no_input_that_would_be_one_too_many(tmp_path: Path) -> None:
    lines = WIDE.splitlines()
    text = (
        "\n".join(["," + lines[0].removeprefix("x0,"), "0," + lines[1].removeprefix("1,"), lines[2]]) + "\n"
    )
    data = read(tmp_path, text.replace("\n2,", "\n1,"), inputs=64, outputs=3)
    assert data.inputs == tuple(f"x{i}" for i in range(1, 65))
    assert data.targets_named == ("y",)


def test_a_column_that_counts_the_rows_is_said(tmp_path: Path) -> None:
    data = read(tmp_path, ",x,y\n0,5,6\n1,7,8\n2,8,9\n")
    assert data.inputs == ("x",)
    assert data.note == "left out: column 1, which has no name and counts the rows"
    rows = "".join(f"{k},{k * k},{k}\n" for k in range(1, 21))
    data = read(tmp_path, "Id,x,y\n" + rows, task="numbers")
    assert data.inputs == ("Id", "x")
    assert data.note == "input Id only counts the rows: --drop 'Id' leaves it out"
    assert read(tmp_path, "Id,y\n" + "".join(f"{k},{k}\n" for k in range(20)), task="numbers").note == ""


def test_notes_of_the_file_come_along(tmp_path: Path) -> None:
    data = read(tmp_path, "a;y\n1,5;2,5\n;1,5\n3;1,5\n", drop_missing=True)
    assert data.x.tolist() == [[1.5], [3]]
    assert data.note.splitlines() == [
        "columns are separated by ; and 1,5 is read as 1.5",
        "1 row with an empty cell left out, 2 kept",
    ]


# ------------------------------------------------------------------------------------------------------------- classes


def targets(folder: Path, values: str, answers: Answers | None = None, **choice: Any) -> Dataset:
    text = "x,y\n" + "".join(f"{row * row},{value}\n" for row, value in enumerate(values.split()))
    return read_data(write(folder, text), Choice(**choice), answers)


@pytest.mark.parametrize(
    ("values", "classes", "y", "note"),
    [
        ("no yes no", ("no", "yes"), [0, 1, 0], "no is taken as 0, yes is taken as 1"),
        ("True FALSE true", ("false", "true"), [1, 0, 1], "false is taken as 0, true is taken as 1"),
        ("2 1 2", ("1", "2"), [1, 0, 1], "1 is taken as 0, 2 is taken as 1"),
        ("0 1 1", ("0", "1"), [0, 1, 1], ""),
        ("-1 1 1", ("-1", "1"), [0, 1, 1], "-1 is taken as 0"),
        ("10 9 10", ("9", "10"), [1, 0, 1], "9 is taken as 0, 10 is taken as 1"),
        ("1 1 1", ("0", "1"), [1, 1, 1], "y is 1 in every row: there is nothing to tell apart"),
        ("b a c", ("a", "b", "c"), [[0, 1, 0], [1, 0, 0], [0, 0, 1]], "3 classes, a, b, c"),
        ("3 -1 0", ("-1", "0", "3"), [[0, 0, 1], [1, 0, 0], [0, 1, 0]], "3 classes, -1, 0, 3"),
    ],
)
def test_two_classes_are_one_output_and_more_are_one_each(
    tmp_path: Path, values: str, classes: tuple[str, ...], y: list[Any], note: str
) -> None:
    data = targets(tmp_path, values, Answers("classes"))
    assert data.classes == classes
    assert data.y.tolist() == y
    assert data.note.removeprefix("target y: ").removeprefix("target ") == note
    assert [classes[label] for label in data.labels.tolist()] == [
        value.lower() if value.lower() in classes else value for value in values.split()
    ]


def test_a_step_takes_signs_and_a_network_of_two_outputs_two_columns(tmp_path: Path) -> None:
    data = targets(tmp_path, "0 1", Answers("classes", low=-1.0))
    assert data.y.tolist() == [-1, 1]
    assert data.note == "target y: 0 is taken as -1"
    assert targets(tmp_path, "-1 1", Answers("classes", low=-1.0)).note == ""
    data = targets(tmp_path, "off on off", Answers(one_hot=True))
    assert data.y.tolist() == [[1, 0], [0, 1], [1, 0]]
    assert data.outputs_named == ("off", "on")
    with pytest.raises(
        NeuronError, match="target y has 3 classes, -1, 0, 2: a neuron that decides takes two"
    ):
        targets(tmp_path, "-1 2 0", Answers("classes", low=-1.0))


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ("red blue", ("blue", "red")),
        ("1 2 1 2", ("1", "2")),
        ("1 2", ()),
        ("1 1 1 1", ()),
        ("1.5 2 1.5 2", ()),
        (" ".join(str(k % 20) for k in range(40)), tuple(map(str, range(20)))),
        (" ".join(str(k % 20) for k in range(39)), ()),
        (" ".join(str(k % 21) for k in range(99)), ()),
        (" ".join(["1", "2"] * 20 + ["2.5"]), ()),
    ],
)
def test_what_nobody_has_said_is_seen_in_the_data(
    tmp_path: Path, values: str, classes: tuple[str, ...]
) -> None:
    data = targets(tmp_path, values)
    assert data.classes == classes
    assert classes or data.y.tolist() == [float(value) for value in values.split()]
    assert ("--task numbers learns numbers" in data.note) == (len(classes) > 2)
    if not any(value.isalpha() for value in values):
        assert targets(tmp_path, values, Answers("numbers")).classes == ()


@pytest.mark.parametrize(
    ("values", "task", "says"),
    [
        ("ok ok", "classes", "target y is ok in every row: there is nothing to tell apart"),
        ("7 7", "classes", "target y is 7 in every row"),
        (
            "1 1 0.5",
            "classes",
            "row 4, y: 0.5 is no class: a class is a word or a whole number; --model wxb and mlp",
        ),
        (
            " ".join(map(str, range(65))),
            "classes",
            "65 different values, 0, 1, 2, 3, 4 and 60 more: a node tells at most 64",
        ),
        (
            "1 - 3",
            None,
            "row 3, y: '-' is not a number; --task classes takes words beside numbers for classes",
        ),
        ("1 b a", "numbers", "row 3, y: 'b' is not a number"),
        ("red blue", "numbers", "row 2, y: 'red' is not a number; --model logistic and mlp learn classes"),
        ("x " + "1" * 30, "numbers", "row 2, y: 'x' is not a number"),
        ("1 " + "1" * 30, "numbers", "row 3, y: 11111111111111111111 is more than a node holds"),
    ],
)
def test_targets_that_cannot_be_learnt_are_one_line(
    tmp_path: Path, values: str, task: str | None, says: str
) -> None:
    with pytest.raises(NeuronError) as error:
        targets(tmp_path, values, Answers(task))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_what_looks_like_a_slip_is_said(tmp_path: Path) -> None:
    data = targets(tmp_path, "1 2 more", Answers("classes"))
    assert data.classes == ("1", "2", "more")
    assert "target y: 'more' beside numbers is taken for a class" in data.note
    assert "target y: Red and red are taken for two classes" in targets(tmp_path, "red Red").note


def test_several_targets_are_numbers_or_of_two_classes_each(tmp_path: Path) -> None:
    text = "x,a,b,c\n1,0,1,no\n2,1,0,yes\n4,0,1,no\n"
    both = Choice(target=["a", "b"], only=["x"])
    assert read_data(write(tmp_path, text), both).classes == ()
    data = read_data(write(tmp_path, text), both, Answers("classes"))
    assert data.classes == ("a", "b") == data.outputs_named
    assert data.note == "one class a row: a, b"
    data = read_data(write(tmp_path, text), both, Answers("classes", low=-1.0))
    assert (data.y.tolist(), data.classes) == ([[-1, 1], [1, -1], [-1, 1]], ())
    data = read_data(write(tmp_path, text), replace(both, target=["a", "c"]), Answers("classes"))
    assert (data.y.tolist(), data.classes) == ([[0, 0], [1, 1], [0, 0]], ())
    assert data.note == "target c: no is taken as 0, yes is taken as 1"
    with pytest.raises(NeuronError, match="target x has 3 classes, 1, 2, 4: of several targets each has two"):
        read_data(write(tmp_path, text), Choice(target=["x", "a"], only=["b"]), Answers("classes"))
    with pytest.raises(NeuronError, match="row 2, c: 'no' is not a number"):
        read_data(write(tmp_path, text), replace(both, target=["a", "c"]))


# --------------------------------------------------------------------------------------- a model that is there already


def test_a_later_file_is_read_by_the_names_of_the_model(tmp_path: Path) -> None:
    model = read(tmp_path, FRUIT, categorical=["colour"], target=["ripe"])
    later = write(tmp_path, "when;ripe;colour;weight;price\n9;No;red;130,5;2\n8;yes;blue;99;2\n")
    data = read_for(later, model.inputs, model.targets_named, model.classes)
    assert model.inputs == data.inputs == ("weight", "colour=blue", "colour=green", "colour=red", "price")
    assert data.x.tolist() == [[130.5, 0, 0, 1, 2], [99, 1, 0, 0, 2]]
    assert data.y.tolist() == [0, 1]
    assert list(data.rows) == [2, 3]
    assert data.note.splitlines()[-1] == "not used: when"


def test_a_later_file_may_lack_targets_but_no_inputs(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b=c\n1,2\n3,4\n")
    data = read_for(path, ["b=c", "a"], ["y"], ["no", "yes"])
    assert data.x.tolist() == [[2, 1], [4, 3]]
    assert (data.y.shape, data.targets_named, data.classes) == ((2, 0), (), ())
    with pytest.raises(NeuronError, match="has no column aa, an input of the model: did you mean a"):
        read_for(path, ["aa"])


@pytest.mark.parametrize(
    ("inputs", "classes", "says"),
    [
        (
            ["colour=blue", "colour=red"],
            ["1.5"],
            "row 3, colour: the model does not know 'green', only blue, red",
        ),
        (["weight"], ["no", "maybe"], "row 3, ripe: yes is no class of the model, which has no, maybe"),
        (["weight"], ["1", "2"], "row 2, price: 1.5 is no class of the model, which has 1, 2"),
    ],
)
def test_what_the_model_does_not_know_is_named(
    tmp_path: Path, inputs: list[str], classes: list[str], says: str
) -> None:
    with pytest.raises(NeuronError) as error:
        read_for(write(tmp_path, FRUIT), inputs, ["price" if "1" in classes else "ripe"], classes)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("words", "classes", "y"),
    [
        (["yes", "no"], ["No", "Yes"], [1, 0]),
        (["YES", "No"], ["no", "yes"], [1, 0]),
        (["True", "False"], ["False", "True"], [1, 0]),
        (["true", "false"], ["True", "False"], [0, 1]),
        (["True", "False"], ["0", "1"], [1, 0]),
        (["1", "0"], ["False", "True"], [1, 0]),
        (["0", "1"], ["true", "false"], [1, 0]),
        (["Red", "red"], ["red", "Red"], [1, 0]),
        (["red", "BLUE"], ["Red", "blue"], [0, 1]),
    ],
)
def test_classes_of_a_later_file_may_be_in_other_letters(
    tmp_path: Path, words: list[str], classes: list[str], y: list[float]
) -> None:
    text = "a,b\n" + "".join(f"{i},{word}\n" for i, word in enumerate(words))
    assert read_for(write(tmp_path, text), ["a"], ["b"], classes).y.tolist() == y


@pytest.mark.parametrize(
    ("word", "classes"),
    [
        ("RED", ["red", "Red"]),
        ("true", ["0", "1", "2"]),
        ("true", ["1", "2"]),
        ("1", ["no", "yes"]),
        ("1", ["true", "maybe"]),
        ("yes", ["0", "1"]),
    ],
)
def test_words_that_may_mean_several_classes_are_refused(
    tmp_path: Path, word: str, classes: list[str]
) -> None:
    with pytest.raises(NeuronError, match=f"row 2, b: {word} is no class of the model, which has"):
        read_for(write(tmp_path, f"a,b\n1,{word}\n"), ["a"], ["b"], classes)


def test_a_later_file_has_no_columns_of_text(tmp_path: Path) -> None:
    with pytest.raises(NeuronError, match=r"row 2, a: 'red' is not a number$"):
        read_for(write(tmp_path, "a,b\nred,1\n"), ["a"])


def test_targets_of_a_later_file_are_coded_as_in_the_training(tmp_path: Path) -> None:
    for task, names in (("numbers", ["price"]), ("classes", ["colour"]), ("numbers", ["price", "weight"])):
        model = read(
            tmp_path,
            FRUIT.replace("ripe", "2"),
            task=task,
            target=names,
            categorical=["2"],
            drop=_others(names),
        )
        later = read_for(tmp_path / "data.csv", model.inputs, model.targets_named, model.classes)
        assert later.y.tolist() == model.y.tolist()
        assert later.x.tolist() == model.x.tolist()
        assert later.classes == model.classes


def _others(names: list[str]) -> list[str]:
    return [name for name in ("colour", "price") if name not in names]


@pytest.mark.parametrize("piped", [True, False])
def test_a_file_is_read_from_standard_input(tmp_path: Path, piped: bool) -> None:
    code = "from host.data.columns import *; d = read_data('-'); print(d.name, d.x.tolist(), d.y.tolist())"
    with write(tmp_path, "x,y\n1,2\n3,5\n").open() as file:
        how: dict[str, Any] = {"input": file.read()} if piped else {"stdin": file}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, **how
        )
    assert done.stdout == "standard input [[1.0], [3.0]] [2.0, 5.0]\n"
