"""What the gateway sees of its lines, for those who look at its terminal and not at the page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from host.web.hub import Hub, Mailbox


@contextmanager
def telling(hub: Hub, say: Callable[[str], None]) -> Iterator[None]:
    """Say the gateway's own events meanwhile, a line each, in a thread of their own: a terminal that nobody reads holds
    up no line."""
    news, ended = threading.Event(), threading.Event()
    with hub.listening(news.set) as box:
        thread = threading.Thread(target=_tell, args=(box, news, ended, say), name="telling", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            news.set()
            thread.join()


def _tell(box: Mailbox, news: threading.Event, ended: threading.Event, say: Callable[[str], None]) -> None:
    over = False
    while not over:
        news.wait()
        over = ended.is_set()  # what has come by now is still said
        news.clear()
        for kind, said in box.take():
            if kind == "event" and said["number"] is None:
                say(said["text"])
