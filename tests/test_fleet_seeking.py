"""Nodes of a fleet that are not where they should be, and others that are on the line, found by their UIDs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any

import numpy as np
import pytest

from host.core.image import encode
from host.core.wire import WIRE_VERSION
from host.errors import NeuronError
from host.node.applied import Apply
from host.node.drift import Drift, Survey, survey
from host.node.fleet import Fleet, Member
from host.node.scanning import selected
from host.node.search import Prefix, search_pdu
from host.node.seeking import is_wanted, seek
from host.show.fleets import status_lines
from tests.fleet_line import FakeNode, FleetLine
from tests.memory_fleet import memory_fleet
from tests.models import random_model

OLD, NEW = (encode(random_model(np.random.default_rng(seed))) for seed in (1, 2))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.node.client.SETTLE_SECONDS", 0.0)


def uid(number: int) -> str:
    """As if of different chips."""
    return blake2b(bytes([number]), digest_size=12).hexdigest()


def member(number: int, **more: Any) -> Member:
    """Number n shall stand at address 10 + n."""
    return Member(uid(number), f"n{number}", 10 + number, "new.img", NEW, **more)


def at(number: int, address: int, **more: Any) -> FakeNode:
    return FakeNode(address, uid(number), OLD, **more)


def sought(nodes: Sequence[FakeNode], *members: Member) -> tuple[FleetLine, Survey]:
    line = FleetLine(nodes)
    line.collides = True
    found = survey(line, Fleet("fleet.toml", members))
    line.collides = False  # from here on nobody may
    assert is_wanted(found)
    return line, seek(line, found)


def test_a_node_elsewhere_is_found_moved_and_given_its_image() -> None:
    nodes = [at(1, 99), at(2, 12)]
    line, found = sought(nodes, member(1), member(2))
    assert [d.drift.value for d in found.standings[0].differs] == ["address", "model"]
    apply = Apply(line, found)
    apply.run()
    assert apply.as_wanted
    assert [node.address for node in nodes] == [11, 12]
    assert {node.model for node in nodes} == {NEW}


def test_nodes_fresh_from_the_factory_all_have_one_address() -> None:
    nodes = [at(number, 1) for number in range(1, 7)]
    line, found = sought(nodes, *(member(number) for number in range(1, 7)))
    assert all(standing.found and standing.found.shares for standing in found.standings)
    apply = Apply(line, found)
    apply.run()
    assert apply.as_wanted, [outcome.trouble for outcome in apply.outcomes]
    assert [node.address for node in nodes] == [11, 12, 13, 14, 15, 16]


def test_one_of_them_may_keep_the_address_that_all_have() -> None:
    nodes = [at(1, 11), at(2, 11)]
    line, found = sought(nodes, member(1), member(2))
    apply = Apply(line, found)
    apply.run()
    assert apply.as_wanted, [outcome.trouble for outcome in apply.outcomes]
    assert [node.address for node in nodes] == [11, 12]


def test_a_node_that_answers_the_search_as_another_is_none_of_the_fleet() -> None:
    _, found = sought([at(1, 99, values={"UID": bytes.fromhex(uid(2))})], member(1))
    (standing,) = found.standings
    assert standing.found is None
    assert standing.differs[0].drift is Drift.STRANGE
    assert f"{uid(2)}, and answered the search as {uid(1)}" in standing.differs[0].is_


class Merging(FleetLine):
    """Answers that are the same are heard as one, as where two drivers say the same bits at once."""

    def _say(self, frame: bytes) -> list[bytes]:
        return list(dict.fromkeys(super()._say(frame)))


@pytest.mark.parametrize("misses", range(4))
def test_a_node_that_does_not_hear_that_it_is_no_longer_selected_is_not_moved_along(misses: int) -> None:
    """Both say the same settings then, bit for bit, and would both take the address."""
    sought_for = search_pdu(Prefix.of(bytes.fromhex(uid(1))))
    heard = 0

    def lost(number: int, frame: bytes) -> bool:
        nonlocal heard
        if number == 0 or frame[1:-2] != sought_for:
            return False
        heard += 1
        return heard > misses

    nodes = [at(1, 99), at(2, 99)]
    line = Merging(nodes, lost=lost)
    line.collides = True
    with selected(line, bytes.fromhex(uid(2))):
        pass
    apply = Apply(line, seek(line, survey(line, Fleet("fleet.toml", (member(1),)))))
    with selected(line, bytes.fromhex(uid(2))):
        pass
    with suppress(NeuronError):
        apply.run()
    assert nodes[1].address == 99


def test_nodes_that_are_not_in_the_file_are_named() -> None:
    nodes = [at(1, 11), at(7, 40), at(8, 41)]
    _, found = sought(nodes, member(1), member(2))
    assert {(unknown.uid, unknown.address) for unknown in found.unknown} == {(uid(7), 40), (uid(8), 41)}
    assert sum("is not in the file" in line for line in status_lines(found)) == 2
    assert found.standings[1].found is None


def test_an_address_that_an_unknown_node_has_is_not_given_to_another() -> None:
    nodes = [at(1, 99), at(7, 11)]
    line, found = sought(nodes, member(1))
    apply = Apply(line, found)
    apply.run()
    assert "its address 11 is taken by another node" in apply.outcomes[0].trouble
    assert [node.address for node in nodes] == [99, 11]


def test_a_node_of_another_version_is_named_where_it_is() -> None:
    class Older(FakeNode):
        def _called(self, pdu: bytes) -> bytes:
            from host.core.modbus import frame_seal

            reply = super()._called(pdu)
            return frame_seal(reply[:-4] + (WIRE_VERSION - 1).to_bytes(2, "big")) if reply else b""

    _, found = sought([Older(99, uid(1), OLD)], member(1))
    (difference,) = found.standings[0].differs
    assert difference.drift == "strange"
    assert f"at address 99 it speaks wire version {WIRE_VERSION - 1}" in difference.is_


def test_two_nodes_with_one_uid_are_said() -> None:
    _, found = sought([at(1, 20), at(1, 21), at(2, 12)], member(2), member(3))
    assert [unknown.as_dict() for unknown in found.unknown] == [{"uid": uid(1), "address": None}]
    assert "more than one node seems to have the UID" in list(status_lines(found))[-1]


def test_the_firmware_itself_is_found_and_moved() -> None:
    """Three nodes at one address, in groups from now on."""
    with memory_fleet(3, moves=True, same=True) as nodes:
        for node in nodes:
            node.node.work()
        line = FleetLine(nodes)
        members = tuple(
            Member(node.uid, f"n{i}", 30 + i, "new.img", NEW, group=7) for i, node in enumerate(nodes)
        )
        fleet = Fleet("fleet.toml", members)
        found = seek(line, survey(line, fleet))
        apply = Apply(line, found)
        apply.run()
        assert apply.as_wanted, [outcome.trouble for outcome in apply.outcomes]
        assert survey(line, fleet).as_wanted
