"""A node's ring of samples: what it samples, and how the ring is drained without losing a scan.

A scan is read by its number, and may be read again: a reply that was lost costs time, no scans. What the node itself
has lost, or no longer keeps, is a gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from host.core.channels import is_analog, mask_of, names_of
from host.core.modbus import DEVICE_FAILURE, ILLEGAL_ADDRESS
from host.core.registers import Block, pack
from host.core.wire import (
    BY_NAME,
    CHANNELS,
    DIGITAL,
    RATE_MAX,
    RAW_MAX,
    SAMPLE_MISSING,
    SAMPLE_WORDS,
    SAMPLES_MAX,
)
from host.errors import NeuronError, counted, listed
from host.node.client import Answered, NodeError
from host.node.identity import Strange, checked
from host.node.node import Node, Refused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLING = Block.between("CHANNELS", "SCANS_LOST")
WISHED = Block.of(["SAMPLE_RATE", "SAMPLE_CHANNELS"])
RING = Block.between("SAMPLES_HEAD", "SAMPLES")
"""All that one function 23 may read."""
TURN = 1 << 32
"""Numbers on the wire wrap there; here they do not."""


def extended(number: int, near: int) -> int:
    """A number of the wire's 32 bits as the one, of those that end so, that is nearest to another."""
    return near + (number - near + TURN // 2) % TURN - TURN // 2


@dataclass(frozen=True)
class Sampling:
    """What a node samples. board: mask of the channels that it has; rate: scans/s, 0 for none; channels: mask of those
    that are sampled."""

    board: int
    rate: int
    channels: int

    @property
    def width(self) -> int:
        """Words of a scan."""
        return sum(map(is_analog, self.names)) + bool(self.channels >> (CHANNELS - DIGITAL))

    @property
    def names(self) -> tuple[str, ...]:
        return names_of(self.channels)

    @property
    def kept(self) -> int:
        """Scans that the node's ring holds."""
        return SAMPLE_WORDS // self.width

    @property
    def at_once(self) -> int:
        """Scans that one request reads."""
        return SAMPLES_MAX // self.width


class Changed(NodeError):
    """The node does not sample as it did when this was begun."""


def read_sampling(node: Node) -> Sampling:
    """What is in force. NodeError for a node that knows no channels."""
    return sampling_of(_read(node, SAMPLING))


def _read(node: Node, block: Block) -> dict[str, Any]:
    try:
        return node.read_block(block)
    except Answered as error:
        if error.code != ILLEGAL_ADDRESS:
            raise
        raise NodeError(
            "the node's firmware does not sample channels: it is of an earlier build, update it"
        ) from error


def sampling_of(values: Mapping[str, int]) -> Sampling:
    """What the values of the block SAMPLING say."""
    every = (1 << CHANNELS) - 1
    board = checked("CHANNELS", values["CHANNELS"], 0, every)
    channels = checked("SAMPLING_CHANNELS", values["SAMPLING_CHANNELS"], 0, every)
    rate = checked("SAMPLING_RATE", values["SAMPLING_RATE"], 0, RATE_MAX)
    if channels & ~board or (channels and not rate):
        raise Strange("SAMPLING_CHANNELS", f"0x{channels:04x}")
    return Sampling(board, rate, channels)


def start_sampling(node: Node, names: tuple[str, ...], rate: int | None) -> Sampling:
    """Have a node sample these channels so many times a second, None: as often as its model has it. Where it does so
    already, also for others' sake, nothing is changed: a change begins the ring anew."""
    now, wanted = read_sampling(node), mask_of(names)
    if not now.board:
        raise NodeError("the node's board has no channels to sample")
    if missing := names_of(wanted & ~now.board):
        raise NodeError(
            f"the node's board has no {listed(missing, 3)}: its channels are {','.join(names_of(now.board))}"
        )
    if rate is None and not now.rate:
        raise NodeError("the node runs no model that says how often to sample: say it with --rate")
    wished = node.read_block(WISHED)
    samples = not wanted & ~now.channels
    if samples and wished["SAMPLE_CHANNELS"] == wanted and now.rate == (rate or now.rate):
        return now
    try:
        node.write_values(SAMPLE_RATE=rate or now.rate, SAMPLE_CHANNELS=wanted)
    except Answered as error:
        if error.code != DEVICE_FAILURE:
            raise
        identity = node.identity()
        doing = f"sample {','.join(names)} {rate or now.rate} times a second"
        raise Refused(doing, identity.reason, identity.detail) from error
    now = read_sampling(node)
    if wanted & ~now.channels:
        raise NodeError("the node does not sample what it was told: is another master at work?")
    if rate not in (None, now.rate):
        raise NodeError(
            f"the node samples {now.rate} times a second, as its model wants it: record with --rate {now.rate}"
        )
    return now


@contextmanager
def sampled(node: Node, names: tuple[str, ...], rate: int | None) -> Iterator[Sampling]:
    """start_sampling for as long as the context lasts. Where the bus asked for no channels before, it does so after it,
    unless another master has asked for others meanwhile. A node that has failed is not asked once more."""
    before = _read(node, WISHED)
    sampling = start_sampling(node, names, rate)
    ours = {"SAMPLE_RATE": sampling.rate, "SAMPLE_CHANNELS": mask_of(names)}

    def put_back() -> None:
        if before["SAMPLE_CHANNELS"] or node.read_block(WISHED) != ours:
            return
        try:
            node.write_values(**before)
        except Answered:  # the rate is fixed by the running model
            node.write_values(SAMPLE_CHANNELS=0)

    try:
        yield sampling
    except NodeError:
        raise
    except BaseException:
        with suppress(NeuronError):  # the first says more
            put_back()
        raise
    put_back()


@dataclass(frozen=True)
class Scans:
    """Scans in their order. samples: (n,) their numbers, rising; words: (n, width) as the node's ring has them; gaps:
    of those that the node has lost, the first number and how many; overrun: some were no longer kept when they were
    asked for."""

    samples: NDArray[np.int64]
    words: NDArray[np.int64]
    gaps: tuple[tuple[int, int], ...]
    overrun: bool

    def channels(self, sampling: Sampling, names: tuple[str, ...]) -> NDArray[np.int64]:
        """(n, channels) the raw values of some of those sampled."""
        import numpy as np

        analog = [name for name in sampling.names if is_analog(name)]
        columns = [
            self.words[:, analog.index(name)] if is_analog(name) else self.words[:, -1] >> int(name[1:]) & 1
            for name in names
        ]
        return np.column_stack(columns)


class Ring:
    """The scans of a node, one after the other. next: number of the next to be read; head: of the next to be taken by
    the node, as it was last said. Numbers do not wrap."""

    def __init__(self, node: Node, sampling: Sampling, least: int = 0) -> None:
        """From now on. The first number is at least `least`; its lowest 32 bits are the node's."""
        self.sampling = sampling
        self._node = node
        self._uptime: int = node.read_value("UPTIME")
        self.head: int = least + (node.read_value("SAMPLES_HEAD") - least) % TURN
        self.next: int = self.head

    def read(self, stop: int | None = None, *, all_kept: bool = False) -> Scans:
        """The next scans that are there, as many as one request carries, and none from number `stop` on; perhaps none.
        Changed where the node has begun anew, or samples something else.

        all_kept: where some are no longer kept, go on with the oldest that is. Else with one of middle age: who is too
        slow gets long runs with a gap now and then, in place of a gap before every request.
        """
        values = self._ask()
        first = extended(values["SAMPLES_FIRST"], self.next)
        head = extended(values["SAMPLES_HEAD"], self.next)
        count = min(head - first, self.sampling.at_once)
        overrun = first > self.next and self._overrun(head)
        if overrun and not all_kept:
            first, count = max(first, self.head - self.sampling.kept // 2), 0
        if stop is not None:
            first = min(first, stop)
            count = min(count, stop - first)
        return self._scans(first, values["SAMPLES"][: count * self.sampling.width], overrun)

    def look(self) -> None:
        """Where the node is now."""
        self._reach(extended(self._node.read_value("SAMPLES_HEAD"), self.next))

    def skip(self, number: int) -> None:
        """Go on with this scan, where it lies ahead."""
        self.next = max(self.next, number)

    def confirm(self) -> None:
        """Changed where the node does no longer sample as it did: all that was read since it was last confirmed may be
        of another rate, or from before and after a start."""
        if (now := read_sampling(self._node)) != self.sampling:
            raise Changed(
                f"the node now samples {','.join(now.names) or 'nothing'} {now.rate} times a second"
            )
        uptime = self._node.read_value("UPTIME")
        if (uptime - self._uptime) % TURN >= TURN // 2:
            raise Changed("the node has started again")
        self._uptime = uptime

    def _overrun(self, head: int) -> bool:
        """Whether a ring that has come so far may have no room any more for what is to be read next."""
        return head - self.next >= self.sampling.kept

    def _reach(self, head: int) -> None:
        if head < self.next:
            raise Changed("the node counts its samples anew: it has started again")
        self.head = max(self.head, head)  # a late reply may say less

    def _ask(self) -> dict[str, Any]:
        row = BY_NAME["SAMPLE_FROM"]
        for once_more in (True, False):
            words = self._node.write_read(row.address, pack(row, self.next % TURN), RING.address, RING.count)
            values = RING.unpack(words)
            head = extended(values["SAMPLES_HEAD"], self.next)
            first = extended(values["SAMPLES_FIRST"], self.next)
            if values["SAMPLES_CHANNELS"] != self.sampling.channels:
                now = names_of(values["SAMPLES_CHANNELS"])
                raise Changed(f"the node now samples {','.join(now) or 'nothing'}")
            self._reach(head)
            jumps = first > self.next and not self._overrun(head)
            if self.next <= first <= head and not (jumps and once_more):
                return values
            if once_more:
                # So looks a reply that came twice, or one to another master. A ring that began anew says it again.
                self._node.doubt()
        raise Strange("SAMPLES_FIRST", values["SAMPLES_FIRST"])

    def _scans(self, first: int, flat: list[int], overrun: bool) -> Scans:
        import numpy as np

        words = np.array(flat, np.int64).reshape(-1, self.sampling.width)
        samples = first + np.arange(len(words), dtype=np.int64)
        lost = (words == SAMPLE_MISSING).all(axis=1)
        highest = np.full(self.sampling.width, RAW_MAX)
        if self.sampling.channels >> (CHANNELS - DIGITAL):
            highest[-1] = (1 << DIGITAL) - 1
        if (beyond := (words > highest) & ~lost[:, None]).any():
            raise Strange("SAMPLES", int(words[beyond][0]))
        gaps = [(self.next, first - self.next)] if first > self.next else []
        for number in samples[lost].tolist():
            if gaps and sum(gaps[-1]) == number:
                gaps[-1] = (gaps[-1][0], gaps[-1][1] + 1)
            else:
                gaps.append((number, 1))
        self.next = first + len(words)
        return Scans(samples[~lost], words[~lost], tuple(gaps), overrun)


def lost_in_words(gap: tuple[int, int], rate: int) -> str:
    """A gap for people."""
    first, count = gap
    return f"{counted(count, 'sample')} lost from number {first} on ({count / rate:.3g} s)"
