"""A deploy over a bad line: each fault at each frame ends in success by retry, or in one clear line with the old model
still running; afterwards a deploy over the mended line works."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from host.boards.opening import open_node
from host.boards.simulated import simulate
from host.core.image import Model, encode
from host.core.wire import BY_NAME, Command
from host.node.client import NoAnswer, NodeError
from host.node.node import Node
from host.node.staging import deploy, rollback
from tests.e2e.bad_line import BadLine, Fault, bad_line
from tests.e2e.scenario import ask_together, crc_of, neuron, running
from tests.patience import ANSWER, growing

QUICK = 0.06
"""Seconds that the host waits for a reply, at first: where the machine was too slow for that, it waits longer."""

OLD = neuron("old", (1, 1), -0.5)
NEW = neuron("new", (1, 1), -1.5)

INSTALL = struct.pack(">HHBH", BY_NAME["COMMAND"].address, 5, 10, Command.INSTALL)
"""Where the frame that tells the node to commit says so; functions 16 and 23 alike."""

TCP_TOO = [Fault.REQUEST_REPEATED, Fault.REPLY_REPEATED_LATE, Fault.REPLY_LATE, Fault.BEHIND, Fault.ALL_LOST]
"""A TCP port is another way in, with buffers of its own: what may leave something in them is tried there too."""


@pytest.fixture(autouse=True)
def _no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """This line delivers nothing while the host waits."""
    monkeypatch.setattr("host.node.client.SETTLE_SECONDS", 0.0)


@pytest.fixture(scope="module")
def pty_line() -> Iterator[BadLine]:
    with simulate() as sim, bad_line(sim.port) as line:
        yield line


@pytest.fixture(scope="module")
def tcp_line() -> Iterator[BadLine]:
    with simulate() as sim, bad_line(sim.port, tcp=True) as line:
        yield line


def run(line: BadLine) -> Model:
    """The model that runs, bit for bit, and computes what it should; one of OLD and NEW. The line is mended."""
    line.arm(None, 0)
    for seconds in growing(QUICK):
        # The first question may come together with what has waited, and be lost.
        with suppress(NoAnswer), open_node(line.port, timeout=seconds) as node:
            image = running(node)
            model = OLD if image == encode(OLD) else NEW
            assert image == encode(model)
            assert ask_together(node, model, (0, 1)) == (([1.0], True) if model is OLD else ([0.0], False))
            assert ask_together(node, model, (1, 1)) == ([1.0], True)
            return model
        time.sleep(seconds)  # a slow machine still delivers answers that the host no longer waits for
    raise AssertionError("the line is mended and the node does not answer")


def deploy_over(line: BadLine, model: Model, timeout: float = ANSWER) -> NodeError | None:
    """Deploy; what it ended in."""
    try:
        with open_node(line.port, timeout=timeout) as node:
            assert deploy(node, encode(model)).crc == crc_of(model)
    except NodeError as error:
        return error
    return None


def attempt(
    line: BadLine, before: Model, fault: Fault, k: int, timeout: float
) -> tuple[NodeError | None, Model]:
    """Deploy, with the fault, the model that does not run: what it ended in, and what runs, known to be sound."""
    after = NEW if before is OLD else OLD
    line.arm(fault, k)
    outcome = deploy_over(line, after, timeout)
    told_to_commit = any(INSTALL in frame for frame in line.delivered)
    now = run(line)
    if outcome is None:
        assert now is after
        return None, now
    assert "\n" not in str(outcome)
    assert now is before or told_to_commit
    assert deploy_over(line, after) is None
    return outcome, after


def at_every_frame(line: BadLine, fault: Fault) -> None:
    deploy_over(line, OLD)
    line.arm(None, 0)
    deploy_over(line, NEW)
    now = NEW
    for k in range(len(line.requests)):
        for seconds in growing(QUICK, ANSWER):
            outcome, now = attempt(line, now, fault, k, seconds)
            if fault in (Fault.ALL_LOST, Fault.BEHIND) or not isinstance(outcome, NoAnswer):
                break
        where = f"{fault.value}, frame {k}: {outcome}"
        if fault in (Fault.ALL_LOST, Fault.BEHIND):
            assert isinstance(outcome, NoAnswer), where
            assert "no answer from address 1" in str(outcome)
            continue
        assert outcome is None, where
    assert run(line) is now


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
def test_a_fault_at_every_frame_of_a_deploy(pty_line: BadLine, fault: Fault) -> None:
    at_every_frame(pty_line, fault)


@pytest.mark.parametrize("fault", TCP_TOO, ids=lambda fault: fault.value)
def test_a_fault_at_every_frame_of_a_deploy_over_tcp(tcp_line: BadLine, fault: Fault) -> None:
    at_every_frame(tcp_line, fault)


@pytest.mark.parametrize("back", [False, True], ids=["commit", "rollback"])
def test_a_commit_that_was_lost_behind_another_answer_is_given_again(
    pty_line: BadLine, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    """The late answer to another command looks like its own: the host believes that it was heard."""
    deploy_over(pty_line, OLD)
    if back:
        deploy_over(pty_line, NEW)
    command, unheard = Node.command, []

    def deaf(node: Node, code: Command, *what: Any, inputs: int = 0, **more: Any) -> list[int]:
        if code in (Command.INSTALL, Command.ROLLBACK) and not unheard:
            unheard.append(code)
            return node.read_inputs(inputs) if inputs else []
        return command(node, code, *what, inputs=inputs, **more)

    monkeypatch.setattr(Node, "command", deaf)
    with open_node(pty_line.port, timeout=ANSWER) as node:
        if back:
            assert rollback(node).model_crc == crc_of(OLD)
        else:
            assert deploy(node, encode(NEW)).crc == crc_of(NEW)
    assert unheard == [Command.ROLLBACK if back else Command.INSTALL]
