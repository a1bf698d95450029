"""host/train.py: every model is trained, quantised, deployed and compared; splits, scaling, stopping, grids."""

from __future__ import annotations

import hashlib
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from host import train
from host.core.image import decode, parts_size
from host.core.pcg32 import Pcg32
from host.core.wire import Activation
from host.data.dataset import synthetic
from host.data.scaler import fold, scaler_of, unscaled
from host.data.split import split
from host.models.dense import Dense, reference
from host.training.fit import Epoch
from host.training.trained import overfitting
from tests.training import run


def table(folder: Path, rows: list[list[float]], header: str) -> str:
    path = folder / "data.csv"
    path.write_text("\n".join([header, *(",".join(f"{v!r}" for v in row) for row in rows)]) + "\n")
    return str(path)


# ----------------------------------------------------------------------------------------------------- models

MODELS = {
    "wx": ["--model", "wx"],
    "wxb": ["--model", "wxb"],
    "and": ["--model", "and"],
    "logistic": ["--model", "logistic"],
    "xor": ["--model", "mlp", "--layers", "2-4-1"],
    "mlp": ["--model", "mlp"],
}


@pytest.mark.skipif(sys.platform == "win32", reason="the simulated node is POSIX")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("model", MODELS)
def test_every_model_arrives_on_a_node(capsys: pytest.CaptureFixture[str], model: str, dtype: str) -> None:
    result = run(capsys, *MODELS[model], "--dtype", dtype, "--deploy", "sim")
    deployed, report = result["deployed"], result["quantisation"]
    assert deployed["crc32"] == result["image"]["crc32"]
    assert report["error_observed"] <= report["error_bound"]
    assert deployed["difference"] <= (0 if model == "and" else report["error_bound"])
    lit = [row["led"] for row in deployed["rows"]]
    expected = {
        "wx": [False, False, True],
        "wxb": [False, False, False, True, True],
        "and": [False, False, False, True],
        "logistic": [False, False, True],
        "xor": [False, True, True, False],
    }
    if model in expected:
        assert lit == expected[model]
    else:
        assert len(deployed["rows"][0]["outputs"]) == 10


INTEGERS = {
    "wx": "660ee3eb60a01f56",
    "wxb": "b45104faefb1bde4",
    "and": "c48810864349e962",
    "logistic": "eba1764cb1033bf5",
    "xor": "46e91978d0f07513",
    "mlp": "0e4e16bf2e7eafc6",
}
"""Of the articles' images in format 1."""


@pytest.mark.parametrize("model", MODELS)
def test_the_articles_images_keep_their_integers(model: str, tmp_path: Path) -> None:
    """Weights, scales, self-test and lamp are those of format 1; ranges came beside them, and nothing else."""
    image = tmp_path / "article.img"
    assert train.main([*MODELS[model], "--save", str(image)]) == 0
    kept = decode(image.read_bytes())
    told = hashlib.sha256()
    for layer in kept.layers:
        told.update(layer.weights.tobytes() + layer.bias.tobytes())
        told.update(struct.pack("bbb", layer.activation, layer.acc_fraction, layer.out_fraction))
    told.update(kept.vector_inputs.tobytes() + kept.vector_outputs.tobytes())
    told.update(repr((kept.input_fraction, kept.led_output, kept.led_threshold, kept.name)).encode())
    assert told.hexdigest()[:16] == INTEGERS[model]
    assert parts_size(kept) == 4 * kept.inputs


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("algorithm", ["batch", "sgd", "minibatch", "adam"])
def test_every_model_by_every_method(capsys: pytest.CaptureFixture[str], model: str, algorithm: str) -> None:
    rate = {"adam": "0.02"}.get(algorithm, "0.0001" if model == "mlp" else "0.01")
    options = ["--lr", rate, "--epochs", "200"]
    if algorithm in ("sgd", "minibatch"):
        options += ["--shuffle", "--seed", "3"]
    result = run(capsys, *MODELS[model], "--algorithm", algorithm, *options)
    assert result["algorithm"] == algorithm
    assert len(result["history"]) == 200
    assert result["losses"]["training"] < {"mlp": 12, "and": 0.6}.get(model, 0.7)


