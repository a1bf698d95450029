"""The board's firmware, as PlatformIO builds it: what platformio.ini says, and where everything is in the ELF."""

from __future__ import annotations

import configparser
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.boards import monocypher
from host.compiler import DIALECT, ROOT, WARNINGS
from host.core.wire import ARENA_BYTES
from tools import firmware

KIB = 1024
SECTOR_0 = range(0x08000000, 0x08004000)
STORES = range(0x08004000, 0x08010000)  # sectors 1, 2 and 3: models and settings
CODE = range(0x08010000, 0x08040000)  # sectors 4 and 5
FLASH = range(0x08000000, 0x08100000)
RAM = range(0x20000000, 0x20020000)
CCM = range(0x1000_0000, 0x1000_0000 + 64 * KIB)
SCB = 0xE000_ED00
HARD_FLOAT = 0x400  # EF_ARM_ABI_FLOAT_HARD
FORBIDDEN = re.compile(
    r"_*(m|c|re)alloc(_r)?|_*free(_r)?|_sbrk(_r)?|.*printf.*|.*scanf.*|f?puts|f?open|atexit"
)
VECTORS = {1: "Reset_Handler", 3: "HardFault_Handler", 15: "SysTick_Handler", 16 + 39: "USART3_IRQHandler"}


@pytest.fixture(scope="module")
def ini() -> configparser.ConfigParser:
    return firmware.project()


def build(board: str) -> Path:
    lack = firmware.lacking()
    if lack:
        pytest.skip(lack)
    return firmware.build_firmware(board)


@pytest.fixture(scope="module")
def elf() -> Path:
    return build(firmware.BOARD)


@pytest.fixture(scope="module")
def read(elf: Path) -> Iterator:
    """The ELF, as pyelftools reads it; it is in the group `dev`."""
    reader = pytest.importorskip("elftools.elf.elffile")
    with open(elf, "rb") as file:
        yield reader.ELFFile(file)


@pytest.fixture(scope="module")
def symbols(read) -> dict[str, int]:
    return {
        symbol.name: symbol["st_value"]
        for symbol in read.get_section_by_name(".symtab").iter_symbols()
        if symbol["st_shndx"] != "SHN_UNDEF"
    }


@pytest.fixture(scope="module")
def loaded(read) -> list[range]:
    """Where the flash is programmed."""
    return [
        range(segment["p_paddr"], segment["p_paddr"] + segment["p_filesz"])
        for segment in read.iter_segments()
        if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
    ]


def inside(small: range, large: range) -> bool:
    return large.start <= small.start and small.stop <= large.stop


# ----------------------------------------------------------------------------------------------- platformio.ini


def test_platformio_has_nothing_against_the_project() -> None:
    """Neither errors nor warnings: it warns of an option that it does not know."""
    assert "free from linting errors" in firmware.platformio("project", "config", "--lint")


def test_our_warnings_are_those_of_the_simulated_node(ini) -> None:
    assert ini["env"]["build_src_flags"].split() == WARNINGS
    assert not set(WARNINGS) & set(ini["env"]["build_flags"].split()), "the HAL is not held to them"


def test_our_dialect_is_that_of_the_simulated_node(ini) -> None:
    assert set(DIALECT) <= set(ini["env"]["build_flags"].split())


def test_two_boards_of_one_chip_share_everything(ini) -> None:
    boards = [name.removeprefix("env:") for name in ini.sections() if name.startswith("env:")]
    assert ini["platformio"]["default_envs"] == firmware.BOARD == boards[0]
    assert len(boards) == 2
    for board in boards:
        assert dict(ini.items(f"env:{board}")) == {"board": board}


def test_the_library_is_named_by_its_commit(ini) -> None:
    """Which nobody can move, as a tag could be."""
    assert re.fullmatch(
        r"Monocypher=https://github\.com/LoupVaillant/Monocypher/archive/[0-9a-f]{40}\.zip",
        ini["env"]["lib_deps"],
    )
    assert set(monocypher.FLAGS) <= set(ini["env"]["build_flags"].replace("-D ", "-D").split())


# ------------------------------------------------------------------------------------------------- where it lies


def test_nothing_is_programmed_over_the_models_and_settings(loaded) -> None:
    assert loaded
    for part in loaded:
        assert inside(part, SECTOR_0) or inside(part, CODE), f"0x{part.start:08X}..0x{part.stop:08X}"


