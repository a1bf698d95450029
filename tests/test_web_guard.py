"""Who may: every address there is, asked by those who may not, and by all that a browser could be made to send."""

from __future__ import annotations

import json
from collections.abc import Iterable, MutableMapping
from typing import Any

import pytest

from host.web.gateway import Gateway
from host.web.guard import HEADERS, Rules, guarded
from host.web.hub import Hub
from tests.web_client import TOKEN, addresses

PORT = 8485
HERE = f"127.0.0.1:{PORT}"
LOCAL = Rules(TOKEN, PORT)
REMOTE = Rules(TOKEN, PORT, remote=True, hosts=None)
OPEN = [("host", HERE)]
KNOWN = [*OPEN, ("authorization", f"Bearer {TOKEN}")]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get")
ADDRESSES = [address.split(" ") for address in addresses(Gateway(Hub(), []))]
PATHS = sorted(
    {path for _, path in ADDRESSES} | {"/page/app.js", "/nothing", "/api/nodes/../state", "//", "*"}
)
PAGE = {"/", "/page/app.js"}
"""What anybody may have: the page itself."""

Headers = Iterable[tuple[str, str]]


def asked(
    rules: Rules, method: str, path: str, headers: Headers, kind: str = "http"
) -> tuple[int, dict[str, str], str]:
    """Status, headers and what is said; 200 where the application was asked."""
    sent: list[MutableMapping[str, Any]] = []

    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("a request is read that may not be")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    scope = {"type": kind, "method": method, "path": path, "headers": raw, "query_string": b""}
    with pytest.raises(StopIteration):  # nothing in it waits
        guarded(app, rules)(scope, receive, send).send(None)  # type: ignore[attr-defined]
    if kind == "websocket":
        assert sent == [{"type": "websocket.close"}]
        return 403, {}, ""
    body = b"".join(message.get("body", b"") for message in sent[1:]).decode()
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, body


def statuses(rules: Rules, headers: Headers) -> dict[tuple[str, str], int]:
    """Of every method at every path; whatever is answered is one line, and tells nobody the token."""
    found = {}
    for method in METHODS:
        for path in PATHS:
            status, own, body = asked(rules, method, path, headers)
            assert own.items() >= HEADERS.items()
            if status != 200:
                (line,) = json.loads(body).values()
                assert line.isprintable()
            assert TOKEN not in body + str(own)
            found[method, path] = status
    return found


def test_with_the_token_all_may_be_asked_from_here() -> None:
    for rules in (LOCAL, REMOTE):
        assert set(statuses(rules, KNOWN).values()) == {200}


def test_without_the_token_nothing_is_changed_and_where_others_may_come_nothing_read() -> None:
    for given in (OPEN, [*OPEN, ("authorization", "Bearer x")], [*OPEN, ("cookie", f"token={TOKEN}")]):
        for (method, path), status in statuses(LOCAL, given).items():
            assert status == (200 if method in ("GET", "HEAD") else 401), (method, path)
        for (method, path), status in statuses(REMOTE, given).items():
            assert status == (200 if method in ("GET", "HEAD") and path in PAGE else 401), (method, path)


STRANGERS = f"""evil.example evil.example:{PORT} 127.0.0.1.evil.example:{PORT} localhost.:{PORT} : :{PORT} 127.0.0.1
    127.0.0.1:80 127.0.0.1: 127.0.0.1:0{PORT} 127.0.0.1:²{PORT} [::1] ::1 ::1:{PORT} [::1]:{PORT}] 127.1:{PORT} é
    [::ffff:127.0.0.1]:{PORT} 0:{PORT} 2130706433:{PORT} user@127.0.0.1:{PORT} 127.0.0.1:{PORT}:{PORT}
    127.0.0.1:{PORT},evil.example"""
