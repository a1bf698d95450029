"""No test may leave a process behind, not even an orphan: all of them carry a mark in their environment.

Seen where there is a /proc.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host.boards.opening import open_node
from host.node.node import Node
from tests.conftest import Target
from tests.patience import PATIENCE

MARK = "NEURON485_TEST"
SOON = PATIENCE

_numbers = itertools.count()


def _marked(mark: str) -> list[int]:
    """Processes whose environment has the mark, but for this one. Zombies have none."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            environment = (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"{MARK}={mark}".encode() in environment and int(path.name) != os.getpid():
            found.append(int(path.name))
    return found


Processes = Callable[[], list[int]]


def gone(processes: Processes) -> None:
    """All of them end, and soon."""
    deadline = time.monotonic() + SOON
    while processes() and time.monotonic() < deadline:
        time.sleep(0.005)
    left = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes()}
    assert not left, "processes were left behind"


@pytest.fixture(autouse=True, scope="session")
def _nothing_left() -> Iterator[None]:
    """The same for what fixtures of modules start. tests/page has one of its own, whose browser is still there when
    this one ends: the marks differ."""
    mark = f"{os.getpid()}.all.{next(_numbers)}"
    os.environ[MARK] = mark
    yield
    gone(lambda: _marked(mark))


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> Iterator[None]:
    """What tests start can be interrupted, though the shell that has put the tests in the background made them ignore
    that, and all that they start."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    """The processes that the test has started, itself or through others, and that still run."""
    mark = f"{os.getpid()}.{next(_numbers)}"
    monkeypatch.setenv(MARK, mark)
    yield lambda: _marked(mark)
    gone(lambda: _marked(mark))


@pytest.fixture
def node(target: Target) -> Iterator[Node]:
    """The target, opened."""
    with open_node(target.port, address=target.address) as node:
        yield node
