"""What a node says row by row is what our twin says; and what predict says when another master is at work between its
requests, or the node goes, against the firmware in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from host import deploy, predict
from host.boards.opening import open_node
from host.core.image import Model, encode
from host.core.infer import dequantise_inputs
from host.core.modbus import WRITE_READ, write_coil_pdu
from host.core.wire import BY_NAME, UNITS_MAX
from host.node.client import NodeError
from host.show.describe import as_dict
from tests.asked_models import FLOWERS
from tests.e2e.scenario import AND, OR, largest
from tests.e2e.stand_in import stand_in
from tests.memory_node import MemoryNode


@pytest.fixture
def node() -> Iterator[MemoryNode]:
    with MemoryNode() as made:
        made.factory()
        made.work()
        made.deploy(encode(AND))
        yield made


def said(
    node: MemoryNode, before_evaluating: Callable[[], object], capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """Status, output and messages of `predict 0 1`, when that happens right before the node evaluates."""

    def answer(pdu: bytes) -> bytes | None:
        if pdu[0] == WRITE_READ:
            before_evaluating()
        return node.answer(pdu)

    with stand_in(answer) as port:
        status = predict.main([port, "0", "1"])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_nobody_else(node: MemoryNode, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(node, lambda: None, capsys) == (0, "0   LED off\n", "")


@pytest.mark.parametrize("coil", ["HOLD", "LAMP_TEST"])
def test_a_coil_is_set_meanwhile(node: MemoryNode, capsys: pytest.CaptureFixture[str], coil: str) -> None:
    status, out, err = said(node, lambda: node.ask(write_coil_pdu(BY_NAME[coil].address, True)), capsys)
    if coil == "HOLD":
        assert (status, out) == (2, "")
        assert err.startswith("error: another master has set coil HOLD meanwhile")
    else:
        assert (status, err) == (0, f"warning: coil {coil} is set: the lamp does not follow the neuron\n")


def test_the_model_is_changed_meanwhile(node: MemoryNode, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = said(node, lambda: node.deploy(encode(OR)), capsys)
    assert (status, out) == (2, "")
    assert err == "error: another master has changed the node's model meanwhile: ask again\n"


# --------------------------------------------------------------------------------------------------------- many rows


@dataclass
class Line:
    """The way to a node. evaluated: how many rows it has answered; before: what happens before it hears of that row,
    counted from 0; spoil: what becomes of the reply to that row."""

    node: MemoryNode
    before: dict[int, Callable[[], object]] = field(default_factory=dict)
    spoil: dict[int, Callable[[bytes], bytes | None]] = field(default_factory=dict)
    evaluated: int = 0
    trips: int = 0

    def answer(self, pdu: bytes) -> bytes | None:
        self.trips += 1
        row = self.evaluated
        if pdu[0] == WRITE_READ:
            self.before.pop(row, lambda: None)()
            self.evaluated += 1
        reply = self.node.answer(pdu)
        if pdu[0] == WRITE_READ and row in self.spoil:
            return self.spoil[row](reply or b"")
        return reply


def rows_of(model: Model, count: int) -> list[list[float]]:
    """Inputs within and beyond what the model was made for."""
    rng = np.random.default_rng(485)
    low, high = dequantise_inputs(model, np.array([model.input_low, model.input_high], np.int16)).astype(
        float
    )
    return (low + (high - low) * rng.uniform(-0.1, 1.1, (count, model.inputs))).tolist()


def file_of(model: Model, x: list[list[float]], folder: Path) -> str:
    names = model.names.inputs or [f"x{i}" for i in range(model.inputs)]
    file = folder / "rows.csv"
    lines = [",".join(names), *(",".join(map(repr, row)) for row in x)]
    file.write_text("\n".join(lines) + "\n")
    return str(file)


@pytest.mark.parametrize("model", [AND, FLOWERS, largest()], ids=["and", "flowers", "largest"])
def test_the_node_says_what_this_computer_says(
    node: MemoryNode, model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node.deploy(encode(model))
    image, file = tmp_path / "it.img", file_of(model, rows_of(model, 40), tmp_path)
    image.write_bytes(encode(model))
    line, said = Line(node), []
    with stand_in(line.answer) as port:
        for source in (port, str(image)):
            assert predict.main([source, "--data", file, "--save", "-"]) == 0
            said.append(capsys.readouterr())
    assert said[0] == said[1]
    assert line.evaluated == 40
    assert len(said[0].out.splitlines()) == 41


def test_a_row_costs_one_round_trip(
    node: MemoryNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node.deploy(encode(FLOWERS))
    trips = []
    for count in (1, 101):
        line = Line(node)
        with stand_in(line.answer) as port:
            assert predict.main([port, "--data", file_of(FLOWERS, rows_of(FLOWERS, count), tmp_path)]) == 0
        trips.append(line.trips)
    assert trips[1] - trips[0] == 100


def by_name(line: Line, *argv: str) -> int:
    with stand_in(line.answer) as port:
        return predict.main([port, *argv])


def test_a_row_by_name(node: MemoryNode, capsys: pytest.CaptureFixture[str]) -> None:
    node.deploy(encode(FLOWERS))
    assert by_name(Line(node), "colour=blue", "width=9.25", "heat=291.125") == 0
    assert capsys.readouterr() == ("-33.875 52.4375 -6.0625   iris   LED on\n", "")
    assert by_name(Line(node), "300", "1", "1", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["class"] == "rose"


def interrupted_rows(
    line: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, list[str]]:
    """Status and messages of ten rows of AND into a file, which stays as it was unless all are well."""
    saved = tmp_path / "said.csv"
    saved.write_text("mine")
    file = file_of(AND, [[i % 2, i // 2 % 2] for i in range(10)], tmp_path)
    with stand_in(line.answer) as port:
        status = predict.main([port, "--data", file, "--save", str(saved), *more])
    assert (saved.read_text() == "mine") is (status != 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv", "said.csv"]
    said = capsys.readouterr().err.replace(f"{file}, ", "").splitlines()
    return status, [text for text in said if not text.startswith("note: ")]


def test_a_model_that_another_master_changes_amid(
    node: MemoryNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = Line(node, {4: lambda: node.deploy(encode(OR))})
    why = "another master has changed the node's model meanwhile: ask again"
    assert interrupted_rows(line, tmp_path, capsys) == (2, [f"error: row 6: {why}"])


@pytest.mark.parametrize("coil", ["HOLD", "LAMP_TEST"])
def test_a_coil_that_another_master_sets_amid(
    node: MemoryNode, coil: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = Line(node, {4: lambda: node.ask(write_coil_pdu(BY_NAME[coil].address, True))})
    why = "another master has set coil HOLD meanwhile: the outputs are older than the inputs"
    assert (
        interrupted_rows(line, tmp_path, capsys)
        == {
            "HOLD": (2, [f"error: row 6: {why}"]),
            "LAMP_TEST": (0, ["warning: coil LAMP_TEST is set: the lamp does not follow the neuron"]),
        }[coil]
    )


def test_inputs_that_another_master_writes_behind_ours(
    node: MemoryNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def later(reply: bytes) -> bytes:
        node.write(BY_NAME["INPUTS"].address, [5, 5])
        return reply

    assert interrupted_rows(Line(node, spoil={9: later}), tmp_path, capsys) == (
        0,
        ["warning: the node's inputs have changed again: another master writes them"],
    )


def test_a_reply_that_comes_twice_is_not_the_answer_to_the_next_row(
    node: MemoryNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row 5 is answered by what row 4, of other outputs, was answered."""
    held: list[bytes] = []

    def keep(reply: bytes) -> bytes:
        held.append(reply)
        return reply

    line = Line(node, spoil={3: keep, 4: lambda reply: held[0]})
    assert interrupted_rows(line, tmp_path, capsys) == (0, [])
    assert line.evaluated == 11


