"""The learner's page: what can be trained, and what is told of a training, beside what host.train says of the same."""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host import train as command
from host.compiler import ROOT
from host.core.fixed import VALUE_MAX
from host.core.image import image_crc
from host.data.dataset import BUILT_IN
from host.models.dense import reference
from host.training.recipes import RECIPES
from host.web import asked, learning, shown
from host.web.learning import Training
from host.web.shown import TrainingJson
from tests import recordings
from tests.training import run

IRIS = ROOT / "host" / "lessons" / "iris.csv"


def trained(**request: Any) -> Training:
    """What came of a request."""
    training = Training("7", request)
    training.run()
    return training


def told(**request: Any) -> TrainingJson:
    """Its JSON, as a page reads it."""
    found: TrainingJson = json.loads(json.dumps(trained(**request).as_dict(), allow_nan=False))
    assert set(found) == set(TrainingJson.__annotations__)
    return found


# ------------------------------------------------------------------------------------------------------ the recipes


def test_the_articles_models_are_offered_with_their_data_and_their_ways() -> None:
    offered = {recipe["key"]: recipe for recipe in learning.recipes()}
    assert list(offered) == ["wx", "wxb", "and", "logistic", "mlp"]
    json.dumps(list(offered.values()), allow_nan=False)
    for key in ("wx", "wxb", "and", "logistic"):
        recipe, article, data = offered[key], RECIPES[key], BUILT_IN[key]
        assert recipe["samples"]["x"] == data.x.tolist()
        assert recipe["samples"]["y"] == data.targets.tolist()
        assert (recipe["rate"], recipe["epochs"], recipe["start"]) == (
            article.rate,
            article.epochs,
            list(article.start),
        )
        assert recipe["surface"] == (len(article.start) <= 2)
    assert offered["and"]["parameters"] == ["w1", "w2", "b"]
    assert offered["and"]["classes"] == ["-1", "1"]
    assert offered["and"]["samples"]["labels"] == [0, 0, 0, 1]
    assert offered["wx"]["stable_rate"] == pytest.approx(2 / (2 * 14 / 3))
    assert offered["logistic"]["stable_rate"] is None
    network = offered["mlp"]
    assert (network["layers"], network["start"], network["seed"]) == ([2, 4, 1], [], 0)
    assert network["parameters"][:3] == ["h1 x1", "h1 x2", "h2 x1"]
    assert network["parameters"][-5:] == ["y h1", "y h2", "y h3", "y h4", "y bias"]
    assert all(recipe["boundary"] for recipe in offered.values())


