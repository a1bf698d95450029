"""The gateway's HTTP under those who mean it ill, or are only slow, many or broken."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest

from host.core.image import encode
from host.web.app import BODY_MAX
from host.web.deeds import deploying
from host.web.gateway import Gateway
from host.web.guard import HEADERS, Rules
from host.web.hub import JOBS_KEPT, WAITING, Hub
from host.web.owner import FULL, WAITING_MOST
from host.web.poller import Polled
from host.web.shapes import own_event
from host.web.trainings import Trainings
from tests.e2e.scenario import AND
from tests.patience import PATIENCE
from tests.test_web_owner import ended, rig
from tests.web_client import HERE, TOKEN, addresses, application, asking

Messages = list[MutableMapping[str, Any]]
NOBODY = Gateway(Hub(), [])
INPUTS = f"/api/nodes/{'0' * 24}/inputs"


# -------------------------------------------------------------------------------------------------- one that is asked


@asynccontextmanager
async def asked(
    gateway: Gateway,
    method: str,
    path: str,
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> AsyncIterator[asyncio.Task[None]]:
    """A request as a server passes it on, in whatever pieces; under way meanwhile."""
    trainings = Trainings(gateway)
    headers = [
        (b"host", HERE.removeprefix("http://").encode()),
        (b"authorization", f"Bearer {TOKEN}".encode()),
    ]
    scope = {
        "type": "http",
        "asgi": {"spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "path": path,
    }
    scope |= {
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "scheme": "http",
        "root_path": "",
    }
    task = asyncio.create_task(application(gateway, Rules(TOKEN, 8485), trainings)(scope, receive, send))
    try:
        yield task
    finally:
        await asyncio.wait_for(task, PATIENCE)
        trainings.close()


def answered(method: str, path: str, pieces: Iterator[bytes] | None = None) -> tuple[int, bytes]:
    """Status and body of an answer; pieces: of the request's body, of which no more are taken than are read."""
    sent: Messages = []
    body = pieces or iter([b""])

    async def receive() -> MutableMapping[str, Any]:
        nonlocal body
        if body is None:
            await asyncio.Event().wait()
        piece = next(body, None)
        body = body if piece is not None else None
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def ask() -> None:
        async with asked(NOBODY, method, path, receive, send) as task:
            await task

    asyncio.run(ask())
    assert (
        dict(sent[0]["headers"]).items()
        >= {name.encode(): text.encode() for name, text in HEADERS.items()}.items()
    )
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def line_of(body: bytes) -> str:
    (line,) = json.loads(body).values()
    assert line.isprintable()
    return str(line)


# ------------------------------------------------------------------------------------------------------- its bodies


def test_a_body_that_never_ends_is_not_read_for_ever() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1 << 20
            yield bytes(1 << 20)

    status, body = answered("POST", INPUTS, endless())
    assert (status, line_of(body)) == (413, f"more than {BODY_MAX} bytes: send less")
    assert BODY_MAX < taken <= BODY_MAX + (2 << 20)


VALUES = ("NaN", "-Infinity", "1e999", "9" * 5000, '"1"', "[1]")


@pytest.mark.parametrize(
    "body",
    [
        *(b"{", b"{}x", b"\xff\xfe", b"\0", b"null", b'"x"', b"[" * 200_000, b'{"a":' * 200_000),
        *(f'{{"values":[{value}]}}'.encode() for value in VALUES),
        b'{"values":"\\ud800"}',
    ],
)
def test_a_body_that_is_no_good_is_a_line(body: bytes) -> None:
    status, said = answered("POST", INPUTS, iter([body]))
    assert status == 400
    assert line_of(said)


def test_a_body_in_single_bytes_is_a_body() -> None:
    assert answered("POST", "/api/token", (bytes([byte]) for byte in b" " * 10_000 + b"{}")) == (200, b"{}")


# ---------------------------------------------------------------------------------------------------- its addresses


def test_no_file_but_the_pages_is_given_out() -> None:
    assert answered("GET", "/page/index.html")[0] == 200
    for path in (
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "....//app.py",
        "..\\app.py",
        "/etc/passwd",
        "//etc/passwd",
    ):
        for way in (f"/page/{path}", f"/page/words/{path}"):
            status, body = answered("GET", way)
            assert (status, b"root:" in body, b"import" in body) == (404, False, False), way
    for folder in ("/page", "/page/", "/page/words", "/page/words/", "/page/\0"):
        assert answered("GET", folder)[0] in (307, 404)


