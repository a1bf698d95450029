"""What the node scores: its own answers on rows held out are as good as fixed point's, and models that fixed point
spoils do not get there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host import train
from host.core.image import Names, decode
from host.node.node import Node
from tests.e2e.test_commands import run_json

COARSE = ["--range", "0,2100000000,0,4"]
"""Seconds since 1970 in steps of 65,536."""


def unix_time(folder: Path, rows: int = 400) -> str:
    """An alarm that depends on the hour at which a load was measured."""
    random = np.random.default_rng(7)
    time, load = 1_764_000_000 + 3_600 * np.arange(rows), random.uniform(0, 1, rows)
    alarm = (time - time.mean()) / time.std() + load - 0.5 + 0.3 * random.normal(size=rows) > 0
    lines = [f"{t},{v!r},{a:d}" for t, v, a in zip(time.tolist(), load.tolist(), alarm.tolist(), strict=True)]
    path = folder / "alarm.csv"
    path.write_text("\n".join(["time,load,alarm", *lines]) + "\n")
    return str(path)


def logistic(folder: Path) -> list[str]:
    argv = ["--model", "logistic", "--data", unix_time(folder), "--standardise", "--split", "60,20,20"]
    return [*argv, "--epochs", "200"]


@contextmanager
def _no_node(*args: Any, **options: Any) -> Iterator[Node]:
    raise AssertionError("it is opened")
    yield


def test_the_node_scores_as_fixed_point_does(tmp_path: Path) -> None:
    said = run_json("host.train", *logistic(tmp_path), "--deploy", "sim")
    assert list(said["metrics"]) == list(said["baseline"]) == ["train", "validation", "test"]
    assert [list(both) for both in said["metrics"].values()] == [
        ["float", "fixed"],
        ["float", "fixed"],
        ["float", "fixed", "node"],
    ]
    test = said["metrics"]["test"]
    assert test["node"] == test["fixed"]
    assert test["node"]["rows"] == said["deployed"]["asked"]["rows"] == said["deployed"]["asked"]["of"] == 80
    right = sum(np.diag(test["node"]["confusion"]))
    assert test["node"]["accuracy"] == right / 80 > said["baseline"]["test"]["accuracy"]
    assert said["changed"] == {"rows": 0, "of": 400, "share": 0.0}


def test_what_fixed_point_spoils_is_not_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host.cli.line.open_node", _no_node)
    image = tmp_path / "x.img"
    argv = [*logistic(tmp_path), *COARSE, "--save", str(image), "--deploy", "sim"]
    assert train.main([*argv, "--json"]) == 2
    spoken = capsys.readouterr()
    assert spoken.out == ""
    assert spoken.err.startswith("error: fixed point CHANGES ")
    assert spoken.err.count("\n") == 1
    assert image.exists()
    with pytest.raises(AssertionError, match="it is opened"):
        train.main([*argv, "--allow-changed", "5%"])


def test_what_changed_is_said_without_a_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [*logistic(tmp_path), *COARSE]
    assert train.main([*argv, "--json"]) == 0
    changed = json.loads(capsys.readouterr().out)["changed"]
    assert changed["rows"] > 2
    assert (changed["of"], changed["share"]) == (400, changed["rows"] / 400)
    assert train.main(argv) == 0
    text = capsys.readouterr().out
    assert f"fixed point CHANGES {changed['rows']} of 400 decisions" in text
    assert max(map(len, text.splitlines())) <= 80


def test_numbers_too_are_asked_of_the_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(3)
    x = random.normal(size=(60, 2))
    y = x @ [[1.0, -2], [3, 0.5]] + 0.1 * random.normal(size=(60, 2))
    path = tmp_path / "plant.csv"
    path.write_text(
        "\n".join(["a,b,flow,heat", *(",".join(map(repr, row)) for row in np.hstack([x, y]).tolist())])
    )
    argv = [
        "--model",
        "mlp",
        "--layers",
        "2-6-2",
        "--data",
        str(path),
        "--split",
        "50,25,25",
        "--epochs",
        "300",
    ]
    argv += ["--led", "heat", "--deploy", "sim"]
    assert train.main([*argv, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    test = said["metrics"]["test"]
    assert test["node"] == test["fixed"]
    assert [one["name"] for one in test["node"]["targets"]] == ["flow", "heat"]
    assert test["node"]["r2"] > 0.9 > said["baseline"]["test"]["r2"]
    assert said["led"]["output"] == "heat"
    lit = [row["led"] for row in said["deployed"]["rows"]]
    assert lit == [row["outputs"][1] > said["led"]["threshold"] for row in said["deployed"]["rows"]]
    assert len(set(lit)) == 2
    assert train.main(argv) == 0
    text = capsys.readouterr().out
    assert "the LED is lit when heat > " in text
    assert "by the node's own answers R2 0.9" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_truth_table_of_a_built_in_set_is_a_score_too() -> None:
    said = run_json("host.train", "--model", "and", "--deploy", "sim")
    assert said["metrics"]["train"]["node"]["confusion"] == [[3, 0], [0, 1]]
    assert said["changed"] == {"rows": 0, "of": 4, "share": 0.0}


def three_kinds(folder: Path) -> str:
    """Ripe, rotten and unripe fruit by two measures, one at each corner of a triangle."""
    random = np.random.default_rng(11)
    kinds = random.integers(0, 3, 90)
    x = np.array([[0, 0], [6, 1], [2, 7]])[kinds] + random.normal(size=(90, 2))
    names = ("unripe", "ripe", "rotten")
    path = folder / "fruit.csv"
    lines = [f"{a!r},{b!r},{names[kind]}" for (a, b), kind in zip(x.tolist(), kinds.tolist(), strict=True)]
    path.write_text("\n".join(["sugar,colour,kind", *lines]) + "\n")
    return str(path)


@pytest.mark.parametrize("model", ["logistic", "mlp"])
def test_the_led_is_lit_for_a_class(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--model", model, "--data", three_kinds(tmp_path), "--led", "ripe", "--deploy", "sim"]
    image = tmp_path / "fruit.img"
    assert train.main([*argv, "--json", "--save", str(image)]) == 0
    sent = decode(image.read_bytes())
    assert sent.names == Names(("sugar", "colour"), ("kind",), ("ripe", "rotten", "unripe"))
    assert (sent.led_class, sent.led_output) == (True, 0)
    said = json.loads(capsys.readouterr().out)
    test = said["metrics"]["test"]
    assert test["node"] == test["fixed"]
    assert test["node"]["accuracy"] > 0.9 > said["baseline"]["test"]["accuracy"]
    assert said["classes"] == ["ripe", "rotten", "unripe"]
    assert said["led"] == {"class": "ripe", "threshold": None}
    rows = said["deployed"]["rows"]
    assert [row["led"] for row in rows] == [row["class"] == "ripe" for row in rows]
    assert {row["class"] for row in rows} == set(said["classes"])
    assert train.main(argv) == 0
    text = capsys.readouterr().out
    assert "the LED is lit for class ripe" in text
    assert "% of 18 samples of the test part right" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_led_is_lit_for_the_first_of_two_classes(tmp_path: Path) -> None:
    """Whose one output is low."""
    said = run_json("host.train", *logistic(tmp_path), "--led", "0", "--deploy", "sim")
    rows = said["deployed"]["rows"]
    assert said["led"] == {"class": "0", "threshold": 0.5}
    assert [row["led"] for row in rows] == [row["class"] == "0" for row in rows]
    assert [row["led"] for row in rows] == [row["output"] <= 0.5 for row in rows]
    assert {row["led"] for row in rows} == {True, False}


def test_a_class_that_is_not_there_has_near_matches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(["--model", "mlp", "--data", three_kinds(tmp_path), "--led", "rippe"]) == 2
    assert capsys.readouterr().err == "error: --led rippe: the data have no such class; did you mean ripe?\n"
