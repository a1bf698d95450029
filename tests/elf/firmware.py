"""The node's own firmware on a machine."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from tools import firmware

from .machine import Machine
from .master import Master

START_MS = 20
"""Clocks, pins and the stores at start take less."""
SILENCE_MS = 5
"""More than 3.5 characters of a new node's line."""
BLANK_MS = 1600
"""After so long a blank chip has made its stores: two erases of 16 KiB, and one of the 128 that trust's have."""

SETTLED_MS = 300
"""After so long one that has its stores has tested its lamp and reckoned its hashes."""


def firmware_elf() -> Path:
    """The ELF, built if need be; without what builds it, the test is left out."""
    lack = firmware.lacking()
    if lack:
        pytest.skip(lack)
    return firmware.build_firmware()


def powered(elf: Path, *, flash: bytes | None = None, **options: Any) -> Master:
    """A node that has just been switched on and listens. A blank one is still erasing its stores."""
    machine = Machine(elf, flash=flash, **options)
    machine.run(milliseconds=START_MS)
    return Master(machine)


def prepared(elf: Path) -> bytes:
    """The flash of a node that was new, and has made its stores."""
    return _prepared(elf, elf.stat().st_mtime_ns)


@functools.cache
def _prepared(elf: Path, modified: int) -> bytes:
    """Once for all tests of a process: the blank start takes the machine a second."""
    master = powered(elf)
    master.machine.run(milliseconds=BLANK_MS)
    master.wait_idle()
    return master.machine.flash_image


def ready(elf: Path, **options: Any) -> Master:
    """A node with nothing left to do, on a silent line on which nothing was said; its stores are made."""
    master = powered(elf, flash=prepared(elf), **options)
    master.machine.run(milliseconds=SETTLED_MS)
    master.wait_idle()
    master.machine.run(milliseconds=SILENCE_MS)
    master.machine.bus.received.clear()
    return master