@pytest.mark.parametrize("recipe", learning.recipes(), ids=lambda recipe: recipe["key"])
def test_a_recipe_is_trained_as_the_command_trains_it(
    recipe: shown.Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    request = {"model": recipe["key"], "layers": recipe["layers"]}
    layers = ["--layers", "2-4-1"] if recipe["layers"] else []
    assert command.main(["--model", recipe["key"], *layers]) == 0
    lines = capsys.readouterr().out.splitlines()
    said = run(capsys, "--model", recipe["key"], *layers)
    page = told(**request)
    assert (page["state"], page["error"], page["id"], page["model"]) == ("trained", "", "7", recipe["key"])
    assert page["report"] == lines[: len(page["report"])]
    assert page["image"] == {
        "bytes": said["image"]["bytes"],
        "crc32": f"{said['image']['crc32']:08x}",
        "hash": said["image"]["hash"],
    }
    assert (page["rate"], page["epochs"], page["kept"]) == (said["lr"], recipe["epochs"], said["epochs"])
    history = {one["epoch"] + 1: one for one in said["history"]}
    for frame in page["frames"][1:]:
        epoch = history[frame["epoch"]]
        assert frame["loss"] == epoch["loss"]
        if "w" in epoch:
            assert frame["parameters"] == [*epoch["w"], *([] if epoch["b"] is None else [epoch["b"]])]
            assert frame["line"] == [*epoch["w"], epoch["b"] or 0.0]
    assert [frame["epoch"] for frame in page["frames"][:2]] == [0, 1]
    assert page["frames"][0]["parameters"] == recipe["start"] or recipe["layers"]
    assert len(page["frames"]) <= 1 + shown.FRAMES_MAX
    assert page["losses"][-1] == [page["kept"], page["frames"][-1]["loss"]]
    assert len(page["losses"]) == min(recipe["epochs"], shown.LOSSES_MAX)
    assert (page["surface"] is not None) == recipe["surface"]
    assert page["parameters"] == recipe["parameters"]
    assert (page["done"], page["total"]) == (recipe["epochs"], recipe["epochs"])


def test_rows_say_what_float_and_fixed_point_and_the_lamp_make_of_them() -> None:
    training = trained(model="and")
    assert training.trained is not None
    rows = training.as_dict()["rows"]
    assert [row["inputs"] for row in rows] == [[1, 0], [0, 1], [0, 0], [1, 1]]
    assert [row["said"] for row in rows] == ["-1", "-1", "-1", "1"]
    assert [row["lamp"] for row in rows] == [False, False, False, True]
    assert [row["real"] for row in rows] == [row["fixed"] for row in rows] == [[0], [0], [0], [1]]
    assert not any(row["changed"] for row in rows)
    assert training.as_dict()["image"] == {
        "bytes": len(training.trained.image),
        "crc32": f"{image_crc(training.trained.image):08x}",
        "hash": training.trained.as_dict()["image"]["hash"],
    }


# --------------------------------------------------------------------------------------------- what there is to draw


def test_the_path_stands_on_the_surface() -> None:
    page = told(model="wxb", epochs=50)
    surface = page["surface"]
    assert surface is not None
    assert surface["names"] == ["w", "b"]
    x, y = BUILT_IN["wxb"].x[:, 0], BUILT_IN["wxb"].y

    def height(w: float, b: float) -> float:
        return float(np.mean((w * x + b - y) ** 2) / 2)

    first, second = surface["axes"]
    assert len(first) == len(second) == shown.SURFACE_SIDE
    for row, b in zip(surface["loss"], second, strict=True):
        assert row == pytest.approx([height(w, b) for w in first], rel=1e-5)
    for frame in page["frames"]:
        w, b = frame["parameters"]
        assert frame["height"] == pytest.approx(height(w, b))
        assert first[0] < w < first[-1]
        assert second[0] < b < second[-1]
    # Of batch descent a step's loss is the height that it leaves.
    assert [f["loss"] for f in page["frames"][1:]] == pytest.approx(
        [f["height"] for f in page["frames"][:-1]]
    )


def test_of_one_parameter_there_is_a_curve() -> None:
    surface = told(model="wx")["surface"]
    assert surface is not None
    assert (len(surface["axes"]), len(surface["loss"])) == (1, 1)
    assert surface["loss"][0] == pytest.approx([(w - 2) ** 2 * 14 / 3 for w in surface["axes"][0]], rel=1e-5)


@pytest.mark.parametrize("model", ["wx", "wxb", "and", "logistic"])
def test_a_neuron_is_lit_where_its_sum_is_above_the_level(model: str) -> None:
    training = trained(model=model)
    page, done = training.as_dict(), training.trained
    boundary = page["boundary"]
    assert done is not None
    assert boundary is not None
    assert (boundary["kind"], boundary["frames"], boundary["below"]) == ("line", [], False)
    points = np.stack(np.meshgrid(*map(np.array, boundary["axes"])), axis=-1).reshape(-1, len(page["inputs"]))
    *weights, bias = page["frames"][-1]["line"]
    sums = points @ np.array(weights) + bias
    lit, near = sums > boundary["level"], np.abs(sums - boundary["level"]) < 1e-6
    assert (near | (lit == done.plan.lamp.lit(reference(done.layers, points)[1]))).all()
    assert lit.any() != lit.all()


def test_a_network_s_boundary_is_worked_out_for_some_of_its_frames() -> None:
    training = trained(model="mlp", layers=[2, 4, 1])
    page, done = training.as_dict(), training.trained
    boundary = page["boundary"]
    assert done is not None
    assert boundary is not None
    assert boundary["kind"] == "cells"
    epochs = [one["epoch"] for one in boundary["frames"]]
    assert len(epochs) == shown.BOUNDARIES_MAX
    assert epochs[0] == 0
    assert epochs[-1] == page["kept"]
    assert set(epochs) <= {frame["epoch"] for frame in page["frames"]}
    points = np.stack(np.meshgrid(*map(np.array, boundary["axes"])), axis=-1).reshape(-1, 2)
    cells = np.array(boundary["frames"][-1]["cells"])
    assert cells.shape == (shown.BOUNDARY_SIDE, shown.BOUNDARY_SIDE)
    step = (boundary["high"] - boundary["low"]) / shown.LEVELS
    outputs = reference(done.layers, points)[1][:, 0].clip(boundary["low"], boundary["high"])
    assert np.abs(boundary["low"] + step * cells.ravel() - outputs).max() <= 0.51 * step
    assert boundary["level"] == 0.5


def test_of_three_classes_the_boundary_says_which(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    centres = {"a": (0, 0), "b": (4, 0), "c": (0, 4)}
    rows = [
        f"{x + dx:.3f},{y + dy:.3f},{name}"
        for name, (x, y) in centres.items()
        for dx, dy in random.normal(size=(12, 2)) * 0.4
    ]
    for model in ("mlp", "logistic"):
        page = told(model=model, csv="\n".join(["u,v,kind", *rows]) + "\n", epochs=300)
        boundary = page["boundary"]
        assert boundary is not None
        assert (page["classes"], page["task"], boundary["kind"]) == (["a", "b", "c"], "classes", "classes")
        cells, (first, second) = np.array(boundary["frames"][-1]["cells"]), boundary["axes"]
        for number, (x, y) in enumerate(centres.values()):
            across = int(np.abs(np.array(first) - x).argmin())
            assert cells[int(np.abs(np.array(second) - y).argmin()), across] == number


# ------------------------------------------------------------------------------------------------------- explosions


@pytest.mark.parametrize(
    ("request_", "stable"),
    [
        ({"model": "wxb", "rate": 0.5}, 0.169048),
        ({"model": "wx", "rate": 0.3}, 0.214286),
        ({"model": "and", "rate": 100.0}, 0.333333),
    ],
    ids=str,
)
def test_a_training_that_explodes_is_shown_as_far_as_it_goes(request_: dict[str, Any], stable: float) -> None:
    training = trained(**request_)
    page = training.as_dict()
    json.dumps(page, allow_nan=False)
    assert (page["state"], page["error"], page["image"], page["rows"]) == ("diverged", "", None, [])
    diverged = page["diverged"]
    assert diverged is not None
    assert diverged["stable_rate"] == pytest.approx(stable, rel=1e-5)
    assert f"the largest stable rate for this data is {stable:.6g}" in diverged["why"]
    assert page["kept"] == 0
    losses = [frame["loss"] for frame in page["frames"]]
    assert len(losses) > 2
    assert losses[-1] > 100 * losses[0]
    assert page["losses"][-1][1] > 1e40
    assert page["losses"][-1][0] <= diverged["epoch"]
    assert (page["surface"] is None) == (request_["model"] == "and")
    assert page["boundary"] is not None
    assert page["title"].endswith("diverges")


def test_what_explodes_at_once_has_its_start_alone() -> None:
    page = told(model="mlp", layers=[2, 4, 1], rate=1e300)
    assert page["state"] == "diverged"
    assert page["frames"][0]["epoch"] == 0
    assert page["diverged"] is not None
    assert page["diverged"]["stable_rate"] is None
    page = told(model="wxb", rate=1e300)  # whose parameters are finite once, and no loss at them
    assert ([frame["epoch"] for frame in page["frames"]], page["losses"]) == ([0], [[1, 22.0]])
    assert page["surface"] is not None


# ------------------------------------------------------------------------------------------------ people's own data


def test_a_csv_file_is_learnt_as_the_command_learns_it(capsys: pytest.CaptureFixture[str]) -> None:
    said = run(capsys, "--model", "mlp", "--data", str(IRIS), "--seed", "3", "--epochs", "120")
    page = told(model="mlp", csv=IRIS.read_text(), name="iris.csv", seed=3, epochs=120)
    assert page["image"] is not None
    assert page["image"]["hash"] == said["image"]["hash"]
    assert page["classes"] == said["classes"]
    assert page["doubts"] == said["warnings"]
    assert page["standardised"]
    assert page["parameters"] == []
    assert page["frames"][-1]["parameters"] == page["frames"][-1]["line"] == []
    assert (page["samples"] or {})["count"] == said["samples"] == len(page["samples"]["held"])
    assert sum(page["samples"]["held"]) == said["samples"] - said["metrics"]["train"]["float"]["rows"]
    assert [loss for _, loss in page["validation"]] == [one["validation"] for one in said["history"]]
    assert len(page["rows"]) == shown.ROWS_MAX


def test_of_standardised_inputs_the_line_is_in_their_own_units(capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(2)
    x = random.uniform(300, 310, 30)
    text = "".join(["kelvin,volt\n", *(f"{a!r},{2 * a - 600!r}\n" for a in x.tolist())])
    page = told(model="wxb", csv=text, name="far.csv", target="volt", epochs=400)
    assert page["standardised"]
    *weights, bias = page["frames"][-1]["line"]
    assert [*weights, bias] == pytest.approx([2, -600], rel=1e-3)
    assert page["frames"][-1]["parameters"] != page["frames"][-1]["line"]
    assert page["title"].startswith("far: 30 samples")
    assert page["target"] == "volt"


def test_recordings_are_learnt_from_by_windows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts, paths = [], []
    for seed, kind in enumerate(("normal", "worn")):
        raw = recordings.pump(kind, 2000, seed)[:, :1]
        path = recordings.write(tmp_path / f"{kind}.csv", raw, [kind] * len(raw), ["a0"])
        paths += ["--data", path]
        texts.append({"name": f"{kind}.csv", "text": Path(path).read_text()})
    said = run(capsys, "--model", "logistic", *paths, "--window", "128", "--features", "a0.rms,a0.std")
    page = told(model="logistic", recordings=texts, window=128, features=["a0.rms", "a0.std"])
    assert page["image"] is not None
    assert page["image"]["hash"] == said["image"]["hash"]
    assert page["inputs"] == ["a0.rms", "a0.std"]
    assert page["classes"] == ["normal", "worn"]
    assert page["boundary"] is not None
    assert told(model="logistic", recordings=texts, window=128)["state"] == "trained"


def test_files_are_gone_when_the_training_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert told(model="wxb", csv="x,y\n1,2\n2,4\n3,7\n")["state"] == "trained"
    refused = told(model="wxb", csv="x,y\n1,2\n2,oops\n3,7\n", name="C:\\data\\run.csv")
    assert refused["state"] == "refused"
    assert refused["error"].startswith("run.csv, row 3, y")
    assert os.listdir(tmp_path) == []


# ------------------------------------------------------------------------------------------------------ what is asked

TWO_ROWS = "x,y\n1,2\n2,5\n"
RUN = {"name": "run.csv", "text": "sample,time,a0\n"}
BAD: list[tuple[Any, str]] = [
    (None, 'a training is asked for by an object like {"model": "and"}'),
    ([], "a training is asked for by an object"),
    ({}, "model is missing: one of wx, wxb, and, logistic, mlp"),
    ({"model": "xor"}, 'model: "xor" is none of wx'),
    ({"model": ["wx"]}, 'model: ["wx"] is none of'),
    ({"model": "wx", "lr": 1}, "'lr' is no field of a training, which has model, layers"),
    ({"model": "wx", "rate": 0}, "rate: 0 is not above 0"),
    ({"model": "wx", "rate": "0.1"}, 'rate: "0.1" is not a finite number'),
    ({"model": "wx", "rate": True}, "rate: true is not a finite number"),
    ({"model": "wx", "rate": math.inf}, "rate: Infinity is not a finite number"),
    ({"model": "wx", "rate": math.nan}, "rate: NaN is not a finite number"),
    ({"model": "wx", "rate": 10**400}, "is not a finite number"),
    ({"model": "wx", "epochs": 0}, "epochs: 0 is not a whole number of 1..100000"),
    ({"model": "wx", "epochs": 100_001}, "epochs: 100001 is not a whole number of 1..100000"),
    ({"model": "wx", "epochs": 2.5}, "epochs: 2.5 is not a whole number"),
    ({"model": "wx", "epochs": True}, "epochs: true is not a whole number"),
    ({"model": "wx", "start": 1}, "start: 1 is not a list of parameters"),
    ({"model": "wx", "start": []}, "start: [] is not a list of parameters"),
    ({"model": "wx", "start": [None]}, "start: null is not a finite number"),
    ({"model": "wx", "start": [1, 2]}, "--init has 2 numbers, this model has 1 weight and no bias: give 1"),
    ({"model": "wx", "start": [4e4 + VALUE_MAX]}, "--init has a number beyond"),
    ({"model": "mlp", "start": [0.0], "tries": 2}, "--tries does nothing with --init"),
    ({"model": "wx", "seed": -1}, "seed: -1 is not a whole number of 0..4294967295"),
    ({"model": "wx", "seed": 1, "csv": TWO_ROWS}, "--seed does nothing here"),
    ({"model": "wx", "tries": 2}, "--tries goes with --model mlp"),
    ({"model": "mlp", "tries": 21}, "tries: 21 is not a whole number of 1..20"),
    ({"model": "wx", "algorithm": "grid"}, 'algorithm: "grid" is none of batch, sgd, minibatch, adam'),
    ({"model": "wx", "batch_size": 2}, "--batch-size goes with --algorithm minibatch or adam"),
    ({"model": "wx", "dtype": "float16"}, 'dtype: "float16" is none of float64, float32'),
    ({"model": "wx", "layers": [1, 1]}, "--layers goes with --model mlp"),
    ({"model": "mlp", "layers": [2]}, "layers: [2] is not a list of units"),
    ({"model": "mlp", "layers": [2, 0, 1]}, "layers: 0 is not a whole number of 1..64"),
    ({"model": "mlp", "layers": [2] * 10}, "is not a list of units, those of 1..8 layers behind"),
    ({"model": "mlp", "layers": [3, 4, 1]}, "there is no built-in set of 3 inputs and 1 output"),
    ({"model": "mlp", "layers": [2, 1], "activation": "tanh"}, "--layers has none"),
    ({"model": "mlp", "activation": "step"}, 'activation: "step" is none of relu, tanh, sigmoid'),
    ({"model": "wx", "csv": 5}, "csv: 5 is no text"),
    ({"model": "wx", "csv": "x,y\n1,\ud800\n"}, "csv: a text with half a character in it"),
    ({"model": "wx", "csv": ""}, "data.csv is empty"),
    ({"model": "wx", "csv": "x" * (shown.CSV_BYTES + 1)}, "csv: 4194305 bytes, 4194304 at most here"),
    ({"model": "wx", "csv": TWO_ROWS, "name": ".."}, 'name: ".." is no name of a file'),
    ({"model": "wx", "csv": TWO_ROWS, "name": "a\0.csv"}, "is no name"),
    ({"model": "wx", "csv": TWO_ROWS, "name": "a" * 201}, "is no name of a file"),
    ({"model": "wx", "csv": TWO_ROWS, "name": "\u540d" * 100}, "is no name of a file"),
    ({"model": "wx", "csv": TWO_ROWS, "target": "z"}, "data.csv has no column z (--target)"),
    ({"model": "wx", "csv": TWO_ROWS, "target": []}, "target: [] is not a list of names"),
    ({"model": "wx", "csv": TWO_ROWS, "drop": "x"}, 'drop: "x" is not a list of names'),
    (
        {"model": "wx", "csv": TWO_ROWS, "drop": ["x"]},
        "data.csv, row 1: 1 column of 2 left by --drop, 2 or more are needed",
    ),
    ({"model": "wx", "target": "y"}, "target goes with csv"),
    ({"model": "wx", "name": "run.csv"}, "name goes with csv"),
    ({"model": "wx", "window": 64}, "window goes with recordings"),
    ({"model": "wx", "csv": TWO_ROWS, "hop": 64}, "hop goes with recordings"),
    ({"model": "wx", "csv": TWO_ROWS, "recordings": [RUN]}, "csv and recordings: give one of them"),
    ({"model": "wx", "recordings": [RUN]}, "window is missing"),
    ({"model": "wx", "recordings": [RUN], "window": 100}, "window: 100 is no power of two of 2..1024 scans"),
    ({"model": "wx", "recordings": [RUN], "window": 2048}, "window: 2048 is not a whole number of 2..1024"),
    ({"model": "wx", "recordings": [RUN, RUN], "window": 64}, "recordings: two are named run.csv"),
    ({"model": "wx", "recordings": [{"name": "r"}], "window": 64}, "is no recording with a name and a text"),
    ({"model": "wx", "recordings": ["r"], "window": 64}, 'recordings: "r" is no recording'),
    (
        {"model": "wx", "recordings": [RUN | {"name": "r.json"}], "window": 64},
        'recordings: "r.json" is no name that ends in .csv',
    ),
    ({"model": "wx", "recordings": [RUN], "window": 64}, "run.csv has a header but no scans"),
    (
        {"model": "wx", "recordings": [RUN], "window": 64, "features": ["a0.loud"]},
        "run.csv has a header but no scans",
    ),
    (
        {"model": "mlp", "layers": [10, 64, 10], "epochs": 100_000},
        "100000 epochs of 233 samples and 1354 parameters are too much for a page: epochs up to 3169",
    ),
]


@pytest.mark.parametrize(("request_", "says"), BAD, ids=[says[:50] for _, says in BAD])
def test_what_cannot_be_trained_is_refused_in_one_line(request_: Any, says: str) -> None:
    training = Training("1", request_)
    training.run()
    page = training.as_dict()
    assert says in page["error"]
    assert page["error"].count("\n") == 0
    assert (page["state"], page["frames"], page["image"]) == ("refused", [], None)
    assert tempfile.gettempdir() not in page["error"]
    json.dumps(page, allow_nan=False)


def test_recordings_together_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "RECORDINGS_BYTES", 20)
    one, other = {"name": "a.csv", "text": "x" * 15}, {"name": "b.csv", "text": "x" * 6}
    says = told(model="wx", recordings=[one, other], window=64)["error"]
    assert says.startswith("recordings, b.csv: 6 bytes, 5 at most here")


# --------------------------------------------------------------------------------------------------------- its course


def test_one_that_waits_says_so_and_one_that_is_cancelled_ends() -> None:
    training = Training("2", {"model": "wxb", "epochs": 100_000})
    assert training.as_dict()["state"] == "waiting"
    told_ = training._tell
    seen: list[str] = []

    def tell(step: str, done: int, total: int) -> None:
        told_(step, done, total)
        if done == 10:
            seen.append(training.as_dict()["state"])
            training.cancel()

    training._tell = tell  # type: ignore[method-assign]
    training.run()
    page = training.as_dict()
    assert seen == ["running"]
    assert (page["state"], page["error"]) == ("cancelled", "cancelled: somebody has ended this training")
    assert (page["done"], page["total"], page["frames"]) == (10, 100_000, [])


def test_a_fault_of_ours_is_raised_and_the_training_is_not_left_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    training = Training("1", {"model": "wx"})
    monkeypatch.setattr(learning, "train", lambda plan, progress: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        training.run()
    assert training.as_dict()["state"] == "refused"
    assert "a fault of this program" in training.as_dict()["error"]


def test_what_has_ended_is_not_cancelled_any_more() -> None:
    training = trained(model="and")
    training.cancel()
    assert training.as_dict()["state"] == "trained"
