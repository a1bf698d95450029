"""Signed orders from the PC's side: done once whatever is lost on the way, refused in words, and nothing signed for a
node that lies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from host.core.order import NO_KEY, key_arguments, order_message, order_parse, trial_arguments
from host.core.wire import BY_NAME, Command, OrderResult, Reason, Scope
from host.errors import NeuronError
from host.node import client, keyed, orders
from host.node.client import NodeError
from host.node.installing import install_key, remove_key, replace_key, set_floors
from host.node.keyed import KeyedNode, require_free, require_uid, with_key
from host.node.keyfile import Signer
from host.node.link import Gone
from host.node.node import Node, Refused
from host.node.orders import AHEAD_MAX, counters, first_counter, give, give_group, next_counter, signed
from tests.obeying_node import UID, Bus, ObeyingNode, signer

NOW = 1_790_000_000.0
HASH = bytes(range(32))


@pytest.fixture(autouse=True)
def _no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands, and nobody sleeps."""
    monkeypatch.setattr(orders.time, "time", lambda: NOW)
    monkeypatch.setattr(orders.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(client.time, "sleep", lambda seconds: None)


@pytest.fixture
def key() -> Signer:
    return signer()


@pytest.fixture
def node(key: Signer) -> ObeyingNode:
    """One that obeys the key."""
    return ObeyingNode(key=key.public, counter=1000)


def opened(node: ObeyingNode) -> Node:
    return Node(Bus({1: node}), 1)


def keyed_node(node: ObeyingNode, key: Signer) -> KeyedNode:
    return with_key(opened(node), key)


# --------------------------------------------------------------------------------------------------- an order


def test_an_order_is_signed_as_it_travels(key: Signer) -> None:
    data = signed(key, Command.TRIAL, UID, 7, trial_arguments(116, 60), HASH)
    order = order_parse(data)
    assert (order.command, order.target, order.counter, order.hash) == (Command.TRIAL, UID, 7, HASH)
    import monocypher

    assert monocypher.signature_check(order.signature, key.public, order_message(order))
    for other in (replace(order, counter=8), replace(order, target=1)):
        assert not monocypher.signature_check(order.signature, key.public, order_message(other))


def test_an_order_for_a_group_says_so(key: Signer) -> None:
    order = order_parse(signed(key, Command.COMMIT, 513, 1, image_hash=HASH))
    assert (order.scope, order.target) == (Scope.GROUP, 513)


@pytest.mark.parametrize("lost", range(4))
def test_it_is_done_once_whatever_answers_are_lost(node: ObeyingNode, key: Signer, lost: int) -> None:
    order = signed(key, Command.RESTART, UID, 1001)
    node.lost = lost
    give(opened(node), order, "restart")
    assert [each.counter for each in node.obeyed] == [1001]


@pytest.mark.parametrize("busy", [1, 3])
def test_a_busy_node_is_asked_again(node: ObeyingNode, key: Signer, busy: int) -> None:
    node.busy = busy
    give(opened(node), signed(key, Command.RESTART, UID, 1001), "restart")
    assert len(node.obeyed) == 1


@pytest.mark.parametrize(
    ("counter", "whom", "reason"),
    [(1000, UID, Reason.COUNTER), (1001, UID[::-1], Reason.TARGET), (1001, 5, Reason.TARGET)],
)
def test_what_is_seen_at_once_is_said_in_words(
    node: ObeyingNode, key: Signer, counter: int, whom: bytes | int, reason: Reason
) -> None:
    with pytest.raises(Refused, match="refused to restart: the order") as refusal:
        give(opened(node), signed(key, Command.RESTART, whom, counter), "restart")
    assert refusal.value.reason is reason
    assert node.obeyed == []


def test_a_bad_signature_is_said_in_words(node: ObeyingNode) -> None:
    with pytest.raises(Refused, match="signature is not that of the installed key") as refusal:
        give(opened(node), signed(signer(), Command.RESTART, UID, 1001), "restart")
    assert refusal.value.reason is Reason.SIGNATURE


def test_a_deed_that_fails_is_said_in_words(node: ObeyingNode, key: Signer) -> None:
    node.refusal = Reason.WEAR
    with pytest.raises(Refused) as refusal:
        give(opened(node), signed(key, Command.RESTART, UID, 1001), "restart")
    assert refusal.value.reason is Reason.WEAR


@pytest.mark.parametrize("result", [OrderResult.REFUSED, OrderResult.DONE])
def test_what_became_of_another_order_is_not_taken_for_ours(
    node: ObeyingNode, key: Signer, result: OrderResult
) -> None:
    """An acknowledgement of the order before is taken for that of ours, which was lost."""
    swallowed = [signed(key, Command.RESTART, UID, 1001)]
    node.result, node.reason = result, Reason.SIGNATURE
    take = node.take

    def swallow(data: bytes) -> Reason:
        return Reason.NONE if swallowed and data == swallowed.pop() else take(data)

    node.take = swallow  # type: ignore[method-assign]
    give(opened(node), signed(key, Command.RESTART, UID, 1001), "restart")
    assert len(node.obeyed) == 1


def test_a_node_that_forgets_is_said(node: ObeyingNode, key: Signer) -> None:
    node.says = {"ORDER_RESULT": OrderResult.NONE}
    with pytest.raises(NodeError, match="knows nothing of the order to restart: it has restarted"):
        give(opened(node), signed(key, Command.RESTART, UID, 1001), "restart")


def test_a_node_that_never_comes_to_check_is_said(
    node: ObeyingNode, key: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "BUSY_SECONDS", -1)
    node.says = {"ORDER_RESULT": OrderResult.CHECKING}
    with pytest.raises(NodeError, match="does not come to check the order"):
        give(opened(node), signed(key, Command.RESTART, UID, 1001), "restart")


def test_what_no_node_can_say(node: ObeyingNode, key: Signer) -> None:
    node.says = {"ORDER_RESULT": 9}
    with pytest.raises(NeuronError, match="the node says ORDER_RESULT is 9"):
        give(opened(node), signed(key, Command.RESTART, UID, 1001), "restart")


# ------------------------------------------------------------------------------------------------- counters


def test_the_first_counter_is_the_time() -> None:
    assert first_counter(0) == NOW
    assert first_counter(int(NOW) + 5) == NOW + 6


def test_a_clock_that_was_never_set_signs_no_first_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders.time, "time", lambda: 86400.0)
    with pytest.raises(NeuronError, match="this computer's clock says 1970-01-02: set it first"):
        first_counter(0)


