"""A session on a node that obeys a key: GO is obeyed once an order has armed it, and for a minute."""

from __future__ import annotations

import pytest

from host.core.hashes import hash_of
from host.core.image import encode
from host.core.order import arm_arguments, settings_arguments, trial_arguments
from host.core.registers import placed
from host.core.wire import BY_NAME, GO_SECONDS, Command, OrderResult, Reason, Session, Trust
from host.node.broadcast import blocks_of
from tests.e2e.scenario import AND, NAND, OR, crc_of
from tests.memory_node import MemoryNode
from tests.owner import Owner, ended, order_pdu, outcome, settings_words
from tests.pdus import command_pdu
from tests.sessions import (
    GO,
    assert_runs,
    block_pdu,
    bring,
    close_pdu,
    go_pdu,
    open_pdu,
    reason,
    refused,
    send_blocks,
    state,
)

OLD, NEW, OTHER = encode(OR), encode(AND), encode(NAND)
OTHER_GO = bytes(reversed(GO))
ARM = arm_arguments(hash_of(GO), 30)


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def keyed(node: MemoryNode, owner: Owner) -> MemoryNode:
    """OLD runs, and the owner's key is installed."""
    node.deploy(OLD)
    owner.install(node)
    assert refused(node, command_pdu(Command.ROLLBACK, crc=0)) is Reason.UNSIGNED
    return node


def test_go_needs_an_order_that_arms(keyed: MemoryNode, owner: Owner) -> None:
    node = keyed
    bring(node, NEW)
    assert refused(node, go_pdu()) is Reason.UNSIGNED
    assert_runs(node, OLD, None)
    owner.give(node, Command.ARM, ARM, image=hash_of(NEW))
    assert state(node) is Session.ARMED
    node.ask(go_pdu())
    assert_runs(node, NEW, OLD)
    assert (state(node), node.get("TRIAL_LEFT")) == (Session.DONE, 30)
    node.ask(go_pdu())
    assert refused(node, command_pdu(Command.CONFIRM, crc=crc_of(AND))) is Reason.UNSIGNED
    owner.give(node, Command.CONFIRM, image=hash_of(NEW))
    node.work()
    assert_runs(node, NEW, OLD)
    node.power_cycle()
    assert_runs(node, NEW, OLD)


def test_a_lock_does_not_keep_the_key_s_owner_out(keyed: MemoryNode, owner: Owner) -> None:
    node = keyed
    owner.give(node, Command.SAVE_SETTINGS, settings_arguments(settings_words(LOCK=1)))
    node.power_cycle()
    node.advance(2000)
    node.work()
    assert (node.get("LOCK_IN_FORCE"), node.get("TRUST") >> Trust.LOCKED & 1) == (1, 0)
    bring(node, NEW)
    owner.counter = node.get("ORDER_COUNTER")
    owner.give(node, Command.ARM, ARM, image=hash_of(NEW))
    node.ask(go_pdu())
    assert_runs(node, NEW, OLD)


def test_the_bytes_and_the_seconds_are_those_of_the_order(keyed: MemoryNode, owner: Owner) -> None:
    """Whoever has opened the session: that is open to anybody."""
    node = keyed
    bring(node, NEW, OTHER_GO, 5000)
    owner.give(node, Command.ARM, ARM, image=hash_of(NEW))
    assert refused(node, go_pdu(OTHER_GO)) is Reason.SESSION
    assert_runs(node, OLD, None)
    node.ask(go_pdu())
    assert node.get("TRIAL_LEFT") == 30
    assert_runs(node, NEW, OLD)


def test_it_is_armed_for_a_minute(keyed: MemoryNode, owner: Owner) -> None:
    node = keyed
    bring(node, NEW)
    for _ in range(2):
        owner.give(node, Command.ARM, ARM, image=hash_of(NEW))
        node.advance(1000 * GO_SECONDS - 1)
        assert state(node) is Session.ARMED
        node.advance(1)
        assert refused(node, go_pdu()) is Reason.UNSIGNED
        assert state(node) is Session.VERIFIED
    for more in (1 << 31, (1 << 31) - 1000 * GO_SECONDS, 1 << 31):  # nor when the clock has gone round
        node.advance(more)
        node.idle(2)
        assert state(node) is Session.VERIFIED
    assert_runs(node, OLD, None)
    owner.give(node, Command.ARM, ARM, image=hash_of(NEW))
    node.advance(1000 * GO_SECONDS - 1)
    node.ask(go_pdu())
    assert_runs(node, NEW, OLD)


