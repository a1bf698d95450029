"""The power of simulated nodes: when it is cut, what is left, and how it is asked for."""

from __future__ import annotations

import fcntl
import itertools
import os
import pty
import signal
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from host.boards.opening import open_node, open_port
from host.boards.simulated import CUT_MAX, SOURCES, build, simulate
from host.compiler import ROOT, c_sources
from host.core.fixed import Int64
from host.core.hashes import hash_of
from host.core.image import encode
from host.core.wire import BY_NAME, DEFAULT_ADDRESS, DEFAULT_BAUD, DEFAULT_FORMAT, Command, Start, Table
from host.errors import NeuronError
from host.node.client import NoAnswer, NodeError
from host.node.identity import Identity
from host.node.link import Link, open_link
from host.node.node import Node, Refused
from host.node.search import EVERYBODY, Heard, asking, search
from host.node.staging import deploy, stage
from tests.e2e.conftest import Processes
from tests.e2e.scenario import AND, OR, answering_within, crc_of, largest, restart, running
from tests.patience import PATIENCE, growing
from tests.programs import COMPILERS, SANITIZE, program

BLANK = 0xFFFFFFFF
MODEL_WORDS = 2 * 16384 // 4
"""Of the flash, from its start on."""
FOREVER = CUT_MAX / 1000
"""Seconds: until the test says so."""


@pytest.fixture(autouse=True)
def _asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked on the heels of a late answer may be lost: it is repeated sooner."""
    monkeypatch.setattr("host.node.node.DEFAULT_TIMEOUT", 2.0)


@pytest.fixture
def sanitized(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated nodes end where they do what C leaves open."""
    sources = [str(path.relative_to(ROOT)) for path in c_sources(*SOURCES)]
    made = program("neuron485", sources, folders=(), flags=SANITIZE, crypto=True, cc=COMPILERS[0])
    monkeypatch.setattr("host.boards.simulated.build", lambda: made)


def at_rest(node: Node) -> Identity:
    """As soon as it answers, and is idle: what it is asked without power it does not hear."""
    for seconds in growing(0.05):
        with answering_within(node, seconds), suppress(NoAnswer):
            return node.wait_idle()
    raise AssertionError("it never answers again")


def install(node: Node, image: bytes) -> None:
    """Have the node take it, whatever comes of that."""
    stage(node, image)
    crc = int.from_bytes(image[-4:], "little")
    node.command(Command.INSTALL, "take it", len(image), crc, image_hash=hash_of(image))


# ------------------------------------------------------------------------------------------------------------ a commit


@pytest.mark.usefixtures("sanitized")
def test_a_cut_at_any_word_leaves_the_old_model_or_the_new() -> None:
    old, new, image = encode(AND), encode(OR), b""
    taken: list[bool] = []  # the new one, by the word at which the power failed
    with simulate() as sim, open_node(sim.port) as node:
        deploy(node, old)
        for word in itertools.count(1):
            sim.cut(1, word, 0)
            install(node, new)
            identity, image = at_rest(node), running(node)
            sim.cut(1, CUT_MAX)  # not any more; and all that was said before has been read
            if sim.lines.count("power 1 off") < word:
                break  # so many words it does not take
            assert image in (old, new)
            assert (identity.start, identity.faults) == (Start.POWER, ())
            taken.append(image == new)
            if image == new:
                deploy(node, old)
    assert image == new, "nothing has failed"
    commit = taken.index(True)
    assert commit >= len(new) // 4
    assert all(taken[commit:])


def test_a_deploy_says_that_the_power_has_failed() -> None:
    with simulate() as sim, open_node(sim.port) as node:
        deploy(node, encode(AND))
        sim.cut(1, 12, 0)
        lost = f", as when its power fails, and still runs CRC-32 {crc_of(AND):08x}; try again$"
        with pytest.raises(NodeError, match=lost):
            deploy(node, encode(OR))
        deploy(node, encode(OR))
        assert running(node) == encode(OR)


