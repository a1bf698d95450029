"""host.predict on an image file: a row, a table, a pipe; what is said, what is written, what is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from host import predict
from host.compiler import ROOT
from host.core.hashes import hash_of
from host.core.image import Model, encode, image_crc
from host.core.infer import (
    class_of,
    clipped_inputs,
    dequantise_outputs,
    infer,
    led,
    out_of_range,
    quantise_inputs,
)
from host.node.asking import Twin
from host.show.sinks import column_names
from tests.asked_models import FLOWERS
from tests.e2e.scenario import AND
from tests.models import random_model
from tests.patience import PATIENCE

ROWS = "kind,colour,width,heat\nrose,red,0.5,300\n?,blue,9.25,291.125\n,red,11,309\nx,blue,1e9,1\n"

Said = Callable[..., tuple[str, list[str]]]


@pytest.fixture
def image(tmp_path: Path) -> str:
    file = tmp_path / "flowers.img"
    file.write_bytes(encode(FLOWERS))
    return str(file)


@pytest.fixture
def plain(tmp_path: Path) -> str:
    """An image that names nothing."""
    file = tmp_path / "and.img"
    file.write_bytes(encode(AND))
    return str(file)


@pytest.fixture
def data(tmp_path: Path) -> str:
    file = tmp_path / "new.csv"
    file.write_text(ROWS)
    return str(file)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """said(*argv, status=0): standard output, and the lines on standard error."""

    def run(*argv: str, status: int = 0) -> tuple[str, list[str]]:
        capsys.readouterr()
        assert predict.main(list(argv)) == status
        out, err = capsys.readouterr()
        return out, err.splitlines()

    return run


def answers(model: Model, x: list[list[float]]) -> list[tuple[list[float], int, bool, bool, bool]]:
    """Outputs, class, lamp, out of range, clipped of each row, by the twins."""
    q = quantise_inputs(model, x)
    y = infer(model, q)
    return list(
        zip(
            dequantise_outputs(model, y).tolist(),
            class_of(model, y).tolist(),
            led(model, y).tolist(),
            out_of_range(model, q).any(axis=1).tolist(),
            clipped_inputs(model, x).any(axis=1).tolist(),
            strict=True,
        )
    )


X = [[300.0, 0.5, 1.0, 0.0], [291.125, 9.25, 0.0, 1.0], [309.0, 11.0, 1.0, 0.0], [1.0, 1e9, 0.0, 1.0]]
"""The inputs in ROWS."""


# ------------------------------------------------------------------------------------------------------------- a row


def test_a_row_of_numbers_and_the_same_by_name(said: Said, image: str) -> None:
    (outputs, kind, lit, *_), *_ = answers(FLOWERS, [X[1]])
    assert (FLOWERS.names.classes[kind], lit) == ("iris", True)
    text = " ".join(f"{value:g}" for value in outputs) + "   iris   LED on\n"
    assert said(image, *map(str, X[1])) == (text, [])
    assert said(image, "colour=blue", "width=9.25", "heat=291.125") == (text, [])
    assert said(image, "colour=blue=1", "colour=red=0", "width=9.25", "heat=291.125") == (text, [])


def test_a_row_as_json(said: Said, image: str, plain: str) -> None:
    for model, file, row in ((FLOWERS, image, X[0]), (FLOWERS, image, X[2]), (AND, plain, [1.0, 0.0])):
        ((outputs, kind, lit, beyond, clipped),) = answers(model, [row])
        out, _ = said(file, *map(str, row), "--json")
        assert json.loads(out) == {
            "inputs": row,
            "used": row,
            "clipped": clipped,
            "out_of_range": beyond,
            "outputs": outputs,
            **({"class": model.names.classes[kind]} if model is FLOWERS else {}),
            "led": lit,
            "crc32": image_crc(encode(model)),
            "hash": hash_of(encode(model)).hex(),
        }


def test_what_the_model_was_not_made_for_is_said(said: Said, image: str) -> None:
    out, err = said(image, "311", "11", "1", "0", "--json")
    assert json.loads(out)["out_of_range"] is True
    assert err == [
        "warning: input heat is 311, outside of the range that the model was made for: 290..310",
        "warning: input width is 11, outside of the range that the model was made for: 0..10",
    ]
    out, err = said(image, "1000", "1", "1", "0", "--json")
    assert (json.loads(out)["clipped"], json.loads(out)["used"][0]) == (True, 300 + 32767 / 256)
    assert err == ["warning: input heat is 1000, beyond what the model can hold: taken as 427.996"]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["1", "2"], "the model takes 4 inputs, not 2"),
        (["1", "width=2"], "some inputs are named and some are not: name all of them, or none"),
        (
            ["heat=1", "colour=red"],
            "the inputs given: nothing for 1 input of the model, width; there is heat, colour",
        ),
        (
            ["heat=1", "colour=red", "width=1", "size=2"],
            "the model has no input size, only heat, width, colour=red",
        ),
        (["heat=1", "colour=green", "width=1"], "'green' is none of red, blue"),
        (["heat=x", "colour=red", "width=1"], "heat: 'x' is not a number"),
        (["heat=1", "heat=2", "colour=red", "width=1"], "column heat is there twice"),
        ([], "the following arguments are required: x, or --data FILE.csv"),
        (["1", "--data", "x.csv"], "choose one: inputs, or --data FILE.csv"),
        (["1", "--save", "x.csv"], "--save goes with --data FILE.csv"),
        (["--data", "x.csv", "--save", "-", "--json"], "both want standard output"),
        (["1", "--baud", "9600"], "--baud needs a node: "),
        (["1", "--trace"], "--trace needs a node: "),
    ],
)
def test_what_cannot_be_asked_is_one_line(said: Said, image: str, argv: list[str], says: str) -> None:
    out, err = said(image, *argv, status=2)
    assert (out, len(err)) == ("", 1)
    assert err[0].startswith("error: ")
    assert says in err[0]


def test_an_image_that_is_none(said: Said, tmp_path: Path, image: str, plain: str) -> None:
    none, broken = str(tmp_path / "none.img"), tmp_path / "broken.img"
    assert said(none, "1", status=2)[1] == [f"error: {none} cannot be read: No such file or directory"]
    broken.write_bytes(b"\0" + encode(AND)[1:])
    assert "is no good image: the bytes are not a neuron485 image" in said(str(broken), "1", status=2)[1][0]
    named_otherwise = tmp_path / "model"
    named_otherwise.write_bytes(encode(AND))
    assert said(str(named_otherwise), "1", "1") == said(plain, "1", "1")
    assert (
        "does not name its inputs: give 2 numbers in their order" in said(plain, "x=1", "y=1", status=2)[1][0]
    )


# --------------------------------------------------------------------------------------------------------- many rows


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_row_of_a_file_gets_its_answer(said: Said, image: str, data: str, tmp_path: Path) -> None:
    saved = tmp_path / "said.csv"
    out, err = said(image, "--data", data, "--save", str(saved))
    assert out == f"Saved {saved}, 4 rows\n"
    assert err == [
        "note: not used, as the model has no such inputs: kind",
        "warning: row 5: input heat is 1, beyond what the model can hold: taken as 172",
        "warning: row 4: input width is 11, outside of the range that the model was made for: 0..10",
    ]
    found = table(saved.read_text())
    assert saved.read_text().splitlines()[0] == (
        "kind,colour,width,heat,output_rose,output_iris,output_tulip,class,led,out_of_range,clipped"
    )
    assert [
        (
            [float(row[f"output_{name}"]) for name in FLOWERS.names.classes],
            FLOWERS.names.classes.index(row["class"]),
            row["led"] == "1",
            row["out_of_range"] == "1",
            row["clipped"] == "1",
        )
        for row in found
    ] == answers(FLOWERS, X)
    lines = zip(saved.read_text().splitlines(), ROWS.splitlines(), strict=True)
    assert all(line.startswith(f"{given},") for line, given in lines)
    assert said(image, "--data", data, "--save", "-")[0] == saved.read_text()


def test_rows_as_json(said: Said, image: str, data: str) -> None:
    out, err = said(image, "--data", data, "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert [row.pop("row") for row in found] == [2, 3, 4, 5]
    assert len(err) == 3
    assert found == [json.loads(said(image, *map(str, row), "--json")[0]) for row in X]


def test_rows_for_people(said: Said, image: str, data: str) -> None:
    out, _ = said(image, "--data", data)
    header, *rows = out.splitlines()
    assert header.split() == [
        "row",
        "heat",
        "width",
        "colour=red",
        "...",
        "rose",
        "iris",
        "tulip",
        "class",
        "LED",
    ]
    assert rows[1].split()[:5] == ["3", "291.125", "9.25", "0", "..."]
    assert rows[1].split()[8:] == ["iris", "●", "lit"]
    assert rows[2].endswith("out of range")
    assert rows[3].endswith("clipped")


def test_an_image_without_names_takes_the_columns_in_their_order(
    said: Said, plain: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("one,two,y\n1,1,z\n")
    out, err = said(plain, "--data", str(file), "--save", "-")
    assert out == "one,two,y,output,led,out_of_range,clipped\n1,1,z,1,1,0,0\n"
    assert err == [
        f"note: the image does not name its inputs: they are the first 2 columns of {file}",
        "note: not used, as the model has no such inputs: y",
    ]


def test_more_rows_of_the_same_kind_are_counted(said: Said, image: str, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("heat,width,colour\n" + "280,1,red\n300,1,red\n" * 3)
    _, err = said(image, "--data", str(file), "--json")
    assert err == [
        "warning: row 2: input heat is 280, outside of the range that the model was made for: 290..310; "
        "2 rows more like it"
    ]


def test_columns_that_are_there_already_keep_their_names() -> None:
    header = ["class", "predicted_class", "led", "output_rose"]
    assert column_names(FLOWERS, header) == [
        "predicted_output_rose",
        "output_iris",
        "output_tulip",
        "predicted_class_2",
        "predicted_led",
        "out_of_range",
        "clipped",
    ]


def test_what_was_said_can_be_asked_again(said: Said, image: str, data: str, tmp_path: Path) -> None:
    once, twice = tmp_path / "1.csv", tmp_path / "2.csv"
    said(image, "--data", data, "--save", str(once))
    said(image, "--data", str(once), "--save", str(twice))
    for row in table(twice.read_text()):
        assert all(
            row[f"predicted_{name}"] == row[name] for name in ("class", "led", "output_iris", "clipped")
        )


def test_a_file_with_decimal_commas_gets_answers_with_them(
    said: Said, image: str, data: str, tmp_path: Path
) -> None:
    file = tmp_path / "komma.csv"
    file.write_text(ROWS.replace(",", ";").replace(".", ","))
    out, _ = said(image, "--data", str(file), "--save", "-")
    same, _ = said(image, "--data", data, "--save", "-")
    assert out == same.replace(",", ";").replace(".", ",")


@pytest.mark.parametrize("seed", range(20))
def test_all_rows_are_the_twins(seed: int, tmp_path: Path) -> None:
    """Of any model: as many at once as there are, whole and one by one."""
    rng = np.random.default_rng(seed)
    model = random_model(rng, largest=12)
    x = (rng.normal(size=(50, model.inputs)) * 2.0 ** rng.integers(-10, 20, model.inputs)).tolist()
    source = Twin(encode(model))
    whole = source.ask(x)
    assert whole.outputs.tolist() == [outputs for outputs, *_ in answers(model, x)]
    for i, row in enumerate(x):
        one = source.ask([row])
        assert one.outputs[0].tolist() == whole.outputs[i].tolist()
        assert (one.led[0], one.classes[0], one.cut[0]) == (whole.led[i], whole.classes[i], whole.cut[i])


# ------------------------------------------------------------------------------------------------- nothing half-written


def test_what_was_there_stays_where_a_row_is_wrong(said: Said, image: str, tmp_path: Path) -> None:
    file, saved = tmp_path / "a.csv", tmp_path / "said.csv"
    file.write_text("heat,width,colour\n300,1,red\n300,x,red\n")
    saved.write_text("mine")
    before = sorted(os.listdir(tmp_path))
    out, err = said(image, "--data", str(file), "--save", str(saved), status=2)
    assert (out, err) == ("", [f"error: {file}, row 3, width: 'x' is not a number"])
    assert saved.read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == before
    out, _ = said(image, "--data", str(file), status=2)
    assert len(out.splitlines()) == 2


def test_what_was_there_stays_after_an_interrupt(
    said: Said, image: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = tmp_path / "said.csv"
    saved.write_text("mine")
    ask, asked = Twin.ask, []

    def interrupted(self: Twin, x: list[list[float]]) -> object:
        if asked:
            raise KeyboardInterrupt
        asked.append(x)
        return ask(self, x)

    monkeypatch.setattr(Twin, "most", 2)
    monkeypatch.setattr(Twin, "ask", interrupted)
    out, err = said(image, "--data", data, "--save", str(saved), status=130)
    assert (out, err[1:]) == ("", [f"stopped: after 2 rows; {saved} stays as it was"])
    assert saved.read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["flowers.img", "new.csv", "said.csv"]


@pytest.mark.parametrize("which", ["--data", "PORT"])
def test_what_is_asked_about_is_not_replaced(said: Said, image: str, data: str, which: str) -> None:
    file = {"--data": data, "PORT": image}[which]
    _, err = said(image, "--data", data, "--save", file, status=2)
    assert err == [f"error: cannot write {file}: it is the file of {which}; choose another name"]


def test_a_table_without_rows(said: Said, image: str, tmp_path: Path) -> None:
    file, saved = tmp_path / "a.csv", tmp_path / "said.csv"
    file.write_text("heat,width,colour\n")
    _, err = said(image, "--data", str(file), "--save", str(saved), status=2)
    assert err == [f"error: {file}: a header but no rows below it"]
    assert not saved.exists()


# ------------------------------------------------------------------------------------------------------------- a pipe


def test_a_row_is_answered_before_the_next_one_comes(image: str) -> None:
    command = [sys.executable, "-m", "host.predict", image, "--data", "-", "--save", "-"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("heat,width,colour\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith("heat,width,colour,output_rose,")
        for row in ("300,0.5,red", "291.125,9.25,blue"):
            process.stdin.write(f"{row}\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(f"{row},")
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
        assert process.stdout.read() == ""


def test_a_reader_that_has_gone_ends_it_in_silence(image: str, data: str) -> None:
    for more in ((), ("--json",), ("--save", "-")):
        reading, writing = os.pipe()
        os.close(reading)
        command = [sys.executable, "-m", "host.predict", image, "--data", data, *more]
        result = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True)
        os.close(writing)
        assert result.returncode == 141
        assert "rror" not in result.stderr
