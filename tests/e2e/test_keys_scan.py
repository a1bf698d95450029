"""Nodes that obey a key and share an address: it takes the key to give them others, or to blink one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host import keys, scan
from host.boards.opening import open_node
from host.boards.simulated import Sim, simulate
from host.cli.key import VARIABLE
from host.errors import EXIT_FAILURE
from host.node import keyfile
from host.node.keyed import with_key
from host.node.keyfile import read_key
from host.node.line import read_settings, save_settings
from tests.patience import ANSWER, growing

PASSPHRASE = "correct horse"
PATIENT = ("--timeout", str(ANSWER))


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(keyfile, "ARGON_BLOCKS", 8)
    monkeypatch.setattr("host.node.node.DEFAULT_TIMEOUT", 2.0)
    monkeypatch.setenv(VARIABLE, PASSPHRASE)
    assert keys.main(["new", str(tmp_path / "site.key")]) == 0
    return str(tmp_path / "site.key")


@pytest.fixture
def bus(key: str, capsys: pytest.CaptureFixture[str]) -> Iterator[Sim]:
    """Two nodes that obey it, inputs and coils included, both at one address."""
    with simulate(nodes=(1, 2), fresh=True, present=True) as sim:
        found(sim, capsys, "--assign", moved=1)
        addresses = [node["address"] for node in found(sim, capsys, moved=1)["nodes"]]
        for address in addresses:
            install = ["install", sim.port, "--address", str(address), "--key", key, "--guard-inputs"]
            assert keys.main([*install, *PATIENT]) == 0
        with open_node(sim.port, address=addresses[1], timeout=ANSWER) as node:
            own = with_key(node, read_key(key).open(PASSPHRASE))
            save_settings(own, replace(read_settings(own), address=addresses[0]))
        capsys.readouterr()
        yield sim


def found(bus: Sim, capsys: pytest.CaptureFixture[str], *arguments: str, moved: int) -> dict[str, Any]:
    """What host.scan says, once it has found both and as many have an address of their own."""
    said: dict[str, Any] = {}
    for seconds in growing(0.1):
        status = scan.main([bus.port, *arguments, "--json", "--timeout", str(seconds)])
        printed = capsys.readouterr()
        if status == EXIT_FAILURE:
            continue
        said = json.loads(printed.out)
        addresses = {node["address"] for node in said["nodes"]}
        addresses |= {move["address"] for move in said["assigned"] if not move["trouble"]}
        if len(said["nodes"]) == 2 and len(addresses) > moved:
            break
    return said


def test_addresses_change_by_the_key_only(bus: Sim, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = found(bus, capsys, "--assign", moved=0)
    assert [node["keyed"] for node in said["nodes"]] == [True, True]
    assert {move["trouble"] for move in said["assigned"]} == {
        "a key is installed: its address changes by a signed order only"
    }
    found(bus, capsys, "--assign", "--key", key, moved=1)
    said = found(bus, capsys, moved=1)
    assert said["shared"] == []
    assert len({node["address"] for node in said["nodes"]}) == 2


def test_one_lamp_blinks_by_the_key_only(bus: Sim, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    blink = [bus.port, "--lamp", next(iter(bus.uids.values())), "--seconds", "0.1", "--timeout", "2"]
    assert scan.main(blink) == EXIT_FAILURE
    assert "a key is installed: this needs a signed order, give the key's file by --key" in (
        capsys.readouterr().err
    )
    assert scan.main([*blink, "--key", key]) == 0


def test_to_look_needs_no_key(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert scan.main(["nowhere", "--key", key]) == EXIT_FAILURE
    assert "--key goes with --assign or --lamp" in capsys.readouterr().err
