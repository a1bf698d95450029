"""A simulated node whose channels see a signal: what its sampler gets of it, by the clock and faster."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from host.boards.opening import open_node
from host.boards.signals import HEADER, MAGIC, WORDS_MAX, Signal, generated, recorded
from host.boards.simulated import Sim, build, simulate
from host.compiler import ROOT
from host.core.channels import NAMES, mask_of
from host.core.wire import RAW_MAX, SAMPLE_MISSING, SAMPLE_WORDS
from host.node.node import Node
from host.sim import Shown
from tests.patience import PATIENCE

# -------------------------------------------------------------------------------------------------- what is sampled


def counting(scans: int, rate: int = 1000) -> Signal:
    """Every scan has another value: a1 counts, d2 is its lowest bit."""
    count = np.arange(scans)
    return recorded(rate, ("a1", "d2"), count, np.stack([count % (RAW_MAX + 1), count % 2], axis=1), "count")


COUNTING = mask_of(["a1", "d2"])


def scans(node: Node, first: int, count: int, width: int = 2) -> np.ndarray:
    """(count, width) words of scans from that number on, as soon as they are there."""
    found = np.empty((0, width), int)
    deadline = time.monotonic() + PATIENCE
    while len(found) < count and time.monotonic() < deadline:
        node.write_values(SAMPLE_FROM=first + len(found))
        there = node.read_value("SAMPLES_HEAD") - first - len(found)
        assert node.read_value("SAMPLES_FIRST") == first + len(found), "they are kept"
        fit = min(there, 120 // width, count - len(found))
        found = np.vstack([found, np.reshape(node.read_value("SAMPLES")[: fit * width], (fit, width))])
    assert len(found) == count
    return found


def test_a_board_without_a_signal_is_quiet() -> None:
    with simulate() as sim, open_node(sim.port) as node:
        assert node.read_value("CHANNELS") == mask_of(NAMES)
        calibration = node.read_value("CALIBRATION")
        node.write_values(SAMPLE_RATE=1000, SAMPLE_CHANNELS=mask_of(NAMES))
        quiet = [0] * 6 + [calibration[0], calibration[2], 0]
        assert scans(node, 0, 20, width=9).tolist() == [quiet] * 20


@pytest.mark.parametrize(("rate", "node_rate"), [(1000, 1000), (4000, 1000), (1000, 3000), (1000, 700)])
def test_a_scan_of_the_node_takes_the_newest_of_the_signal(
    rate: int, node_rate: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with simulate(signal=counting(4000, rate), on_line=Shown()) as sim, open_node(sim.port) as node:
        for _ in range(2):  # it begins whenever a sampling does, and what is amiss is said once
            first = node.read_value("SAMPLES_HEAD")
            node.write_values(SAMPLE_RATE=node_rate, SAMPLE_CHANNELS=COUNTING)
            expected = np.arange(200) * rate // node_rate
            assert (scans(node, first, 200) == np.stack([expected, (expected % 2) << 2], axis=1)).all()
            node.write_values(SAMPLE_CHANNELS=0)
        assert node.read_value("SCANS_LOST") == 0
    note = f"note: node 1: it samples {node_rate} times a second and the signal has {rate} scans: each sample takes "
    assert capsys.readouterr().err == ("" if rate == node_rate else f"{note}the newest of them\n")


def test_what_is_made_up_suits_every_rate_that_divides_its_own() -> None:
    made = generated(["a1=ramp:1"])
    with simulate(signal=made) as sim, open_node(sim.port) as node:
        for rate in (4000, 600, 7000):
            first = node.read_value("SAMPLES_HEAD")
            node.write_values(SAMPLE_RATE=rate, SAMPLE_CHANNELS=mask_of(["a1"]))
            expected = made.raw[np.arange(100) * made.rate // rate]
            assert (scans(node, first, 100, width=1) == expected).all()
            node.write_values(SAMPLE_CHANNELS=0)
    (note,) = (line for line in sim.lines if line.startswith("note "))
    assert "it samples 7000 times a second and the signal has 60000 scans" in note


def test_a_signal_is_played_again_and_again() -> None:
    with simulate(signal=counting(7)) as sim, open_node(sim.port) as node:
        node.write_values(SAMPLE_RATE=1000, SAMPLE_CHANNELS=COUNTING)
        assert scans(node, 0, 30)[:, 0].tolist() == [n % 7 for n in range(30)]


def test_a_signal_that_is_played_once_ends() -> None:
    with simulate(signal=counting(50, rate=2000), once=True) as sim, open_node(sim.port) as node:
        node.write_values(SAMPLE_RATE=1000, SAMPLE_CHANNELS=COUNTING)
        assert sim.wait(lambda now: "ended 1" in now.lines)
        assert node.read_value("SAMPLES_HEAD") == 25
        assert scans(node, 0, 25)[:, 0].tolist() == list(range(0, 50, 2))
        node.write_values(SAMPLE_CHANNELS=COUNTING | 1)
        assert sim.wait(lambda now: now.lines.count("ended 1") == 2), "a new sampling hears it anew"
        assert node.read_value("SAMPLES_HEAD") == 50
        assert sim.running


def test_scans_that_a_recording_has_not_are_missing() -> None:
    numbers = np.array([100, 101, 104, 110, 111])
    raw = np.stack([numbers, numbers % 2], axis=1)
    signal = recorded(1000, ("a1", "d2"), numbers, raw, "gaps")
    with simulate(signal=signal, once=True) as sim, open_node(sim.port) as node:
        node.write_values(SAMPLE_RATE=1000, SAMPLE_CHANNELS=COUNTING)
        assert sim.wait(lambda now: "ended 1" in now.lines)
        expected = np.full((12, 2), SAMPLE_MISSING)
        expected[numbers - 100, 0], expected[numbers - 100, 1] = numbers, (numbers % 2) << 2
        assert (scans(node, 0, 12) == expected).all()
        assert node.read_value("SCANS_LOST") == 7


def test_every_node_of_a_bus_sees_the_signal() -> None:
    with simulate(nodes=[1, 2], signal=counting(30), once=True) as sim:
        for address in (1, 2):
            with open_node(sim.port, address=address) as node:
                node.write_values(SAMPLE_RATE=1000, SAMPLE_CHANNELS=COUNTING)
                assert scans(node, 0, 30)[:, 0].tolist() == list(range(30))


# -------------------------------------------------------------------------------------------- a process that is late


def stopped(sim: Sim, seconds: float) -> None:
    """The node's process does nothing for at least so long."""
    parent = sim._process.pid
    (node,) = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    os.kill(int(node), signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(int(node), signal.SIGCONT)


HAS_CHILDREN = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists()


@pytest.mark.skipif(not HAS_CHILDREN, reason="finds the node's process in Linux's /proc")
def test_a_process_that_is_late_loses_nothing_that_the_ring_can_hold() -> None:
    """At 10 scans a second it holds a quarter of an hour."""
    with simulate(signal=counting(4000, rate=10)) as sim, open_node(sim.port) as node:
        node.write_values(SAMPLE_RATE=10, SAMPLE_CHANNELS=COUNTING)
        scans(node, 0, 1)
        stopped(sim, 0.5)
        assert scans(node, 0, 6)[:, 0].tolist() == list(range(6))
        assert node.read_value("SCANS_LOST") == 0


@pytest.mark.skipif(not HAS_CHILDREN, reason="finds the node's process in Linux's /proc")
def test_what_the_ring_cannot_hold_is_missing_and_the_rest_keeps_its_numbers() -> None:
    """Twelve channels at 10 kHz fill it in 0.18 s."""
    kept, count = SAMPLE_WORDS // 9, 12_000
    with simulate(signal=counting(count, rate=10_000), once=True) as sim, open_node(sim.port) as node:
        node.write_values(SAMPLE_RATE=10_000, SAMPLE_CHANNELS=mask_of(NAMES))
        stopped(sim, 1.0)
        assert sim.wait(lambda now: "ended 1" in now.lines)
        assert node.read_value("SAMPLES_HEAD") == count
        assert node.read_value("SCANS_LOST") > 0
        last, expected = scans(node, count - kept, kept, width=9)[:, 1], np.arange(count - kept, count)
        there = last != SAMPLE_MISSING
        assert there.any()
        assert (last == expected % (RAW_MAX + 1))[there].all()


# --------------------------------------------------------------------------------------------------- what is refused


def head(
    rate: int = 1000, channels: int = mask_of(["a0"]), scans: int = 2, flags: int = 0, magic: bytes = MAGIC
) -> bytes:
    return HEADER.pack(magic, rate, channels, scans, flags)


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}H", *values)


