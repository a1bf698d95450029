"""Exception entry, return and faults of the Cortex-M4F (PM0214 2.3 and 2.4; ARMv7-M ARM B1.5).

The floating-point part of a frame is saved at entry. The core may save it lazily, which no program can tell
apart except by reading the reserved space in its own frame.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from unicorn import arm_const as arm

from . import nvic as exc
from .engine import FLOATS, Batch, Stop

if TYPE_CHECKING:
    from .chip import Chip

STACKED = (  # by every exception, in this order, before PC and xPSR
    *(arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3),
    *(arm.UC_ARM_REG_R12, arm.UC_ARM_REG_LR),
)
STACKED_FLOATS = (*FLOATS[:16], arm.UC_ARM_REG_FPSCR)
STATE = (arm.UC_ARM_REG_XPSR_NZCVQG, arm.UC_ARM_REG_CONTROL, arm.UC_ARM_REG_SP)
SPSEL, FPCA, NPRIV = 1 << 1, 1 << 2, 1 << 0
ENTRY_CYCLES, RETURN_CYCLES, TAIL_CHAIN_CYCLES = 12, 12, 6  # Cortex-M4 TRM 3.9: latencies without wait states
# CFSR bits (PM0214 4.4.9)
DACCVIOL, MSTKERR, MMARVALID = 1 << 1, 1 << 4, 1 << 7
IBUSERR, PRECISERR, BFARVALID = 1 << 8, 1 << 9, 1 << 15
UNDEFINSTR, INVSTATE, INVPC = 1 << 16, 1 << 17, 1 << 18
FORCED, DEBUGEVT = 1 << 30, 1 << 31  # HFSR

NAMES = {
    exc.HARD_FAULT: "HardFault",
    exc.MEM_MANAGE: "MemManage",
    exc.BUS_FAULT: "BusFault",
    exc.USAGE_FAULT: "UsageFault",
}


class Cpu:
    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self._engine = chip.engine
        self._nvic = chip.nvic
        self.asleep = False
        self.masked = False  # something pending waits only for PRIMASK, BASEPRI or FAULTMASK
        self.entries: dict[int, int] = {}  # exceptions taken, by number: statistics for tests
        self.tail_chains = 0
        self._masks = Batch(arm.UC_ARM_REG_FAULTMASK, arm.UC_ARM_REG_PRIMASK, arm.UC_ARM_REG_BASEPRI)
        self._entry = Batch(*STACKED, arm.UC_ARM_REG_CONTROL, arm.UC_ARM_REG_XPSR, arm.UC_ARM_REG_SP)
        self._entered = Batch(arm.UC_ARM_REG_SP, arm.UC_ARM_REG_CONTROL, arm.UC_ARM_REG_LR)
        self._floats = Batch(*STACKED_FLOATS)
        self._restored = Batch(*STACKED, *STATE)

    def reset(self, stack: int, entry: int) -> None:
        engine = self._engine
        engine.set_reg(arm.UC_ARM_REG_XPSR_NZCVQG, 1 << 24)
        for register in (arm.UC_ARM_REG_CONTROL, arm.UC_ARM_REG_PRIMASK, arm.UC_ARM_REG_BASEPRI):
            engine.set_reg(register, 0)
        engine.set_reg(arm.UC_ARM_REG_FAULTMASK, 0)
        engine.set_reg(arm.UC_ARM_REG_SP, stack & ~3)
        engine.set_reg(arm.UC_ARM_REG_LR, 0xFFFF_FFFF)
        self.asleep = self.masked = False
        if not entry & 1:
            self._chip.fail(f"the reset vector {entry:#010x} is no Thumb address: nothing bootable in flash")
        engine.pc = entry & ~1

    def mask_priority(self) -> int:
        """What PRIMASK, BASEPRI and FAULTMASK raise the execution priority to."""
        faultmask, primask, basepri = self._engine.regs(self._masks)
        if faultmask & 1:
            return -1
        if primask & 1:
            return 0
        return self._nvic.grouped(basepri & 0xF0) or exc.THREAD

    def execution_priority(self) -> int:
        return min(self._nvic.execution_priority(), self.mask_priority())

    def take_pending(self) -> bool:
        """Enter the exception that is due, if any."""
        self.masked = False
        number = self._nvic.first()
        if number is None:
            return False
        priority = self._nvic.group_priority(number)
        if priority >= self._nvic.execution_priority():
            return False
        if priority >= self.mask_priority():
            self.masked = True
            return False
        self._push(number)
        return True

    def wakes(self) -> bool:
        """WFI ends when an exception would preempt, PRIMASK set aside (PM0214 2.5.2)."""
        number = self._nvic.first()
        if number is None:
            return False
        limit = self._nvic.execution_priority()
        basepri = self._nvic.grouped(self._engine.reg(arm.UC_ARM_REG_BASEPRI) & 0xF0) or exc.THREAD
        return self._nvic.group_priority(number) < min(limit, basepri)

    def _push(self, number: int) -> None:
        """Save the frame, then enter exception `number` (PM0214 2.3.7)."""
        engine = self._engine
        *words, control, xpsr, top = engine.regs(self._entry)
        if control & NPRIV:
            self._chip.fail("unprivileged mode has no model")
        words += [engine.pc, xpsr]
        if control & FPCA:
            words += [*engine.regs(self._floats), 0]
        frame = top - 4 * len(words)
        if (
            frame & 4 and self._chip.scs.reg["CCR"] & 1 << 9
        ):  # STKALIGN: 8-byte frames, remembered in xPSR bit 9
            frame -= 4
            words[7] |= 1 << 9
        blocked = self._chip.scs.mpu.blocks(frame, 4 * len(words), self.execution_priority())
        if blocked and not self._chip.deliver_faults:
            self._chip.fail(f"stack overflow: an exception frame at {frame:#010x}, which the MPU forbids")
        if not blocked:
            self._store_frame(frame, words)
        # SPSEL may be written only in thread mode: leave the process stack before IPSR changes.
        thread = not xpsr & 0x1FF
        code = 0xFFFF_FFF1 if not thread else 0xFFFF_FFFD if control & SPSEL else 0xFFFF_FFF9
        engine.set_regs(self._entered, (frame, 0, code & ~(0x10 if control & FPCA else 0)))
        self._chip.time.spend(ENTRY_CYCLES)
        if blocked:  # the frame is lost, but the processor goes on to the handler of that fault
            self._chip.scs.reg["CFSR"] |= MSTKERR
            number = self._escalate(exc.MEM_MANAGE if number != exc.MEM_MANAGE else exc.HARD_FAULT)
        self._start(number)

    def _store_frame(self, frame: int, words: list[int]) -> None:
        if not self._chip.is_ram(frame, 4 * len(words)):
            self._chip.fail(f"stack overflow: an exception frame at {frame:#010x}, outside RAM")
        self._engine.store(frame, struct.pack(f"<{len(words)}I", *words))

    def _start(self, number: int) -> None:
        """Run the handler of `number` on the main stack."""
        engine = self._engine
        self._nvic.enter(number)
        self.entries[number] = self.entries.get(number, 0) + 1
        flags = engine.reg(arm.UC_ARM_REG_XPSR) & 0xF80F_0000
        engine.set_reg(arm.UC_ARM_REG_XPSR_NZCVQG, flags | 1 << 24 | number)
        vector = int.from_bytes(self._chip.vectors(4 * number, 4), "little")
        if not vector & 1:
            self._chip.fail(f"exception {number} has the vector {vector:#010x}, which is no Thumb address")
        engine.pc = vector & ~1
        self.asleep = False

    def return_from(self, code: int) -> None:
        """EXC_RETURN has been loaded into PC: chain to what is pending, or restore the frame."""
        engine = self._engine
        number = engine.reg(arm.UC_ARM_REG_XPSR) & 0x1FF
        if number not in self._nvic.active or code & ~0x1C != 0xFFFF_FFE1 or code & 0xC == 4:
            text = f"exception return {code:#010x} from exception {number}"
            return self.fault(exc.USAGE_FAULT, INVPC, text)
        if number != exc.NMI:
            engine.set_reg(arm.UC_ARM_REG_FAULTMASK, 0)
        self._nvic.leave(number)
        to_thread = bool(code & 8)
        if to_thread == bool(self._nvic.active):
            text = f"exception return {code:#010x} with {self._nvic.active} active"
            return self.fault(exc.USAGE_FAULT, INVPC, text)
        chained = self._nvic.first()
        if chained is not None and self._nvic.group_priority(chained) < self.execution_priority():
            self.tail_chains += 1
            engine.set_reg(arm.UC_ARM_REG_LR, code)
            engine.set_reg(arm.UC_ARM_REG_CONTROL, 0)
            self._chip.time.spend(TAIL_CHAIN_CYCLES)
            return self._start(chained)
        self._pop(code, to_thread)

    def _pop(self, code: int, to_thread: bool) -> None:
        engine = self._engine
        floats = not code & 0x10
        frame = engine.reg(arm.UC_ARM_REG_PSP if code & 4 else arm.UC_ARM_REG_MSP)
        size = 4 * (26 if floats else 8)
        if not self._chip.is_ram(frame, size):
            self._chip.fail(f"exception return with the stack at {frame:#010x}, outside RAM")
        words = struct.unpack(f"<{size // 4}I", engine.read(frame, size))
        xpsr = words[7]
        if bool(xpsr & 0x1FF) == to_thread or not xpsr & 1 << 24:
            self._chip.fail(
                f"exception return {code:#010x} to a spoilt frame at {frame:#010x}, xPSR {xpsr:#x}"
            )
        control = (SPSEL if code & 4 else 0) | (FPCA if floats else 0)
        top = frame + size + (4 if xpsr & 1 << 9 else 0)
        engine.set_regs(self._restored, (*words[:6], xpsr & ~(1 << 9), control, top))
        if floats:
            engine.set_regs(self._floats, words[8:25])
        engine.pc = words[6] & ~1
        self._chip.time.spend(RETURN_CYCLES)
        self.asleep = to_thread and bool(self._chip.scs.reg["SCR"] & 2)  # SLEEPONEXIT

    def handle(self, stop: Stop) -> None:
        """What the engine stopped for, other than its limit."""
        engine, chip = self._engine, self._chip
        at, write = engine.fault_address, engine.fault_write
        if stop is Stop.SLEEP:
            self.asleep = True
        elif stop is Stop.RETURN:
            self.return_from(engine.pc | 1)
        elif stop is Stop.SVC:
            if self._nvic.group_priority(exc.SVCALL) >= self.execution_priority():
                self.fault(exc.HARD_FAULT, 0, "SVC where SVCall cannot preempt", FORCED)
            else:
                self._push(exc.SVCALL)
        elif stop is Stop.BKPT:
            self.fault(exc.HARD_FAULT, 0, "BKPT without a debugger", DEBUGEVT)
        elif stop is Stop.UNDEFINED:
            opcode = engine.read(engine.pc, 4).hex()
            if opcode.startswith("20bf"):
                chip.fail("WFE has no model: use WFI")
            self.fault(exc.USAGE_FAULT, UNDEFINSTR, f"undefined instruction, bytes {opcode}")
        elif stop is Stop.STATE:
            self.fault(exc.USAGE_FAULT, INVSTATE, "jump to an even address (Thumb bit clear)")
        elif stop is Stop.GUARD:
            chip.scs.reg["MMFAR"] = at
            text = f"{'write to' if write else 'read of'} {at:#010x}, which the MPU forbids"
            self.fault(exc.MEM_MANAGE, DACCVIOL | MMARVALID, text)
        elif stop is Stop.ACCESS:
            if at & ~1 == engine.pc & ~1:
                return self.fault(exc.BUS_FAULT, IBUSERR, f"instruction fetch from {at:#010x}")
            chip.scs.reg["BFAR"] = at
            text = f"{'write to' if write else 'read of'} {at:#010x}, where nothing has a model"
            self.fault(exc.BUS_FAULT, PRECISERR | BFARVALID, text)

    def fault(self, number: int, status: int, text: str, hard_status: int = 0) -> None:
        """A fault ends the test, unless the test has asked for the firmware's own handlers to see it."""
        if not self._chip.deliver_faults:
            self._chip.fail(f"{NAMES[number]}: {text}")
        self._chip.scs.reg["CFSR"] |= status
        self._chip.scs.reg["HFSR"] |= hard_status
        self._push(self._escalate(number))

    def _escalate(self, number: int) -> int:
        """The handler that gets a fault: HardFault if its own is off or cannot preempt, then lockup."""
        current = self.execution_priority()
        if number != exc.HARD_FAULT:
            if number in self._nvic.enabled and self._nvic.group_priority(number) < current:
                return number
            self._chip.scs.reg["HFSR"] |= FORCED
        if current <= -1:
            self._chip.fail("lockup: a fault inside HardFault or NMI")
        return exc.HARD_FAULT
