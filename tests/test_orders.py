"""What a node makes of signed orders, as firmware/app/orders.h has it: each is done once, what is none is refused."""

from __future__ import annotations

import struct

from host.core.image import encode
from host.core.modbus import write_registers_pdu
from host.core.order import (
    coils_arguments,
    floor_arguments,
    install_arguments,
    key_arguments,
    settings_arguments,
    trial_arguments,
    write_arguments,
)
from host.core.registers import bytes_registers
from host.core.wire import (
    BY_NAME,
    ORDER_AHEAD,
    ORDER_MAX,
    Command,
    EventKind,
    OrderResult,
    Reason,
    Start,
    State,
    Table,
)
from tests.e2e.scenario import AND, NAND, OR, crc_of
from tests.memory_node import MemoryNode
from tests.node_model import UID
from tests.owner import (
    FAILURE,
    FIRST,
    GUARDED,
    SETTINGS,
    Owner,
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

ADDRESS, BUSY = 2, 6
GROUP = 485


def events(node: MemoryNode) -> list[tuple[EventKind, int, int]]:
    """Kind, detail and value of all that are kept."""
    (head,) = struct.unpack(
        ">I", struct.pack(">2H", *node.read(Table.HOLDING, BY_NAME["EVENTS_HEAD"].address, 2))
    )
    found = []
    for number in range(head):
        node.write(BY_NAME["EVENT_FROM"].address, [number >> 16, number & 0xFFFF])
        kind, detail, high, low = node.read(Table.HOLDING, BY_NAME["EVENT_KIND"].address, 4)
        found.append((EventKind(kind), detail, high << 16 | low))
    return found


# --------------------------------------------------------------------------------------------------- orders to one node


def test_a_model_by_orders(keyed: MemoryNode, owner: Owner) -> None:
    for model in (AND, OR):
        image = encode(model)
        stage(keyed, image)
        owner.give(keyed, Command.INSTALL, install_arguments(len(image)), image=hash_of(image))
        assert keyed.get("MODEL_CRC") == crc_of(model)
        assert bytes_of(keyed, "MODEL_HASH") == hash_of(image)
    owner.give(keyed, Command.ROLLBACK, image=hash_of(encode(AND)))
    assert (keyed.get("MODEL_CRC"), keyed.get("SEQUENCE")) == (crc_of(AND), 3)
    image = encode(NAND)
    stage(keyed, image)
    keyed.command(Command.VERIFY, len(image), crc_of(NAND))
    owner.give(keyed, Command.COMMIT, image=hash_of(image))
    assert keyed.get("MODEL_CRC") == crc_of(NAND)


def test_a_trial_by_orders(keyed: MemoryNode, owner: Owner) -> None:
    image = encode(OR)
    for end in (Command.REVERT, Command.CONFIRM):
        stage(keyed, image)
        owner.give(keyed, Command.TRIAL, trial_arguments(len(image), 60), image=hash_of(image))
        assert (keyed.get("MODEL_CRC"), keyed.get("TRIAL_LEFT")) == (crc_of(OR), 60)
        owner.give(keyed, end, image=hash_of(image))
        assert keyed.get("TRIAL_LEFT") == 0
        assert keyed.get("MODEL_CRC") == (crc_of(OR) if end is Command.CONFIRM else 0)
    keyed.power_cycle()
    assert keyed.get("MODEL_CRC") == crc_of(OR)


def test_an_order_means_the_image_of_its_hash(keyed: MemoryNode, owner: Owner) -> None:
    image, other = encode(AND), encode(OR)
    stage(keyed, other)
    for command, arguments, reason in (
        (Command.INSTALL, install_arguments(len(other)), Reason.HASH),
        (Command.TRIAL, trial_arguments(len(other), 5), Reason.HASH),
        (Command.COMMIT, b"", Reason.NOT_VERIFIED),
        (Command.ROLLBACK, b"", Reason.NO_PREVIOUS),
        (Command.CONFIRM, b"", Reason.TRIAL),
    ):
        order = owner.order(command, arguments, image=hash_of(image))
        assert ended(keyed, order) == (OrderResult.REFUSED, reason, owner.counter)
        assert keyed.get("REASON") == reason
    assert keyed.get("SEQUENCE") == 0


def test_settings_are_those_that_the_order_names(keyed: MemoryNode, owner: Owner) -> None:
    keyed.write(SETTINGS.address, settings_words(ADDRESS=99, BAUD=1200))
    named = settings_words(ADDRESS=7, BAUD=115200, GROUP=GROUP)
    owner.counter += 1
    counter = owner.counter
    order = owner.order(Command.SAVE_SETTINGS, settings_arguments(named), counter=counter)
    keyed.ask(order_pdu(order))
    keyed.work()
    keyed.address = 7
    assert outcome(keyed) == (OrderResult.DONE, Reason.NONE, counter)
    assert (keyed.get("ADDRESS_IN_FORCE"), keyed.get("GROUP_IN_FORCE"), keyed.line().baud) == (
        7,
        GROUP,
        115200,
    )
    assert keyed.read(Table.HOLDING, SETTINGS.address, SETTINGS.count) == named
    before = keyed.get("ORDER_COUNTER")
    keyed.power_cycle()
    assert keyed.get("GROUP_IN_FORCE") == GROUP
    assert keyed.get("ORDER_COUNTER") >= before, "settings have nothing to do with counters"
    bad = owner.order(
        Command.SAVE_SETTINGS, settings_arguments(settings_words(ADDRESS=0)), counter=counter + 999
    )
    assert ended(keyed, bad)[:2] == (OrderResult.REFUSED, Reason.SETTINGS)
    assert keyed.get("ADDRESS_IN_FORCE") == 7


def test_a_restart_by_order_comes_after_the_reply(keyed: MemoryNode, owner: Owner) -> None:
    pdu = order_pdu(owner.order(Command.RESTART))
    assert keyed.ask(pdu), "answered"
    assert keyed.get("START_CAUSE") == Start.POWER
    keyed.work()
    assert keyed.get("START_CAUSE") == Start.SOFTWARE
    assert outcome(keyed)[:2] == (OrderResult.NONE, Reason.NONE)
    assert refused(keyed, pdu) == Reason.COUNTER
    keyed.work()
    assert events(keyed)[-1] == (EventKind.START, Start.SOFTWARE, 0), "once"


def test_inputs_and_coils_by_order(node: MemoryNode, owner: Owner) -> None:
    node.deploy(encode(OR))
    owner.install(node, GUARDED)
    inputs, floats = BY_NAME["INPUTS"].address, BY_NAME["INPUTS_FLOAT"].address
    coil = struct.pack(">BHH", 5, BY_NAME["LAMP_TEST"].address, 0xFF00)
    coils = struct.pack(">BHHBB", 15, 0, 2, 1, 3)
    for pdu in (write_registers_pdu(inputs, [1]), write_registers_pdu(floats, [0x3F80, 0]), coil, coils):
        assert refused(node, pdu) == Reason.UNSIGNED
    assert not node.lamp()
    owner.give(node, Command.WRITE, write_arguments(floats + 2, [0x3F80, 0]))
    assert node.lamp()
    owner.give(node, Command.WRITE, write_arguments(inputs, [0, 0]))
    assert node.read(Table.HOLDING, inputs, 2) == [0, 0]
    assert not node.lamp()
    owner.give(node, Command.WRITE, write_arguments(inputs + 2, [7] * 62))
    assert node.read(Table.HOLDING, inputs, 64) == [0, 0, *[7] * 62]
    owner.give(node, Command.COILS, coils_arguments(BY_NAME["LAMP_TEST"].address, 1, 1))
    assert node.lamp()
    owner.give(node, Command.COILS, coils_arguments(0, 3, 0b110))
    assert node.read(Table.COIL, 0, 4) == [0, 1, 1, 0]
    nan = owner.order(Command.WRITE, write_arguments(floats, [0x7FC0, 0]))
    assert ended(node, nan) == (OrderResult.REFUSED, Reason.ORDER, owner.counter)
    owner.give(node, Command.KEY, key_arguments(owner.key))
    node.write(inputs, [1, 1])
    node.ask(coil)


def test_orders_are_events(keyed: MemoryNode, owner: Owner) -> None:
    owner.give(keyed, Command.COILS, coils_arguments(0, 1, 0))
    assert ended(keyed, owner.order(Command.COMMIT, image=hash_of(b"")))[0] == OrderResult.REFUSED
    owner.give(keyed, Command.FLOOR, floor_arguments(0, 1))
    told = [event for event in events(keyed) if event[0] is EventKind.ORDER]
    assert told == [
        (EventKind.ORDER, Command.COILS, owner.counter - 2),
        (EventKind.ORDER, Command.FLOOR, owner.counter),
    ]


# ----------------------------------------------------------------------------------------- what is refused, and when


def test_what_is_no_order(keyed: MemoryNode, owner: Owner) -> None:
    good = owner.order(Command.RESTART)
    at = BY_NAME["ORDER"].address
    for bad in (
        good[:-2],
        good + bytes(2),
        bytes(120),
        good[:118],
        bytes([9]) + good[1:],
        bytes(2),
        b"\xff" * ORDER_MAX,
    ):
        assert refused(keyed, order_pdu(bad)) == Reason.ORDER
    words = bytes_registers(good)
    assert keyed.refusal(write_registers_pdu(at + 1, words)) == ADDRESS
    assert keyed.refusal(struct.pack(">BHH", 6, at + 1, 1)) == ADDRESS
    assert refused(keyed, struct.pack(">BHH", 6, at, words[0])) == Reason.ORDER
    keyed.work()
    assert outcome(keyed) == (OrderResult.NONE, Reason.NONE, FIRST + ORDER_AHEAD)


def test_an_order_is_for_one_node(keyed: MemoryNode, owner: Owner) -> None:
    for bit in range(8 * len(UID)):
        uid = (int.from_bytes(UID, "little") ^ 1 << bit).to_bytes(len(UID), "little")
        assert refused(keyed, order_pdu(owner.order(Command.RESTART, target=uid))) == Reason.TARGET
    keyed.work()
    assert keyed.get("START_CAUSE") == Start.POWER


def test_an_order_for_one_is_not_obeyed_by_broadcast(keyed: MemoryNode, owner: Owner) -> None:
    order = owner.order(Command.RESTART)
    keyed.broadcast(order_pdu(order))
    keyed.work()
    assert (keyed.get("START_CAUSE"), keyed.get("REASON")) == (Start.POWER, Reason.TARGET)
    keyed.ask(order_pdu(order))
    keyed.work()
    assert keyed.get("START_CAUSE") == Start.SOFTWARE


def test_counters_only_go_up(keyed: MemoryNode, owner: Owner) -> None:
    counter = owner.counter
    for ahead, taken in ((1, True), (1, False), (0, False), (2, True), (1, False), (100, True), (99, False)):
        order = owner.order(Command.COILS, coils_arguments(0, 1, ahead & 1), counter=counter + ahead)
        if not taken:
            order = owner.order(Command.COILS, coils_arguments(0, 2, 3), counter=counter + ahead)
            assert refused(keyed, order_pdu(order)) == Reason.COUNTER
        else:
            assert ended(keyed, order) == (OrderResult.DONE, Reason.NONE, counter + ahead)
    keyed.power_cycle()
    assert keyed.get("ORDER_COUNTER") == counter + 100 + ORDER_AHEAD


def test_the_last_counter(keyed: MemoryNode, owner: Owner) -> None:
    top = 2**32 - 1
    for counter in (top - 1, top):
        assert (
            ended(keyed, owner.order(Command.COILS, coils_arguments(0, 1, 0), counter=counter))[2] == counter
        )
    keyed.power_cycle()
    assert keyed.get("ORDER_COUNTER") == top
    assert refused(keyed, order_pdu(owner.order(Command.RESTART, counter=top))) == Reason.COUNTER


def test_the_same_bytes_are_done_once(keyed: MemoryNode, owner: Owner) -> None:
    order = owner.order(Command.COILS, coils_arguments(1, 1, 1))
    assert ended(keyed, order)[0] == OrderResult.DONE
    keyed.ask(struct.pack(">BHH", 5, 1, 0))
    before = keyed.flash()
    for _ in range(3):
        assert ended(keyed, order) == (OrderResult.DONE, Reason.NONE, owner.counter)
    assert keyed.read(Table.COIL, 1) == [0], "answered as before, and not done again"
    assert keyed.flash() == before
    bad = order[:20] + bytes(4) + order[24:-1] + bytes([order[-1] ^ 1])
    assert bad != order
    assert refused(keyed, order_pdu(bad)) == Reason.COUNTER
    wrong = owner.order(Command.RESTART)
    wrong = wrong[:-1] + bytes([wrong[-1] ^ 1])
    for _ in range(2):
        assert ended(keyed, wrong) == (OrderResult.REFUSED, Reason.SIGNATURE, owner.counter - 1)


def test_every_bit_of_an_order_is_signed(keyed: MemoryNode, owner: Owner) -> None:
    order = owner.order(Command.SAVE_SETTINGS, settings_arguments(settings_words(GROUP=3)))
    number = int.from_bytes(order, "little")
    counts = dict.fromkeys(Reason, 0)
    for bit in range(8 * len(order)):
        wrong = (number ^ 1 << bit).to_bytes(len(order), "little")
        if keyed.refusal(order_pdu(wrong)) == FAILURE:
            counts[Reason(keyed.get("REASON"))] += 1
            continue
        keyed.work()
        assert keyed.get("ORDER_RESULT") == OrderResult.REFUSED
        counts[Reason(keyed.get("ORDER_REASON"))] += 1
    assert keyed.get("GROUP_IN_FORCE") == 0
    assert sum(counts.values()) == 8 * len(order)
    assert min(counts[r] for r in (Reason.ORDER, Reason.TARGET, Reason.COUNTER, Reason.SIGNATURE)) > 0
    assert counts[Reason.SIGNATURE] >= 8 * (len(order) - 56)
    assert ended(keyed, order)[0] == OrderResult.DONE
    assert keyed.get("GROUP_IN_FORCE") == 3


def test_only_one_order_at_a_time(keyed: MemoryNode, owner: Owner) -> None:
    first, second = (owner.order(Command.COILS, coils_arguments(n, 1, 1)) for n in (1, 2))
    keyed.ask(order_pdu(first))
    assert (keyed.get("STATE"), keyed.get("BUSY")) == (State.CHECKING, 1)
    assert keyed.get("ORDER_RESULT") == OrderResult.CHECKING
    assert keyed.refusal(order_pdu(second)) == BUSY
    keyed.ask(order_pdu(first))
    image = encode(AND)
    stage(keyed, image)
    assert keyed.refusal(command_pdu(Command.VERIFY, len(image), crc_of(AND))) == BUSY
    keyed.work()
    assert (keyed.get("STATE"), outcome(keyed)[:2]) == (State.IDLE, (OrderResult.DONE, Reason.NONE))
    assert ended(keyed, second)[0] == OrderResult.DONE
    assert keyed.read(Table.COIL, 0, 3) == [0, 1, 1]


def test_an_order_waits_until_the_flash_has_time(keyed: MemoryNode, owner: Owner) -> None:
    image = encode(AND)
    stage(keyed, image)
    owner.counter += 1
    keyed.ask(order_pdu(owner.order(Command.INSTALL, install_arguments(len(image)), image=hash_of(image))))
    while keyed.get("STATE") != State.COMMITTING:
        keyed.work(1)
    order = order_pdu(owner.order(Command.RESTART))
    assert keyed.refusal(order) == BUSY
    keyed.broadcast(order_pdu(owner.order(Command.RESTART)))
    keyed.work()
    assert keyed.get("MODEL_CRC") == crc_of(AND)
    assert keyed.ask(order)


def test_no_deed_before_its_counter_is_in_the_flash(keyed: MemoryNode, owner: Owner) -> None:
    """Cut anywhere: what was done can never be done again."""
    rounds = 0
    while True:
        owner.counter = int(keyed.get("ORDER_COUNTER"))
        order = owner.order(Command.COILS, coils_arguments(1, 1, 1))
        keyed.ask(order_pdu(order))
        keyed.work(rounds)
        done = keyed.read(Table.COIL, 1) == [1]
        keyed.power_cycle()
        keyed.work()
        if done:
            break
        rounds += 1
    assert rounds > 20, "a record's words"
    assert keyed.get("ORDER_COUNTER") >= owner.counter
    assert refused(keyed, order_pdu(order)) == Reason.COUNTER


def test_the_bus_is_served_while_a_signature_is_checked(keyed: MemoryNode, owner: Owner) -> None:
    """The port of these tests lets a request come in between."""
    keyed.ask(order_pdu(owner.order(Command.COILS, coils_arguments(1, 1, 1))))
    keyed.hear(b"")
    assert keyed.get("ORDER_RESULT") == OrderResult.CHECKING
    keyed.work(1)
    assert keyed.get("STATE") == State.CHECKING
    keyed.work()
    assert keyed.get("STATE") == State.IDLE


def test_nothing_is_obeyed_that_a_low_supply_cannot_keep(keyed: MemoryNode, owner: Owner) -> None:
    keyed.health(low=True)
    order = owner.order(Command.COILS, coils_arguments(1, 1, 1))
    assert ended(keyed, order)[:2] == (OrderResult.REFUSED, Reason.SUPPLY)
    assert keyed.read(Table.COIL, 1) == [0]
    keyed.health()
    owner.give(keyed, Command.COILS, coils_arguments(1, 1, 1))
    keyed.health(low=True)
    owner.give(keyed, Command.COILS, coils_arguments(1, 1, 0))  # nothing has to be written
    keyed.health()


# -------------------------------------------------------------------------------------------------------------- groups


def join(node: MemoryNode, owner: Owner, group: int) -> None:
    owner.give(node, Command.SAVE_SETTINGS, settings_arguments(settings_words(GROUP=group)))
    assert node.get("GROUP_IN_FORCE") == group


def test_a_group_obeys_together(keyed: MemoryNode, owner: Owner) -> None:
    join(keyed, owner, GROUP)
    order = owner.order(Command.COILS, coils_arguments(1, 1, 1), target=GROUP)
    keyed.broadcast(order_pdu(order))
    keyed.broadcast(order_pdu(order))
    keyed.work()
    assert outcome(keyed) == (OrderResult.DONE, Reason.NONE, owner.counter)
    assert keyed.read(Table.COIL, 1) == [1]
    assert (
        ended(keyed, owner.order(Command.COILS, coils_arguments(1, 1, 0), target=GROUP))[0]
        == OrderResult.DONE
    )
    assert keyed.read(Table.COIL, 1) == [0]


def test_no_node_obeys_for_another_group(keyed: MemoryNode, owner: Owner) -> None:
    assert refused(keyed, order_pdu(owner.order(Command.RESTART, target=GROUP))) == Reason.TARGET, (
        "it has none"
    )
    join(keyed, owner, GROUP)
    for group in (GROUP ^ 1, 1, 0xFFFF, GROUP << 1):
        assert refused(keyed, order_pdu(owner.order(Command.RESTART, target=group))) == Reason.TARGET
    keyed.write(BY_NAME["GROUP"].address, [7])
    assert refused(keyed, order_pdu(owner.order(Command.RESTART, target=7))) == Reason.TARGET, "not saved"
    counter = keyed.get("ORDER_COUNTER")
    join(keyed, owner, 7)
    assert keyed.get("ORDER_COUNTER") > counter
    assert refused(keyed, order_pdu(owner.order(Command.RESTART, target=GROUP))) == Reason.TARGET
    keyed.work()
    assert keyed.get("START_CAUSE") == Start.POWER
