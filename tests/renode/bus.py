"""Commands for Renode's monitor (IronPython 2.7): an RS485 bus whose master is the test.

Between them time stands still: `bus_say` puts a whole frame on the line, `emulation RunFor` lets it be heard and
answered, `bus_heard` tells what the boards have said, `bus_log` what every board did with its pins, in order.
"""

# IronPython 2.7 knows no f-strings.
# ruff: noqa: UP031
import clr

clr.AddReference("Infrastructure")

from Antmicro.Renode.Core import EmulationManager  # noqa: E402

_boards = {}  # name -> its USART
_heard = []  # bytes, as hex
_log = []  # "board: what happened"


def _machine(name):
    found, machine = EmulationManager.Instance.CurrentEmulation.TryGetMachineByName(name)
    if not found:
        raise ValueError("there is no board " + name)
    return machine


def _time(machine):
    return int(machine.ElapsedVirtualTime.TimeElapsed.TotalMicroseconds)


def mc_bus_join(name):
    """The board is on the bus, and watched: its lamp, its transceiver, what it says."""
    machine = _machine(name)
    usart = _boards[name] = machine["sysbus.usart3"]

    def note(what):
        _log.append("%s %d us: %s" % (name, _time(machine), what))

    def said(byte):
        _heard.append("%02x" % byte)
        note("byte %02x" % byte)

    usart.CharReceived += said
    for pin, path in (("LED", "gpioPortD.ledr"), ("RE", "gpioPortB.re"), ("SE", "gpioPortB.se")):
        machine["sysbus." + path].StateChanged += lambda _, level, pin=pin: note(
            "%s %s" % (pin, "high" if level else "low")
        )


def mc_bus_leave(name):
    """The board is taken off the bus."""
    del _boards[name]


def mc_bus_clear():
    """Nobody is on the bus."""
    _boards.clear()
    del _heard[:]
    del _log[:]


def mc_bus_say(frame):
    """The master sends a frame, given in hex."""
    del _heard[:]
    for usart in _boards.values():
        for start in range(0, len(frame), 2):
            usart.WriteChar(int(frame[start : start + 2], 16))


def mc_bus_heard():
    """What the boards have said since the master spoke, in hex."""
    print("".join(_heard))


def mc_bus_log():
    """What has happened on the boards since the last look, a line each."""
    for line in _log:
        print(line)
    del _log[:]


def mc_flash_keep(name, path):
    """Write the board's flash, as it is, to a file."""
    flash = _machine(name)["sysbus.flash"]
    with open(path, "wb") as file:
        file.write(bytes(bytearray(flash.ReadBytes(0, 0x100000))))
