"""The thread that owns a line: it polls the nodes, and between two rounds does what somebody wants of them.

Whatever is done to a node is a job: a function of it, or, where it takes long, a generator that comes back after
each piece of it, so that the others are polled meanwhile; it yields the seconds until the next piece is worth while. A
node has one job at a time.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Any

from host.errors import NeuronError
from host.node.events import Event
from host.node.link import Counts, Link, is_gone
from host.web.hub import Hub
from host.web.poller import BACKOFF_FIRST, BACKOFF_MOST, Polled, Poller
from host.web.shapes import Json, event_json, in_a_line, node_json, own_event

ROUND_SECONDS = 0.05
"""A round begins so long after the one before it, or as soon as that is done."""
LINE_SECONDS = 1.0
"""How a line does is said as often."""

WAITING_MOST = 100
"""Jobs that have not begun."""
FULL = f"{WAITING_MOST} jobs wait for this line already: ask again when some are done"
ENDING = "the gateway is ending: start it again"

Work = Callable[[Polled], Any]


@dataclass
class _Job:
    """uid: of its node, None: work for the whole line, which takes the poller. steps: once it has begun and is a
    generator; due: when its next piece is."""

    kind: str
    uid: str | None
    work: Callable[[Any], Any]
    future: Future[Any] = field(default_factory=Future)
    steps: Generator[float, None, Any] | None = None
    due: float = 0.0


class Owner:
    """number: of the line, as it was given; port: what people call it; open_line: the way to it, opened anew where it
    has gone; members: uid, name and address of those who shall be there, None: whoever a search finds; waits: seconds
    for an answer to a glance, and to a search, by the link."""

    def __init__(
        self,
        hub: Hub,
        number: str,
        port: str,
        open_line: Callable[[], AbstractContextManager[Link]],
        *,
        members: list[tuple[str, str, int]] | None,
        waits: Callable[[Link], tuple[float, float]],
        simulated: bool = False,
        images: dict[bytes, bytes] | None = None,
    ) -> None:
        self.number, self.port = number, port
        self._hub, self._open, self._members, self._waits = hub, open_line, members, waits
        self._simulated, self._powered = simulated, True
        self._jobs: deque[_Job] = deque()
        self._running: dict[str | None, _Job] = {}
        self._stop = False
        self._news = threading.Condition()
        self._state, self._trouble = "searching", ""
        self._said = 0.0
        self._poller = Poller(self, images=images)
        self._link: Link | None = None
        self._thread = threading.Thread(target=self._run, name=f"line {number}", daemon=True)

    # -------------------------------------------------------------------------------------------------- from outside

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End, after the round under way; who waits for a job is told."""
        with self._news:
            self._stop = True
            self._news.notify()
        self._thread.join()

    def submit(self, kind: str, uid: str, work: Work) -> Future[Any]:
        """Have this done to a node: `work(polled)`, or what the generator that it returns returns. The future has its
        result, or NeuronError."""
        return self._add(_Job(kind, uid, work))

    def power(self, on: bool) -> None:
        """The simulated nodes of this line have lost their power, or have it again: any thread may say so."""
        self._powered = on
        self.own(
            "POWER_ON" if on else "POWER_OFF", f"{self.port} has {'power again' if on else 'no power'}", None
        )
        self._say_line()
        for polled in list(self._poller.nodes.values()) if on else ():  # a search may add to them meanwhile
            polled.changed, polled.retry = True, 0.0  # there is news

    def search(self) -> Future[Any]:
        """Look for nodes; how many there are."""
        return self._add(_Job("search", None, self._search))

    def _add(self, job: _Job) -> Future[Any]:
        with self._news:
            if self._stop:
                job.future.set_exception(NeuronError(ENDING))
            elif len(self._jobs) >= WAITING_MOST:
                job.future.set_exception(NeuronError(FULL))
            else:
                self._jobs.append(job)
            self._news.notify()
        return job.future

    # -------------------------------------------------------------------------------------------------- its own thread

    def _run(self) -> None:
        backoff = BACKOFF_FIRST
        while not self._stop:
            try:
                with self._open() as link:
                    backoff = BACKOFF_FIRST
                    self._own(link)
            except Exception as error:
                self._is_gone(in_a_line(error))
                self._pause(backoff)
                backoff = min(2 * backoff, BACKOFF_MOST)
        self._fail_all(ENDING)

    def _own(self, link: Link) -> None:
        wait, self._search_wait = self._waits(link)
        poller, self._link = self._poller, link
        poller.open(link, wait)
        if self._state == "gone":
            self.own("LINE_BACK", f"{self.port} is back", None)
        if self._members is not None:
            poller.adopt(self._members)
        elif not poller.nodes:
            self._state = "searching"
            self._say_line()
            self._search(poller)
        self._state, self._trouble = "up", ""
        self._say_line()
        due = search_due = time.monotonic()
        backoff = BACKOFF_FIRST
        while not self._stop:
            due = max(due + ROUND_SECONDS, time.monotonic())
            self._step_jobs(poller)
            poller.round()
            if not poller.nodes and self._members is None and time.monotonic() > search_due:
                search_due, backoff = time.monotonic() + backoff, min(2 * backoff, BACKOFF_MOST)
                self._search(poller)
            if time.monotonic() - self._said > LINE_SECONDS:
                self._say_line()
            self._pause(due - time.monotonic())
        self._fail_all(ENDING)  # while there is a line to end them on

    def _search(self, poller: Poller) -> int:
        before, found = poller.trouble, poller.search(self._search_wait)
        if poller.trouble not in ("", before):
            self.own("LINE_TROUBLE", f"{self.port}: {poller.trouble}", None)
        self._say_line()
        return found

    def _pause(self, seconds: float) -> None:
        """Until then, or until there is something to be done."""
        with self._news:
            due = min((job.due for job in self._running.values()), default=math.inf)
            seconds = min(seconds, due - time.monotonic())
            startable = any(job.uid not in self._running for job in self._jobs)
            if seconds > 0 and not self._stop and not startable:
                self._news.wait(seconds)

    # ------------------------------------------------------------------------------------------------------------ jobs

    def _step_jobs(self, poller: Poller) -> None:
        with self._news:
            waiting, self._jobs = self._jobs, deque()
            for job in waiting:
                if job.uid in self._running:
                    self._jobs.append(job)
                elif job.future.set_running_or_notify_cancel():
                    self._running[job.uid] = job
        for job in list(self._running.values()):
            if time.monotonic() >= job.due:
                self._step(poller, job)

    def _step(self, poller: Poller, job: _Job) -> None:
        try:
            if job.uid is None:
                self._end(job, job.work(poller))
                return
            with poller.patient(job.uid) as polled:
                self.node(polled)
                if job.steps is None:
                    result = job.work(polled)
                    if not isinstance(result, GeneratorType):
                        self._end(job, result)
                        return
                    job.steps = result
                try:
                    job.due = time.monotonic() + next(job.steps)
                except StopIteration as stop:
                    self._end(job, stop.value)
        except Exception as error:
            self._running.pop(job.uid, None)
            job.future.set_exception(error)
            if is_gone(error):
                raise

    def _end(self, job: _Job, result: Any) -> None:
        self._running.pop(job.uid, None)
        job.future.set_result(result)

    def _fail_all(self, why: str) -> None:
        with self._news:
            jobs, self._jobs = [*self._running.values(), *self._jobs], deque()
            self._running = {}
        for job in jobs:
            if job.steps is not None:
                with suppress(NeuronError):  # it may have something to say to a node that is not there
                    job.steps.close()
            if job.future.running() or job.future.set_running_or_notify_cancel():
                job.future.set_exception(NeuronError(why))

    def _is_gone(self, why: str) -> None:
        if self._state != "gone":
            self.own("LINE_GONE", why, None)
        self._state, self._trouble = "gone", why
        self._say_line()
        self._fail_all(why)
        for polled in self._poller.nodes.values():
            polled.state = "waiting"
            self.node(polled)

    # -------------------------------------------------------------------------------------------------- what it says

    def node(self, polled: Polled) -> None:
        job = self._running.get(polled.uid)
        self._hub.say_node(node_json(polled, self.number, job.kind if job else None))

    def event(self, polled: Polled, event: Event) -> None:
        self._hub.say_event(event_json(event, polled.uid))

    def own(self, kind: str, text: str, uid: str | None) -> None:
        self._hub.say_event(own_event(kind, text, uid))

    def _say_line(self) -> None:
        poller, link, self._said = self._poller, self._link, time.monotonic()
        counts = link.counts if link else Counts()
        said: Json = {
            "id": self.number,
            "port": self.port,
            "state": self._state,
            "trouble": self._trouble or poller.trouble,
            "simulated": self._simulated,
            "powered": self._powered if self._simulated else None,
            "baud": link.baud if link else None,
            "format": link.line_format.name[1:] if link else None,
            "rounds": poller.rounds,
            "cycle_seconds": poller.cycle_seconds,
            "requests": counts.requests,
            "timeouts": counts.unanswered,
            "damaged": counts.damaged,
            "found": len(poller.nodes),
        }
        self._hub.say_line(said)
