"""An ELF file as the harness needs it: what goes into flash, and where its functions are."""

from __future__ import annotations

import bisect
import functools
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from .flash import BASE, SIZE


class Program:
    def __init__(self, path: Path) -> None:
        self.symbols: dict[str, int] = {}
        flash = bytearray(b"\xff" * SIZE)
        self.regions: list[tuple[int, int]] = []  # run-time addresses in use: first, last + 1
        functions: dict[int, str] = {}
        with path.open("rb") as file:
            elf = ELFFile(file)
            for segment in elf.iter_segments("PT_LOAD"):
                data, at = segment.data(), segment["p_paddr"] - BASE
                if data and not 0 <= at <= at + len(data) <= SIZE:
                    raise ValueError(f"{path}: a segment for {segment['p_paddr']:#010x}, outside of flash")
                flash[at : at + len(data)] = data
                self.regions.append((segment["p_vaddr"], segment["p_vaddr"] + segment["p_memsz"]))
            for section in elf.iter_sections():
                if not isinstance(section, SymbolTableSection):
                    continue
                for symbol in section.iter_symbols():
                    if symbol.name and symbol["st_shndx"] != "SHN_UNDEF":
                        self.symbols[symbol.name] = symbol["st_value"]
                        if symbol["st_info"]["type"] == "STT_FUNC":
                            functions[symbol["st_value"] & ~1] = symbol.name
        self.flash = bytes(flash)
        self._starts = sorted(functions)
        self._names = [functions[start] for start in self._starts]

    def locate(self, address: int) -> str:
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0 or not BASE <= address < BASE + SIZE:
            return f"{address:#010x}"
        return f"{self._names[index]}+{address - self._starts[index]:#x} ({address:#010x})"


@functools.cache
def _load(path: Path, modified: int) -> Program:
    return Program(path)


def load(path: str | Path) -> Program:
    """Hundreds of machines share one file: it is parsed once, and again when it changes."""
    path = Path(path).resolve()
    return _load(path, path.stat().st_mtime_ns)
