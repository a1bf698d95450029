"""host.train --save-float and --resume: what a training ended with is kept to the last digit, and another goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host import train
from host.core.learn import Config
from host.core.wire import Activation
from host.errors import NeuronError
from host.models.dense import Dense, dense_layers, reference
from host.training import fast
from host.training.saved import BYTES_MAX, load
from tests import training

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """run(*argv): what a training says as JSON, with those of its warnings that are of --resume."""

    def one(*argv: str) -> dict[str, Any]:
        said = training.run(capsys, *argv)
        return {**said, "warnings": [text for text in said["warnings"] if text.startswith("--resume")]}

    return one


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def one(*argv: str) -> str:
        capsys.readouterr()
        assert train.main(list(argv)) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        return err.removeprefix("error: ").rstrip("\n")

    return one


@pytest.fixture
def data(tmp_path: Path) -> str:
    """60 rows of two inputs that are far from 0 and of unlike size, and a target that is a number."""
    rng = np.random.default_rng(485)
    x = rng.normal([300.0, 0.01], [5.0, 0.002], (60, 2))
    y = 2 * x[:, 0] + 7000 * x[:, 1] + rng.normal(size=60)
    file = tmp_path / "data.csv"
    rows = [f"{a!r},{b!r},{c!r}" for (a, b), c in zip(x.tolist(), y.tolist(), strict=True)]
    file.write_text("\n".join(["heat,width,load", *rows]) + "\n")
    return str(file)


# --------------------------------------------------------------------------------------------- one training of several

TRAININGS = {
    "batch": ("--model", "wxb", "--algorithm", "batch", "--lr", "0.01"),
    "sgd": ("--model", "and", "--algorithm", "sgd"),
    "minibatch": ("--model", "wxb", "--algorithm", "minibatch", "--batch-size", "2", "--lr", "0.01"),
    "logistic": (
        "--model",
        "logistic",
    ),
    "network": ("--model", "mlp", "--layers", "2-4-1", "--algorithm", "batch", "--activation", "tanh"),
    "l2": ("--model", "mlp", "--layers", "2-4-1", "--algorithm", "batch", "--lr", "0.05", "--l2", "0.01"),
    "data": ("--model", "wxb", "--data", "FILE", "--split", "100,0", "--tolerance", "1e-300"),
    "data and parts": ("--model", "mlp", "--data", "FILE", "--algorithm", "sgd", "--lr", "0.001"),
}


@pytest.fixture(params=[False, True], ids=["python", "c"])
def by_c(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fast, "pays", lambda config, samples: request.param)
    return


@pytest.mark.usefixtures("by_c")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", TRAININGS)
def test_two_trainings_are_one_longer_one(name: str, dtype: str, run: Run, data: str, tmp_path: Path) -> None:
    """Plain descent, to the last bit: parameters, losses, the image."""
    argv = [data if word == "FILE" else word for word in TRAININGS[name]] + ["--dtype", dtype]
    parts, whole = [str(tmp_path / f"{i}.json") for i in (1, 2)], str(tmp_path / "whole.json")
    one = run(*argv, "--epochs", "12", "--save-float", whole)
    run(*argv, "--epochs", "5", "--save-float", parts[0])
    two = run(*argv, "--epochs", "7", "--resume", parts[0], "--save-float", parts[1])
    assert two["warnings"] == []
    assert (one["epochs_before"], two["epochs_before"], two["epochs"]) == (0, 5, 7)
    assert [(epoch["loss"], epoch.get("validation")) for epoch in two["history"]] == [
        (epoch["loss"], epoch.get("validation")) for epoch in one["history"][5:]
    ]
    assert one["epoch"] == two["epoch"] + 5
    assert two["parameters"] == one["parameters"]
    assert two["losses"] == one["losses"]
    assert two["image"] == one["image"]
    assert Path(parts[1]).read_bytes() == Path(whole).read_bytes()


def test_a_training_that_finds_nothing_better_says_so(run: Run, data: str, tmp_path: Path) -> None:
    file = str(tmp_path / "it.json")
    argv = ("--model", "mlp", "--data", data, "--algorithm", "sgd", "--save-float", file, "--epochs")
    run(*argv, "20", "--lr", "0.005")
    (said,) = run(*argv, "1", "--lr", "0.03", "--resume", file)["warnings"]
    assert said.startswith("--resume: it was better before: a validation loss of ")


def test_what_begins_anew_is_said(run: Run, data: str, tmp_path: Path) -> None:
    file = str(tmp_path / "it.json")
    argv = ("--model", "mlp", "--data", data, "--epochs", "3", "--save-float", file)
    run(*argv)
    said = run(*argv, "--resume", file)
    assert said["warnings"] == [
        "--resume: Adam's moments and the order of the samples begin anew: not the same bits as one training "
        "of all epochs"
    ]
    assert load(file).epochs == 3 + said["epoch"] + 1


def test_rows_that_are_held_out_now_but_were_not_before_are_said(run: Run, data: str, tmp_path: Path) -> None:
    file = str(tmp_path / "it.json")
    run("--model", "wxb", "--data", data, "--epochs", "3", "--save-float", file)
    argv = ("--model", "wxb", "--data", data, "--epochs", "3", "--resume", file)
    assert run(*argv)["warnings"] == []
    said = run(*argv, "--split-seed", "5")["warnings"][0]
    assert said.startswith("--resume: it was trained with other rows: those held out now may be among them")
    assert run(*argv, "--split", "100,0")["warnings"] == []


# ------------------------------------------------------------------------------------------------------------ the file


def test_the_file_says_the_model_for_raw_units(run: Run, data: str, tmp_path: Path) -> None:
    file = tmp_path / "it.json"
    said = run("--model", "mlp", "--data", data, "--epochs", "20", "--save-float", str(file))
    kept = json.loads(file.read_text())
    assert kept["layers"] == said["parameters"]["layers"]
    layers = [
        Dense(np.array(one["weights"]), np.array(one["bias"]), Activation[one["activation"].upper()])
        for one in kept["layers"]
    ]
    found = load(str(file))
    assert (found.inputs, found.targets, found.units) == (("heat", "width"), ("load",), (2, 7, 1))
    assert found.input_scaler is not None
    assert found.target_scaler is not None
    x = np.array([[300.0, 0.01]])
    config = Config(found.units, found.activation, found.bias)
    _, scaled = reference(dense_layers(config, found.parameters), found.input_scaler.apply(x))
    y = scaled * found.target_scaler.deviation[0] + found.target_scaler.mean[0]
    assert reference(layers, x)[1] == pytest.approx(y, rel=1e-9)


def test_a_column_that_never_changes_comes_back(run: Run, tmp_path: Path) -> None:
    """In the training part alone: its deviation is infinite, for which JSON has no word."""
    data, file = tmp_path / "data.csv", str(tmp_path / "it.json")
    data.write_text("a,b,y\n" + "".join(f"{i},{int(i == 5)},{2 * i}\n" for i in range(6)))
    argv = (
        "--model",
        "wxb",
        "--data",
        str(data),
        "--split",
        "80,20",
        "--split-seed",
        "SEED",
        "--epochs",
        "4",
    )
    for seed in range(20):
        one = [str(seed) if word == "SEED" else word for word in argv]
        run(*one, "--save-float", file)
        scaler = load(file).input_scaler
        assert scaler is not None
        if np.isinf(scaler.deviation[1]):
            break
    else:
        raise AssertionError("no split has left that row out")
    whole = run(*[word if word != "4" else "8" for word in one])
    assert run(*one, "--resume", file)["parameters"] == whole["parameters"]


def test_the_one_that_is_gone_on_from_may_be_replaced(run: Run, tmp_path: Path) -> None:
    file = str(tmp_path / "it.json")
    run("--model", "wx", "--epochs", "5", "--save-float", file)
    for _ in range(3):
        run("--model", "wx", "--epochs", "5", "--resume", file, "--save-float", file)
    assert load(file).epochs == 20


def test_what_a_grid_has_found_is_descended_from(run: Run, tmp_path: Path) -> None:
    file = str(tmp_path / "it.json")
    found = run("--model", "wxb", "--algorithm", "grid", "--grid", "0,4,0.5", "--save-float", file)
    said = run("--model", "wxb", "--resume", file, "--epochs", "5")
    assert load(file).epochs == said["epochs_before"] == 0
    assert found["parameters"] == said["parameters"] == {"w": [2.0], "b": 0.0}


# ---------------------------------------------------------------------------------------------------------- what is not


@pytest.fixture
def kept(run: Run, data: str, tmp_path: Path) -> Path:
    file = tmp_path / "it.json"
    run("--model", "mlp", "--data", data, "--layers", "2-3-1", "--epochs", "3", "--save-float", str(file))
    return file


def test_another_model_is_not_gone_on_from(
    refused: Callable[..., str], kept: Path, data: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text(Path(data).read_text().replace("width", "size"))
    resume = ("--resume", str(kept))
    network = ("--model", "mlp", "--layers", "2-3-1", "--data")
    assert refused("--model", "wxb", "--data", data, *resume) == (
        f"--resume {kept}: it is of --model mlp, not wxb"
    )
    assert refused(*network, str(other), *resume) == (
        f"--resume {kept}: its inputs are heat, width, those of other heat, size"
    )
    assert refused("--model", "mlp", "--data", data, *resume) == (
        f"--resume {kept}: it is of 2-3-1 (relu, identity), not of 2-7-1 (relu, identity)"
    )
    assert refused(*network, data, *resume, "--activation", "tanh").endswith("not of 2-3-1 (tanh, identity)")
    assert refused(*network, data, *resume, "--no-bias").endswith(
        "not of 2-3-1 (relu, identity, without biases)"
    )


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--model", "wx", "--resume", "x", "--init", "1"], "--init does nothing with --resume"),
        (["--model", "mlp", "--resume", "x", "--tries", "2"], "--tries does nothing with --resume"),
        (["--model", "wx", "--resume", "x", "--no-standardise"], "--standardise does nothing with --resume"),
        (
            ["--model", "wx", "--resume", "x", "--algorithm", "grid"],
            "--resume does not go with --algorithm grid",
        ),
        (["--resume", "x"], "--resume needs --model"),
        (["--model", "wx", "--resume", "x", "--seed", "3"], "--seed does nothing here"),
        (["--model", "wx", "--resume", "/none/x"], "cannot read /none/x: No such file or directory"),
        (["--model", "wx", "--save-float", "/none/x"], "cannot write /none/x: there is no folder"),
    ],
)
def test_options_that_do_not_go_together(
    more: list[str], says: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    assert says in refused(*more)


def test_image_and_float_model_are_two_files(refused: Callable[..., str], tmp_path: Path) -> None:
    name = str(tmp_path / "x")
    assert "it is the file of --save" in refused("--model", "wx", "--save", name, "--save-float", name)


SPOILT: dict[str, Callable[[dict[str, Any]], object]] = {
    "its format is not": lambda said: said.update(format="1"),
    "its units are": lambda said: said.update(units=[2, 65, 1]),
    "units is '1'": lambda said: said.update(units=1),
    "its activation is": lambda said: said.update(activation=["relu", "softplus"]),
    "bias is '1'": lambda said: said.update(bias=1),
    "it names 1 input of 2": lambda said: said.update(inputs=["a"]),
    "inputs is": lambda said: said.update(inputs=["a", 1]),
    "parameters are not 13 finite numbers": lambda said: said["parameters"].pop(),
    "the deviations of its input_scaler": lambda said: said["input_scaler"]["deviation"].append(1.0),
    "the deviations of its target_scaler": lambda said: said["target_scaler"].update(deviation=[0.0]),
    "epochs is 'None'": lambda said: said.pop("epochs"),
}


@pytest.mark.parametrize("says", SPOILT)
def test_what_is_no_float_model(says: str, kept: Path) -> None:
    said = json.loads(kept.read_text())
    SPOILT[says](said)
    kept.write_text(json.dumps(said))
    with pytest.raises(NeuronError, match=says) as error:
        load(str(kept))
    assert str(error.value).startswith(f"{kept} is no float model as --save-float writes it: ")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"format": ' + b"1" * 10_000 + b"}",
        b" " * (BYTES_MAX + 1),
    ],
)
def test_what_is_no_json(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "it.json"
    file.write_bytes(data)
    with pytest.raises(NeuronError, match="is no float model") as error:
        load(str(file))
    assert str(error.value).count("\n") == 0


def test_numbers_that_are_not_finite(kept: Path) -> None:
    said = kept.read_text()
    first = json.loads(said)["parameters"][0]
    kept.write_text(said.replace(repr(first), "1e999", 1))
    with pytest.raises(NeuronError, match="parameters are not 13 finite numbers"):
        load(str(kept))
