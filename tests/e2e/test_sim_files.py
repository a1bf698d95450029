"""What a simulated node leaves on a disk, and what it leaves alone: its flash file and its link."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from host.boards.opening import open_node
from host.boards.simulated import build, simulate
from host.core.image import encode
from host.core.wire import IMAGE_MAX, Command
from host.errors import NeuronError
from host.node.staging import deploy
from tests.e2e.conftest import Processes, gone
from tests.e2e.scenario import AND, LIT, NAND, OR, crc_of, largest, running
from tests.e2e.sim_process import native, refused, together
from tests.pdus import stage_frames

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


FLASH = b"\xff" * 6 * 16384
OLD_SIZE = 4 * 16384
"""Of a flash before there was trust."""
MARK = b"neuron485 flash\n"


def test_a_flash_file_of_an_older_version_keeps_all_and_grows(tmp_path: Path) -> None:
    """Also where it was killed while it grew, which its old mark tells."""
    file = tmp_path / "flash.bin"
    with simulate(flash=str(file)) as sim, open_node(sim.port) as node:
        deploy(node, encode(AND))
    grown = file.read_bytes()
    old = grown[:OLD_SIZE] + MARK
    rest = (FLASH + MARK)[len(old) :]
    for kept in (old, old + rest[:1000], old + rest):
        file.write_bytes(kept)
        with simulate(flash=str(file)) as sim, open_node(sim.port) as node:
            assert running(node) == encode(AND)
        assert file.read_bytes() == grown


@pytest.mark.parametrize(
    "content", [b"", b"years of work", FLASH, FLASH + b"?" * len(MARK), FLASH + MARK + b".", FLASH[:OLD_SIZE]]
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
    said, _ = together("--flash", flash, ready=("led", "fault"))
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
    said, errors = together("--link", link)
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
