"""The layers of README's tree: what may include what, where HAL_ may stand, and that the wire is written once."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from host.compiler import ROOT
from host.core import wire
from tools.generated import generated

FIRMWARE = ROOT / "firmware"
C_FILES = sorted(FIRMWARE.rglob("*.[ch]"))
HOST = ROOT / "host"
HOST_FILES = sorted(HOST.rglob("*.py"))
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
LIBC = set(  # and arm_acle, which is the compiler's
    "arm_acle assert errno float inttypes limits math stdarg stdatomic stdbool stddef stdint stdlib string".split()
)
MAY_INCLUDE = {
    "core": ("core/",),
    "crypto": ("crypto/crypto.h", "core/wire.h"),
    "app": ("app/", "core/", "crypto/crypto.h", "port/port.h"),
}
LIBRARY = {
    "firmware/crypto/monocypher.c": {"monocypher"},
    "firmware/crypto/library.c": {"monocypher.c"},
}
"""Which file includes which library."""


def layer(path) -> str:
    return path.relative_to(FIRMWARE).parts[0]


def test_there_is_something_to_check() -> None:
    assert {layer(path) for path in C_FILES} == {"app", "core", "crypto", "port"}
    assert len(C_FILES) > 20
    assert len(HOST_FILES) > 15


@pytest.mark.parametrize("path", [p for p in C_FILES if layer(p) in MAY_INCLUDE], ids=lambda p: p.name)
def test_portable_code_includes_only_what_stands_below_it(path) -> None:
    known = LIBC | LIBRARY.get(path.relative_to(ROOT).as_posix(), set())
    for bracket, name in INCLUDE.findall(path.read_text()):
        if bracket == "<":
            assert name.removesuffix(".h") in known, f"{path.name} includes <{name}>"
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
    """No register address of the bus stands as a number outside of the contract and what is generated from it; and in
    the contract each stands once, in the row that gives the register its address."""
    addresses = {row.address for row in wire.REGISTERS if row.address >= 0x0200}
    numbers = {f"0x{address:04x}" for address in addresses}
    contract = (HOST / "core" / "wire.py", HOST / "core" / "fleet.py")
    written = (FIRMWARE / "core" / "wire.h", FIRMWARE / "core" / "tables.h")
    given = {table: Counter[int]() for table in wire.Table}
    for path in {*HOST_FILES, *C_FILES}.difference(written):
        text = path.read_text()
        found = Counter(match.lower() for match in re.findall(r"0[xX][0-9a-fA-F]{4}\b", text))
        if path in contract:
            for table, address in addresses_given(ast.parse(text)):
                given[table][address] += 1
                found[f"0x{address:04x}"] -= 1
        left = (+found).keys() & numbers
        assert not left, f"{path.name}: {left}"
    for table, counts in given.items():
        assert counts == Counter(row.address for row in wire.REGISTERS if row.table is table)


def addresses_given(tree: ast.AST) -> Iterator[tuple[wire.Table, int]]:
    """Of each row of `rows(Table.X, (address, name, ...), ...)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "rows":
            table, *listed = node.args
            for row in listed:
                assert isinstance(row, ast.Tuple)
                yield wire.Table[ast.unparse(table).removeprefix("Table.")], ast.literal_eval(row.elts[0])


def test_rows_of_the_wire_do_not_overlap() -> None:
    for table in wire.Table:
        rows = sorted((row for row in wire.REGISTERS if row.table is table), key=lambda row: row.address)
        for before, after in itertools.pairwise(rows):
            assert before.end <= after.address, (before.name, after.name)
        assert rows[-1].end <= 0x10000


FLOORS = (
    ("start", "progress"),
    ("",),
    ("errors",),
    ("files", "compiler"),
    ("core",),
    ("node", "models"),
    ("data",),
    ("boards",),
    ("training",),
    ("show",),
    ("web",),
    ("cli",),
    ("lessons",),
    (
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
        "__main__",
    ),
)
"""The rooms of host/, from the ground up. What is imported lies in the same room, or on a lower floor."""
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def module_of(path) -> str:
    """host.core.wire, or host.core for the file that says what the room is."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in HOST_FILES}


def imports_of(path) -> set[str]:
    """Every module of host that a file imports, wherever in the file."""
    found = set()
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, f"{path}: imports are absolute"
            base = statement.module or ""
            inner = {f"{base}.{alias.name}" for alias in statement.names}
            found |= {name if name in MODULES else base for name in inner}
    return {name for name in found if name.split(".")[0] == "host"}


def room_of(module: str) -> str:
    """The folder or file beside host/__init__.py; that file itself is the room without a name."""
    return [*module.split("."), ""][1]


def test_every_module_has_its_room() -> None:
    rooms = {room_of(module) for module in MODULES}
    assert rooms <= set(FLOOR), f"which floor are these on: {rooms - set(FLOOR)}?"
    assert set(FLOOR) <= rooms, f"these are gone: {set(FLOOR) - rooms}"


@pytest.mark.parametrize("module", list(MODULES))
def test_imports_of_the_host_go_down(module: str) -> None:
    for imported in imports_of(MODULES[module]):
        assert imported in MODULES, f"{module} imports {imported}, which is not there"
        room = room_of(module)
        same = room_of(imported) == room != "" and (HOST / room).is_dir()
        assert same or FLOOR[room_of(imported)] < FLOOR[room], f"{module} imports {imported}"


def test_no_imports_go_in_a_circle() -> None:
    waiting = {module: imports_of(path) for module, path in MODULES.items()}
    while free := [module for module, needs in waiting.items() if not needs & set(waiting)]:
        for module in free:
            del waiting[module]
    assert not waiting, f"these import each other: {sorted(waiting)}"


def test_no_arguments_go_below_the_commands() -> None:
    """A command's line becomes typed values in host/cli; what is below knows no argparse."""
    for module, path in MODULES.items():
        if FLOOR[room_of(module)] < FLOOR["cli"]:
            assert "argparse" not in path.read_text(encoding="utf-8"), module


def libraries(path) -> set[str]:
    """The packages that a file imports, ours among them."""
    found = set()
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            found |= {alias.name.split(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            found.add((statement.module or "").split(".")[0])
    return found


def test_only_the_link_knows_the_serial_library() -> None:
    knowing = {module for module, path in MODULES.items() if libraries(path) & {"serial", "pymodbus"}}
    assert knowing == {"host.node.link"}


def test_a_node_is_spoken_of_without_slow_imports() -> None:
    """numpy and pyserial come with the first use: a command that only says how it is used needs neither."""
    computing = {"host.node.proof", "host.node.asking", "host.node.watching"}
    names = [name for name in MODULES if name.startswith("host.node.") and name not in computing]
    code = f"import sys, {', '.join(names)}; print(*{{'numpy', 'serial'}} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout == "\n"


def test_the_package_needs_nothing_of_the_repository() -> None:
    for module, path in MODULES.items():
        assert not libraries(path) & {"tools", "tests"}, module


def test_only_opening_knows_the_words_for_simulated_nodes() -> None:
    """But for the lesson, which opens a node of its own, and the commands' names."""
    for module, path in MODULES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        if module == "host.boards.renode":
            words.discard("renode")  # the name of a program
        if module not in ("host.boards.opening", "host.lessons.facts", "host.__main__", "host.sim"):
            assert not words & {"sim", "renode"}, module


def test_importing_has_no_side_effects() -> None:
    modules = ", ".join(MODULES)
    result = subprocess.run(
        [sys.executable, "-c", f"import {modules}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout == ""
    assert result.stderr == ""


def test_files_keep_to_their_room() -> None:
    """About 400 lines a file; a file past that has become two."""
    for path in [*C_FILES, *HOST_FILES, *sorted((ROOT / "tools").rglob("*.py"))]:
        if path.name not in ("wire.h", "tables.h"):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 460, path
