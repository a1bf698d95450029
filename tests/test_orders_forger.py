"""Somebody sends orders with bad signatures in between: he is told so, keeps the node from its owner's for no longer
than a check takes, and the owner learns what became of his order all the same."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from host.core.order import coils_arguments
from host.core.wire import ORDER_AHEAD, Command, OrderResult, Reason, Table
from host.node import client, orders
from host.node.client import NodeError
from host.node.keyfile import Signer
from host.node.node import Node, Refused
from host.node.orders import ATTEMPTS, give, give_group, signed
from tests.memory_node import MemoryNode
from tests.obeying_node import UID, Bus, ObeyingNode, signer
from tests.owner import FIRST, Owner, bytes_of, ended, hash_of, order_pdu, outcome, refused

BUSY = 6
ON, OFF = coils_arguments(1, 1, 1), coils_arguments(1, 1, 0)

# ------------------------------------------------------------------------------------------------------- the firmware


def forged(node: MemoryNode, arguments: bytes = OFF) -> bytes:
    """One that only its signature gives away."""
    return Owner(666, int(node.get("ORDER_COUNTER"))).order(Command.COILS, arguments)


def test_a_repeat_is_answered_whatever_was_forged_meanwhile(keyed: MemoryNode, owner: Owner) -> None:
    order = owner.order(Command.COILS, ON)
    assert ended(keyed, order) == (OrderResult.DONE, Reason.NONE, owner.counter)
    keyed.ask(bytes.fromhex("05 0001 0000"))
    before = keyed.flash()
    for _ in range(3):
        false = forged(keyed)
        for _ in range(2):
            assert ended(keyed, false) == (OrderResult.REFUSED, Reason.SIGNATURE, owner.counter)
            assert bytes_of(keyed, "ORDER").startswith(false)
        for _ in range(2):
            assert ended(keyed, order) == (OrderResult.DONE, Reason.NONE, owner.counter)
            assert bytes_of(keyed, "ORDER").startswith(order)
        assert refused(keyed, order_pdu(order[:-1] + bytes([order[-1] ^ 1]))) == Reason.COUNTER
    assert keyed.read(Table.COIL, 1) == [0], "and not done again"
    assert keyed.flash() == before


def test_so_is_one_that_was_refused(keyed: MemoryNode, owner: Owner) -> None:
    """By whom it is meant for, after the signature: its counter is used up too."""
    order = owner.order(Command.COMMIT, image=hash_of(b""))
    expected = (OrderResult.REFUSED, Reason.NOT_VERIFIED, owner.counter)
    assert ended(keyed, order) == expected
    assert ended(keyed, forged(keyed))[1] == Reason.SIGNATURE
    assert ended(keyed, order) == expected


def test_the_next_order_and_a_start_end_it(keyed: MemoryNode, owner: Owner) -> None:
    first = owner.order(Command.COILS, ON)
    assert ended(keyed, first)[0] == OrderResult.DONE
    second = owner.order(Command.COILS, OFF)
    assert ended(keyed, second)[0] == OrderResult.DONE
    assert ended(keyed, forged(keyed))[1] == Reason.SIGNATURE
    assert refused(keyed, order_pdu(first)) == Reason.COUNTER
    assert ended(keyed, second) == (OrderResult.DONE, Reason.NONE, owner.counter)
    keyed.power_cycle()
    assert refused(keyed, order_pdu(second)) == Reason.COUNTER
    assert keyed.get("ORDER_COUNTER") <= owner.counter + ORDER_AHEAD


def test_a_repeat_waits_while_a_forged_one_is_checked(keyed: MemoryNode, owner: Owner) -> None:
    order, later = owner.order(Command.COILS, ON), owner.order(Command.COILS, OFF)
    assert ended(keyed, order)[0] == OrderResult.DONE
    false = Owner(666, owner.counter).order(Command.COILS, OFF)
    keyed.ask(order_pdu(false))
    assert keyed.refusal(order_pdu(order)) == keyed.refusal(order_pdu(later)) == BUSY
    assert keyed.get("ORDER_RESULT") == OrderResult.CHECKING
    keyed.work()
    assert outcome(keyed)[:2] == (OrderResult.REFUSED, Reason.SIGNATURE)
    assert ended(keyed, order)[0] == OrderResult.DONE
    assert ended(keyed, later)[0] == OrderResult.DONE


def test_what_is_forged_before_any_good_one(keyed: MemoryNode) -> None:
    assert ended(keyed, forged(keyed))[:2] == (OrderResult.REFUSED, Reason.SIGNATURE)
    assert outcome(keyed)[2] == FIRST + ORDER_AHEAD


# ----------------------------------------------------------------------------------------------------------- the host


@dataclass
class Disturbed(ObeyingNode):
    """forgeries: orders with a bad signature that end between what the owner asks and his next look."""

    forgeries: int = 0
    owned: tuple[bytes, OrderResult, Reason] = (b"", OrderResult.NONE, Reason.NONE)

    def take(self, data: bytes) -> Reason:
        if data and data == self.owned[0]:
            self.last, self.result, self.reason = self.owned
            self.disturb()
            return Reason.NONE
        return super().take(data)

    def decide(self) -> None:
        super().decide()
        if self.reason is not Reason.SIGNATURE:
            self.owned = self.last, self.result, self.reason
            self.disturb()

    def disturb(self) -> None:
        if self.forgeries:
            self.forgeries -= 1
            self.last, self.result, self.reason = b"forged", OrderResult.REFUSED, Reason.SIGNATURE


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody sleeps, but for as long as the clock then says."""
    now = [1000.0]
    for module in (orders.time, client.time):
        monkeypatch.setattr(module, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def disturbed(key: Signer, forgeries: int, **values: object) -> Disturbed:
    return Disturbed(key=key.public, counter=1000, forgeries=forgeries, **values)  # type: ignore[arg-type]


def opened(node: ObeyingNode) -> Node:
    return Node(Bus({1: node}), 1)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("forgeries", range(ATTEMPTS))
def test_the_owner_learns_that_it_was_done(forgeries: int) -> None:
    key = signer()
    node = disturbed(key, forgeries)
    give(opened(node), signed(key, Command.RESTART, UID, 1001), "restart")
    assert [order.counter for order in node.obeyed] == [1001]
    assert node.forgeries == 0


@pytest.mark.usefixtures("clock")
def test_the_owner_learns_why_it_was_not() -> None:
    key = signer()
    node = disturbed(key, 2, refusal=Reason.FLASH)
    with pytest.raises(Refused) as refusal:
        give(opened(node), signed(key, Command.RESTART, UID, 1001), "restart")
    assert refusal.value.reason is Reason.FLASH


@pytest.mark.usefixtures("clock")
def test_he_is_told_where_nobody_knows() -> None:
    key = signer()
    node = disturbed(key, ATTEMPTS)
    with pytest.raises(NodeError, match="another master gives it orders"):
        give(opened(node), signed(key, Command.RESTART, UID, 1001), "restart")
    assert len(node.obeyed) == 1


@pytest.mark.usefixtures("clock")
def test_a_group_is_asked_again_too() -> None:
    key = signer()
    node = disturbed(key, 2, group=7)
    assert give_group([opened(node)], signed(key, Command.RESTART, 7, 1001), "restart") == [None]
    assert len(node.obeyed) == 1


CHECK_SECONDS = 0.021
"""Of a signature on the board: tests/test_elf_orders.py."""
FREE = 0.06
"""The share of time in which a node takes orders, where forged ones come as close as the fastest line brings them: 120
bytes at 1 Mbit/s, 1.4 ms, after each check."""


def test_a_node_that_is_kept_busy_is_asked_until_it_has_time(clock: list[float]) -> None:
    """Whoever sends nothing but forgeries leaves a gap behind each: one of some hundred tries falls into it."""
    key = signer()

    class Kept(Disturbed):
        def _answer(self, pdu: bytes) -> bytes:
            gap = CHECK_SECONDS / (1 - FREE)
            self.busy = int(pdu[0] == 16 and clock[0] % gap < CHECK_SECONDS)
            return super()._answer(pdu)

    waited, rng = [], random.Random(485)
    for number in range(300):
        clock[0] += rng.random()
        node = Kept(key=key.public, counter=1000 + number)
        begun = clock[0]
        give(opened(node), signed(key, Command.RESTART, UID, 1001 + number), "restart")
        assert len(node.obeyed) == 1
        waited.append(clock[0] - begun)
    assert max(waited) > 1, "it was kept"
    assert sum(waited) / len(waited) < 2
