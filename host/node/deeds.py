"""What is asked of a fleet's nodes one by one, in the form that they obey."""

from __future__ import annotations

from collections.abc import Sequence

from host.core.wire import SEARCH_ADDRESS, Command
from host.node.broadcast import Receiver
from host.node.drift import Standing
from host.node.link import Link
from host.node.node import Node


class Deeds:
    """Plainly, as where no key is installed."""

    def node(self, link: Link, standing: Standing) -> Node:
        """The way to a node that was found; one that shares its address is to be selected before."""
        assert standing.found is not None
        return Node(link, SEARCH_ADDRESS if standing.found.shares else standing.found.address)

    def refused_by(self, standing: Standing) -> str:
        """Why a node will not obey, as far as it says beforehand; "" where it will."""
        if standing.found is not None and standing.found.trusted.keyed:
            return "a key is installed there: give its file by --key"
        return ""

    def arm(self, receivers: Sequence[Receiver], seconds: int, by_group: bool) -> None:
        """Let GO run the images of these, who have one secret, on trial for so many seconds, 0: to be kept. Who does
        not is in trouble. by_group: no other node waits for the same image, so that all of a group may be told at
        once."""

    def confirm(self, receiver: Receiver, crc: int) -> None:
        """Have it keep the image that it tries, which has this CRC-32."""
        receiver.node.command(Command.CONFIRM, "keep the model", crc=crc, image_hash=receiver.hash)

    def revert(self, receiver: Receiver, crc: int) -> None:
        """Have it end the trial."""
        receiver.node.command(Command.REVERT, "end the trial", crc=crc, image_hash=receiver.hash)
