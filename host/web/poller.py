"""A line's nodes, polled: a glance at each of them every round, a whole look where something has changed or is due.

A round costs a request a node, and a few more for some of them. A node that is dead is asked ever more seldom, and all
the dead together take a small share of the line's time, so that they never slow the others.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from host.core.wire import Gap
from host.errors import NeuronError, counted
from host.node.client import ATTEMPTS, NoAnswer
from host.node.events import Event
from host.node.hops import Hop
from host.node.identity import Identity, bit_of
from host.node.keyed import require_uid
from host.node.link import Link, is_gone
from host.node.node import Node
from host.node.scanning import scan_line, waiting
from host.node.watching import Look, Watching

LOOKS = 4
"""Nodes that are looked at whole in a round, those first where something has changed."""
MISSES = 3
"""Glances in a row without an answer after which a node is lost."""
BACKOFF_FIRST, BACKOFF_MOST = 0.5, 30.0
"""Seconds until a node that is lost is asked again; twice as long each time."""
DEAD_SHARE = 0.1
"""Of the line's time that all lost nodes may take together."""
IDENTITY_SECONDS = 5.0
"""What a node says of its faults is asked for as often, and when its discrete inputs say that there is news."""
IMAGES_KEPT = 256
NOBODY = "no node answers a search: check power, wiring (A/B), baud rate and parity; it is repeated"


@dataclass
class Polled:
    """A node that is polled. uid: 24 hex digits; state: waiting (never asked yet, or the line is gone), ok, lost, or
    trouble, which then says what; seen: Unix seconds of its last answer; bits: the discrete inputs then; look: the
    newest; hop: the newest of its model; standing: as Watching.trust."""

    uid: str
    name: str
    address: int
    state: str = "waiting"
    trouble: str = ""
    seen: float | None = None
    bits: int = 0
    node: Node | None = None
    watching: Watching | None = None
    look: Look | None = None
    hop: Hop | None = None
    standing: dict[str, Any] = field(default_factory=dict)
    identity: Identity | None = None
    misses: int = 0
    retry: float = 0.0
    backoff: float = BACKOFF_FIRST
    changed: bool = False
    looked: float = -1.0
    identified: float = -1.0
    gap: Gap = Gap.STANDARD


class Sink(Protocol):
    """Who is told."""

    def node(self, polled: Polled) -> None:
        """There may be news of it."""

    def event(self, polled: Polled, event: Event) -> None: ...

    def own(self, kind: str, text: str, uid: str | None) -> None:
        """An event of the gateway's own."""


