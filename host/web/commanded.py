"""What is commanded over MQTT, and what is answered: the same checks, keys and words as everywhere."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from host.errors import NeuronError
from host.web.gateway import Gateway
from host.web.requests import deed_of, parsed, values_of
from host.web.shapes import Json, in_a_line

UNDER_WAY = 100
"""Commands at a time."""
PAYLOAD_MAX = 64 << 10
"""Bytes of a command: an image in base64, and more."""

Answer = Callable[[str, Json], None]
"""answer(uid, what came of a command)."""


class Commanded:
    """later: has a function called in the thread that this lives in, by any other."""

    def __init__(self, gateway: Gateway, answer: Answer, later: Callable[[Callable[[], None]], None]) -> None:
        self._gateway, self._answer, self._later = gateway, answer, later
        self._jobs: dict[str, Json] = {}
        self._inputs = 0

    def take(self, uid: str, kind: str, payload: bytes, retained: bool) -> None:
        """A command; nothing where the node is not of this gateway: it may be another's."""
        if self._gateway.hub.node(uid) is None:
            return
        try:
            if retained:
                raise NeuronError("a retained command would be done at each start: publish it without retain")
            if len(payload) > PAYLOAD_MAX:
                raise NeuronError(f"a command of {len(payload)} bytes: {PAYLOAD_MAX} at most")
            if len(self._jobs) + self._inputs >= UNDER_WAY:
                raise NeuronError(f"{UNDER_WAY} commands are under way: wait for their results")
            if kind == "inputs":
                self._give(uid, values_of(parsed(payload)))
            else:
                job = self._gateway.do(uid, kind, deed_of(kind, parsed(payload)))
                self._jobs[job["id"]] = job
        except NeuronError as error:
            self._failed(uid, kind, error)

    def job(self, said: Json) -> None:
        """How a job stands, of whomever."""
        if said["id"] in self._jobs and said["state"] in ("done", "failed"):
            del self._jobs[said["id"]]
            self._say(said["uid"], said["kind"], said["state"], said["lines"], said["result"], said["error"])

    def jobs(self, known: list[Json]) -> None:
        """How all jobs stand, after some of their news were lost; one that is no longer known has ended long since."""
        for said in known:
            self.job(said)
        for number in self._jobs.keys() - {said["id"] for said in known}:
            lost = self._jobs.pop(number)
            self._failed(
                lost["uid"], lost["kind"], NeuronError("what came of it was lost: see what the node runs")
            )

    def _give(self, uid: str, values: list[float]) -> None:
        future = self._gateway.inputs(uid, values)
        self._inputs += 1
        future.add_done_callback(lambda done: self._later(lambda: self._given(uid, done)))

    def _given(self, uid: str, future: Future[Any]) -> None:
        self._inputs -= 1
        error = future.exception()
        if error is not None:
            self._failed(uid, "inputs", error)
        else:
            said = {key: value for key, value in future.result().items() if key not in ("frames", "warnings")}
            self._say(uid, "inputs", "done", future.result()["warnings"], said)

    def _failed(self, uid: str, kind: str, error: BaseException) -> None:
        self._say(uid, kind, "failed", error=in_a_line(error))

    def _say(
        self,
        uid: str,
        kind: str,
        state: str,
        lines: list[str] | None = None,
        result: Json | None = None,
        error: str = "",
    ) -> None:
        self._answer(
            uid, {"kind": kind, "state": state, "lines": lines or [], "result": result or {}, "error": error}
        )
