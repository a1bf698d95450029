"""The simulated node as such: many on a bus, TCP, the pace of the wire, and how it ends."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from host.boards.opening import open_node
from host.boards.simulated import Sim, simulate
from host.compiler import ROOT
from host.core.image import encode
from host.core.wire import BY_NAME, DEFAULT_BAUD, Command, Format, Table, Trust
from host.errors import NeuronError
from host.node.client import NoAnswer
from host.node.line import read_settings, save_settings
from host.node.link import open_link
from host.node.staging import deploy
from host.sim import Shown
from tests.conftest import Target
from tests.e2e.conftest import SOON, Processes, gone
from tests.e2e.scenario import (
    AND,
    LIT,
    NAND,
    OR,
    ask_together,
    broadcast,
    crc_of,
    hear_broadcasts,
    largest,
    neuron,
    plain_client,
    walk,
)
from tests.e2e.sim_process import native, started
from tests.patience import ANSWER, growing
from tests.pdus import command_words, stage_frames

BITS = 11
"""A character on the wire: start, 8 data, parity, stop."""

# ---------------------------------------------------------------------------------------------------- lines and nodes


def lamp_of(sim: Sim, address: int) -> Target:
    """One of the nodes of a bus."""
    return Target(sim.port, "sim", shows=lambda lit: sim.wait(lambda now: now.leds[address] == lit))


def test_each_node_of_a_bus_has_its_own_model_and_lamp() -> None:
    models = {1: AND, 2: OR, 247: NAND}
    with simulate(nodes=list(models)) as sim:
        for address, model in models.items():
            with open_node(sim.port, address=address) as node:
                assert node.identity().sequence == 0
                deploy(node, encode(model))
        for address, model in models.items():
            with open_node(sim.port, address=address) as node:
                assert walk(lamp_of(sim, address), node, model) == LIT[model.name]
                assert node.identity().sequence == 1
        # Each has (1, 1), the last row, for its inputs.
        assert sim.wait(lambda now: now.leds == {1: True, 2: True, 247: False})
        nobody = open_node(sim.port, address=3, timeout=0.1)
        with pytest.raises(NoAnswer, match="no answer from address 3"), nobody:
            pass


def test_one_broadcast_reaches_every_node() -> None:
    nodes = [5, 6, 7]
    model = neuron("broadcast", (1, -1), -0.5)
    image, crc = encode(model), crc_of(model)
    command = BY_NAME["COMMAND"].address
    waiting = set(nodes)
    with simulate(nodes=nodes) as sim:
        for address in nodes:
            with open_node(sim.port, address=address) as node:
                hear_broadcasts(node)
        for seconds in growing(0.05):
            with plain_client(sim.port) as client:
                for address, words in stage_frames(image):
                    broadcast(client, address, words, seconds)
                broadcast(client, command, command_words(Command.VERIFY, len(image), crc), seconds)
                broadcast(client, command, command_words(Command.COMMIT, crc=crc), seconds)
            for address in list(waiting):
                with open_node(sim.port, address=address) as node:
                    if node.wait_idle().model_crc == crc:
                        waiting.remove(address)
                        assert ask_together(node, model, (1, 0)) == ([1.0], True)
            if not waiting:
                break
        assert not waiting
        assert sim.wait(lambda now: all(now.leds.values()))


def test_a_node_on_a_tcp_port() -> None:
    with simulate(tcp=0) as sim, open_node(f"socket://{sim.tcp}") as node:
        deploy(node, encode(largest()))
        deploy(node, encode(AND))
        assert walk(lamp_of(sim, 1), node, AND) == LIT["and"]


@pytest.mark.parametrize("present", [False, True])
def test_someone_is_at_the_board_where_that_is_said(present: bool) -> None:
    with simulate(present=present) as sim, open_node(sim.port) as node:
        assert node.read_value("TRUST") >> Trust.PRESENT & 1 == present


def test_pty_and_tcp_are_one_line() -> None:
    with simulate(tcp=0) as sim:
        with open_node(sim.port) as node:
            deploy(node, encode(AND))
        with open_node(f"socket://{sim.tcp}") as node:
            assert node.identity().name == "and"
            deploy(node, encode(OR))
        with open_node(sim.port) as node:
            assert node.identity().name == "or"


def test_a_new_tcp_client_takes_the_place_of_the_old() -> None:
    with simulate(tcp=0) as sim, open_node(f"socket://{sim.tcp}") as first:
        with open_node(f"socket://{sim.tcp}") as second:
            assert second.identity().sequence == 0
        with pytest.raises(NeuronError, match="has gone"):
            first.identity()


def test_a_bus_that_is_late_takes_no_request_for_the_end_of_a_reply(tmp_path: Path) -> None:
    """At 1200 baud a silence is long enough to stop the bus within it."""
    flash, baud, read = str(tmp_path / "flash"), 1200, bytes([4, 2, 0, 0, 1])
    for address in (1, 2):
        with simulate(flash=f"{flash}.{address}") as sim, open_node(sim.port) as node:
            save_settings(node, replace(read_settings(node), address=address, baud=baud))
            sim.wait(lambda now: any(f" {baud} " in line for line in now.lines))
    with simulate(nodes=[1, 2], flash=flash) as sim:
        bus = sim._process.pid
        link = open_link(sim.port, baud=baud, line_format=Format.F8E1, timeout=ANSWER)
        try:
            assert link.exchange(1, read)
            os.kill(bus, signal.SIGSTOP)
            Timer(0.2, os.kill, (bus, signal.SIGCONT)).start()
            assert link.exchange(2, read), "node 2 has heard both: the reply of node 1, and its own request"
        finally:
            link.close()


def test_the_wrong_baud_rate_is_noted() -> None:
    with simulate() as sim:
        with pytest.raises(NoAnswer), open_node(sim.port, baud=9600, timeout=0.05):
            pass
        note = "note the host speaks at 9600 baud, node 1 listens at 19200"
        assert sim.wait(lambda now: note in now.lines)
        with open_node(sim.port) as node:
            assert node.identity().sequence == 0


def test_the_address_in_force_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flash = str(tmp_path / "flash.bin")
    with simulate(nodes=[1], flash=flash, on_line=Shown()) as sim:
        with open_node(sim.port) as node:
            node.write(BY_NAME["ADDRESS"].address, [9])
            with suppress(NoAnswer):  # the answer still comes from address 1, and may be late
                node.command(Command.SAVE_SETTINGS, "keep the settings")
            sim.wait(lambda now: "address 1 9" in now.lines)
        with open_node(sim.port, address=9) as node:
            node.write_coil(BY_NAME["LAMP_TEST"].address, True)
            assert sim.wait(lambda now: now.leds[1])
    said = capsys.readouterr().out
    assert "node 1   has address 9 from now on\nnode 9   listens at 19200 8E1\n" in said
    assert said.endswith("node 9   LED (*) on\n")
    with simulate(nodes=[1], flash=flash, on_line=Shown()) as sim:
        assert sim.leds == {1: False}
    assert "node 9   LED ( ) off\n" in capsys.readouterr().out


def test_pace_takes_at_least_the_time_of_the_wire() -> None:
    registers, reads = 125, 3
    with simulate(pace=True) as sim, open_node(sim.port) as node:
        began = time.monotonic()
        for _ in range(reads):
            node.read(Table.HOLDING, BY_NAME["STAGE"].address, registers)
        elapsed = time.monotonic() - began
    characters = reads * (8 + 5 + 2 * registers)
    silences = reads * 3.5
    assert elapsed >= (characters + silences) * BITS / DEFAULT_BAUD


# ------------------------------------------------------------------------------------------------------- how it ends


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_native_node_and_its_link(
    tmp_path: Path, processes: Processes, number: signal.Signals
) -> None:
    link = tmp_path / "node"
    with native("--link", str(link), "--nodes", "1,2,3") as (process, port):
        assert port == str(link)
        assert os.readlink(link).startswith("/dev/")
        process.send_signal(number)
        assert process.wait(SOON) == 0
        gone(processes)
    assert not os.path.lexists(link)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_command_leaves_nothing_behind(
    tmp_path: Path, processes: Processes, number: signal.Signals
) -> None:
    link = tmp_path / "node"
    command = [
        sys.executable,
        "-m",
        "host.sim",
        "--link",
        str(link),
        "--nodes",
        "1,2",
        "--signal",
        "a0=sine:50",
    ]
    with started(command, "         Ctrl-C ends it") as (process, lines):
        assert f"bus      {link}" in lines
        with open_node(str(link), address=2) as node:
            deploy(node, encode(AND))
        process.send_signal(number)
        output, errors = process.communicate(timeout=SOON)
        gone(processes)
    assert not os.path.lexists(link)
    assert "Traceback" not in errors
    assert "node 2   LED ( ) off" in [*lines, *output.splitlines()]
    if number is signal.SIGINT:
        assert (process.returncode, errors) == (130, "stopped\n")


def test_a_ctrl_c_that_wakes_nobody_ends_the_command(tmp_path: Path, processes: Processes) -> None:
    """A signal just before the main thread falls asleep does not wake it: nor does one that another thread takes,
    which can be had at will."""
    link = tmp_path / "node"
    command = [sys.executable, "-m", "host.sim", "--link", str(link)]
    with started(command, "         Ctrl-C ends it") as (process, _):
        tasks = Path(f"/proc/{process.pid}/task")
        threads = {int(task.name) for task in tasks.iterdir()} if tasks.exists() else set()
        os.kill(max(threads - {process.pid}, default=process.pid), signal.SIGINT)
        _, errors = process.communicate(timeout=SOON)
        gone(processes)
    assert (process.returncode, errors) == (130, "stopped\n")
    assert not os.path.lexists(link)


def interrupted(sim: Sim, place: int) -> bool:
    """A wait for the next news, with Ctrl-C at its `place`-th call, line or return; whether it has so many."""
    places, answers = itertools.count(), iter([False, True, True])

    def trace(frame: Any, event: str, argument: Any) -> Any:
        if next(places) == place:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sim._tell()
    sys.settrace(trace)
    try:
        sim.wait(lambda now: next(answers))
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_a_ctrl_c_anywhere_in_a_wait_lets_the_simulation_go_on() -> None:
    """A lock left held would stop its reader, and with it the end of the command."""
    with simulate() as sim, open_node(sim.port) as node:
        place = 0
        while interrupted(sim, place):
            lit = place % 2 == 0
            node.write_coil(BY_NAME["LAMP_TEST"].address, lit)
            assert sim.wait(lambda now, lit=lit: now.leds[1] == lit), f"nothing heard since place {place}"
            place += 1
    assert place > 10


def test_the_nodes_end_with_a_bus_that_was_killed(tmp_path: Path, processes: Processes) -> None:
    link = tmp_path / "node"
    with native("--link", str(link), "--nodes", "1,2,3") as (process, _):
        process.kill()
        gone(processes)
    assert os.path.islink(link), "nobody was left to remove it"
    with simulate(link=str(link)) as sim, open_node(str(link)) as node:
        assert sim.port == str(link)
        assert node.identity().sequence == 0
    assert os.listdir(tmp_path) == []


def test_ctrl_c_in_a_training_that_started_a_node(processes: Processes) -> None:
    command = [sys.executable, "-m", "host.train", "--deploy", "sim", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    deadline = time.monotonic() + SOON
    while len(processes()) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=SOON)
    gone(processes)
    assert "Traceback" not in errors
    assert process.returncode in (0, 130)
