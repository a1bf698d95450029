"""A command as a shell starts it: with an output that is full, closed or read by nobody, interrupted before it has
begun, by a Python that lacks what it needs. One line or none, never a traceback, and the customary exit status."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from host import errors, start
from host.compiler import ROOT
from host.core.wire import DEFAULT_BAUD, DEFAULT_FORMAT
from host.node.fleet import Member, fleet_text
from tests.patience import PATIENCE

TRAIN = ("host.train", "--model", "and")
SAYS_SOMETHING = [TRAIN, (*TRAIN, "--json"), ("host.lesson", "1"), ("host.lesson",), ("host.train", "--help")]
COMMANDS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "host").rglob("*.py")
    if '\nif __name__ == "__main__":\n' in path.read_text(encoding="utf-8")
)


def run(
    *arguments: str,
    before: str = "exec",
    python: Path | str = sys.executable,
    cwd: Path = ROOT,
    stdout: int = subprocess.PIPE,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """python -m `arguments`, started by a shell that does `before`."""
    return subprocess.run(
        ["sh", "-c", before.replace("exec", 'exec "$@"'), "sh", str(python), "-m", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONUNBUFFERED": "", **environment},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """The line of a command that has failed as expected."""
    assert result.returncode == errors.EXIT_FAILURE, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert not result.stdout
    return line


# ------------------------------------------------------------------------------------------------------ the output


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", SAYS_SOMETHING, ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_said(arguments: tuple[str, ...], unbuffered: str) -> None:
    if unbuffered and "--help" in arguments:
        return  # argparse itself takes no notice
    line = one_line(run(*arguments, before="exec > /dev/full", PYTHONUNBUFFERED=unbuffered))
    assert "could not be written: No space left" in line


@pytest.mark.parametrize("arguments", SAYS_SOMETHING, ids=" ".join)
def test_a_reader_that_has_gone_ends_it_quietly(arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = run(*arguments, stdout=writer)
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize("closed", [">&-", "<&-", ">&- <&-", ">&- 2>&- <&-"])
def test_work_is_done_without_the_streams_that_are_closed(closed: str, tmp_path: Path) -> None:
    image = tmp_path / "and.img"
    result = run(*TRAIN, "--deploy", "sim", "--save", str(image), before=f"exec {closed}")
    assert (result.returncode, result.stderr) == (0, "")
    assert image.stat().st_size == 116
    assert ("running" in result.stdout) is (">&-" not in closed.split())


def test_an_error_is_no_result_when_its_stream_is_closed() -> None:
    result = run("host.train", "--model", "none", before="exec 2>&-")
    assert (result.returncode, result.stdout) == (errors.EXIT_FAILURE, "")


# -------------------------------------------------------------------------------------------------------- Ctrl-C

INTERRUPTER = """
import atexit, os, signal, sys
begun, seen, at = False, 0, int(os.environ["INTERRUPT_AT"])
def look(event, args):
    global begun, seen
    if event != "import":
        return
    begun = begun or args[0].startswith("host.")
    seen += begun
    if begun and seen == at:
        signal.raise_signal(signal.SIGINT)
sys.addaudithook(look)
if not at:
    atexit.register(lambda: print(seen, file=sys.stderr))
"""
"""A sitecustomize: interrupts the process at the nth import since the package has begun; for 0 counts them."""


@pytest.fixture(scope="module")
def interrupter(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("interrupter")
    (folder / "sitecustomize.py").write_text(INTERRUPTER)
    return str(folder)


@pytest.fixture(scope="module")
def imports(interrupter: str) -> int:
    """How many imports the command has."""
    return int(run(*TRAIN, PYTHONPATH=interrupter, INTERRUPT_AT="0").stderr)


@pytest.mark.parametrize("part", range(20))
def test_an_interrupt_while_it_is_imported_shows_no_traceback(
    part: int, interrupter: str, imports: int
) -> None:
    """The first and the last import, and those between in even steps; some are main's own."""
    at = 1 + part * (imports - 1) // 19
    result = run(*TRAIN, PYTHONPATH=interrupter, INTERRUPT_AT=str(at))
    ended = (result.returncode, result.stderr)
    assert ended in [(-signal.SIGINT, ""), (errors.EXIT_INTERRUPTED, "stopped\n")] or (
        at == 1 and ended == (errors.EXIT_INTERRUPTED, "")
    ), at


