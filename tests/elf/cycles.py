"""Cycles of a Cortex-M4 by the table of its Technical Reference Manual (DDI 0439, 3.3), flash with ST's accelerator.

Not silicon: trust the ratios. A taken branch refills the pipeline in 2 cycles, of the 1 to 3 that the manual gives; a
division takes the longest. The accelerator (RM0090, 3.4.2) fetches code in time; of data it keeps 8 lines of 16 bytes,
and a line that it has not costs the 5 wait states of 168 MHz. Not reckoned: unaligned accesses, contention of buses,
and an IT that folds away.
"""

from __future__ import annotations

import functools
import re
import subprocess
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .flash import BASE, SIZE

if TYPE_CHECKING:
    from .machine import Machine

REFILL, WAIT_STATES, LINES, LINE_BYTES, DIVISION = 2, 5, 8, 16, 12
LINE = re.compile(r"^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(\S+)(?:\t([^@;]*))?")
CONDITION = "(eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?"
WIDTH = r"(\.[nw])?$"


@dataclass(frozen=True)
class Instruction:
    """following: the address behind it. cycles: without the refill of a branch. branch: it may jump. pipelined: a load
    that leaves its base as it is; one behind another takes a cycle less."""

    following: int
    cycles: int
    branch: bool
    pipelined: bool


def _registers(operands: str) -> int:
    """In a list like {r4, r5-r7, pc}."""
    count = 0
    for part in operands[operands.index("{") + 1 : operands.index("}")].split(","):
        ends = [int(number) for number in re.findall(r"\d+", part)]
        count += ends[1] - ends[0] + 1 if "-" in part else 1
    return count


def cost(name: str, operands: str) -> tuple[int, bool]:
    """Cycles, without refill; whether it may jump."""

    def named(stem: str) -> bool:
        return re.match(f"({stem}){CONDITION}{WIDTH}", name) is not None

    to_pc = re.match(r"pc\b", operands) is not None
    if named("b|bl|bx|blx") or name.startswith(("cbz", "cbnz")):
        return 1, True
    if named("tbb|tbh"):
        return 3, True
    if named("push|pop|ldm|ldmia|ldmdb|stm|stmia|stmdb|vpush|vpop|vldmia|vstmia|vldmdb|vstmdb"):
        wide = 2 if re.search(r"\{d\d", operands) else 1
        return 1 + wide * _registers(operands), "pc}" in operands
    if named("ldrd|strd") or (re.match(r"(vldr|vstr)", name) and operands.startswith("d")):
        return 3, False
    if re.match(r"(ldr|vldr|vstr)", name):
        return 2, to_pc
    if re.match(r"str", name):
        return (1 if re.search(r"\[\w+(, #-?\d+)?\]|\], #", operands) else 2), False
    if re.match(r"[su]div", name):
        return DIVISION, False
    if re.match(r"(vdiv|vsqrt)", name):
        return 14, False
    if re.match(r"v(n?ml[as]|fn?m[as])", name):
        return 3, False
    if re.match(r"vmov", name) and operands.count(",") >= 2:
        return 2, False
    return 1, to_pc


@functools.cache
def _listing(elf: Path, modified: int) -> dict[int, Instruction]:
    command = ["arm-none-eabi-objdump", "--disassemble", str(elf)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for line in text.splitlines():
        if match := LINE.match(line):
            address, size = int(match[1], 16), len(match[2].replace(" ", "")) // 2
            name, operands = match[3], (match[4] or "").strip()
            cycles, branch = cost(name, operands)
            load = re.match(r"v?ldr", name) is not None and cycles == 2 and not branch
            updates = operands.endswith("!") or "], " in operands
            found[address] = Instruction(address + size, cycles, branch, load and not updates)
    return found


class Cycles:
    """Counts them while it is entered. elf: what runs there. slow: memory that is reckoned as flash beside it."""

    def __init__(self, machine: Machine, elf: Path, slow: Iterable[range] = ()) -> None:
        self._listing = _listing(elf, elf.stat().st_mtime_ns)
        self._engine = machine.chip.engine
        self._slow = [range(BASE, BASE + SIZE), *slow]
        self._lines: OrderedDict[int, None] = OrderedDict()
        self._before: Instruction | None = None
        self._loaded = False
        self.cycles = 0

    def __enter__(self) -> Cycles:
        self._hooks = [self._engine.trace(self._step), self._engine.trace_reads(self._read)]
        return self

    def __exit__(self, *raised: object) -> None:
        if self._before is not None:
            self._leave(self._before, None)
        for hook in self._hooks:
            self._engine.unhook(hook)

    def _step(self, address: int) -> None:
        if self._before is not None:
            self._leave(self._before, address)
        self._before = self._listing[address]

    def _leave(self, instruction: Instruction, to: int | None) -> None:
        """It has run, and `to` is next; None: what called is."""
        self.cycles += instruction.cycles - (self._loaded and instruction.pipelined)
        self._loaded = instruction.pipelined
        at = instruction.following
        if instruction.branch and to != at:
            self.cycles += REFILL
            return
        while to is not None and at != to:  # members of an IT block whose condition failed
            self.cycles += 1
            self._loaded = False
            at = self._listing[at].following

    def _read(self, address: int) -> None:
        if not any(address in memory for memory in self._slow):
            return
        line = address // LINE_BYTES
        if line not in self._lines:
            self.cycles += WAIT_STATES
            if len(self._lines) == LINES:
                self._lines.popitem(last=False)
            self._lines[line] = None
        self._lines.move_to_end(line)
