"""Whom a node obeys: keys, guards, floors and the lock, as firmware/app/trust.h has them."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest

from host.core.image import encode
from host.core.modbus import write_registers_pdu
from host.core.order import (
    NO_HASH,
    NO_KEY,
    coils_arguments,
    floor_arguments,
    key_arguments,
    settings_arguments,
)
from host.core.wire import (
    BY_NAME,
    FIRMWARE_MAJOR,
    FIRMWARE_MINOR,
    ORDER_AHEAD,
    Command,
    OrderResult,
    Reason,
    Start,
    Table,
    Trust,
)
from tests import eddsa
from tests.e2e.scenario import AND, crc_of
from tests.memory_node import MemoryNode
from tests.owner import (
    FIRST,
    GUARDED,
    SETTINGS,
    Owner,
    bits,
    bytes_of,
    ended,
    hash_of,
    order_pdu,
    outcome,
    refused,
    settings_words,
    stage,
)
from tests.pdus import command_pdu

GROUP = 485

# ----------------------------------------------------------------------------------------------------- the first key


def test_without_a_key_all_is_as_before(node: MemoryNode) -> None:
    assert bits(node) == {Trust.CRYPTO}
    assert bytes_of(node, "KEY") == NO_KEY
    assert outcome(node) == (OrderResult.NONE, Reason.NONE, 0)
    node.deploy(encode(AND))
    node.command(Command.RESTART)
    node.work()
    assert node.get("START_CAUSE") == Start.SOFTWARE


def test_the_first_key_needs_someone_at_the_board(node: MemoryNode, owner: Owner) -> None:
    order = owner.order(Command.KEY, key_arguments(owner.key))
    assert refused(node, order_pdu(order)) == Reason.PRESENCE
    node.present()
    assert refused(node, order_pdu(order)) == Reason.PRESENCE, "he came after it had started"
    node.watchdog()
    node.work()
    assert refused(node, order_pdu(order)) == Reason.PRESENCE, "nobody switched it on"
    assert Trust.PRESENT not in bits(node)
    node.power_cycle()
    node.work()
    assert bits(node) == {Trust.CRYPTO, Trust.PRESENT}
    assert ended(node, order) == (OrderResult.DONE, Reason.NONE, FIRST)
    assert bits(node) == {Trust.CRYPTO, Trust.PRESENT, Trust.KEYED}
    assert bytes_of(node, "KEY") == owner.key
    node.present(False)
    node.power_cycle()
    assert bits(node) == {Trust.CRYPTO, Trust.KEYED}
    assert bytes_of(node, "KEY") == owner.key
    assert node.get("ORDER_COUNTER") == FIRST + ORDER_AHEAD


def test_the_first_key_is_signed_by_itself(node: MemoryNode, owner: Owner) -> None:
    node.present()
    node.power_cycle()
    node.work()
    other = Owner(1)
    assert ended(node, other.order(Command.KEY, key_arguments(owner.key)))[:2] == (
        OrderResult.REFUSED,
        Reason.SIGNATURE,
    )
    assert bits(node) == {Trust.CRYPTO, Trust.PRESENT}
    for command, arguments, image in (
        (Command.RESTART, b"", NO_HASH),
        (Command.COMMIT, b"", hash_of(encode(AND))),
        (Command.FLOOR, floor_arguments(1, 0), NO_HASH),
        (Command.KEY, key_arguments(NO_KEY), NO_HASH),
    ):
        order = owner.order(command, arguments, image=image)
        assert refused(node, order_pdu(order)) == Reason.SIGNATURE, "there is no key that it could be of"


def test_keys_that_anybody_can_sign_by_are_never_installed(node: MemoryNode, owner: Owner) -> None:
    """Those of low order, for which R and s with R = s B are a signature; and what is no key."""
    node.present()
    node.power_cycle()
    node.work()
    rng = random.Random(1)
    bad = [eddsa.encode(point) for point in eddsa.low_order()]
    assert len(bad) == 8
    assert NO_KEY in bad
    for number, key in enumerate([*bad, (2).to_bytes(32, "little")]):
        if key == NO_KEY:
            continue
        s = rng.randrange(eddsa.L)
        forged = eddsa.encode(eddsa.times(s, eddsa.BASE)) + s.to_bytes(32, "little")
        order = owner.order(Command.KEY, key_arguments(key), counter=FIRST + number)[:-64] + forged
        assert ended(node, order)[:2] == (OrderResult.REFUSED, Reason.ORDER)
        assert bits(node) == {Trust.CRYPTO, Trust.PRESENT}
    owner.install(node)
    for key in [*bad, (2).to_bytes(32, "little")]:
        if key != NO_KEY:
            order = owner.order(Command.KEY, key_arguments(key))
            assert ended(node, order) == (OrderResult.REFUSED, Reason.ORDER, owner.counter - 1), "by rotation"
            owner.counter -= 1
    assert bytes_of(node, "KEY") == owner.key


def test_it_can_be_guarded_from_the_first_on(node: MemoryNode, owner: Owner) -> None:
    owner.install(node, GUARDED)
    assert bits(node) == {Trust.CRYPTO, Trust.KEYED, Trust.GUARDED}
    assert refused(node, write_registers_pdu(BY_NAME["INPUTS"].address, [1])) == Reason.UNSIGNED


# ----------------------------------------------------------------------------------------------------- what is guarded


@pytest.mark.parametrize(
    "command",
    [
        Command.COMMIT,
        Command.ROLLBACK,
        Command.SAVE_SETTINGS,
        Command.RESTART,
        Command.INSTALL,
        Command.TRIAL,
        Command.CONFIRM,
        Command.REVERT,
        Command.WRITE,
        Command.COILS,
        Command.KEY,
        Command.FLOOR,
        Command.ARM,
        99,
    ],
)
def test_commands_that_change_the_node_need_an_order(keyed: MemoryNode, command: int) -> None:
    before = keyed.flash()
    assert refused(keyed, command_pdu(command, 100, 1)) == Reason.UNSIGNED
    assert refused(keyed, struct.pack(">BHH", 6, BY_NAME["COMMAND"].address, command)) == Reason.UNSIGNED
    keyed.work()
    assert keyed.flash() == before
    assert keyed.get("START_CAUSE") == Start.POWER


def test_masked_and_combined_writes_are_guarded_too(keyed: MemoryNode) -> None:
    at = BY_NAME["COMMAND"].address
    keyed.write(at, [Command.NONE])
    assert refused(keyed, struct.pack(">BHHH", 22, at, 0, Command.RESTART)) == Reason.UNSIGNED
    pdu = struct.pack(">BHHHHBH", 23, at, 1, at, 1, 2, Command.RESTART)
    assert refused(keyed, pdu) == Reason.UNSIGNED
    keyed.work()
    assert keyed.get("START_CAUSE") == Start.POWER


def test_what_only_prepares_is_left_to_anybody(keyed: MemoryNode) -> None:
    image = encode(AND)
    stage(keyed, image)
    keyed.command(Command.VERIFY, len(image), crc_of(AND))
    assert keyed.get("STAGED_CRC") == crc_of(AND)
    for command in (Command.STOP, Command.RESUME, Command.NONE):
        keyed.command(command)
    keyed.write(SETTINGS.address, settings_words(ADDRESS=9))
    keyed.write(BY_NAME["INPUTS"].address, [1, 1])
    keyed.ask(struct.pack(">BHH", 5, BY_NAME["LAMP_TEST"].address, 0xFF00))
    assert keyed.lamp()
    keyed.power_cycle()
    assert (keyed.get("SEQUENCE"), keyed.get("ADDRESS_IN_FORCE")) == (0, 1)


def test_nobody_can_silence_a_node_that_has_a_key(node: MemoryNode, owner: Owner) -> None:
    """Function 8: listen-only mode is refused; its restart restarts nothing."""
    listen_only, restart = struct.pack(">BHH", 8, 4, 0), struct.pack(">BHH", 8, 1, 0)
    assert node.ask(listen_only) == b""
    assert node.ask(restart) == b""
    owner.install(node)
    assert refused(node, listen_only) == Reason.UNSIGNED
    node.advance(1000)
    assert node.ask(restart) == restart
    node.work()
    assert node.get("UPTIME") >= 1000
    assert node.get("START_CAUSE") == Start.POWER


# ------------------------------------------------------------------------------------------------------- keys come, go


def test_another_key_takes_over(keyed: MemoryNode, owner: Owner) -> None:
    after = Owner(2, owner.counter)
    order = after.order(Command.KEY, key_arguments(after.key))
    assert ended(keyed, order)[:2] == (OrderResult.REFUSED, Reason.SIGNATURE), "by the installed one only"
    owner.give(keyed, Command.KEY, key_arguments(after.key, GUARDED))
    assert bytes_of(keyed, "KEY") == after.key
    assert Trust.GUARDED in bits(keyed)
    order = owner.order(Command.RESTART)
    assert ended(keyed, order)[:2] == (OrderResult.REFUSED, Reason.SIGNATURE)
    after.counter = owner.counter
    after.give(keyed, Command.COILS, coils_arguments(1, 1, 1))
    keyed.power_cycle()
    assert bytes_of(keyed, "KEY") == after.key
    assert Trust.GUARDED in bits(keyed)


def test_presence_replaces_no_key(keyed: MemoryNode, owner: Owner) -> None:
    keyed.present()
    keyed.power_cycle()
    keyed.work()
    other = Owner(2, FIRST + 10**6)
    assert ended(keyed, other.order(Command.KEY, key_arguments(other.key)))[:2] == (
        OrderResult.REFUSED,
        Reason.SIGNATURE,
    )
    assert refused(keyed, command_pdu(Command.RESTART)) == Reason.UNSIGNED
    assert bytes_of(keyed, "KEY") == owner.key


def test_a_key_that_is_removed_leaves_its_counter(keyed: MemoryNode, owner: Owner) -> None:
    """So that no order comes again, the first key's own among them, when somebody is at the board one day."""
    again = Owner().order(Command.KEY, key_arguments(owner.key))
    owner.give(keyed, Command.KEY, key_arguments(NO_KEY))
    assert Trust.KEYED not in bits(keyed)
    assert bytes_of(keyed, "KEY") == NO_KEY
    keyed.deploy(encode(AND))
    keyed.present()
    keyed.power_cycle()
    keyed.work()
    assert keyed.get("ORDER_COUNTER") >= owner.counter
    assert refused(keyed, order_pdu(again)) == Reason.COUNTER
    assert refused(keyed, order_pdu(owner.order(Command.RESTART))) == Reason.SIGNATURE
    other = Owner(2, FIRST + 10**6)
    other.install(keyed)
    assert bytes_of(keyed, "KEY") == other.key


