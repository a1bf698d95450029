"""RE and SE: the simulated bus must end loudly when a node handles its transceiver wrongly. Each wrong node here is the
firmware with one line of app/link.c changed; the right one passes every other test."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import pytest

from host.boards.opening import open_node
from host.boards.simulated import SOURCES, simulate
from host.compiler import ROOT, c_sources
from host.core.image import encode
from host.core.wire import BY_NAME, Command
from host.errors import NeuronError
from host.files import replace_file
from host.node.client import NodeError
from host.node.staging import deploy
from tests.e2e.scenario import AND
from tests.programs import BUILT, COMPILERS, one_builds, program

EXIT_FAULT = 3

WRONG = {
    "driver left on": (
        "    port_rs485_driver(false);\n    port_rs485_receiver(true);\n",
        "",
        "the driver was left on after the last stop bit",
    ),
    "driver left on while it listens again": (
        "    port_rs485_driver(false);\n",
        "",
        "its driver is on (SE high) while its receiver is (RE low)",
    ),
    "receiver on while it sends": (
        "    port_rs485_receiver(false);\n",
        "",
        "its driver is on (SE high) while its receiver is (RE low)",
    ),
    "driver before receiver": (
        "    port_rs485_receiver(false);\n    port_rs485_driver(true);\n",
        "    port_rs485_driver(true);\n    port_rs485_receiver(false);\n",
        "its driver is on (SE high) while its receiver is (RE low)",
    ),
    "driver off while it sends": (
        "    port_rs485_driver(true);\n",
        "",
        "it sends with its driver off (SE low)",
    ),
    "released when the last byte is handed over": (
        "    port_rs485_transmit(link->reply, size);\n",
        "    port_rs485_transmit(link->reply, size);\n    port_rs485_driver(false);\n",
        "it let go of the bus before the last stop bit had left",
    ),
    "two replies at once": (
        "    port_rs485_transmit(link->reply, size);\n",
        "    port_rs485_transmit(link->reply, size);\n    port_rs485_transmit(link->reply, size);\n",
        "a reply was begun before the last one had left",
    ),
    "reply before the silence": (
        "        SET(frame->size, (uint16_t)(size + 1));\n",
        "        SET(frame->size, (uint16_t)(size + 1));\n        if (size == 7)\n            link_on_silence(link);\n",
        "it talks out of turn: no request has ended",
    ),
}


def wrong_node(right: str, wrong: str) -> Path:
    """The native node, built with a changed link.c; all else of it is compiled once."""
    text = (ROOT / "firmware/app/link.c").read_text()
    assert text.count(right) == 1
    text = text.replace(right, wrong)
    changed = BUILT / "links" / hashlib.sha256(text.encode()).hexdigest()[:16] / "link.c"
    with one_builds(changed) as wanted:
        if wanted:
            replace_file(str(changed), text.encode())
    files = [path for path in c_sources(*SOURCES) if path.name != "link.c"]
    sources = [str(path.relative_to(ROOT)) for path in (*files, changed)]
    return program("neuron485", sources, folders=(), flags=["-O2"], crypto=True, cc=COMPILERS[0])


@pytest.mark.parametrize("pace", [False, True], ids=["at once", "at the wire's pace"])
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_transceiver_ends_the_simulation(
    name: str, pace: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong, text = WRONG[name]
    program = wrong_node(right, wrong)
    monkeypatch.setattr("host.boards.simulated.build", lambda: program)
    with simulate(pace=pace) as sim:
        with pytest.raises(NodeError), open_node(sim.port, timeout=0.2) as node:
            deploy(node, encode(AND))
        assert sim.wait(lambda now: not now.running)
    assert [line for line in sim.lines if line.startswith("fault")] == [f"fault node 1: {text}"]
    assert sim.exit_status == EXIT_FAULT


def test_two_nodes_with_one_address_collide() -> None:
    """A mistake in the settings, not in the firmware: it must show as what it is."""
    with simulate(nodes=[1, 2]) as sim:
        with open_node(sim.port, address=2) as node:
            node.write(BY_NAME["ADDRESS"].address, [1])
            node.command(Command.SAVE_SETTINGS, "take the other's address")
        # Each also takes the other's replies for requests: anything may be answered until they collide.
        while sim.running:
            with suppress(NeuronError), open_node(sim.port, timeout=0.1) as node:
                node.identity()
        assert "it drives the bus while another node does" in sim.lines[-1]
    assert sim.exit_status == EXIT_FAULT
