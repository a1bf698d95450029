"""python -m host.convert, with files of the real libraries, to an image and to a simulated node."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from skl2onnx import to_onnx

from host import convert, models
from host.core.image import decode
from tests.e2e.test_commands import run
from tests.graphs import MATMUL, W, X, graph, node
from tests.originals import CLASSES, LOADERS, fitted, linear, network, parts


def sample(name: str, path: Path) -> Any:
    """The test rows as people have them: a header, the inputs, the targets last."""
    data, rows = LOADERS[name](), parts(name)
    names = [str(n) for n in getattr(data, "feature_names", range(rows.x.shape[1]))]
    table = pd.DataFrame(rows.test_x, columns=names)
    for number, target in enumerate(rows.test_y.reshape(len(table), -1).T):
        table[f"target {number}"] = target
    table.to_csv(path, index=False)
    return table


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with iris.onnx and the rows that it has not seen."""
    model = fitted(network("iris"), "iris")
    made = to_onnx(model, parts("iris").x[:1].astype(np.float32))
    (tmp_path / "iris.onnx").write_bytes(made.SerializeToString())
    joblib.dump(model, tmp_path / "iris.joblib")
    sample("iris", tmp_path / "iris.csv")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *argv: object, status: int = 0) -> tuple[str, str]:
    assert convert.main(list(map(str, argv))) == status, capsys.readouterr().err
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_a_file_becomes_an_image(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = ("--save", place / "iris.img", "--release", 12)
    out, err = said(capsys, place / "iris.onnx", "--data", place / "iris.csv", *made)
    assert err == ""
    assert "iris, 4-10-3, relu, identity\n" in out
    assert "decides by the largest of 3 scores: setosa, versicolor, virginica" in out
    assert "fixed point decides as float does in all 30 rows" in out
    assert "the LED is lit for virginica" in out
    assert "the model does not name its inputs: it gets sepal length (cm), sepal width" in out
    model = decode((place / "iris.img").read_bytes())
    assert model.names.classes == ("setosa", "versicolor", "virginica")
    assert model.release == 12
    assert model.names.inputs == tuple(str(n) for n in LOADERS["iris"]().feature_names)
    assert (model.led_class, model.led_output) == (True, 2)


@pytest.mark.parametrize("name", LOADERS)
def test_the_scores_are_the_originals(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, rows = fitted(linear(name), name), parts(name)
    (tmp_path / "m.onnx").write_bytes(to_onnx(model, rows.x[:1].astype(np.float32)).SerializeToString())
    table = sample(name, tmp_path / "m.csv")
    targets = ",".join(column for column in table.columns if column.startswith("target "))
    out, _ = said(capsys, tmp_path / "m.onnx", "--data", tmp_path / "m.csv", "--target", targets, "--json")
    found = json.loads(out)
    assert found["changed"]["of"] == len(table)
    if name in CLASSES:
        assert found["metrics"]["float"]["accuracy"] == pytest.approx(
            model.score(rows.test_x, rows.test_y), abs=1e-12
        )
        assert found["classes"] == [str(c) for c in model.classes_]
    else:
        assert found["metrics"]["float"]["r2"] == pytest.approx(
            model.score(rows.test_x, rows.test_y), abs=1e-5
        )
        assert found["metrics"]["fixed"]["r2"] == pytest.approx(found["metrics"]["float"]["r2"], abs=1e-3)
        assert found["outputs"] == targets.split(",")


def test_it_is_deployed_and_asked(place: Path) -> None:
    out, err = run(
        "host.convert",
        f"{place}/iris.onnx",
        "--data",
        f"{place}/iris.csv",
        "--target",
        "target 0",
        "--deploy",
        "sim",
    )
    assert re.search(
        r"the node says of all \d+ different rows what the PC computes, to the bit; [\d.]+ % right",
        " ".join(out.split()),
    )
    assert err == ""


def test_json_has_what_the_node_said(place: Path) -> None:
    argv = [
        f"{place}/iris.onnx",
        "--data",
        f"{place}/iris.csv",
        "--target",
        "target 0",
        "--deploy",
        "sim",
        "--json",
    ]
    found = json.loads(run("host.convert", *argv)[0])
    assert found["metrics"]["node"] == found["metrics"]["fixed"]
    assert found["deployed"]["crc32"] == found["image"]["crc32"]
    assert found["deployed"]["asked"]["rows"] == found["deployed"]["asked"]["of"]


@pytest.mark.parametrize(
    ("led", "of_class", "output"), [("setosa", True, 0), ("versicolor", True, 1), (None, True, 2)]
)
def test_the_led_is_lit_for_a_class(
    place: Path, capsys: pytest.CaptureFixture[str], led: str | None, of_class: bool, output: int
) -> None:
    more = ["--led", led] if led else []
    said(capsys, place / "iris.onnx", "--data", place / "iris.csv", "--save", place / "i.img", *more)
    model = decode((place / "i.img").read_bytes())
    assert (model.led_class, model.led_output) == (of_class, output)


@pytest.mark.parametrize(
    ("led", "lit"), [("benign", "benign"), ("malignant", "malignant"), (None, "malignant")]
)
def test_the_led_of_two_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], led: str | None, lit: str
) -> None:
    """One output: either class can light it."""
    joblib.dump(fitted(linear("breast cancer"), "breast cancer"), tmp_path / "m.joblib")
    sample("breast cancer", tmp_path / "m.csv")
    more = ["--led", led] if led else []
    out, _ = said(
        capsys,
        tmp_path / "m.joblib",
        "--trust",
        "--data",
        tmp_path / "m.csv",
        "--save",
        tmp_path / "m.img",
        *more,
    )
    assert f"the LED is lit for {lit}" in out
    model = decode((tmp_path / "m.img").read_bytes())
    assert model.led_class == (lit == "benign")


