"""INSTALL: verify and commit by one command, and what stands beside the results for whoever gave it."""

from __future__ import annotations

import struct

import pytest

from host.core.image import encode
from host.core.modbus import DEVICE_BUSY, DEVICE_FAILURE, write_read_pdu
from host.core.registers import bytes_registers, placed
from host.core.wire import BY_NAME, Command, Reason, State, Table
from tests.e2e.scenario import AND, NAND, OR, crc_of
from tests.memory_node import MemoryNode
from tests.pdus import command_pdu, command_words

STAGE = BY_NAME["STAGE"].address
WEAR_BUCKET = 250


def stage(node: MemoryNode, image: bytes) -> None:
    node.write(STAGE, bytes_registers(image))


def install(image: bytes) -> bytes:
    return command_pdu(Command.INSTALL, len(image), int.from_bytes(image[-4:], "little"))


def test_one_command_brings_a_model_in(node: MemoryNode) -> None:
    stage(node, encode(AND))
    node.ask(install(encode(AND)))
    assert node.get("STATE") == State.COMMITTING
    assert node.get("SEQUENCE") == 0
    node.work()
    assert (node.get("SEQUENCE"), node.get("MODEL_CRC")) == (1, crc_of(AND))
    assert (node.get("REASON"), node.get("STAGED_CRC")) == (Reason.NONE, 0)
    node.power_cycle()
    assert node.get("MODEL_CRC") == crc_of(AND)


@pytest.mark.parametrize("rounds", [0, 1, 5, 20, 100_000])
def test_a_repeated_one_changes_nothing_more(node: MemoryNode, rounds: int) -> None:
    node.deploy(encode(OR))
    stage(node, encode(AND))
    for _ in range(3):
        node.ask(install(encode(AND)))
        node.work(rounds)
    node.work()
    assert (node.get("SEQUENCE"), node.get("MODEL_CRC"), node.get("PREVIOUS_CRC")) == (
        2,
        crc_of(AND),
        crc_of(OR),
    )


def test_what_is_refused_leaves_the_model_that_runs(node: MemoryNode) -> None:
    node.deploy(encode(OR))
    image = encode(AND)
    stage(node, image)
    for length, crc, reason in (
        (len(image) - 4, crc_of(AND), Reason.LENGTH),
        (len(image), crc_of(AND) ^ 1, Reason.CRC),
        (len(image), crc_of(OR), Reason.CRC),
        (0xFFFFFFFF, crc_of(AND), Reason.LENGTH),
    ):
        assert node.refusal(command_pdu(Command.INSTALL, length, crc)) == DEVICE_FAILURE
        assert node.get("REASON") == reason
        node.work()
        assert (node.get("SEQUENCE"), node.get("MODEL_CRC"), node.get("STAGED_CRC")) == (1, crc_of(OR), 0)


def test_one_at_a_time(node: MemoryNode) -> None:
    node.deploy(encode(OR))
    stage(node, encode(AND))
    node.ask(install(encode(AND)))
    assert node.refusal(install(encode(NAND))) == DEVICE_BUSY
    assert node.refusal(install(encode(OR))) == DEVICE_BUSY
    node.work()
    assert node.get("MODEL_CRC") == crc_of(AND)


def test_it_wears_the_flash_as_any_commit_does(node: MemoryNode) -> None:
    """What is refused for that stands verified, and can be committed later."""
    node.deploy(encode(OR))
    node.keep(WEAR_BUCKET, WEAR_BUCKET ^ 0xFFFFFFFF, 0, 0)
    stage(node, encode(AND))
    assert node.refusal(install(encode(AND))) == DEVICE_FAILURE
    assert (node.get("REASON"), node.get("STAGED_CRC")) == (Reason.WEAR, crc_of(AND))
    node.advance(600_000)
    node.ask(install(encode(AND)))
    node.work()
    assert (node.get("SEQUENCE"), node.get("MODEL_CRC")) == (2, crc_of(AND))


def test_the_running_image_is_not_written_again(node: MemoryNode) -> None:
    node.deploy(encode(AND))
    stage(node, encode(AND))
    node.ask(install(encode(AND)))
    assert node.work() == 1
    assert (node.get("SEQUENCE"), node.get("PREVIOUS_SEQUENCE")) == (1, 0)


def test_inputs_are_read_along_with_it_and_not_where_it_is_refused(node: MemoryNode) -> None:
    node.write(*placed(INPUTS_FLOAT=[0.5, -2.0]))
    stage(node, encode(AND))
    inputs = BY_NAME["INPUTS_FLOAT"].address
    words = command_words(Command.INSTALL, len(encode(AND)), crc_of(AND))
    reply = node.ask(write_read_pdu(BY_NAME["COMMAND"].address, words, inputs, 4))
    assert struct.unpack(">2f", reply[2:]) == (0.5, -2.0)
    node.work()
    assert node.get("MODEL_CRC") == crc_of(AND)
    words[-1] ^= 1
    assert node.refusal(write_read_pdu(BY_NAME["COMMAND"].address, words, inputs, 4)) == DEVICE_FAILURE


def test_results_say_whose_they_are(node: MemoryNode) -> None:
    row = BY_NAME["RESULT_SEQUENCE"]
    assert node.read(Table.HOLDING, row.address, 4) == [0, 0, 0, 0]
    node.deploy(encode(AND))
    for value in (0x3F80, 0):
        words = [value, 0, value, 0]
        reply = node.ask(write_read_pdu(BY_NAME["INPUTS_FLOAT"].address, words, row.address, 7))
        sequence, crc, number, bits, output = struct.unpack(">IIHHh", reply[2:])
        assert (sequence, crc) == (1, crc_of(AND))
        assert output == bits & 1 == number == (value != 0)
