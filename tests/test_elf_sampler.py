"""The sampler as the chip runs it: the interrupt of a scan comes behind every instruction of what reads the ring, and
nothing that is read is torn. The objects are the firmware's own, on a bare processor.
"""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, Uc
from unicorn import arm_const as arm

from host.compiler import ROOT
from host.core.wire import ANALOG, SAMPLE_MISSING, SAMPLE_WORDS, SAMPLES_MAX
from tests.elf.build import CORE
from tests.elf.firmware import firmware_elf
from tools import firmware

FLASH, RAM, SIZE = 0x0800_0000, 0x2000_0000, 0x2_0000
STACK, FREE = RAM + SIZE - 0x2000, RAM + SIZE - 0x1000
RETURN = FLASH + SIZE - 0x1000
INTERRUPT_STACK = RAM + SIZE - 0x1800
REGISTERS = [arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3]
A0, SIX, ALL = 1, 0x3F, 0xFFF
U32 = 1 << 32
WHOLE = 1_000_000
WIDTH = 6
CAPACITY = SAMPLE_WORDS // WIDTH


class Bare:
    """A processor with the sampler in its memory."""

    def __init__(self, elf: Path) -> None:
        self._uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        self._uc.mem_map(FLASH, SIZE)
        self._uc.mem_map(RAM, SIZE)
        with elf.open("rb") as file:
            reader = ELFFile(file)
            for segment in reader.iter_segments("PT_LOAD"):
                self._uc.mem_write(segment["p_vaddr"], segment.data())
            symbols = reader.get_section_by_name(".symtab").iter_symbols()
            self._at = {symbol.name: symbol["st_value"] for symbol in symbols}
        self.sampler, self.sampled = self._at["sampler"], self._at["sampled"]
        self.free = FREE

    def _enter(self, function: str, arguments: tuple[int, ...], stack: int) -> None:
        for register, value in zip(REGISTERS, arguments, strict=False):
            self._uc.reg_write(register, value % U32)
        rest = [value % U32 for value in arguments[4:]]
        stack -= 16 * (-(-len(rest) // 4))
        self._uc.mem_write(stack, struct.pack(f"<{len(rest)}I", *rest))
        self._uc.reg_write(arm.UC_ARM_REG_SP, stack)
        self._uc.reg_write(arm.UC_ARM_REG_LR, RETURN | 1)
        self._uc.reg_write(arm.UC_ARM_REG_PC, self._at[function] | 1)

    def _go(self, count: int = WHOLE) -> bool:
        """So many instructions, or to the end; whether it has come there. Never without a limit: Unicorn keeps what it
        has translated without one, and later does not count in it."""
        self._uc.emu_start(self._uc.reg_read(arm.UC_ARM_REG_PC) | 1, RETURN, count=count)
        return self._uc.reg_read(arm.UC_ARM_REG_PC) == RETURN

    def call(self, function: str, *arguments: int) -> int:
        self._enter(function, arguments, STACK)
        assert self._go()
        return self._result()

    def _result(self) -> int:
        low, high = (self._uc.reg_read(register) for register in REGISTERS[:2])
        return int(low | high << 32)

    def cut_in(self, count: int, interrupt: Callable[[], None], function: str, *arguments: int) -> int | None:
        """The call, with the interrupt behind its instruction `count`; None: it had ended before."""
        self._enter(function, arguments, STACK)
        ended = self._go(count)
        if ended:
            return None
        saved = self._uc.context_save()
        interrupt()
        self._uc.context_restore(saved)
        assert self._go()
        return self._result()

    def instructions(self, function: str, *arguments: int) -> int:
        """That the call takes, by trying."""
        memory = self.memory()
        count = 1
        while True:
            self._enter(function, arguments, STACK)
            ended = self._go(count)
            self.remember(memory)
            if ended:
                return count
            count += 1

    def put(self, address: int, data: bytes) -> None:
        self._uc.mem_write(address, data)

    def get(self, address: int, size: int) -> bytes:
        return bytes(self._uc.mem_read(address, size))

    def memory(self) -> bytes:
        return bytes(self._uc.mem_read(RAM, SIZE))

    def remember(self, memory: bytes) -> None:
        self._uc.mem_write(RAM, memory)

    def scan(self, number: int, levels: int = 0, missed: int = 0, stack: int = STACK) -> None:
        """The interrupt of the scan `number`, with values that its number gives."""
        self.put(FREE + 0x800, struct.pack(f"<{ANALOG}H", *(value(number, i) for i in range(ANALOG))))
        self._enter("sampler_on_scan", (self.sampler, FREE + 0x800, levels, missed), stack)
        assert self._go()


def value(number: int, channel: int) -> int:
    return (number * 31 + channel * 7) & 0xFFF


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    objects = firmware_elf().parent / "src" / "app"
    target = tmp_path_factory.mktemp("sampler") / "sampler.elf"
    command = [
        firmware.GCC,
        *CORE,
        "-std=c11",
        "-O2",
        "-ffreestanding",
        "-nostdlib",
        "-I",
        str(ROOT / "firmware"),
    ]
    command += [
        str(ROOT / "tests" / "port" / "sampler_alone.c"),
        str(objects / "sampler.o"),
        str(objects / "scan.o"),
    ]
    command += [f"-Wl,-Ttext={FLASH:#x},-Tbss={RAM:#x},-e,sampler_boot", "-lgcc", "-o", str(target)]
    subprocess.run(command, check=True)
    return target


@pytest.fixture
def bare(elf: Path) -> Bare:
    return Bare(elf)


def filled(bare: Bare, scans: int, *, before: int = 0) -> int:
    """A ring of six channels with so many scans in it, behind `before` that were lost; the number of the next one."""
    bare.call("sampler_bus", bare.sampler, SIX, 1000)
    bare.scan(before, missed=before)
    for number in range(before + 1, before + scans):
        bare.scan(number)
    return before + scans


def each_cut(bare: Bare, interrupt: Callable[[], None], function: str, *arguments: int) -> Iterator[int]:
    """The results of a call with the interrupt behind its first, second ... instruction."""
    memory = bare.memory()
    count = 0
    while True:
        count += 1
        bare.remember(memory)
        result = bare.cut_in(count, interrupt, function, *arguments)
        if result is None:
            assert count > 10
            return
        yield result


@pytest.mark.parametrize("before", [0, U32 - 50, U32 - 3])
def test_the_number_is_that_before_the_scan_or_behind_it(bare: Bare, before: int) -> None:
    head = filled(bare, 3 if before < U32 - 3 else 2, before=before)
    results = list(
        each_cut(bare, lambda: bare.scan(head, stack=INTERRUPT_STACK), "sampler_head", bare.sampler)
    )
    assert set(results) == {head, head + 1}


@pytest.mark.parametrize("missed", [0, 1, 40, CAPACITY - 1, CAPACITY, U32 - 1])
@pytest.mark.parametrize(
    ("scans", "behind"), [(CAPACITY + 7, CAPACITY), (CAPACITY, CAPACITY - 1), (30, 15), (5, 1)]
)
def test_what_is_copied_is_of_one_instant(bare: Bare, scans: int, behind: int, missed: int) -> None:
    """The scan that comes overwrites the very one that is being read, or brings a gap."""
    head = filled(bare, scans)
    words, first, newest = bare.free, bare.free + 0x400, bare.free + 0x404
    oldest = max(0, head - CAPACITY)
    found = set()
    for size in each_cut(
        bare,
        lambda: bare.scan(head + missed, missed=missed, stack=INTERRUPT_STACK),
        "sampler_copy",
        bare.sampler,
        head - behind,
        words,
        SAMPLES_MAX,
        first,
        newest,
    ):
        at, end = struct.unpack("<2I", bare.get(first, 8))
        count = size % U32
        found.add((at, end))
        frames = struct.unpack(f"<{count}H", bare.get(words, 2 * count))
        numbers = [at + i for i in range(count // WIDTH)]
        assert len(numbers) == min((end - at) % U32, SAMPLES_MAX // WIDTH)
        for number, frame in zip(numbers, zip(*[iter(frames)] * WIDTH, strict=True), strict=True):
            lost = head <= number < head + missed
            assert frame == tuple(SAMPLE_MISSING if lost else value(number, i) for i in range(WIDTH))
    end = head + missed + 1
    kept = end - 1 if missed >= CAPACITY else max(oldest, end - CAPACITY)
    assert found == {(head - behind, head), (max(head - behind, kept) % U32, end % U32)}


@pytest.mark.parametrize("missed", [0, 3])
def test_a_window_that_is_still_held_was_read_whole(bare: Bare, missed: int) -> None:
    """Asked for, measured, and asked about once more, as whoever decides does."""
    head = filled(bare, CAPACITY + 3)
    first, count, window = head - CAPACITY, 64, bare.free
    arguments = (bare.sampler, 0, first, 0, count, 2, window)  # r1 is skipped: a number takes an even pair
    held = gone = 0
    for found in each_cut(
        bare,
        lambda: bare.scan(head + missed, missed=missed, stack=INTERRUPT_STACK),
        "sampler_window",
        *arguments,
    ):
        parts = struct.unpack("<2I2II", bare.get(window, 20))
        samples = (
            [
                struct.unpack("<H", bare.get(parts[part] + 2 * i * parts[4], 2))[0]
                for part in range(2)
                for i in range(parts[2 + part])
            ]
            if found & 1
            else []
        )
        if found & 1 and bare.call("sampler_holds", bare.sampler, 0, first, 0) & 1:
            held += 1
            assert samples == [value(first + i, 2) for i in range(count)]
        else:
            gone += 1
    assert held == 0, "the scan that came took the place of its first"
    assert gone > 20
    assert bare.call("sampler_holds", bare.sampler, 0, head - 1, 0) & 1


def window_of(bare: Bare, first: int, count: int, channel: int) -> list[int] | None:
    """The samples of a window, as core/features reads them; None: refused."""
    found = bare.call("sampler_window", bare.sampler, 0, first % U32, first >> 32, count, channel, bare.free)
    if not found & 1:
        return None
    *parts, stride, mask = struct.unpack("<2I2IIHxx", bare.get(bare.free, 24))[:6]
    words = [
        struct.unpack("<H", bare.get(parts[part] + 2 * i * stride, 2))[0]
        for part in range(2)
        for i in range(parts[2 + part])
    ]
    assert len(words) == count
    assert parts[2] > 0, "only the newer part may be empty"
    return [bool(word & mask) for word in words] if mask else words


@pytest.mark.parametrize("before", [0, U32 - 3000])
def test_a_window_is_its_scans_or_nothing(bare: Bare, before: int) -> None:
    """Anywhere in the ring and beyond its ends, with lost scans here and there."""
    rng = random.Random(before)
    channels = 0b0101_0010_0101  # A0, A2, A5, D0, D2
    bare.call("sampler_bus", bare.sampler, channels, 1000)
    capacity = SAMPLE_WORDS // 4
    scans: dict[int, int | None] = {}
    bare.scan(before, missed=before)
    scans[before] = 0
    head = before + 1
    seen = {True: 0, False: 0}
    for _ in range(60):
        for _ in range(rng.randrange(1, 250)):
            missed = rng.randrange(1, 4) if rng.random() < 0.002 else 0
            scans.update({head + i: None for i in range(missed)})
            head += missed
            scans[head] = rng.randrange(16)
            bare.scan(head, levels=scans[head] or 0, missed=missed)
            head += 1
        for _ in range(12):
            count = rng.choice([1, 2, 64, 256, 1024])
            first = head - rng.choice([count, rng.randrange(1, 6000), capacity, capacity + 1, count - 1, 0])
            channel = rng.choice([0, 2, 5, 8, 10, 1, 9])
            numbers = range(first, first + count)
            there = channels >> channel & 1 and max(before, head - capacity) <= first <= head - count
            whole = bool(there) and all(scans.get(number) is not None for number in numbers)
            found = window_of(bare, max(first, 0), count, channel) if first >= 0 else None
            assert (found is not None) == whole
            seen[whole] += 1
            if found is not None and channel < ANALOG:
                assert found == [value(number, channel) for number in numbers]
            elif found is not None:
                assert found == [bool((scans[number] or 0) >> channel - ANALOG & 1) for number in numbers]
            if there:
                assert bare.call("sampler_holds", bare.sampler, 0, first % U32, first >> 32) & 1
    assert min(seen.values()) > 100, seen


def test_the_model_and_the_bus_share_the_sampler(bare: Bare) -> None:
    """The model's rate goes first; its first window begins with the next scan."""

    def in_force() -> tuple[int, int]:
        channels, rate = struct.unpack("<2I", bare.get(bare.sampled, 8))
        return channels, rate

    bare.call("sampler_boot", bare.sampler)
    assert bare.call("sampler_model", bare.sampler, 0, 0) == 0
    assert in_force() == (0, 0)
    assert bare.call("sampler_model", bare.sampler, 0b11, 500) == 0
    assert in_force() == (0b11, 500)
    bare.scan(0, missed=5)
    assert bare.call("sampler_model", bare.sampler, 0b11, 500) == 6, "the same again: the ring goes on"
    assert bare.call("sampler_holds", bare.sampler, 0, 5, 0) & 1
    bare.call("sampler_bus", bare.sampler, 0b100, 1000)
    assert in_force() == (0b111, 500)
    assert not bare.call("sampler_holds", bare.sampler, 0, 5, 0) & 1
    bare.scan(6)
    assert bare.call("sampler_model", bare.sampler, 0b1000, 250) == 7
    assert in_force() == (0b1100, 250)
    bare.scan(7, missed=U32 - 8)
    assert bare.call("sampler_model", bare.sampler, 0, 0) == U32, "all of its 64 bits"
    assert in_force() == (0b100, 1000)
    bare.call("sampler_bus", bare.sampler, 0, 1000)
    assert in_force() == (0, 0)


def test_a_frequency_is_that_before_the_rise_or_behind_it(bare: Bare) -> None:
    bare.call("sampler_bus", bare.sampler, ALL, 10)
    number = 0
    for period in (4, 4, 4, 3, 3, 3, 4):
        for i in range(period):
            bare.scan(number, levels=int(i == 0))
            number += 1
    before = bare.call("sampler_frequency", bare.sampler, 0) % U32
    memory = bare.memory()
    bare.scan(number, levels=1)
    behind = bare.call("sampler_frequency", bare.sampler, 0) % U32
    bare.remember(memory)
    results = each_cut(
        bare, lambda: bare.scan(number, levels=1, stack=INTERRUPT_STACK), "sampler_frequency", bare.sampler, 0
    )
    assert {result % U32 for result in results} == {before, behind}
    assert before != behind


def test_a_scan_takes_few_instructions(bare: Bare) -> None:
    """It runs above all else, up to 10,000 times a second."""
    pointer = bare.free + 0x800

    def scan(levels: int = 0) -> int:
        return bare.instructions("sampler_on_scan", bare.sampler, pointer, levels, 0)

    bare.call("sampler_bus", bare.sampler, A0, 1000)
    assert scan() < 60
    bare.call("sampler_bus", bare.sampler, SIX, 1000)
    assert scan() < 100
    bare.call("sampler_bus", bare.sampler, ALL, 1000)
    bare.scan(0)
    assert scan() < 200
    assert scan(0xF) < 300, "four rises at once"
