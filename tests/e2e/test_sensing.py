"""From recordings to a simulated node: it takes a model that measures its inputs itself, and tells who asks it rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from host import deploy, predict, record, train
from host.boards.opening import open_node
from host.boards.signals import generated, recorded
from host.boards.simulated import Sim, simulate
from host.core.image import decode
from host.core.windows import hops
from host.core.wire import BY_NAME
from host.data.recording import read_recording
from host.node.asking import OnNode, Twin
from host.node.client import NodeError
from host.node.staging import deploy as deploy_to
from tests.patience import ANSWER, PATIENCE
from tests.recordings import KINDS, pump_recording
from tests.sensing import by_channel


@pytest.fixture
def sim() -> Iterator[Sim]:
    with simulate() as running:
        yield running


@pytest.fixture
def argv(tmp_path: Path) -> list[str]:
    parts = [("normal", 2500), ("worn", 2500), ("off", 2500)]
    path = pump_recording(tmp_path / "run.csv", parts)
    image = str(tmp_path / "pump.img")
    how = "--window 128 --features a0.std,d0.level --votes 2/3 --on-delay 100ms --epochs 50".split()
    return ["--model", "logistic", "--data", path, *how, "--save", image]


def test_a_node_takes_it_and_is_asked_rows_only_when_overridden(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sim: Sim, argv: list[str]
) -> None:
    assert train.main([*argv, "--deploy", sim.port]) == 0
    assert "proven by its own self-test, windows included" in capsys.readouterr().out
    image = tmp_path / "pump.img"
    assert deploy.main([sim.port, str(image), "--json"]) == 0
    assert '"already": true' in capsys.readouterr().out
    assert predict.main([sim.port, "100", "1"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: the node measures a0.std, d0.level itself: set the coil OVERRIDE")
    assert said.count("\n") == 1
    rows = [[5.0, 0.0], [130.0, 1.0], [180.0, 1.0]]
    with open_node(sim.port) as node:
        with pytest.raises(NodeError, match="set the coil OVERRIDE"):
            OnNode(node, "", "")
        node.write_coil(BY_NAME["OVERRIDE"].address, True)
        asked = OnNode(node, "", "")
        given = [asked.ask([row]) for row in rows]
        assert "coil OVERRIDE is set: the node leaves its channels aside" in asked.warnings()
    twin = Twin(image.read_bytes()).ask(rows)
    assert [one.y[0].tolist() for one in given] == twin.y.tolist()
    assert [int(one.classes[0]) for one in given] == twin.classes.tolist()


def test_record_train_deploy_and_it_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pump in its three states; then, with no master on the bus, each window of another recording as the PC says."""
    patient = ("--timeout", str(ANSWER))
    for kind in KINDS:
        with simulate(signal=generated([f"pump:{kind}"])) as sim:
            for name, seconds in (("run", "1.5"), ("test", "0.5")):
                how = ["--channels", "a0,d0", "--rate", "2000", "--seconds", seconds, "--label", kind]
                file = str(tmp_path / f"{name}-{kind}.csv")
                assert record.main([sim.port, file, *how, *patient]) == 0
    data = [word for kind in KINDS for word in ("--data", str(tmp_path / f"run-{kind}.csv"))]
    image = tmp_path / "pump.img"
    how = ["--window", "256", "--hop", "64", "--votes", "2/3", "--led", "worn"]
    assert train.main(["--model", "logistic", *data, *how, "--save", str(image)]) == 0
    model = decode(image.read_bytes())
    assert model.senses is not None
    for kind in KINDS:
        run = read_recording(tmp_path / f"test-{kind}.csv")
        said: list[dict[str, object]] = []

        def take(line: str, said: list[dict[str, object]] = said) -> None:
            if line.startswith("hop "):
                said.append(json.loads(line.split(" ", 2)[2]))

        seen = recorded(run.rate, run.channels, run.samples, run.raw, "test")
        with simulate(signal=seen, fast=True, hops=True, on_line=take) as sim:
            with open_node(sim.port, timeout=ANSWER) as node:
                deploy_to(node, image.read_bytes())
            sim.wait(lambda sim: False, PATIENCE)  # it ends with its signal
        expected = hops(model, 0, by_channel(run))
        assert len(said) == len(expected.samples) > 0
        for row, hop in enumerate(said):
            assert hop["sample"] == expected.samples[row]
            assert hop["inputs"] == expected.inputs[row].tolist()
            assert hop["outputs"] == expected.outputs[row].tolist()
            assert hop["decision"] == expected.decisions[row]
        assert [hop["led"] for hop in said][2:] == [kind == "worn"] * (len(said) - 2)
