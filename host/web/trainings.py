"""What the learner's page trains: kept for a while, worked out by one thread, shown over HTTP, and sent to a node."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from host.core.wire import TRIAL_MAX
from host.errors import NeuronError
from host.node.keyed import obeyed
from host.progress import Progress
from host.training.trained import Trained
from host.web.app import Handler, body_of, routed
from host.web.beside import beside
from host.web.bits import bits
from host.web.deeds import deploying
from host.web.fields import only
from host.web.gateway import Gateway, Unknown
from host.web.learning import Training, recipes
from host.web.poller import Polled
from host.web.recorded import checked, record
from host.web.requests import share_of, whole_of
from host.web.shapes import Json

KEPT = 20
"""Trainings, and recordings: what is older is forgotten."""
T = TypeVar("T")
PATIENCE = 2.0
"""Seconds that a request waits for a training to end; what takes longer is told when it does."""


class Shelf(Generic[T]):
    """The newest KEPT things, by numbers of their own. what: they are called."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._kept: dict[str, T] = {}
        self._numbers = itertools.count(1)

    def number(self) -> str:
        """For what is about to be put there."""
        return str(next(self._numbers))

    def put(self, number: str, thing: T) -> T | None:
        """What fell off for it, if anything."""
        self._kept[number] = thing
        return self._kept.pop(next(iter(self._kept))) if len(self._kept) > KEPT else None

    def take(self, number: str) -> T:
        if number not in self._kept:
            raise Unknown(f"there is no {self._what} {number}: only the newest {KEPT} are kept")
        return self._kept[number]

    def all(self) -> list[T]:
        return list(self._kept.values())


class Trainings:
    """Routes of the learner's page."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._trainings, self._recordings = Shelf[Training]("training"), Shelf[str]("recording")
        self._worker = ThreadPoolExecutor(1, "training")

    def routes(self) -> list[Route]:
        get: dict[str, Handler] = {
            "/api/recipes": self.recipes,
            "/api/trainings/{id}": self.training,
            "/api/trainings/{id}/bits": self.bits,
            "/api/trainings/{id}/image": self.image,
            "/api/recordings/{id}": self.recording,
        }
        post: dict[str, Handler] = {
            "/api/trainings": self.train,
            "/api/trainings/{id}/cancel": self.cancel,
            "/api/trainings/{id}/deploy": self.deploy,
            "/api/trainings/{id}/board": self.board,
            "/api/nodes/{uid}/record": self.record,
        }
        return routed(get, post)

    def close(self) -> None:
        """What is being trained is not trained to its end."""
        for training in self._trainings.all():
            training.cancel()
        self._worker.shutdown(cancel_futures=True)

    def _of(self, request: Request) -> Training:
        return self._trainings.take(request.path_params["id"])

    # ---------------------------------------------------------------------------------------------------- a training

    async def recipes(self, request: Request) -> Response:
        """The articles' models, with their data."""
        return JSONResponse(await asyncio.to_thread(recipes))

    async def train(self, request: Request) -> Response:
        """Begin a training; 200 where it has ended by then, else 202, and the message `training` when it has."""
        training = Training(self._trainings.number(), await body_of(request))
        forgotten = self._trainings.put(training.id, training)
        if forgotten is not None:
            forgotten.cancel()
        future = self._worker.submit(training.run)
        future.add_done_callback(lambda _: self._gateway.hub.say("training", {"id": training.id}))
        await asyncio.wait([asyncio.wrap_future(future)], timeout=PATIENCE)
        return JSONResponse(training.as_dict(), 200 if future.done() else 202)

    async def training(self, request: Request) -> Response:
        """A training, whatever came of it."""
        return JSONResponse(self._of(request).as_dict())

    async def cancel(self, request: Request) -> Response:
        """End a training, soon."""
        training = self._of(request)
        only(await body_of(request))
        training.cancel()
        return JSONResponse(training.as_dict())

    async def bits(self, request: Request) -> Response:
        """A training's model with fewer bits a weight."""
        return JSONResponse(await asyncio.to_thread(bits, _trained(self._of(request))))

    async def image(self, request: Request) -> Response:
        """The image file of a training's model."""
        training = self._of(request)
        name = f"training-{training.id}.img"
        return _file(_trained(training).image, name, "application/octet-stream")

    # ------------------------------------------------------------------------------------------------------- a node's

    async def deploy(self, request: Request) -> Response:
        """A training's model onto a node: a job. allow_changed: as the option of host.train."""
        trained, said = _trained(self._of(request)), await body_of(request)
        only(said, "uid", "trial", "allow_changed")
        trained.changed.require(share_of(said, "allow_changed"))
        deed = deploying(trained.image, whole_of(said, "trial", 0, TRIAL_MAX, 0))
        return JSONResponse(self._gateway.do(_uid_of(said), "deploy", deed), 202)

    async def board(self, request: Request) -> Response:
        """Have a node train beside us; each epoch that was compared is told by a message `board`."""
        training, said = self._of(request), await body_of(request)
        only(said, "uid")
        uid = _uid_of(said)

        def work(polled: Polled, progress: Progress) -> Generator[float, None, Json]:
            assert polled.node is not None
            lines: list[str] = []
            for step in beside(polled.node, training):
                progress(step["step"], step["done"], step["total"])
                if step["frame"] is not None:
                    told = {"training": training.id, "uid": uid, **step["frame"]}
                    self._gateway.hub.say("board", told)
                lines += filter(None, [step["text"]])
                yield 0.0
            return {"lines": lines}

        return JSONResponse(self._gateway.begin(uid, "train", work), 202)

    # -------------------------------------------------------------------------------------------------- a recording

    async def record(self, request: Request) -> Response:
        """Have a node's channels recorded: a job, whose result names the recording."""
        said, uid = await body_of(request), request.path_params["uid"]
        checked(said)  # before there is a job
        number = self._recordings.number()

        def work(polled: Polled, progress: Progress) -> Generator[float, None, Json]:
            assert polled.node is not None
            lines: list[str] = []
            for step in record(obeyed(polled.node, self._gateway.signer, changes=False), said):
                progress("record", step["done"], step["total"])
                lines += step["lines"]
                if step["text"]:
                    self._recordings.put(number, step["text"])
                yield step["pause"]
            return {"lines": lines, "recording": number}

        return JSONResponse(self._gateway.begin(uid, "record", work), 202)

    async def recording(self, request: Request) -> Response:
        """A recording's file, as host.record writes it."""
        number = request.path_params["id"]
        return _file(self._recordings.take(number), f"recording-{number}.csv", "text/csv; charset=utf-8")


def _file(content: bytes | str, name: str, kind: str) -> Response:
    """To be saved under that name."""
    return Response(
        content, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'}
    )


def _uid_of(said: Json) -> str:
    uid = said.get("uid")
    if not isinstance(uid, str):
        raise NeuronError("uid is to be that of a node, 24 hex digits")
    return uid


def _trained(training: Training) -> Trained:
    """What a training gave; NeuronError where it gave nothing."""
    if training.trained is None:
        raise NeuronError(f"there is no model: this training is {training.state}")
    return training.trained