def left(start: Path, operation: int, image: bytes) -> Int64:
    """The words of a flash that starts so, where that operation of a commit is the last."""
    flash = start.with_name(f"cut{operation}")
    flash.write_bytes(start.read_bytes())
    with simulate(flash=str(flash)) as sim, open_node(sim.port) as node:
        sim.cut(1, operation, FOREVER)
        install(node, image)
        assert sim.wait(lambda now: not now.powered[1])
        return words(flash)


def words(flash: Path) -> Int64:
    return np.frombuffer(flash.read_bytes(), "<u4", MODEL_WORDS).astype(np.int64)


def test_what_is_written_as_the_power_fails_lands_in_part(tmp_path: Path) -> None:
    """Both sectors are full: a commit closes one of them by two words, erases it, and writes its record."""
    full = tmp_path / "full"
    images = [encode(largest(seed)) for seed in range(3)]
    with simulate(flash=str(full)) as sim, open_node(sim.port) as node:
        for image in images:
            deploy(node, image)
    before = words(full)
    closing, closed, erasing, writing = (left(full, operation, images[0]) for operation in (1, 2, 3, 4))
    (place,) = np.flatnonzero(closing != before)
    assert closing[place] & ~before[place] == 0, "a 0 stays one"
    assert closing[place] != 0
    assert closed[place] == 0
    closed[place + 1] = 0  # in part there; whole by the next operation
    erased = erasing != closed
    assert erased.sum() >= len(images[0]) // 4
    assert not (closed & ~erasing).any(), "a 1 stays one"
    assert (erasing[erased] != BLANK).any()
    assert (writing[erased] != BLANK).sum() == 1


# ------------------------------------------------------------------------------------------------- without power


def test_a_node_without_power_is_silent_and_dark_and_the_others_go_on() -> None:
    lamp, hold = BY_NAME["LAMP_TEST"].address, BY_NAME["HOLD"].address
    with simulate(nodes=[5, 6]) as sim:
        with open_node(sim.port, address=6) as node:
            restart(node)
            assert node.identity().start is Start.SOFTWARE
            node.write_coil(lamp, True)
            node.write_coil(hold, True)
            assert sim.wait(lambda now: now.leds[6])
            sim.cut(6, 0, FOREVER)
            assert (sim.powered, sim.leds) == ({5: True, 6: False}, {5: False, 6: False})
            with answering_within(node, 0.05), pytest.raises(NoAnswer):
                node.identity()
        with open_node(sim.port, address=5) as other:
            assert other.identity().start is Start.POWER
        sim.cut(6, 0, 0)
        assert sim.wait(lambda now: now.powered[6])
        with open_node(sim.port, address=6) as node:
            assert node.identity().start is Start.POWER
            assert node.read(Table.COIL, hold, 1) == [0]
        assert sim.powered == {5: True, 6: True}


def test_what_outlives_a_reset_goes_with_the_power() -> None:
    """The count of what was saved of late, which keeps a master from wearing the flash out."""
    with simulate() as sim, open_node(sim.port) as node:
        with suppress(Refused):
            for saved in itertools.count():
                node.keep_settings(DEBOUNCE=saved % 2)
        restart(node)
        with pytest.raises(Refused, match="WEAR"):
            node.keep_settings(DEBOUNCE=2)
        sim.cut(1, 0, 0)
        at_rest(node)
        node.keep_settings(DEBOUNCE=2)


def test_the_line_does_not_wait_for_a_node_that_has_lost_its_power(processes: Processes) -> None:
    """All of them have one address, and go by their numbers. All hear a search, and each of them has its turn."""
    with simulate(nodes=[7, 8, 9], fresh=True) as sim:
        nodes = sorted(set(processes()) - {sim._process.pid})
        others = {sim.uids[7], sim.uids[9]}
        link = open_link(sim.port, baud=DEFAULT_BAUD, line_format=DEFAULT_FORMAT, timeout=0.05)
        os.kill(nodes[1], signal.SIGSTOP)
        assert asking(link)(EVERYBODY) is Heard.SILENCE
        sim.cut(8, 0, FOREVER)
        heard(link, others)
        sim.cut(8, 0, 0)
        heard(link, others | {sim.uids[8]})
        link.close()


