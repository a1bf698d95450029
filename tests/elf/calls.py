"""Calling functions of the ELF and counting instructions exactly.

Unicorn's instruction hook skips an instruction of an IT block whose condition fails, while the core spends a
cycle on it. So the IT instruction is counted together with its whole block, which counter.c does.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from unicorn import arm_const as arm

from host.compiler import LIBRARY, library

from .chip import SRAM, SRAM_SIZE
from .engine import FLOATS, GENERAL, Batch, Engine, Stop

if TYPE_CHECKING:
    from .machine import Machine

Value = int | float | bytes | ctypes.c_double | ctypes.c_int64
RESULTS = {"void": "", "u32": "<I", "i32": "<i", "u64": "<Q", "i64": "<q", "f32": "<f", "f64": "<d"}
LIMIT = 2_000_000_000
SPARE, SPARE_SIZE = SRAM + SRAM_SIZE // 2, 32 << 10  # between an ELF's variables and a stack at the end
RETURN_TO = 0x0FFF_FFF0  # unmapped: arriving there is the return
SAVED = Batch(
    *(*GENERAL, *FLOATS),
    *(arm.UC_ARM_REG_CONTROL, arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR, arm.UC_ARM_REG_FPSCR),
)


@functools.cache
def _counting() -> ctypes.CDLL:
    """counter.c: a function of Python would take a microsecond for each instruction."""
    source = Path(__file__).with_name("counter.c")
    loaded = library("counter.so", [source], [], LIBRARY, build=True)
    if loaded is None:
        raise RuntimeError("counting instructions needs a C compiler")
    return loaded


class Counter:
    """Counts the instructions run while it is entered."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._state = ctypes.create_string_buffer(_counting().counter_size())
        self._steps = ctypes.c_uint64.from_buffer(self._state, ctypes.sizeof(ctypes.c_void_p))
        _counting().counter_begin(self._state, engine.memory_reader)

    @property
    def instructions(self) -> int:
        return self._steps.value

    def __enter__(self) -> Counter:
        self._hook = self._engine.trace_natively(_counting().counter_step, self._state)
        return self

    def __exit__(self, *raised: object) -> None:
        self._engine.untrace(self._hook)


class Caller:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._engine = machine.chip.engine

    def call(self, function: str | int, *arguments: Value, returns: str = "u32") -> tuple[int | float, int]:
        """Call by the AAPCS with hard floats; no interrupt comes in between.

        An int is a 32-bit argument, a float a float32, ctypes.c_double a double, ctypes.c_int64 a 64-bit
        integer; bytes are copied to the middle of RAM and passed by address. `returns` is a key of RESULTS.
        Run the firmware to `main` first if the function needs initialised variables.
        """
        engine, chip = self._engine, self._machine.chip
        saved, stack = engine.regs(SAVED), engine.reg(arm.UC_ARM_REG_SP)
        pc, flags = engine.pc, engine.reg(arm.UC_ARM_REG_XPSR)
        self._place(arguments, stack)
        engine.set_reg(arm.UC_ARM_REG_LR, RETURN_TO | 1)
        engine.pc = self._machine.address(function)
        with Counter(engine) as counter:
            stop = engine.run(LIMIT)
            while stop is Stop.LIMIT and counter.instructions < LIMIT:  # cut short by a register access
                chip.time.commit()
                while chip.stall_until > chip.time.now:
                    chip.time.skip_to(min(chip.stall_until, chip.time.next() or chip.stall_until), awake=True)
                    chip.time.run_due()
                chip.run_deferred()
                stop = engine.run(LIMIT)
        chip.time.commit()
        if engine.pc != RETURN_TO:
            chip.fail(f"the call of {function} ended by {stop.value}")
        result = self._result(returns)
        engine.set_regs(SAVED, saved)
        engine.set_reg(arm.UC_ARM_REG_XPSR_NZCVQG, flags)
        engine.pc = pc
        return result, counter.instructions

    def _place(self, arguments: tuple[Value, ...], stack: int) -> None:
        """AAPCS 6.4: r0-r3 then the stack, doubles and pairs aligned; floats in s0-s15 with back-filling."""
        program = self._machine.program
        words: list[int] = []
        floats = list(range(16))
        heap = SPARE
        for argument in arguments:
            if isinstance(argument, bytes):
                if any(first < SPARE + SPARE_SIZE and last > SPARE for first, last in program.regions):
                    raise RuntimeError(
                        "the ELF's variables reach the middle of RAM: pass addresses, not bytes"
                    )
                self._engine.write(heap, argument)
                words.append(heap)
                heap += len(argument) + 7 & ~7
            elif isinstance(argument, ctypes.c_double):
                pair = next(i for i in floats if i % 2 == 0 and i + 1 in floats)
                for register, word in enumerate(
                    struct.unpack("<II", struct.pack("<d", argument.value)), pair
                ):
                    floats.remove(register)
                    self._engine.set_reg(FLOATS[register], word)
            elif isinstance(argument, float):
                word = int.from_bytes(struct.pack("<f", argument), "little")
                self._engine.set_reg(FLOATS[floats.pop(0)], word)
            elif isinstance(argument, ctypes.c_int64):
                words += [0] * (len(words) % 2)
                words += struct.unpack("<II", struct.pack("<q", argument.value))
            elif isinstance(argument, int):
                words.append(argument & 0xFFFF_FFFF)
            else:
                raise TypeError(f"{argument!r} is no argument")
        for register, word in zip(GENERAL[:4], words, strict=False):
            self._engine.set_reg(register, word)
        rest = words[4:]
        top = (stack & ~7) - (4 * len(rest) + 7 & ~7)
        self._engine.store(top, struct.pack(f"<{len(rest)}I", *rest))
        self._engine.set_reg(arm.UC_ARM_REG_SP, top)

    def _result(self, returns: str) -> int | float:
        form = RESULTS[returns]
        if not form:
            return 0
        low, high = (FLOATS[0], FLOATS[1]) if returns[0] == "f" else GENERAL[:2]
        data = struct.pack("<II", self._engine.reg(low), self._engine.reg(high))
        value: int | float = struct.unpack(form, data[: struct.calcsize(form)])[0]
        return value
