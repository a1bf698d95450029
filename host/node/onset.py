"""The first seconds of a model on a node: what is seen of it while it is on trial, and whether it may stay."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from host.core.registers import Block
from host.core.wire import Reason
from host.node.broadcast import Receiver, taking_part
from host.node.client import NodeError
from host.node.identity import RUNNING, bit_of
from host.progress import Progress, silent

TRIED = Block.between("TRIAL_LEFT", "MODEL_HASH")
LOOKS_A_SECOND = 2.0

Clock = Callable[[], float]
Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Limits:
    """How a model may do. beyond: share of the looks at which an input may be clipped or out of range; lit: shares
    between which that of the looks with the lamp lit must be."""

    beyond: float = 0.0
    lit: tuple[float, float] = (0.0, 1.0)


@dataclass
class Watched:
    """What was seen of a receiver: at so many looks, of which the lamp was lit, an input clipped or out of range, or no
    whole window had been seen yet, at so many. known: faults that it had before."""

    receiver: Receiver
    known: frozenset[Reason] = frozenset()
    looks: int = 0
    lit: int = 0
    clipped: int = 0
    beyond: int = 0
    waiting: int = 0
    faults: tuple[Reason, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        return {
            "looks": self.looks,
            "lit": self._share(self.lit),
            "clipped": self._share(self.clipped),
            "out_of_range": self._share(self.beyond),
            "waiting": self._share(self.waiting),
            "faults": [fault.name for fault in self.faults],
            "failed": self.receiver.trouble,
        }

    def in_words(self) -> str:
        """'12 looks: lit 25 %, clipped 0 %, out of range 0 %'."""
        shares = {"lit": self.lit, "clipped": self.clipped, "out of range": self.beyond}
        if self.waiting:
            shares["without a whole window"] = self.waiting
        told = ", ".join(f"{name} {100 * self._share(count):.0f} %" for name, count in shares.items())
        return f"{self.looks} look{'s' * (self.looks != 1)}: {told}"

    def _share(self, count: int) -> float:
        return count / self.looks if self.looks else 0.0

    def look(self) -> None:
        """What stands there now; what must not be is the receiver's trouble."""
        receiver = self.receiver
        with receiver.or_trouble():
            tried = receiver.node.read_block(TRIED)
            bits = receiver.node.read_block(RUNNING)["RESULT_BITS"]
            if tried["MODEL_HASH"] != receiver.hash or not tried["TRIAL_LEFT"]:
                raise NodeError(
                    "its trial has ended: it has restarted, lost its master, or another has ended it"
                )
            self.looks += 1
            self.lit += bit_of(bits, "LED")
            self.clipped += bit_of(bits, "CLIPPED")
            self.beyond += bit_of(bits, "OUT_OF_RANGE")
            self.waiting += bit_of(bits, "WAITING")
            if bit_of(bits, "BUS_LOST"):
                raise NodeError("it lost its master (BUS_LOST): its watchdog is shorter than this takes")
            if bit_of(bits, "FAULT"):
                self.faults = tuple(f for f in receiver.node.identity().faults if f not in self.known)
            if self.faults:
                raise NodeError(f"it reports {', '.join(fault.name for fault in self.faults)}")

    def judge(self, limits: Limits) -> None:
        """At the end: what is beyond the limits is the receiver's trouble."""
        with self.receiver.or_trouble():
            beyond, lit = self._share(self.beyond), self._share(self.lit)
            if self.waiting == self.looks:
                raise NodeError("it has not seen a whole window meanwhile: watch it for longer")
            if beyond > limits.beyond:
                raise NodeError(f"inputs were clipped or out of range at {100 * beyond:.0f} % of the looks")
            if not limits.lit[0] <= lit <= limits.lit[1]:
                raise NodeError(f"the lamp was lit at {100 * lit:.0f} % of the looks")


def watch(
    watched: Sequence[Watched],
    seconds: float,
    limits: Limits,
    progress: Progress = silent,
    *,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> None:
    """Look at these again and again for so many seconds, once at least, then judge them. Who fails is in trouble."""
    began = clock()
    number = 0
    while True:
        for one in watched:
            if not one.receiver.trouble:
                one.look()
        number += 1
        passed = clock() - began
        progress("watch", min(int(passed), int(seconds)), max(int(seconds), 1))
        if passed >= seconds or not taking_part([one.receiver for one in watched]):
            break
        sleep(max(0.0, min(number / LOOKS_A_SECOND, seconds) - passed))
    for one in watched:
        if not one.receiver.trouble:
            one.judge(limits)