def test_the_next_counter_is_one_more_than_the_largest() -> None:
    assert next_counter([7]) == 8
    assert next_counter([7, 90, 3]) == 91


@pytest.mark.parametrize("last", [int(NOW) + AHEAD_MAX, 2**32 - 2, 2**32 - 1])
def test_nothing_is_signed_far_ahead_of_the_clock(last: int) -> None:
    with pytest.raises(NodeError, match="nothing is signed so far ahead"):
        next_counter([last])
    with pytest.raises(NodeError, match="nothing is signed so far ahead"):
        first_counter(last)


def test_the_last_counter_is_never_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders.time, "time", lambda: 2.0**32)
    assert next_counter([2**32 - 2]) == 2**32 - 1
    with pytest.raises(NodeError):
        next_counter([2**32 - 1])


# ------------------------------------------------------------------------------------------------- a keyed node


def test_a_command_goes_as_an_order(node: ObeyingNode, key: Signer) -> None:
    keyed_node(node, key).command(Command.INSTALL, "take", 116, 5, image_hash=HASH)
    keyed_node(node, key).command(Command.TRIAL, "try", 116, 5, image_hash=HASH, seconds=9)
    keyed_node(node, key).command(Command.ROLLBACK, "go back", crc=5, image_hash=HASH)
    said = [(order.command, order.counter, order.hash, order.arguments) for order in node.obeyed]
    assert said == [
        (Command.INSTALL, 1001, HASH, bytes([116, 0, 0, 0])),
        (Command.TRIAL, 1002, HASH, bytes([116, 0, 0, 0, 9, 0])),
        (Command.ROLLBACK, 1003, HASH, b""),
    ]
    assert node.written == []


@pytest.mark.parametrize("code", keyed.UNGUARDED - {Command.NONE})
def test_what_only_prepares_goes_as_ever(node: ObeyingNode, key: Signer, code: Command) -> None:
    keyed_node(node, key).command(code, "prepare", 1, 2)
    assert node.obeyed == []
    assert node.written == [(BY_NAME["COMMAND"].address, [code, 0, 1, 0, 2])]


def test_a_counter_that_others_use_too_is_read_again(node: ObeyingNode, key: Signer) -> None:
    one = keyed_node(node, key)
    node.restart()
    one.command(Command.RESTART, "restart")
    assert [order.counter for order in node.obeyed] == [1000 + 64 + 1]


def test_a_counter_that_stays_behind_is_said(node: ObeyingNode, key: Signer) -> None:
    node.says = {"ORDER_COUNTER": 5}
    with pytest.raises(Refused) as refusal:
        keyed_node(node, key).command(Command.RESTART, "restart")
    assert refusal.value.reason is Reason.COUNTER


