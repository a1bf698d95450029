"""A node that is told to start again."""

from __future__ import annotations

import time

from host.core.wire import OrderResult
from host.node import client
from host.node.client import NoAnswer, NodeError
from host.node.identity import Identity, in_words
from host.node.node import Node
from host.node.trusted import read_trusted

LOOK_SECONDS = 0.05


def restart(node: Node) -> Identity:
    """Have a node start again; what it says of itself when it has. What is on trial goes, and inputs and coils are as
    after a loss of power."""
    began = time.monotonic()
    node.start_again()
    while time.monotonic() < began + client.BUSY_SECONDS:
        time.sleep(LOOK_SECONDS)
        try:
            uptime = node.read_value("UPTIME")
        except NoAnswer:
            continue
        if uptime < 1000 * (time.monotonic() - began):
            return node.wait_idle()
    why = ""
    if node.keyed and (trusted := read_trusted(node)).result is OrderResult.REFUSED:
        why = f": {in_words(trusted.reason, 0)}"
    raise NodeError(f"the node did not start again{why}")
