"""Unicorn as a bare Cortex-M4F: it runs instructions and says why it stopped. Exceptions are others' work.

Traps of Unicorn 2.1.4 that shape this file:
- UC_MODE_MCLASS silently gives a Cortex-M33, so the mode is THUMB and the core is chosen by model.
- An exception return shows as interrupt 3 or 8 with PC at 0xFFFFFFE0 or above, its bit 0 cleared.
- emu_stop() in an MMIO callback repeats the access later. Lowering the instruction limit instead stops
  cleanly after the instruction; inside an IT block the stop waits for the end of the block.
- WFE and YIELD are reported as invalid instructions.
- With a single code hook, here the counter's, translated code calls that one and knows of no later one. With two it
  goes through the list of hooks, so that hooks may come and go without everything being translated anew.
"""

from __future__ import annotations

import ctypes
import enum
import importlib.metadata
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from unicorn import arm_const as arm
from unicorn import unicorn_const as const
from unicorn.unicorn_py3 import Uc, UcError
from unicorn.unicorn_py3.unicorn import uclib

UNICORN = "2.1.4"
NOWHERE = 0xFFFF_FFFE  # an end address that no code reaches
RETURN_PAGE = 0xFFFF_FFE0  # EXC_RETURN values live above this (PM0214 2.3.7)
WFI, WFE, YIELD = 0xBF30, 0xBF20, 0xBF10
PAGE = 1024  # whose permissions Unicorn keeps for this core
STATE_BYTES = 4096  # of Unicorn's own state, searched once for its counter

GENERAL = (
    *(arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3),
    *(arm.UC_ARM_REG_R4, arm.UC_ARM_REG_R5, arm.UC_ARM_REG_R6, arm.UC_ARM_REG_R7),
    *(arm.UC_ARM_REG_R8, arm.UC_ARM_REG_R9, arm.UC_ARM_REG_R10, arm.UC_ARM_REG_R11, arm.UC_ARM_REG_R12),
)
FLOATS = tuple(range(arm.UC_ARM_REG_S0, arm.UC_ARM_REG_S0 + 32))

READ_REGISTER = ctypes.CFUNCTYPE(
    ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_void_p
)
WRITE_REGISTER = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_uint64, ctypes.c_void_p
)

T = TypeVar("T")


class Stop(enum.Enum):
    LIMIT = "the instruction limit"
    SLEEP = "WFI"
    BREAK = "a breakpoint"
    SVC = "SVC"
    RETURN = "an exception return"
    BKPT = "BKPT"
    UNDEFINED = "an undefined instruction"
    STATE = "a jump to an even address"
    ACCESS = "an access to no memory"
    GUARD = "an access the MPU forbids"


class Batch:
    """Registers of 32 bits that are read or written together."""

    def __init__(self, *registers: int) -> None:
        self.count = len(registers)
        self.registers = (ctypes.c_int * self.count)(*registers)
        self.words = (ctypes.c_uint32 * self.count)()
        word = ctypes.sizeof(ctypes.c_uint32)
        first = ctypes.addressof(self.words)
        self.places = (ctypes.c_void_p * self.count)(*(first + word * i for i in range(self.count)))


