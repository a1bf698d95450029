"""The windows that a node decides by itself: the newest, read whole, and how many passed by that nobody read."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from host.core.modbus import READ_REGISTERS_MAX
from host.core.registers import Block, register_bytes
from host.core.wire import BY_NAME
from host.node.identity import bit_of
from host.node.node import Node
from host.node.samples import TURN, extended

HEAD = Block.between("WINDOWS", "WINDOWS_MISSED")
ATTEMPTS = 3
"""To read a window of more than one request before the next one comes."""


@dataclass(frozen=True)
class Hop:
    """What a model saw and said. sample: number of the window's last scan, None of a model that the bus feeds;
    features: numerators as core/features has them, one an input, 0 of the bus, () where all are; inputs, outputs: q;
    bits: the discrete inputs, number n in bit n."""

    sample: int | None
    features: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    bits: int

    @property
    def decision(self) -> bool:
        return bit_of(self.bits, "DECISION")

    @property
    def led(self) -> bool:
        return bit_of(self.bits, "LED")

    def as_dict(self) -> dict[str, Any]:
        return {
            "sample": self.sample,
            "features": list(self.features),
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "decision": self.decision,
            "led": self.led,
        }


class Hops:
    """The windows of a node, from the newest on.

    decided: how many; unseen: those of them that another followed before they were read whole; missed: windows that the
    node could not decide, as their scans were lost.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._sample: int | None = None
        self.decided = self.unseen = self.missed = 0

    def follow(self, inputs: int, outputs: int) -> None:
        """A model runs that has so many."""
        self._inputs = inputs
        self._form = f">{inputs}I{inputs}h{outputs}h"
        now = self._node.read_block(HEAD)
        self._windows, self._missed = max(now["WINDOWS"] - 1, 0), now["WINDOWS_MISSED"]

    def read(self) -> Hop | None:
        """The newest window, None where it has been read."""
        words, whole = self._read()
        now = HEAD.unpack(words[: HEAD.count])
        came = (now["WINDOWS"] - self._windows) % TURN
        missed = (now["WINDOWS_MISSED"] - self._missed) % (1 << 16)
        sample = now["WINDOW_SAMPLE"]
        before = sample if self._sample is None else self._sample
        number = extended(sample, before)
        if came >= TURN // 2 or (came and number < before):  # the model, or the node, has begun anew
            came, missed, number = now["WINDOWS"], now["WINDOWS_MISSED"], sample
            self._sample = None
        self._windows, self._missed = now["WINDOWS"], now["WINDOWS_MISSED"]
        self.decided += came
        self.unseen += max(came - whole, 0)
        self.missed += missed
        if not came or not whole:
            return None
        self._sample = number
        values = struct.unpack(self._form, register_bytes(words[HEAD.count :]))
        first, second = self._inputs, 2 * self._inputs
        return Hop(self._sample, values[:first], values[first:second], values[second:], now["WINDOW_BITS"])

    def _read(self) -> tuple[list[int], bool]:
        """All registers of the newest window, and whether no other came in between where it takes several requests."""
        row = BY_NAME["WINDOWS"]
        for _ in range(ATTEMPTS):
            words = self._node.read_words(row, HEAD.count + struct.calcsize(self._form) // 2)
            if len(words) <= READ_REGISTERS_MAX or self._node.read_words(row, row.size) == words[: row.size]:
                return words, True
        return words, False
