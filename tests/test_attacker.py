"""Somebody has heard everything that the owner ever said on the bus, and says it again: as it was and changed in every
way, alone and by broadcast, before and after starts. The node obeys none of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice

import pytest

from host.core.image import encode
from host.core.modbus import BROADCAST, frame_seal
from host.core.order import (
    HEADER,
    coils_arguments,
    floor_arguments,
    install_arguments,
    key_arguments,
    order_bytes,
    order_parse,
    settings_arguments,
    trial_arguments,
    write_arguments,
)
from host.core.wire import (
    BY_NAME,
    DEFAULT_ADDRESS,
    UID_BYTES,
    Command,
    OrderResult,
    Reason,
)
from tests.e2e.scenario import AND, NAND, OR
from tests.memory_node import MemoryNode, Outcome
from tests.node_model import UID
from tests.owner import (
    FAILURE,
    GUARDED,
    SETTINGS,
    Owner,
    bytes_of,
    hash_of,
    order_pdu,
    outcome,
    settings_words,
    stage,
)
from tests.pdus import command_pdu
from tests.programs import SANITIZE

TRIES = 100_000
BUILDS = {"optimised": (["-O2"], 1), "sanitized": (SANITIZE, 10)}
"""Flags, and of how many tries each makes one: all of them are to be had in little time."""
GROUP = 485
OTHER_NODE = bytes(range(UID_BYTES))
OURS: tuple[bytes | int, ...] = (UID, GROUP)
BOTH = (DEFAULT_ADDRESS, BROADCAST)
WRITE_ORDER = bytes([16]) + BY_NAME["ORDER"].address.to_bytes(2, "big")
EVERY = 1000
"""Tries, after which all is looked at."""
TURNS = 4
ANSWERED_AGAIN = 40
HEAD, CRC = 7, 2
"""Bytes of a frame before the order: address, function, register, count and size; and behind it."""
SIGNED = 1500
"""Tries whose form, target and counter are right, so that the signature decides."""
SAME: tuple[str, ...] = (
    "MODEL_CRC",
    "SEQUENCE",
    "MODEL_RELEASE",
    "RELEASE_FLOOR",
    "FIRMWARE_FLOOR",
    "TRUST",
    "TRIAL_LEFT",
)
SAME += ("ADDRESS_IN_FORCE", "BAUD_IN_FORCE", "GROUP_IN_FORCE", "LOCK_IN_FORCE", "BROADCASTS_IN_FORCE")
SAME += ("WATCHDOG_IN_FORCE", "FAULTS", "LED", "HELD", "START_CAUSE")


STRANGER = Owner(487).key


class Tapped(MemoryNode):
    """A node at a bus where somebody listens."""

    def __init__(self, flags: Sequence[str]) -> None:
        super().__init__(flags=flags)
        self.heard: list[bytes] = []

    def request(self, frame: bytes, *, damaged: int | None = None) -> bytes:
        self.heard.append(frame)
        return super().request(frame, damaged=damaged)


def session(node: Tapped, owner: Owner) -> None:
    """What an owner does with his nodes, of which this is one, before it has a key and since."""
    node.deploy(encode(AND))
    node.write(SETTINGS.address, settings_words(ADDRESS=2))
    node.command(Command.SAVE_SETTINGS)
    node.work()
    node.address = 2
    node.write(SETTINGS.address, settings_words())
    node.command(Command.SAVE_SETTINGS)
    node.work()
    node.address = DEFAULT_ADDRESS
    for command in (Command.RESTART, Command.ROLLBACK, Command.REVERT):
        node.heard += [frame_seal(bytes([address]) + command_pdu(command)) for address in BOTH]
    other = Owner(486, owner.counter)
    other.install(node, GUARDED)
    other.give(node, Command.KEY, key_arguments(owner.key, GUARDED))
    owner.counter = other.counter
    words = settings_words(GROUP=GROUP)
    owner.give(node, Command.SAVE_SETTINGS, settings_arguments(words))
    for model in (AND, OR):
        image = encode(model)
        stage(node, image)
        owner.give(node, Command.INSTALL, install_arguments(len(image)), image=hash_of(image))
    owner.give(node, Command.ROLLBACK, image=hash_of(encode(AND)))
    trial = encode(NAND)
    for end in (Command.REVERT, Command.CONFIRM):
        stage(node, trial)
        owner.give(node, Command.TRIAL, trial_arguments(len(trial), 60), image=hash_of(trial))
        owner.give(node, end, image=hash_of(trial))
    stage(node, encode(OR))
    node.command(Command.VERIFY, len(encode(OR)), int.from_bytes(encode(OR)[-4:], "little"))
    owner.give(node, Command.COMMIT, image=hash_of(encode(OR)))
    owner.give(node, Command.FLOOR, floor_arguments(0, 1))
    owner.give(node, Command.WRITE, write_arguments(BY_NAME["INPUTS"].address, [0x4000, 0x4000]))
    owner.give(node, Command.RESTART)
    owner.counter = int(node.get("ORDER_COUNTER"))
    for bit in (1, 0):
        order = owner.order(Command.COILS, coils_arguments(1, 1, bit), target=GROUP)
        for _ in range(2):
            node.broadcast(order_pdu(order))
            node.work()
        assert outcome(node) == (OrderResult.DONE, Reason.NONE, owner.counter)
    # What he says to others is heard too, and his counter goes on with it.
    for target in (OTHER_NODE, GROUP + 1):
        for order in others(owner, target):
            node.heard.append(frame_seal(bytes([DEFAULT_ADDRESS]) + order_pdu(order)))


def others(owner: Owner, target: bytes | int) -> list[bytes]:
    """Orders that this node never got."""
    image = hash_of(encode(AND))
    return [
        owner.order(Command.RESTART, target=target),
        owner.order(Command.ROLLBACK, image=image, target=target),
        owner.order(Command.KEY, key_arguments(STRANGER), target=target),
        owner.order(Command.SAVE_SETTINGS, settings_arguments(settings_words(ADDRESS=9)), target=target),
        owner.order(Command.COILS, coils_arguments(0, 1, 1), target=target),
    ]


def state(node: MemoryNode) -> tuple[object, ...]:
    """All that only the owner may change; and whether anybody has restarted it."""
    hashes = tuple(bytes_of(node, name) for name in ("MODEL_HASH", "PREVIOUS_HASH", "KEY"))
    return node.flash(), node.get("ORDER_COUNTER"), node.get("UPTIME"), hashes, *map(node.get, SAME)


# ------------------------------------------------------------------------------------------------------ what he tries


Try = tuple[bytes, bool]
"""A frame, and whether it has its CRC: else that will be right."""


def is_order(body: bytes) -> bool:
    return len(body) > HEAD + HEADER.size and body[1:4] == WRITE_ORDER


def order_of(body: bytes) -> bytes:
    return body[HEAD:]


def said(order: bytes, address: int = DEFAULT_ADDRESS) -> Try:
    return bytes([address]) + order_pdu(order), False


def flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "little") ^ 1 << bit).to_bytes(len(data), "little")


def again(bodies: Sequence[bytes], rng: random.Random) -> Iterator[Try]:
    """All as it was: in that order, backwards, shuffled; and to every node, and to another."""
    for order in (bodies, bodies[::-1], rng.sample(bodies, len(bodies)), rng.sample(bodies, len(bodies))):
        yield from ((body, False) for body in order)
        yield from ((bytes([BROADCAST]) + body[1:], False) for body in order)
        yield from ((bytes([DEFAULT_ADDRESS + 1]) + body[1:], False) for body in order)


def bit_by_bit(bodies: Sequence[bytes]) -> Iterator[Try]:
    """Each bit of each frame turned over, with a CRC that is right."""
    for body in bodies:
        for bit in range(8 * len(body)):
            yield flipped(body, bit), False


def damaged(bodies: Sequence[bytes], rng: random.Random) -> Iterator[Try]:
    """Bits turned over on the way."""
    while True:
        frame = frame_seal(rng.choice(bodies))
        yield flipped(frame, rng.randrange(8 * len(frame))), True


def spliced(orders: Sequence[bytes], rng: random.Random) -> Iterator[Try]:
    """The beginning of one order and the end of another, in one that has the size of either."""
    while True:
        one, other = rng.choice(orders), rng.choice(orders)
        cut = rng.randrange(1, min(len(one), len(other)))
        yield said(
            rng.choice([one[:cut] + other[cut:], one[:cut] + other[len(other) - len(one) + cut :]]),
            rng.choice(BOTH),
        )


def renumbered(orders: Sequence[bytes], rng: random.Random, counter: int) -> Iterator[Try]:
    """With the next counter, for this node, and whatever signature there is: it must decide."""
    while True:
        order = order_parse(rng.choice(orders))
        signature = rng.choice(
            [order.signature, order_parse(rng.choice(orders)).signature, rng.randbytes(64)]
        )
        target = rng.choice(OURS)
        address = DEFAULT_ADDRESS if target is UID else rng.choice(BOTH)
        number = counter + rng.choice([1, 2, 1000, 2**20])
        yield said(order_bytes(replace(order, target=target, counter=number, signature=signature)), address)


def forged(rng: random.Random, counter: int) -> Iterator[Try]:
    """Signed by a key of his own."""
    own = Owner(666, counter)
    while True:
        yield said(rng.choice(others(own, rng.choice(OURS))), rng.choice(BOTH))


@cache
def tries(heard: tuple[bytes, ...], counter: int) -> list[Try]:
    """At least TRIES of them, in no order. counter: the node's."""
    rng = random.Random(485)
    bodies = [frame[:-CRC] for frame in dict.fromkeys(heard)]
    orders = [order_of(body) for body in bodies if is_order(body)]
    assert len(orders) > 25
    found = [*again(bodies, rng), *bit_by_bit(bodies)]
    found += islice(damaged(bodies, rng), 2000)
    found += islice(renumbered(orders, rng, counter), SIGNED)
    found += islice(forged(rng, counter), SIGNED // 5)
    found += islice(spliced(orders, rng), max(2000, TRIES - len(found)))
    rng.shuffle(found)
    return found


# ----------------------------------------------------------------------------------------------------- what comes of it


def name_of(body: bytes, outcome: Outcome) -> str:
    """How the node took it."""
    if not outcome.size:
        return "silence"
    if outcome.function & 0x80:
        return Reason(outcome.reason).name if outcome.third == FAILURE else f"exception {outcome.third}"
    if not is_order(body):
        return "answered"
    result = OrderResult(outcome.result)
    return Reason(outcome.result_reason).name if result is OrderResult.REFUSED else result.name


def start(node: MemoryNode, how: str) -> None:
    if how == "cut":
        node.power_cycle()
    elif how == "reset":
        node.watchdog()
    node.work()
    node.advance(1000)
    node.idle(1)


@pytest.mark.parametrize("build", BUILDS)
def test_nothing_that_was_heard_is_obeyed_again(build: str) -> None:
    flags, share = BUILDS[build]
    owner = Owner()
    with Tapped(flags) as node:
        node.factory()
        node.work()
        session(node, owner)
        heard, node.heard = tuple(node.heard), []
        last = outcome(node)
        flash = node.flash()
        every = tries(heard, last[2])
        assert len(every) >= TRIES
        frames = every[::share]
        counts: Counter[str] = Counter()
        for turn, how in enumerate(("", "reset", "cut", "cut")):
            start(node, how)
            expected = state(node)
            part = frames[turn::TURNS]
            for at in range(0, len(part), EVERY):
                some = part[at : at + EVERY]
                counts.update(
                    name_of(body, came) for (body, _), came in zip(some, node.tries(some), strict=True)
                )
                assert state(node) == expected, counts
            assert expected[0] == flash
        assert sum(counts.values()) >= TRIES // share
        print(sum(counts.values()), "tries:", dict(counts.most_common()))
        assert counts["DONE"] <= ANSWERED_AGAIN, "only the last order, and as it was answered before"
        for reason in (Reason.COUNTER, Reason.TARGET, Reason.ORDER):
            assert counts[reason.name] > 5000 // share, counts
        assert min(counts[Reason.UNSIGNED.name], counts[Reason.SIGNATURE.name]) > SIGNED // 5 // share, counts
        owner.counter = int(node.get("ORDER_COUNTER"))
        owner.give(node, Command.COILS, coils_arguments(1, 1, 1))