# -------------------------------------------------------------------------------------------------------------- floors


def test_floors_only_go_up(keyed: MemoryNode, owner: Owner) -> None:
    version = FIRMWARE_MAJOR << 8 | FIRMWARE_MINOR
    for release, firmware, expected in (
        (5, 0, (5, 0)),
        (3, 1, (5, 1)),
        (0, 0, (5, 1)),
        (6, version, (6, version)),
    ):
        owner.give(keyed, Command.FLOOR, floor_arguments(release, firmware))
        assert (keyed.get("RELEASE_FLOOR"), keyed.get("FIRMWARE_FLOOR")) == expected
    before = keyed.flash()
    order = owner.order(Command.FLOOR, floor_arguments(7, version + 1))
    assert ended(keyed, order) == (OrderResult.REFUSED, Reason.FLOOR, owner.counter), (
        "it would stop this firmware"
    )
    assert keyed.flash() == before
    keyed.power_cycle()
    assert (keyed.get("RELEASE_FLOOR"), keyed.get("FIRMWARE_FLOOR")) == (6, version)
    owner.counter = int(keyed.get("ORDER_COUNTER"))
    owner.give(keyed, Command.KEY, key_arguments(NO_KEY))
    assert (keyed.get("RELEASE_FLOOR"), keyed.get("FIRMWARE_FLOOR")) == (6, version), "without a key too"