def test_what_cannot_be_armed(keyed: MemoryNode, owner: Owner) -> None:
    node = keyed

    def arm(image: bytes) -> tuple[OrderResult, Reason]:
        return ended(node, owner.order(Command.ARM, ARM, image=hash_of(image)))[:2]

    assert arm(NEW) == (OrderResult.REFUSED, Reason.SESSION)
    node.ask(open_pdu(NEW))
    assert arm(NEW) == (OrderResult.REFUSED, Reason.SESSION)
    send_blocks(node, NEW)
    node.work()
    assert arm(OTHER) == (OrderResult.REFUSED, Reason.HASH)
    assert state(node) is Session.VERIFIED
    assert refused(node, go_pdu()) is Reason.UNSIGNED
    node.ask(close_pdu())
    assert arm(NEW) == (OrderResult.REFUSED, Reason.SESSION)
    assert_runs(node, OLD, None)


@pytest.mark.parametrize("way", ["opening", "stage", "close", "watchdog", "power_cycle"])
def test_who_takes_the_stage_disarms(keyed: MemoryNode, owner: Owner, way: str) -> None:
    """Anybody may: it is worth a new order, and never another image."""
    node = keyed
    bring(node, NEW)
    owner.give(node, Command.ARM, ARM, image=hash_of(NEW))
    if way == "opening":
        node.ask(open_pdu(OTHER))
        send_blocks(node, OTHER)
        node.work()
        assert refused(node, go_pdu()) is Reason.UNSIGNED
    elif way == "stage":
        node.write(BY_NAME["STAGE"].address, [0])
        assert refused(node, go_pdu()) is Reason.SESSION
    elif way == "close":
        node.ask(close_pdu())
        assert refused(node, go_pdu()) is Reason.SESSION
    else:
        getattr(node, way)()
        assert refused(node, go_pdu()) is Reason.SESSION
    assert_runs(node, OLD, None)


def test_a_group_is_armed_and_switched_by_broadcast(node: MemoryNode, owner: Owner) -> None:
    node.deploy(OLD)
    owner.install(node)
    owner.give(node, Command.SAVE_SETTINGS, b"".join(w.to_bytes(2, "big") for w in settings_words(GROUP=7)))
    node.ask(open_pdu(NEW))
    for index in blocks_of(NEW):
        node.broadcast(block_pdu(NEW, index))
    node.work()
    for group in (8, 7):
        node.broadcast(order_pdu(owner.order(Command.ARM, ARM, image=hash_of(NEW), target=group)))
        node.work()
        assert state(node) is (Session.ARMED if group == 7 else Session.VERIFIED)
    assert outcome(node) == (OrderResult.DONE, Reason.NONE, owner.counter)
    node.broadcast(go_pdu())
    assert_runs(node, NEW, OLD)


def test_a_recorded_switch_switches_nothing(keyed: MemoryNode, owner: Owner) -> None:
    """All of its frames again, after the model has gone back: the counter has gone on, and GO is known to everybody."""
    node = keyed
    order = owner.order(Command.ARM, ARM, image=hash_of(NEW))
    for again in range(2):
        bring(node, NEW)
        if not again:
            assert ended(node, order)[0] is OrderResult.DONE
            node.ask(go_pdu())
            owner.give(node, Command.REVERT, image=hash_of(NEW))
            continue
        assert refused(node, order_pdu(order)) is Reason.COUNTER
        assert refused(node, go_pdu()) is Reason.UNSIGNED
    assert_runs(node, OLD, None)


def test_a_trial_by_an_order(keyed: MemoryNode, owner: Owner) -> None:
    node = keyed
    bring(node, NEW)
    arguments = trial_arguments(len(NEW), 20)
    assert ended(node, owner.order(Command.TRIAL, arguments, image=hash_of(OTHER)))[:2] == (
        OrderResult.REFUSED,
        Reason.HASH,
    )
    owner.give(node, Command.TRIAL, arguments, image=hash_of(NEW))
    assert_runs(node, NEW, OLD)
    assert node.get("TRIAL_LEFT") == 20
    owner.give(node, Command.REVERT, image=hash_of(NEW))
    assert_runs(node, OLD, None)


def test_no_session_is_opened_by_broadcast_unless_a_setting_says_so(node: MemoryNode) -> None:
    node.broadcast(open_pdu(NEW))
    assert (state(node), reason(node)) == (Session.NONE, Reason.BROADCAST)
    node.write(*placed(BROADCASTS=1))
    node.command(Command.SAVE_SETTINGS)
    node.work()
    node.broadcast(open_pdu(NEW))
    assert state(node) is Session.OPEN
