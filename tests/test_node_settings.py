"""The settings beyond the line: the watchdog's, the debounce, and who may change the node, kept and refused as the
line's are; and what firmware kept that did not know of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from host.core.modbus import write_registers_pdu
from host.core.wire import BY_NAME, Command, Format, Reason, Table
from tests.memory_node import SECTOR_SIZE, MemoryNode
from tests.pdus import command_pdu

VALUE, FAILURE = 3, 4
SETTINGS, WORDS = BY_NAME["ADDRESS"].address, BY_NAME["BROADCASTS"].end - BY_NAME["ADDRESS"].address
IN_FORCE = [BY_NAME[f"{name}_IN_FORCE"].address for name in ("ADDRESS", "WATCHDOG", "GROUP")]
COUNTS = [5, 4, 3]
SETTINGS_AT = 2 * SECTOR_SIZE
OLD_FORM = (
    "2d5e3450d2a1cbaf4e3452350200000001000000080000008c3d0406a539345d00c20100110301003ca5c35a3ca5c35a3ca5c35a"
)
"""A sector as firmware before the watchdog left it: mark, header, 8 bytes of settings, verdict. Address 17, 115200
8N2, gap of true characters."""
OLDER_FORM = (
    "2d5e3450d2a1cbaf4e3452350200000001000000100000005e9b445848de654500c20100110301003200140001020000"
    "3ca5c35a3ca5c35a3ca5c35a"
)
"""As firmware before groups left it, with 16 bytes: and a watchdog of 5 s for writes, hold, 20 ms."""
LATER_FORM = (
    "2d5e3450d2a1cbaf4e3452350200000001000000180000002bd0eb54008b91c100c20100110301003200140001020000"
    "00000000000000003ca5c35a3ca5c35a3ca5c35a"
)
"""The same with 8 bytes more."""


@pytest.fixture
def node() -> Iterator[MemoryNode]:
    with MemoryNode() as running:
        yield running


def in_force(node: MemoryNode) -> list[int]:
    """In the order in which they are written."""
    spans = zip(IN_FORCE, COUNTS, strict=True)
    return [word for start, count in spans for word in node.read(Table.INPUT, start, count)]


def save(node: MemoryNode, words: list[int]) -> None:
    node.write(SETTINGS, words)
    node.command(Command.SAVE_SETTINGS)
    node.work()


def test_they_are_kept_beside_the_line_s(node: MemoryNode) -> None:
    assert in_force(node) == node.read(Table.HOLDING, SETTINGS, WORDS) == [1, 0, 19200, *[0] * 9]
    wished = [1, 0, 19200, 0, 0, 0xFFFF, 1, 3, 1000, 0xFFFF, 0xFFFE, 1]
    node.write(SETTINGS, wished)
    assert in_force(node)[5:] == [0] * 7, "not before they are saved"
    node.command(Command.SAVE_SETTINGS)
    node.work()
    assert in_force(node) == wished
    node.power_cycle()
    assert in_force(node) == node.read(Table.HOLDING, SETTINGS, WORDS) == wished


def test_a_master_that_knows_of_the_line_only_leaves_them(node: MemoryNode) -> None:
    save(node, [1, 0, 19200, 0, 0, 50, 1, 2, 20, 3, 0, 1])
    save(node, [1, 0, 9600, 0, 0])
    assert in_force(node) == [1, 0, 9600, 0, 0, 50, 1, 2, 20, 3, 0, 1]


def test_wrong_ones_are_refused_whole(node: MemoryNode) -> None:
    good = [1, 0, 19200, 0, 0, 50, 1, 2, 20, 3, 0, 1]
    save(node, good)
    for place, values in {6: (2, 256), 7: (4, 256), 8: (1001, 0xFFFF), 11: (2, 256)}.items():
        for value in values:
            node.write(SETTINGS, [*[1, 0, 9600, *[0] * 9][:place], value])
            assert node.refusal(command_pdu(Command.SAVE_SETTINGS)) == FAILURE
            assert node.get("REASON") == Reason.SETTINGS
            assert in_force(node) == good
            node.write(SETTINGS, good)


def keep(node: MemoryNode, form: str) -> None:
    """The settings' sectors are as older firmware left them."""
    old = bytes.fromhex(form).ljust(2 * SECTOR_SIZE, b"\xff")
    mark = old[:8]
    old = old[:SECTOR_SIZE] + mark + old[SECTOR_SIZE + 8 :]
    node.rot(SETTINGS_AT, bytes(a ^ b for a, b in zip(node.flash()[SETTINGS_AT:], old, strict=False)))
    node.power_cycle()
    node.address = 17