def test_several_probabilities_are_scored_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = graph([MATMUL, node("Sigmoid", "h")], {"w": W})
    (tmp_path / "three.onnx").write_bytes(made.SerializeToString())
    table = pd.DataFrame(X, columns=["p", "q", "r", "s"])
    for number, name in enumerate("abc"):
        table[name] = (X @ W[:, number] > 0).astype(int)
    table.to_csv(tmp_path / "t.csv", index=False)
    out, _ = said(
        capsys, tmp_path / "three.onnx", "--data", tmp_path / "t.csv", "--target", "a,b,c", "--led", "b"
    )
    assert "gives 3 probabilities, each compared with 0.5" in out
    assert "the LED is lit when b > 0.5" in out
    assert "100.0 % right in float, 100.0 % right in fixed point" in out


def test_rows_with_empty_cells_are_left_out(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (place / "iris.csv").read_text().splitlines()
    for row, column in ((5, 0), (9, 3)):
        cells = lines[row].split(",")
        cells[column] = ""
        lines[row] = ",".join(cells)
    (place / "gaps.csv").write_text("\n".join(lines))
    _, err = said(capsys, place / "iris.onnx", "--data", place / "gaps.csv", status=2)
    assert "row 6, sepal length (cm): the cell is empty; --missing drop leaves such rows out" in err
    out, _ = said(capsys, place / "iris.onnx", "--data", place / "gaps.csv", "--missing", "drop")
    assert "2 rows with an empty cell left out, 28 kept" in out
    assert "in all 28 rows" in out


REFUSED = {
    "without trust": (["iris.joblib", "--data", "iris.csv"], "whatever code it holds"),
    "no file": (["none.onnx", "--data", "iris.csv"], "none.onnx: it is not there"),
    "no sample": (["iris.onnx", "--data", "none.csv"], "none.csv"),
    "no model": (["iris.csv", "--data", "iris.csv"], "a model's file ends in .onnx"),
    "no such column": (["iris.onnx", "--data", "iris.csv", "--columns", "a,b,c,d"], "has no column a"),
    "no such target": (["iris.onnx", "--data", "iris.csv", "--target", "kind"], "has no column kind"),
    "columns": (
        ["iris.onnx", "--data", "wide.csv"],
        "wide.csv has 6 columns, iris takes 4 inputs and does not name them",
    ),
    "beside the target": (
        ["iris.onnx", "--data", "wide.csv", "--target", "f"],
        "5 columns beside the target, iris takes 4",
    ),
    "several targets": (
        ["iris.onnx", "--data", "iris.csv", "--target", "a,b"],
        "--target names 2 columns, iris gives 1",
    ),
    "no such class": (
        ["iris.onnx", "--data", "iris.csv", "--led", "rose"],
        "no class 'rose' for the LED: it has setosa",
    ),
    "too few classes": (
        ["iris.onnx", "--data", "iris.csv", "--classes", "a,b"],
        "2 class names for 3 classes",
    ),
    "other classes": (
        ["iris.onnx", "--data", "iris.csv", "--classes", "virginica,versicolor,setosa"],
        "iris names its classes itself, setosa, versicolor, virginica",
    ),
    "odd range": (["iris.onnx", "--data", "iris.csv", "--range", "1,2,3"], "--range has 3 numbers"),
    "narrow range": (["iris.onnx", "--data", "iris.csv", "--range", "0,1"], "beyond the declared range"),
    "over itself": (["iris.onnx", "--data", "iris.csv", "--save", "iris.onnx"], "it is the file of MODEL"),
    "activations": (["iris.onnx", "--data", "iris.csv", "--activation", "relu,relu"], "this says its own"),
    "changed": (
        ["iris.onnx", "--data", "iris.csv", "--range", "-1000000,1000000", "--deploy", "sim"],
        "decisions .* 0.5 % are allowed: nothing was sent",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    monkeypatch.chdir(place)
    Path("wide.csv").write_text("a,b,c,d,e,f\n1,2,3,4,5,6\n")
    argv, why = REFUSED[what]
    _, err = said(capsys, *argv, status=2)
    assert err.count("\n") == 1
    assert re.search(why, err), err


@pytest.mark.parametrize(
    ("module", "file", "install"),
    [
        ("onnx", "iris.onnx", "onnx>="),
        ("sklearn", "iris.joblib", "scikit-learn>="),
        ("torch", "iris.pt", "torch"),
    ],
)
def test_a_missing_library_is_named_with_what_installs_it(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    file: str,
    install: str,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    (place / "iris.pt").write_bytes(b"")
    _, err = said(capsys, place / file, "--trust", "--data", place / "iris.csv", status=2)
    assert err.startswith(f"error: {file} needs {module}: {sys.executable} -m pip install '{install}")
    assert err.count("\n") == 1


def test_a_state_dict_is_named_its_classes_and_activations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is missing: pip install torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3))
    torch.save(model.state_dict(), tmp_path / "net.pt")
    sample("iris", tmp_path / "iris.csv")
    out, _ = said(
        capsys,
        tmp_path / "net.pt",
        "--activation",
        "relu",
        "--classes",
        "a,b,c",
        "--data",
        tmp_path / "iris.csv",
    )
    assert "it is read as 0.weight, relu then" in out
    assert "decides by the largest of 3 scores: a, b, c" in out


def test_the_api_and_the_command_make_the_same_image(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, place / "iris.onnx", "--data", place / "iris.csv", "--save", place / "iris.img")
    names = tuple(str(n) for n in LOADERS["iris"]().feature_names)
    image, _ = models.convert(replace(models.load(place / "iris.onnx"), inputs=names), parts("iris").test_x)
    assert image == (place / "iris.img").read_bytes()
