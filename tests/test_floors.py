"""A floor of releases that is raised while a model is on its way: seen by whatever would run it, or keep it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from host.core.hashes import hash_of
from host.core.image import encode
from host.core.order import arm_arguments, floor_arguments, install_arguments, trial_arguments
from host.core.wire import Command, OrderResult, Reason, Session
from tests.e2e.scenario import AND, NAND, OR
from tests.memory_node import MemoryNode
from tests.owner import Owner, ended, stage
from tests.pdus import command_pdu
from tests.sessions import GO, assert_runs, bring, go_pdu, open_pdu, reason, refused, send_blocks, state

RELEASE = 5
"""Of the model that is brought; that of the one which runs is lower, and of the one before it higher."""
OLD, NEW, BEFORE = (encode(replace(model, release=n)) for model, n in ((OR, 2), (AND, RELEASE), (NAND, 9)))
SECONDS = 30

Deed = Callable[[MemoryNode, Owner], Reason]


def crc(image: bytes) -> int:
    return int.from_bytes(image[-4:], "little")


def ordered(node: MemoryNode, owner: Owner, command: Command, arguments: bytes = b"") -> Reason:
    """How an order that means NEW ends."""
    result, why, _ = ended(node, owner.order(command, arguments, image=hash_of(NEW)))
    assert (result is OrderResult.DONE) == (why is Reason.NONE)
    return why


def raise_floor(node: MemoryNode, owner: Owner, release: int) -> None:
    owner.give(node, Command.FLOOR, floor_arguments(release, 0))


@pytest.fixture
def keyed(node: MemoryNode, owner: Owner) -> MemoryNode:
    """BEFORE was deployed, then OLD, which runs; and it obeys the owner."""
    node.deploy(BEFORE)
    node.deploy(OLD)
    owner.install(node)
    return node


# ------------------------------------------------------------------------------------------- what is on its way


def verified(node: MemoryNode, owner: Owner) -> None:
    stage(node, NEW)
    node.command(Command.VERIFY, len(NEW), crc(NEW))


def in_session(node: MemoryNode, owner: Owner) -> None:
    bring(node, NEW)


def armed(node: MemoryNode, owner: Owner, seconds: int = SECONDS) -> None:
    bring(node, NEW)
    owner.give(node, Command.ARM, arm_arguments(hash_of(GO), seconds), image=hash_of(NEW))


def armed_to_keep(node: MemoryNode, owner: Owner) -> None:
    armed(node, owner, 0)


def on_trial(node: MemoryNode, owner: Owner) -> None:
    stage(node, NEW)
    owner.give(node, Command.TRIAL, trial_arguments(len(NEW), SECONDS), image=hash_of(NEW))


def gone_on_trial(node: MemoryNode, owner: Owner) -> None:
    armed(node, owner)
    node.ask(go_pdu())


# ---------------------------------------------------------------------------------------------------------- deeds


def go(node: MemoryNode, owner: Owner) -> Reason:
    refusal = node.answer(go_pdu())
    assert refusal is not None
    return reason(node) if refusal[0] & 0x80 else Reason.NONE


def arm(node: MemoryNode, owner: Owner) -> Reason:
    return ordered(node, owner, Command.ARM, arm_arguments(hash_of(GO), SECONDS))


def verify(node: MemoryNode, owner: Owner) -> Reason:
    answer = node.answer(command_pdu(Command.VERIFY, len(NEW), crc(NEW)))
    assert answer is not None
    return reason(node)


def install(node: MemoryNode, owner: Owner) -> Reason:
    return ordered(node, owner, Command.INSTALL, install_arguments(len(NEW)))


def trial(node: MemoryNode, owner: Owner) -> Reason:
    return ordered(node, owner, Command.TRIAL, trial_arguments(len(NEW), SECONDS))


def commit(node: MemoryNode, owner: Owner) -> Reason:
    return ordered(node, owner, Command.COMMIT)


def confirm(node: MemoryNode, owner: Owner) -> Reason:
    return ordered(node, owner, Command.CONFIRM)


WAYS: dict[str, tuple[Callable[[MemoryNode, Owner], None], Deed]] = {
    "VERIFY": (verified, verify),
    "INSTALL": (verified, install),
    "TRIAL": (verified, trial),
    "COMMIT": (verified, commit),
    "COMMIT in a session": (in_session, commit),
    "ARM": (in_session, arm),
    "GO": (armed, go),
    "GO to keep": (armed_to_keep, go),
    "CONFIRM": (on_trial, confirm),
    "CONFIRM after GO": (gone_on_trial, confirm),
}
"""What goes before the floor is raised, and what comes after it."""


@pytest.mark.parametrize("way", WAYS)
def test_a_floor_that_was_raised_meanwhile_is_seen(keyed: MemoryNode, owner: Owner, way: str) -> None:
    node = keyed
    before, deed = WAYS[way]
    sequence = node.get("SEQUENCE")
    before(node, owner)
    trying = node.get("TRIAL_LEFT") > 0
    raise_floor(node, owner, RELEASE + 1)
    assert deed(node, owner) is Reason.FLOOR
    node.work()
    assert_runs(node, *((NEW, OLD) if trying else (OLD, BEFORE)))
    node.advance(1000 * SECONDS)
    node.idle(2)
    assert_runs(node, OLD, BEFORE)
    node.power_cycle()
    node.work()
    assert_runs(node, OLD, BEFORE)
    assert node.get("SEQUENCE") == sequence


@pytest.mark.parametrize("way", WAYS)
def test_a_floor_is_the_lowest_release_that_is_taken(keyed: MemoryNode, owner: Owner, way: str) -> None:
    node = keyed
    before, deed = WAYS[way]
    before(node, owner)
    raise_floor(node, owner, RELEASE)
    assert deed(node, owner) is Reason.NONE
    node.work()
    if way not in ("VERIFY", "ARM"):
        assert_runs(node, NEW, OLD)


def test_a_session_is_refused_while_nobody_has_switched(keyed: MemoryNode, owner: Owner) -> None:
    raise_floor(keyed, owner, RELEASE + 1)
    keyed.ask(open_pdu(NEW))
    send_blocks(keyed, NEW)
    keyed.work()
    assert (state(keyed), reason(keyed)) == (Session.REFUSED, Reason.FLOOR)
    assert refused(keyed, go_pdu()) is Reason.SESSION
    assert_runs(keyed, OLD, BEFORE)


def test_no_rollback_to_a_release_below_the_floor(keyed: MemoryNode, owner: Owner) -> None:
    node = keyed
    stage(node, NEW)
    assert install(node, owner) is Reason.NONE
    node.work()
    raise_floor(node, owner, 3)
    order = owner.order(Command.ROLLBACK, image=hash_of(OLD))
    assert ended(node, order)[:2] == (OrderResult.REFUSED, Reason.FLOOR)
    assert_runs(node, NEW, OLD)
    node.power_cycle()
    assert_runs(node, NEW, OLD)


# --------------------------------------------------------------------------------------------- what runs already


def test_what_runs_goes_on(keyed: MemoryNode, owner: Owner) -> None:
    """A node without its model would be worse than one with an old one: over a start, and where a trial ends."""
    node = keyed
    raise_floor(node, owner, RELEASE)
    assert_runs(node, OLD, BEFORE)
    for start in (node.power_cycle, node.watchdog):
        start()
        node.work()
        assert_runs(node, OLD, BEFORE)
        assert node.get("FAULTS") == 0
    owner.counter = int(node.get("ORDER_COUNTER"))
    on_trial(node, owner)
    owner.give(node, Command.REVERT, image=hash_of(NEW))
    assert_runs(node, OLD, BEFORE)


def test_what_the_flash_keeps_already_may_run_on_after_its_trial(keyed: MemoryNode, owner: Owner) -> None:
    """Nothing comes into the flash by that."""
    node = keyed
    stage(node, OLD)
    owner.give(node, Command.TRIAL, trial_arguments(len(OLD), SECONDS), image=hash_of(OLD))
    raise_floor(node, owner, RELEASE)
    owner.give(node, Command.CONFIRM, image=hash_of(OLD))
    node.work()
    assert_runs(node, OLD, BEFORE)
    assert (node.get("TRIAL_LEFT"), node.get("SEQUENCE")) == (0, 2)


def test_rot_brings_the_one_before_back_whatever_its_release(keyed: MemoryNode, owner: Owner) -> None:
    node = keyed
    stage(node, NEW)
    assert install(node, owner) is Reason.NONE
    node.work()
    raise_floor(node, owner, RELEASE)
    node.rot(node.flash().index(NEW) + 40, b"\x10")
    node.power_cycle()
    node.work()
    assert node.get("MODEL_CRC") == crc(OLD)
