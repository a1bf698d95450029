"""The layers of DESIGN's tree: what may include what, where HAL_ may stand, and that the wire is written once."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys

import pytest

from host import wire
from host.sim import ROOT
from tools.generated import generated

FIRMWARE = ROOT / "firmware"
C_FILES = sorted(FIRMWARE.rglob("*.[ch]"))
HOST_FILES = sorted((ROOT / "host").glob("*.py"))
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
LIBC = set(  # and arm_acle, which is the compiler's
    "arm_acle assert errno float inttypes limits math stdarg stdatomic stdbool stddef stdint stdlib string".split()
)
MAY_INCLUDE = {"core": ("core/",), "app": ("app/", "core/", "port/port.h")}


def layer(path) -> str:
    return path.relative_to(FIRMWARE).parts[0]


def test_there_is_something_to_check() -> None:
    assert {layer(path) for path in C_FILES} == {"app", "core", "port"}
    assert len(C_FILES) > 20
    assert len(HOST_FILES) > 15


@pytest.mark.parametrize("path", [p for p in C_FILES if layer(p) in MAY_INCLUDE], ids=lambda p: p.name)
def test_portable_code_includes_only_what_stands_below_it(path) -> None:
    for bracket, name in INCLUDE.findall(path.read_text()):
        if bracket == "<":
            assert name.removesuffix(".h") in LIBC, f"{path.name} includes <{name}>"
        else:
            assert name.startswith(MAY_INCLUDE[layer(path)]), f'{path.name} includes "{name}"'


@pytest.mark.parametrize("path", [p for p in C_FILES if layer(p) == "core"], ids=lambda p: p.name)
def test_core_has_no_heap_and_no_state_of_its_own(path) -> None:
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    assert not re.search(r"\b(malloc|calloc|realloc|free)\s*\(", text)
    for line in text.splitlines():
        if re.match(
            r"(static )?[a-z_]+[a-z0-9_ ]* \*?[a-z_]+(\[[^\]]*\])*( =.*)?;?$", line
        ) and line.endswith(";"):
            assert line.startswith(("static const", "typedef", "return", "struct", "extern")), line


def test_hal_stands_only_in_its_port() -> None:
    for path in C_FILES:
        if "stm32f407" not in path.parts:
            assert "HAL_" not in path.read_text(), path


def test_generated_files_are_fresh() -> None:
    stale = [file.path for file in generated() if not file.fresh()]
    assert stale == [], "run python -m tools.generated"


def test_wire_numbers_are_written_once() -> None:
    """No register address of the bus stands as a number outside host/wire.py and what is generated from it."""
    addresses = {row.address for row in wire.REGISTERS if row.address >= 0x0200}
    numbers = {f"0x{address:04x}" for address in addresses}
    for path in [*HOST_FILES, *C_FILES]:
        if path.name in ("wire.py", "tables.h") or path == FIRMWARE / "core" / "wire.h":
            continue
        found = {match.lower() for match in re.findall(r"0[xX][0-9a-fA-F]{4}\b", path.read_text())}
        assert not found & numbers, f"{path.name}: {found & numbers}"


def test_rows_of_the_wire_do_not_overlap() -> None:
    for table in wire.Table:
        rows = sorted((row for row in wire.REGISTERS if row.table is table), key=lambda row: row.address)
        for before, after in itertools.pairwise(rows):
            assert before.end <= after.address, (before.name, after.name)
        assert rows[-1].end <= 0x10000


def test_only_node_and_port_know_the_modbus_library() -> None:
    for path in HOST_FILES:
        for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in statement.names]
                if isinstance(statement, ast.Import)
                else [statement.module or ""]
                if isinstance(statement, ast.ImportFrom)
                else []
            )
            assert path.name in ("node.py", "port.py") or not any(
                n.split(".")[0] == "pymodbus" for n in names
            ), path.name


def test_importing_has_no_side_effects() -> None:
    modules = ", ".join(f"host.{path.stem}" for path in HOST_FILES if path.stem != "__init__")
    result = subprocess.run(
        [sys.executable, "-c", f"import {modules}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout == ""
    assert result.stderr == ""


def test_files_keep_to_their_room() -> None:
    """About 400 lines a file; a file past that has become two."""
    for path in [*C_FILES, *HOST_FILES, *sorted((ROOT / "tools").glob("*.py"))]:
        if path.name not in ("wire.h", "tables.h"):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 460, path
