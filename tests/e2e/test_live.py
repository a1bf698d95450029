"""A node at work: a deploy leaves its inputs as they are, says what it finds in its way, and writes nothing that stands
there already; what is clipped is said; settings that another master has written stay that master's."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host import deploy, predict, settings
from host.boards.opening import open_node
from host.boards.simulated import Sim, simulate
from host.core.image import Layer, Model, encode
from host.core.wire import BY_NAME, Activation, Command, Reason, Safe, State, Table, WatchdogFor
from host.data.dataset import BUILT_IN
from host.node.client import NoAnswer, NodeError
from host.node.line import read_settings, save_settings
from host.node.node import Node, Refused, Result
from host.node.proof import inputs_kept
from host.node.staging import PROVING, commit_staged, rollback, stage
from host.node.staging import deploy as deploy_to
from host.show import tables
from tests.e2e.scenario import AND, NAND, OR, crc_of, with_vectors
from tests.e2e.stand_in import stand_in
from tests.patience import ANSWER

WIDE = with_vectors(
    Model(
        "wide",
        (11,) * 64,
        (Layer(np.full((1, 64), 64, np.int16), np.zeros(1, np.int32), Activation.IDENTITY, 20, 8),),
        0,
        100,
        np.zeros((1, 64), np.int16),
        np.zeros((1, 1), np.int16),
    ),
    np.arange(3 * 64).reshape(3, 64).astype(np.int16),
)
"""More inputs than one frame carries."""


@pytest.fixture
def sim() -> Iterator[Sim]:
    with simulate() as running:
        yield running


@pytest.fixture
def node(sim: Sim) -> Iterator[Node]:
    with open_node(sim.port, timeout=ANSWER) as opened:
        yield opened


@pytest.fixture
def image(tmp_path: Path) -> str:
    file = tmp_path / "and.img"
    file.write_bytes(encode(AND))
    return str(file)


# ------------------------------------------------------------------------------------------------------------ inputs


@pytest.mark.parametrize("model", [AND, WIDE], ids=["and", "wide"])
def test_the_proof_leaves_the_inputs_as_it_found_them(node: Node, model: Model) -> None:
    deploy_to(node, encode(OR))
    values = [0.25 * i for i in range(64)]
    node.evaluate_float(values, 1)
    before = node.read_inputs(64)
    deploy_to(node, encode(model))
    assert node.read_inputs(64) == before
    assert [struct.unpack(">f", struct.pack(">HH", *before[i : i + 2]))[0] for i in (2, 6)] == [0.25, 0.75]


def test_also_when_it_is_interrupted(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy_to(node, encode(OR))
    node.evaluate_float([1.0, 0.0], 1)
    before = node.read_inputs(2)

    def interrupt(step: str, done: int, total: int) -> None:
        if step == PROVING:
            raise KeyboardInterrupt

    with pytest.raises(
        KeyboardInterrupt, match=f"the model runs, CRC-32 {crc_of(AND):08x}, and is not proven"
    ):
        deploy_to(node, encode(AND), progress=interrupt)
    assert node.read_inputs(2) == before


def test_inputs_that_another_master_has_written_meanwhile_stay(node: Node) -> None:
    deploy_to(node, encode(AND))
    node.evaluate_float([0.0, 0.0], 1)
    with inputs_kept(node, node.read_inputs(2)):
        node.evaluate_float([1.0, 1.0], 1)
        node.write_values(INPUTS_FLOAT=[0.5, 0.25])
        newest = node.read_inputs(2)
    assert node.read_inputs(2) == newest


def test_another_master_in_the_way_of_a_proof_is_named(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes before each of our evaluations is answered."""
    evaluate = Node.evaluate

    def disturbed(self: Node, x: np.ndarray, outputs: int, **more: bool) -> Result:
        evaluate(self, x, outputs)
        self.write_values(INPUTS=[77, 77])
        return Result(np.array([[77]], np.int16), *[np.array([False])] * 2, np.array([0]))

    monkeypatch.setattr(Node, "evaluate", disturbed)
    with pytest.raises(NodeError, match=r"another master writes the node's inputs .*--no-prove"):
        deploy_to(node, encode(AND))