SITES = f"""null http://evil.example http://evil.example:{PORT} http://localhost:{PORT} http://127.0.0.1 http://127.0.0.1:1
    http://{HERE}.evil.example http://{HERE}/ file://{HERE} http://[ :// {HERE} http://user@{HERE} chrome-extension://a"""


@pytest.mark.parametrize("host", [*STRANGERS.split(), "", f"{HERE} "])
def test_a_name_that_is_not_ours_reaches_nothing(host: str) -> None:
    """A page whose server's name turns to 127.0.0.1 (DNS rebinding): even with the token."""
    assert set(statuses(LOCAL, [("host", host), KNOWN[1]]).values()) == {421}


def test_without_any_host_nothing_is_reached() -> None:
    assert set(statuses(LOCAL, KNOWN[1:]).values()) == {421}
    assert asked(REMOTE, "GET", "/api/state", [])[0] == 401


@pytest.mark.parametrize("host", [HERE, f"localhost:{PORT}", f"LocalHost:{PORT}", f"[::1]:{PORT}"])
def test_our_own_names_are_known(host: str) -> None:
    assert asked(LOCAL, "GET", "/api/state", [("host", host)])[0] == 200
    assert asked(LOCAL, "GET", "/api/state", [("host", host), ("origin", f"http://{host}")])[0] == 200
    assert (
        asked(LOCAL, "GET", "/api/state", [("host", host), ("origin", f"https://{host}".lower())])[0] == 200
    )


def test_a_port_that_is_usual_need_not_be_said() -> None:
    usual = Rules(TOKEN, 80)
    for host, status in {
        "localhost": 200,
        "localhost:80": 200,
        "[::1]": 200,
        "localhost:8485": 421,
        "x": 421,
    }.items():
        assert asked(usual, "GET", "/api/state", [("host", host)])[0] == status


@pytest.mark.parametrize("origin", [*SITES.split(), "", f"http://{HERE} http://evil.example"])
def test_a_page_of_another_site_reaches_nothing(origin: str) -> None:
    for rules in (LOCAL, REMOTE):
        assert set(statuses(rules, [*KNOWN, ("origin", origin)]).values()) == {403}


def test_a_browser_that_says_that_another_site_asks_is_believed() -> None:
    for site in ("cross-site", "same-site", "", "Same-Origin"):
        assert set(statuses(LOCAL, [*KNOWN, ("sec-fetch-site", site)]).values()) == {403}
    for site in ("same-origin", "none"):
        assert set(statuses(LOCAL, [*KNOWN, ("sec-fetch-site", site)]).values()) == {200}


@pytest.mark.parametrize(
    "twice", [("host", "evil.example"), ("origin", "http://x"), ("authorization", "Bearer x")]
)
def test_a_header_that_stands_twice_is_refused_whichever_is_ours(twice: tuple[str, str]) -> None:
    ours = [*KNOWN, ("origin", f"http://{HERE}"), ("sec-fetch-site", "none")]
    assert asked(LOCAL, "POST", "/api/token", ours)[0] == 200
    for headers in ([*ours, twice], [twice, *ours]):
        assert asked(LOCAL, "POST", "/api/token", headers)[0] == 400


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer  {TOKEN} "])
def test_the_token_lets_in(given: str) -> None:
    assert asked(LOCAL, "POST", "/api/token", [*OPEN, ("authorization", given)])[0] == 200


HALVES = ("", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), f"{TOKEN} {TOKEN}", "é")


@pytest.mark.parametrize(
    "given", ["", TOKEN, f"Basic {TOKEN}", f"Bearer{TOKEN}", *(f"Bearer {x}" for x in HALVES)]
)
def test_the_token_is_all_of_it_or_none(given: str) -> None:
    assert asked(LOCAL, "POST", "/api/token", [*OPEN, ("authorization", given)])[0] == 401


def test_nobody_comes_by_a_websocket() -> None:
    asked(LOCAL, "GET", "/api/live", KNOWN, "websocket")
