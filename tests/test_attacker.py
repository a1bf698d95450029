"""Somebody has heard everything that the owner ever said on the bus, and says it again: as it was and changed in every
way, alone and by broadcast, before and after starts. The node obeys none of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

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
from tests.memory_node import MemoryNode
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

TRIES = 100_000
GROUP = 485
OTHER_NODE = bytes(range(UID_BYTES))
OURS: tuple[bytes | int, ...] = (UID, GROUP)
BOTH = (DEFAULT_ADDRESS, BROADCAST)
WRITE_ORDER = bytes([16]) + BY_NAME["ORDER"].address.to_bytes(2, "big")
EVERY = 1000
"""Tries, after which all is looked at."""
TURNS = 4
ANSWERED_AGAIN = 40
HEAD, TAIL = 8, 2
"""Bytes of a frame around the order: address, function, register, count and size; the CRC."""
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


class Tapped(MemoryNode):
    """A node at a bus where somebody listens."""

    def __init__(self) -> None:
        super().__init__()
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
        owner.order(Command.KEY, key_arguments(Owner(487).key), target=target),
        owner.order(Command.SAVE_SETTINGS, settings_arguments(settings_words(ADDRESS=9)), target=target),
        owner.order(Command.COILS, coils_arguments(0, 1, 1), target=target),
    ]


def state(node: MemoryNode) -> tuple[object, ...]:
    """All that only the owner may change; and whether anybody has restarted it."""
    hashes = tuple(bytes_of(node, name) for name in ("MODEL_HASH", "PREVIOUS_HASH", "KEY"))
    return node.flash(), node.get("ORDER_COUNTER"), node.get("UPTIME"), hashes, *map(node.get, SAME)


# ------------------------------------------------------------------------------------------------------ what he tries


def is_order(frame: bytes) -> bool:
    return len(frame) > HEAD + HEADER.size and frame[1:4] == WRITE_ORDER


def order_of(frame: bytes) -> bytes:
    return frame[HEAD - 1 : -TAIL]


def said(order: bytes, address: int = DEFAULT_ADDRESS) -> bytes:
    return frame_seal(bytes([address]) + order_pdu(order))


def flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "little") ^ 1 << bit).to_bytes(len(data), "little")


def again(frames: Sequence[bytes], rng: random.Random) -> Iterator[bytes]:
    """All as it was: in that order, backwards, shuffled; and to every node, and to another."""
    for order in (frames, frames[::-1], rng.sample(frames, len(frames)), rng.sample(frames, len(frames))):
        yield from order
        yield from (frame_seal(bytes([BROADCAST]) + frame[1:-TAIL]) for frame in order)
        yield from (frame_seal(bytes([DEFAULT_ADDRESS + 1]) + frame[1:-TAIL]) for frame in order)


def bit_by_bit(frames: Sequence[bytes]) -> Iterator[bytes]:
    """Each bit of each frame turned over, with a CRC that is right."""
    for frame in frames:
        for bit in range(8 * (len(frame) - TAIL)):
            yield frame_seal(flipped(frame[:-TAIL], bit))


def damaged(frames: Sequence[bytes], rng: random.Random) -> Iterator[bytes]:
    """Bits turned over on the way."""
    while True:
        frame = rng.choice(frames)
        yield flipped(frame, rng.randrange(8 * len(frame)))


def spliced(orders: Sequence[bytes], rng: random.Random) -> Iterator[bytes]:
    """The beginning of one order and the end of another, in one that has the size of either."""
    while True:
        one, other = rng.choice(orders), rng.choice(orders)
        cut = rng.randrange(1, min(len(one), len(other)))
        yield said(
            rng.choice([one[:cut] + other[cut:], one[:cut] + other[len(other) - len(one) + cut :]]),
            rng.choice(BOTH),
        )


def renumbered(orders: Sequence[bytes], rng: random.Random, counter: int) -> Iterator[bytes]:
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


def forged(rng: random.Random, counter: int) -> Iterator[bytes]:
    """Signed by a key of his own."""
    own = Owner(666, counter)
    while True:
        yield said(rng.choice(others(own, rng.choice(OURS))), rng.choice(BOTH))


def tries(heard: Sequence[bytes], counter: int, rng: random.Random) -> list[bytes]:
    """At least TRIES of them, in no order. counter: the node's."""
    frames = list(dict.fromkeys(heard))
    orders = [order_of(frame) for frame in frames if is_order(frame)]
    assert len(orders) > 25
    found = [*again(frames, rng), *bit_by_bit(frames)]
    found += islice(damaged(frames, rng), 2000)
    found += islice(renumbered(orders, rng, counter), SIGNED)
    found += islice(forged(rng, counter), SIGNED // 5)
    found += islice(spliced(orders, rng), max(2000, TRIES - len(found)))
    rng.shuffle(found)
    return found


# ----------------------------------------------------------------------------------------------------- what comes of it


def outcome_of(node: MemoryNode, frame: bytes) -> str:
    """How the node took it."""
    reply = node.request(frame)
    if not reply:
        if frame[0] == BROADCAST and is_order(frame):
            node.work()
        return "silence"
    if reply[1] & 0x80:
        return Reason(node.get("REASON")).name if reply[2] == FAILURE else f"exception {reply[2]}"
    if not is_order(frame):
        return "answered"
    node.work()
    result, reason, _ = outcome(node)
    return reason.name if result is OrderResult.REFUSED else result.name


def start(node: MemoryNode, how: str) -> None:
    if how == "cut":
        node.power_cycle()
    elif how == "reset":
        node.watchdog()
    node.work()
    node.advance(1000)
    node.idle(1)


def test_nothing_that_was_heard_is_obeyed_again() -> None:
    rng = random.Random(485)
    owner = Owner()
    node = Tapped()
    with node:
        node.factory()
        node.work()
        session(node, owner)
        heard, node.heard = node.heard, []
        last = outcome(node)
        flash = node.flash()
        frames = tries(heard, last[2], rng)
        assert len(frames) >= TRIES
        counts: Counter[str] = Counter()
        for turn, how in enumerate(("", "reset", "cut", "cut")):
            start(node, how)
            expected = state(node)
            for number, frame in enumerate(frames[turn::TURNS]):
                counts[outcome_of(node, frame)] += 1
                if number % EVERY == 0:
                    assert state(node) == expected, counts
            assert state(node) == expected, counts
            assert expected[0] == flash
        assert sum(counts.values()) >= TRIES
        print(sum(counts.values()), "tries:", dict(counts.most_common()))
        assert counts["DONE"] <= ANSWERED_AGAIN, "only the last order, and as it was answered before"
        for reason in (Reason.COUNTER, Reason.TARGET, Reason.ORDER):
            assert counts[reason.name] > 5000, counts
        assert min(counts[Reason.UNSIGNED.name], counts[Reason.SIGNATURE.name]) > SIGNED // 5, counts
        owner.counter = int(node.get("ORDER_COUNTER"))
        owner.give(node, Command.COILS, coils_arguments(1, 1, 1))