class Poller:
    """clock: seconds, as the line's own time goes; images: that are known by their hashes.

    link, wait: the line, and seconds for an answer to a glance, once it is open; trouble: what keeps nodes that a
    search has found from being polled."""

    def __init__(
        self,
        sink: Sink,
        *,
        clock: Callable[[], float] = time.monotonic,
        images: dict[bytes, bytes] | None = None,
    ) -> None:
        self._sink, self._clock = sink, clock
        self._images = {} if images is None else images
        self.nodes: dict[str, Polled] = {}
        self.rounds = 0
        self.cycle_seconds = 0.0
        self.trouble = ""
        self._dead_from = 0.0

    def open(self, link: Link, wait: float) -> None:
        """Poll over this line, the first or after another that has gone: what is known of the nodes stays, so that
        nothing of what they keep is missed."""
        self.link, self._wait = link, wait
        for polled in self.nodes.values():
            polled.misses, polled.backoff, polled.retry = 0, BACKOFF_FIRST, 0.0
            if polled.node is not None:
                polled.node.link = link

    # ------------------------------------------------------------------------------------------------- who is there

    def adopt(self, members: Iterable[tuple[str, str, int]]) -> None:
        """Poll these: uid, name, address. What is known of one that is polled already stays."""
        for uid, name, address in members:
            known = self.nodes.get(uid)
            if known is None or known.address != address:
                self.nodes[uid] = Polled(uid, name, address)
            self._sink.node(self.nodes[uid])

    def search(self, wait: float) -> int:
        """Look for nodes, and poll those that are found at an address of their own; how many were found. trouble says
        what keeps the others from being polled."""
        seen, _ = scan_line(self.link, wait)
        shared = {
            address: count for address, count in Counter(one.address for one in seen).items() if count > 1
        }
        said = [f"{one.uid}: {one.trouble}" for one in seen if one.trouble]
        said += [
            f"{counted(count, 'node')} share address {address}: give each its own (python -m host.scan PORT "
            "--assign 11)"
            for address, count in sorted(shared.items())
        ]
        self.trouble = "; ".join(said) if seen else NOBODY
        alone = [one for one in seen if not one.trouble and one.address not in shared]
        alone.sort(key=lambda one: one.address)
        self.adopt((one.uid, f"node {one.address}", one.address) for one in alone)
        return len(seen)

    @contextmanager
    def patient(self, uid: str) -> Iterator[Polled]:
        """A node for those who want something of it, that it answers now: with all attempts and all the time that the
        line gives it. NeuronError where it does not."""
        polled = self.nodes.get(uid)
        if polled is None:
            raise NeuronError(f"no node {uid} is known on this line")
        if polled.node is None or polled.state == "lost":
            self._contact(polled, ATTEMPTS)
        assert polled.node is not None
        polled.node.attempts = ATTEMPTS
        try:
            yield polled
        finally:
            polled.node.attempts = 1
            polled.changed = True

    # ------------------------------------------------------------------------------------------------------ a round

    def round(self) -> None:
        """Glance at all, look at some. NeuronError where the line is gone; what is wrong with one node is its own."""
        began = self._clock()
        contacted = False
        for polled in list(self.nodes.values()):
            if polled.state == "ok":
                self._do(polled, self._glance)
            elif not contacted and began >= polled.retry and (not polled.misses or began >= self._dead_from):
                contacted = True
                self._retry(polled)
        well = [polled for polled in self.nodes.values() if polled.state == "ok" and not polled.misses]
        for polled in sorted(well, key=lambda one: (not one.changed, one.looked))[:LOOKS]:
            self._do(polled, self._look)
        if len(self._images) > IMAGES_KEPT:
            self._images.clear()  # what runs is with its node; it is read once more where it comes back
        self.rounds += 1
        self.cycle_seconds = self._clock() - began

    def _retry(self, polled: Polled) -> None:
        began = self._clock()
        self._do(polled, self._contact)
        if polled.state != "ok":
            self._dead_from = self._clock() + (self._clock() - began) * (1 / DEAD_SHARE - 1)

    def _do(self, polled: Polled, what: Callable[[Polled], None]) -> None:
        try:
            with waiting(self.link, self._wait):
                what(polled)
        except NeuronError as error:
            if is_gone(error):
                raise
            self._failed(polled, error)
        else:
            polled.misses, polled.seen = 0, time.time()
            if polled.state != "ok":
                if polled.state == "lost":
                    self._sink.own("BACK", f"{polled.name} answers again", polled.uid)
                polled.state, polled.trouble, polled.backoff = "ok", "", BACKOFF_FIRST
        self._sink.node(polled)

    def _failed(self, polled: Polled, error: NeuronError) -> None:
        silent = isinstance(error, NoAnswer)
        polled.misses += 1
        if silent and polled.state == "ok" and polled.misses < MISSES:
            return
        state = "lost" if silent else "trouble"
        if polled.state != state:
            self._sink.own(state.upper(), f"{polled.name}: {error}", polled.uid)
        polled.state, polled.trouble = state, str(error)
        polled.retry = self._clock() + polled.backoff
        polled.backoff = min(2 * polled.backoff, BACKOFF_MOST)

    def _contact(self, polled: Polled, attempts: int = 1) -> None:
        """Find out that it is there, and the one that it should be."""
        self.link.gap = Gap.STANDARD
        node = polled.node or Node(self.link, polled.address)
        node.attempts = attempts
        try:
            node.handshake()
            polled.gap = self.link.gap
            require_uid(node, polled.uid)
        finally:
            others = [one.gap for one in self.nodes.values() if one.node is not None]
            true = all(gap is Gap.TRUE_CHARACTERS for gap in [polled.gap, *others])
            self.link.gap = Gap.TRUE_CHARACTERS if true else Gap.STANDARD
        polled.watching = polled.watching or Watching(node, self._images)
        polled.node, polled.changed = node, True

    def _glance(self, polled: Polled) -> None:
        assert polled.watching is not None
        bits = polled.watching.glance()
        polled.changed |= bits != polled.bits
        polled.bits = bits

    def _look(self, polled: Polled) -> None:
        assert polled.watching is not None
        assert polled.node is not None
        polled.looked = self._clock()
        look, before = polled.watching.look(), polled.look
        same = before is not None and before.model is look.model
        polled.hop = look.hop or (polled.hop if same else None)
        polled.look, polled.bits, polled.changed = look, look.bits, False
        for event in look.events:
            self._sink.event(polled, event)
        polled.standing = polled.watching.trust()
        news = bit_of(look.bits, "ATTENTION") != bool(polled.identity and polled.identity.warnings())
        if polled.identity is None or look.events or news or polled.looked >= polled.identified:
            polled.identity = polled.node.identity()
            polled.identified = polled.looked + IDENTITY_SECONDS
