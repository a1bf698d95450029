"""What is known of all lines and nodes, newest only, and who is told when it changes.

Owners of lines say it, each from its own thread; nobody who listens can hold them up: a mailbox keeps the newest of
each node and line, and so many events, and what does not fit is replaced by all that is known.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from host import __version__
from host.core.wire import WIRE_VERSION
from host.web.shapes import Json

EVENTS_KEPT = 100
JOBS_KEPT = 50
WAITING = 1000
"""Messages in a mailbox."""

NEWEST_BY = {"node": "uid", "line": "id", "job": "id"}
"""What tells apart those of which only the newest message counts."""

Message = tuple[str, Json]
"""Its kind, as a server-sent event has it, and what it says."""


class Mailbox:
    """Messages that somebody has not taken yet. wake: called, from any thread, when there are some after there were
    none; it must not wait. missed: events that an overflow has swallowed, since the start."""

    def __init__(self, hub: Hub, wake: Callable[[], None]) -> None:
        self._hub, self._wake = hub, wake
        self._lock = threading.Lock()
        self._waiting: dict[object, Message] = {}
        self._number = itertools.count()
        self.overflows = self.missed = 0

    def put(self, kind: str, said: Json) -> None:
        with self._lock:
            asleep = not self._waiting
            if len(self._waiting) >= WAITING:
                self.missed += sum(each == "event" for each, _ in self._waiting.values())
                self._waiting = {"all": ("state", {})}
                self.overflows += 1
            if "all" in self._waiting:
                self.missed += kind == "event"
            else:
                key = (kind, said[NEWEST_BY[kind]]) if kind in NEWEST_BY else next(self._number)
                self._waiting.pop(key, None)  # the newest, and behind what was said before it
                self._waiting[key] = kind, said
        if asleep:
            self._wake()

    def take(self) -> list[Message]:
        """What has come since; after an overflow the whole state instead."""
        with self._lock:
            taken, self._waiting = list(self._waiting.values()), {}
        return [(kind, self._hub.state() if kind == "state" else said) for kind, said in taken]


class Hub:
    """lines, nodes: the newest of each, by id and UID."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, Json] = {}
        self._nodes: dict[str, Json] = {}
        self._jobs: dict[str, Json] = {}
        self._events: deque[Json] = deque(maxlen=EVENTS_KEPT)
        self._counts = Counter[str]()
        self._broker: Json | None = None
        self._mailboxes: list[Mailbox] = []

    @contextmanager
    def listening(self, wake: Callable[[], None]) -> Iterator[Mailbox]:
        """A mailbox for what is said meanwhile."""
        box = Mailbox(self, wake)
        with self._lock:
            self._mailboxes.append(box)
        try:
            yield box
        finally:
            with self._lock:
                self._mailboxes.remove(box)

    def state(self) -> Json:
        """All that is known."""
        with self._lock:
            return {
                "version": __version__,
                "wire": WIRE_VERSION,
                "now": time.time(),
                "lines": list(self._lines.values()),
                "nodes": list(self._nodes.values()),
                "events": list(self._events),
                "broker": self._broker,
                "jobs": list(self._jobs.values()),
            }

    def node(self, uid: str) -> Json | None:
        with self._lock:
            return self._nodes.get(uid)

    def event_counts(self) -> dict[str, int]:
        """How many there have been since the start, by their kind."""
        with self._lock:
            return dict(self._counts)

    def job(self, number: str) -> Json | None:
        with self._lock:
            return self._jobs.get(number)

    # ---------------------------------------------------------------------------------------------------- it is told

    def say_node(self, said: Json) -> None:
        """How a node stands; those who listen are told if that is news: `seen` alone is none."""
        with self._lock:
            before = self._nodes.get(said["uid"])
            self._nodes[said["uid"]] = said
            if before is None or {**before, "seen": None} != {**said, "seen": None}:
                self._tell("node", said)

    def say_line(self, said: Json) -> None:
        with self._lock:
            self._lines[said["id"]] = said
            self._tell("line", said)

    def say_event(self, said: Json) -> None:
        with self._lock:
            self._events.append(said)
            self._counts[said["kind"]] += 1
            self._tell("event", said)

    def say_job(self, said: Json) -> None:
        with self._lock:
            self._jobs[said["id"]] = said
            ended = [key for key, one in self._jobs.items() if one["state"] in ("done", "failed")]
            for key in ended[: max(0, len(self._jobs) - JOBS_KEPT)]:
                del self._jobs[key]
            self._tell("job", said)

    def say_broker(self, said: Json) -> None:
        with self._lock:
            self._broker = said
            self._tell("broker", said)

    def say(self, kind: str, said: Json) -> None:
        """What is of the moment, and not kept."""
        with self._lock:
            self._tell(kind, said)

    def _tell(self, kind: str, said: Json) -> None:
        for box in self._mailboxes:
            box.put(kind, said)
