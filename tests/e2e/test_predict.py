"""What predict says when another master is at work between its requests, against the firmware in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from host import predict
from host.boards.opening import open_node
from host.core.image import encode
from host.core.modbus import WRITE_READ, frame_seal, write_coil_pdu
from host.core.wire import BY_NAME, UNITS_MAX
from host.node.client import NodeError
from tests.e2e.scenario import AND, OR
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
        reply = node.request(frame_seal(bytes([node.address]) + pdu))
        node.work()
        return reply[1:-2] or None

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


def test_inputs_that_take_two_frames_tell_of_the_coil_that_may_be_left(node: MemoryNode) -> None:
    def answer(pdu: bytes) -> bytes | None:
        reply = node.request(frame_seal(bytes([node.address]) + pdu))
        return reply[1:-2] if pdu[0] != 16 else bytes([16 | 0x80, 4])

    with (
        stand_in(answer) as port,
        open_node(port) as client,
        pytest.raises(NodeError, match="coil HOLD, number 1, may still be set: clear it"),
    ):
        client.evaluate_float(np.zeros(UNITS_MAX), 1)
    assert node.get("HOLD") == 0
