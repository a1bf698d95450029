"""Who answers, and when: addresses, silence, broadcast, damaged frames, and the functions about the line itself.

After "MODBUS over Serial Line V1.02", and functions 8, 17 and 43/14 of "MODBUS Application Protocol V1.1b3".
"""

from __future__ import annotations

import struct

import pytest

from host.core import wire
from host.core.modbus import frame_seal, frame_valid, write_registers_pdu
from host.core.wire import BY_NAME, Command, Table
from tests.memory_node import MemoryNode
from tests.pdus import command_pdu

FUNCTION, ADDRESS, VALUE = 1, 2, 3
STAGE = BY_NAME["STAGE"].address
READ_ONE = struct.pack(">BHH", 3, 0, 1)
COUNTERS = ["messages", "errors", "exceptions", "served", "unanswered", "naks", "busies", "overruns"]
"""Sub-functions 11 to 18 of function 8."""


def diagnostic(function: int, data: int = 0) -> bytes:
    return struct.pack(">BHH", 8, function, data)


def counter(node: MemoryNode, name: str) -> int:
    reply = node.ask(diagnostic(11 + COUNTERS.index(name)))
    assert reply[:3] == diagnostic(11 + COUNTERS.index(name))[:3]
    return int.from_bytes(reply[3:], "big")


def counters(node: MemoryNode) -> dict[str, int]:
    return {name: counter(node, name) for name in COUNTERS}


# --------------------------------------------------------------------------------------------------- who may answer


def test_only_its_own_address_is_answered(node: MemoryNode) -> None:
    for address in range(256):
        reply = node.request(frame_seal(bytes([address]) + READ_ONE))
        assert bool(reply) == (address == 1), address


def test_another_nodes_write_changes_nothing(node: MemoryNode) -> None:
    for address in (2, 247, 248, 255):
        node.request(frame_seal(bytes([address]) + write_registers_pdu(STAGE, [0xABCD])))
    assert node.read(Table.HOLDING, STAGE) == [0]


@pytest.mark.parametrize("function", [5, 6, 15, 16, 22])
def test_broadcast_acts_and_is_silent(node: MemoryNode, function: int) -> None:
    inputs = BY_NAME["INPUTS"].address
    requests = {
        5: struct.pack(">BHH", 5, 1, 0xFF00),
        6: struct.pack(">BHH", 6, inputs, 0x1234),
        15: struct.pack(">BHHBB", 15, 1, 1, 1, 1),
        16: write_registers_pdu(inputs, [0x1234]),
        22: struct.pack(">BHHH", 22, inputs, 0, 0x1234),
    }
    assert node.broadcast(requests[function]) == b""
    if function in (5, 15):
        assert node.read(Table.COIL, 1) == [1]
    else:
        assert node.read(Table.HOLDING, inputs) == [0x1234]


def test_broadcast_of_anything_else_is_silent_and_idle(node: MemoryNode) -> None:
    before = counters(node)
    silent = [struct.pack(">BHH", function, 0, 1) for function in (1, 2, 3, 4)]
    silent += [diagnostic(0), diagnostic(4), diagnostic(10), bytes([17]), bytes([43, 14, 1, 0]), bytes([99])]
    silent.append(struct.pack(">BHHHHBH", 23, STAGE, 1, STAGE, 1, 2, 0x1234))
    silent += [
        struct.pack(">BHH", 5, 0, 1),
        write_registers_pdu(0xFFFF, [1]),
        command_pdu(99),
    ]  # wrong ones too
    for pdu in silent:
        assert node.broadcast(pdu) == b""
    assert node.read(Table.HOLDING, STAGE) == [0]
    after = counters(node)
    assert after["unanswered"] - before["unanswered"] == len(silent)
    assert after["exceptions"] == before["exceptions"]


# ------------------------------------------------------------------------------------------------- what is no frame


def test_every_single_bit_error_is_silent(node: MemoryNode) -> None:
    frame = frame_seal(b"\1" + write_registers_pdu(STAGE, [0x5A5A]))
    for bit in range(8 * len(frame)):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        assert node.request(bytes(damaged)) == b""
    assert node.read(Table.HOLDING, STAGE) == [0]
    assert counter(node, "errors") == 8 * len(frame)


