"""All lines of a gateway, and the jobs that are done to their nodes."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from host.errors import NeuronError
from host.node.keyfile import Signer
from host.progress import Progress
from host.web.deeds import Deed, carry_out, give_inputs
from host.web.hub import Hub
from host.web.owner import Owner
from host.web.poller import Polled
from host.web.shapes import Json, in_a_line

Cut = Callable[[int], None]
"""cut(words): the power of the simulated node on a line fails at its words-th flash operation from now; 0: at once."""


class Unknown(NeuronError):
    """There is nothing of that name."""


class Gateway:
    """owners: of the lines; signer: whose orders it gives, None: it gives none; cuts: of the lines that are simulated,
    by their numbers."""

    def __init__(
        self, hub: Hub, owners: list[Owner], signer: Signer | None = None, cuts: dict[str, Cut] | None = None
    ) -> None:
        self.hub = hub
        self._owners = {owner.number: owner for owner in owners}
        self.signer = signer
        self._cuts, self._cutting = cuts or {}, threading.Lock()
        self._numbers = itertools.count(1)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Poll meanwhile."""
        for owner in self._owners.values():
            owner.start()
        try:
            yield
        finally:
            for owner in self._owners.values():
                owner.stop()

    def owner(self, line: str) -> Owner:
        if line not in self._owners:
            raise Unknown(f"there is no line {line}")
        return self._owners[line]

    def node(self, uid: str) -> Json:
        """How it stands."""
        node = self.hub.node(uid)
        if node is None:
            raise Unknown(f"no node {uid} is known here: look for nodes on its line")
        return node

    # ------------------------------------------------------------------------------------------------------------ jobs

    def inputs(self, uid: str, values: list[float]) -> Future[Any]:
        """Give a node a row of inputs: as deeds.give_inputs."""
        owner = self.owner(self.node(uid)["line"])
        return owner.submit("inputs", uid, lambda polled: give_inputs(polled, self.signer, values))

    def do(self, uid: str, kind: str, deed: Deed) -> Json:
        """Begin a deed; its job."""
        return self.begin(
            uid, kind, lambda polled, progress: carry_out(polled, self.signer, kind, deed, progress)
        )

    def cut(self, uid: str, words: int) -> Json:
        """Have a simulated node's power fail: done when its simulation has said so."""
        node = self.node(uid)
        if node["line"] not in self._cuts:
            raise NeuronError("only a simulated node's power can be cut from here: pull the plug yourself")
        with self._cutting:
            self._cuts[node["line"]](words)
        return {}

    def search(self, line: str) -> Json:
        """Look for nodes once more."""
        owner = self.owner(line)
        job = self._job(None, "search")
        self._follow(job, owner.search(), lambda found: {"lines": [f"{found} found"], "found": found})
        return job

    def begin(self, uid: str, kind: str, work: Callable[[Polled, Progress], Any]) -> Json:
        """Have a job done to a node: work(polled, progress), which may be a generator; its JSON as it begins. What it
        returns is the job's result, with `lines` for people."""
        owner = self.owner(self.node(uid)["line"])
        job = self._job(uid, kind)

        def progress(step: str, done: int, total: int) -> None:
            self._say(job, state="running", step=step, done=done, total=total)

        self._follow(
            job, owner.submit(kind, uid, lambda polled: work(polled, progress)), lambda result: result
        )
        return job

    def _job(self, uid: str | None, kind: str) -> Json:
        job: Json = {
            "id": str(next(self._numbers)),
            "uid": uid,
            "kind": kind,
            "state": "waiting",
            "step": "",
            "done": 0,
            "total": 0,
            "lines": [],
            "result": {},
            "error": "",
        }
        self._say(job)
        return job

    def _follow(self, job: Json, future: Future[Any], result: Callable[[Any], Json]) -> None:
        def ended(future: Future[Any]) -> None:
            error = future.exception()
            if error is not None:
                self._say(job, state="failed", error=in_a_line(error))
                return
            said = dict(result(future.result()) or {})
            self._say(job, state="done", lines=said.pop("lines", []), result=said)

        future.add_done_callback(ended)

    def _say(self, job: Json, **news: Any) -> None:
        job.update(news)
        self.hub.say_job(dict(job))
