"""README's commands and Python are run as they stand there, the first of each program as a process, the others by its
main; only ports and files are put in a place of the test, and the node behind them, as slow as the machine is busy,
has more time for its answers. What they print is compared with what README says that they print."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from host.boards.signals import generated
from host.boards.simulated import simulate
from host.compiler import ROOT
from tests.patience import ANSWER, growing

README = (ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", "")
BLOCKS = re.findall(r"```(sh|python|text)\n(.*?)```", README, re.DOTALL)
LINES = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines() if line.strip()]
PRINTED = [block for kind, block in BLOCKS if kind == "text"][
    1:
]  # the first is generated, tools/make_demo.py
THEIRS = """
import joblib, pandas
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
table = pandas.read_csv("iris.csv")
x = table.drop(columns="species")
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, table["species"])
joblib.dump(model, "iris.joblib")
"""
"""What README's Python goes on from: somebody's model, and rows for it."""

SEEN = r"^sample \d+: a0\.std [\d.]+, a0\.crossings \d+ -> [\d.]+   decision (on|off), LED (on|off)$"
"""What the monitor prints of a window where no terminal is."""

# What needs a board, the network or this very suite; each is told of elsewhere.
ELSEWHERE = (
    "pip install",
    "net.pt",
    "tools/check.py",
    "pio ",
    "pytest",
    "host.sim --link",
    "host.serve",
    "--deploy renode",
    "tests.renode",
    "tools.renode",
    "tools.lock",
    "tools.proof",
)


SEARCHED = 0.2
"""Seconds for an answer in a search, at first: it waits so long for each silence, too."""
FOUND = ": 3 nodes"
PORTS = ("node", "pump", "line")

# A pump whose states last a second, in place of 5, is recorded as much shorter; what ends by Ctrl-C ends by itself.
SIGNAL = "pump:1"
SHORTER = {"--seconds 30": "--seconds 9", "--before 500": "--before 500 --seconds 4"}

PASSPHRASE = {"NEURON485_PASSPHRASE": "for the tests only"}
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), **PASSPHRASE}
DIFFERS = 1
"""How host.fleet ends where a plan has something to be done."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder, a node, and one that hears a pump."""
    folder = tmp_path_factory.mktemp("readme")
    with (
        simulate(link=str(folder / "node"), flash=str(folder / "node.flash")),
        simulate(link=str(folder / "pump"), signal=generated([SIGNAL])),
        simulate(link=str(folder / "line"), nodes=[1, 2, 3], fresh=True, present=True),
    ):
        yield folder


@dataclass(frozen=True)
class Walked:
    """The folder when all of README has run there in its order, and what each block has printed."""

    folder: Path
    printed: list[str]


@pytest.fixture(scope="module")
def walked(bench: Path) -> Walked:
    printed, ran = [], 0
    for kind, block in BLOCKS:
        if kind == "text":
            continue
        commands = [block] if kind == "python" else [line for line in block.splitlines() if line.strip()]
        said = ""
        for line in commands:
            if any(word in line for word in ELSEWHERE):
                continue
            if kind == "python":
                said += here(lambda line=line: exec(THEIRS + line, {}), bench)[1]  # type: ignore[misc]
                ran += 1
                continue
            command = words(line, bench)
            if not shutil.which(command[0]):
                continue
            search = "host.scan" in command
            for seconds in growing(SEARCHED) if search else (ANSWER,):
                status, out = run(
                    [*command, "--timeout", str(seconds)] if asks_a_node(command, bench) else command
                )
                if not search or (status == 0 and FOUND in out):
                    break
                (bench / "fleet.toml").unlink(missing_ok=True)  # of those who were found
            assert not search or FOUND in out, f"{line}\n{out}"
            ends = DIFFERS if " plan " in line else 0
            assert status == ends, f"{line}\n{out}"
            if "--save fleet.toml" in line:
                name_model(bench / "fleet.toml")
            said += out
            ran += 1
        printed.append(said)
    assert ran >= 25
    return Walked(bench, printed)


started: set[str] = set()
"""What has been started as a process, as README does it; from then on main is called, which needs no new Python."""


def run(command: list[str]) -> tuple[int, str]:
    """(exit status, what is printed) of a command; of one that fails, what it says, too."""
    program = command[2] if command[:2] == [sys.executable, "-m"] else None
    if program in started:
        return here(lambda: import_module(program).main(command[3:]), ROOT)
    started.update([program] if program else [])
    result = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    return result.returncode, result.stdout + (result.stderr if result.returncode else "")


def here(work: Callable[[], int | None], folder: Path) -> tuple[int, str]:
    """The same of something that is done in this process."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        for name, value in PASSPHRASE.items():
            patch.setenv(name, value)
        status = work() or 0
        out.flush()
    return status, out.buffer.getvalue().decode() + (err.getvalue() if status else "")  # type: ignore[attr-defined]


def asks_a_node(command: list[str], place: Path) -> bool:
    return command[0] == sys.executable and bool({str(place / name) for name in PORTS} & {*command})


def name_model(path: Path) -> None:
    """What README asks people to do in the fleet's file."""
    text = path.read_text()
    assert '# model = "and.img"' in text
    assert "# group = 1" in text
    path.write_text(text.replace("# ", ""))


@pytest.fixture(scope="module")
def place(walked: Walked) -> Path:
    return walked.folder


def words(line: str, place: Path) -> list[str]:
    line = re.sub(r"/dev/ttyUSB0|/tmp/node\b(?!\.)", str(place / "node"), line)
    line = line.partition("  #")[0]
    for name in PORTS[1:]:
        line = line.replace(f"/tmp/{name}", str(place / name))
    for long, short in SHORTER.items():
        line = line.replace(long, short)
    if "host.monitor" in line and "--seconds" not in line:
        line += " --seconds 1"
    line = re.sub(
        r"(?<![\w/])(\w+\.(img|csv|png|json|onnx|joblib|toml|key))\b",
        lambda match: str(place / match[1]),
        line,
    )
    parts = shlex.split(line, comments=True)
    if parts[0] == "mbpoll":
        parts[1:1] = ["-o", "10"]
    return [sys.executable if part in ("python", "python3") else part for part in parts]


def test_there_are_commands() -> None:
    assert len(LINES) >= 15
    assert any("tools/demo.py" in line for line in LINES)


def test_every_command_of_the_readme_runs_in_its_order(place: Path) -> None:
    assert (place / "node").is_symlink()


def test_what_readme_says_that_they_print_is_what_they_print(walked: Walked) -> None:
    assert PRINTED
    for text in PRINTED:
        assert any(text in said for said in walked.printed), f"no command prints this any more:\n{text}"


def test_the_node_of_its_own_decides_by_what_was_recorded_and_is_watched(walked: Walked) -> None:
    (printed,) = (said for said in walked.printed if "Recorded" in said)
    words = " ".join(printed.split())
    assert re.search(
        r"Recorded \d+ samples of a0 at 1000 a second into \S+run\.csv: \d+ good, \d+ worn", words
    )
    assert re.search(r"the LED is lit for class worn; decides off again at 0\.\d+ or below, on after", words)
    assert re.search(SEEN, printed, re.MULTILINE)
    (shown,) = (line.strip() for line in README.splitlines() if line.startswith("    sample "))
    assert re.fullmatch(SEEN, shown)
    assert json.loads((walked.folder / "alarms.json").read_text())["events"]


def test_its_python_converts_a_model(walked: Walked) -> None:
    assert "0 of 150 rows are decided otherwise\n" in walked.printed


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
