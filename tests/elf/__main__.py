"""Run firmware.elf on a pty: python -m tests.elf FIRMWARE.elf --link node"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from .machine import Machine
from .peripheral import Violation
from .pty_line import PtyLine

START_MS = 20
"""By then the firmware listens: who is told where the node is may ask at once."""
LOOK_MS = 20
"""It listens so much later where the pin is held: it looks all the while."""


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m tests.elf", description=__doc__)
    options.add_argument("elf", type=Path, help="the firmware")
    options.add_argument("--link", type=Path, help="name to give to the pty")
    options.add_argument("--baud", type=int, default=19200, help="speed of the line (default: 19200)")
    options.add_argument("--format", default="8E1", help="character format of the line (default: 8E1)")
    options.add_argument("--follow", action="store_true", help="let the host's terminal settings decide")
    options.add_argument("--flash", type=Path, help="file that keeps the flash from run to run")
    options.add_argument("--present", action="store_true", help="hold the pin of whoever is at the board")
    return options


def save(image: bytes, path: Path) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(image)
    fresh.replace(path)


def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv)
    kept = options.flash.read_bytes() if options.flash and options.flash.exists() else None
    machine = Machine(options.elf, flash=kept)
    if options.present:
        machine.pins["PD2"] = 0
    machine.bus.baud, machine.bus.format = options.baud, options.format
    # Noted, not raised: an exception amid a callback of Unicorn would be lost, and the callback's work with it.
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: stopped.append(number))
    status = 0
    try:
        with PtyLine(machine, options.link, follow=options.follow) as line:
            machine.run(milliseconds=START_MS + LOOK_MS * options.present)
            print(f"the node is at {options.link or line.path}", flush=True)
            lamp = None  # whoever reads knows it from the first line on
            while not stopped:
                line.step()
                if machine.led != lamp:
                    lamp = machine.led
                    print(f"{machine.us / 1e6:.3f} s: LED {'on' if lamp else 'off'}", flush=True)
    except Violation as violation:
        print(f"violation: {violation}", file=sys.stderr)
        status = 1
    if options.flash:
        save(machine.flash_image, options.flash)
    return status


if __name__ == "__main__":
    sys.exit(main())
