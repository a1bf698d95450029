"""A model on trial runs from RAM, is kept when that is said in time, and else what ran before comes back by itself."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from host.core.decide import Decision
from host.core.hashes import hash_of
from host.core.image import encode
from host.core.learn import Config
from host.core.modbus import DEVICE_BUSY, write_read_pdu, write_registers_pdu
from host.core.registers import bytes_registers, placed
from host.core.senses import Source
from host.core.wire import BY_NAME, Activation, Command, EventKind, Feature, Reason, Table
from host.training.onboard import Wish, arena, order
from tests.e2e.scenario import AND, NAND, OR
from tests.hop_node import a_model
from tests.memory_node import MemoryNode
from tests.pdus import command_pdu
from tests.sessions import assert_runs, bytes_of, reason, refused

ILLEGAL_VALUE = 3
OLD, NEW, OTHER = encode(OR), encode(AND), encode(NAND)
CRC = {image: int.from_bytes(image[-4:], "little") for image in (OLD, NEW, OTHER)}
SECONDS = 30


def stage(node: MemoryNode, image: bytes) -> None:
    node.write(BY_NAME["STAGE"].address, bytes_registers(image))


def trial_pdu(image: bytes, seconds: int = SECONDS) -> bytes:
    words = placed(COMMAND=Command.TRIAL, LENGTH=len(image), CRC=int.from_bytes(image[-4:], "little"))
    return write_registers_pdu(words[0], words[1] + [seconds])


def pdu(command: Command, image: bytes) -> bytes:
    return command_pdu(command, crc=int.from_bytes(image[-4:], "little"))


def begin(node: MemoryNode, image: bytes = NEW, seconds: int = SECONDS) -> None:
    stage(node, image)
    node.ask(trial_pdu(image, seconds))
    assert node.get("TRIAL_LEFT") == seconds


def set_inputs(node: MemoryNode, *values: float) -> None:
    node.write(BY_NAME["INPUTS_FLOAT"].address, bytes_registers(struct.pack(f">{len(values)}f", *values)))


def wait(node: MemoryNode, milliseconds: int) -> None:
    node.idle(1)  # what was heard was heard before
    node.advance(milliseconds)
    node.idle(2)


def events(node: MemoryNode, *kinds: EventKind) -> list[tuple[int, int, int]]:
    """Kind, detail and value of all events of these kinds."""
    found = []
    first, size = BY_NAME["EVENTS_HEAD"].address, 12
    for number in range(node.get("EVENTS_HEAD")):
        asked = write_read_pdu(BY_NAME["EVENT_FROM"].address, [0, number], first, size)
        words = struct.unpack(f">{size}H", node.ask(asked)[2:])
        if words[8] in kinds:
            found.append((words[8], words[9], words[10] << 16 | words[11]))
    return found


def start_training(node: MemoryNode) -> None:
    """Of many epochs."""
    config = Config((2, 1), (Activation.SIGMOID,), dtype=np.float32, rate=0.1, epochs=1_000_000, batch=1)
    model: Any = SimpleNamespace(
        name="learns",
        vector_inputs=np.zeros((1, 2), np.int16),
        input_fraction=(0, 0),
        input_offset=(0.0, 0.0),
        led_output=0,
        led_class=False,
    )
    wish = Wish(config, np.eye(2), np.ones((2, 1)), [0.0, 0.0, 0.0], [(-1.0, 1.0)] * 2, model, 0.0)
    node.write(BY_NAME["ARENA"].address, bytes_registers(arena(wish)))
    node.write(*placed(**order(wish)))
    node.command(Command.TRAIN)


def test_what_was_verified_by_its_crc_has_its_own_hash(node: MemoryNode) -> None:
    """It is made where somebody asks for it: never that of what stood in the stage before."""
    node.deploy(OLD)
    begin(node, NEW)
    assert bytes_of(node, "MODEL_HASH") == hash_of(NEW)
    node.ask(pdu(Command.REVERT, NEW))
    stage(node, OTHER)
    node.command(Command.VERIFY, length=len(OTHER), crc=CRC[OTHER])
    for _ in range(2):
        assert bytes_of(node, "STAGED_HASH") == hash_of(OTHER)
    row = BY_NAME["STAGED_HASH"]
    assert node.read(row.table, row.address + row.size - 1, 1) == bytes_registers(hash_of(OTHER)[-2:])
    node.ask(trial_pdu(OTHER))
    assert bytes_of(node, "MODEL_HASH") == hash_of(OTHER)


@pytest.fixture
def two(node: MemoryNode) -> MemoryNode:
    """OTHER was deployed, then OLD: the one that runs."""
    node.deploy(OTHER)
    node.deploy(OLD)
    return node


# ----------------------------------------------------------------------------------------------------- the way and back


def test_it_runs_from_ram_and_is_kept_when_that_is_said(two: MemoryNode) -> None:
    node, before = two, two.flash()
    begin(node)
    set_inputs(node, 1, 0)
    assert (node.lamp(), node.get("SEQUENCE")) == (False, 3), "AND; the number that it would get"
    assert_runs(node, NEW, OLD)
    wait(node, 29_999)
    assert node.get("TRIAL_LEFT") == 1
    assert node.flash() == before, "nothing is written meanwhile"
    node.ask(pdu(Command.CONFIRM, NEW))
    node.work()
    assert (node.get("TRIAL_LEFT"), node.get("SEQUENCE")) == (0, 3)
    assert_runs(node, NEW, OLD)
    wait(node, 60_000)
    node.power_cycle()
    assert_runs(node, NEW, OLD)
    assert node.flash().count(NEW) == 1


def back_in_time(node: MemoryNode) -> None:
    wait(node, 1000 * SECONDS - 1)
    assert node.get("TRIAL_LEFT") == 1
    wait(node, 1)


def back_by_command(node: MemoryNode) -> None:
    node.ask(pdu(Command.REVERT, NEW))
    node.ask(pdu(Command.REVERT, NEW))


def back_by_rot(node: MemoryNode) -> None:
    node.rot_stage(50, b"\x04")
    node.idle(3)
    assert reason(node) is Reason.ROTTEN_RUNNING
    assert node.get("FAULTS") == 1 << Reason.ROTTEN_RUNNING


def back_by_lost_bus(node: MemoryNode) -> None:
    wait(node, 1999)
    assert_runs(node, NEW, OLD)
    wait(node, 2000)


def back_by_restart(node: MemoryNode) -> None:
    node.ask(command_pdu(Command.RESTART))
    node.idle(1)


BACK: dict[str, Callable[[MemoryNode], object]] = {
    "time": back_in_time,
    "REVERT": back_by_command,
    "rot": back_by_rot,
    "lost bus": back_by_lost_bus,
    "RESTART": back_by_restart,
    "watchdog": lambda node: node.watchdog(),
    "power": lambda node: node.power_cycle(),
}
RESETS = ("RESTART", "watchdog", "power")


@pytest.mark.parametrize("way", BACK)
def test_every_way_back(two: MemoryNode, way: str) -> None:
    node = two
    if way == "lost bus":
        node.write(*placed(WATCHDOG=20))
        node.command(Command.SAVE_SETTINGS)
        node.work()
    before = node.flash()
    begin(node)
    assert_runs(node, NEW, OLD)
    BACK[way](node)
    assert_runs(node, OLD, OTHER)
    assert (node.get("TRIAL_LEFT"), node.get("SEQUENCE"), node.get("STAGED")) == (0, 2, 0)
    set_inputs(node, 1, 0)
    node.idle(1)  # the bus is there again
    assert node.lamp(), "OR"
    told = [(EventKind.TRIAL, 1, CRC[NEW]), (EventKind.TRIAL, 0, CRC[NEW])]
    assert events(node, EventKind.TRIAL) == ([] if way in RESETS else told)
    assert node.flash() == before
    assert refused(node, pdu(Command.CONFIRM, NEW)) is Reason.TRIAL
    node.ask(pdu(Command.REVERT, NEW))
    begin(node, NEW)
    node.ask(pdu(Command.CONFIRM, NEW))
    node.work()
    assert_runs(node, NEW, OLD)


@pytest.mark.parametrize("way", BACK)
def test_every_way_back_to_no_model(node: MemoryNode, way: str) -> None:
    if way == "lost bus":
        node.write(*placed(WATCHDOG=20))
        node.command(Command.SAVE_SETTINGS)
        node.work()
    begin(node)
    set_inputs(node, 1, 1)
    assert (node.lamp(), node.get("MODEL_VALID"), node.get("SEQUENCE")) == (True, 1, 1)
    assert_runs(node, NEW, None)
    wait(node, 2000) if way == "lost bus" else BACK[way](node)
    assert_runs(node, None, None)
    assert (node.lamp(), node.get("MODEL_VALID"), node.get("SEQUENCE")) == (False, 0, 0)


def test_the_bus_was_lost_before(two: MemoryNode) -> None:
    """What begins a trial is a sign of life."""
    node = two
    node.write(*placed(WATCHDOG=20))
    node.command(Command.SAVE_SETTINGS)
    node.work()
    stage(node, NEW)
    wait(node, 5000)
    node.ask(trial_pdu(NEW))
    wait(node, 1500)
    assert_runs(node, NEW, OLD)


def test_what_comes_back_has_rotted_meanwhile(two: MemoryNode) -> None:
    node = two
    begin(node)
    node.rot(node.flash().index(OLD) + 40, b"\x01")
    node.ask(pdu(Command.REVERT, NEW))
    assert (node.get("MODEL_CRC"), bytes_of(node, "MODEL_HASH")) == (CRC[OTHER], hash_of(OTHER))
    assert node.get("FAULTS") != 0


@pytest.mark.parametrize("uptime", [0, (1 << 32) - 10_000, (1 << 31) - 10_000])
@pytest.mark.parametrize("seconds", [1, 2, 0xFFFF])
def test_the_time_of_a_trial(node: MemoryNode, uptime: int, seconds: int) -> None:
    node.deploy(OLD)
    node.advance(uptime)
    begin(node, NEW, seconds)
    wait(node, 1000 * seconds - 1)
    assert (node.get("TRIAL_LEFT"), node.get("MODEL_CRC")) == (1, CRC[NEW])
    wait(node, 1)
    assert (node.get("TRIAL_LEFT"), node.get("MODEL_CRC")) == (0, CRC[OLD])


def test_no_time_is_no_trial(node: MemoryNode) -> None:
    stage(node, NEW)
    assert node.refusal(trial_pdu(NEW, 0)) == ILLEGAL_VALUE
    assert reason(node) is Reason.COMMAND
    assert_runs(node, None, None)


# ---------------------------------------------------------------------------------------- repeated and refused


def test_repeated_commands_find_their_work_done(two: MemoryNode) -> None:
    node = two
    begin(node)
    wait(node, 10_000)
    node.ask(trial_pdu(NEW))
    assert node.get("TRIAL_LEFT") == 20
    for _ in range(3):
        node.ask(pdu(Command.CONFIRM, NEW))
        node.work(7)
    node.work()
    node.ask(pdu(Command.CONFIRM, NEW))
    node.work()
    assert node.get("SEQUENCE") == 3
    assert refused(node, pdu(Command.REVERT, NEW)) is Reason.TRIAL, "it is kept"
    node.ask(pdu(Command.REVERT, OTHER))
    assert_runs(node, NEW, OLD)


def test_others_are_refused_meanwhile(two: MemoryNode) -> None:
    node = two
    begin(node)
    for command in (Command.VERIFY, Command.INSTALL, Command.COMMIT):
        assert refused(node, command_pdu(command, len(NEW), CRC[NEW])) is Reason.TRIAL, command.name
    for image in (OTHER, OLD):
        assert refused(node, pdu(Command.ROLLBACK, image)) is Reason.TRIAL
    for pdu_of_stage in (write_registers_pdu(BY_NAME["STAGE"].address, [0]), command_pdu(Command.TRAIN)):
        assert refused(node, pdu_of_stage) is Reason.TRIAL
    assert refused(node, trial_pdu(OTHER)) is Reason.TRIAL
    assert refused(node, pdu(Command.CONFIRM, OLD)) is Reason.TRIAL
    assert refused(node, pdu(Command.REVERT, OLD)) is Reason.TRIAL
    assert_runs(node, NEW, OLD)
    node.write(*placed(WATCHDOG=777))
    node.command(Command.SAVE_SETTINGS)
    node.work()
    assert node.get("WATCHDOG_IN_FORCE") == 777
    assert_runs(node, NEW, OLD)
    assert node.get("TRIAL_LEFT") == SECONDS


def test_none_begins_while_the_stage_is_taken(two: MemoryNode) -> None:
    node = two
    stage(node, NEW)
    node.command(Command.VERIFY, len(NEW), CRC[NEW])
    node.command(Command.COMMIT, crc=CRC[NEW])
    assert node.refusal(trial_pdu(NEW)) == DEVICE_BUSY
    node.work()
    assert_runs(node, NEW, OLD)


def test_a_training_has_the_stage(two: MemoryNode) -> None:
    node = two
    start_training(node)
    assert node.refusal(trial_pdu(NEW)) == DEVICE_BUSY
    node.command(Command.STOP)
    node.work()
    begin(node)
    assert refused(node, command_pdu(Command.TRAIN)) is Reason.TRIAL
    assert_runs(node, NEW, OLD)


def test_what_is_no_good_is_no_trial(two: MemoryNode) -> None:
    node = two
    stage(node, NEW[:-1] + bytes([NEW[-1] ^ 1]))
    assert refused(node, trial_pdu(NEW)) is Reason.CRC
    assert refused(node, trial_pdu(NEW[:-4])) is Reason.LENGTH
    assert_runs(node, OLD, OTHER)


# ----------------------------------------------------------------------------------------------------- CONFIRM


@pytest.mark.parametrize("why", [Reason.SUPPLY, Reason.WEAR])
def test_what_cannot_be_kept_now_stays_on_trial(two: MemoryNode, why: Reason) -> None:
    node = two
    begin(node)
    if why is Reason.SUPPLY:
        node.health(low=True)
    else:
        node.keep(250, ~250 & 0xFFFFFFFF, 0, 0)
    assert refused(node, pdu(Command.CONFIRM, NEW)) is why
    assert node.get("TRIAL_LEFT") == SECONDS
    assert_runs(node, NEW, OLD)
    wait(node, 1000 * SECONDS)
    assert_runs(node, OLD, OTHER)


def test_a_confirmation_that_has_begun_is_in_time(two: MemoryNode) -> None:
    """Though the supply falls and the flash has to wait."""
    node = two
    begin(node)
    node.ask(pdu(Command.CONFIRM, NEW))
    node.work(5)
    node.health(low=True)
    wait(node, 1000 * SECONDS)
    assert node.refusal(pdu(Command.REVERT, NEW)) == DEVICE_BUSY
    assert_runs(node, NEW, OLD)
    node.health()
    node.work()
    assert_runs(node, NEW, OLD)
    node.power_cycle()
    assert_runs(node, NEW, OLD)


def test_flash_that_does_not_keep_it_brings_the_old_one_back(two: MemoryNode) -> None:
    node = two
    begin(node)
    node.health(worn=True)
    node.ask(pdu(Command.CONFIRM, NEW))
    node.work()
    assert reason(node) is Reason.FLASH
    assert_runs(node, OLD, OTHER)
    node.health()
    node.power_cycle()
    assert node.get("MODEL_CRC") == CRC[OLD]


def test_rot_during_the_confirmation_is_not_kept(two: MemoryNode) -> None:
    node = two
    begin(node)
    node.ask(pdu(Command.CONFIRM, NEW))
    node.work(4)
    node.rot_stage(60, b"\x10")
    node.work()
    assert node.get("MODEL_CRC") == CRC[OLD]
    assert node.get("FAULTS") != 0
    node.power_cycle()
    assert node.get("MODEL_CRC") == CRC[OLD]


def test_what_ran_before_is_kept_again_without_a_write(two: MemoryNode) -> None:
    node, before = two, two.flash()
    begin(node, OLD)
    assert_runs(node, OLD, OLD)
    node.ask(pdu(Command.CONFIRM, OLD))
    node.work()
    assert_runs(node, OLD, OTHER)
    assert (node.get("TRIAL_LEFT"), node.get("SEQUENCE")) == (0, 2)
    assert node.flash() == before


# ------------------------------------------------------------------------------------------ the neuron's state


def test_the_inputs_outlive_every_switch(two: MemoryNode) -> None:
    node = two
    set_inputs(node, 1, 1)
    begin(node)
    assert node.lamp(), "AND of what was written before"
    set_inputs(node, 1, 0)
    assert not node.lamp()
    node.ask(pdu(Command.REVERT, NEW))
    assert node.lamp(), "OR of what was written meanwhile"


def test_a_confirmation_changes_nothing_of_the_neuron(node: MemoryNode) -> None:
    """Inferences, outputs, a delay that runs, a latch, coils."""
    node.deploy(OLD)
    decision = Decision(on_delay=5000, latch=True)
    image = encode(replace(AND, decision=decision))
    begin(node, image)
    set_inputs(node, 1, 1)
    wait(node, 4000)
    assert (node.lamp(), node.get("CONDITION")) == (False, 1)
    inferences = node.get("INFERENCES")
    node.ask(struct.pack(">BHH", 5, BY_NAME["OVERRIDE"].address, 0xFF00))
    head = events(node, EventKind.MODEL)
    node.ask(pdu(Command.CONFIRM, image))
    node.work()
    assert node.get("SEQUENCE") == 2
    assert node.get("INFERENCES") == inferences
    assert events(node, EventKind.MODEL) == head, "no other model has begun"
    assert node.read(Table.COIL, BY_NAME["OVERRIDE"].address) == [1]
    wait(node, 999)
    assert not node.lamp()
    wait(node, 1)
    assert node.lamp(), "the delay has gone on"
    set_inputs(node, 0, 0)
    wait(node, 10_000)
    assert (node.lamp(), node.get("LATCHED")) == (True, 1)


def test_the_coils_outlive_a_trial_and_its_end(two: MemoryNode) -> None:
    node = two
    set_inputs(node, 0, 0)
    for name in ("HOLD", "OVERRIDE"):
        node.ask(struct.pack(">BHH", 5, BY_NAME[name].address, 0xFF00))
    begin(node)
    node.ask(pdu(Command.REVERT, NEW))
    for name in ("HOLD", "OVERRIDE"):
        assert node.read(Table.COIL, BY_NAME[name].address) == [1]


SENSING = encode(a_model((Source(0, Feature.MEAN, 1, 4, 0), None)))


def test_a_trial_of_a_model_that_senses(two: MemoryNode) -> None:
    """Its channels are sampled while it runs, and not afterwards."""
    node = two
    begin(node, SENSING)
    node.work()
    assert node.sampled() == (1, 1000)
    node.scan([4000], times=16)
    node.work()
    assert (node.get("WINDOWS"), node.get("SENSING")) == (1, 1)
    node.ask(pdu(Command.REVERT, SENSING))
    node.work()
    assert (node.sampled()[0], node.get("SENSING")) == (0, 0)
    assert_runs(node, OLD, OTHER)


def test_a_model_that_senses_comes_back(node: MemoryNode) -> None:
    node.deploy(SENSING)
    node.scan([4000], times=16)
    node.work()
    assert node.get("WINDOWS") == 1
    begin(node)
    node.work()
    assert node.sampled()[0] == 0
    node.ask(pdu(Command.REVERT, NEW))
    node.work()
    assert node.sampled() == (1, 1000)
    node.scan([4000], times=16)
    node.work()
    assert (node.get("WINDOWS"), node.lamp()) == (1, True)


def test_a_confirmation_while_windows_go_by(node: MemoryNode) -> None:
    node.deploy(OLD)
    begin(node, SENSING)
    node.work()
    decided = 0
    for number in range(12):
        node.scan([100 * number], times=8)
        if number == 5:
            node.ask(pdu(Command.CONFIRM, SENSING))
        node.work(3 if number < 10 else 100_000)
        decided += len(node.decided())
    assert decided == node.get("WINDOWS") == 11
    assert node.get("WINDOWS_MISSED") == 0
    node.power_cycle()
    assert_runs(node, SENSING, OLD)


def test_events_of_a_trial(two: MemoryNode) -> None:
    node = two
    begin(node)
    node.ask(pdu(Command.CONFIRM, NEW))
    node.work()
    told = events(node, EventKind.TRIAL, EventKind.MODEL)
    assert told[-3:] == [
        (EventKind.TRIAL, 1, CRC[NEW]),
        (EventKind.MODEL, 1, CRC[NEW]),
        (EventKind.TRIAL, 2, CRC[NEW]),
    ]
    begin(node, OTHER)
    node.ask(pdu(Command.REVERT, OTHER))
    assert events(node, EventKind.TRIAL, EventKind.MODEL)[len(told) :] == [
        (EventKind.TRIAL, 1, CRC[OTHER]),
        (EventKind.MODEL, 1, CRC[OTHER]),
        (EventKind.TRIAL, 0, CRC[OTHER]),
        (EventKind.MODEL, 1, CRC[NEW]),
    ]