def test_vectors_lie_at_the_start_of_flash(read, symbols) -> None:
    table = next(section for section in read.iter_sections() if section["sh_addr"] == SECTOR_0.start)
    words = struct.unpack(f"<{table['sh_size'] // 4}I", table.data())
    assert len(words) > max(VECTORS)
    assert words[0] in RAM
    assert words[0] % 8 == 0
    for number, name in VECTORS.items():
        assert words[number] == symbols[name] | 1, name
    for word in filter(None, words[1:]):
        assert word & 1, "Thumb"
        assert word in SECTOR_0 or word in CODE or word in RAM
    assert words[1] in SECTOR_0, "starting up needs sector 0 only"
    assert read["e_entry"] == words[1]


def test_the_start_sets_vtor_itself(read) -> None:
    """Before SystemInit, which in newer CMSIS no longer does: Reset_Handler has both addresses among its constants."""
    start = read.get_section_by_name(".startup").data()
    words = struct.unpack(f"<{len(start) // 4}I", start[: len(start) // 4 * 4])
    assert SECTOR_0.start in words
    assert SCB in words


def test_code_begins_at_sector_4(read, symbols) -> None:
    text = read.get_section_by_name(".text")
    assert text["sh_addr"] == CODE.start
    for name in ("main", "infer", "modbus_serve", "store_boot", "port_init", "HAL_Init", "SystemInit"):
        assert symbols[name] in range(text["sh_addr"], text["sh_addr"] + text["sh_size"]), name


def literals(read, start: int, end: int) -> list[tuple[int, int]]:
    """Where constants stand among code, by the ABI's mapping symbols: some instructions look like addresses."""
    marks = sorted(
        (symbol["st_value"], symbol.name[:2])
        for symbol in read.get_section_by_name(".symtab").iter_symbols()
        if symbol.name[:2] in ("$d", "$t") and start <= symbol["st_value"] < end
    )
    ends = [at for at, _ in marks[1:]] + [end]
    return [(at, until) for (at, mark), until in zip(marks, ends, strict=True) if mark == "$d"]


def test_what_runs_while_the_flash_cannot_be_read_knows_nothing_of_it(read, symbols) -> None:
    """Code in RAM reaches a constant or a function of the flash only by its address, which stands among the code."""
    start, end = symbols["_sram_code"], symbols["_eram_code"]
    for name in (
        "work",
        "USART3_IRQHandler",
        "TIM7_IRQHandler",
        "FLASH_IRQHandler",
        "SysTick_Handler",
        "PendSV_Handler",
        "rs485_answer_busy",
        "TIM2_IRQHandler",
        "DMA2_Stream0_IRQHandler",
        "sampler_on_scan",
        "sampler_on_loss",
        "link_on_byte",
        "link_send",
        "link_on_sent",
    ):
        assert start <= symbols[name] < end, name
    section = next(
        section
        for section in read.iter_sections()
        if section["sh_addr"] <= start
        and section["sh_type"] == "SHT_PROGBITS"
        and end <= section["sh_addr"] + section["sh_size"]
    )
    addresses = set()
    for first, last in literals(read, start, end):
        words = section.data()[first - section["sh_addr"] : last - section["sh_addr"]]
        addresses |= set(struct.unpack(f"<{len(words) // 4}I", words[: len(words) // 4 * 4]))
    assert symbols["rs485"] in addresses, "that is how an address is found"
    assert [hex(address) for address in addresses if address in FLASH] == []


def test_variables_lie_in_ram(read) -> None:
    for section in firmware.sections(Path(read.stream.name)):
        if section.writable:
            where = CCM if section.name == firmware.ARENA else RAM
            assert inside(range(section.address, section.address + section.size), where), section


# --------------------------------------------------------------------------------------------------- what it is


def test_it_fits(elf: Path, read) -> None:
    assert read.get_section_by_name(".text")["sh_size"] < 80 * KIB
    assert firmware.flash_size(elf) < 80 * KIB
    assert firmware.ram_size(elf) < 64 * KIB
    assert firmware.arena_size(elf) == ARENA_BYTES


def test_sizes_are_those_that_pyelftools_reads(elf: Path, read) -> None:
    expected = [
        (section.name, section["sh_addr"], section["sh_size"])
        for section in read.iter_sections()
        if section["sh_flags"] & 2 and section["sh_size"]
    ]
    assert [(s.name, s.address, s.size) for s in firmware.sections(elf)] == expected


def test_programmed_bytes_are_those_of_the_sections(elf: Path, loaded) -> None:
    """Segments may hold a few bytes of padding between sections, no more."""
    assert 0 <= sum(map(len, loaded)) - firmware.flash_size(elf) < 64


def test_no_heap_and_no_formatted_output(symbols) -> None:
    assert [name for name in symbols if FORBIDDEN.fullmatch(name)] == []


def test_floating_point_is_done_and_passed_in_hardware(read) -> None:
    assert read["e_flags"] & HARD_FLOAT
    attributes = next(iter(read.get_section_by_name(".ARM.attributes").iter_subsections()))
    tags = {
        tag.tag: tag.value
        for subsection in attributes.iter_subsubsections()
        for tag in subsection.iter_attributes()
    }
    assert tags["TAG_CPU_ARCH_PROFILE"] == ord("M")
    assert tags["TAG_ABI_VFP_ARGS"] == 1, "arguments in VFP registers"


IN_FLOAT64 = {"formats", "learn", "quantise", "scale", "trainer"}
"""What trains in float64 when asked to, and rounds parameters of either type; no inference passes through it."""


def test_float64_stays_where_training_wants_it(elf: Path) -> None:
    """The FPU has no double: it is done in software, slowly."""
    elffile = pytest.importorskip("elftools.elf.elffile")
    found = set()
    for path in (elf.parent / "src").rglob("*.o"):
        with open(path, "rb") as file:
            symbols = elffile.ELFFile(file).get_section_by_name(".symtab").iter_symbols()
            if any(re.fullmatch(r"__aeabi_(d|f2d|i2d|ui2d|l2d|ul2d)\w*", symbol.name) for symbol in symbols):
                found.add(path.stem)
    assert found == IN_FLOAT64


def test_hal_is_used_from_the_port_only(elf: Path) -> None:
    """By the objects: what core/ and app/ leave undefined is theirs, the C library's or in port.h."""
    elffile = pytest.importorskip("elftools.elf.elffile")

    def names(folder: str, *, defined: bool) -> set[str]:
        found = set()
        for path in (elf.parent / folder).rglob("*.o"):
            with open(path, "rb") as file:
                for symbol in elffile.ELFFile(file).get_section_by_name(".symtab").iter_symbols():
                    if symbol["st_info"]["bind"] != "STB_LOCAL" and defined == (
                        symbol["st_shndx"] != "SHN_UNDEF"
                    ):
                        found.add(symbol.name)
        return found

    port = names("src/port", defined=True) | names("FrameworkHALDriver", defined=True)
    contract = set(
        re.findall(r"\bport_\w+", (ROOT / "firmware" / "port" / "port.h").read_text(encoding="utf-8"))
    )
    wanted = names("src/app", defined=False) | names("src/core", defined=False)
    assert "HAL_Init" in port
    assert "port_init" in wanted
    assert wanted & port <= contract
    assert not any(name.startswith("HAL_") for name in wanted)
    assert not {name for name in names("src/core", defined=False) if name.startswith("port_")}


# ------------------------------------------------------------------------------------------------------ the build


def test_both_boards_get_the_same_image(elf: Path) -> None:
    other = build("black_f407vg")
    assert other.with_suffix(".bin").read_bytes() == elf.with_suffix(".bin").read_bytes()


def test_it_is_not_built_again_when_nothing_has_changed(elf: Path, monkeypatch) -> None:
    def refuse(*arguments: str, show: bool = False) -> str:
        raise AssertionError("PlatformIO was started")

    monkeypatch.setattr(firmware, "platformio", refuse)
    assert firmware.build_firmware() == elf


def test_a_damaged_download_is_refused(monkeypatch, tmp_path: Path) -> None:
    archive = tmp_path / "hal.tgz"
    archive.write_bytes(b"not what was published")
    monkeypatch.setattr(firmware, "HAL_ARCHIVE", archive)
    with pytest.raises(firmware.FirmwareError, match="deleted"):
        firmware._download_hal()
    assert not archive.exists()


def test_without_npm_the_line_to_run_is_said(monkeypatch) -> None:
    which = firmware.shutil.which
    monkeypatch.delenv("NEURON485_PLATFORMIO", raising=False)
    monkeypatch.setattr(firmware, "HAL_ARCHIVE", ROOT / "build" / "download" / "none.tgz")
    if not which(firmware.GCC):
        pytest.skip(firmware.lacking())
    monkeypatch.setattr(firmware.shutil, "which", lambda name: None if name == "npm" else which(name))
    assert firmware.HAL in (firmware.lacking() or "")
