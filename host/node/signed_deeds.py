"""What is asked of a fleet's nodes by the owner of their key: signed orders, one for a whole group where that goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from host.core.hashes import hash_of
from host.core.order import arm_arguments
from host.core.wire import Command
from host.errors import NeuronError
from host.node.broadcast import Receiver, taking_part
from host.node.client import NodeError
from host.node.deeds import Deeds
from host.node.drift import Standing
from host.node.keyed import KEYLESS, KeyedNode, require_same
from host.node.keyfile import Signer
from host.node.link import Link
from host.node.node import Node
from host.node.orders import counters, give_group, next_counter, signed


class SignedDeeds(Deeds):
    """With this key. A node that obeys another, or none, is told nothing."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._groups: dict[Node, int] = {}

    def node(self, link: Link, standing: Standing) -> Node:
        node, found = super().node(link, standing), standing.found
        assert found is not None
        if not found.trusted.keyed:
            return node
        keyed = KeyedNode(node, self._signer, bytes.fromhex(standing.member.uid), found.trusted)
        # The file's word for its group, not the node's: an order for a group is one for all of its nodes anywhere.
        self._groups[keyed] = found.group if found.group == standing.member.group else 0
        return keyed

    def refused_by(self, standing: Standing) -> str:
        found = standing.found
        if found is None:
            return ""
        if not found.trusted.keyed:
            return KEYLESS
        try:
            require_same(found.trusted, self._signer)
        except NodeError as error:
            return str(error)
        return ""

    def arm(self, receivers: Sequence[Receiver], seconds: int, by_group: bool) -> None:
        together: defaultdict[tuple[int, bytes, bytes], list[Receiver]] = defaultdict(list)
        for receiver in receivers:
            if receiver.node.keyed:
                together[self._groups[receiver.node], receiver.hash, receiver.go].append(receiver)
        for (group, _, go), members in together.items():
            arguments = arm_arguments(hash_of(go), seconds)
            if by_group and group and len(members) > 1:
                self._arm_group(members, group, arguments)
            else:
                for receiver in members:
                    _arm(receiver, arguments)

    def _arm_group(self, members: Sequence[Receiver], group: int, arguments: bytes) -> None:
        """By one order that all of them hear; its counter is above that of each."""
        last: list[int] = []
        for receiver in members:
            with receiver.or_trouble():
                last += counters([receiver.node])
        able = taking_part(members)
        if not able:
            return
        order = signed(
            self._signer, Command.ARM, group, next_counter(last), arguments, image_hash=able[0].hash
        )
        troubles: list[NeuronError | None] = give_group([receiver.node for receiver in able], order, "arm it")
        for receiver, trouble in zip(able, troubles, strict=True):
            receiver.trouble = str(trouble) if trouble else ""


def _arm(receiver: Receiver, arguments: bytes) -> None:
    node = receiver.node
    assert isinstance(node, KeyedNode)
    with receiver.or_trouble():
        node.order(Command.ARM, "arm it", arguments, receiver.hash)
