"""The board's firmware, built from platformio.ini where PlatformIO's registry is out of reach.

    python3 -m tools.firmware build [--board black_f407vg] [--stock]

A user with PlatformIO types `pio run` and needs none of this. Here PlatformIO Core and SCons come from PyPI, the
compiler from Debian (or from PATH), ST's HAL from npm, Monocypher's source from PyPI, and tools/platformio/ stands in
for the platform ststm32; all of it lives under build/, and ~/.platformio is not touched. --stock, or
NEURON485_PLATFORMIO=stock in the environment, builds with PlatformIO as it is installed instead. What the set-up lacks
is said with the line that brings it.
"""

from __future__ import annotations

import argparse
import base64
import configparser
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from host.boards import monocypher
from host.errors import NeuronError
from host.node.firmware import firmware_hash
from tools.environment import BUILD, ROOT, alone, ensure_python, stop

BOARD = "disco_f407vg"
CORE = BUILD / "platformio"
STAND_IN = ROOT / "tools" / "platformio"

HAL = "@micro-os-plus/platform-stm32f4discovery@3.3.1"
HAL_ARCHIVE = BUILD / "download" / "micro-os-plus-platform-stm32f4discovery-3.3.1.tgz"
HAL_SHA512 = "7fQQESha0+g0fnO5Aj5IHX+XbHCKdCA/xS7k6fzs/1MLdGWFc1ZOV/QxF+wEBC8XcHAgP9AN1pYHs8RyKGummQ=="
NPM_PACK = f"npm pack {HAL} --pack-destination {HAL_ARCHIVE.parent.relative_to(ROOT).as_posix()}"
HAL_FOLDERS = {
    "package/stm32cubemx/Drivers": "Drivers",
    "package/stm32cubemx/Core/Src/system_stm32f4xx.c": (
        "Drivers/CMSIS/Device/ST/STM32F4xx/Source/Templates/system_stm32f4xx.c"
    ),
}
"""What we take out of the archive, and where PlatformIO's framework package has it."""

PACKAGES = {
    "platforms/ststm32": ("platform", "19.0.0+standin"),
    "packages/tool-scons": ("tool", "4.41101.0"),
    "packages/toolchain-gccarmnoneeabi": ("tool", "1.120301.0"),
    "packages/framework-stm32cubef4": ("tool", "1.27.1"),
}
"""PlatformIO's packages, hand-placed: folder -> type and version. The versions are those that platformio.ini and
PlatformIO Core ask for; what is really inside is in tools/platformio/README.md."""

GCC = "arm-none-eabi-gcc"
GCC_AT_LEAST = 12
SETTINGS = {
    "PLATFORMIO_CORE_DIR": str(CORE),
    "PLATFORMIO_PLATFORMS_DIR": str(CORE / "platforms"),
    "PLATFORMIO_PACKAGES_DIR": str(CORE / "packages"),
    "PLATFORMIO_CACHE_DIR": str(CORE / "cache"),
    "PLATFORMIO_LIBDEPS_DIR": str(CORE / "libdeps"),
    "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "No",
    "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
    "PLATFORMIO_NO_ANSI": "true",
}


class FirmwareError(Exception):
    """The firmware cannot be built. Its text says what to do, or is the compiler's output."""


def project() -> configparser.ConfigParser:
    """What platformio.ini says."""
    parser = configparser.ConfigParser(inline_comment_prefixes=(";",))
    parser.read(ROOT / "platformio.ini", encoding="utf-8")
    return parser


def boards() -> list[str]:
    return [name.removeprefix("env:") for name in project().sections() if name.startswith("env:")]


# ------------------------------------------------------------------------------------------------ what it needs


def stock() -> bool:
    """Whether PlatformIO is to be used as it is installed."""
    return os.environ.get("NEURON485_PLATFORMIO") == "stock"


def lacking() -> str | None:
    """What the machine lacks to build the firmware, with the line that brings it; None when it has all."""
    if stock():
        return None
    if not shutil.which(GCC):
        return f"{GCC} is missing: sudo apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"
    version = _gcc("-dumpversion")
    if int(version.split(".")[0]) < GCC_AT_LEAST:
        return f"{GCC} {version} is too old: GCC {GCC_AT_LEAST} or newer is needed"
    if not Path(_gcc("-print-file-name=nano.specs")).is_absolute():
        return "newlib is missing: sudo apt-get install libnewlib-arm-none-eabi"
    if not HAL_ARCHIVE.exists() and not shutil.which("npm"):
        return f"npm is missing (Debian: apt-get install npm); it brings ST's HAL: {NPM_PACK}"
    return None


