"""The end of a session: somebody else takes the stage, GO comes, or it is forgotten."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from host.core.image import encode
from host.core.modbus import (
    DEVICE_BUSY,
    ILLEGAL_ADDRESS,
    write_registers_pdu,
)
from host.core.registers import bytes_registers, placed
from host.core.wire import (
    BY_NAME,
    Command,
    Reason,
    Session,
)
from tests.e2e.scenario import AND, NAND, OR, crc_of
from tests.memory_node import SECTOR_SIZE, MemoryNode
from tests.models import largest_models
from tests.pdus import command_pdu
from tests.sessions import (
    GO,
    assert_runs,
    block_pdu,
    bring,
    close_pdu,
    go_pdu,
    missing,
    open_pdu,
    reason,
    refused,
    send_blocks,
    state,
)

OLD, NEW = encode(OR), encode(AND)
LARGEST = encode(largest_models(np.random.default_rng(12))[0])
OTHER_GO = bytes(reversed(GO))
SESSION_HOLDS = 900
"""Seconds that the flash waits for GO."""


# -------------------------------------------------------------------------------------------------------------- others

TAKERS: dict[str, Callable[[MemoryNode], object]] = {
    "STAGE": lambda node: node.write(BY_NAME["STAGE"].address, [0]),
    "VERIFY": lambda node: node.refusal(command_pdu(Command.VERIFY, len(NEW), crc_of(AND))),
    "INSTALL": lambda node: node.refusal(command_pdu(Command.INSTALL, 0, 0)),
    "TRIAL": lambda node: node.refusal(
        write_registers_pdu(*placed(COMMAND=Command.TRIAL, LENGTH=len(NEW), CRC=0, SECONDS=5))
    ),
    "TRAIN": lambda node: node.refusal(command_pdu(Command.TRAIN)),
    "ROLLBACK": lambda node: node.ask(command_pdu(Command.ROLLBACK, crc=crc_of(NAND))),
    "reset": lambda node: node.watchdog(),
    "power": lambda node: node.power_cycle(),
}


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize("far", [0, 1, 2], ids=["open", "all blocks", "verified"])
def test_any_other_use_of_the_stage_closes_it(node: MemoryNode, name: str, far: int) -> None:
    node.deploy(encode(NAND))
    node.deploy(OLD)
    node.ask(open_pdu(NEW))
    if far:
        send_blocks(node, NEW)
    if far > 1:
        node.work()
    TAKERS[name](node)
    assert (state(node), missing(node)) == (Session.NONE, set())
    assert refused(node, block_pdu(NEW, 0)) is Reason.SESSION
    assert refused(node, go_pdu()) is Reason.SESSION
    node.work()
    assert state(node) is Session.NONE
    assert_runs(node, *((encode(NAND), OLD) if name == "ROLLBACK" else (OLD, encode(NAND))))


def test_what_a_session_has_brought_can_be_committed(node: MemoryNode) -> None:
    """Where COMMIT is obeyed: it is a use of the stage as well."""
    bring(node, NEW)
    node.command(Command.COMMIT, crc=crc_of(AND))
    assert state(node) is Session.NONE
    assert node.refusal(open_pdu(LARGEST)) == DEVICE_BUSY
    node.work()
    assert_runs(node, NEW, None)


def test_none_is_opened_while_a_model_is_on_trial(node: MemoryNode) -> None:
    bring(node, NEW)
    node.ask(go_pdu())
    assert refused(node, open_pdu(LARGEST)) is Reason.TRIAL
    node.ask(open_pdu(NEW))
    assert state(node) is Session.DONE


# ------------------------------------------------------------------------------------------------------------------ GO


def test_go_is_the_very_bytes(node: MemoryNode) -> None:
    bring(node, NEW)
    for bit in range(8 * len(GO)):
        wrong = bytearray(GO)
        wrong[bit // 8] ^= 1 << bit % 8
        assert refused(node, go_pdu(bytes(wrong))) is Reason.SESSION, bit
    row = BY_NAME["GO"]
    words = bytes_registers(GO)
    for first, count in ((0, 7), (1, 7), (0, 1), (7, 1)):
        assert (
            node.refusal(write_registers_pdu(row.address + first, words[first : first + count]))
            == ILLEGAL_ADDRESS
        )
    assert node.refusal(write_registers_pdu(row.address, [*words, 0])) == ILLEGAL_ADDRESS
    assert_runs(node, None, None)
    assert state(node) is Session.VERIFIED


def test_go_before_the_check_is_not_obeyed(node: MemoryNode) -> None:
    assert refused(node, go_pdu()) is Reason.SESSION
    node.ask(open_pdu(LARGEST))
    assert refused(node, go_pdu()) is Reason.SESSION
    send_blocks(node, LARGEST)
    for _ in range(5):
        assert refused(node, go_pdu()) is Reason.SESSION
    node.work()
    assert_runs(node, None, None)
    node.ask(go_pdu())
    assert_runs(node, LARGEST, None)


def test_the_same_go_again_is_answered_and_begins_nothing_anew(node: MemoryNode) -> None:
    bring(node, NEW, seconds=30)
    node.ask(go_pdu())
    node.advance(10_000)
    node.idle(2)
    node.ask(go_pdu())
    assert node.get("TRIAL_LEFT") == 20
    node.command(Command.CONFIRM, crc=crc_of(AND))
    node.work()
    node.ask(go_pdu())
    assert (node.get("TRIAL_LEFT"), node.get("SEQUENCE")) == (0, 1)


def test_go_does_not_bring_back_what_has_gone(node: MemoryNode) -> None:
    """Anybody has heard its bytes by then."""
    node.deploy(OLD)
    bring(node, NEW, seconds=30)
    node.ask(go_pdu())
    node.advance(30_000)
    node.idle(2)
    assert_runs(node, OLD, None)
    assert refused(node, go_pdu()) is Reason.SESSION
    node.broadcast(go_pdu())
    assert_runs(node, OLD, None)


def test_a_switch_that_could_not_be_kept_is_refused_while_nobody_has_switched(node: MemoryNode) -> None:
    node.keep(250, ~250 & 0xFFFFFFFF, 0, 0)
    node.ask(open_pdu(NEW))
    send_blocks(node, NEW)
    node.work()
    assert (state(node), reason(node)) == (Session.REFUSED, Reason.WEAR)
    node.keep(0, 0xFFFFFFFF, 0, 0)
    node.health(low=True)
    node.ask(open_pdu(NEW, OTHER_GO))
    send_blocks(node, NEW)
    node.idle(50)
    assert (state(node), reason(node)) == (Session.REFUSED, Reason.SUPPLY)


def test_a_go_that_cannot_be_kept_changes_nothing(node: MemoryNode) -> None:
    node.deploy(OLD)
    bring(node, NEW, seconds=0)
    node.health(low=True)
    assert refused(node, go_pdu()) is Reason.SUPPLY
    assert_runs(node, OLD, None)
    assert state(node) is Session.VERIFIED
    node.health()
    node.ask(go_pdu())
    assert_runs(node, NEW, OLD)


def test_go_with_what_runs_already(node: MemoryNode) -> None:
    """Kept at once, and nothing is written for that."""
    node.deploy(NEW)
    before = node.flash()
    bring(node, NEW, seconds=0)
    node.ask(go_pdu())
    node.work()
    assert (state(node), node.get("TRIAL_LEFT"), node.get("SEQUENCE")) == (Session.DONE, 0, 1)
    assert_runs(node, NEW, None)
    assert node.flash() == before


# ------------------------------------------------------------------------------------------------------- time and flash


SETTINGS_SECTOR = 2 * SECTOR_SIZE


def save_settings(node: MemoryNode, watchdog: int) -> None:
    node.write(*placed(WATCHDOG=watchdog))
    node.command(Command.SAVE_SETTINGS)
    node.work()
    assert node.get("WATCHDOG_IN_FORCE") == watchdog


def make_an_erase_due(node: MemoryNode) -> None:
    """The sector that the settings stand in is full; two more stand in the other one: the first is to be erased."""
    save_settings(node, 600)
    node.rot(SETTINGS_SECTOR + SECTOR_SIZE - 4, b"\xff")
    node.power_cycle()
    node.work()


def erased(node: MemoryNode) -> bool:
    return node.flash()[SETTINGS_SECTOR + SECTOR_SIZE - 4] == 0xFF


def wait(node: MemoryNode, seconds: float) -> None:
    node.advance(int(1000 * seconds))
    node.idle(5)
    node.work()


def test_no_erase_that_nobody_asked_for_while_go_is_waited_for(node: MemoryNode) -> None:
    make_an_erase_due(node)
    bring(node, NEW)
    for watchdog in (700, 800):  # they are asked for, and are kept
        save_settings(node, watchdog)
    wait(node, SESSION_HOLDS - 1)
    assert not erased(node)
    node.ask(go_pdu())
    node.work()
    assert erased(node), "it has come"
    assert_runs(node, NEW, None)


def test_a_forgotten_session_holds_nothing_up_for_ever(node: MemoryNode) -> None:
    make_an_erase_due(node)
    bring(node, NEW)
    for watchdog in (700, 800):
        save_settings(node, watchdog)
    wait(node, SESSION_HOLDS - 1)
    assert not erased(node)
    wait(node, 1)
    assert erased(node)
    assert state(node) is Session.VERIFIED, "it is obeyed all the same"
    for _ in range(3):
        wait(node, 2**31 / 1000)
        assert state(node) is Session.VERIFIED
    node.ask(go_pdu())
    assert_runs(node, NEW, None)


def test_what_holds_the_flash_up_ends_with_the_session(node: MemoryNode) -> None:
    make_an_erase_due(node)
    bring(node, NEW)
    for watchdog in (700, 800):
        save_settings(node, watchdog)
    assert not erased(node)
    node.ask(close_pdu())
    node.work()
    assert erased(node)
