"""The gateway's HTTP: the page, what is known as JSON, and what may be done."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from host.core.wire import IMAGE_MAX
from host.errors import NeuronError
from host.show.describe import as_lines
from host.web.deeds import SETTINGS, SIMPLE, deploying, setting
from host.web.gateway import Gateway, Unknown, in_a_line
from host.web.guard import App, Rules, guarded
from host.web.live import stream
from host.web.shapes import Json

ROOM = Path(__file__).resolve().parent
PAGE = ROOM / "page"
BODY_MAX = 8 << 20
"""Bytes of a request: a CSV file of 4 MiB, as JSON may write it, and what goes with it."""
TRIAL_MAX = 0xFFFF
WORDS_MAX = 1 << 16

Handler = Callable[[Request], Awaitable[Response]]


async def body_of(request: Request) -> Json:
    """A request's JSON object; NeuronError for anything else."""
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > BODY_MAX:
            raise HTTPException(413, f"more than {BODY_MAX} bytes: send less")
    try:
        said = json.loads(data or b"{}", parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise NeuronError("the request's body is no JSON") from None
    if not isinstance(said, dict):
        raise NeuronError("the request's body is no JSON object")
    return said


def _no_number(name: str) -> float:
    raise ValueError(name)


def whole_of(said: Json, key: str, low: int, high: int, usual: int | None = None) -> int:
    """A whole number of a request."""
    value = said.get(key, usual)
    if type(value) is not int or not low <= value <= high:
        raise NeuronError(f"{key} is to be a whole number of {low}..{high}")
    return value


def yes_of(said: Json, key: str) -> bool:
    value = said.get(key)
    if type(value) is not bool:
        raise NeuronError(f"{key} is to be true or false")
    return value


def values_of(said: Json) -> list[float]:
    """Inputs of a request: finite numbers."""
    values = said.get("values")
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        raise NeuronError("values is to be a list of numbers, an input each")
    return [float(value) for value in values]


def image_of(said: Json) -> bytes:
    """An image of a request, not yet checked."""
    text = said.get("image")
    if not isinstance(text, str):
        raise NeuronError("image is to be the bytes of an image file, in base64")
    try:
        image = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NeuronError("image is no base64") from None
    if len(image) > IMAGE_MAX:
        raise NeuronError(f"the image has {len(image)} bytes, a node takes up to {IMAGE_MAX}")
    return image


async def result_of(future: Future[Any]) -> Any:
    return await asyncio.wrap_future(future)


class Routes:
    """What each address answers. ending: set when the gateway ends, so that no stream holds it up."""

    def __init__(self, gateway: Gateway, ending: threading.Event) -> None:
        self._gateway, self._ending = gateway, ending

    def all(self) -> list[Route]:
        get: dict[str, Handler] = {
            "/": self.page,
            "/api/state": self.state,
            "/api/live": self.live,
            "/api/nodes/{uid}": self.node,
            "/api/jobs/{id}": self.job,
        }
        post: dict[str, Handler] = {
            "/api/token": self.token,
            "/api/describe": self.describe,
            "/api/lines/{line}/search": self.search,
            "/api/nodes/{uid}/inputs": self.inputs,
            "/api/nodes/{uid}/deploy": self.deploy,
            "/api/nodes/{uid}/cut": self.cut,
            "/api/nodes/{uid}/{deed}": self.deed,
        }
        return [
            *(Route(path, handler, methods=["GET"]) for path, handler in get.items()),
            *(Route(path, handler, methods=["POST"]) for path, handler in post.items()),
        ]

    # ------------------------------------------------------------------------------------------------------- to read

    async def page(self, request: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def state(self, request: Request) -> Response:
        return JSONResponse(self._gateway.hub.state())

    async def live(self, request: Request) -> Response:
        return StreamingResponse(stream(self._gateway.hub, self._ending), media_type="text/event-stream")

    async def node(self, request: Request) -> Response:
        return JSONResponse(self._gateway.node(request.path_params["uid"]))

    async def job(self, request: Request) -> Response:
        number = request.path_params["id"]
        job = self._gateway.hub.job(number)
        if job is None:
            raise Unknown(f"there is no job {number}: it is over for long, or of another start")
        return JSONResponse(job)

    # --------------------------------------------------------------------------------------------------------- to do

    async def token(self, request: Request) -> Response:
        """Nothing but what the guard says of the token."""
        return JSONResponse({})

    async def describe(self, request: Request) -> Response:
        return JSONResponse({"lines": as_lines(image_of(await body_of(request)))})

    async def search(self, request: Request) -> Response:
        return JSONResponse(self._gateway.search(request.path_params["line"]), 202)

    async def inputs(self, request: Request) -> Response:
        values = values_of(await body_of(request))
        return JSONResponse(await result_of(self._gateway.inputs(request.path_params["uid"], values)))

    async def deploy(self, request: Request) -> Response:
        said = await body_of(request)
        deed = deploying(image_of(said), whole_of(said, "trial", 0, TRIAL_MAX, 0))
        return JSONResponse(self._gateway.do(request.path_params["uid"], "deploy", deed), 202)

    async def cut(self, request: Request) -> Response:
        words = whole_of(await body_of(request), "words", 0, WORDS_MAX)
        return JSONResponse(self._gateway.cut(request.path_params["uid"], words), 202)

    async def deed(self, request: Request) -> Response:
        uid, kind = request.path_params["uid"], request.path_params["deed"]
        if kind in SETTINGS:
            deed = setting(kind, yes_of(await body_of(request), "on"))
        elif kind in SIMPLE:
            deed = SIMPLE[kind]
        else:
            raise Unknown(f"a node cannot be told to {kind}")
        return JSONResponse(self._gateway.do(uid, kind, deed), 202)


async def _expected(request: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, Unknown) else 400
    return JSONResponse({"error": in_a_line(error)}, status)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def make_app(gateway: Gateway, rules: Rules, ending: threading.Event, more: list[Route] | None = None) -> App:
    """The whole application. more: routes of rooms that not everybody has."""
    routes = [*(more or []), *Routes(gateway, ending).all()]
    app = Starlette(
        routes=[*routes, Mount("/page", StaticFiles(directory=PAGE))],
        exception_handlers={NeuronError: _expected, HTTPException: _http},
    )
    return guarded(app, rules)
