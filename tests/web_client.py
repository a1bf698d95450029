"""A client of the gateway's HTTP that holds every answer against the schema."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from starlette.routing import Route
from starlette.testclient import TestClient

from host.web import app
from host.web.gateway import Gateway
from host.web.guard import Rules
from host.web.trainings import Trainings

TOKEN = "a-token-of-the-tests"
HERE = "http://127.0.0.1:8485"
SCHEMA: dict[str, Any] = json.loads(Path(app.SCHEMA).read_text(encoding="utf-8"))
WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}


def refusals(law: dict[str, Any], said: object) -> list[str]:
    """What the schema has against it. law: {"$ref": ...}."""
    return [error.message for error in Draft202012Validator({**SCHEMA, **law}).iter_errors(said)]


def assert_holds(law: dict[str, Any], said: object) -> None:
    json.dumps(said, allow_nan=False)
    assert not refusals(law, said), (law, said)


def application(gateway: Gateway, rules: Rules, trainings: Trainings) -> Any:
    return app.make_app(gateway, rules, threading.Event(), trainings.routes())


class Client:
    """asked: the addresses that have answered well, "GET /api/state"."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.asked: set[str] = set()

    def ask(
        self, address: str, said: Any = None, status: int | tuple[int, ...] = (200, 202), **names: str
    ) -> Any:
        """Ask an address of the schema, {names} put in; its JSON. said: the request's; status: that it must have."""
        method, path = address.split(" ")
        content = json.dumps(said).encode() if said is not None else b""
        answer = self.client.request(method, path.format(**names), content=content, headers=WITH_TOKEN)
        found = answer.json()
        if answer.status_code < 400:
            assert_holds(SCHEMA["answers"][address], found)
            self.asked.add(address)
        else:
            assert_holds({"$ref": "#/$defs/Error"}, found)
            assert found["error"].isprintable(), "one line"
        assert answer.status_code in ((status,) if isinstance(status, int) else status), found
        return found


@contextmanager
def asking(gateway: Gateway) -> Iterator[Client]:
    trainings = Trainings(gateway)
    try:
        with TestClient(application(gateway, Rules(TOKEN, 8485), trainings), HERE) as client:
            yield Client(client)
    finally:
        trainings.close()


def addresses(gateway: Gateway) -> dict[str, Route]:
    """All routes, "GET /api/state" each."""
    trainings = Trainings(gateway)
    trainings.close()
    routes = [*trainings.routes(), *app.Routes(gateway, threading.Event()).all()]
    assert all(isinstance(route, Route) for route in routes)
    return {
        f"{'POST' if 'POST' in route.methods else 'GET'} {route.path}": route
        for route in routes
        if route.methods
    }