def test_frames_too_short_or_too_long_are_silent(node: MemoryNode) -> None:
    for size in (0, 1, 2, 3):
        assert node.request(frame_seal(bytes([1, 3][: max(0, size - 2)]))[:size]) == b""
    echo = bytes([1, 8, 0, 0])
    longest = frame_seal(echo + bytes(256 - 2 - len(echo)))
    assert node.request(longest) == longest
    for size in (257, 258, 300, 512, 1000):
        assert node.request(frame_seal(echo + bytes(size - 2 - len(echo)))) == b""
    assert node.request(longest) == longest


def test_a_damaged_character_spoils_its_frame_only(node: MemoryNode) -> None:
    frame = frame_seal(b"\1" + READ_ONE)
    for index in range(len(frame)):
        assert node.request(frame, damaged=index) == b""
        assert node.request(frame) != b""
    assert counter(node, "errors") == len(frame)


def test_a_frame_may_come_in_pieces_but_not_with_another(node: MemoryNode) -> None:
    frame = frame_seal(b"\1" + READ_ONE)
    node.hear(frame[:3])
    node.hear(frame[3:])
    assert node.silence() != b""
    assert node.silence() == b"", "no characters, no frame"
    assert node.request(frame + frame) == b""
    node.hear(frame[:4])
    assert node.silence() == b""
    assert node.request(frame) != b""


def test_no_work_while_a_frame_is_heard(node: MemoryNode) -> None:
    node.factory()
    node.hear(b"\1\3")
    assert node.work() == 1
    assert node.silence() == b""
    assert node.work() > 1, "a blank flash is prepared once the line is quiet"


def test_counters(node: MemoryNode) -> None:
    assert node.ask(diagnostic(10)) == diagnostic(10)
    assert counter(node, "messages") == 1
    node.request(frame_seal(b"\2" + READ_ONE))
    node.request(b"\1\3\0\0\0\1\0\0")
    node.broadcast(READ_ONE)
    assert node.refusal(bytes([99])) == FUNCTION
    node.overrun()
    assert node.silence() == b""
    now = counters(node)
    # Reading the counters adds requests, one by one.
    assert list(now.values()) == [5, 2, 1, 7, 1, 0, 0, 1], now
    assert node.ask(diagnostic(20)) == diagnostic(20)
    assert counter(node, "overruns") == 0
    assert counter(node, "errors") == 2, "only the overruns were cleared"
    node.overrun()
    node.silence()
    assert counter(node, "overruns") == 1
    node.ask(diagnostic(10))
    now = counters(node)
    assert now["errors"] == now["exceptions"] == now["overruns"] == 0


# ------------------------------------------------------------------------------------------------ functions 8, 17, 43


def test_diagnostics_echo(node: MemoryNode) -> None:
    for data in (b"\0\0", b"\xa5\x37", bytes(range(250))):
        pdu = b"\x08\0\0" + data
        assert node.ask(pdu) == pdu


def test_diagnostics_of_every_sub_function(node: MemoryNode) -> None:
    known = {0, 1, 2, 4, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20}
    for function in [*range(64), 0x0100, 0x0A00, 0xFFFF]:
        if function not in known:
            for data in (0, 1, 0xFF00):
                assert node.refusal(diagnostic(function, data)) == FUNCTION, function
    assert node.ask(diagnostic(2)) == diagnostic(2)
    for function in known - {0, 1}:
        for data in (1, 0xFF00):
            assert node.refusal(diagnostic(function, data)) == VALUE, function
        assert node.refusal(diagnostic(function) + b"\0\0") == VALUE
    for data in (1, 0x00FF, 0xFF01):
        assert node.refusal(diagnostic(1, data)) == VALUE
    for short in (b"\x08", b"\x08\0", b"\x08\0\0", b"\x08\0\0\0"):
        assert node.refusal(short) == VALUE


