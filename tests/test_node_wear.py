"""Commits are few in time, and none is spent on what stands in the flash already."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from host.core.crc import crc32
from host.core.image import encode
from host.core.registers import bytes_registers
from host.core.wire import BY_NAME, IMAGE_MAX, NAME_BYTES, Command, Reason, Table
from tests.e2e.scenario import AND, NAND, OR, crc_of
from tests.memory_node import MemoryNode
from tests.node_model import MINUTE_MS, WEAR_BUCKET, WEAR_INTERVAL_MS
from tests.pdus import command_pdu

FAILURE = 4
SETTINGS = BY_NAME["ADDRESS"].address
MILLIS_WRAP = 2**32
NO_MORE = (Reason.WEAR, 10)


def told(node: MemoryNode) -> tuple[int, int]:
    return node.get("REASON"), node.get("DETAIL")


def verify(node: MemoryNode, image: bytes) -> int:
    """Stage and verify; answers its CRC-32."""
    crc = int.from_bytes(image[-4:], "little")
    node.write(BY_NAME["STAGE"].address, bytes_registers(image))
    node.command(Command.VERIFY, len(image), crc)
    return crc


def take(node: MemoryNode, count: int) -> None:
    """As if there had been so many commits, the first of them now."""
    node.keep(0, 0, 0, 0)
    node.deploy(encode(NAND))
    node.keep(count, count ^ 0xFFFFFFFF, 0, 0)


# ---------------------------------------------------------------------------------------------------------- the bucket


def test_a_day_of_commits_every_minute_is_stopped(node: MemoryNode) -> None:
    """From the first commit on there are 250, and one more every 10 minutes."""
    node.deploy(encode(NAND))
    done, minute = 1, 0
    for minute in range(1, 24 * 60):
        node.advance(MINUTE_MS)
        crc = verify(node, encode(AND if done % 2 else OR))
        if node.refusal(command_pdu(Command.COMMIT, crc=crc)) == 0:
            node.work()
            done += 1
        else:
            assert told(node) == (Reason.WEAR, 10 - minute % 10)
    assert done == node.get("SEQUENCE") == WEAR_BUCKET + minute // 10


def test_nothing_is_lost_when_a_commit_is_refused(node: MemoryNode) -> None:
    node.deploy(encode(OR))
    take(node, WEAR_BUCKET)
    settings = [7, 0, 9600, 1, 1]
    crc = verify(node, encode(AND))
    node.write(SETTINGS, settings)
    before = node.flash()
    for command in (
        command_pdu(Command.COMMIT, crc=crc),
        command_pdu(Command.ROLLBACK, crc=crc_of(OR)),
        command_pdu(Command.SAVE_SETTINGS),
    ):
        node.refusal(command_pdu(99))
        assert node.refusal(command) == FAILURE
        assert told(node) == NO_MORE
        assert (node.get("STATE"), node.get("STAGED_CRC"), node.get("MODEL_CRC")) == (0, crc, crc_of(NAND))
        node.idle(5)
    assert node.read(Table.HOLDING, SETTINGS, 5) == settings
    assert node.read(Table.INPUT, BY_NAME["ADDRESS_IN_FORCE"].address, 5) == [1, 0, 19200, 0, 0]
    assert node.flash() == before
    node.advance(WEAR_INTERVAL_MS)
    node.command(Command.COMMIT, crc=crc)
    node.work()
    assert (node.get("MODEL_CRC"), node.get("REASON")) == (crc, Reason.NONE)
    node.advance(WEAR_INTERVAL_MS)
    node.command(Command.SAVE_SETTINGS)
    node.work()
    node.address = 7
    assert node.line().baud == 9600
    assert node.refusal(command_pdu(Command.ROLLBACK, crc=crc_of(NAND))) == FAILURE
    assert told(node) == NO_MORE


def test_what_writes_nothing_takes_nothing(node: MemoryNode) -> None:
    node.deploy(encode(OR))
    take(node, WEAR_BUCKET - 1)
    crc = verify(node, encode(AND))
    node.command(Command.SAVE_SETTINGS)  # those in force
    node.command(Command.ROLLBACK, crc=crc_of(NAND))  # it runs
    assert node.refusal(command_pdu(Command.ROLLBACK, crc=crc)) == FAILURE
    assert node.refusal(command_pdu(Command.COMMIT, crc=crc ^ 1)) == FAILURE
    node.command(Command.COMMIT, crc=crc)
    node.command(Command.COMMIT, crc=crc)  # the same one, under way
    node.work()
    verify(node, encode(AND))
    for _ in range(3):
        node.command(Command.COMMIT, crc=crc)
    node.command(Command.SAVE_SETTINGS)
    crc = verify(node, encode(OR))
    assert node.refusal(command_pdu(Command.COMMIT, crc=crc)) == FAILURE
    assert told(node) == NO_MORE


@pytest.mark.parametrize("cause", ["command", "watchdog", "power"])
def test_only_a_loss_of_power_fills_the_bucket(node: MemoryNode, cause: str) -> None:
    take(node, WEAR_BUCKET)
    node.advance(WEAR_INTERVAL_MS - 1)
    if cause == "command":
        node.command(Command.RESTART)
        node.work()
    elif cause == "watchdog":
        node.watchdog()
    else:
        node.power_cycle()
    crc = verify(node, encode(AND))
    commit = command_pdu(Command.COMMIT, crc=crc)
    assert node.refusal(commit) == (0 if cause == "power" else FAILURE)
    if cause != "power":
        assert told(node) == NO_MORE, "the interval that had begun is lost"
        node.advance(WEAR_INTERVAL_MS - 1)
        assert node.refusal(commit) == FAILURE
        assert told(node) == (Reason.WEAR, 1)
        node.advance(1)
        assert node.refusal(commit) == 0


def test_the_clock_wraps(node: MemoryNode) -> None:
    node.advance(MILLIS_WRAP - MINUTE_MS)
    take(node, WEAR_BUCKET)
    crc = verify(node, encode(AND))
    commit = command_pdu(Command.COMMIT, crc=crc)
    for minutes in range(10, 0, -1):
        assert node.refusal(commit) == FAILURE
        assert told(node) == (Reason.WEAR, minutes)
        node.advance(MINUTE_MS)
    assert node.refusal(commit) == 0
    node.work()
    node.advance(WEAR_INTERVAL_MS * WEAR_BUCKET)
    node.idle(1)
    node.advance(MILLIS_WRAP - WEAR_INTERVAL_MS * WEAR_BUCKET)  # as if nothing had passed
    for model in (OR, AND) * 3:
        node.deploy(encode(model))


@pytest.mark.parametrize("words", [(250, 0), (250, 250), (251, 251 ^ 0xFFFFFFFF), (0xFFFFFFFF, 0), (0, 1)])
def test_words_that_no_node_has_kept_count_nothing(node: MemoryNode, words: tuple[int, int]) -> None:
    take(node, WEAR_BUCKET)
    node.keep(*words, 0, 0)
    node.deploy(encode(AND))


# ------------------------------------------------------------------------------------------------- the image that runs


def test_a_commit_of_the_running_image_writes_nothing(node: MemoryNode) -> None:
    node.deploy(encode(OR))
    node.deploy(encode(AND))
    before = node.flash()
    for _ in range(3):
        crc = verify(node, encode(AND))
        assert node.get("STAGED") == 1
        node.command(Command.COMMIT, crc=crc)
        assert (node.get("STATE"), node.get("STAGED"), node.get("STAGED_CRC")) == (0, 0, 0)
        node.command(Command.COMMIT, crc=crc)  # the first reply was lost
        node.work()
    assert node.flash() == before
    assert (node.get("SEQUENCE"), node.get("PREVIOUS_SEQUENCE")) == (2, 1)
    node.command(Command.ROLLBACK, crc=crc_of(OR))
    node.work()
    assert (node.get("SEQUENCE"), node.get("MODEL_CRC")) == (3, crc_of(OR))


def same_crc() -> tuple[bytes, bytes]:
    """Two images of one CRC-32, which differ in their names."""
    rng = np.random.default_rng(485)
    seen: dict[int, str] = {}
    while True:
        name = rng.bytes(NAME_BYTES // 2).hex()
        found = seen.setdefault(crc32(name.encode()), name)
        if found != name:
            one, other = (encode(replace(AND, name=text)) for text in (found, name))
            assert one[-4:] == other[-4:]
            return one, other


def test_another_image_of_the_same_crc_is_committed(node: MemoryNode) -> None:
    one, other = same_crc()
    node.deploy(one)
    crc = verify(node, other)
    node.command(Command.COMMIT, crc=crc)
    node.work()
    assert node.get("SEQUENCE") == 2
    words = [node.read(Table.INPUT, BY_NAME["IMAGE"].address + i)[0] for i in range(len(other) // 2)]
    assert words == bytes_registers(other)
    assert len(other) <= IMAGE_MAX


def test_an_image_that_begins_like_the_running_one_is_committed(node: MemoryNode) -> None:
    """What is compared is all of it."""
    node.deploy(encode(AND))
    node.deploy(encode(replace(AND, led_threshold=AND.led_threshold + 1)))
    assert node.get("SEQUENCE") == 2