def test_what_is_not_there_and_what_is_not_taken_say_where_to_look() -> None:
    there = addresses(NOBODY)
    for method in ("GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        assert answered(method, "/nothing")[0] == 404
        for address in there:
            known, path = address.split(" ")
            if method == known or (known, method) in (("GET", "HEAD"), ("GET", "POST"), ("POST", "GET")):
                continue
            status, body = answered(method, path)
            assert (status, "GET /api says" in line_of(body)) == (405, True), (method, path)


@pytest.mark.parametrize(
    "name", ["a\nb", "\r\nSet-Cookie: a=b", "\0", "é", "x" * 5000, "..", "%2e%2e", "\u2028", "0"]
)
def test_names_of_nothing_are_unknown_in_a_line(name: str) -> None:
    for address in addresses(NOBODY):
        method, path = address.split(" ")
        if "{" in path:
            status, body = answered(
                method, re.sub(r"{(?!deed)\w+}", lambda _: name, path).format(deed="confirm")
            )
            assert status in (400, 404), address
            assert line_of(body)


def test_head_is_an_answer_without_a_body_that_ends() -> None:
    for address in addresses(NOBODY):
        method, path = address.split(" ")
        if method == "GET":
            assert answered("HEAD", path)[0] in (200, 404)


def test_a_failure_of_our_own_is_a_line_and_tells_nothing_of_what_is_inside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway = Gateway(Hub(), [])
    monkeypatch.setattr(gateway.hub, "state", lambda: {}[TOKEN])
    with asking(gateway) as client:
        client.client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
        said = client.ask("GET /api/state", None, 500)
        assert said == {"error": "the gateway itself failed: it says why where it was started"}


# ------------------------------------------------------------------------------------------------------ many at once


def test_two_who_give_inputs_at_once_are_each_answered_their_own() -> None:
    with rig(1) as here:
        ended(here, here.gateway.do(here.uids[0], "deploy", deploying(encode(AND), 0)))
        here.until(lambda state: state["nodes"][0]["model"])
        rows = [(x1, x2) for x1 in (0, 1) for x2 in (0, 1)] * 5
        with asking(here.gateway) as client, ThreadPoolExecutor(4) as people:
            found = list(
                people.map(
                    lambda row: client.ask("POST /api/nodes/{uid}/inputs", {"values": row}, uid=here.uids[0]),
                    rows,
                )
            )
        for row, said in zip(rows, found, strict=True):
            assert (said["inputs"], said["led"]) == (list(row), row == (1, 1))
            assert [frame["way"] for frame in said["frames"]] == ["->", "<-"] * (len(said["frames"]) // 2)


def test_a_job_of_a_node_that_is_lost_fails_in_the_commands_words() -> None:
    with rig() as here, asking(here.gateway) as client:
        here.line.nodes[0].off = True
        here.until(lambda state: state["nodes"][0]["state"] == "lost")
        begun = client.ask("POST /api/nodes/{uid}/{deed}", {}, uid=here.uids[0], deed="confirm")
        failed = ended(here, begun)
        assert failed["error"].startswith("no answer from address 11 on a virtual line: check power")
        client.ask("POST /api/nodes/{uid}/inputs", {"values": [1]}, 400, uid=here.uids[0])
        assert ended(here, client.ask("POST /api/lines/{line}/search", line="1"))["result"] == {"found": 1}


def test_jobs_without_end_are_refused_and_forgotten() -> None:
    with rig(1) as here, asking(here.gateway) as client:
        go = threading.Event()

        def waits(polled: Polled, progress: object) -> Iterator[float]:
            while not go.is_set():
                yield 0.01

        here.gateway.begin(here.uids[0], "train", waits)
        here.until(lambda state: state["nodes"][0]["busy"] == "train")
        begun = [
            client.ask("POST /api/nodes/{uid}/{deed}", {}, uid=here.uids[0], deed="acknowledge")
            for _ in range(2 * WAITING_MOST)
        ]
        assert [job["error"] for job in begun[WAITING_MOST:]] == [FULL] * WAITING_MOST
        assert len(here.hub.state()["jobs"]) <= WAITING_MOST + JOBS_KEPT
        assert (
            client.ask("POST /api/nodes/{uid}/inputs", {"values": []}, 400, uid=here.uids[0])["error"] == FULL
        )
        go.set()
        here.until(lambda state: all(job["state"] in ("done", "failed") for job in state["jobs"]))
        client.ask("POST /api/nodes/{uid}/{deed}", {}, uid=here.uids[0], deed="acknowledge")
        assert len(here.hub.state()["jobs"]) <= JOBS_KEPT


# ------------------------------------------------------------------------------------------------------ its streams


def test_who_stalls_is_given_the_state_anew_and_holds_up_nobody() -> None:
    hub = Hub()
    sent: list[str] = []

    async def stall() -> None:
        first, goes_on, second, leaves = (asyncio.Event() for _ in range(4))

        async def receive() -> MutableMapping[str, Any]:
            await leaves.wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            if body := message.get("body"):
                sent.append(body.decode())
                (second if first.is_set() else first).set()
                await goes_on.wait()

        async with asked(Gateway(hub, []), "GET", "/api/live", receive, send):
            await asyncio.wait_for(first.wait(), PATIENCE)
            (box,) = hub._mailboxes
            for number in range(3 * WAITING):
                hub.say_event(own_event("LOST", str(number), None))
                hub.say_line({"id": str(number % 3)})
                assert len(box._waiting) <= WAITING
            goes_on.set()
            await asyncio.wait_for(second.wait(), PATIENCE)
            leaves.set()
        assert hub._mailboxes == []

    asyncio.run(stall())
    assert [text.partition("\n")[0] for text in sent] == ["event: state"] * 2
    assert json.loads(sent[1].splitlines()[1].removeprefix("data: "))["events"][-1]["text"] == str(
        3 * WAITING - 1
    )
