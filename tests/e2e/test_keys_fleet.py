"""A fleet whose nodes obey a key, on a simulated bus: places, images, a switch together and a trial, all by signed
orders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host import fleet, keys
from host.boards.opening import open_node
from host.boards.simulated import Sim, simulate
from host.cli.key import VARIABLE
from host.core.image import encode
from host.errors import EXIT_FAILURE
from host.node import keyfile
from tests.e2e.scenario import AND, OR, crc_of
from tests.patience import ANSWER

NODES = (1, 2, 3)
GROUP = 7
PATIENT = ("--timeout", str(ANSWER))


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(keyfile, "ARGON_BLOCKS", 8)
    monkeypatch.setenv(VARIABLE, "correct horse")
    assert keys.main(["new", str(tmp_path / "site.key")]) == 0
    return str(tmp_path / "site.key")


@pytest.fixture
def bus(key: str, capsys: pytest.CaptureFixture[str]) -> Iterator[Sim]:
    """All of whose nodes obey the key."""
    with simulate(nodes=NODES, present=True) as sim:
        for address in NODES:
            install = ["install", sim.port, "--address", str(address), "--key", key]
            assert keys.main([*install, *PATIENT]) == 0
        capsys.readouterr()
        yield sim


@pytest.fixture
def file(tmp_path: Path, bus: Sim) -> Path:
    """The fleet, each node in the group and with AND."""
    (tmp_path / "and.img").write_bytes(encode(AND))
    (tmp_path / "or.img").write_bytes(encode(OR))
    text = ""
    for address in NODES:
        with open_node(bus.port, address=address, timeout=ANSWER) as node:
            uid = node.read_value("UID").hex()
        text += (
            f'[[node]]\nuid = "{uid}"\nname = "node {address}"\naddress = {address}\n'
            f'model = "and.img"\ngroup = {GROUP}\n'
        )
    (tmp_path / "fleet.toml").write_text(text)
    return tmp_path / "fleet.toml"


def apply(
    bus: Sim, file: Path, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, dict[str, Any]]:
    status = fleet.main([bus.port, str(file), "apply", *arguments, "--json", *PATIENT])
    out, err = capsys.readouterr()
    assert err == ""
    return status, json.loads(out)


def crcs(bus: Sim) -> list[int]:
    found = []
    for address in NODES:
        with open_node(bus.port, address=address, timeout=ANSWER) as node:
            found.append(node.wait_idle().model_crc)
    return found


def test_a_fleet_that_obeys_a_key(bus: Sim, file: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, without = apply(bus, file, capsys)
    assert status == 1
    assert {outcome["fate"] for outcome in without["outcomes"]} <= {"old", "same"}
    assert all("give its file by --key" in outcome["trouble"] for outcome in without["outcomes"])

    status, said = apply(bus, file, capsys, "--key", key)
    assert [outcome["trouble"] for outcome in said["outcomes"]] == [""] * len(NODES)
    assert (status, said["as_wanted"]) == (0, True)
    assert crcs(bus) == [crc_of(AND)] * len(NODES)

    file.write_text(file.read_text().replace("and.img", "or.img"))
    status, said = apply(bus, file, capsys, "--key", key, "--trial", "1", "--canary", "1")
    assert [outcome["trouble"] for outcome in said["outcomes"]] == [""] * len(NODES)
    assert [outcome["canary"] for outcome in said["outcomes"]] == [True, False, False]
    assert (status, crcs(bus)) == (0, [crc_of(OR)] * len(NODES))


def test_the_key_goes_with_apply(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fleet.main(["nowhere", "fleet.toml", "status", "--key", key]) == EXIT_FAILURE
    assert "--key goes with apply" in capsys.readouterr().err