# ---------------------------------------------------------------------------------------------------- lock, broadcasts


def save(node: MemoryNode, **values: int) -> None:
    node.write(SETTINGS.address, settings_words(**values))
    node.command(Command.SAVE_SETTINGS)
    node.work()


CHANGES: list[Callable[[], bytes]] = [
    lambda: command_pdu(Command.STOP),
    lambda: command_pdu(Command.RESTART),
    lambda: write_registers_pdu(SETTINGS.address, [1]),
]


def test_broadcasts_to_commands_and_settings_are_refused_by_default(node: MemoryNode) -> None:
    staged = write_registers_pdu(BY_NAME["STAGE"].address, [7])
    assert node.get("BROADCASTS_IN_FORCE") == 0
    for pdu in (*(change() for change in CHANGES), staged):
        node.command(Command.STOP)
        node.broadcast(pdu)
        node.work()
        assert node.get("REASON") == Reason.BROADCAST
    assert (node.get("START_CAUSE"), node.read(Table.HOLDING, BY_NAME["STAGE"].address)) == (Start.POWER, [0])
    node.broadcast(write_registers_pdu(BY_NAME["INPUTS"].address, [1, 2]))
    assert node.read(Table.HOLDING, BY_NAME["INPUTS"].address, 2) == [1, 2], "these are no changes"
    save(node, BROADCASTS=1)
    node.broadcast(staged)
    assert node.read(Table.HOLDING, BY_NAME["STAGE"].address) == [7]
    node.broadcast(command_pdu(Command.RESTART))
    node.work()
    assert node.get("START_CAUSE") == Start.SOFTWARE


