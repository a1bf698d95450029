"""host.fleet beside simulated nodes on one bus, as people type it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from host import fleet
from host.boards.simulated import Sim, simulate
from host.compiler import ROOT
from host.core.image import encode
from host.core.wire import DEFAULT_FORMAT, UID_BYTES
from host.node.link import open_link
from host.node.node import Node
from host.node.staging import deploy, running_image
from tests.e2e.scenario import AND, NAND, OR, largest
from tests.patience import ANSWER, PATIENCE

ADDRESSES = (11, 12, 13)
IMAGES = {
    "and.img": encode(AND),
    "or.img": encode(OR),
    "nand.img": encode(NAND),
    "big.img": encode(largest()),
}


def uid(address: int) -> str:
    """Of a simulated node that was started with this address."""
    return (b"simulated".ljust(UID_BYTES - 1, b"\0") + bytes([address])).hex()


def fleet_file(folder: Path, models: dict[int, str], baud: int = 19200) -> str:
    """A file that wants these at these addresses."""
    for name, image in IMAGES.items():
        (folder / name).write_bytes(image)
    nodes = [
        f'[[node]]\nuid = "{uid(address)}"\nname = "n{address}"\naddress = {address}\nmodel = "{model}"\n'
        for address, model in models.items()
    ]
    path = folder / "fleet.toml"
    path.write_text(f"[fleet]\nbaud = {baud}\n" + "\n".join(nodes))
    return str(path)


@pytest.fixture
def bus() -> Iterator[Sim]:
    with simulate(nodes=ADDRESSES) as sim:
        yield sim


def images(port: str, addresses: Sequence[int] = ADDRESSES) -> list[bytes | None]:
    """What each node runs."""
    link = open_link(port, baud=19200, line_format=DEFAULT_FORMAT, timeout=ANSWER)
    try:
        found = []
        for address in addresses:
            node = Node(link, address)
            identity = node.wait_idle()
            found.append(running_image(node, identity) if identity.sequence else None)
        return found
    finally:
        link.close()


def test_plan_apply_and_status(bus: Sim, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = fleet_file(tmp_path, {11: "nand.img", 12: "nand.img", 13: "and.img"})
    assert fleet.main([bus.port, file, "plan"]) == 1
    planned = capsys.readouterr().out
    assert "to be sent: nand.img" in planned
    assert images(bus.port) == [None] * 3
    assert fleet.main([bus.port, file, "apply"]) == 0
    assert capsys.readouterr().out.endswith("3 of 3 nodes as wanted\n")
    assert images(bus.port) == [IMAGES["nand.img"], IMAGES["nand.img"], IMAGES["and.img"]]
    assert bus.wait(lambda now: now.leds == {11: True, 12: True, 13: False})
    assert fleet.main([bus.port, file, "status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["as_wanted"] is True


def test_canaries_are_watched_then_all_keep_it(
    bus: Sim, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = fleet_file(tmp_path, dict.fromkeys(ADDRESSES, "nand.img"))
    assert fleet.main([bus.port, file, "apply", "--trial", "1", "--canary", "1"]) == 0
    said = capsys.readouterr().out
    assert "lit 100 %" in said
    assert images(bus.port) == [IMAGES["nand.img"]] * 3


def test_canaries_that_fail_go_back_and_the_others_are_left_alone(
    bus: Sim, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fleet.main([bus.port, fleet_file(tmp_path, dict.fromkeys(ADDRESSES, "or.img")), "apply"]) == 0
    file = fleet_file(tmp_path, dict.fromkeys(ADDRESSES, "nand.img"))
    status = fleet.main([bus.port, file, "apply", "--trial", "1", "--canary", "2", "--lit", "0,0.5"])
    said = capsys.readouterr().out
    assert status == 1
    assert "the lamp was lit at 100 % of the looks" in said
    assert "stopped: 2 nodes failed, 0 may: all go back" in said
    assert images(bus.port) == [IMAGES["or.img"]] * 3


def test_a_ctrl_c_amid_a_trial_brings_the_old_models_back(bus: Sim, tmp_path: Path) -> None:
    assert fleet.main([bus.port, fleet_file(tmp_path, dict.fromkeys(ADDRESSES, "or.img")), "apply"]) == 0
    file = fleet_file(tmp_path, dict.fromkeys(ADDRESSES, "nand.img"))
    command = [sys.executable, "-m", "host.fleet", bus.port, file, "apply", "--trial", "3600"]
    process = subprocess.Popen(
        [*command, "--timeout", str(ANSWER)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert bus.wait(lambda now: now.leds == dict.fromkeys(ADDRESSES, True), PATIENCE), "all try it"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert err == "stopped\n"
    assert out.count("goes on with or ") == 3
    assert images(bus.port) == [IMAGES["or.img"]] * 3


def test_as_many_nodes_as_a_bus_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """8 KiB to each."""
    addresses = range(11, 43)
    with simulate(nodes=addresses) as sim:
        file = fleet_file(tmp_path, dict.fromkeys(addresses, "big.img"))
        assert fleet.main([sim.port, file, "apply"]) == 0
        assert capsys.readouterr().out.endswith("32 of 32 nodes as wanted\n")
        assert fleet.main([sim.port, file, "status"]) == 0


def test_a_deploy_to_one_node_is_found_as_drift(
    bus: Sim, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = fleet_file(tmp_path, dict.fromkeys(ADDRESSES, "or.img"))
    assert fleet.main([bus.port, file, "apply"]) == 0
    link = open_link(bus.port, baud=19200, line_format=DEFAULT_FORMAT, timeout=ANSWER)
    try:
        deploy(Node(link, 12), IMAGES["and.img"])
    finally:
        link.close()
    capsys.readouterr()
    assert fleet.main([bus.port, file, "status"]) == 1
    said = capsys.readouterr().out
    assert said.count("as wanted") == 3  # two nodes, and the sum
    assert "model: and" in said
