"""Where the scenarios run: a simulated node, or with `pytest --port /dev/ttyUSB0` a real board."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from host.boards.opening import open_node
from host.boards.simulated import simulate
from host.core.wire import DEFAULT_ADDRESS
from host.node.staging import deploy
from tests.elf.firmware import firmware_elf
from tests.elf.process import elf_node
from tests.memory_node import MemoryNode
from tests.owner import Owner
from tests.patience import ANSWER, PATIENCE
from tests.programs import COMPILERS

# Neither may the tests that hypothesis writes depend on how fast the machine is.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="module", params=COMPILERS)
def memory_node(request: pytest.FixtureRequest) -> Iterator[MemoryNode]:
    """A node in memory, from each compiler."""
    with MemoryNode(request.param) as node:
        yield node


@pytest.fixture
def node(memory_node: MemoryNode) -> MemoryNode:
    """The same, as it leaves the factory, with nothing left to do. A file of tests may have a node of its own."""
    memory_node.factory()
    memory_node.work()
    return memory_node


@pytest.fixture
def owner() -> Owner:
    """Somebody with a key."""
    return Owner()


@pytest.fixture
def keyed(node: MemoryNode, owner: Owner) -> MemoryNode:
    """A node that obeys the owner, and nobody at it."""
    owner.install(node)
    return node


def _not_seen(lit: bool) -> bool:
    return True


@dataclass(frozen=True)
class Target:
    """A node to test.

    port: what host.boards.opening.open_node takes; kind: one of TARGETS, or board.
    blank: it has never held a model. shows(lit): the lamp itself is so, or soon becomes so; where nobody can see
    it, the discrete input LED must do.
    """

    port: str
    kind: str
    blank: bool = True
    address: int = DEFAULT_ADDRESS
    shows: Callable[[bool], bool] = _not_seen


@contextmanager
def _sim() -> Iterator[Target]:
    with simulate() as sim:
        yield Target(
            sim.port, "sim", shows=lambda lit: sim.wait(lambda now: now.leds[DEFAULT_ADDRESS] == lit)
        )


@contextmanager
def _elf() -> Iterator[Target]:
    """The board's own firmware, on the machine of tests/elf."""
    with elf_node(firmware_elf()) as node:
        yield Target(node.port, "elf", shows=node.shows)


@contextmanager
def _board(port: str) -> Iterator[Target]:
    """A real board gets back the model that it had."""
    with open_node(port) as node:
        before = node.wait_idle()
        image = node.read_image(before.model_length) if before.sequence else None
    try:
        yield Target(port, "board", blank=image is None)
    finally:
        if image is not None:
            with open_node(port) as node:
                if node.wait_idle().model_crc != before.model_crc:
                    deploy(node, image)


TARGETS: dict[str, Callable[[], AbstractContextManager[Target]]] = {"sim": _sim, "elf": _elf}
"""Every kind of simulated node; each scenario runs on each."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--port",
        help="run the scenarios on a real node at this port, address 1, instead of on simulated ones",
    )
    parser.addoption(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="with tests/page: leave the README's pictures of the page there",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" in metafunc.fixturenames:
        kinds = ["board"] if metafunc.config.getoption("--port") else list(TARGETS)
        metafunc.parametrize("target", kinds, indirect=True)


@pytest.fixture(autouse=True, scope="session")
def _patient(request: pytest.FixtureRequest) -> Iterator[None]:
    """A simulated node is as slow as the machine is busy; that is no reason to think it dead. A real one is not."""
    with pytest.MonkeyPatch.context() as patch:
        if request.config.getoption("--port") is None:
            patch.setattr("host.node.node.DEFAULT_TIMEOUT", ANSWER)
            patch.setattr("host.node.client.BUSY_SECONDS", PATIENCE)
        yield


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    port = request.config.getoption("--port")
    with TARGETS[request.param]() if port is None else _board(port) as target:
        yield target