NO_SIGNAL, NO_SIZE, NO_VALUE = (
    "it is no signal",
    "its size is not that of its scans",
    "it has a value that no channel gives",
)
BOTH = mask_of(["a0", "d1"])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", NO_SIGNAL),
        (b"sample,time,a0\n0,0,5\n", NO_SIGNAL),
        (head()[:-1], NO_SIGNAL),
        (head(magic=b"neuron485 flash\n") + words(1, 2), NO_SIGNAL),
        (head(rate=0) + words(1, 2), "its rate is out of range"),
        (head(rate=1_000_001) + words(1, 2), "its rate is out of range"),
        (head(channels=0) + words(1, 2), "it has channels that the board does not have, or none"),
        (head(channels=1 << 12) + words(1, 2), "it has channels that the board does not have, or none"),
        (head(channels=0xFFFFFFFF) + words(1, 2), "it has channels that the board does not have, or none"),
        (head(flags=2) + words(1, 2), "it has flags of another version"),
        (head(scans=0), NO_SIZE),
        (head() + words(1), NO_SIZE),
        (head() + words(1, 2, 3), NO_SIZE),
        (head() + words(1, 2) + b"\0", NO_SIZE),
        (head(scans=0xFFFFFFFF) + words(1, 2), NO_SIZE),
        (head(scans=1 << 31) + words(1, 2), NO_SIZE),
        (head(scans=WORDS_MAX + 1) + words(1, 2), NO_SIZE),
        (head() + words(1, 4096), NO_VALUE),
        (head() + words(1, 0xFFFE), NO_VALUE),
        (head(channels=BOTH) + words(1, 0, 2, 1), NO_VALUE),
        (head(channels=BOTH) + words(1, 0, 2, 4), NO_VALUE),
        (head(channels=BOTH) + words(1, 0, 0xFFFF, 0), NO_VALUE),
        (head(channels=BOTH) + words(1, 0, 1, 0xFFFF), NO_VALUE),
        (head(channels=mask_of(["d1"])) + words(2, 1), NO_VALUE),
    ],
)
def test_a_signal_that_cannot_be_is_refused_in_a_line(content: bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "signal"
    file.write_bytes(content)
    assert refused(file) == f"signal {file}: {why}\n"


def test_what_is_no_file_is_no_signal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, why in (
        (tmp_path, NO_SIGNAL),
        (tmp_path / "pipe", NO_SIGNAL),
        (Path("/dev/zero"), NO_SIGNAL),
        (tmp_path / "none", "No such file or directory"),
    ):
        assert refused(path) == f"signal {path}: {why}\n"


def refused(path: Path) -> str:
    """What the simulation's own program says of a signal with which it does not start."""
    result = subprocess.run(
        [str(build()), "--signal", str(path), "--until-eof"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (result.returncode, result.stdout) == (2, "")
    return result.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--fast"], "--once and --fast play a signal: give --signal"),
        (["--once"], "--once and --fast play a signal: give --signal"),
        (["--signal", ""], "an empty name"),
        (["--signal", "none.csv"], "cannot read none.csv: No such file or directory"),
        (["--signal", "pyproject.toml"], "pyproject.toml, line 1: not the header of a recording"),
        (["--signal", "a0=sine:50,a0=step"], "--signal a0=step: a0 has a signal already"),
        (["--signal", "a0=sine:50", "--signal", "a1=wave"], "--signal a1=wave: a1 has no generator 'wave'"),
    ],
)
def test_the_command_refuses_in_a_line(arguments: list[str], why: str) -> None:
    command = [sys.executable, "-m", "host.sim", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert why in result.stderr
