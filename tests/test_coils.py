"""host.deploy lets a latched decision go, gives the inputs to the bus and back, and says what holds the lamp."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from host import deploy
from host.core.decide import Decision
from host.core.image import encode
from host.core.modbus import DEVICE_FAILURE, write_registers_pdu
from host.core.wire import BY_NAME, Command, Safe, WatchdogFor
from host.errors import EXIT_FAILURE
from tests.e2e.scenario import AND
from tests.e2e.stand_in import stand_in
from tests.memory_node import MemoryNode
from tests.patience import ANSWER
from tests.test_image_senses import SENSING

LATCHED = encode(replace(AND, decision=Decision(latch=True)))
PATIENT = ("--timeout", str(ANSWER))


@pytest.fixture
def port(node: MemoryNode) -> Iterator[str]:
    with stand_in(node.answer) as port:
        yield port


def light(node: MemoryNode, lit: bool) -> None:
    node.write(BY_NAME["INPUTS_FLOAT"].address, [0x3F80 * lit, 0] * 2)


def test_a_latched_decision_is_let_go_when_what_set_it_is_over(
    node: MemoryNode, port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    node.deploy(LATCHED)
    light(node, True)
    assert deploy.main([port, "--acknowledge", *PATIENT]) == EXIT_FAILURE
    assert capsys.readouterr() == (
        "",
        "error: the decision stays latched: what set it has not ended; acknowledge it again when it has\n",
    )
    light(node, False)
    assert (node.get("LATCHED"), node.get("DECISION")) == (1, 1)
    assert deploy.main([port, *PATIENT]) == 0
    assert "\n  LATCHED: the lamp stays on until --acknowledge\n" in capsys.readouterr().out
    assert deploy.main([port, "--acknowledge", *PATIENT]) == 0
    out = capsys.readouterr().out
    assert out.startswith("the latch is let go\nnode 1 runs and: ")
    assert "LATCHED" not in out
    node.idle(1)
    assert (node.get("LATCHED"), node.get("DECISION"), node.lamp()) == (0, 0, False)
    assert deploy.main([port, "--acknowledge", "--json", *PATIENT]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["acknowledged"], said["held_by"]) == (False, [])


def test_the_bus_takes_the_inputs_and_gives_them_back(
    node: MemoryNode, port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    node.deploy(encode(SENSING))
    first = write_registers_pdu(BY_NAME["INPUTS"].address, [1])
    assert node.refusal(first) == DEVICE_FAILURE
    assert deploy.main([port, "--override", "on", *PATIENT]) == 0
    assert (
        "\n  OVERRIDE: the node leaves its channels aside until --override off\n" in capsys.readouterr().out
    )
    assert node.refusal(first) == 0
    assert deploy.main([port, "--override", "off", "--json", *PATIENT]) == 0
    assert json.loads(capsys.readouterr().out)["held_by"] == []
    assert node.refusal(first) == DEVICE_FAILURE


def test_a_lost_bus_is_shown(node: MemoryNode, port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Reading does not end it where a write is waited for."""
    node.deploy(encode(AND))
    node.write(BY_NAME["WATCHDOG"].address, [10, WatchdogFor.WRITE, Safe.OFF])
    node.command(Command.SAVE_SETTINGS)
    node.work()
    node.advance(1001)
    node.idle(1)
    assert deploy.main([port, "--json", *PATIENT]) == 0
    assert json.loads(capsys.readouterr().out)["held_by"] == ["BUS_LOST"]
