"""The commands as a person types them, each a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host.__main__ import COMMANDS
from host.boards.simulated import simulate
from host.compiler import ROOT
from host.core.wire import WIRE_VERSION
from tests.conftest import Target
from tests.patience import ANSWER, PATIENCE

AND_OUTPUTS = {(0.0, 0.0): 0.0, (0.0, 1.0): 0.0, (1.0, 0.0): 0.0, (1.0, 1.0): 1.0}


def run(module: str, *argv: str, status: int = 0) -> tuple[str, str]:
    """A command's standard output and error. The node that it talks to is as slow as the machine is busy."""
    talks = (module in ("host.deploy", "host.predict") and not argv[0].endswith(".img")) or "--deploy" in argv
    patient = ("--timeout", str(ANSWER)) if talks else ()
    made = subprocess.run(
        [sys.executable, "-m", module, *argv, *patient],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=PATIENCE,
    )
    assert made.returncode == status, made.stderr
    assert "Traceback" not in made.stderr
    return made.stdout, made.stderr


def run_json(module: str, *argv: str) -> dict[str, Any]:
    """A command with --json: one object, on one line, and nothing else."""
    out, err = run(module, *argv, "--json")
    assert err == ""
    assert out.count("\n") == 1
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def port() -> Iterator[str]:
    with simulate() as sim:
        yield sim.port


def walked(deployed: dict[str, Any]) -> None:
    """The rows that were evaluated on the node are the truth table of AND."""
    rows = {tuple(row["inputs"]): (row["output"], row["led"]) for row in deployed["rows"]}
    assert rows == {x: (y, y == 1.0) for x, y in AND_OUTPUTS.items()}


def test_train_and_deploy_to_a_node_of_its_own() -> None:
    made = run_json("host.train", "--deploy", "sim")
    assert made["parameters"] == {"w": [0.4514297388906616, 0.2369025056182418], "b": -0.611635769357402}
    assert len(made["history"]) == 20
    deployed = made["deployed"]
    assert (deployed["address"], deployed["sequence"]) == (1, 1)
    walked(deployed)


def test_the_main_job_by_hand(target: Target, tmp_path: Path) -> None:
    """Train and deploy; ask; save; look; deploy another; go back."""
    port, image = target.port, str(tmp_path / "and.img")
    made = run_json("host.train", "--model", "and", "--deploy", port, "--save", image)
    walked(made["deployed"])

    for (a, b), y in AND_OUTPUTS.items():
        asked = run_json("host.predict", port, str(a), str(b))
        assert asked == {
            "inputs": [a, b],
            "used": [a, b],
            "clipped": False,
            "out_of_range": False,
            "outputs": [y],
            "led": y == 1.0,
            "crc32": asked["crc32"],
            "hash": made["deployed"]["hash"],
        }
        assert target.shows(y == 1.0)

    table = tmp_path / "table.csv"
    table.write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in [*AND_OUTPUTS, (3.99, -1e9), (0.3, 0.7)]))
    on_node, here = (
        run("host.predict", source, "--data", str(table), "--save", "-") for source in (port, image)
    )
    assert on_node == here
    assert on_node[0].splitlines()[4] == "1.0,1.0,1,1,0,0"

    state = run_json("host.deploy", port)
    assert (state["name"], state["crc32"]) == ("and", asked["crc32"])
    assert int.from_bytes(Path(image).read_bytes()[-4:], "little") == asked["crc32"]

    other = run_json("host.train", "--model", "wx", "--deploy", port)
    assert other["deployed"]["sequence"] == state["sequence"] + 1
    assert run_json("host.predict", port, "3")["led"] is True

    back = run_json("host.deploy", port, "--rollback")
    assert (back["name"], back["sequence"]) == ("and", state["sequence"] + 2)
    again = run_json("host.deploy", port, image)
    assert (again["name"], again["crc32"]) == ("and", asked["crc32"])

    fetched = str(tmp_path / "fetched.img")
    run_json("host.deploy", port, "--fetch", fetched)
    assert Path(fetched).read_bytes() == Path(image).read_bytes()


def test_what_people_see(port: str, tmp_path: Path) -> None:
    image = str(tmp_path / "and.img")
    run("host.train", "--model", "and", "--save", image)
    out, err = run("host.deploy", port, image)
    assert err == ""
    assert "node 1 runs and: 2 inputs, 1 layer, 1 output" in out
    assert run("host.predict", port, "1", "1") == ("1   LED on\n", "")
    beyond = "warning: input 1 is -0.5, outside of the range that the model was made for: 0..2\n"
    assert run("host.predict", port, "-0.5", "1") == ("0   LED off\n", beyond)


def test_trace_shows_the_frames(port: str) -> None:
    out, err = run("host.deploy", port, "--trace", "--json")
    assert json.loads(out)["sequence"] == 0
    request, reply = err.splitlines()[:2]
    assert request == "-> 01 04 01 ff 00 05 01 c5  (read input registers)"
    assert reply.startswith(f"<- 01 04 0a 00 00 00 {WIRE_VERSION:02x} 00 00")


def test_a_failure_is_one_line(port: str) -> None:
    out, err = run("host.predict", port, "1", status=2)
    assert out == ""
    assert err == "error: the node runs no model: deploy one first (python -m host.train --deploy PORT)\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_there_for_people_with_80_columns(name: str) -> None:
    module = f"host.{name}"
    out, err = run(module, "--help")
    assert max(map(len, out.splitlines())) <= 80, max(out.splitlines(), key=len)
    assert err == ""
    assert out.startswith(f"usage: python -m {module}")
