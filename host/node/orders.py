"""Signed orders to nodes: made, signed, sent, and what became of them. An order that is sent again as it was is done
once, so that one whose answer was lost is sent again.

How an order looks is host/core/order.py's; how a node obeys, firmware/app/orders.h's.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from host.core.modbus import write_registers_pdu
from host.core.order import NO_HASH, Order, order_bytes, order_message, order_parse
from host.core.registers import Block, bytes_registers
from host.core.wire import BY_NAME, Command, OrderResult, Reason
from host.errors import NeuronError
from host.node import client
from host.node.client import NodeError
from host.node.identity import known
from host.node.keyfile import Signer
from host.node.link import is_gone
from host.node.node import POLL_SECONDS, Node, Refused

STANDING = Block.between("ORDER_COUNTER", "ORDER_REASON")
ATTEMPTS = 5
"""At one order: its repeat tells what became of it, until somebody else sends another one."""
COUNTER_MAX = 0xFFFFFFFF
YEAR = 366 * 86400
AHEAD_MAX = 10 * YEAR
"""Seconds: of a counter before the clock, from which the first one is taken. A node that makes its owner sign the last
counter there is could have that order spoil another node for good."""
CLOCK_MIN = 1_767_225_600
"""2026-01-01: a computer without a battery begins long before that."""

# --------------------------------------------------------------------------------------------------- counters


def first_counter(last: int) -> int:
    """Of the order that installs a key where none is, so that no order of an earlier installation is above it. last:
    ORDER_COUNTER."""
    now = int(time.time())
    if now < CLOCK_MIN:
        raise NeuronError(
            f"this computer's clock says {_day(now)}: set it first, the counter of orders begins with it"
        )
    return max(now, next_counter([last]))


def next_counter(last: Iterable[int]) -> int:
    """Of an order after these ORDER_COUNTERs, of one node or of all that shall obey it."""
    counter = max(last) + 1
    if counter > min(time.time() + AHEAD_MAX, COUNTER_MAX):
        raise NodeError(
            f"the node counts its orders from {counter - 1}, which is the time of {_day(counter - 1)}: nothing is "
            "signed so far ahead; is this computer's clock right, and that node to be trusted?"
        )
    return counter


def days_ahead(counter: int) -> int:
    """Whole days of a counter before the clock: orders have been given faster than one a second, or with a wrong
    clock."""
    return max(0, int(counter - time.time()) // 86400)


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


# -------------------------------------------------------------------------------------------------- one node


def signed(
    signer: Signer,
    command: Command,
    target: bytes | int,
    counter: int,
    arguments: bytes = b"",
    image_hash: bytes = NO_HASH,
) -> bytes:
    """An order as it travels. target: a UID, 12 bytes, or the number of a group; arguments: by a maker of
    host/core/order.py; image_hash: of the image that is meant."""
    order = Order(command, target, counter, image_hash, arguments)
    return order_bytes(replace(order, signature=signer.sign(order_message(order))))


def send(node: Node, order: bytes, doing: str) -> None:
    """Have a node take an order. Refused where it sees at once that it will not; what became of it is not asked."""
    with node.refusals(doing):
        node.write(*_request(order))


def give(node: Node, order: bytes, doing: str) -> None:
    """Have a node carry out an order. Refused where it will not; NodeError where nobody knows whether it has."""
    counter = order_parse(order).counter
    for attempt in range(ATTEMPTS):
        send(node, order, doing)
        if _carried_out(node, counter, doing, once_more=attempt == 0):
            return
        node.doubt()
    raise NodeError(
        f"the node knows nothing of the order to {doing}: it has restarted, or another master gives it orders; ask "
        "what it runs, then try again"
    )


def _request(order: bytes) -> tuple[int, list[int]]:
    """The registers that an order travels in."""
    return BY_NAME["ORDER"].address, bytes_registers(order)


def _carried_out(node: Node, counter: int, doing: str, once_more: bool = False) -> bool:
    """Wait for the end of the order that has this counter: whether it was carried out. False where the node speaks of
    another one: so it does where our counter stands beside a bad signature, which leaves the counter; once_more: any
    refusal may be another's."""
    deadline = time.monotonic() + client.BUSY_SECONDS
    while True:
        values = node.read_block(STANDING)
        result = known(OrderResult, "ORDER_RESULT", values["ORDER_RESULT"])
        ours = values["ORDER_COUNTER"] == counter
        if result is OrderResult.REFUSED:
            reason = known(Reason, "ORDER_REASON", values["ORDER_REASON"])
            if (ours or not once_more) and not (ours and reason is Reason.SIGNATURE):
                identity = node.identity()
                raise Refused(doing, reason, identity.detail if identity.reason is reason else 0)
        if result is not OrderResult.CHECKING:
            return result is OrderResult.DONE and ours
        if time.monotonic() > deadline:
            raise NodeError(f"the node does not come to check the order to {doing}: ask what it runs")
        time.sleep(POLL_SECONDS)


# --------------------------------------------------------------------------------------------------- a group


def counters(nodes: Sequence[Node]) -> list[int]:
    """ORDER_COUNTER of each."""
    return [node.read_value("ORDER_COUNTER") for node in nodes]


def give_group(nodes: Sequence[Node], order: bytes, doing: str) -> list[NeuronError | None]:
    """Have nodes of one line, all of the order's group, carry it out: by one broadcast, then each that has not heard it
    by itself. For each of them why it has not, or None."""
    if nodes:
        nodes[0].link.broadcast(write_registers_pdu(*_request(order)))
    return [_trouble(node, order, doing) for node in nodes]


def _trouble(node: Node, order: bytes, doing: str) -> NeuronError | None:
    try:
        if not _carried_out(node, order_parse(order).counter, doing, once_more=True):
            give(node, order, doing)
    except NeuronError as error:
        if is_gone(error):
            raise
        return error
    return None
