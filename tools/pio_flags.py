"""What platformio.ini has no option for. PlatformIO runs it before every build, with the stock platform too."""

import os

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()

# build_flags reach the compiler only; the linker and the assembler must agree on floating point, or the wrong C
# library is linked.
floating_point = [
    flag for flag in " ".join(env["BUILD_FLAGS"]).split() if flag.startswith(("-mfpu=", "-mfloat-abi="))
]
env.Append(LINKFLAGS=floating_point, ASFLAGS=floating_point)

# Our port includes ST's headers, of whichever version; they are not held to our warnings. GCC takes these folders for
# system headers although the framework names them with -I too.
drivers = os.path.join(env.PioPlatform().get_package_dir("framework-stm32cubef4"), "Drivers")
for folder in ("CMSIS/Include", "CMSIS/Device/ST/STM32F4xx/Include", "STM32F4xx_HAL_Driver/Inc"):
    env.Append(CCFLAGS=[("-isystem", os.path.join(drivers, *folder.split("/")))])

# SCons sees the sources' #includes, but not that the linker reads a script.
env.Depends(
    os.path.join("$BUILD_DIR", "firmware.elf"),
    os.path.join("$PROJECT_DIR", env.BoardConfig().get("build.ldscript")),
)

# Built for size, as neither a request, a window nor a step of training waits for it: the flash has 80 KiB for us.
SMALL = [
    "*FrameworkHALDriver*",
    "*stm32f4xx_hal*",
    "*Monocypher*",
    *(
        f"*/app/{name}.c"
        for name in "commands events models models_rows orders sampling session settings status trust wear".split()
    ),
    *(f"*/core/{name}.c" for name in "formats store store_boot".split()),
]


def small(env, node):
    return env.Object(node, CCFLAGS=[*env["CCFLAGS"], "-Os"])


for pattern in SMALL:
    env.AddBuildMiddleware(small, pattern)
