"""The settings beyond the line: the watchdog's and the debounce, kept and refused as the line's are; and what firmware
kept that did not know of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from host.core.wire import BY_NAME, Command, Format, Reason, Table
from tests.memory_node import SECTOR_SIZE, MemoryNode
from tests.pdus import command_pdu

VALUE, FAILURE = 3, 4
SETTINGS, WORDS = BY_NAME["ADDRESS"].address, BY_NAME["DEBOUNCE"].end - BY_NAME["ADDRESS"].address
WATCHED = BY_NAME["WATCHDOG_IN_FORCE"].address
SETTINGS_AT = 2 * SECTOR_SIZE
OLD_FORM = (
    "2d5e3450d2a1cbaf4e3452350200000001000000080000008c3d0406a539345d00c20100110301003ca5c35a3ca5c35a3ca5c35a"
)
"""A sector as firmware before the watchdog left it: mark, header, 8 bytes of settings, verdict. Address 17, 115200
8N2, gap of true characters."""


@pytest.fixture
def node() -> Iterator[MemoryNode]:
    with MemoryNode() as running:
        yield running


def in_force(node: MemoryNode) -> list[int]:
    """In the order in which they are written."""
    words = node.read(Table.INPUT, WATCHED, WORDS)
    beyond = WORDS - 5
    return words[beyond:] + words[:beyond]


def save(node: MemoryNode, words: list[int]) -> None:
    node.write(SETTINGS, words)
    node.command(Command.SAVE_SETTINGS)
    node.work()


def test_they_are_kept_beside_the_line_s(node: MemoryNode) -> None:
    assert in_force(node) == node.read(Table.HOLDING, SETTINGS, WORDS) == [1, 0, 19200, 0, 0, 0, 0, 0, 0]
    wished = [1, 0, 19200, 0, 0, 0xFFFF, 1, 3, 1000]
    node.write(SETTINGS, wished)
    assert in_force(node)[5:] == [0, 0, 0, 0], "not before they are saved"
    node.command(Command.SAVE_SETTINGS)
    node.work()
    assert in_force(node) == wished
    node.power_cycle()
    assert in_force(node) == node.read(Table.HOLDING, SETTINGS, WORDS) == wished


def test_a_master_that_knows_of_the_line_only_leaves_them(node: MemoryNode) -> None:
    save(node, [1, 0, 19200, 0, 0, 50, 1, 2, 20])
    save(node, [1, 0, 9600, 0, 0])
    assert in_force(node) == [1, 0, 9600, 0, 0, 50, 1, 2, 20]


def test_wrong_ones_are_refused_whole(node: MemoryNode) -> None:
    good = [1, 0, 19200, 0, 0, 50, 1, 2, 20]
    save(node, good)
    for place, values in {6: (2, 256), 7: (4, 256), 8: (1001, 0xFFFF)}.items():
        for value in values:
            node.write(SETTINGS, [*[1, 0, 9600, 0, 0, 0, 0, 0, 0][:place], value])
            assert node.refusal(command_pdu(Command.SAVE_SETTINGS)) == FAILURE
            assert node.get("REASON") == Reason.SETTINGS
            assert in_force(node) == good
            node.write(SETTINGS, good)


def test_what_older_firmware_kept_stays_in_force(node: MemoryNode) -> None:
    old = bytes.fromhex(OLD_FORM).ljust(2 * SECTOR_SIZE, b"\xff")
    mark = old[:8]
    old = old[:SECTOR_SIZE] + mark + old[SECTOR_SIZE + 8 :]
    node.rot(SETTINGS_AT, bytes(a ^ b for a, b in zip(node.flash()[SETTINGS_AT:], old, strict=True)))
    node.power_cycle()
    node.address = 17
    assert (node.get("FAULTS"), node.get("REASON")) == (0, Reason.NONE)
    line = [17, 1, 115200 & 0xFFFF, Format.F8N2, 1]
    assert in_force(node) == node.read(Table.HOLDING, SETTINGS, WORDS) == [*line, 0, 0, 0, 0]
    node.work()
    before = node.flash()
    save(node, line)
    assert node.flash() == before, "they are kept already"
    save(node, [*line, 600, 0, 1, 5])
    node.power_cycle()
    assert in_force(node) == [*line, 600, 0, 1, 5]
    assert node.get("FAULTS") == 0
