"""host/train.py and host/cli/parser.py: the command of the mission, its JSON, and its one-line errors."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host import train
from host.core.image import decode, image_crc
from host.core.infer import class_of, infer, led, out_of_range, self_test
from host.core.wire import Format
from host.node import proof
from host.node.identity import Running
from host.node.node import Result
from host.node.staging import Deployed
from host.progress import Progress
from tests.training import assert_one_line

ROOT = Path(__file__).resolve().parents[1]
SGD = ["--algorithm", "sgd", "--lr", "0.01", "--epochs", "20"]
"""How the article trains AND."""
AND_W, AND_B = [0.4514297388906616, 0.2369025056182418], -0.611635769357402


class FakeNode:
    """A node that is host.infer itself, and remembers what was deployed to it."""

    def __init__(self) -> None:
        self.lamp: Callable[[], bool] | None = None
        self.images: list[bytes] = []
        self.opened: list[tuple[str, dict[str, Any]]] = []
        self.standing = [7.0, 8.0]
        self.asked = 0

    def read_inputs(self, count: int) -> list[float]:
        return self.standing

    def doubt(self) -> None:
        raise AssertionError("it computes what it should")

    def put_back(self, found: list[float]) -> Running:
        self.standing = found
        return Running(7, image_crc(self.images[-1]), False, False)

    def evaluate(self, x: np.ndarray, outputs: int, *, classes: bool, whose: bool) -> Result:
        model = decode(self.images[-1])
        self.standing, self.asked = x[0].tolist(), self.asked + 1
        y = infer(model, x)
        return Result(y, led(model, y), out_of_range(model, x).any(axis=1), class_of(model, y))


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    fake = FakeNode()

    @contextmanager
    def open_node(port: str, **options: Any) -> Iterator[FakeNode]:
        fake.opened.append((port, options))
        yield fake

    def deploy(node: Any, image: bytes, *, progress: Progress, prove: bool, x: np.ndarray) -> Deployed:
        for done in range(0, len(image) + 1, 4):
            progress("stage", done, len(image))
        progress("commit", 1, 1)
        node.images.append(image)
        already = node.images.count(image) > 1
        rows: list[proof.Row] = []
        if prove:
            model = decode(image)
            q, took = proof.quantised(model, x)
            with proof.inputs_kept(node, node.read_inputs(model.inputs)):
                rows = proof.rows_of(model, x, took, proof.prove(node, model, q))
        said = ("the last bus was lost",) if already else ()
        return Deployed(1, image_crc(image), 7, 0.25, already, said, tuple(rows))

    monkeypatch.setattr("host.cli.line.open_node", open_node)
    monkeypatch.setattr("host.cli.line.require_simulated", lambda port, **options: None)
    monkeypatch.setattr("host.node.keyed.require_free", lambda node, changes: None)
    monkeypatch.setattr("host.node.staging.deploy", deploy)
    return fake


def run_json(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert train.main([*argv, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    result: dict[str, Any] = json.loads(captured.out)
    return result


# ------------------------------------------------------------------------------------------------------ JSON


def test_json_of_wx(capsys: pytest.CaptureFixture[str]) -> None:
    result = run_json(capsys, "--model", "wx")
    assert result["parameters"] == {"w": [1.9999444396553017], "b": None}
    assert len(result["history"]) == 100
    assert result["history"][0] == {
        "epoch": 0,
        "loss": 4.666666666666667,
        "w": [1.0933333333333333],
        "b": None,
    }
    assert result["history"][1] == {
        "epoch": 1,
        "loss": 3.8362074074074086,
        "w": [1.1779555555555554],
        "b": None,
    }
    assert result["history"][99]["loss"] == 1.752432687141379e-08
    assert "deployed" not in result


def test_json_of_wx_one_sample_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    result = run_json(capsys, "--model", "wx", "--algorithm", "sgd")
    assert result["history"][0] == {"epoch": 0, "loss": 7.315943039999998, "w": [1.260688], "b": None}
    assert result["history"][99] == {
        "epoch": 99,
        "loss": 7.82747233205549e-26,
        "w": [1.9999999999999236],
        "b": None,
    }


def test_json_without_a_model_is_that_of_and_and_lists_both(capsys: pytest.CaptureFixture[str]) -> None:
    result = run_json(capsys)
    assert result["parameters"] == {"w": AND_W, "b": AND_B}
    assert len(result["history"]) == 20
    assert [model["model"] for model in result["models"]] == ["wx", "and"]
    assert result["models"][1]["parameters"] == result["parameters"]
    crcs = [model["image"]["crc32"] for model in result["models"]]
    assert crcs[0] != crcs[1] == result["image"]["crc32"]
    assert [d["proven"] for d in result["quantisation"]["decisions"]] == [True] * 4


def test_json_after_a_deploy(capsys: pytest.CaptureFixture[str], node: FakeNode) -> None:
    result = run_json(capsys, "--deploy", "sim")
    deployed = result["deployed"]
    assert (deployed["address"], deployed["sequence"]) == (1, 7)
    assert deployed["crc32"] == result["image"]["crc32"] == image_crc(node.images[0])
    assert deployed["rows"] == [
        {"inputs": [0, 0], "output": 0, "led": False},
        {"inputs": [0, 1], "output": 0, "led": False},
        {"inputs": [1, 0], "output": 0, "led": False},
        {"inputs": [1, 1], "output": 1, "led": True},
    ]
    assert len(node.images) == 1


def test_the_inputs_are_left_as_they_were(capsys: pytest.CaptureFixture[str], node: FakeNode) -> None:
    run_json(capsys, "--model", "and", "--deploy", "sim")
    assert node.asked == 4
    assert node.standing == [7.0, 8.0]


def test_without_a_proof_nothing_is_asked(capsys: pytest.CaptureFixture[str], node: FakeNode) -> None:
    result = run_json(capsys, "--model", "and", "--deploy", "sim", "--no-prove")
    assert list(result["deployed"]) == ["address", "crc32", "hash", "sequence", "seconds", "already"]
    assert train.main(["--model", "and", "--deploy", "sim", "--no-prove"]) == 0
    assert capsys.readouterr().out.endswith(", sequence 7, after 0.2 s, not proven\n")
    assert node.asked == 0


def test_a_model_that_ran_there_and_what_the_node_warns_of_are_said(
    capsys: pytest.CaptureFixture[str], node: FakeNode
) -> None:
    argv = ["--model", "and", "--deploy", "sim"]
    assert train.main(argv) == 0
    assert "already" not in capsys.readouterr().out
    assert train.main(argv) == 0
    out, err = capsys.readouterr()
    assert "  it ran there already: nothing was written; the model to go back to stays\n" in out
    assert err == "warning: the last bus was lost\n"


def test_given_start_rate_and_epochs_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    result = run_json(capsys, "--model", "and", "--init", "-.5,0.25,-1", "--lr", "0.5e-1", "--epochs", "1")
    w1, w2, b = -0.5, 0.25, -1.0
    for x1, x2, y in [(1, 0, -1), (0, 1, -1), (0, 0, -1), (1, 1, 1)]:
        slope = 2 * (w1 * x1 + w2 * x2 + b - y)
        w1, w2, b = w1 - 0.05 * (slope * x1), w2 - 0.05 * (slope * x2), b - 0.05 * slope
    assert result["parameters"] == {"w": [w1, w2], "b": b}


def test_a_seed_gives_one_start(capsys: pytest.CaptureFixture[str]) -> None:
    first, again, other = (run_json(capsys, "--model", "and", "--seed", s) for s in ("5", "5", "6"))
    assert first == again
    assert first["history"] != other["history"]


def test_a_csv_file_trains_like_the_built_in_set(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "gate.csv"
    path.write_text("x1,x2,y\n1,0,0\n0,1,0\n0,0,0\n1,1,1\n")
    result = run_json(capsys, "--model", "and", "--data", str(path), *SGD, "--init", "0.666,0.333,0.233")
    assert result["parameters"] == {"w": AND_W, "b": AND_B}
    assert result["data"] == "gate"


# ---------------------------------------------------------------------------------------------------- people


def test_people_see_training_report_and_lamp(capsys: pytest.CaptureFixture[str], node: FakeNode) -> None:
    assert train.main(["--deploy", "sim"]) == 0
    captured = capsys.readouterr()
    text = captured.out
    assert captured.err == ""
    assert "\x1b" not in text
    assert "\r" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "for x = 4 that is 7.999777758621207" in text
    assert "0.4514297388906616 x1 + 0.2369025056182418 x2 - 0.611635769357402 > 0" in text
    assert "\n  stage                        116 of 116\n  commit\n  running: CRC-32 " in text
    assert "All 4 decisions are provably unchanged" in text
    assert "Deploying AND to a simulated node, address 1" in text
    lamps = [line.split() for line in text.splitlines() if "○" in line or "●" in line]
    assert lamps == [
        ["0", "0", "0", "○"],
        ["0", "1", "0", "○"],
        ["1", "0", "0", "○"],
        ["1", "1", "1", "●", "lit"],
    ]


def test_a_lamp_that_can_be_seen_is_believed_before_the_node(
    capsys: pytest.CaptureFixture[str], node: FakeNode
) -> None:
    node.lamp = lambda: True
    assert train.main(["--model", "and", "--deploy", "renode"]) == 0
    text = capsys.readouterr().out
    assert "Deploying AND to the board in Renode, address 1" in text
    table = text.partition("LED in Renode\n")[2].splitlines()
    assert [line.split()[-1] for line in table[:4]] == ["lit"] * 4


def test_0_and_1_targets_are_said_to_be_taken_as_signs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "gate.csv"
    path.write_text("x1,x2,y\n1,0,0\n1,1,1\n")
    assert train.main(["--model", "and", "--data", str(path)]) == 0
    assert "target y: 0 is taken as -1" in capsys.readouterr().out


def run_module(*argv: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "host.train", *argv], cwd=ROOT, capture_output=True, env={**os.environ, **env}
    )


def test_the_module_runs_by_itself() -> None:
    done = run_module("--model", "wx", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["parameters"]["w"] == [1.9999444396553017]


def test_output_that_can_only_be_ascii_is() -> None:
    done = run_module(PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"*" in done.stdout
    assert done.stdout.isascii()


def test_help_has_examples() -> None:
    done = run_module("--help")
    assert done.returncode == 0
    assert b"python -m host.train --deploy sim" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="ptys are POSIX")
@pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_on_a_terminal_unless_told_not_to(env: dict[str, str], coloured: bool) -> None:
    import pty

    leader, follower = pty.openpty()
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "TERM")}
    process = subprocess.Popen(
        [sys.executable, "-m", "host.train", "--model", "wx"],
        cwd=ROOT,
        stdout=follower,
        env={**clean, "TERM": "xterm-256color", **env},
    )
    os.close(follower)
    text = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(leader)
    assert process.wait() == 0
    assert (b"\x1b[" in text) == coloured


# ---------------------------------------------------------------------------------------------------- saving


def test_a_saved_image_is_the_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "and.img"
    path.write_bytes(b"old")
    result = run_json(capsys, "--save", str(path))
    model = decode(path.read_bytes())
    assert model.name == "and"
    assert image_crc(path.read_bytes()) == result["image"]["crc32"]
    self_test(model)
    assert os.listdir(tmp_path) == ["and.img"]


def test_a_failed_write_leaves_the_old_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "and.img"
    path.write_bytes(b"old")

    def full(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert_one_line(capsys, ["--save", str(path), "--json"], "No space left on device")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["and.img"]


# ---------------------------------------------------------------------------------------------------- errors


def test_a_training_that_fails_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    argv = ["--model", "wx", "--lr", "0.3", "--save", str(tmp_path / "wx.img")]
    assert_one_line(capsys, argv, "training diverges")
    assert os.listdir(tmp_path) == []


# ------------------------------------------------------------------------------------- known before it is trained


def data_of(tmp_path: Path, rows: int, inputs: int = 2) -> str:
    path = tmp_path / "data.csv"
    names = ",".join(f"x{number}" for number in range(inputs))
    lines = [",".join([str(row % 2)] * (inputs + 1)) for row in range(1, rows + 1)]
    path.write_text("\n".join([f"{names},y", *lines]) + "\n")
    return str(path)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (
            ["--model", "mlp", "--layers", "2-64-64-1"],
            "the image takes 9184 bytes, longer than the 8192 bytes that a node keeps; use fewer inputs or units",
        ),
        (["--model", "wxb", "--range", "0,0.5"], "the data go from 0 to 1, beyond the declared range 0..0.5"),
        (
            [
                "--model",
                "and",
                "--on-board",
                "--deploy",
                "/dev/none",
                "--algorithm",
                "sgd",
                "--no-standardise",
                "--split",
                "100,0",
            ],
            "training on the board takes 96104 bytes, a node has room for 61440: use fewer rows or --dtype float32",
        ),
    ],
)
def test_what_no_node_takes_is_known_before_it_is_trained(
    argv: list[str],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(train, "train_and_show", None)
    inputs = 1 if "wxb" in argv else 2
    assert_one_line(capsys, [*argv, "--data", data_of(tmp_path, 4000, inputs), "--json"], says)


# ---------------------------------------------------------------------------------------------------- how it is said


def test_one_of_a_kind_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str], node: FakeNode) -> None:
    data = data_of(tmp_path, 1)
    argv = ["--model", "and", "--data", data, "--epochs", "1", "--split", "1,0"]
    assert train.main([*argv, "--deploy", "COM3"]) == 0
    said = capsys.readouterr().out
    assert "  1 sample, batch, rate 0.5, 1 epoch\n" in said
    assert "the only sample right" in said
    assert "largest difference from the float model in this row: 0" in said
    assert not re.search(r"\b1 [a-z]+s\b", said)


def test_without_a_model_it_says_whose_image_that_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, picture = str(tmp_path / "a.img"), str(tmp_path / "a.svg")
    assert train.main(["--save", image, "--plot", picture]) == 0
    said = capsys.readouterr().out
    assert f"Saved {image}, 116 bytes: that is AND\n" in said
    assert f"Drawn to {picture}: that is AND\n" in said
    assert train.main(["--model", "and", "--save", image]) == 0
    assert f"Saved {image}, 116 bytes\n" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------ line


@pytest.mark.parametrize(
    ("argv", "line_format"),
    [
        ([], Format.F8E1),
        (["--parity", "O"], Format.F8O1),
        (["--parity", "N"], Format.F8N1),
        (["--parity", "N", "--stop-bits", "2"], Format.F8N2),
    ],
)
def test_the_line_is_opened_as_told(
    capsys: pytest.CaptureFixture[str], node: FakeNode, argv: list[str], line_format: Format
) -> None:
    run_json(capsys, "--deploy", "COM3", "--address", "9", "--baud", "115200", "--timeout", "0.5", *argv)
    expected = {"address": 9, "baud": 115200, "line_format": line_format, "trace": False, "timeout": 0.5}
    assert node.opened == [("COM3", expected)] * 2, "before the training and after it"
