"""host.scan at simulated nodes that all have one address, with real collisions, and another device on their line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from host import scan
from host.boards.opening import open_node
from host.boards.simulated import Sim, simulate
from host.core.wire import BY_NAME, SEARCH_ADDRESS, WIRE_VERSION, Format, Table
from host.node.fleet import read_fleet
from tests.e2e.shared_line import SharedLine, shared_line
from tests.patience import growing

NODES = 20
DEVICE, REGISTER = 9, 4711

Say = Callable[..., dict[str, Any]]
"""host.scan with --json: what it says, once it has found so many nodes, and nothing was wrong and, with --assign,
nothing is left to be done."""


@pytest.fixture(autouse=True)
def _asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where patience is too short, two requests may reach the bus as one, and be lost: they are repeated sooner."""
    monkeypatch.setattr("host.node.node.DEFAULT_TIMEOUT", 2.0)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def run(port: str, *arguments: str, nodes: int, first: float = 0.1) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for seconds in growing(first):
            status = scan.main([port, *arguments, "--json", "--timeout", str(seconds)])
            printed = capsys.readouterr()
            if status == 2:
                continue
            assert printed.err == ""
            found = json.loads(printed.out)
            if status == 0 and len(found["nodes"]) == nodes and not found["assigned"]:
                break
        return found

    return run


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with simulate(nodes=range(1, NODES + 1), fresh=True) as running:
        yield running


@pytest.fixture
def line(sim: Sim) -> Iterator[SharedLine]:
    with shared_line(sim.port, DEVICE, REGISTER) as shared:
        yield shared


def test_fresh_nodes_are_found_beside_another_device(sim: Sim, line: SharedLine, say: Say) -> None:
    found = say(line.port, "--foreign", "1-12", nodes=NODES)
    assert {node["uid"] for node in found["nodes"]} == set(sim.uids.values())
    assert {node["address"] for node in found["nodes"]} == {1}
    assert found["shared"] == [1]
    assert found["foreign"] == [
        {
            "address": DEVICE,
            "baud": 19200,
            "format": "8E1",
            "says": f"its first holding register is {REGISTER}",
        }
    ]
    assert found["assigned"] == []
    for node in found["nodes"]:
        assert (node["wire_version"], node["firmware"], node["keyed"]) == (WIRE_VERSION, "0.1", False)
        assert (node["model"], node["sequence"], node["trouble"]) == (None, 0, "")
        assert (node["baud"], node["format"]) == (19200, "8E1")
    others = [frame for frame in line.requests if frame[0] != SEARCH_ADDRESS]
    assert {frame[1] for frame in others} == {3}, "others are asked to read"
    assert {frame[0] for frame in others} == {*range(2, 13)}, "and where our nodes are, nobody is asked"
    assert {frame[1] for frame in line.requests if frame[0] == SEARCH_ADDRESS} <= {4, 23, 8}


def test_each_gets_an_address_and_the_device_keeps_its_own(sim: Sim, line: SharedLine, say: Say) -> None:
    found = say(line.port, "--assign", "5", nodes=NODES)
    moves = {node["uid"]: node["address"] for node in found["nodes"]}
    assert found["shared"] == []
    assert set(moves) == set(sim.uids.values())
    assert len(set(moves.values()) - {1, DEVICE}) >= NODES - 1
    assert DEVICE not in moves.values()
    assert min(set(moves.values()) - {1}) == 5
    for uid, address in moves.items():
        with open_node(line.port, address=address) as node:
            assert node.identity().uid == uid


