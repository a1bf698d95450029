"""host.fleet as a command: what it prints, its exit status, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host import fleet
from host.core.image import encode
from host.core.wire import BY_NAME
from tests.fleet_line import FakeNode, FleetLine
from tests.models import random_model

OLD, NEW = (encode(random_model(np.random.default_rng(seed))) for seed in (1, 2))
CLIPPED = 1 << BY_NAME["CLIPPED"].address | 1 << BY_NAME["OUT_OF_RANGE"].address
Run = Callable[..., int]

NODE = {
    *("uid", "name", "address", "group", "model", "model_hash", "sequence", "firmware", "firmware_hash"),
    *("trial_left", "faults", "wanted", "differs", "shares_address", "keyed"),
}
SURVEY = {"port", "baud", "format", "as_wanted", "nodes", "unknown"}
OUTCOME = {"uid", "name", "as_wanted", "fate", "canary", "trouble", "watched"}


def uid(number: int) -> str:
    return f"{number:024x}"


@pytest.fixture
def nodes() -> list[FakeNode]:
    return [FakeNode(10 + number, uid(number), OLD) for number in (1, 2, 3)]


@pytest.fixture
def run(tmp_path: Path, nodes: list[FakeNode], monkeypatch: pytest.MonkeyPatch) -> Run:
    """host.fleet with nodes 1..3 in its file, all of which shall have new.img, on a line with these nodes."""
    monkeypatch.setattr("host.node.client.SETTLE_SECONDS", 0.0)
    (tmp_path / "new.img").write_bytes(NEW)
    text = '[fleet]\nbaud = 115200\nformat = "8N2"\n' + "".join(
        f'[[node]]\nuid = "{uid(n)}"\nname = "n{n}"\naddress = {10 + n}\nmodel = "new.img"\n'
        for n in (1, 2, 3)
    )
    (tmp_path / "fleet.toml").write_text(text)
    opened: list[dict[str, Any]] = []

    def open_link(port: str, **more: Any) -> FleetLine:
        opened.append(more)
        line = FleetLine(nodes)
        monkeypatch.setattr("time.sleep", line.wait)
        monkeypatch.setattr("time.monotonic", lambda: line.seconds)
        return line

    monkeypatch.setattr("host.node.link.open_link", open_link)

    def run(*arguments: str) -> int:
        status = fleet.main(["/dev/line", str(tmp_path / "fleet.toml"), *arguments])
        assert all(how["baud"] == 115200 and how["line_format"].name == "F8N2" for how in opened)
        return status

    return run


def test_status_and_plan_say_what_differs_and_change_nothing(
    run: Run, nodes: list[FakeNode], capsys: pytest.CaptureFixture[str]
) -> None:
    nodes[0].model = NEW
    nodes[2].off = True
    assert run("status") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["n1", "11", "a", "model", nodes_hash(NEW), "as", "wanted"]
    assert "model: a model" in lines[1]
    assert "missing: no answer" in lines[2]
    assert lines[3] == "/dev/line, 115200 8N2: 3 nodes: 1 as wanted, 1 otherwise, 1 not there"
    assert len(lines) == 4
    assert run("plan") == 1
    planned = capsys.readouterr().out.splitlines()
    assert planned[:4] == lines
    assert (
        planned[4] == f"to be sent: new.img {nodes_hash(NEW)}, {len(NEW)} bytes in {blocks()}, to 1 node: n2"
    )
    assert nodes[1].model == OLD


def nodes_hash(image: bytes) -> str:
    from host.core.hashes import hash_of

    return hash_of(image).hex()[:12]


def blocks() -> str:
    return f"{-(-len(NEW) // 240)} blocks"


def test_apply_then_all_is_as_wanted(
    run: Run, nodes: list[FakeNode], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("apply") == 0
    assert {node.model for node in nodes} == {NEW}
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == "3 of 3 nodes as wanted"
    assert f"n1    runs new.img {nodes_hash(NEW)}" in out
    assert run("status") == run("plan") == run("apply") == 0
    assert "nothing is to be sent" in capsys.readouterr().out


def test_apply_names_who_did_not_get_it(
    run: Run, nodes: list[FakeNode], capsys: pytest.CaptureFixture[str]
) -> None:
    nodes[1].deaf_to_go = True
    assert run("apply") == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == "2 of 3 nodes as wanted"
    assert any(line.startswith("n2") and "goes on with" in line for line in out)


@pytest.mark.parametrize("action", ["status", "plan"])
def test_json_of_a_look(run: Run, capsys: pytest.CaptureFixture[str], action: str) -> None:
    assert run(action, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert said.keys() == SURVEY | ({"images"} if action == "plan" else set())
    assert all(node.keys() == NODE for node in said["nodes"])
    assert (said["baud"], said["format"], said["as_wanted"]) == (115200, "8N2", False)


def test_json_of_apply(run: Run, nodes: list[FakeNode], capsys: pytest.CaptureFixture[str]) -> None:
    nodes[0].values["RESULT_BITS"] = CLIPPED
    assert run("apply", "--json", "--trial", "3", "--canary", "1") == 1
    said = json.loads(capsys.readouterr().out)
    assert said.keys() == SURVEY | {"stopped", "images", "outcomes"}
    assert all(outcome.keys() == OUTCOME for outcome in said["outcomes"])
    assert [outcome["fate"] for outcome in said["outcomes"]] == ["old"] * 3
    assert said["stopped"] == "1 node failed, 0 may: all go back"
    assert said["outcomes"][0]["watched"]["out_of_range"] == 1
    assert said["outcomes"][0]["watched"].keys() == {
        *("looks", "lit", "clipped", "out_of_range", "waiting", "faults", "failed")
    }


def test_a_trial_says_what_it_saw(
    run: Run, nodes: list[FakeNode], capsys: pytest.CaptureFixture[str]
) -> None:
    nodes[0].values["RESULT_BITS"] = CLIPPED
    assert run("apply", "--trial", "3", "--canary", "2", "--max-failed", "1") == 1
    out = capsys.readouterr().out
    assert "canary" in out
    assert "clipped 100 %" in out
    assert "inputs were clipped or out of range at 100 % of the looks" in out
    assert [node.model for node in nodes] == [OLD, NEW, NEW]
    assert run("apply", "--trial", "3", "--max-out-of-range", "100%") == 0


def test_a_line_that_goes_is_one_line_and_what_each_node_runs(
    run: Run, nodes: list[FakeNode], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    say = FleetLine._say

    def goes(line: FleetLine, frame: bytes) -> list[bytes]:
        line.gone |= frame[0] == 0 and len(frame) > 100
        return say(line, frame)

    monkeypatch.setattr(FleetLine, "_say", goes)
    assert run("apply") == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert "has gone" in said.err
    assert said.err.count("\n") == 1
    assert said.out.splitlines()[-1] == "0 of 3 nodes as wanted"
    assert said.out.count("goes on with a model") == 3


def test_an_interrupt_says_what_each_node_runs(
    run: Run, nodes: list[FakeNode], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("host.node.onset.watch", interrupted)
    assert run("apply", "--trial", "5") == 130
    said = capsys.readouterr()
    assert said.err == "stopped\n"
    assert said.out.count("goes on with a model") == 3
    assert {node.runs for node in nodes} == {OLD}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "--trial", "3"], "--trial goes with apply"),
        (["apply", "--canary", "3"], "--canary goes with --trial S"),
        (["apply", "--lit", "0,1"], "--lit goes with --trial S"),
        (["apply", "--trial", "3", "--lit", "0.9,0.1"], "--lit takes two shares of 0..1"),
        (["apply", "--trial", "0"], "not a whole number of 1..3600"),
        (["apply", "--trial", "3", "--max-out-of-range", "2"], "is no share"),
        (["deploy"], "invalid choice"),
        (["status", "--stop-bits", "2"], "8E2 is no Modbus format"),
    ],
)
def test_what_is_not_understood_is_one_line(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("port", ["sim", "renode"])
def test_a_node_of_its_own_is_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], port: str) -> None:
    (tmp_path / "f.toml").write_text(f'[[node]]\nuid = "{uid(1)}"\nname = "a"\naddress = 1\n')
    assert fleet.main([port, str(tmp_path / "f.toml"), "status"]) == 2
    assert "host.sim --nodes 1,2,3 --link /tmp/bus" in capsys.readouterr().err
