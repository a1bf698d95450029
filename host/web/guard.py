"""Who may: every request is held against this before it is looked at.

A page that somebody else wrote must not reach the line through a browser of ours, whatever name its server gives itself
(DNS rebinding): so Host and Origin are checked. What changes anything needs the token; so does everything where the
gateway is open to other computers.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}
SAFE = {"GET", "HEAD"}
OPEN = ("/", "/page/")
"""The page itself has no secrets: it asks for the token."""
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every answer."""
ONCE = ("host", "origin", "sec-fetch-site", "authorization")
"""Headers that are looked at here: of two, another may look at the other."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Rules:
    """token: that writers give; port: that is listened at; hosts: names by which it may be called, None: any; remote:
    other computers may come, who need the token to read too."""

    token: str
    port: int
    remote: bool = False
    hosts: frozenset[str] | None = frozenset(LOOPBACK)

    def refusal(self, method: str, path: str, given: Sequence[tuple[str, str]]) -> tuple[int, str] | None:
        """Status and reason where a request may not be. given: its headers, names in lower case."""
        headers, names = dict(given), [name for name, _ in given]
        if twice := [name for name in ONCE if names.count(name) > 1]:
            return 400, f"there are two headers {twice[0]}: send one"
        host = headers.get("host", "")
        if not self._is_us(host):
            return 421, f"this gateway is not called {host!r}: use the address that it printed at its start"
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
            return 403, "this request comes from another site's page"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "this request comes from another site's page"
        asks = path == OPEN[0] or path.startswith(OPEN[1])
        if (method in SAFE and (asks or not self.remote)) or self.knows(headers.get("authorization", "")):
            return None
        return 401, "give the token: printed when the gateway started, or that of its --token-file"

    def _is_us(self, host: str) -> bool:
        if self.hosts is None:
            return True
        name, _, port = host.rpartition(":")
        if not port.isdecimal() or host.endswith("]"):
            name, port = host, "80"
        return port == str(self.port) and name.lower() in self.hosts

    def knows(self, authorization: str) -> bool:
        """Whether a request's Authorization has the token."""
        kind, _, given = authorization.partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self.token.encode())


def guarded(app: App, rules: Rules) -> App:
    """The application, behind these rules."""
    from starlette.responses import JSONResponse

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await app(scope, receive, send)
            return

        async def answer(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *own]
            await send(message)

        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        refused = rules.refusal(scope["method"], scope["path"], headers)
        if refused is None:
            await app(scope, receive, answer)
            return
        status, why = refused
        await JSONResponse({"error": why}, status)(scope, receive, answer)

    return inner
