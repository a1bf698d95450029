"""The firmware in Renode: a test for every scenario of tests/renode, and for what host/boards/renode.py promises."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from host.boards import renode
from host.boards.opening import open_node
from host.compiler import ROOT
from host.core.image import encode
from host.errors import NeuronError
from host.node.staging import deploy
from tests.e2e.conftest import _nothing_left, processes  # noqa: F401 # nothing that was started may stay
from tests.e2e.scenario import AND, TABLE
from tests.renode import run
from tools import firmware

SCENARIOS = run.scenarios()


def leave_out(why: str) -> NoReturn:
    """Skip a test that needs Renode; where the environment says that it has to be there, fail it."""
    if os.environ.get("NEURON485_RENODE") == "required":
        pytest.fail(f"NEURON485_RENODE=required, but {why}")
    pytest.skip(why)


@pytest.fixture(scope="module")
def elf() -> Path:
    why = run.missing() or firmware.lacking()
    if why:
        leave_out(why)
    return firmware.build_firmware()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    run.make_images(folder)
    run.make_orders(folder)
    return folder


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, images: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, run.Result]:
    why = run.missing()
    if why:
        leave_out(f"a scenario of tests/renode: {why}")  # so that they are counted apart from the other tests
    return run.run(request.getfixturevalue("elf"), images, tmp_path_factory.mktemp("renode"))


# -------------------------------------------------------------------------------------------------- the scenarios


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, results: dict[str, run.Result]) -> None:
    assert scenario in results, "renode-test did not run it"
    assert results[scenario].passed, results[scenario].said


def test_all_scenarios_are_known() -> None:
    assert len(SCENARIOS) == len(set(SCENARIOS)) >= 12
    assert {name.partition(":")[0] for name in SCENARIOS} == {path.stem for path in run.files()}


def test_a_scenario_can_fail(elf: Path, images: Path, tmp_path: Path) -> None:
    """A node that runs OR where AND was meant: Renode's lamp shows it."""
    (wrong := tmp_path / "images").mkdir()
    (wrong / "and.img").write_bytes((images / "or.img").read_bytes())
    (out := tmp_path / "out").mkdir()
    (name,) = [name for name in SCENARIOS if "AND Is Deployed" in name]
    results = run.run(elf, wrong, out, only="AND Is Deployed")
    assert list(results) == [name]
    assert not results[name].passed


@pytest.mark.parametrize(
    ("told", "outcome"), [("required", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_where_renode_must_be_there_a_skip_is_a_failure(
    told: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURON485_RENODE", told)
    with pytest.raises(outcome, match="it is not there"):
        leave_out("it is not there")


# --------------------------------------------------------------------------------------------------- the commands


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def test_train_deploys_to_the_board_in_renode_and_shows_its_lamp(elf: Path) -> None:
    result = command("host.train", "--deploy", "renode")
    assert result.returncode == 0, result.stderr
    table = result.stdout.split("output   LED in Renode\n")[1].splitlines()
    assert [("lit" in line) for line in table[:4]] == [False, False, False, True]


def test_the_board_takes_another_address(elf: Path) -> None:
    result = command("host.train", "--model", "and", "--deploy", "renode", "--address", "7", "--json")
    assert result.returncode == 0, result.stderr
    deployed = json.loads(result.stdout)["deployed"]
    assert deployed["address"] == 7
    assert [row["led"] for row in deployed["rows"]] == [False, False, False, True]


def test_the_lamp_is_that_of_the_led_and_not_what_the_node_says(elf: Path) -> None:
    with open_node("renode") as node:
        assert node.lamp is not None
        deploy(node, encode(AND))
        seen = []
        for row in TABLE:
            node.evaluate_float(row, 1)
            seen.append(node.lamp())
        assert seen == [False, False, False, True]
        node.write_coil(0, True)
        node.evaluate_float(TABLE[0], 1)
        assert node.lamp()


# ------------------------------------------------------------------------------------------------ what goes wrong


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def test_without_renode_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    line = one_line(command("host.train", "--model", "and", "--deploy", "renode", RENODE_DIR=str(tmp_path)))
    assert "RENODE_DIR" in line
    assert renode.VERSION in line
    assert "https://" in line


def test_without_the_firmware_one_line_says_how_to_build_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(renode, "ELF", tmp_path / "firmware.elf")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("NEURON485_PLATFORMIO", raising=False)
    with pytest.raises(NeuronError, match=r"not built: build it by pio run.*arm-none-eabi-gcc"):
        renode.firmware_elf()


@pytest.fixture
def no_good_renode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "renode"
    program.touch(stat.S_IRWXU)
    monkeypatch.setenv("RENODE_DIR", str(tmp_path))
    monkeypatch.setattr(renode, "STOP_TIMEOUT", 0.5)
    return program


def test_a_renode_that_ends_says_why(no_good_renode: Path) -> None:
    no_good_renode.write_text("#!/bin/sh\necho mono is missing\nexit 1\n")
    with (
        pytest.raises(NeuronError, match="ended by itself: mono is missing"),
        renode.emulate(Path("any.elf")),
    ):
        pass


def test_a_renode_that_hangs_is_given_up_and_ended(
    no_good_renode: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_good_renode.write_text("#!/bin/sh\nsleep 1000\n")
    monkeypatch.setattr(renode, "START_TIMEOUT", 0.5)
    with pytest.raises(NeuronError, match="did not answer"), renode.emulate(Path("any.elf")):
        pass
