"""From recordings to a simulated node: it takes a model that measures its inputs itself, and tells who asks it rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from host import deploy, predict, train
from host.boards.opening import open_node
from host.boards.simulated import Sim, simulate
from host.core.wire import BY_NAME
from host.node.asking import OnNode, Twin
from host.node.client import NodeError
from tests.recordings import pump_recording


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
            OnNode(node, "")
        node.write_coil(BY_NAME["OVERRIDE"].address, True)
        asked = OnNode(node, "")
        given = [asked.ask([row]) for row in rows]
        assert "coil OVERRIDE is set: the node leaves its channels aside" in asked.warnings()
    twin = Twin(image.read_bytes()).ask(rows)
    assert [one.y[0].tolist() for one in given] == twin.y.tolist()
    assert [int(one.classes[0]) for one in given] == twin.classes.tolist()
