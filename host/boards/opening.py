"""Opening a node, wherever it is. Alone in knowing the words `sim` and `renode`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from host.core.wire import DEFAULT_ADDRESS, DEFAULT_BAUD, DEFAULT_FORMAT, Format
from host.errors import NeuronError

if TYPE_CHECKING:
    from host.boards.simulated import Sim
    from host.node.node import Node

SIMULATED = {"sim": "a simulated node", "renode": "the board in Renode"}
"""Words in place of a port, and what they stand for: a node that lives as long as it is open."""
PORT_HELP = "a serial device (/dev/ttyUSB0, COM3), socket://host:port for a serial server, sim, or renode"


def _require_settings_that_do_something(port: str, baud: int, line_format: Format) -> None:
    from host.node.link import SERVED

    if (baud, line_format) == (DEFAULT_BAUD, DEFAULT_FORMAT):
        return
    if port.startswith(SERVED):
        raise NeuronError(
            f"--baud, --parity and --stop-bits do nothing with {port}: the serial server has its own settings"
        )
    if port == "renode":
        raise NeuronError("--baud, --parity and --stop-bits do nothing with renode: its line has no speed")


def require_simulated(port: str, *, baud: int, line_format: Format) -> None:
    """NeuronError where open_node could not start this simulated node, as far as that can be known before."""
    _require_settings_that_do_something(port, baud, line_format)
    if port == "sim":
        from host.boards.simulated import build

        build()
    else:
        from host.boards.renode import missing

        why = missing()
        if why is not None:
            raise NeuronError(why)


@contextmanager
def open_node(
    port: str,
    *,
    address: int = DEFAULT_ADDRESS,
    baud: int = DEFAULT_BAUD,
    line_format: Format = DEFAULT_FORMAT,
    timeout: float | None = None,
    trace: bool = False,
) -> Iterator[Node]:
    """Open the way to a node and shake hands. port: as PORT_HELP says; timeout: seconds for one answer,
    None: as usual; a simulated node may take longer, as its computer may be busy."""
    from host.node.node import DEFAULT_TIMEOUT, open_line

    _require_settings_that_do_something(port, baud, line_format)
    timeout = DEFAULT_TIMEOUT if timeout is None else timeout
    if port == "sim":
        opened = _simulated(address, baud, line_format, timeout, trace)
    elif port == "renode":
        opened = _in_renode(address, timeout, trace)
    else:
        opened = open_line(
            port, address=address, baud=baud, line_format=line_format, timeout=timeout, trace=trace
        )
    with opened as node:
        yield node


class Opened(NamedTuple):
    """A port that can be opened as a line. sim: the simulation behind it, if that is one of ours."""

    port: str
    sim: Sim | None = None


@contextmanager
def open_port(
    port: str, *, signal: Sequence[str] = (), on_line: Callable[[str], None] = lambda line: None
) -> Iterator[Opened]:
    """A line for whatever PORT_HELP says; a simulated node lives as long as that. signal: what its channels see, by
    generators as --signal of host.sim takes them; on_line: told what the simulation says."""
    if port == "sim":
        from host.boards.simulated import simulate

        made = None
        if signal:
            from host.boards.signals import generated

            made = generated(signal)
        with simulate(fresh=True, signal=made, on_line=on_line) as sim:
            yield Opened(sim.port, sim)
    elif port == "renode":
        from host.boards.renode import emulate

        with emulate() as board:
            yield Opened(board.port)
    else:
        yield Opened(port)


@contextmanager
def _simulated(address: int, baud: int, line_format: Format, timeout: float, trace: bool) -> Iterator[Node]:
    from host.boards.simulated import ANSWER_TIMEOUT, simulate
    from host.node.line import read_settings, save_settings
    from host.node.node import open_line

    timeout = max(timeout, ANSWER_TIMEOUT)

    with simulate(nodes=[address]) as sim:
        if (baud, line_format) != (DEFAULT_BAUD, DEFAULT_FORMAT):
            with open_line(sim.port, address=address, timeout=timeout) as node:
                save_settings(node, replace(read_settings(node), baud=baud, line_format=line_format))
            sim.wait(lambda now: f"node {address} {baud} {line_format.name[1:]}" in now.lines)
        with open_line(
            sim.port, address=address, baud=baud, line_format=line_format, timeout=timeout, trace=trace
        ) as node:
            yield node


@contextmanager
def _in_renode(address: int, timeout: float, trace: bool) -> Iterator[Node]:
    from host.boards.renode import BUS_TIMEOUT, emulate
    from host.node.line import read_settings, save_settings
    from host.node.node import open_line

    with emulate() as board:
        timeout = max(timeout, BUS_TIMEOUT)
        if address != DEFAULT_ADDRESS:
            with open_line(board.port, timeout=timeout, trace=trace) as node:
                save_settings(node, replace(read_settings(node), address=address))
        with open_line(board.port, address=address, timeout=timeout, trace=trace) as node:
            node.lamp = board.lit
            yield node
