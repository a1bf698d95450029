"""The proof: what a node decides by its channels alone is what the PC computes from the same recording, bit for bit.

The whole firmware runs, with the model that it was deployed; no master is on the bus while it decides.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host.boards.opening import open_node
from host.boards.signals import Signal, recorded
from host.boards.simulated import simulate
from host.compiler import ROOT
from host.core.channels import NAMES
from host.core.image import Model, encode, image_crc
from host.core.windows import Hops, hops
from host.core.wire import ANALOG, DIGITAL, SAMPLE_WORDS, Command
from host.data.recording import Recording, read_recording
from host.node.node import Node
from host.node.staging import stage
from tests.models import random_model
from tests.patience import PATIENCE
from tests.sensing import HOP, WINDOW, by_channel, model, recording, write

WINDOWS = 10_000
WIDTH = 3
"""Words of a scan: two analog channels, and the levels."""
GAPS = [
    (0, 3),
    (5_000, 1),
    (9_000, WINDOW),
    (20_000, 700),
    (40_000, SAMPLE_WORDS // WIDTH - 1),
    (60_000, SAMPLE_WORDS // WIDTH),
    (80_000, 6_000),
    (170_001, 5),
    (170_007, 1),
]
"""Also as long as the ring, and longer."""


@pytest.fixture(scope="module")
def run() -> Recording:
    missed = 1_400
    return recording((WINDOWS + missed) * HOP, GAPS)


@pytest.fixture(scope="module")
def sensing(run: Recording) -> Model:
    return model(run)


def require_equal(shown: list[dict[str, Any]], expected: Hops) -> None:
    """All of every window."""
    assert len(shown) == len(expected.samples)
    for name, column in (
        ("sample", expected.samples),
        ("features", expected.features),
        ("inputs", expected.inputs),
        ("outputs", expected.outputs),
        ("decision", expected.decisions),
        ("led", expected.decisions),
    ):
        found = np.array([window[name] for window in shown])
        assert found.shape == column.shape
        assert np.argwhere(found != column)[:9].tolist() == [], name


def install(node: Node, image: bytes) -> None:
    """Whether a board could decide in time or not: it is the simulation's own."""
    stage(node, image)
    node.command(Command.INSTALL, "take the image", len(image), image_crc(image))


def kept(made: Model, flash: Path) -> None:
    """A flash in which a node keeps this model."""
    image = encode(made)
    with simulate(flash=str(flash)) as sim, open_node(sim.port) as node:
        install(node, image)
        assert node.wait_idle().model_crc == image_crc(image)


