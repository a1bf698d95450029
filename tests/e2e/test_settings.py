"""Address and baud rate that are kept, and the three coils: lamp test, hold, identify."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest

from host.boards.opening import open_node
from host.core.image import encode
from host.core.wire import BY_NAME, DEFAULT_BAUD, DEFAULT_FORMAT, Command, Format, Table
from host.node.client import NoAnswer
from host.node.node import Node
from host.node.staging import deploy
from tests.conftest import Target
from tests.e2e.scenario import AND, LIT, OR, ask_together, lamp_bit, restart, walk
from tests.patience import PATIENCE, growing


def settings(address: int, baud: int, line_format: Format = DEFAULT_FORMAT) -> list[int]:
    """The registers of ADDRESS, BAUD, FORMAT and GAP."""
    return [address, baud >> 16, baud & 0xFFFF, line_format, 0]


def save(node: Node, words: Sequence[int]) -> None:
    node.write(BY_NAME["ADDRESS"].address, words)
    # The answer travels the old way; should it be lost, the node has changed and does not answer again.
    with suppress(NoAnswer):
        node.command(Command.SAVE_SETTINGS, "keep the settings")


@contextmanager
def reopened(target: Target, address: int, baud: int, line_format: Format = DEFAULT_FORMAT) -> Iterator[Node]:
    """The node as it listens now; keeping the settings takes it a moment."""
    for seconds in growing():
        with (
            suppress(NoAnswer),
            open_node(
                target.port, address=address, baud=baud, line_format=line_format, timeout=seconds
            ) as node,
        ):
            node.wait_idle()
            break
    with open_node(target.port, address=address, baud=baud, line_format=line_format) as node:
        yield node


@pytest.mark.parametrize(
    ("address", "baud", "line_format"),
    [
        (17, DEFAULT_BAUD, DEFAULT_FORMAT),
        (1, 115200, DEFAULT_FORMAT),
        (247, 9600, Format.F8N2),
        (2, 230400, Format.F8N1),
    ],
)
def test_settings_are_kept_over_a_restart(
    target: Target, address: int, baud: int, line_format: Format
) -> None:
    words = settings(address, baud, line_format)
    with open_node(target.port) as node:
        deploy(node, encode(AND))
        save(node, words)
    try:
        with reopened(target, address, baud, line_format) as node:
            assert node.read(Table.HOLDING, BY_NAME["ADDRESS"].address, 5) == words
            assert node.read(Table.INPUT, BY_NAME["ADDRESS_IN_FORCE"].address, 5) == words
            assert walk(target, node, AND) == LIT["and"]
            restart(node)
            assert node.read(Table.HOLDING, BY_NAME["ADDRESS"].address, 5) == words
            deploy(node, encode(OR))
            assert walk(target, node, OR) == LIT["or"]
    finally:
        with reopened(target, address, baud, line_format) as node:
            save(node, settings(1, DEFAULT_BAUD))
    with reopened(target, 1, DEFAULT_BAUD) as node:
        assert node.identity().name == "or"


def test_settings_that_are_not_saved_do_nothing(target: Target, node: Node) -> None:
    node.write(BY_NAME["ADDRESS"].address, settings(99, 9600))
    assert node.identity().reason.name == "NONE"
    assert node.read(Table.INPUT, BY_NAME["ADDRESS_IN_FORCE"].address, 5) == settings(1, DEFAULT_BAUD)
    restart(node)
    assert node.read(Table.HOLDING, BY_NAME["ADDRESS"].address, 5) == settings(1, DEFAULT_BAUD)


def test_lamp_test_lights_the_lamp_whatever_the_neuron_says(target: Target, node: Node) -> None:
    deploy(node, encode(AND))
    coil = BY_NAME["LAMP_TEST"].address
    assert ask_together(node, AND, (0, 1)) == ([0.0], False)
    node.write_coil(coil, True)
    assert lamp_bit(node)
    assert target.shows(True)
    assert node.read(Table.DISCRETE, BY_NAME["DECISION"].address, 1) == [0]
    assert node.read(Table.COIL, coil, 1) == [1]
    node.write_coil(coil, False)
    assert not lamp_bit(node)
    assert target.shows(False)


def test_hold_keeps_outputs_and_lamp_until_it_is_released(target: Target, node: Node) -> None:
    deploy(node, encode(AND))
    coil = BY_NAME["HOLD"].address
    assert ask_together(node, AND, (1, 1)) == ([1.0], True)
    node.write_coil(coil, True)
    assert ask_together(node, AND, (0, 0)) == ([1.0], True)
    assert target.shows(True)
    node.write_coil(coil, False)
    assert not lamp_bit(node)
    assert target.shows(False)


def test_identify_blinks(target: Target, node: Node) -> None:
    deploy(node, encode(AND))
    assert ask_together(node, AND, (0, 0)) == ([0.0], False)
    coil = BY_NAME["IDENTIFY"].address
    node.write_coil(coil, True)
    for lit in (True, False, True, False):
        assert target.shows(lit)
        deadline = time.monotonic() + PATIENCE
        while lamp_bit(node) != lit:
            assert time.monotonic() < deadline
    node.write_coil(coil, False)
    assert not lamp_bit(node)
    assert target.shows(False)
