"""The stand-in's framework stm32cube: ST's HAL and CMSIS for the F407, with the stock framework's flags.

Where an order or a flag looks odd it is the stock one, so that platformio.ini is proven against the same: framework
flags come after the project's build_flags (hence its build_unflags = -Os), and build_src_flags do not reach the HAL.
"""

import os

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
drivers = os.path.join(env.PioPlatform().get_package_dir("framework-stm32cubef4"), "Drivers")
hal = os.path.join(drivers, "STM32F4xx_HAL_Driver")
device = os.path.join(drivers, "CMSIS", "Device", "ST", "STM32F4xx")

for option, wanted in (
    ("build.stm32cube.custom_config_header", "yes"),  # the package has no stm32f4xx_hal_conf.h
    ("build.ldscript", board.get("build.ldscript", "")),  # nor a linker script
):
    if not wanted or board.get(option, "") != wanted:
        print(f"Error: the stand-in platform needs board_{option} = {wanted or 'a linker script'}")
        env.Exit(1)

machine = ["-mthumb", "-mcpu=" + board.get("build.cpu")]
env.Append(
    ASFLAGS=machine,
    ASPPFLAGS=["-x", "assembler-with-cpp"],
    CCFLAGS=[*machine, "-Os", "-ffunction-sections", "-fdata-sections", "-Wall", "-nostdlib"],
    CPPDEFINES=["USE_HAL_DRIVER", ("F_CPU", "$BOARD_F_CPU")],
    CPPPATH=[
        "$PROJECT_SRC_DIR",
        os.path.join(drivers, "CMSIS", "Include"),
        os.path.join(device, "Include"),
        os.path.join(hal, "Inc"),
    ],
    LINKFLAGS=[*machine, "-Os", "-Wl,--gc-sections,--relax", "--specs=nano.specs", "--specs=nosys.specs"],
    LIBS=["c", "gcc", "m", "nosys"],
)

# All that the package has (cortex, dma, exti, flash, gpio, pwr, rcc, tim); the linker drops what is not used.
env.BuildSources(os.path.join("$BUILD_DIR", "FrameworkHALDriver"), os.path.join(hal, "Src"), "+<*.c>")
env.BuildSources(
    os.path.join("$BUILD_DIR", "FrameworkCMSISDevice"),
    os.path.join(device, "Source", "Templates"),
    "+<system_stm32f4xx.c>",
)
