"""Round by round: what a node says of the model that would come back is true of the image that stands there, by its
CRC-32 and by its hash, whatever happens to either meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from host.core.hashes import hash_of
from host.core.image import encode
from host.core.registers import bytes_registers
from host.core.wire import BY_NAME, Command
from tests.e2e.scenario import largest
from tests.memory_node import MemoryNode
from tests.pdus import command_pdu
from tests.sessions import NO_HASH, bring, bytes_of, go_pdu
from tests.test_trial import begin, pdu

IMAGES = [encode(replace(largest(), name=f"model {number}")) for number in range(4)]
"""One to a sector: the third has no place before the first is erased."""
SAID = {int.from_bytes(image[-4:], "little"): hash_of(image) for image in IMAGES} | {0: NO_HASH}
SETTLED = 3
"""Rounds without work, after which there is none."""
TURNS = 200
"""In which a running image is read through."""


@pytest.fixture(scope="module")
def lone() -> Iterator[MemoryNode]:
    with MemoryNode() as node:
        yield node


def crc(image: bytes | None) -> int:
    return int.from_bytes(image[-4:], "little") if image else 0


def watched(node: MemoryNode) -> list[int]:
    """Do all its work; PREVIOUS_CRC as it was from round to round, each once."""
    seen: list[int] = []
    quiet, every = 0, 0
    while quiet < SETTLED:
        before = node.operations()
        node.idle(1 if every < 40 else 25)
        every += 1
        quiet = 0 if node.operations() != before else quiet + 1
        for name in ("MODEL", "PREVIOUS"):
            assert bytes_of(node, f"{name}_HASH") == SAID[node.get(f"{name}_CRC")], name
        now = node.get("PREVIOUS_CRC")
        if not seen or seen[-1] != now:
            seen.append(now)
    return seen


def stage(node: MemoryNode, image: bytes) -> None:
    node.write(BY_NAME["STAGE"].address, bytes_registers(image))


def install(node: MemoryNode, image: bytes) -> list[int]:
    stage(node, image)
    node.ask(command_pdu(Command.INSTALL, len(image), crc(image)))
    return watched(node)


def kept_trial(node: MemoryNode, image: bytes) -> list[int]:
    begin(node, image)
    trial = watched(node)
    node.ask(pdu(Command.CONFIRM, image))
    return trial + watched(node)


def switched(node: MemoryNode, image: bytes) -> list[int]:
    bring(node, image, seconds=0)
    node.broadcast(go_pdu())
    return watched(node)


def first_two(node: MemoryNode) -> None:
    node.factory()
    node.work()
    assert install(node, IMAGES[0]) == [0]
    assert install(node, IMAGES[1]) == [0, crc(IMAGES[0])]


@pytest.mark.parametrize("bring_in", [install, kept_trial, switched])
def test_an_erase_takes_the_previous_one(
    lone: MemoryNode, bring_in: Callable[[MemoryNode, bytes], list[int]]
) -> None:
    first_two(lone)
    seen = bring_in(lone, IMAGES[2])
    second = crc(IMAGES[1])
    assert seen[-1] == second
    # On trial what ran before is what comes back, and an erase takes what was behind it.
    assert set(seen) == ({0, second} if bring_in is install else {second})
    lone.power_cycle()
    assert watched(lone) == [second]


def test_a_rollback_and_one_that_finds_no_place(lone: MemoryNode) -> None:
    first_two(lone)
    lone.ask(pdu(Command.ROLLBACK, IMAGES[0]))
    assert watched(lone)[-1] == crc(IMAGES[1])
    lone.health(worn=True)
    stage(lone, IMAGES[2])
    lone.ask(command_pdu(Command.INSTALL, len(IMAGES[2]), crc(IMAGES[2])))
    assert watched(lone)[-1] == 0, "erased, and nothing could be written in its place"
    assert lone.get("MODEL_CRC") == crc(IMAGES[0])
    lone.health()
    lone.power_cycle()
    watched(lone)


def test_a_trial_that_returns(lone: MemoryNode) -> None:
    first_two(lone)
    begin(lone, IMAGES[2])
    assert watched(lone) == [crc(IMAGES[1])]
    lone.ask(pdu(Command.REVERT, IMAGES[2]))
    assert watched(lone) == [crc(IMAGES[0])]
    lone.factory()
    lone.work()
    begin(lone, IMAGES[3])
    assert watched(lone) == [0], "nothing ran before"
    lone.ask(pdu(Command.REVERT, IMAGES[3]))
    assert watched(lone) == [0]


def test_one_that_rots_makes_way(lone: MemoryNode) -> None:
    """It stands there still, and its hash is no longer that of the image that its CRC-32 names."""
    first_two(lone)
    at = lone.flash().index(IMAGES[1])
    lone.rot(at + 100, b"\1")
    for _ in range(TURNS):
        lone.idle(1)
        if lone.get("MODEL_CRC") == crc(IMAGES[0]):
            break
    else:
        raise AssertionError("nobody has found it")
    assert bytes_of(lone, "MODEL_HASH") == hash_of(IMAGES[0])
    rotten = lone.flash()[at : at + len(IMAGES[1])]
    assert rotten != IMAGES[1]
    assert (lone.get("PREVIOUS_CRC"), bytes_of(lone, "PREVIOUS_HASH")) == (crc(IMAGES[1]), hash_of(rotten))