def test_without_the_proof_inputs_and_lamp_are_left_alone(
    sim: Sim, image: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Node, "evaluate", None)
    assert deploy.main([sim.port, image, "--no-prove", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "and"
    assert deploy.main([sim.port, "--no-prove"]) == 2
    assert "--no-prove goes with an image to deploy" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------- what runs already


def test_what_runs_already_is_not_written_again(
    sim: Sim, image: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_node(sim.port, timeout=ANSWER) as node:
        deploy_to(node, encode(OR))
        first = deploy_to(node, encode(AND))
        assert not first.already
        before = node.identity()
    monkeypatch.setattr(Node, "command", None)
    assert deploy.main([sim.port, image, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["already"], said["sequence"]) == (True, first.sequence)
    assert deploy.main([sim.port, image]) == 0
    assert (
        "already runs there: nothing was written; the model to go back to stays\n" in capsys.readouterr().out
    )
    monkeypatch.undo()
    with open_node(sim.port, timeout=ANSWER) as node:
        assert node.identity() == before
        stage(node, encode(AND))
        node.command(Command.VERIFY, "verify", len(encode(AND)), crc_of(AND))
        assert commit_staged(node, encode(AND)).already
        assert rollback(node).name == "or"
        assert not deploy_to(node, encode(NAND)).already


# ----------------------------------------------------------------------------------------------------------- Ctrl-C


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("stage", "nothing was committed: the model that ran goes on"),
        ("verify", "nothing was committed: the model that ran goes on"),
        ("commit", "the node may run the one model or the other: python -m host.deploy PORT says which"),
        (PROVING, f"the model runs, CRC-32 {crc_of(AND):08x}, and is not proven"),
    ],
)
def test_an_interrupted_deploy_says_which_model_runs(
    sim: Sim,
    image: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    says: str,
) -> None:
    def interrupt(name: str, done: int, total: int) -> None:
        if name == step:
            raise KeyboardInterrupt

    monkeypatch.setattr("host.deploy.progress", lambda *a, **k: nullcontext(interrupt))
    assert deploy.main([sim.port, image, "--json"]) == 130
    assert capsys.readouterr() == ("", f"stopped: {says}\n")
    with open_node(sim.port, timeout=ANSWER) as node:
        assert (node.wait_idle().model_crc == crc_of(AND)) is (step in ("commit", PROVING))


# ------------------------------------------------------------------------------------------------------------ clipped


def test_what_was_clipped_is_said(sim: Sim, capsys: pytest.CaptureFixture[str]) -> None:
    with open_node(sim.port, timeout=ANSWER) as node:
        deploy_to(node, encode(WIDE))
    inputs = ["100", "-1e39", *["0.1"] * 62]
    assert predict.main([sim.port, *inputs, "--json"]) == 0
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert said["clipped"] is True
    assert said["used"][:3] == [32767 / 2**11, -16.0, 205 / 2**11]
    assert err.splitlines() == [
        "warning: input 1 is 100, beyond what the model can hold: taken as 15.9995",
        "warning: input 2 is -1e+39, beyond what the model can hold: taken as -16",
    ]
    assert predict.main([sim.port, *["0.1"] * 64]) == 0
    assert capsys.readouterr().err == ""


def test_rows_that_were_clipped_are_marked(node: Node) -> None:
    rows = deploy_to(node, encode(AND), x=[[0, 0], [1e6, 1]]).rows
    assert [row.clipped for row in rows] == [False, True]
    assert rows[1].used == [32767 / 2.0 ** AND.input_fraction[0], 1.0]
    lines = tables.node_table(rows, BUILT_IN["and"])
    assert [line.endswith("clipped") for line in lines] == [False, False, True]


def test_coils_that_hold_outputs_or_lamp_are_said(
    sim: Sim, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy.main([sim.port, "--no-prove", image]) == 0
    capsys.readouterr()
    with open_node(sim.port, timeout=ANSWER) as node:
        node.write_coil(BY_NAME["HOLD"].address, True)
    assert predict.main([sim.port, "1", "1"]) == 2
    assert capsys.readouterr() == (
        "",
        "error: coil HOLD is set: the node's outputs stay as they were, whatever its inputs; clear it\n",
    )
    with open_node(sim.port, timeout=ANSWER) as node:
        node.write_coil(BY_NAME["HOLD"].address, False)
        node.write_coil(BY_NAME["LAMP_TEST"].address, True)
    assert predict.main([sim.port, "0", "0"]) == 0
    assert capsys.readouterr() == (
        "0   LED on\n",
        "warning: coil LAMP_TEST is set: the lamp does not follow the neuron\n",
    )


# ----------------------------------------------------------------------------------------------------------- refusals


def test_a_refusal_for_wear_says_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "wait 12 min (reason WEAR, detail 12)" in str(Refused("commit the image", Reason.WEAR, 12))
    assert "below 2.9 V" in str(Refused("commit the image", Reason.SUPPLY, 0))


# ----------------------------------------------------------------------------------------------- another master's line


def test_replies_to_another_master_are_no_wiring(capsys: pytest.CaptureFixture[str]) -> None:
    """Each of our requests meets a reply to somebody else's."""
    with stand_in(lambda pdu: struct.pack(">BB3H", 3, 6, 1, 2, 3)) as port:
        assert predict.main([port, "1", "1", "--timeout", "0.05"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(
        f"error: no answer from address 1 on {port} in time, but frames that are not for us"
    )
    assert "another master on the line" in err
    assert "wiring" not in err


# ----------------------------------------------------------------------------------------------------------- settings


def test_the_write_that_finds_the_bus_lost_is_answered_with_the_lamp_after_it(sim: Sim, node: Node) -> None:
    """A read does not end it here; the lamp is lit for safety, and (0, 0) puts it out."""
    deploy_to(node, encode(AND))
    now = read_settings(node)
    save_settings(node, replace(now, watchdog=1, watchdog_for=WatchdogFor.WRITE, safe=Safe.ON))
    node.wait_idle()
    for row, lit in (((0, 0), False), ((1, 1), True)):
        while not sum(node.read(Table.DISCRETE, BY_NAME["BUS_LOST"].address, 1)):
            pass
        assert node.read(Table.DISCRETE, BY_NAME["LED"].address, 1) == [1]
        assert node.evaluate_float(row, 1).led.tolist() == [lit]


def test_settings_that_somebody_has_not_saved_are_shown_and_not_saved_with_ours(
    sim: Sim, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_node(sim.port, timeout=ANSWER) as node:
        node.write_values(ADDRESS=9, BAUD=9600, FORMAT=99, GAP=0)
    assert settings.main([sim.port, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "address": 1,
        "baud": 19200,
        "line_format": "8E1",
        "gap": "standard",
        "watchdog": 0.0,
        "watchdog_for": "frame",
        "safe": "off",
        "debounce": 0,
        "group": 0,
        "lock": 0,
        "broadcasts": False,
        "unsaved": {"ADDRESS": 9, "BAUD": 9600, "FORMAT": 99},
    }
    kept = said
    assert settings.main([sim.port]) == 0
    out, err = capsys.readouterr()
    assert out == (
        "address 1, 19200 baud 8E1, gap standard; watchdog off; debounce 0 ms; "
        "commands by broadcast are refused\n"
    )
    assert err.startswith(
        "warning: written by a master, but not saved and not in force: ADDRESS 9, BAUD 9600, FORMAT 99;"
    )
    assert settings.main([sim.port, "--new-gap", "true", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {**kept, "gap": "true", "unsaved": {}}
    assert settings.main([sim.port, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == said


def test_new_settings_whose_answer_is_lost_are_found(
    sim: Sim, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = Node.command

    def unheard(node: Node, code: Command, *more: Any) -> None:
        command(node, code, *more)
        raise NoAnswer("no answer")

    monkeypatch.setattr(Node, "command", unheard)
    assert settings.main([sim.port, "--new-address", "7", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["address"] == 7


def test_new_settings_that_the_node_did_not_take_are_told_from_wiring(
    sim: Sim, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Node, "command", lambda *args: None)
    assert settings.main([sim.port, "--new-address", "7", "--timeout", "0.2"]) == 2
    err = capsys.readouterr().err
    assert err == "error: the node did not take the new settings; it still has the old ones\n"


def test_a_commit_that_waits_for_the_supply_says_so(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.node.client.BUSY_SECONDS", 0.0)
    waiting = replace(node.identity(), state=State.COMMITTING, reason=Reason.SUPPLY)
    monkeypatch.setattr(Node, "identity", lambda self: waiting)
    with pytest.raises(
        NodeError, match=r"still committing, as the supply is below 2\.9 V.* \(SUPPLY\): wait"
    ):
        node.wait_idle()