def test_where_interrupts_are_ignored_they_stay_so(interrupter: str, imports: int) -> None:
    """As a shell without job control starts what ends in &."""
    for at in (1, imports // 2, imports):
        result = run(*TRAIN, before="trap '' INT; exec", PYTHONPATH=interrupter, INTERRUPT_AT=str(at))
        assert (result.returncode, result.stderr) == (0, ""), at


def test_to_import_the_package_changes_nothing() -> None:
    code = (
        "import signal, sys; before = signal.getsignal(signal.SIGINT), sys.excepthook\n"
        "import host, host.start, host.errors, host.train\n"
        "assert before == (signal.getsignal(signal.SIGINT), sys.excepthook)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# --------------------------------------------------------------------------------------------- the wrong Python


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with nothing but the standard library."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=os.name != "nt")
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The package, as it lies in a clone."""
    shutil.copytree(ROOT / "host", tmp_path / "clone" / "host")
    return tmp_path / "clone"


def test_all_commands_are_known() -> None:
    assert {"host.train", "host.deploy", "host.predict", "host.sim"} <= set(COMMANDS)


def test_without_the_packages_it_says_where_they_are(bare: Path, clone: Path) -> None:
    def line() -> str:
        return one_line(run("host.train", python=bare, cwd=clone))

    (clone / "host" / "sources").mkdir()
    assert line().endswith(": install neuron485 again, with what it needs")
    (clone / "host" / "sources").rmdir()
    assert "python3 tools/demo.py" in line()
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "activate").touch()
    assert line().endswith(": source .venv/bin/activate")


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "host.sim"])
def test_every_command_says_so(command: str, bare: Path, tmp_path: Path) -> None:
    """At the latest when it needs one of them."""
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(fleet_text([Member("00" * 12, "one", 1)], DEFAULT_BAUD, DEFAULT_FORMAT))
    arguments = {
        "host.__main__": ["train"],
        "host.convert": ["it.onnx", "--data", "it.csv"],
        "host.deploy": ["/dev/none"],
        "host.fleet": ["/dev/none", str(fleet), "status"],
        "host.keys": ["status", "/dev/none"],
        "host.lesson": ["1"],
        "host.monitor": ["/dev/none"],
        "host.predict": ["/dev/none", "1"],
        "host.record": ["/dev/none", "it.csv", "--channels", "a0"],
        "host.scan": ["/dev/none"],
        "host.serve": ["/dev/none"],
        "host.settings": ["/dev/none"],
    }.get(command, [])
    says = {"host.serve": "need prometheus_client, starlette, uvicorn: "}  # an extra, which it names
    missing = says.get(command, "is not installed for this Python")
    assert missing in one_line(run(command, *arguments, python=bare))


def test_an_environment_that_is_incomplete_is_set_up_again(clone: Path) -> None:
    (clone / "tools").mkdir()
    (clone / "tools" / "demo.py").touch()
    venv.create(clone / ".venv", symlinks=True)
    line = one_line(run("host.train", python=clone / ".venv" / "bin" / "python", cwd=clone))
    assert "python3 tools/demo.py" in line


def test_a_module_of_our_own_that_is_missing_is_a_bug(clone: Path) -> None:
    (clone / "host" / "train.py").write_text("import host.nothing\n")
    result = run("host.train", cwd=clone)
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_an_old_python_is_said() -> None:
    code = "import sys; sys.version_info = (3, 10, 9); sys.argv = ['-m']; import host"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "Python 3.11 or newer is needed" in one_line(result)
    assert start.OLDEST == (3, 11)


# --------------------------------------------------------------------------------------- a simulation on full streams


def test_a_simulation_whose_lamp_nobody_can_see_ends_with_one_line() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "host.sim"]
        result = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 2
    assert one_line(result) == "error: the output could not be written: No space left on device"


def test_a_simulation_whose_reader_has_gone_ends_in_silence() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "host.sim"]
    result = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (result.returncode, result.stderr) == (141, "")


def test_a_simulation_ends_when_its_reader_goes_though_it_has_nothing_to_say() -> None:
    """As `python -m host.sim | head -4`: nothing is written any more that could fail."""
    command = [sys.executable, "-m", "host.sim"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        if line == "         Ctrl-C ends it\n":
            break
    process.stdout.close()
    assert (process.wait(PATIENCE), process.stderr.read()) == (141, "")
    process.stderr.close()