class Engine:
    """Runs instructions from `pc`; `executed` tells how many, also from inside a callback.

    An instruction of an IT block whose condition fails is not counted (Unicorn skips its hook).
    """

    def __init__(self) -> None:
        if (found := importlib.metadata.version("unicorn")) != UNICORN:
            raise RuntimeError(f"the harness needs unicorn=={UNICORN} and found {found}")
        self.uc = Uc(const.UC_ARCH_ARM, const.UC_MODE_THUMB)
        self.uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M4)
        self._handle = getattr(self.uc, "_uch")  # noqa: B009 - the binding has no public name for it
        self._word = ctypes.c_uint32()
        self._word_at = ctypes.byref(self._word)
        self._ahead = ctypes.create_string_buffer(16)
        self._half = ctypes.create_string_buffer(2)
        self.pc = 0
        self.fault_address = 0
        self.fault_write = False
        self.on_protected_write: Callable[[int, int, int], bool] = lambda address, size, value: False
        self.running = False
        self._last = 0
        self._interrupt: int | None = None
        self._raised: BaseException | None = None
        self._broke = False
        self._guarded = False
        self._callbacks: list[Any] = []
        self._memory: list[tuple[int, int, int]] = []
        self._guards: dict[int, int] = {}
        self._refuses: Callable[[int, bool], bool] = lambda address, write: False
        self._breaks: dict[int, int] = {}
        self._forbidden: Callable[[int], None] | None = None
        self.uc.hook_add(const.UC_HOOK_CODE, lambda *arguments: None, None, NOWHERE, NOWHERE)
        self._counter, self._limit = self._find_counter()
        self.uc.hook_add(const.UC_HOOK_INTR, self._on_interrupt)
        self.uc.hook_add(const.UC_HOOK_MEM_WRITE_PROT, self._on_write_protected)
        invalid = const.UC_HOOK_MEM_UNMAPPED | const.UC_HOOK_MEM_READ_PROT | const.UC_HOOK_MEM_FETCH_PROT
        self.uc.hook_add(invalid, self._on_invalid)

    def _find_counter(self) -> tuple[ctypes.c_size_t, ctypes.c_size_t]:
        """Find Unicorn's own instruction counter, which is followed by its limit.

        Unicorn counts in C when a limit is given, at nearly full speed, but has no call to ask for the count.
        After a run of n instructions the two neighbours hold n + 1 and n. Two runs leave a single candidate.
        """
        self.uc.mem_map(0, 4096)
        self.uc.mem_write(0, b"\xfe\xe7")  # b .
        base = int(getattr(self._handle, "value", self._handle))
        words = (ctypes.c_size_t * (STATE_BYTES // ctypes.sizeof(ctypes.c_size_t))).from_address(base)
        found = set(range(len(words) - 1))
        for count in (0x1235, 0x2679):
            self.uc.emu_start(1, NOWHERE, 0, count)
            found = {i for i in found if words[i] == count + 1 and words[i + 1] == count}
        self.uc.mem_unmap(0, 4096)
        if len(found) != 1:
            raise RuntimeError(f"Unicorn's instruction counter not found ({len(found)} candidates)")
        address = base + found.pop() * ctypes.sizeof(ctypes.c_size_t)
        following = address + ctypes.sizeof(ctypes.c_size_t)
        return ctypes.c_size_t.from_address(address), ctypes.c_size_t.from_address(following)

    @property
    def executed(self) -> int:
        """Instructions of the current or last run, the one in progress included."""
        return self._counter.value if self.running else self._last

    def shorten(self, count: int = 0) -> None:
        """End the current run after `count` instructions, or after the present one if that is later."""
        if self.running:
            self._limit.value = min(self._limit.value, max(self._counter.value, count))

    def run(self, count: int) -> Stop:
        """Run at most `count` instructions. A stop by a fault leaves `pc` on the faulting instruction."""
        self._interrupt, self._broke, self._guarded, self._raised = None, False, False, None
        error, start = 0, self.pc
        self.running = True
        try:
            self.uc.emu_start(start | 1, NOWHERE, 0, count)
        except UcError as raised:
            error = raised.errno
        finally:
            self.running = False
            ran = self._counter.value
            limited = ran > self._limit.value
            self._last = ran - 1 if limited or self._broke else ran
            self.pc = self.reg(arm.UC_ARM_REG_PC)
        if self._raised is not None:
            raise self._raised
        if self._guarded:
            return Stop.GUARD
        if error:
            return self._explain(error, start)
        if self._interrupt is not None:
            return self._explain_interrupt(self._interrupt)
        if self._broke:
            return Stop.BREAK
        if not limited and self._halfword(self.pc - 2) == WFI:
            return Stop.SLEEP
        return Stop.LIMIT

    def _explain(self, error: int, start: int) -> Stop:
        if error == const.UC_ERR_INSN_INVALID:
            if not self.reg(arm.UC_ARM_REG_XPSR) & 1 << 24:
                return Stop.STATE
            # WFE and YIELD leave PC behind them; a true undefined instruction leaves it where it is.
            before = self._halfword(self.pc - 2) if self.pc != start else 0
            if before == YIELD:
                return Stop.LIMIT
            if before == WFE:
                self.pc -= 2
            return Stop.UNDEFINED
        if error == const.UC_ERR_EXCEPTION:
            return Stop.STATE
        return Stop.ACCESS

    def _explain_interrupt(self, number: int) -> Stop:
        if number == 2:
            return Stop.SVC
        if number == 7:
            return Stop.BKPT
        if number in (3, 8) and self.pc >= RETURN_PAGE:
            return Stop.RETURN
        raise RuntimeError(f"Unicorn interrupt {number} at {self.pc:#010x} is not understood")

    def _halfword(self, address: int) -> int:
        failed = uclib.uc_mem_read(self._handle, address, self._half, 2)
        return 0 if failed else int.from_bytes(self._half.raw, "little")

    def reg(self, register: int) -> int:
        """A register of 32 bits, by Unicorn's C function: the binding's own way to it takes five times as long."""
        if status := uclib.uc_reg_read(self._handle, register, self._word_at):
            raise UcError(status)
        return self._word.value

    def set_reg(self, register: int, value: int) -> None:
        self._word.value = value
        if status := uclib.uc_reg_write(self._handle, register, self._word_at):
            raise UcError(status)

    def plain(self) -> int:
        """How many of the next instructions leave masks and modes alone and go on to the next: 16 bits wide, and they
        move, reckon, load or store. There may be more of them."""
        if uclib.uc_mem_read(self._handle, self.pc, self._ahead, len(self._ahead)):
            return 0
        for number, high in enumerate(self._ahead.raw[1::2]):
            if not (high < 0x44 or 0x48 <= high < 0xB0):
                return number
        return len(self._ahead) // 2

    def regs(self, batch: Batch) -> list[int]:
        """Several registers in one call, which costs hardly more than one of them."""
        self._check(uclib.uc_reg_read_batch(self._handle, batch.registers, batch.places, batch.count))
        return batch.words[:]

    def set_regs(self, batch: Batch, values: Sequence[int]) -> None:
        """In their order."""
        batch.words[:] = [*values]
        self._check(uclib.uc_reg_write_batch(self._handle, batch.registers, batch.places, batch.count))

    def reg_pc(self) -> int:
        """The instruction being executed, also from inside a callback."""
        return self.reg(arm.UC_ARM_REG_PC) if self.running else self.pc

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.uc.mem_read(address, size))

    def map_memory(self, base: int, size: int, permissions: int) -> None:
        self.uc.mem_map(base, size, permissions)
        self._memory.append((base, size, permissions))

    def store(self, address: int, data: bytes) -> None:
        """Write data that is no code."""
        self.uc.mem_write(address, data)

    def write(self, address: int, data: bytes) -> None:
        """Write memory from outside; code translated from it earlier is forgotten."""
        if data:
            self.uc.mem_write(address, data)
            self.uc.ctl_remove_cache(address, address + len(data))

    def break_at(self, address: int) -> None:
        address &= ~1
        if address not in self._breaks:
            hook = self.uc.hook_add(const.UC_HOOK_CODE, self._on_break, None, address, address)
            self._breaks[address] = hook

    def unbreak(self, address: int) -> None:
        self.uc.hook_del(self._breaks.pop(address & ~1))

    def trace(self, action: Callable[[int], None]) -> int:
        """Call `action(address)` before each instruction, until unhook()."""
        return self.uc.hook_add(const.UC_HOOK_CODE, lambda uc, address, size, data: action(address))

    def trace_natively(self, step: Any, data: Any) -> int:
        """Call a C function before each instruction, with the address of `data`, until untrace()."""
        hook = ctypes.c_size_t()
        callback, state = ctypes.cast(step, ctypes.c_void_p), ctypes.c_void_p(ctypes.addressof(data))
        every = ctypes.c_uint64(1), ctypes.c_uint64(0)
        self._check(
            uclib.uc_hook_add(self._handle, ctypes.byref(hook), const.UC_HOOK_CODE, callback, state, *every)
        )
        return hook.value

    def untrace(self, hook: int) -> None:
        self._check(uclib.uc_hook_del(self._handle, ctypes.c_size_t(hook)))

    @property
    def memory_reader(self) -> ctypes.c_void_p:
        """Unicorn's function that reads memory, for functions in C."""
        return ctypes.cast(uclib.uc_mem_read, ctypes.c_void_p)

    @staticmethod
    def _check(status: int) -> None:
        if status:
            raise UcError(status)

    def trace_reads(self, action: Callable[[int], None]) -> int:
        """Call `action(address)` at each read of memory, until unhook()."""

        def on_read(uc: Uc, access: int, address: int, size: int, value: int, data: object) -> None:
            action(address)

        hook = self.uc.hook_add(const.UC_HOOK_MEM_READ, on_read)
        self.uc.ctl_flush_tb()
        return hook

    def guard(self, spans: Sequence[tuple[int, int, bool]], refuses: Callable[[int, bool], bool]) -> None:
        """Ask `refuses(address, is_write)` before any access to these spans, and stop where it does; replaces what has
        been guarded before. Of each: first and last address, and whether reads need no asking. Not inside of a run.

        It goes by the permissions of their pages. A hook on loads and stores would slow down all of them.
        """
        for page, permissions in self._guards.items():
            self._permit(page, PAGE, permissions)
        self._guards = {}
        self._refuses = refuses
        for first, last, readable in spans:
            permissions = next(
                kept for base, size, kept in self._memory if base <= first and last < base + size
            )
            for page in range(first & -PAGE, last + 1, PAGE):
                self._guards[page] = permissions
                self._permit(
                    page, PAGE, permissions & ~(const.UC_PROT_WRITE | (0 if readable else const.UC_PROT_READ))
                )

    def _stops_at_guard(self, address: int, write: bool) -> bool:
        if self.shielded(lambda: self._refuses(address, write), True):
            self.fault_address, self.fault_write, self._guarded = address, write, True
        return self._guarded

    def forbid(self, base: int, size: int, action: Callable[[int], None]) -> Callable[[], None]:
        """Call `action(address)`, which raises, at any read of this memory, which nobody may write, and before any
        instruction there. Answers what allows it again. Not from inside of a run."""

        def on_code(uc: Uc, address: int, width: int, data: object) -> None:
            self.shielded(lambda: action(address), None)

        def allow() -> None:
            self.uc.hook_del(hook)
            self._forbidden = None
            self._permit(base, size, const.UC_PROT_READ | const.UC_PROT_EXEC)

        hook = self.uc.hook_add(const.UC_HOOK_CODE, on_code, None, base, base + size - 1)
        self._forbidden = action
        self._permit(base, size, const.UC_PROT_EXEC)
        return allow

    def _permit(self, base: int, size: int, permissions: int) -> None:
        """Unicorn looks at permissions only where it has forgotten the page. Code is kept, and runs all the same."""
        self.uc.mem_protect(base, size, permissions)
        self.uc.ctl(const.UC_CTL_TLB_FLUSH, const.UC_CTL_IO_WRITE)

    def unhook(self, hook: int) -> None:
        self.uc.hook_del(hook)
        self.uc.ctl_flush_tb()

    def map_registers(
        self, base: int, size: int, read: Callable[[int, int], int], write: Callable[[int, int, int], None]
    ) -> None:
        def on_read(handle: int, offset: int, width: int, data: object) -> int:
            try:  # as in shielded(), which costs two more calls, millions of times
                return read(base + offset, width)
            except BaseException as raised:
                return self._carry(raised, 0)

        def on_write(handle: int, offset: int, width: int, value: int, data: object) -> None:
            try:
                write(base + offset, width, value)
            except BaseException as raised:
                self._carry(raised, None)

        # By Unicorn's C function: the binding puts two calls of its own before each of these.
        callbacks = READ_REGISTER(on_read), WRITE_REGISTER(on_write)
        self._callbacks += callbacks
        reader, writer = (ctypes.cast(callback, ctypes.c_void_p) for callback in callbacks)
        self._check(uclib.uc_mmio_map(self._handle, base, size, reader, None, writer, None))

    def shielded(self, action: Callable[[], T], otherwise: T) -> T:
        """Run a callback's work; what it raises crosses Unicorn's C code by hand and comes out of run()."""
        try:
            return action()
        except BaseException as raised:
            return self._carry(raised, otherwise)

    def _carry(self, raised: BaseException, otherwise: T) -> T:
        self._raised = self._raised or raised
        self.uc.emu_stop()
        return otherwise

    def _on_break(self, uc: Uc, address: int, size: int, data: object) -> None:
        self._broke = True
        uc.emu_stop()

    def _on_interrupt(self, uc: Uc, number: int, data: object) -> None:
        self._interrupt = number
        uc.emu_stop()

    def _on_write_protected(
        self, uc: Uc, access: int, address: int, size: int, value: int, data: object
    ) -> bool:
        if address & -PAGE in self._guards:
            if self._stops_at_guard(address, True):
                return False
            self.uc.mem_write(address, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))
            return True
        if self.shielded(lambda: self.on_protected_write(address, size, value & (1 << 8 * size) - 1), True):
            return True  # Unicorn drops the write: the flash controller applies it when its time has passed
        return self._on_invalid(uc, access, address, size, value, data)

    def _on_invalid(self, uc: Uc, access: int, address: int, size: int, value: int, data: object) -> bool:
        if access == const.UC_MEM_READ_PROT and address & -PAGE in self._guards:
            return not self._stops_at_guard(address, False)
        if self._forbidden is not None and access == const.UC_MEM_READ_PROT:
            action = self._forbidden
            self.shielded(lambda: action(address), None)
        self.fault_address = address
        self.fault_write = access in (const.UC_MEM_WRITE_UNMAPPED, const.UC_MEM_WRITE_PROT)
        return False