@pytest.mark.parametrize("guarded", [False, True])
def test_inputs_and_coils_go_as_orders_only_where_they_are_guarded(
    node: ObeyingNode, key: Signer, guarded: bool
) -> None:
    node.guarded = guarded
    one = keyed_node(node, key)
    one.write_coil(2, True)
    one.give_some_inputs(3, [1, 2, 0xFFFF])
    said = [(order.command, order.arguments) for order in node.obeyed]
    if guarded:
        assert said == [
            (Command.COILS, bytes([2, 0, 1, 0, 1, 0])),
            (Command.WRITE, bytes([3, 0, 0, 1, 0, 2, 0xFF, 0xFF])),
        ]
        assert node.written == []
    else:
        assert said == []
        assert node.written == [(2, [0xFF00]), (3, [1, 2, 0xFFFF])]


def test_wide_inputs_fit_into_orders(node: ObeyingNode, key: Signer) -> None:
    node.guarded = True
    row = BY_NAME["INPUTS_FLOAT"]
    one = keyed_node(node, key)
    one._evaluate(row, [list(range(128))], 1, False, False)
    writes = [order.arguments for order in node.obeyed if order.command is Command.WRITE]
    words = [word for each in writes for word in each[2:]]
    assert bytes(words) == b"".join(value.to_bytes(2, "big") for value in range(128))
    assert [order.command for order in (node.obeyed[0], node.obeyed[-1])] == [Command.COILS] * 2


# ------------------------------------------------------------------------------------------- whose node, whose key


def test_another_key_is_said_before_anything_is_sent(node: ObeyingNode) -> None:
    other = signer("other.key")
    with pytest.raises(NodeError, match=r"not [0-9a-f]{16}\.\. of other\.key: the wrong file") as error:
        with_key(opened(node), other)
    assert "\n" not in str(error.value)
    assert node.written == node.obeyed == []


def test_nothing_is_said_unsigned_to_a_node_that_was_to_obey_a_key(key: Signer) -> None:
    node = ObeyingNode()
    with pytest.raises(
        NodeError, match="no key is installed there, so nothing can be signed for it"
    ) as error:
        with_key(opened(node), key)
    assert "\n" not in str(error.value)
    assert node.written == node.obeyed == []


def test_firmware_that_knows_no_keys(key: Signer) -> None:
    with pytest.raises(NodeError, match="knows no keys: it is of an earlier build"):
        with_key(opened(ObeyingNode(old=True)), key)
    require_free(opened(ObeyingNode(old=True)), changes=True)


@pytest.mark.parametrize("changes", [False, True])
@pytest.mark.parametrize("guarded", [False, True])
def test_without_a_key_a_keyed_node_is_left_alone(node: ObeyingNode, changes: bool, guarded: bool) -> None:
    node.guarded = guarded
    if changes or guarded:
        with pytest.raises(NodeError, match="needs a signed order, give the key's file by --key"):
            require_free(opened(node), changes)
    else:
        require_free(opened(node), changes)
    assert node.asked == 1
    assert node.written == []


def test_a_locked_node_is_left_alone() -> None:
    node = ObeyingNode(locked=True)
    with pytest.raises(NodeError, match="the node is locked"):
        require_free(opened(node), changes=True)
    require_free(opened(node), changes=False)


def test_only_the_node_that_is_meant(node: ObeyingNode) -> None:
    require_uid(opened(node), UID.hex())
    with pytest.raises(NodeError, match=f"is {UID.hex()}, not {UID[::-1].hex()}: nothing was sent"):
        require_uid(opened(node), UID[::-1].hex())


def test_an_order_names_who_was_meant_whatever_the_node_says_later(node: ObeyingNode, key: Signer) -> None:
    """Who answers in its place could have an order for another node signed, and bring it there."""
    one = opened(node)
    require_uid(one, UID.hex())
    node.says["UID"] = UID[::-1]
    with_key(one, key).start_again()
    remove_key(one, key)
    assert [order.target for order in node.obeyed] == [UID, UID]


def test_the_handshake_serves_on(node: ObeyingNode, key: Signer) -> None:
    """A deploy asks for no more than it must."""
    one = opened(node)
    one.handshake()
    require_uid(one, UID.hex())
    found = with_key(one, key)
    asked = node.asked
    found.status()
    assert node.asked == asked


# ---------------------------------------------------------------------------------------------------- keys


def test_a_first_key(key: Signer) -> None:
    node = ObeyingNode(present=True, counter=3)
    install_key(opened(node), key, guards=True)
    assert (node.key, node.guarded, node.counter) == (key.public, True, NOW)


