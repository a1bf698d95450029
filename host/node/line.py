"""A node's settings, which it keeps over a loss of power: of the line, the communication watchdog, the digital
channels, and of who may change it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from host.core.registers import Block
from host.core.wire import (
    ADDRESS_MAX,
    ADDRESS_MIN,
    BAUD_MAX,
    BAUD_MIN,
    DEBOUNCE_MAX,
    GAPS,
    Format,
    Gap,
    Safe,
    WatchdogFor,
)
from host.node.identity import checked, known
from host.node.node import Node

WRITTEN = Block.between("ADDRESS", "BROADCASTS")
IN_FORCE = Block.between("GROUP_IN_FORCE", "GAP_IN_FORCE")

WATCHDOG_UNIT = 10
"""Watchdog settings of one second."""


@dataclass(frozen=True)
class Settings:
    """address 1..247; baud 1200..1000000; line_format 8E1 8O1 8N1 8N2; gap: standard (1750 us above 19200 baud) or
    true (3.5 characters at every rate); watchdog: tenths of a second without a frame to the node, or a write, after
    which its lamp goes safe, 0: off; debounce: milliseconds 0..1000 for which a digital channel must stand; group: of
    nodes that obey one order together, 0: none; lock: seconds after power-on from which commands and settings are
    refused, 0: off; broadcasts: whether they are taken by broadcast too."""

    address: int
    baud: int
    line_format: Format
    gap: Gap
    watchdog: int
    watchdog_for: WatchdogFor
    safe: Safe
    debounce: int
    group: int
    lock: int
    broadcasts: bool

    def as_dict(self) -> dict[str, int | float | str]:
        """As people call them; watchdog and lock in seconds, 0 off; group 0 none."""
        names = {code: name for name, code in GAPS.items()}
        return {
            **asdict(self),
            "line_format": self.line_format.name[1:],
            "gap": names[self.gap],
            "watchdog": self.watchdog / WATCHDOG_UNIT,
            "watchdog_for": self.watchdog_for.name.lower(),
            "safe": self.safe.name.lower(),
        }

    def registers(self) -> dict[str, Any]:
        """The values of the block WRITTEN."""
        return {
            "ADDRESS": self.address,
            "BAUD": self.baud,
            "FORMAT": self.line_format,
            "GAP": self.gap,
            "WATCHDOG": self.watchdog,
            "WATCHDOG_FOR": self.watchdog_for,
            "SAFE": self.safe,
            "DEBOUNCE": self.debounce,
            "GROUP": self.group,
            "LOCK": self.lock,
            "BROADCASTS": int(self.broadcasts),
        }


def read_settings(node: Node) -> Settings:
    """What is in force."""
    values = node.read_block(IN_FORCE)
    return Settings(
        checked("ADDRESS_IN_FORCE", values["ADDRESS_IN_FORCE"], ADDRESS_MIN, ADDRESS_MAX),
        checked("BAUD_IN_FORCE", values["BAUD_IN_FORCE"], BAUD_MIN, BAUD_MAX),
        known(Format, "FORMAT_IN_FORCE", values["FORMAT_IN_FORCE"]),
        known(Gap, "GAP_IN_FORCE", values["GAP_IN_FORCE"]),
        values["WATCHDOG_IN_FORCE"],
        known(WatchdogFor, "WATCHDOG_FOR_IN_FORCE", values["WATCHDOG_FOR_IN_FORCE"]),
        known(Safe, "SAFE_IN_FORCE", values["SAFE_IN_FORCE"]),
        checked("DEBOUNCE_IN_FORCE", values["DEBOUNCE_IN_FORCE"], 0, DEBOUNCE_MAX),
        values["GROUP_IN_FORCE"],
        values["LOCK_IN_FORCE"],
        bool(checked("BROADCASTS_IN_FORCE", values["BROADCASTS_IN_FORCE"], 0, 1)),
    )


def read_unsaved(node: Node, settings: Settings) -> dict[str, int]:
    """What a master has written and not saved, by register: any numbers. settings: what is in force."""
    return {
        name: value for name, value in node.read_block(WRITTEN).items() if value != settings.registers()[name]
    }


def save_settings(node: Node, settings: Settings) -> None:
    """Have the node keep these settings, all of them, whatever others have written and not saved. It answers on the
    old ones, then speaks the new."""
    node.keep_settings(**settings.registers())