def _gcc(question: str) -> str:
    return subprocess.run([GCC, question], capture_output=True, text=True, check=True).stdout.strip()


def _sha512(path: Path) -> str:
    return base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


# ------------------------------------------------------------------------------------------------------- set-up


def set_up() -> None:
    """Place PlatformIO's packages under build/platformio, unless they are there."""
    library = project()["env"]["lib_deps"]
    digest = _digest([*_files(STAND_IN), Path(__file__)], HAL_SHA512, monocypher.SHA256, library, *boards())
    stamp = CORE / "neuron485.stamp"
    if stamp.exists() and stamp.read_text() == digest:
        return
    _download_hal()
    try:
        source = monocypher.fetch(str(ensure_python("firmware")))
    except NeuronError as error:
        raise FirmwareError(str(error)) from error
    shutil.rmtree(CORE, ignore_errors=True)
    for folder, (kind, version) in PACKAGES.items():
        target = CORE / folder
        if (STAND_IN / target.name).is_dir():
            shutil.copytree(STAND_IN / target.name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.mkdir(parents=True)
        _mark(target, kind, version, owner="platformio")
        if kind == "tool":
            (target / "package.json").write_text(json.dumps({"name": target.name, "version": version}))
    _unpack_hal(CORE / "packages" / "framework-stm32cubef4")
    name, _, uri = library.partition("=")
    for board in boards():
        target = CORE / "libdeps" / board / name
        (target / "src").mkdir(parents=True)
        for file in ("monocypher.c", "monocypher.h"):
            shutil.copy(source / file, target / "src")
        _mark(target, "library", monocypher.VERSION, uri=uri)
        manifest = {"name": name, "version": monocypher.VERSION}
        (target / "library.json").write_text(json.dumps(manifest))
    stamp.write_text(digest)


def _mark(target: Path, kind: str, version: str, *, owner: str | None = None, uri: str | None = None) -> None:
    """The mark by which PlatformIO takes a folder for a package that it installed itself."""
    spec = {"owner": owner, "id": None, "name": target.name, "requirements": None, "uri": uri}
    mark = {"type": kind, "name": target.name, "version": version, "spec": spec}
    (target / ".piopm").write_text(json.dumps(mark))


def _download_hal() -> None:
    """ST's HAL and CMSIS as published on npm; its hash is checked whether it was just downloaded or not."""
    if not HAL_ARCHIVE.exists():
        HAL_ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=HAL_ARCHIVE.parent) as folder:
            command = [shutil.which("npm") or "npm", "pack", HAL, "--pack-destination", folder]
            result = subprocess.run(command, capture_output=True, text=True)
            packed = list(Path(folder).rglob("*.tgz"))
            if result.returncode != 0 or len(packed) != 1:
                said = result.stderr.strip() or "npm said nothing"
                raise FirmwareError(
                    f"ST's HAL could not be downloaded. When that works, go on: {NPM_PACK}\n{said}"
                )
            os.replace(packed[0], HAL_ARCHIVE)
    if _sha512(HAL_ARCHIVE) != HAL_SHA512:
        HAL_ARCHIVE.unlink()
        raise FirmwareError(f"{HAL_ARCHIVE.name} was not what was published, and is deleted; run this again")


def _unpack_hal(target: Path) -> None:
    with tarfile.open(HAL_ARCHIVE) as archive:
        for member in archive:
            for source, place in HAL_FOLDERS.items():
                path = PurePosixPath(member.name)
                content = archive.extractfile(member) if path.is_relative_to(source) else None
                if content is not None:
                    file = target / place / path.relative_to(source)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(content.read())


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _digest(paths: Sequence[Path], *more: str) -> str:
    digest = hashlib.sha256(repr(more).encode())
    for path in paths:
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


# -------------------------------------------------------------------------------------------------------- build