def test_what_is_found_becomes_a_fleets_file(
    tmp_path: Path, say: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fleet.toml"
    with simulate(nodes=[1, 2], fresh=True) as sim:

        def save(expected: int) -> str:
            """What is said once both are found."""
            for seconds in growing(0.1):
                status = scan.main([sim.port, "--timeout", str(seconds), "--save", str(path)])
                said = "".join(capsys.readouterr())
                if status == expected and (status or ": 2 nodes" in said):
                    break
                path.unlink(missing_ok=True)
            return said

        assert "is not written: nodes share an address, which --assign ends" in save(2)
        assert not path.exists()
        found = say(sim.port, "--assign", "11", nodes=2)
        assert f"name a model in it, then python -m host.fleet {sim.port} {path} plan" in save(0)
        fleet = read_fleet(str(path))
        assert {(member.uid, member.address) for member in fleet.members} == {
            (node["uid"], node["address"]) for node in found["nodes"]
        }
        assert (fleet.baud, fleet.line_format) == (19200, Format.F8E1)
        before = path.read_bytes()
        assert scan.main([sim.port, "--save", str(path)]) == 2
        assert "is there already" in capsys.readouterr().err
        assert path.read_bytes() == before


def test_one_lamp_blinks_and_then_does_what_it_did(sim: Sim, capsys: pytest.CaptureFixture[str]) -> None:
    number, uid = next(iter(sim.uids.items()))
    before = len(sim.lines)
    assert scan.main([sim.port, "--lamp", uid.upper(), "--seconds", "0.6"]) == 0
    assert f"the lamp of node {uid} blinks for 0.6 s" in capsys.readouterr().out
    assert sim.wait(lambda now: not now.leds[number])
    lamps = [line for line in sim.lines[before:] if line.startswith("led ")]
    assert f"led {number} on" in lamps
    assert {line.split()[1] for line in lamps} == {str(number)}


def test_a_lamp_that_blinked_before_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with simulate(fresh=True) as sim:
        identify = BY_NAME["IDENTIFY"].address
        with open_node(sim.port) as node:
            node.write_coil(identify, True)
        assert scan.main([sim.port, "--lamp", sim.uids[1], "--seconds", "0.01"]) == 0
        with open_node(sim.port) as node:
            assert node.read(Table.COIL, identify, 1) == [1]


def test_all_rates_find_each_node_once(say: Say) -> None:
    with simulate(nodes=range(1, 4), fresh=True) as sim:
        found = say(sim.port, "--baud-all", nodes=3, first=0.03)  # of 27 speeds each is silence twice
        assert {node["uid"] for node in found["nodes"]} == set(sim.uids.values())
        assert len(found["nodes"]) == 3


def test_a_simulated_node_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert scan.main(["sim"]) == 0
    printed = capsys.readouterr()
    assert "sim, at 19200 8E1: 1 node\n" in printed.out
    assert printed.err == ""


def test_what_is_said_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    with simulate(nodes=range(1, 3), fresh=True) as sim:
        for seconds in growing(0.05):
            assert scan.main([sim.port, "--timeout", str(seconds)]) == 0
            printed = capsys.readouterr().out
            if ": 2 nodes" in printed:
                break
        lines = printed.splitlines()
        assert lines[0].split() == ["UID", "address", "speaks", "firmware", "key", "model"]
        for uid in sim.uids.values():
            assert next(line for line in lines if line.startswith(uid)).split()[1:] == (
                "1 shared 19200 8E1 0.1 no key none".split()
            )
        assert f"{sim.port}, at 19200 8E1: 2 nodes; 2 at address 1" in lines
        assert f"python -m host.scan {sim.port} --assign gives each an address of its own" in lines
        assert "other Modbus devices were not looked for: --foreign does" in lines


def test_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    with simulate(nodes=[1]) as sim:
        assert scan.main([sim.port, "--baud", "9600", "--timeout", "0.05"]) == 0
        assert "nobody answers: check power and wiring (A/B)" in capsys.readouterr().out
        assert scan.main([sim.port, "--baud", "9600", "--timeout", "0.05", "--lamp", "00" * 12]) == 2
        assert capsys.readouterr().err == f"error: no node with UID {'00' * 12} answers\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--lamp", "12"], "'12' is no UID of 24 hex digits"),
        (
            ["--lamp", "00" * 12, "--json"],
            "--lamp UID goes with none of --baud-all, --foreign, --save and --json",
        ),
        (["--seconds", "2"], "--seconds goes with --lamp UID"),
        (["--baud-all", "--baud", "9600"], "leave --baud, --parity and --stop-bits out"),
        (["--foreign", "9-2"], "'9-2' ends before it begins"),
        (["--foreign", "0-2"], "'0' is not a whole number of 1..247"),
        (["--assign", "--lamp", "00" * 12], "not allowed with argument"),
        (["--assign", "248"], "'248' is not a whole number of 1..247"),
    ],
)
def test_wrong_arguments(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert scan.main(["/dev/null", *arguments]) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert len(printed.err.splitlines()) == 1


@pytest.mark.parametrize("port", ["sim", "socket://127.0.0.1:9"])
def test_all_rates_of_a_line_that_has_one(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert scan.main([port, "--baud-all"]) == 2
    assert f"--baud-all does nothing with {port}" in capsys.readouterr().err