def heard(link: Link, uids: set[str]) -> None:
    """These are found, and no others, once there is time enough for their answers."""
    for link.timeout in growing(0.05):
        with suppress(NeuronError):  # nothing is heard whole
            if {one.uid.hex() for one in search(asking(link)).found} == uids:
                return
    raise AssertionError("they are not found")


# ------------------------------------------------------------------------------------------------------- what asks


MALFORMED = [
    "",
    "cut",
    "cut 1",
    "cut 1 -1",
    "cut 1 1.5",
    "cut 1 1 1 1",
    "cut 1 1234567890",
    "power 1 0",
    "x" * 300,
]


def test_what_is_no_command_is_told_in_a_line_and_does_nothing() -> None:
    command = [str(build()), "--until-eof", "--nodes", "1,2"]
    lines = "".join(line + "\n" for line in ["cut 9 0", *MALFORMED])
    done = subprocess.run(command, input=lines + "cut 1 7", capture_output=True, text=True, timeout=PATIENCE)
    no = "error: that is no command: it is cut NAME WORDS [MILLISECONDS], in numbers"
    assert done.stderr.splitlines() == ["error: cut: there is no node 9", *[no] * len(MALFORMED)]
    assert not [line for line in done.stdout.splitlines() if line.startswith(("cut", "power"))]
    assert done.returncode == 0


def test_power_that_cannot_be_cut() -> None:
    with simulate(nodes=[3]) as sim:
        with pytest.raises(NeuronError, match=r"^there is no simulated node 1$"):
            sim.cut(1)
        for operations, seconds in [(-1, 0.5), (CUT_MAX + 1, 0.5), (1, -0.5), (1, CUT_MAX)]:
            with pytest.raises(NeuronError, match=f"^no power is cut at word {operations} for "):
                sim.cut(3, operations, seconds)
        assert sim.lines[-1].startswith("led 3 ")
    with pytest.raises(NeuronError, match=r"^the power of node 3 was not cut: its simulation has ended$"):
        sim.cut(3)


def at_a_terminal(terminal: int) -> None:
    """The process that begins has it for its own."""
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def test_somebody_types_it() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "host.sim", "--nodes", "4"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
        preexec_fn=lambda: at_a_terminal(theirs),
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        os.write(ours, b"cut 4 twelve\ncut 5 0\n\ncut 4 12\ncut 4 0\n")
        said: list[str] = []
        while "node 4   has power again" not in said:
            said.append(process.stdout.readline().rstrip("\n"))
            assert said[-1] or process.poll() is None
        assert "node 4   loses its power at word 12 of its flash from now" in said
        at = said.index("node 4   has lost its power")
        assert said[at + 1] == "node 4   LED ( ) off"
        assert [process.stderr.readline() for _ in range(2)] == [
            "note: 'cut 4 twelve' is not understood; it is: cut NODE WORDS\n",
            "note: there is no simulated node 5\n",
        ]
        os.write(ours, b"\x03")
        assert process.wait(PATIENCE) == 130
    finally:
        process.kill()
        process.communicate()
        os.close(ours)
        os.close(theirs)


# -------------------------------------------------------------------------------------------------------- its port


def test_a_simulated_node_behind_a_port_hears_a_signal_and_loses_its_power() -> None:
    with open_port("sim", signal=["a0=constant:485"]) as line, open_node(line.port) as node:
        assert line.sim is not None
        assert node.identity().uid == line.sim.uids[DEFAULT_ADDRESS]
        node.write_values(SAMPLE_RATE=1000, SAMPLE_CHANNELS=1)
        while node.read_value("SAMPLES_HEAD") == 0:
            pass
        assert node.read_value("SAMPLES")[0] == 485
        line.sim.cut(DEFAULT_ADDRESS, 0, FOREVER)
        assert line.sim.powered == {DEFAULT_ADDRESS: False}
