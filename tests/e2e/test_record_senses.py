"""What surrounds the decisions of a node that senses, recorded while it decides, by the whole firmware."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host import record
from host.boards.opening import open_node
from host.boards.signals import recorded
from host.boards.simulated import simulate
from host.core.image import encode
from host.data.recording import beside, read_recording
from tests import sensing
from tests.e2e.test_senses import install
from tests.patience import ANSWER

BEFORE, AFTER, SECONDS = 300, 100, 4


def test_what_surrounds_the_decisions_of_a_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A computer that is too slow loses scans, which is said and counted; all others around an event are there."""
    run, path, windows = sensing.recording(6_000, []), tmp_path / "run.csv", list[dict[str, Any]]()

    def show(line: str) -> None:
        if line.startswith("hop "):
            windows.append(json.loads(line.removeprefix("hop 1 ")))

    signal = recorded(run.rate, run.channels, run.samples, run.raw, run.name)
    with simulate(signal=signal, hops=True, on_line=show) as sim:
        with open_node(sim.port) as node:
            install(node, encode(sensing.model(run)))
        around = ["--before", str(BEFORE), "--after", str(AFTER)]
        command = [sim.port, str(path), "--channels", "a0,d2", *around, "--seconds", str(SECONDS), "--json"]
        assert record.main([*command, "--timeout", str(ANSWER)]) == 0
    said, notes, found = (
        json.loads(capsys.readouterr().out),
        json.loads(beside(path).read_text()),
        read_recording(path),
    )
    assert (said["rate"], said["samples"]) == (sensing.RATE, len(found.samples))

    # a delay may be over between two windows: the inputs are then those of the first
    changes = [
        (now["decision"], last["inputs"], now["inputs"])
        for last, now in pairwise(windows)
        if now["decision"] != last["decision"]
    ]
    told = [event for event in notes["events"] if event["kind"] == "DECISION"]
    assert len(told) >= 2
    before = next(i for i, change in enumerate(changes) if told[0]["inputs"] in change)
    for event, (decision, *inputs) in zip(told, changes[before:], strict=False):
        assert event["detail"] == decision
        assert event["inputs"] in inputs

    wanted = np.zeros(int(found.samples[-1]) + 1, bool)
    for event in notes["events"]:
        wanted[max(int(found.samples[0]), event["sample"] - BEFORE) : event["sample"] + AFTER] = True
    for first, count in notes["gaps"]:
        wanted[first : first + count] = False
    assert found.samples.tolist() == np.flatnonzero(wanted).tolist()
    assert (found.raw == run.raw[found.samples % len(run.samples)][:, [0, 3]]).all()
