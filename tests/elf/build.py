"""Builds the sample firmwares with Debian's gcc-arm-none-eabi."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tools import firmware

SAMPLES = Path(__file__).parent / "samples"
CORE = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
OPTIONS = (
    "-std=c11",
    "-O2",
    "-g",
    "-Wall",
    "-Wextra",
    "-ffreestanding",
    "-nostartfiles",
    "--specs=nosys.specs",
)
HAL_MODULES = [
    "cortex",
    "dma",
    "flash",
    "flash_ex",
    "gpio",
    "pwr",
    "pwr_ex",
    "rcc",
    "rcc_ex",
    "tim",
    "tim_ex",
]


def compiler_lacks() -> str | None:
    """How to get the compiler, where it is missing."""
    missing = not shutil.which(firmware.GCC)
    return f"{firmware.GCC} is missing: sudo apt-get install gcc-arm-none-eabi" if missing else None


def cube() -> Path:
    """The folder that holds ST's Drivers, placed there by the firmware's own build."""
    firmware.build_firmware()
    return firmware.CORE / "packages" / "framework-stm32cubef4"


def build(name: str, elf: Path, *options: str, sources: tuple[Path, ...] = ()) -> Path:
    """Compile samples/NAME.c with the start-up file."""
    files = [SAMPLES / f"{name}.c", SAMPLES / "start.c", *sources]
    layout = [f"-I{SAMPLES}", f"-T{SAMPLES / 'sample.ld'}"]
    command = ["arm-none-eabi-gcc", *CORE, *OPTIONS, *options, *layout, *map(str, files), "-o", str(elf)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}.c does not build:\n{done.stderr}")
    return elf


def build_hal(elf: Path, folder: Path) -> Path:
    drivers = folder / "Drivers"
    system = drivers / "CMSIS/Device/ST/STM32F4xx/Source/Templates/system_stm32f4xx.c"
    source = drivers / "STM32F4xx_HAL_Driver" / "Src"
    includes = (
        drivers / "STM32F4xx_HAL_Driver" / "Inc",
        drivers / "CMSIS" / "Include",
        drivers / "CMSIS" / "Device" / "ST" / "STM32F4xx" / "Include",
    )
    options = ["-DSTM32F407xx", "-DUSE_HAL_DRIVER", "-w", "-ffunction-sections", "-Wl,--gc-sections"]
    options += [f"-I{path}" for path in includes]
    modules = tuple(
        source / f"stm32f4xx_hal{module}.c" for module in ("", *(f"_{name}" for name in HAL_MODULES))
    )
    return build("hal", elf, *options, sources=(*modules, system))
