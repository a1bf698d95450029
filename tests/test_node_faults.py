"""What goes wrong without anybody's doing is said: bits that rot under a running node, a low supply, a dead crystal."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from host.core.crc import crc32
from host.core.image import encode
from host.core.modbus import write_registers_pdu
from host.core.registers import bytes_registers
from host.core.wire import BY_NAME, DEFAULT_BAUD, Command, Reason, Start, State, Table
from tests.e2e.scenario import AND, OR, crc_of
from tests.memory_node import SECTOR_SIZE, MemoryNode
from tests.models import largest_models
from tests.node_model import DEFAULTS, pack_settings
from tests.pdus import command_pdu

ADDRESS, FAILURE = 2, 4
SETTINGS_AT = 2 * SECTOR_SIZE
CRC_KEEPER = 0x1DB710641
"""The generator of CRC-32 as a pattern of bits: flipping these, anywhere in a row, leaves the CRC-32 as it is."""


def faults(node: MemoryNode) -> set[Reason]:
    """What FAULTS holds; FAULT says whether there is any."""
    bits = node.get("FAULTS")
    assert node.get("FAULT") == (bits != 0)
    return {reason for reason in Reason if bits >> reason & 1}


def set_inputs(node: MemoryNode, *values: float) -> None:
    node.write(BY_NAME["INPUTS_FLOAT"].address, bytes_registers(struct.pack(f">{len(values)}f", *values)))


def output(node: MemoryNode) -> int:
    return node.read(Table.INPUT, BY_NAME["OUTPUTS"].address)[0]


def save(node: MemoryNode, baud: int) -> None:
    node.write(BY_NAME["BAUD"].address, [baud >> 16, baud & 0xFFFF])
    node.command(Command.SAVE_SETTINGS)
    node.work()


def kept(baud: int) -> bytes:
    """What `save` has the node keep."""
    address, _, *rest = DEFAULTS
    return pack_settings((address, baud, *rest))


def verify(node: MemoryNode, image: bytes) -> int:
    """Stage and verify; answers its CRC-32."""
    crc = int.from_bytes(image[-4:], "little")
    node.write(BY_NAME["STAGE"].address, bytes_registers(image))
    node.command(Command.VERIFY, len(image), crc)
    return crc


def flip(node: MemoryNode, place: int, bit: int) -> None:
    node.rot(place + bit // 8, bytes([1 << bit % 8]))


def rot(node: MemoryNode, image: bytes, *bits: int) -> None:
    """Those bits of an image that was kept once flip."""
    flash = node.flash()
    assert flash.count(image) == 1
    for bit in bits:
        flip(node, flash.index(image), bit)


# ---------------------------------------------------------------------------------------------------- the running image


def test_the_previous_model_runs_when_the_running_one_rots(node: MemoryNode) -> None:
    node.deploy(encode(OR))
    node.deploy(encode(AND))
    set_inputs(node, 1, 0)
    assert not node.lamp()
    rot(node, encode(AND), 400, 401, 402)
    assert faults(node) == set()
    node.idle(2)
    assert faults(node) == {Reason.ROTTEN_RUNNING}
    assert (node.get("REASON"), node.get("MODEL_CRC"), node.get("SEQUENCE")) == (
        Reason.ROTTEN_RUNNING,
        crc_of(OR),
        1,
    )
    assert (output(node), node.lamp()) == (1, True), "1 or 0"
    node.idle(100)
    assert node.get("MODEL_CRC") == crc_of(OR)


def test_no_model_runs_when_the_only_one_rots(node: MemoryNode) -> None:
    image = encode(OR)
    node.deploy(image)
    set_inputs(node, 1, 100)
    assert (node.lamp(), output(node), node.get("CLIPPED")) == (True, 1, 1)
    node.ask(struct.pack(">BHH", 5, BY_NAME["HOLD"].address, 0xFF00))
    rot(node, image, 400)
    node.idle(2)
    assert faults(node) == {Reason.ROTTEN_RUNNING}
    for name in ("MODEL_VALID", "DECISION", "CLIPPED", "LED", "SEQUENCE", "MODEL_CRC", "MODEL_LENGTH"):
        assert node.get(name) == 0, name
    assert (node.lamp(), output(node)) == (False, 0)
    assert node.refusal(struct.pack(">BHH", 4, BY_NAME["IMAGE"].address, 1)) == ADDRESS
    assert node.read(Table.HOLDING, BY_NAME["INPUTS"].address, 2) == [1, 100], "as without a model"
    node.deploy(image)
    assert (node.lamp(), output(node), node.get("SEQUENCE")) == (True, 1, 2)
    assert faults(node) == set(), "a new record mends it"
    node.power_cycle()
    assert (faults(node), node.get("MODEL_CRC")) == (set(), crc_of(OR))


def test_every_word_of_the_running_image_is_watched(node: MemoryNode) -> None:
    image = encode(AND)
    node.deploy(image)
    place = node.flash().index(image)
    for bit in [*range(0, 8 * len(image) - 32, 13), *range(8 * len(image) - 32, 8 * len(image))]:
        flip(node, place, bit)
        node.idle(2)
        assert faults(node) == {Reason.ROTTEN_RUNNING}, bit
        flip(node, place, bit)
        node.power_cycle()
        assert (faults(node), node.get("MODEL_CRC")) == (set(), crc_of(AND)), bit


def test_the_largest_image_is_watched_a_few_words_a_round(node: MemoryNode) -> None:
    image = encode(largest_models(np.random.default_rng(1))[0])
    assert len(image) == 8192
    node.deploy(image)
    turn = 32
    rot(node, image, 8 * len(image) - 40)
    node.idle(2)
    rounds = 2
    while not faults(node):  # each look at them is three rounds
        node.idle(1)
        rounds += 1
        assert rounds <= 2 * turn
    assert rounds > turn // 8
    assert faults(node) == {Reason.ROTTEN_RUNNING}


def test_a_good_image_is_not_suspected(node: MemoryNode) -> None:
    rng = np.random.default_rng(2)
    for model in largest_models(rng)[:3]:
        node.deploy(encode(model))
        node.idle(100)
    node.command(Command.ROLLBACK, crc=node.get("PREVIOUS_CRC"))
    node.work(20)
    node.idle(5000)
    assert faults(node) == set()
    assert node.get("SEQUENCE") == 4


def test_a_rotten_model_is_not_rolled_back_to(node: MemoryNode) -> None:
    node.deploy(encode(OR))
    node.deploy(encode(AND))
    rot(node, encode(AND), 400)
    node.idle(2)
    assert node.get("PREVIOUS_CRC") == crc_of(AND)
    assert node.refusal(command_pdu(Command.ROLLBACK, crc=crc_of(AND))) == FAILURE
    assert (node.get("REASON"), node.get("STAGED"), node.get("MODEL_CRC")) == (Reason.CRC, 0, crc_of(OR))
    node.work()
    assert node.get("MODEL_CRC") == crc_of(OR)


def test_what_runs_in_place_of_a_rotten_model_can_be_committed(node: MemoryNode) -> None:
    """Though it runs: what is newest in the flash is not it."""
    node.deploy(encode(OR))
    node.deploy(encode(AND))
    rot(node, encode(AND), 400)
    node.idle(2)
    node.deploy(encode(OR))
    assert node.get("SEQUENCE") == 3
    node.power_cycle()
    assert (faults(node), node.get("MODEL_CRC")) == (set(), crc_of(OR))
    node.work()
    before = node.flash()
    node.deploy(encode(OR))
    assert (node.flash(), node.get("SEQUENCE")) == (before, 3)


# ------------------------------------------------------------------------------------------------------------- at start


def test_rotten_models_are_said_at_start(node: MemoryNode) -> None:
    node.deploy(encode(OR))
    node.deploy(encode(AND))
    rot(node, encode(AND), 400)
    node.power_cycle()
    assert faults(node) == {Reason.ROTTEN_MODEL}
    assert (node.get("REASON"), node.get("MODEL_CRC")) == (Reason.ROTTEN_MODEL, crc_of(OR))
    node.work()
    node.deploy(encode(OR))  # it runs, but is not the newest that was kept
    assert node.get("SEQUENCE") == 3, "2 was taken"
    assert faults(node) == set()
    node.power_cycle()
    assert (faults(node), node.get("MODEL_CRC")) == (set(), crc_of(OR))


def test_a_rotten_only_model_leaves_none(node: MemoryNode) -> None:
    node.deploy(encode(AND))
    rot(node, encode(AND), 400)
    node.power_cycle()
    assert faults(node) == {Reason.ROTTEN_MODEL}
    assert (node.get("MODEL_VALID"), node.get("SEQUENCE"), node.lamp()) == (0, 0, False)


def test_rotten_settings_are_said_at_start(node: MemoryNode) -> None:
    save(node, 9600)
    save(node, 115200)
    flip(node, node.flash().rindex(kept(115200)), 3)
    rot_at = node.flash()
    node.power_cycle()
    assert faults(node) == {Reason.ROTTEN_SETTINGS}
    assert (node.get("REASON"), node.line().baud, node.get("BAUD_IN_FORCE")) == (
        Reason.ROTTEN_SETTINGS,
        9600,
        9600,
    )
    node.work()
    assert node.flash() == rot_at, "what is damaged is kept as it is"
    save(node, 9600)
    assert faults(node) == set()
    node.power_cycle()
    assert (faults(node), node.line().baud) == (set(), 9600)


def test_both_may_be_rotten(node: MemoryNode) -> None:
    save(node, 9600)
    node.deploy(encode(AND))
    rot(node, encode(AND), 400)
    flip(node, node.flash().rindex(kept(9600)), 3)
    node.power_cycle()
    assert faults(node) == {Reason.ROTTEN_MODEL, Reason.ROTTEN_SETTINGS}


# ------------------------------------------------------------------------------------------------------------- settings


def test_kept_settings_of_another_length(node: MemoryNode) -> None:
    node.deploy(encode(AND))
    flash = node.flash()
    mask = bytes(a ^ b for a, b in zip(flash[:SECTOR_SIZE], flash[SETTINGS_AT:], strict=False))
    node.rot(SETTINGS_AT, mask)
    node.power_cycle()
    assert faults(node) == {Reason.ROTTEN_SETTINGS}
    assert node.get("REASON") == Reason.ROTTEN_SETTINGS
    assert (node.get("BAUD"), node.get("BAUD_IN_FORCE")) == (DEFAULT_BAUD, DEFAULT_BAUD)
    assert node.get("MODEL_CRC") == crc_of(AND)


def spoil_settings(node: MemoryNode, baud: int) -> None:
    """What no node would save, where those with this baud rate are kept; the CRC-32 stays right."""
    record = kept(baud)
    mask = (CRC_KEEPER << 20).to_bytes(len(record), "little")
    assert crc32(bytes(a ^ b for a, b in zip(record, mask, strict=True))) == crc32(record)
    node.rot(node.flash().rindex(record), mask)


def test_kept_settings_out_of_range_make_way_for_those_before_them(node: MemoryNode) -> None:
    save(node, 9600)
    save(node, 115200)
    spoil_settings(node, 115200)
    node.power_cycle()
    assert faults(node) == {Reason.ROTTEN_SETTINGS}
    assert (node.line().baud, node.get("BAUD"), node.get("BAUD_IN_FORCE")) == (9600, 9600, 9600)
    node.work()
    save(node, 9600)  # those in force: what is kept is not they
    node.power_cycle()
    assert (faults(node), node.line().baud) == (set(), 9600)


def test_defaults_are_in_force_when_no_kept_settings_are_good(node: MemoryNode) -> None:
    save(node, 9600)
    spoil_settings(node, 9600)
    node.power_cycle()
    assert faults(node) == {Reason.ROTTEN_SETTINGS}
    assert node.line().baud == DEFAULT_BAUD
    node.work()
    save(node, DEFAULT_BAUD)
    node.power_cycle()
    assert faults(node) == set()


# --------------------------------------------------------------------------------------------------- supply and crystal


def test_a_dead_crystal_is_said(node: MemoryNode) -> None:
    node.deploy(encode(OR))
    node.health(dead_crystal=True)
    node.power_cycle()
    assert faults(node) == {Reason.CRYSTAL}
    assert (node.get("REASON"), node.get("MODEL_CRC")) == (Reason.CRYSTAL, crc_of(OR))
    node.health()
    node.power_cycle()
    assert faults(node) == set()


def test_faults_of_one_start_stand_together(node: MemoryNode) -> None:
    save(node, 9600)
    spoil_settings(node, 9600)
    node.deploy(encode(AND))
    node.health(dead_crystal=True)
    node.power_cycle()
    assert faults(node) == {Reason.CRYSTAL, Reason.ROTTEN_SETTINGS}
    rot(node, encode(AND), 400)
    node.idle(2)
    assert faults(node) == {Reason.CRYSTAL, Reason.ROTTEN_SETTINGS, Reason.ROTTEN_RUNNING}


def test_nothing_is_begun_while_the_supply_is_low(node: MemoryNode) -> None:
    node.deploy(encode(OR))
    node.deploy(encode(AND))
    crc = verify(node, encode(OR))
    node.write(BY_NAME["BAUD"].address, [0, 9600])
    node.health(low=True)
    before = node.flash()
    for command in (
        command_pdu(Command.COMMIT, crc=crc),
        command_pdu(Command.ROLLBACK, crc=crc),
        command_pdu(Command.SAVE_SETTINGS),
    ):
        node.write(BY_NAME["COMMAND"].address, [Command.NONE])
        assert node.refusal(command_pdu(99)) != 0
        assert node.refusal(command) == FAILURE
        assert (node.get("REASON"), node.get("STATE"), node.get("STAGED")) == (Reason.SUPPLY, State.IDLE, 1)
        node.idle(5)
    assert node.get("BAUD") == 9600
    assert faults(node) == set(), "it passes by itself"
    verify(node, encode(AND))
    node.command(Command.COMMIT, crc=crc_of(AND))  # it runs: nothing to write
    crc = verify(node, encode(OR))
    assert node.flash() == before
    node.health()
    node.command(Command.COMMIT, crc=crc)
    node.work()
    node.command(Command.SAVE_SETTINGS)
    node.work()
    assert (node.get("MODEL_CRC"), node.get("SEQUENCE"), node.line().baud) == (crc, 3, 9600)


@pytest.mark.parametrize("rounds", range(1, 37, 3))
def test_a_commit_waits_while_the_supply_is_low(node: MemoryNode, rounds: int) -> None:
    node.deploy(encode(OR))
    node.write(BY_NAME["BAUD"].address, [0, 9600])
    node.command(Command.COMMIT, crc=verify(node, encode(AND)))
    assert node.work(rounds) == rounds
    node.health(low=True)
    before = node.flash()
    node.idle(5)
    for _ in range(3):
        assert (node.get("STATE"), node.get("BUSY"), node.get("REASON"), node.get("DETAIL")) == (
            State.COMMITTING,
            1,
            Reason.SUPPLY,
            0,
        )
        assert (node.get("MODEL_CRC"), node.flash()) == (crc_of(OR), before)
        assert node.refusal(command_pdu(Command.SAVE_SETTINGS)) == FAILURE
    node.health()
    node.work()
    assert (node.get("STATE"), node.get("MODEL_CRC"), node.get("SEQUENCE")) == (State.IDLE, crc_of(AND), 2)
    node.command(Command.SAVE_SETTINGS)
    node.idle(3)
    node.health(low=True)
    node.idle(1)
    assert (node.get("STATE"), node.get("REASON"), node.line().baud) == (
        State.COMMITTING,
        Reason.SUPPLY,
        DEFAULT_BAUD,
    )
    node.health()
    node.work()
    assert (node.get("REASON"), node.line().baud, faults(node)) == (Reason.NONE, 9600, set())


def test_what_a_low_supply_left_undecided_at_start_is_said(node: MemoryNode) -> None:
    node.deploy(encode(OR))
    node.command(Command.COMMIT, crc=verify(node, encode(AND)))
    while node.get("MODEL_CRC") == crc_of(OR) and encode(AND) not in node.flash():
        node.work(1)
    node.health(low=True)
    node.power_cycle()
    assert Reason.SUPPLY in faults(node)
    assert node.get("MODEL_CRC") in (crc_of(OR), crc_of(AND))
    running = node.get("MODEL_CRC")
    node.health()
    node.work()
    node.power_cycle()
    assert (faults(node), node.get("MODEL_CRC")) == (set(), running)


# ----------------------------------------------------------------------------------------------------------- broadcasts


def test_broadcasts_to_a_busy_node_are_counted(node: MemoryNode) -> None:
    node.hear_broadcasts()
    crc = verify(node, encode(AND))
    stage = write_registers_pdu(BY_NAME["STAGE"].address, [1])
    node.broadcast(command_pdu(99))
    node.broadcast(write_registers_pdu(BY_NAME["RESULTS"].address, [1]))
    assert node.get("MISSED") == 0, "refused, whoever was asked"
    node.command(Command.COMMIT, crc=crc)
    assert node.refusal(stage) == 6
    assert node.get("MISSED") == 0, "that was heard"
    node.broadcast(stage)
    node.broadcast(struct.pack(">BHH", 6, BY_NAME["STAGE"].address, 1))
    node.broadcast(command_pdu(Command.RESTART))
    assert node.get("MISSED") == 3
    node.work()
    node.broadcast(stage)
    assert node.get("MISSED") == 3
    assert node.read(Table.HOLDING, BY_NAME["STAGE"].address) == [1]


def test_no_restart_cuts_an_erase_off(node: MemoryNode) -> None:
    """The sector would be erased again at every start."""
    refused = 0
    node.factory()
    while node.get("STATE") == State.ERASING:
        assert node.refusal(command_pdu(Command.RESTART)) == 6
        refused += 1
        node.work(1)
    assert refused
    node.work()
    node.command(Command.RESTART)
    node.work()
    assert node.get("START_CAUSE") == Start.SOFTWARE
