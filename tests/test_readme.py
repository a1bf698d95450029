"""README's commands are run as they stand there; only ports and files are put in a place of the test, and the node
behind them, as slow as the machine is busy, has more time for its answers."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.boards.simulated import simulate
from host.compiler import ROOT
from tests.patience import ANSWER

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if line.strip()]
ALARM = "speed,current,alarm\n0,0,0\n0,1,0\n1,0,0\n1,1,1\n"

# What needs a board, the network or this very suite; each is told of elsewhere.
ELSEWHERE = (
    "tools/check.py",
    "pio ",
    "STM32_Programmer_CLI",
    "openocd",
    "pytest",
    "host.sim --link",
    "--deploy renode",
    "tests.renode",
    "tools.renode",
    "tools.lock",
    "tools.proof",
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the data, and a node."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "alarm.csv").write_text(ALARM)
    with simulate(link=str(folder / "node"), flash=str(folder / "node.flash")):
        yield folder


@pytest.fixture(scope="module")
def place(bench: Path) -> Path:
    """The same, when every command of the README has run there in its order."""
    ran = 0
    for line in LINES:
        if any(word in line for word in ELSEWHERE):
            continue
        command = words(line, bench)
        if not shutil.which(command[0]):
            continue
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert result.returncode == 0, f"{line}\n{result.stdout}{result.stderr}"
        ran += 1
    assert ran >= 10
    return bench


def words(line: str, place: Path) -> list[str]:
    line = re.sub(r"/dev/ttyUSB0|/tmp/node\b(?!\.)", str(place / "node"), line)
    line = re.sub(r"(?<![\w/])(\w+\.(img|csv|png))\b", lambda match: str(place / match[1]), line)
    parts = shlex.split(line, comments=True)
    if str(place / "node") in parts:
        parts[1:1] = ["-o", "10"] if parts[0] == "mbpoll" else []
        parts += ["--timeout", str(ANSWER)] if parts[0] == "python" else []
    return [sys.executable if part in ("python", "python3") else part for part in parts]


def test_there_are_commands() -> None:
    assert len(LINES) >= 15
    assert any("tools/demo.py" in line for line in LINES)


def test_every_command_of_the_readme_runs_in_its_order(place: Path) -> None:
    assert (place / "node").is_symlink()


def test_the_fetched_image_is_the_deployed_one(place: Path) -> None:
    assert (place / "now.img").read_bytes() == (place / "and.img").read_bytes()


@pytest.mark.skipif(not shutil.which("mbpoll"), reason="mbpoll is missing: apt-get install mbpoll")
def test_mbpoll_of_the_readme_sees_the_lamp(place: Path) -> None:
    lines = [line for line in LINES if line.startswith("mbpoll")]
    assert len(lines) == 2
    for line in lines:
        result = subprocess.run(words(line, place), capture_output=True, text=True)
        assert result.returncode == 0, f"{line}\n{result.stdout}{result.stderr}"
    assert re.search(r"\[0\]:\s+1$", result.stdout, re.MULTILINE), result.stdout