def test_a_first_key_that_is_there_already(node: ObeyingNode, key: Signer) -> None:
    install_key(opened(node), key, guards=False)
    assert node.obeyed == []
    install_key(opened(node), key, guards=True)
    assert (node.guarded, node.counter) == (True, 1001)
    install_key(opened(node), key, guards=None)
    assert (node.guarded, node.counter) == (True, 1001), "said once more, it stays as it is"
    install_key(opened(node), key, guards=False)
    assert (node.guarded, node.counter) == (False, 1002)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (ObeyingNode(), "someone at the board: hold the pin PD2 to ground"),
        (ObeyingNode(present=True, crypto=False), "built without Monocypher"),
        (ObeyingNode(old=True), "knows no keys"),
        (ObeyingNode(key=bytes(range(32)), present=True), "a key is installed already, 0001020304050607"),
    ],
)
def test_where_a_first_key_cannot_be(node: ObeyingNode, said: str, key: Signer) -> None:
    with pytest.raises(NodeError, match=said):
        install_key(opened(node), key, guards=False)
    assert node.written == node.obeyed == []
    assert node.last == b""


@pytest.mark.parametrize("guarded", [False, True])
def test_another_key_in_its_place(node: ObeyingNode, key: Signer, guarded: bool) -> None:
    node.guarded = guarded
    new = signer("new.key")
    replace_key(opened(node), key, new, guards=False)
    assert (node.key, node.guarded, node.counter) == (new.public, guarded, 1001)
    with pytest.raises(NodeError, match=r"of a\.key"):
        replace_key(opened(node), key, new, guards=False)


def test_no_key_any_more(node: ObeyingNode, key: Signer) -> None:
    remove_key(opened(node), key)
    assert (node.key, node.obeyed[0].arguments) == (b"", key_arguments(NO_KEY))
    with pytest.raises(NodeError, match="no key is installed"):
        remove_key(opened(node), key)


def test_a_node_that_says_done_and_obeys_another(node: ObeyingNode, key: Signer) -> None:
    node.says = {"KEY": key.public}
    with pytest.raises(NodeError, match=r"carried out the order, and that it obeys the key .* or lies"):
        replace_key(opened(node), key, signer(), guards=False)


def test_floors(node: ObeyingNode, key: Signer) -> None:
    set_floors(opened(node), key, 3, 0x0102)
    assert node.floors == (3, 0x0102)


@pytest.mark.parametrize(
    ("release", "firmware", "says", "said"),
    [
        (0, 0x0103, {}, "runs firmware 1.2, which would obey nothing below the floor 1.3"),
        (4, 0, {"MODEL_HASH": HASH, "MODEL_RELEASE": 3}, "a model of release 3, which the floor 4"),
        (1, 0, {"RELEASE_FLOOR": 2}, "floors never go down: they are release 2"),
        (0, 1, {"FIRMWARE_FLOOR": 2}, "floors never go down"),
    ],
)
def test_floors_that_would_close_the_node(
    node: ObeyingNode, key: Signer, release: int, firmware: int, says: dict[str, object], said: str
) -> None:
    node.says = says
    with pytest.raises(NodeError, match=said):
        set_floors(opened(node), key, release, firmware)
    assert node.obeyed == []


# -------------------------------------------------------------------------------------------------- groups


def test_one_broadcast_for_a_group(key: Signer) -> None:
    there = {n: ObeyingNode(key=key.public, counter=100 * n, group=7, uid=bytes(12)) for n in (1, 2, 3)}
    bus = Bus(there)
    nodes = [Node(bus, n) for n in there]
    order = signed(key, Command.COMMIT, 7, next_counter(counters(nodes)), image_hash=HASH)
    assert give_group(nodes, order, "commit") == [None] * 3
    assert bus.broadcasts == 1
    assert [[each.counter for each in node.obeyed] for node in there.values()] == [[301]] * 3


def test_who_has_not_heard_is_told_alone_and_who_will_not_is_named(key: Signer) -> None:
    deaf, other = ObeyingNode(key=key.public, group=7, deaf=True), ObeyingNode(key=key.public, group=8)
    bus = Bus({1: ObeyingNode(key=key.public, group=7), 2: deaf, 3: other})
    order = signed(key, Command.COMMIT, 7, 1, image_hash=HASH)
    one, two, three = give_group([Node(bus, n) for n in (1, 2, 3)], order, "commit")
    assert (one, two) == (None, None)
    assert isinstance(three, Refused)
    assert three.reason is Reason.TARGET
    assert [len(node.obeyed) for node in bus.nodes.values()] == [1, 1, 0]


def test_a_line_that_has_gone_is_everybodys_trouble(key: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus({1: ObeyingNode(key=key.public, group=7)})

    def gone(address: int, request: bytes) -> bytes | None:
        raise Gone("the line has gone")

    monkeypatch.setattr(bus, "exchange", gone)
    with pytest.raises(NodeError, match="the line has gone"):
        give_group([Node(bus, 1)], signed(key, Command.COMMIT, 7, 1, image_hash=HASH), "commit")