def played(csv: Path, flash: Path, note: str = "") -> list[str]:
    """The lines of `host.sim --signal CSV --fast --hops`. note: what it says beside them."""
    command = [
        sys.executable,
        "-m",
        "host.sim",
        "--flash",
        str(flash),
        "--signal",
        str(csv),
        "--fast",
        "--hops",
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (result.returncode, result.stderr) == (0, note)
    return result.stdout.splitlines()


def test_every_window_on_the_node_is_the_pcs_own(run: Recording, sensing: Model, tmp_path: Path) -> None:
    csv, flash = tmp_path / "test.csv", tmp_path / "flash"
    write(run, csv)
    kept(sensing, flash)
    lines = played(csv, flash)
    windows = [json.loads(line.removeprefix("hop 1 ")) for line in lines if line.startswith("hop ")]
    expected = hops(sensing, 0, by_channel(read_recording(csv)))
    assert len(expected.samples) >= WINDOWS
    assert expected.missed > 500
    require_equal(windows, expected)
    assert (expected.inputs == -32768).any()
    assert (expected.inputs == 32767).any()
    lamp = [line for line in lines if "LED" in line]
    changes = np.count_nonzero(np.diff(expected.decisions, prepend=False))
    assert changes > 50
    assert len(lamp) == 1 + changes, "the lamp is set at the start, and at every change"
    assert lines[-1] == "node 1   its signal has ended"


def test_a_hole_longer_than_the_ring_is_played_short_and_changes_no_window(tmp_path: Path) -> None:
    """The PC computes the recording with the whole hole; behind it, all numbers are nearer by the same."""
    hole, short = 40_000, 1024 + 40_000 % 1024
    run, csv, flash = recording(60_000, [(10_000, hole)]), tmp_path / "test.csv", tmp_path / "flash"
    write(run, csv)
    made = model(run)
    kept(made, flash)
    note = (
        f"note: 1 hole of more than 16384 samples in {csv}, as a pause or a restart leaves, played as a short one, "
        "over which no window reaches either\n"
    )
    lines = played(csv, flash, note)
    windows = [json.loads(line.removeprefix("hop 1 ")) for line in lines if line.startswith("hop ")]
    expected = hops(made, 0, by_channel(run))
    behind = expected.samples > 10_000
    assert 0 < np.count_nonzero(behind) < len(behind)
    require_equal(windows, replace(expected, samples=expected.samples - behind * (hole - short)))


def of_run(run: Recording) -> Signal:
    return recorded(run.rate, run.channels, run.samples, run.raw, run.name)


def part_of(run: Recording, scans: int) -> Recording:
    return replace(run, samples=run.samples[:scans], raw=run.raw[:scans])


class Shown:
    """The windows that a simulation tells."""

    def __init__(self) -> None:
        self.windows: list[dict[str, Any]] = []

    def __call__(self, line: str) -> None:
        if line.startswith("hop "):
            self.windows.append(json.loads(line.removeprefix("hop 1 ")))


def test_a_fast_simulation_waits_for_a_model_and_ends_with_its_recording(
    run: Recording, sensing: Model
) -> None:
    part, shown, image = part_of(run, 30_000), Shown(), encode(sensing)
    with simulate(signal=of_run(part), fast=True, hops=True, on_line=shown) as sim:
        with open_node(sim.port) as node:
            assert shown.windows == []
            install(node, image)
        assert not sim.wait(lambda now: False, PATIENCE), "it ends by itself"
        assert "ended 1" in sim.lines
    assert sim.exit_status == 0
    require_equal(shown.windows, hops(sensing, 0, by_channel(part)))


def test_by_the_clock_the_windows_are_the_same(run: Recording, sensing: Model, tmp_path: Path) -> None:
    """A computer that is too slow may miss some; those that are decided are right. The recording begins anew within."""
    part, shown = part_of(run, 700), Shown()
    kept(sensing, tmp_path / "flash")
    with simulate(flash=str(tmp_path / "flash"), signal=of_run(part), hops=True, on_line=shown) as sim:
        assert sim.wait(lambda now: len(shown.windows) >= 80, PATIENCE)
    again = {channel: np.tile(values, 100) for channel, values in by_channel(part).items()}
    expected = hops(sensing, 0, again)
    places = np.searchsorted(expected.samples, [window["sample"] for window in shown.windows])
    assert (np.diff(places) > 0).all()
    for name in ("samples", "features", "inputs", "outputs"):
        found = [window["sample" if name == "samples" else name] for window in shown.windows]
        assert found == getattr(expected, name)[places].tolist(), name


def any_signal(scans: int) -> Signal:
    """All channels, near and far, with gaps."""
    rng = np.random.default_rng(11)
    steps = rng.integers(-900, 901, (scans, ANALOG)) >> rng.integers(0, 10, ANALOG)
    analog = np.abs((np.cumsum(steps, axis=0) + 2048) % 8190 - 4095)
    digital = np.cumsum(rng.random((scans, DIGITAL)) < (0.5, 0.1, 0.02, 0.3), axis=0) % 2
    there = np.ones(scans, bool)
    for first in rng.integers(1, scans - 30, 5).tolist():
        there[first : first + int(rng.integers(1, 30))] = False
    raw = np.hstack([analog, digital])
    return recorded(1000, NAMES, np.flatnonzero(there), raw[there], "any")


def any_model(seed: int) -> Model:
    """Of any size, features, bands, rate, window and hop, and any decision."""
    rng = np.random.default_rng(seed)
    while (found := random_model(rng, largest=12, senses=True)).senses is None:
        pass
    hop = int(rng.choice([1, 7, found.senses.window, 3 * found.senses.window]))
    return replace(found, senses=replace(found.senses, hop=hop, expected=()))


def test_whatever_a_node_senses_is_the_pcs_own(tmp_path: Path) -> None:
    """Eight nodes of a bus, each with another model, see one signal, each at its own rate."""
    seen = any_signal(1_500)
    models = {address: any_model(address) for address in range(1, 9)}
    flash = tmp_path / "flash"
    for address, made in models.items():
        kept(made, flash.with_suffix(f".{address}"))
    windows: dict[int, list[dict[str, Any]]] = {address: [] for address in models}

    def take(line: str) -> None:
        kind, _, rest = line.partition(" ")
        address, _, text = rest.partition(" ")
        if kind == "hop":
            windows[int(address)].append(json.loads(text))

    with simulate(
        nodes=list(models), flash=str(flash), signal=seen, fast=True, hops=True, on_line=take
    ) as sim:
        assert not sim.wait(lambda now: False, PATIENCE)
    for address, made in models.items():
        rate = made.senses.rate
        at = np.arange(-(-len(seen.raw) * rate // seen.rate)) * seen.rate // rate
        expected = hops(made, 0, dict(enumerate(seen.raw[at].T)))
        require_equal(windows[address], expected)
    assert sum(map(len, windows.values())) > 1_000
