"""The gateway's HTTP: the page, what is known as JSON, and what may be done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from host.errors import NeuronError
from host.show.describe import as_lines
from host.web.fields import only
from host.web.gateway import Gateway, Unknown
from host.web.guard import App, Rules, guarded
from host.web.live import stream
from host.web.metrics import exposed
from host.web.requests import deed_of, image_of, parsed, values_of, whole_of
from host.web.shapes import Json, in_a_line

ROOM = Path(__file__).resolve().parent
PAGE = ROOM / "page"
SCHEMA = ROOM / "schema.json"
BODY_MAX = 24 << 20
"""Bytes of a request: 16 MiB of recordings, as JSON writes them."""
WORDS_MAX = 1 << 16
ELSEWHERE = {
    404: "there is nothing at this address: GET /api says what there is",
    405: "this address takes no such request: GET /api says which",
}

Handler = Callable[[Request], Awaitable[Response]]


async def body_of(request: Request) -> Json:
    """A request's JSON object; NeuronError for anything else."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > BODY_MAX:
            raise HTTPException(413, f"more than {BODY_MAX} bytes: send less")
    return parsed(bytes(data))


def routed(get: dict[str, Handler], post: dict[str, Handler]) -> list[Route]:
    """Routes by their addresses, in that order."""
    methods = {"GET": get, "POST": post}
    return [
        Route(path, handler, methods=[method])
        for method, handlers in methods.items()
        for path, handler in handlers.items()
    ]


class Routes:
    """What each address answers. ending: set when the gateway ends, so that no stream holds it up."""

    def __init__(self, gateway: Gateway, ending: threading.Event) -> None:
        self._gateway, self._ending = gateway, ending

    def all(self) -> list[Route]:
        get: dict[str, Handler] = {
            "/": self.page,
            "/metrics": self.metrics,
            "/api": self.index,
            "/api/schema": self.schema,
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
            "/api/nodes/{uid}/cut": self.cut,
            "/api/nodes/{uid}/{deed}": self.deed,
        }
        return routed(get, post)

    # ------------------------------------------------------------------------------------------------------- to read

    async def page(self, request: Request) -> Response:
        """The page, for people."""
        return FileResponse(PAGE / "index.html")

    async def metrics(self, request: Request) -> Response:
        """What is known, for Prometheus."""
        text, kind = exposed(self._gateway.hub, request.headers.get("accept", ""))
        return Response(text, headers={"content-type": kind})

    async def index(self, request: Request) -> Response:
        """All addresses, with a line each."""
        routes = [route for route in request.app.routes if isinstance(route, Route)]
        return JSONResponse({"schema": "/api/schema", "addresses": [_address(route) for route in routes]})

    async def schema(self, request: Request) -> Response:
        """JSON Schema of all that is said and asked for here."""
        return FileResponse(SCHEMA, media_type="application/schema+json")

    async def state(self, request: Request) -> Response:
        """All that is known of lines, nodes, events, jobs and the broker."""
        return JSONResponse(self._gateway.hub.state())

    async def live(self, request: Request) -> Response:
        """The state, then all news, as server-sent events."""
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return StreamingResponse(stream(self._gateway.hub, self._ending), media_type="text/event-stream")

    async def node(self, request: Request) -> Response:
        """A node as it stands."""
        return JSONResponse(self._gateway.node(request.path_params["uid"]))

    async def job(self, request: Request) -> Response:
        """A job: how far it is, or what came of it."""
        number = request.path_params["id"]
        job = self._gateway.hub.job(number)
        if job is None:
            raise Unknown(f"there is no job {number}: it is over for long, or of another start")
        return JSONResponse(job)

    # --------------------------------------------------------------------------------------------------------- to do

    async def token(self, request: Request) -> Response:
        """Nothing is done: whether the token is the right one."""
        only(await body_of(request))
        return JSONResponse({})

    async def describe(self, request: Request) -> Response:
        """What an image file is, in words."""
        said = await body_of(request)
        only(said, "image")
        return JSONResponse({"lines": as_lines(image_of(said))})

    async def search(self, request: Request) -> Response:
        """Look for nodes on a line: a job."""
        only(await body_of(request))
        return JSONResponse(self._gateway.search(request.path_params["line"]), 202)

    async def inputs(self, request: Request) -> Response:
        """Give a node a row of inputs; what it makes of it, and the frames that did it."""
        said = await body_of(request)
        only(said, "values")
        future = self._gateway.inputs(request.path_params["uid"], values_of(said))
        return JSONResponse(await asyncio.wrap_future(future))

    async def cut(self, request: Request) -> Response:
        """Have a simulated node's power fail in the middle of what it writes."""
        said = await body_of(request)
        only(said, "words")
        words = whole_of(said, "words", 0, WORDS_MAX)
        cut = asyncio.to_thread(self._gateway.cut, request.path_params["uid"], words)
        return JSONResponse(await cut, 202)

    async def deed(self, request: Request) -> Response:
        """deploy, confirm, revert, rollback, acknowledge, override or identify: a job."""
        uid, kind = request.path_params["uid"], request.path_params["deed"]
        return JSONResponse(self._gateway.do(uid, kind, deed_of(kind, await body_of(request))), 202)


def _address(route: Route) -> Json:
    (does, *_) = (route.endpoint.__doc__ or "").splitlines() or [""]
    return {"method": "POST" if "POST" in (route.methods or ()) else "GET", "path": route.path, "does": does}


async def _expected(request: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, Unknown) else 400
    line = "".join(
        letter if letter.isprintable() else "?" for letter in in_a_line(error)
    )  # it may quote a name
    return JSONResponse({"error": line}, status)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = ELSEWHERE.get(error.status_code, error.detail)
    return JSONResponse({"error": text}, error.status_code, error.headers)


async def _broken(request: Request, error: Exception) -> Response:
    """A fault of ours, whose trace the server writes."""
    return JSONResponse({"error": "the gateway itself failed: it says why where it was started"}, 500)


def make_app(gateway: Gateway, rules: Rules, ending: threading.Event, more: list[Route] | None = None) -> App:
    """The whole application. more: routes of rooms that not everybody has."""
    routes = [*(more or []), *Routes(gateway, ending).all()]
    app = Starlette(
        routes=[*routes, Mount("/page", StaticFiles(directory=PAGE))],
        exception_handlers={NeuronError: _expected, HTTPException: _http, Exception: _broken},
    )
    return guarded(app, rules)