@pytest.mark.parametrize("data", [0x0000, 0xFF00])
def test_restart_of_communications(node: MemoryNode, data: int) -> None:
    node.refusal(bytes([99]))
    assert node.ask(diagnostic(1, data)) == diagnostic(1, data)
    assert counter(node, "exceptions") == 0


def test_listen_only(node: MemoryNode) -> None:
    assert node.ask(diagnostic(4)) == b""
    write = write_registers_pdu(STAGE, [0x1234])
    for pdu in (
        READ_ONE,
        write,
        bytes([99]),
        bytes([17]),
        bytes([43, 14, 1, 0]),
        diagnostic(0),
        diagnostic(2),
    ):
        assert node.ask(pdu) == b""
    assert node.broadcast(write) == b""
    assert node.ask(diagnostic(1, 0x1234)) == b"", "a wrong restart is not answered either"
    assert node.ask(diagnostic(1) + b"\0") == b""
    assert node.broadcast(diagnostic(1)) == b""
    assert node.ask(READ_ONE) == b""
    assert node.ask(diagnostic(1)) == b"", "the restart itself is not answered"
    assert node.read(Table.HOLDING, STAGE) == [0]
    assert node.ask(diagnostic(1)) == diagnostic(1)


def test_listen_only_ends_with_the_power(node: MemoryNode) -> None:
    node.ask(diagnostic(4))
    node.power_cycle()
    assert node.ask(READ_ONE) != b""


def test_report_server_id(node: MemoryNode) -> None:
    code = wire.PRODUCT_CODE.encode()
    reply = node.ask(bytes([17]))
    assert reply == bytes([17, len(code) + 1 + 12]) + code + b"\xff" + b"memory node\0"
    assert node.refusal(bytes([17, 0])) == VALUE


OBJECTS = [
    wire.VENDOR_NAME.encode(),
    wire.PRODUCT_CODE.encode(),
    f"V{wire.FIRMWARE_MAJOR}.{wire.FIRMWARE_MINOR}".encode(),
]


@pytest.mark.parametrize("code", [1, 2, 3])
@pytest.mark.parametrize("first", [0, 1, 2, 3, 0x7F, 0x80, 0xFF])
def test_device_identification_stream(node: MemoryNode, code: int, first: int) -> None:
    start = first if first < len(OBJECTS) else 0
    expected = bytes([43, 14, code, 0x81, 0, 0, len(OBJECTS) - start])
    for number in range(start, len(OBJECTS)):
        expected += bytes([number, len(OBJECTS[number])]) + OBJECTS[number]
    assert node.ask(bytes([43, 14, code, first])) == expected


def test_device_identification_of_one_object(node: MemoryNode) -> None:
    for number, text in enumerate(OBJECTS):
        reply = node.ask(bytes([43, 14, 4, number]))
        assert reply == bytes([43, 14, 4, 0x81, 0, 0, 1, number, len(text)]) + text
    for number in (3, 6, 0x7F, 0x80, 0xFF):
        assert node.refusal(bytes([43, 14, 4, number])) == ADDRESS


def test_device_identification_refuses(node: MemoryNode) -> None:
    for code in (0, 5, 0x80, 0xFF):
        assert node.refusal(bytes([43, 14, code, 0])) == VALUE
    for mei in (0, 13, 15, 0xFF):
        assert node.refusal(bytes([43, mei, 1, 0])) == FUNCTION
    for bad in (bytes([43, 14]), bytes([43, 14, 1]), bytes([43, 14, 1, 0, 0])):
        assert node.refusal(bad) == VALUE


# ----------------------------------------------------------------------------------------------------- line settings


def test_settings_apply_after_the_reply_and_outlive_the_power(node: MemoryNode) -> None:
    assert node.line() == (19200, wire.Format.F8E1, 2006, 1)
    address = BY_NAME["ADDRESS"].address
    for to, baud, line_format, gap, silence in (
        (247, 1_000_000, wire.Format.F8N1, wire.Gap.TRUE_CHARACTERS, 35),
        (9, 115_200, wire.Format.F8O1, wire.Gap.STANDARD, 1750),
        (1, 1200, wire.Format.F8N2, wire.Gap.STANDARD, 32084),
    ):
        node.write(address, [to, baud >> 16, baud & 0xFFFF, line_format, gap])
        node.command(Command.SAVE_SETTINGS)  # still answered by the old address
        node.work()
        node.address = to
        assert node.line()[:3] == (baud, line_format, silence)
        assert node.ask(READ_ONE) != b""
        node.power_cycle()
        assert node.line() == (baud, line_format, silence, 1)
        assert node.read(Table.HOLDING, address, 5) == [to, baud >> 16, baud & 0xFFFF, line_format, gap]


