"""Each node at the address, and in the group, that the fleet's file gives it. Never two nodes at one address: a node
that swaps with another waits at an address that nobody has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from host.core.wire import ADDRESS_MAX, ADDRESS_MIN
from host.errors import NeuronError
from host.node.client import NoAnswer, NodeError
from host.node.deeds import Deeds
from host.node.drift import Drift, Found, Standing, differences, look
from host.node.keyed import require_uid
from host.node.line import read_settings, save_settings
from host.node.link import Link, is_gone
from host.node.node import Node
from host.node.scanning import selected
from host.progress import Progress, silent


@dataclass
class Settled:
    """A member on its way to its place. trouble: why it does not get it, "" where all is well."""

    standing: Standing
    trouble: str = ""


class Places:
    """settled: all members, which are changed; others: addresses of nodes that are not in the file."""

    def __init__(self, link: Link, settled: Sequence[Settled], others: Iterable[int], deeds: Deeds) -> None:
        self._link, self._settled, self._deeds = link, settled, deeds
        self._others = set(others)

    def settle(self, progress: Progress = silent) -> None:
        """Give each its place; a node that fails is in trouble, and the others go on. NeuronError where the line
        goes."""
        todo = [one for one in self._settled if one.standing.has(Drift.ADDRESS, Drift.GROUP)]
        total = len(todo)
        if not todo:
            return
        while todo:
            progress("settle", total - len(todo), total)
            one = next((one for one in todo if self._is_free(one)), None)
            if one is not None:
                self._give(one, one.standing.member.address)
                todo.remove(one)
                continue
            for one in todo:
                in_the_way = self._holder(one)
                if in_the_way not in todo:
                    one.trouble = f"its address {one.standing.member.address} is taken by another node"
                    todo.remove(one)
                    break
            else:
                self._give(todo[0], self._spare())
                if todo[0].trouble:
                    todo.pop(0)
        progress("settle", total, total)

    def _holder(self, one: Settled) -> Settled | None:
        """Who else of the file stands at the address that it shall have."""
        wanted = one.standing.member.address
        for other in self._settled:
            if other is not one and other.standing.found and other.standing.found.address == wanted:
                return other
        return None

    def _is_free(self, one: Settled) -> bool:
        found, wanted = _found(one.standing), one.standing.member.address
        alone = wanted not in self._others and self._holder(one) is None
        return alone or (found.address == wanted and not found.shares)

    def _spare(self) -> int:
        """An address that nobody has, and nobody shall have."""
        taken = self._others | {one.standing.member.address for one in self._settled}
        taken |= {one.standing.found.address for one in self._settled if one.standing.found}
        free = [address for address in range(ADDRESS_MIN, ADDRESS_MAX + 1) if address not in taken]
        if not free:
            raise NodeError("nodes have to swap addresses, and none is free for one to wait at")
        return free[-1]

    def _give(self, one: Settled, address: int) -> None:
        """This address, and its group."""
        try:
            if refused := self._deeds.refused_by(one.standing):
                raise NodeError(refused)
            if not _found(one.standing).shares:
                self._move(one, address, Node(self._link, address))
                return
            with selected(self._link, bytes.fromhex(one.standing.member.uid)) as node:
                self._move(one, address, node)
        except NeuronError as error:
            if is_gone(error):
                raise
            one.trouble = str(error)

    def _move(self, one: Settled, address: int, moved: Node) -> None:
        """moved: the way to it afterwards."""
        member = one.standing.member
        node = self._deeds.node(self._link, one.standing)
        require_uid(node, member.uid)
        settings = replace(read_settings(node), address=address)
        if member.group is not None:
            settings = replace(settings, group=member.group)
        with suppress(NoAnswer):  # an answer that was lost: what stands there then tells
            save_settings(node, settings)
        moved.wait_idle()
        found = look(moved)
        if found.uid != member.uid:
            raise NodeError(f"at address {address} stands the node {found.uid}")
        one.standing = Standing(member, found, tuple(differences(member, found)))
        if found.address != address:
            raise NodeError(f"it did not take address {address}")
        if address == member.address and one.standing.has(Drift.GROUP):
            raise NodeError(f"it did not take group {member.group}")


def _found(standing: Standing) -> Found:
    assert standing.found is not None
    return standing.found
