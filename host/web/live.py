"""What happens, as it happens: server-sent events, from a mailbox of the hub."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

from host.web.hub import Hub
from host.web.shapes import Json, packed

STILL_SECONDS = 15.0
"""After so long without news a comment is sent, by which either side notices that the other has gone."""


def sent(kind: str, said: Json) -> str:
    """A server-sent event."""
    return f"event: {kind}\ndata: {packed(said)}\n\n"


async def stream(hub: Hub, ending: threading.Event) -> AsyncIterator[str]:
    """The whole state, then all news, until the client leaves or the gateway ends."""
    loop, news = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop may end at any moment
            loop.call_soon_threadsafe(news.set)

    with hub.listening(wake) as box:
        yield sent("state", hub.state())
        while not ending.is_set():
            try:
                await asyncio.wait_for(news.wait(), STILL_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"
            news.clear()
            if taken := box.take():
                yield "".join(sent(kind, said) for kind, said in taken)