def platformio(*arguments: str, show: bool = False) -> str:
    """Run PlatformIO Core in the project; its output. show: let it be seen as it comes, and answer nothing."""
    sys.stdout.flush()
    environment = dict(os.environ)
    if not stock():
        environment = {
            name: value for name, value in environment.items() if not name.startswith("PLATFORMIO_")
        }
        environment |= SETTINGS
    result = subprocess.run(
        [str(ensure_python("firmware")), "-m", "platformio", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=None if show else subprocess.PIPE,
        stderr=None if show else subprocess.STDOUT,
        text=True,
    )
    output = result.stdout or ""
    if result.returncode != 0:
        raise FirmwareError(f"pio {' '.join(arguments)} failed\n{output}".strip())
    return output


def build_firmware(board: str = BOARD, *, show: bool = False) -> Path:
    """The firmware's ELF for a board of platformio.ini; built anew only when something has changed."""
    lack = lacking()
    if lack:
        raise FirmwareError(lack)
    with alone("firmware"):  # PlatformIO has no lock of its own
        how = "stock" if stock() else f"stand-in, GCC {_gcc('-dumpversion')}"
        sources = [path for path in _files(ROOT / "firmware") if "native" not in path.parts]
        settings = [ROOT / name for name in ("platformio.ini", "pyproject.toml", "tools/pio_flags.py")]
        settings.append(Path(monocypher.__file__))
        digest = _digest([*sources, *settings, *_files(STAND_IN), Path(__file__)], how)
        elf = ROOT / ".pio" / "build" / board / "firmware.elf"
        stamp = BUILD / "firmware" / f"{board}.json"
        made = json.loads(stamp.read_text()) if stamp.exists() else {}
        now = hashlib.sha256(elf.read_bytes()).hexdigest() if elf.exists() else None
        if now is None or made.get("elf") != now or made.get("how") != how:
            shutil.rmtree(elf.parent, ignore_errors=True)  # another build's: do not mix with its objects
        elif made.get("digest") == digest:
            return elf
        if not stock():
            set_up()
        platformio("run", "--environment", board, show=show)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        record = {"digest": digest, "how": how, "elf": hashlib.sha256(elf.read_bytes()).hexdigest()}
        stamp.write_text(json.dumps(record))
        return elf


# --------------------------------------------------------------------------------------------------------- size


@dataclass(frozen=True)
class Section:
    """A section of an ELF file that takes room on the board."""

    name: str
    address: int
    size: int
    in_file: bool  # its content lies in flash
    writable: bool


ARENA = ".ccm"
"""The section of the core-coupled memory."""


def sections(elf: Path) -> list[Section]:
    """The sections of a 32-bit little-endian ELF file that are allocated on the board and not empty."""
    data = elf.read_bytes()
    if data[:6] != b"\x7fELF\x01\x01":
        raise FirmwareError(f"{elf} is no 32-bit little-endian ELF file")
    (table,) = struct.unpack_from("<I", data, 32)
    entry_size, count, names = struct.unpack_from("<3H", data, 46)
    headers = [struct.unpack_from("<6I", data, table + number * entry_size) for number in range(count)]
    strings = headers[names][4]
    found = []
    for name, kind, flags, address, _, size in headers:
        if flags & 2 and size:  # SHF_ALLOC
            text = data[strings + name : data.index(0, strings + name)].decode()
            found.append(Section(text, address, size, kind != 8, bool(flags & 1)))  # 8: SHT_NOBITS
    return found


def flash_size(elf: Path) -> int:
    """Bytes that are programmed into the flash."""
    return sum(section.size for section in sections(elf) if section.in_file)


def ram_size(elf: Path) -> int:
    """Bytes of RAM: variables and stack, but not the arena that only training uses."""
    return sum(section.size for section in sections(elf) if section.writable and section.name != ARENA)


def arena_size(elf: Path) -> int:
    """Bytes of core-coupled memory: the arena of training."""
    return sum(section.size for section in sections(elf) if section.name == ARENA)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.firmware", description="Build the board's firmware."
    )
    parser.add_argument("command", choices=["build"])
    parser.add_argument(
        "--board", choices=boards(), default=BOARD, help=f"one of platformio.ini; default {BOARD}"
    )
    parser.add_argument("--stock", action="store_true", help="use PlatformIO as it is installed")
    args = parser.parse_args(argv)
    if args.stock:
        os.environ["NEURON485_PLATFORMIO"] = "stock"
    try:
        elf = build_firmware(args.board, show=True)
    except FirmwareError as error:
        stop(str(error))
    print(f"{elf.relative_to(ROOT)}")
    for section in sections(elf):
        print(f"   {section.name:<20} 0x{section.address:08X} {section.size:>7} bytes")
    print(
        f"   flash {flash_size(elf)} bytes, RAM {ram_size(elf)} bytes, "
        f"core-coupled memory for training {arena_size(elf)} bytes"
    )
    print(f"   BLAKE2b-256 {firmware_hash(elf).hex()}, as the register FIRMWARE_HASH says it")
    if not stock():
        print(
            f"   built by a stand-in for PlatformIO's platform ststm32 (tools/platformio), {GCC} "
            f"{_gcc('-dumpversion')}; users build the same platformio.ini with the stock platform"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
