"""A command imports what it uses: --help next to nothing, and what trains nothing of what talks to a node."""

from __future__ import annotations

import subprocess
import sys

import pytest

from host.compiler import ROOT

COMMANDS = (
    "record",
    "train",
    "convert",
    "deploy",
    "scan",
    "fleet",
    "predict",
    "settings",
    "monitor",
    "serve",
    "keys",
    "sim",
    "lesson",
)
LARGE = set(
    "asyncio csv ctypes hashlib http json logging matplotlib multiprocessing numpy pandas pathlib pymodbus rich serial "
    "socket ssl subprocess tempfile threading unicorn".split()
)
LOOK = """
import runpy, sys
del sys.argv[0]
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit as end:
    status = end.code
print(status, *sys.modules, file=sys.stderr)
"""


def imported(*command: str, status: int = 0) -> set[str]:
    """The modules that are there when the command has ended."""
    result = subprocess.run(
        [sys.executable, "-c", LOOK, *command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    ended, *modules = result.stderr.splitlines()[-1].split()
    assert ended == str(status), result.stderr
    return set(modules)


@pytest.mark.parametrize(
    "command", [("host",), *((f"host.{name}",) for name in COMMANDS), *(("host", n) for n in COMMANDS)]
)
def test_help_imports_nothing_large(command: tuple[str, ...]) -> None:
    modules = imported(*command, "--help")
    assert not modules & LARGE
    assert not {name for name in modules if name.startswith(("host.node.", "host.models.", "host.lessons."))}


def test_a_training_for_a_program_imports_no_node_and_no_terminal() -> None:
    modules = imported("host.train", "--model", "wx", "--json")
    assert "numpy" in modules
    assert not modules & {"asyncio", "matplotlib", "pandas", "pymodbus", "rich", "serial", "socket", "ssl"}
    assert not {
        name for name in modules if name.startswith(("host.node.", "host.show.panels", "host.show.tables"))
    }


def test_only_data_import_pandas() -> None:
    assert "pandas" in imported(
        "host.train", "--model", "mlp", "--data", "host/lessons/iris.csv", "--epochs", "1", "--json"
    )


@pytest.mark.parametrize("command", ["deploy", "settings", "predict"])
def test_talking_to_a_node_imports_no_training_and_no_pictures(command: str) -> None:
    values = ["1"] if command == "predict" else []
    modules = imported(f"host.{command}", "/dev/there-is-no-such-port", *values, "--json", status=2)
    assert not modules & {"csv", "matplotlib", "rich"}
    assert not {name for name in modules if name.startswith(("host.data", "host.training", "host.lessons"))}
