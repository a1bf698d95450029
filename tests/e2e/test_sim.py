"""The simulated node as such: many on a bus, TCP, its flash file, the pace of the wire, and how it ends."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
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
from host.sim import Shown
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


def refused(**options: Any) -> str:
    """The line with which a simulation does not start."""
    with pytest.raises(NeuronError, match="the simulated node did not start: ") as error, simulate(**options):
        pass
    assert "\n" not in str(error.value)
    return str(error.value)


FLASH = b"\xff" * 4 * 16384
MARK = b"neuron485 flash\n"


@pytest.mark.parametrize(
    "content", [b"", b"years of work", FLASH, FLASH + b"?" * len(MARK), FLASH + MARK + b"."]
)
def test_a_file_that_is_no_flash_is_refused_and_left_alone(content: bytes, tmp_path: Path) -> None:
    """Not even one of its size, as old versions wrote them."""
    file = tmp_path / "thesis"
    file.write_bytes(content)
    assert "it is not the flash of a simulated node of this version; choose another name" in refused(
        flash=str(file)
    )
    assert file.read_bytes() == content
    assert os.listdir(tmp_path) == ["thesis"]


def test_what_is_no_file_is_no_flash(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nothing")
    for name, why in (
        (tmp_path, "Is a directory"),
        (tmp_path / "pipe", "it is no file; choose another name"),
        (Path("/dev/zero"), "it is no file; choose another name"),
        (tmp_path / "link", "No such file"),
        (tmp_path / "none" / "flash.bin", "No such file"),
        (tmp_path / ("n" * 300), "File name too long"),
        ("n/" * 4000, "its name is too long"),
    ):
        assert why in refused(flash=str(name)), name
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe"]


@pytest.mark.skipif(
    shutil.which("prlimit") is None, reason="a disk is full where files may not grow: needs prlimit"
)
def test_a_flash_file_without_room_is_not_made(tmp_path: Path) -> None:
    flash = tmp_path / "flash.bin"
    for room in (0, 4096, len(FLASH)):
        command = ["prlimit", f"--fsize={room}", str(build()), "--flash", str(flash)]
        done = subprocess.run(
            ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh", *command], capture_output=True, text=True
        )
        assert done.returncode == 3
        assert done.stderr == f"node 1: flash file {flash}: File too large\n"
        assert os.listdir(tmp_path) == []
    # Without that trap the node is killed in the middle of it.
    killed = subprocess.run(command, capture_output=True, text=True)
    assert killed.stderr == "node 1: its process has ended\n"
    assert not flash.exists()
    with simulate(flash=str(flash)):
        assert len(flash.read_bytes()) == len(FLASH + MARK)
        assert flash.read_bytes().endswith(MARK)


def test_nodes_that_start_together_do_not_take_the_flash_of_each_other(tmp_path: Path) -> None:
    flash = str(tmp_path / "flash.bin")
    command = [str(build()), "--flash", flash, "--until-eof"]
    many = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for _ in range(6)
    ]
    try:
        said = [next((s for s in p.stdout or () if s.startswith(("led", "fault"))), "") for p in many]
    finally:
        for process in many:
            process.communicate()
    assert said.count("led 1 off\n") == 1
    assert said.count(f"fault node 1: flash file {flash}: another simulated node is using it\n") == 5
    assert os.listdir(tmp_path) == ["flash.bin"]


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
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------------------------------------------------- its link


def test_a_link_that_lives_is_not_taken_over(tmp_path: Path) -> None:
    link = tmp_path / "node"
    with simulate(link=str(link)) as sim:
        leads_to = os.readlink(link)
        assert refused(link=str(link)).endswith(
            f"{link} is in use by another simulation; choose another name"
        )
        assert os.readlink(link) == leads_to
        with open_node(str(link)):
            assert "is in use by another simulation" in refused(link=str(link))
        assert sim.running
    assert os.listdir(tmp_path) == []


def test_of_simulations_that_start_together_one_gets_the_link(tmp_path: Path) -> None:
    link = str(tmp_path / "node")
    command = [str(build()), "--link", link, "--until-eof"]
    many = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    try:
        said = [process.stdout.readline() if process.stdout else "" for process in many]
    finally:
        errors = [process.communicate()[1] for process in many]
    assert sorted(said) == [""] * 5 + [f"bus {link}\n"]
    assert sorted(errors) == ["", *[f"{link} is in use by another simulation; choose another name\n"] * 5]
    assert os.listdir(tmp_path) == []


def test_a_link_whose_pty_now_is_another_simulations_is_still_dead(
    tmp_path: Path, processes: Processes
) -> None:
    """The system gives the numbers of ptys again."""
    old = tmp_path / "old"
    with native("--link", str(old)) as (process, _):
        process.kill()
        gone(processes)
    with simulate() as sim:
        old.unlink()
        old.symlink_to(sim.port)
        (tmp_path / "old.lock").write_text(f"neuron485 link\n{sim.port}")
        with simulate(link=str(old)):
            assert os.readlink(old) != sim.port
    assert os.listdir(tmp_path) == []


def a_file(path: Path) -> None:
    path.write_text("mine")


def a_link(path: Path) -> None:
    path.symlink_to("/dev/null")


def a_dead_link(path: Path) -> None:
    path.symlink_to("/dev/pts/9999")


def a_link_put_in_the_place_of_a_dead_one(path: Path) -> None:
    path.symlink_to("/dev/pts/9998")
    path.with_name("node.lock").write_text("neuron485 link\n/dev/pts/9999")


@pytest.mark.parametrize(
    "make", [Path.mkdir, a_file, a_link, a_dead_link, a_link_put_in_the_place_of_a_dead_one]
)
def test_what_no_simulation_has_made_is_never_replaced(make: Callable[[Path], None], tmp_path: Path) -> None:
    def listed() -> list[tuple[str, int]]:
        return sorted((entry.name, entry.inode()) for entry in os.scandir(tmp_path))

    make(tmp_path / "node")
    before = listed()
    said = refused(link=str(tmp_path / "node"))
    assert said.endswith("node is there, and no simulation has made it; choose another name")
    assert listed() == before


def test_a_lock_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "node.lock").write_text("mine")
    said = refused(link=str(tmp_path / "node"))
    assert said.endswith("node.lock is no simulation's lock; choose another name for the link")
    assert (tmp_path / "node.lock").read_text() == "mine"
    assert os.listdir(tmp_path) == ["node.lock"]


def test_a_link_that_was_replaced_meanwhile_stays(tmp_path: Path) -> None:
    link = tmp_path / "node"
    with simulate(link=str(link)):
        link.unlink()
        link.write_text("mine")
    assert link.read_text() == "mine"
    assert os.listdir(tmp_path) == ["node"]


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
