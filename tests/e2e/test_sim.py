"""The simulated node as such: many on a bus, TCP, its flash file, the pace of the wire, and how it ends."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from host.boards.compiler import ROOT
from host.boards.opening import open_node
from host.boards.simulated import Sim, build, simulate
from host.core.image import encode
from host.core.wire import BY_NAME, DEFAULT_BAUD, IMAGE_MAX, Command, Table
from host.errors import NeuronError
from host.node.node import NoAnswer
from host.node.staging import deploy
from tests.conftest import Target
from tests.e2e.conftest import SOON, Processes
from tests.e2e.scenario import (
    AND,
    LIT,
    NAND,
    OR,
    ask_together,
    broadcast,
    crc_of,
    largest,
    neuron,
    plain_client,
    running,
    walk,
)
from tests.patience import growing
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


def test_the_wrong_baud_rate_is_noted() -> None:
    with simulate() as sim:
        with pytest.raises(NoAnswer), open_node(sim.port, baud=9600, timeout=0.05):
            pass
        note = "note the host speaks at 9600 baud, node 1 listens at 19200"
        assert sim.wait(lambda now: note in now.lines)
        with open_node(sim.port) as node:
            assert node.identity().sequence == 0


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


# --------------------------------------------------------------------------------------------------------- the flash


def test_the_flash_file_keeps_the_model(tmp_path: Path) -> None:
    flash = str(tmp_path / "flash.bin")
    for sequence, model in enumerate((AND, OR, NAND), start=1):
        with simulate(flash=flash) as sim, open_node(sim.port) as node:
            assert node.identity().sequence == sequence - 1
            deploy(node, encode(model))
        with simulate(flash=flash) as sim, open_node(sim.port) as node:
            assert node.identity().sequence == sequence
            assert running(node) == encode(model)
            assert sim.leds == {1: LIT[model.name][0]}


def test_each_node_of_a_bus_has_its_own_flash_file(tmp_path: Path) -> None:
    flash = str(tmp_path / "flash.bin")
    with simulate(nodes=[1, 2], flash=flash) as sim, open_node(sim.port, address=2) as node:
        deploy(node, encode(AND))
    assert sorted(os.listdir(tmp_path)) == ["flash.bin.1", "flash.bin.2"]
    with simulate(nodes=[2, 1], flash=flash) as sim:
        for address, sequence in ((1, 0), (2, 1)):
            with open_node(sim.port, address=address) as node:
                assert node.identity().sequence == sequence


def test_two_simulations_cannot_share_a_flash_file(tmp_path: Path) -> None:
    flash = str(tmp_path / "flash.bin")
    with simulate(flash=flash) as sim:
        with pytest.raises(NeuronError, match=r"flash\.bin: another simulated node is using it") as error:
            simulate(flash=flash).__enter__()
        assert "\n" not in str(error.value)
        with open_node(sim.port) as node:
            deploy(node, encode(AND))


def test_a_file_that_is_no_flash_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "thesis.txt"
    file.write_text("years of work")
    with pytest.raises(NeuronError, match="not the flash of a simulated node"):
        simulate(flash=str(file)).__enter__()
    assert file.read_text() == "years of work"
    with pytest.raises(NeuronError, match="No such file"):
        simulate(flash=str(tmp_path / "none" / "flash.bin")).__enter__()


def test_a_simulation_killed_in_a_commit_has_the_old_model_or_the_new(
    tmp_path: Path, processes: Processes
) -> None:
    """Which of them depends on the instant; that it is one of them, bit for bit, does not."""
    flash = str(tmp_path / "flash.bin")
    images = {crc_of(model): encode(model) for model in (largest(1), largest(2))}
    first, second = images
    with simulate(flash=flash) as sim, open_node(sim.port) as node:
        deploy(node, images[first])
    for attempt in range(8):
        with native("--flash", flash) as (process, port), open_node(port) as node:
            new = second if node.identity().model_crc == first else first
            for frame in stage_frames(images[new]):
                node.write(*frame)
            node.command(Command.VERIFY, "verify", IMAGE_MAX, new)
            node.command(Command.COMMIT, "commit", crc=new)
            time.sleep(attempt * 0.0005)
            process.kill()
        gone(processes)
        with simulate(flash=flash) as sim, open_node(sim.port) as node:
            crc = node.identity().model_crc
            assert running(node) == images[crc]
    with simulate(flash=flash) as sim, open_node(sim.port) as node:
        deploy(node, encode(AND))
        assert node.identity().previous_crc == crc


# ------------------------------------------------------------------------------------------------------- how it ends


@contextmanager
def native(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The simulation's own program, when it listens: its process and its port."""
    with started([str(build()), *arguments], "led 1 ") as (process, lines):
        yield process, lines[0].removeprefix("bus ")


@contextmanager
def started(command: Sequence[str], ready: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process once it has printed a line that begins with `ready`."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith(ready):
                break
        yield process, lines
    finally:
        process.kill()
        process.communicate()


def gone(processes: Processes) -> None:
    """All processes of the test end."""
    deadline = time.monotonic() + SOON
    while processes():
        assert time.monotonic() < deadline, "a process was left behind"
        time.sleep(0.005)


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
    command = [sys.executable, "-m", "host.sim", "--link", str(link), "--nodes", "1,2"]
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


def test_a_file_is_never_replaced_by_a_link(tmp_path: Path) -> None:
    file = tmp_path / "node"
    file.write_text("mine")
    with pytest.raises(NeuronError, match="File exists"):
        simulate(link=str(file)).__enter__()
    assert file.read_text() == "mine"


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