def test_wrong_settings_are_refused(node: MemoryNode) -> None:
    address, good = BY_NAME["ADDRESS"].address, [1, 0, 19200, 0, 0]
    for index, value in (
        (0, 0),
        (0, 248),
        (0, 257),
        (2, 1199),
        (1, 0xFFFF),
        (3, 4),
        (3, 256),
        (4, 2),
        (4, 256),
    ):
        values = list(good)
        values[index] = value
        node.write(address, values)
        assert node.refusal(command_pdu(Command.SAVE_SETTINGS)) == 4
        assert node.get("REASON") == wire.Reason.SETTINGS
    node.work()
    assert node.line().opened == 1


def in_force(node: MemoryNode) -> list[int]:
    return node.read(Table.INPUT, BY_NAME["ADDRESS_IN_FORCE"].address, 5)


def test_what_is_in_force_is_said_beside_what_is_wished(node: MemoryNode) -> None:
    address, now, wish = BY_NAME["ADDRESS"].address, [1, 0, 19200, 0, 0], [9, 1, 49664, 2, 1]
    assert node.read(Table.HOLDING, address, 5) == in_force(node) == now
    node.write(address, wish)
    assert (node.read(Table.HOLDING, address, 5), in_force(node)) == (wish, now)
    node.write(address + 3, [4])
    assert node.refusal(command_pdu(Command.SAVE_SETTINGS)) == 4
    assert node.read(Table.HOLDING, address, 5) == [*wish[:3], 4, 1], "a refused wish can be looked at"
    assert in_force(node) == now
    node.write(address, wish)
    node.command(Command.SAVE_SETTINGS)
    assert in_force(node) == now, "they are on their way"
    node.work()
    node.address = 9
    assert node.read(Table.HOLDING, address, 5) == in_force(node) == wish
    assert node.get("REASON") == wire.Reason.NONE


def test_a_master_saves_what_it_wrote_itself(node: MemoryNode) -> None:
    """One that writes all settings at once need not care what another has left there."""
    address = BY_NAME["ADDRESS"].address
    node.write(address, [9, 0, 1200, 3, 1])  # never saved
    words = in_force(node)
    node.write(address, [*words[:4], 1])
    node.command(Command.SAVE_SETTINGS)
    node.work()
    assert node.read(Table.HOLDING, address, 5) == in_force(node) == [1, 0, 19200, 0, 1]


def test_settings_cannot_be_written_while_others_are_being_saved(node: MemoryNode) -> None:
    """Else the save would end with one master's, and show another's as if they were in force."""
    address = BY_NAME["ADDRESS"].address
    node.hear_broadcasts()
    node.write(address, [1, 0, 9600, 0, 0])
    node.command(Command.SAVE_SETTINGS)
    assert node.refusal(write_registers_pdu(address, [9])) == 6
    assert node.refusal(command_pdu(Command.SAVE_SETTINGS)) == 6
    assert node.refusal(write_registers_pdu(address + 1, [0])) == ADDRESS, "half a value, whenever it comes"
    node.broadcast(write_registers_pdu(address, [9]))
    assert node.get("MISSED") == 1
    node.work()
    assert node.read(Table.HOLDING, address, 5) == in_force(node) == [1, 0, 9600, 0, 0]
    node.write(address, [9])


def test_every_reply_is_a_frame(node: MemoryNode) -> None:
    """All replies of all functions carry a right CRC: the port checks it too, and ends the node if not."""
    for function in range(128):
        reply = node.request(frame_seal(bytes([1, function, 0, 0, 0, 1])))
        assert frame_valid(reply)