def test_a_lock_closes_after_its_seconds(node: MemoryNode) -> None:
    save(node, LOCK=30)
    node.power_cycle()
    node.work()
    node.advance(29_999)
    node.idle(1)
    assert Trust.LOCKED not in bits(node)
    node.command(Command.STOP)
    node.advance(1)
    node.idle(1)
    assert Trust.LOCKED in bits(node)
    for change in CHANGES:
        assert refused(node, change()) == Reason.LOCKED
    assert refused(node, struct.pack(">BHH", 8, 4, 0)) == Reason.LOCKED
    node.write(BY_NAME["INPUTS"].address, [1])
    node.write(BY_NAME["STAGE"].address, [1])
    node.watchdog()
    node.idle(1)
    assert Trust.LOCKED in bits(node), "nobody switched it off and on"
    node.advance(2**32 - 1000)
    node.idle(1)
    assert Trust.LOCKED in bits(node), "nor do hours open it"
    node.present()
    node.power_cycle()
    node.advance(60_000)
    node.idle(1)
    assert Trust.LOCKED not in bits(node), "someone is there"
    node.command(Command.STOP)


def test_the_owner_meets_no_lock(keyed: MemoryNode, owner: Owner) -> None:
    owner.give(keyed, Command.SAVE_SETTINGS, settings_arguments(settings_words(LOCK=1, GROUP=GROUP)))
    keyed.advance(2000)
    keyed.idle(1)
    assert Trust.LOCKED not in bits(keyed)
    owner.give(keyed, Command.COILS, coils_arguments(1, 1, 1))
    order = owner.order(Command.COILS, coils_arguments(1, 1, 0), target=GROUP)
    keyed.broadcast(order_pdu(order))
    keyed.work()
    assert keyed.read(Table.COIL, 1) == [0], "nor the rule for broadcasts"


# -------------------------------------------------------------------------------------------------- without the library


def test_a_node_without_the_library_takes_no_key(node: MemoryNode, owner: Owner) -> None:
    """But keeps one that is there."""
    owner.install(node)
    flash = node.flash()
    with MemoryNode(crypto=False) as other:
        other.present()
        other.power_cycle()
        other.work()
        assert bits(other) == {Trust.PRESENT}
        order = order_pdu(owner.order(Command.KEY, key_arguments(owner.key)))
        assert refused(other, order) == Reason.CRYPTO
        other.deploy(encode(AND))
        assert bytes_of(other, "MODEL_HASH") == bytes(32)
        other.rot(0, bytes(a ^ b for a, b in zip(other.flash(), flash, strict=True)))
        other.power_cycle()
        assert Trust.KEYED in bits(other)
        assert refused(other, command_pdu(Command.RESTART)) == Reason.UNSIGNED
        assert refused(other, order) == Reason.CRYPTO