@pytest.mark.parametrize(("form", "beyond"), [(OLD_FORM, [0, 0, 0, 0]), (OLDER_FORM, [50, 1, 2, 20])])
def test_what_older_firmware_kept_stays_in_force(node: MemoryNode, form: str, beyond: list[int]) -> None:
    keep(node, form)
    assert (node.get("FAULTS"), node.get("REASON")) == (0, Reason.NONE)
    kept = [17, 1, 115200 & 0xFFFF, Format.F8N2, 1, *beyond, 0, 0, 0]
    assert in_force(node) == node.read(Table.HOLDING, SETTINGS, WORDS) == kept
    node.work()
    before = node.flash()
    save(node, kept)
    assert node.flash() == before, "they are kept already"
    wished = [*kept[:5], 600, 0, 1, 5, 9, 0, 1]
    save(node, wished)
    node.power_cycle()
    assert in_force(node) == wished
    assert node.get("FAULTS") == 0


def test_a_length_that_no_firmware_kept_is_damage(node: MemoryNode) -> None:
    """What a later one may keep: the defaults are in force, and FAULTS says so."""
    keep(node, LATER_FORM)
    node.address = 1
    assert in_force(node) == [1, 0, 19200, *[0] * 9]
    assert node.get("REASON") == Reason.ROTTEN_SETTINGS


# ------------------------------------------------------------------------------------------------- the lock

LOCKED = [1, 0, 19200, 0, 0, 0, 0, 0, 0, 0, 30, 0]


def test_the_lock_closes_some_seconds_after_power_on(node: MemoryNode) -> None:
    save(node, LOCKED)
    assert node.refusal(command_pdu(99)) == VALUE, "still open"
    node.advance(30_000)
    node.work()
    for attempt in (
        command_pdu(Command.SAVE_SETTINGS),
        command_pdu(Command.STOP),
        write_registers_pdu(SETTINGS, [2]),
    ):
        assert node.refusal(attempt) == FAILURE
        assert node.get("REASON") == Reason.LOCKED
    node.write(BY_NAME["INPUTS"].address, [1])
    node.write(BY_NAME["STAGE"].address, [1])
    node.power_cycle()
    save(node, [*LOCKED[:10], 0, 0])
    node.advance(60_000)
    node.work()
    node.command(Command.STOP)


def test_broadcasts_are_heard_where_the_settings_say_so(node: MemoryNode) -> None:
    inputs, stage = BY_NAME["INPUTS"].address, BY_NAME["STAGE"].address
    wishes = {SETTINGS: [9], BY_NAME["COMMAND"].address: [Command.NONE, 0, 44], stage: [0x1234]}
    before = {address: node.read(Table.HOLDING, address, len(words)) for address, words in wishes.items()}
    for address, words in wishes.items():
        node.command(Command.NONE)
        assert node.broadcast(write_registers_pdu(address, words)) == b""
        assert node.read(Table.HOLDING, address, len(words)) == before[address]
        assert node.get("REASON") == Reason.BROADCAST
    node.broadcast(write_registers_pdu(inputs, [7]))
    assert node.read(Table.HOLDING, inputs, 1) == [7], "inputs are no settings"
    save(node, [1, 0, 19200, *[0] * 8, 1])
    for address, words in wishes.items():
        node.broadcast(write_registers_pdu(address, words))
        assert node.read(Table.HOLDING, address, len(words)) == words