LIES = {"outputs": (-1, 2), "class": (-5, 1), "lamp": (-3, 1), "out of range": (-4, 4)}
"""The byte of a reply with one output, and the bits that are false there."""


@pytest.mark.parametrize("lie", LIES)
def test_a_node_that_computes_something_else(
    node: MemoryNode, lie: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(reply: bytes) -> bytes:
        place, mask = LIES[lie]
        return bytes(byte ^ mask * (i == len(reply) + place) for i, byte in enumerate(reply))

    once = Line(node, spoil={4: wrong})
    assert interrupted_rows(once, tmp_path, capsys) == (0, [])
    status, err = interrupted_rows(Line(node, spoil={4: wrong, 5: wrong}), tmp_path, capsys)
    says = {
        "outputs": "[2], class 0, lamp dark",
        "class": "[0], class 1, lamp dark",
        "lamp": "[0], class 0, lamp lit",
        "out of range": "[0], class 0, out of range, lamp dark",
    }
    assert (status, err) == (
        2,
        [
            f"error: row 6: the node says {says[lie]}, expected [0], class 0, lamp dark: is another master at work, or "
            "its firmware of another version?"
        ],
    )


def test_a_node_that_is_lost_amid(
    node: MemoryNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = Line(node, spoil=dict.fromkeys(range(4, 20), lambda reply: None))
    status, err = interrupted_rows(line, tmp_path, capsys, "--timeout", "0.05")
    assert (status, len(err)) == (2, 1)
    assert err[0].startswith("error: row 6: no answer from address 1 on ")


def test_what_runs_on_a_node_is_described(node: MemoryNode, capsys: pytest.CaptureFixture[str]) -> None:
    node.deploy(encode(FLOWERS))
    with stand_in(Line(node).answer) as port:
        assert deploy.main([port, "--describe", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == as_dict(encode(FLOWERS))


# ------------------------------------------------------------------------------------------------------------ the line


def test_inputs_that_take_two_frames_tell_of_the_coil_that_may_be_left(node: MemoryNode) -> None:
    def answer(pdu: bytes) -> bytes | None:
        return node.answer(pdu) if pdu[0] != 16 else bytes([16 | 0x80, 4])

    with (
        stand_in(answer) as port,
        open_node(port) as client,
        pytest.raises(NodeError, match="coil HOLD, number 1, may still be set: clear it"),
    ):
        client.evaluate_float(np.zeros(UNITS_MAX), 1)
    assert node.get("HOLD") == 0
