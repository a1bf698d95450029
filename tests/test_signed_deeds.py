"""A fleet whose nodes obey a key: one order for all of a group, one for each other node, none for who obeys another."""

from __future__ import annotations

from dataclasses import replace

from host.core.hashes import hash_of
from host.core.order import arm_arguments
from host.core.wire import Command, Reason, Scope
from host.node.broadcast import Receiver
from host.node.deeds import Deeds
from host.node.drift import Standing, look
from host.node.fleet import Member
from host.node.keyed import KeyedNode
from host.node.node import Node
from host.node.signed_deeds import SignedDeeds
from tests.obeying_node import Bus, ObeyingNode, signer

KEY = signer()
GO, HASH = bytes(range(16)), bytes(range(32))


def uid(number: int) -> bytes:
    return bytes([number]) * 12


def keyed(number: int, group: int = 0) -> ObeyingNode:
    return ObeyingNode(key=KEY.public, counter=100 * number, group=group, uid=uid(number))


def standing(bus: Bus, number: int) -> Standing:
    bus.nodes[number].says["ADDRESS_IN_FORCE"] = number
    found = look(Node(bus, number))
    return Standing(Member(uid(number).hex(), f"node {number}", number, group=found.group or None), found)


def receivers(bus: Bus, deeds: Deeds) -> list[Receiver]:
    return [Receiver(f"node {n}", deeds.node(bus, standing(bus, n)), GO, HASH) for n in bus.nodes]


def obeyed(bus: Bus) -> list[list[tuple[Command, Scope, int]]]:
    return [
        [(order.command, order.scope, order.counter) for order in node.obeyed] for node in bus.nodes.values()
    ]


def test_one_order_arms_a_group_and_one_each_other_node() -> None:
    bus = Bus({1: keyed(1, 7), 2: keyed(2, 7), 3: keyed(3), 4: keyed(4, 8), 5: ObeyingNode(uid=uid(5))})
    deeds = SignedDeeds(KEY)
    told = receivers(bus, deeds)
    deeds.arm(told, 60, by_group=True)
    assert [receiver.trouble for receiver in told] == [""] * 5
    assert bus.broadcasts == 1
    assert obeyed(bus) == [
        [(Command.ARM, Scope.GROUP, 201)],
        [(Command.ARM, Scope.GROUP, 201)],
        [(Command.ARM, Scope.UID, 301)],
        [(Command.ARM, Scope.UID, 401)],
        [],
    ]
    for node in list(bus.nodes.values())[:4]:
        assert (node.obeyed[0].hash, node.obeyed[0].arguments) == (HASH, arm_arguments(hash_of(GO), 60))


def test_a_group_is_what_the_file_says() -> None:
    """An order for a group is good for all of its nodes on all lines: no node may have us sign one for another's."""
    bus = Bus({1: keyed(1, 7), 2: keyed(2, 7)})
    deeds = SignedDeeds(KEY)
    found = [standing(bus, number) for number in bus.nodes]
    for group in (None, 8):
        members = [replace(one, member=replace(one.member, group=group)) for one in found]
        told = [Receiver(one.member.name, deeds.node(bus, one), GO, HASH) for one in members]
        deeds.arm(told, 60, by_group=True)
    assert {order.scope for node in bus.nodes.values() for order in node.obeyed} == {Scope.UID}
    assert bus.broadcasts == 0


def test_canaries_are_armed_without_the_others() -> None:
    bus = Bus({n: keyed(n, 7) for n in (1, 2, 3, 4)})
    deeds = SignedDeeds(KEY)
    told = receivers(bus, deeds)
    told[0].go = told[1].go = bytes(16)
    deeds.arm(told[:2], 60, by_group=False)
    assert [len(node.obeyed) for node in bus.nodes.values()] == [1, 1, 0, 0]
    assert bus.broadcasts == 0, "a group's order would let the canaries' GO switch all of it"
    assert bus.nodes[1].obeyed[0].arguments == arm_arguments(hash_of(bytes(16)), 60)


def test_who_will_not_be_armed_is_in_trouble_alone() -> None:
    bus = Bus({1: keyed(1, 7), 2: keyed(2, 7), 3: keyed(3)})
    bus.nodes[2].refusal = bus.nodes[3].refusal = Reason.SESSION
    deeds = SignedDeeds(KEY)
    told = receivers(bus, deeds)
    deeds.arm(told, 0, by_group=True)
    assert told[0].trouble == ""
    for receiver in told[1:]:
        assert "there is no open session that this belongs to" in receiver.trouble


def test_a_node_that_is_gone_stops_nobody() -> None:
    bus = Bus({1: keyed(1, 7), 2: keyed(2, 7)})
    deeds = SignedDeeds(KEY)
    told = receivers(bus, deeds)
    del bus.nodes[2]
    deeds.arm(told, 0, by_group=True)
    assert told[0].trouble == ""
    assert told[1].trouble.startswith("no answer from address 2")


def test_what_is_tried_is_kept_or_ended_by_its_hash() -> None:
    bus = Bus({1: keyed(1)})
    deeds = SignedDeeds(KEY)
    (receiver,) = receivers(bus, deeds)
    deeds.confirm(receiver, 5)
    deeds.revert(receiver, 5)
    said = [(order.command, order.hash) for order in bus.nodes[1].obeyed]
    assert said == [(Command.CONFIRM, HASH), (Command.REVERT, HASH)]


def test_who_obeys_another_key_or_needs_one_is_named() -> None:
    bus = Bus({1: keyed(1), 2: ObeyingNode(uid=uid(2)), 3: ObeyingNode(key=signer().public, uid=uid(3))})
    own, plain = SignedDeeds(KEY), Deeds()
    found = [standing(bus, number) for number in bus.nodes]
    assert own.refused_by(found[0]) == ""
    assert own.refused_by(found[1]).startswith("no key is installed there, so nothing can be signed for it")
    assert "the node says that it obeys the key" in own.refused_by(found[2])
    assert [plain.refused_by(each) for each in found] == [
        "a key is installed there: give its file by --key",
        "",
        "a key is installed there: give its file by --key",
    ]
    assert isinstance(own.node(bus, found[0]), KeyedNode)
    assert not own.node(bus, found[1]).keyed
