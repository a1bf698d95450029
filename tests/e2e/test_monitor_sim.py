"""A node that decides by itself, watched over the bus: what the monitor reads is what the node has decided."""

from __future__ import annotations

import json
import time

import pytest

from host import monitor
from host.boards.opening import open_node
from host.boards.signals import generated
from host.boards.simulated import simulate
from host.core.image import encode
from host.core.senses import Source
from host.core.wire import Feature
from host.node.staging import deploy
from host.node.watching import Watching
from tests.hop_node import a_model
from tests.patience import PATIENCE

SOURCES = (
    Source(0, Feature.RMS, 1, 5, -100),
    Source(0, Feature.BAND, 3, 5, 0, (1, 3)),
    Source(0, Feature.CROSSINGS, 100, 0, 0),
    Source(8, Feature.COUNT, 100, 0, 0),
)
WINDOWS = 20


def test_every_window_that_is_seen_is_what_the_node_decided() -> None:
    told: list[str] = []
    signal = generated(["a0=sine:50", "d0=pulse:40"])
    with simulate(signal=signal, hops=True, on_line=told.append) as sim, open_node(sim.port) as node:
        deploy(node, encode(a_model(SOURCES, 2, window=64, hop=20)), prove=False)
        watching, seen = Watching(node), []
        deadline = time.monotonic() + PATIENCE
        while len(seen) < WINDOWS and time.monotonic() < deadline:
            if (hop := watching.hop()) is not None:
                seen.append(hop.as_dict())
        last = seen[-1]["sample"]
        assert sim.wait(lambda sim: any(f'"sample":{last},' in line for line in told), timeout=PATIENCE)
    decided = {
        hop["sample"]: hop
        for hop in map(json.loads, (t.removeprefix("hop 1 ") for t in told if t.startswith("hop")))
    }
    assert len(seen) == WINDOWS
    assert [hop for hop in seen if decided[hop["sample"]] != hop] == []
    assert watching.hops.decided == len(seen) + watching.hops.unseen
    assert watching.hops.missed == 0
    samples = [hop["sample"] for hop in seen]
    assert samples == sorted(set(samples))


def test_the_command_watches_a_simulated_node(capsys: pytest.CaptureFixture[str]) -> None:
    with simulate(signal=generated(["a0=sine:50", "d0=pulse:40"])) as sim:
        with open_node(sim.port) as node:
            deploy(node, encode(a_model(SOURCES, window=64, hop=20)), prove=False)
            deadline = time.monotonic() + PATIENCE
            while not node.read_value("WINDOWS") and time.monotonic() < deadline:
                time.sleep(0.01)
        assert monitor.main([sim.port, "--seconds", "0.01"]) == 0
        assert monitor.main([sim.port, "--seconds", "0.01", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "a0.bins(1,3) " in lines[0]
    assert len(json.loads(lines[-1])["features"]) == len(SOURCES)