@pytest.mark.parametrize("model", MODELS)
def test_people_see_every_model(capsys: pytest.CaptureFixture[str], model: str) -> None:
    assert train.main(MODELS[model]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "the LED is lit" in text


def test_wxb_has_the_articles_figures(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, "--model", "wxb")
    assert result["parameters"] == {"w": [1.9999999943842544], "b": 2.0274623625998433e-08}
    result = run(capsys, "--model", "wxb", "--loss", "mse", "--lr", "0.01")
    assert result["parameters"] == {"w": [1.9951803506719779], "b": 0.017400463340610635}


def test_grid(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = run(capsys, "--model", "wx", "--algorithm", "grid")
    assert result["parameters"] == {"w": [2.0], "b": None}
    path = table(tmp_path, [[1, 4], [2, 6], [3, 8]], "x,y")
    result = run(capsys, "--model", "wxb", "--data", path, "--algorithm", "grid", "--loss", "mse")
    assert result["parameters"] == {"w": [2.0], "b": 2.0}
    assert result["losses"] == {"training": 0}
    assert train.main(["--model", "wx", "--algorithm", "grid"]) == 0
    assert "3 samples, grid search, 41 points" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------ split


def test_a_split_takes_every_row_once_and_keeps_their_order() -> None:
    data = synthetic()
    parts = split(data, [70, 15, 15], 5)
    assert [len(part) for part in parts] == [163, 35, 35]
    assert sorted(row for part in parts for row in part.rows) == list(data.rows)
    assert all(list(part.rows) == sorted(part.rows) for part in parts)
    assert parts[0].rows == split(data, [70, 15, 15], 5)[0].rows != split(data, [70, 15, 15], 6)[0].rows
    assert (parts[1].x == data.x[[row - 1 for row in parts[1].rows]]).all()


def test_losses_of_the_three_parts(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--model", "mlp", "--split", "70,15,15", "--epochs", "50"]
    result = run(capsys, *argv)
    assert list(result["losses"]) == ["training", "validation", "test"]
    assert result["history"][-1]["validation"] == result["losses"]["validation"]
    assert train.main(argv) == 0
    text = capsys.readouterr().out
    assert "validation" in text.splitlines()[3]
    assert "loss a sample, with the parameters after epoch 49: training" in text


def noisy(folder: Path) -> str:
    random = Pcg32(9)
    rows = [[random.uniform(-1, 1) for _ in range(12)] for _ in range(40)]
    return table(
        folder,
        [[*row, 0.5 * row[0] + random.uniform(-1, 1)] for row in rows],
        ",".join(f"x{i}" for i in range(12)) + ",y",
    )


def test_over_fitting_is_shown_and_patience_ends_before_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    argv = [
        "--model",
        "mlp",
        "--data",
        noisy(tmp_path),
        "--layers",
        "12-20-1",
        "--split",
        "60,40",
        "--seed",
        "1",
    ]
    late = [*argv, "--patience", "10000"]
    assert train.main(late) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "over-fitting: the validation loss was lowest at epoch" in text
    whole = run(capsys, *late)
    early = run(capsys, *argv, "--patience", "20")
    assert whole["overfitting"] is not None
    assert (whole["stopped"], whole["epochs"]) == ("", 2000)
    assert early["stopped"] == "no lower validation loss for 20 epochs"
    assert early["epoch"] == len(early["history"]) - 21
    lowest = min(epoch["validation"] for epoch in whole["history"])
    assert whole["losses"]["validation"] == lowest < whole["history"][-1]["validation"]


def test_over_fitting_needs_both() -> None:
    def history(losses: list[tuple[float, float]]) -> list[Epoch]:
        return [Epoch(i, loss, [0.0], None, held) for i, (loss, held) in enumerate(losses)]

    assert overfitting(history([(3, 3), (2, 2), (1, 2.5)])) is not None
    assert overfitting(history([(3, 3), (2, 2), (2, 2.5)])) is None
    assert overfitting(history([(3, 3), (2, 2), (1, 2.01)])) is None
    assert overfitting([Epoch(0, 1.0, [0.0], None)]) is None


# ----------------------------------------------------------------------------------------------------- scaler


def test_a_folded_scaler_is_the_same_model() -> None:
    data = synthetic()
    scaler = scaler_of(data.x)
    scaled = scaler.apply(data.x)
    assert np.abs(scaled.mean(axis=0)).max() < 1e-12
    assert np.abs(scaled.std(axis=0) - 1).max() < 1e-12
    layer = Dense(data.y[:7, :10].copy(), data.y[:7, 0].copy(), Activation.RELU)
    raw = fold(layer, scaler)
    assert np.abs(reference([layer], scaled)[0] - reference([raw], data.x)[0]).max() < 1e-13


def test_a_node_takes_raw_units(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    random = Pcg32(1)
    rows = [[random.uniform(0, 1000), random.uniform(-0.01, 0.01)] for _ in range(60)]
    path = table(tmp_path, [[a, b, 0.002 * a - 300 * b + 1] for a, b in rows], "load,tilt,y")
    result = run(capsys, "--model", "wxb", "--data", path, "--tolerance", "1e-30")
    assert result["parameters"]["w"] == pytest.approx([0.002, -300], rel=1e-9)
    assert result["parameters"]["b"] == pytest.approx(1, rel=1e-9)
    assert result["quantisation"]["ranges"][0][1] > 1000
    # Without it no rate fits both columns.
    assert train.main(["--model", "wxb", "--data", path, "--no-standardise", "--lr", "0.1"]) == 2
    assert "training diverges" in capsys.readouterr().err


def test_a_training_that_settles_has_a_validation_loss_at_its_end_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    random = Pcg32(2)
    rows = [[a, 3 * a + random.uniform(-1, 1)] for a in (random.uniform(0, 9) for _ in range(60))]
    argv = ["--model", "wxb", "--data", table(tmp_path, rows, "a,y"), "--tolerance", "1e-9"]
    result = run(capsys, *argv)
    assert result["stopped"] == "the loss changed by less than 1e-09"
    assert all("validation" in epoch for epoch in result["history"])
    assert train.main(argv) == 0


def test_what_never_changes_counts_for_nothing() -> None:
    x = np.array([[1.0, 5.0], [2.0, 5.0], [6.0, 5.0]])
    scaler = scaler_of(x)
    assert scaler.apply(np.array([[3.0, 7.0]])).tolist() == [[0.0, 0.0]]
    raw = fold(Dense(np.array([[2.0, 3.0]]), np.array([1.0]), Activation.IDENTITY), scaler)
    assert raw.weights[0, 1] == 0
    assert reference([raw], np.array([[3.0, 7.0]]))[0] == pytest.approx(1)


def test_outputs_are_unscaled_to_raw_units() -> None:
    y = np.array([[1.0, 70.0], [2.0, 70.0], [6.0, 70.0]])
    scaler = scaler_of(y, constant=1.0)
    layer = Dense(np.eye(2), np.zeros(2), Activation.IDENTITY)
    assert reference([unscaled(layer, scaler)], scaler.apply(y))[0] == pytest.approx(y)


def test_without_a_bias_nothing_is_shifted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = table(tmp_path, [[1000.0 * k, 0.003 * k] for k in range(1, 30)], "x,y")
    result = run(capsys, "--model", "wx", "--data", path)
    assert result["parameters"]["w"] == pytest.approx([3e-6])
    assert scaler_of(np.array([[3.0], [4.0]]), centred=False).mean == [0.0]


# -------------------------------------------------------------------------------------------------------- CSV


def test_layers_must_fit_the_columns(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = table(tmp_path, [[1, 2, 3], [4, 5, 6]], "a,b,c")
    assert train.main(["--model", "mlp", "--layers", "4-3-1", "--data", path]) == 2
    assert "--layers 4-3-1, but data has 2 inputs beside 1 target" in capsys.readouterr().err


def test_a_network_for_a_file_takes_its_columns(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = table(tmp_path, [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]], "a,b,c")
    result = run(capsys, "--model", "mlp", "--data", path)
    assert result["layers"] == [2, 7, 1]
    assert result["losses"]["training"] < 1e-2  # a cross-entropy, since 0 and 1 are classes
    result = run(capsys, "--model", "mlp", "--data", path, "--task", "numbers")
    assert result["losses"]["training"] < 1e-6


WORDS = "room,temp,fan,open,alarm\n" + "".join(
    f"{'ab'[k % 2]},{k % 7 + 20},1,{k % 3 // 2},{'yes' if k % 7 > 3 else 'no'}\n" for k in range(21)
)


@pytest.mark.parametrize(
    ("options", "layers", "inputs"),
    [
        (["--model", "and", "--drop", "room"], [2, 1], ["temp", "open"]),
        (["--model", "logistic", "--columns", "temp,fan"], [1, 1], ["temp"]),
        (["--model", "logistic", "--target", "alarm,open", "--drop", "room"], [1, 2], ["temp"]),
        (
            ["--model", "mlp", "--layers", "3-4-2", "--drop", "room"],
            [2, 4, 2],
            ["temp", "open"],
        ),
        (
            ["--model", "mlp", "--categorical", "room", "--target", "alarm", "--missing", "drop"],
            [4, 7, 1],
            ["room=a", "room=b", "temp", "open"],
        ),
        (
            ["--model", "wxb", "--target", "temp,open", "--columns", "alarm", "--categorical", "alarm"],
            [2, 2],
            ["alarm=no", "alarm=yes"],
        ),
    ],
)
def test_columns_are_named_by_options(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    options: list[str],
    layers: list[int],
    inputs: list[str],
) -> None:
    path = tmp_path / "words.csv"
    path.write_text(WORDS)
    result = run(capsys, *options, "--data", str(path), "--epochs", "5")
    assert (result["layers"], result["inputs"]) == (layers, inputs)


def test_a_model_learns_what_it_is_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = table(tmp_path, [[1, 2], [2, 3]], "x,y")
    assert train.main(["--model", "logistic", "--data", path, "--task", "numbers"]) == 2
    assert "--task numbers: --model logistic learns classes; logistic and mlp" in capsys.readouterr().err


def test_one_row_is_enough_to_train(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = table(tmp_path, [[1, 3]], "x,y")
    for model in ("wx", "wxb", "mlp"):
        assert run(capsys, "--model", model, "--data", path)["losses"]["training"] < 1


def test_a_model_that_has_learnt_nothing_is_still_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, "--model", "wxb", "--lr", "1e-300", "--epochs", "2")
    assert result["quantisation"]["led_threshold"] < 6  # what its output can show at most
    assert train.main(["--model", "wxb", "--lr", "1e-300", "--epochs", "2", "--led-threshold", "6"]) == 2
    assert "an LED threshold of 6 is beyond what the output can show" in capsys.readouterr().err
