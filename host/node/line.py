"""A node's line settings, which it keeps over a loss of power."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from host.core.registers import Block
from host.core.wire import Command, Format, Gap
from host.node.node import Node

FORMATS = {code.name[1:]: code for code in Format}
GAPS = {"standard": Gap.STANDARD, "true": Gap.TRUE_CHARACTERS}

SETTINGS = Block.between("ADDRESS", "GAP")


@dataclass(frozen=True)
class Settings:
    """address 1..247; baud 1200..1000000; line_format 8E1 8O1 8N1 8N2; gap: standard (1750 us above 19200 baud) or
    true (3.5 characters at every rate)."""

    address: int
    baud: int
    line_format: Format
    gap: Gap

    def as_dict(self) -> dict[str, int | str]:
        names = {code: name for name, code in GAPS.items()}
        return {**asdict(self), "line_format": self.line_format.name[1:], "gap": names[self.gap]}


def read_settings(node: Node) -> Settings:
    values = node.read_block(SETTINGS)
    return Settings(values["ADDRESS"], values["BAUD"], Format(values["FORMAT"]), Gap(values["GAP"]))


def save_settings(node: Node, settings: Settings) -> None:
    """Have the node keep these settings. It answers on the old ones, then speaks the new."""
    node.write_values(
        ADDRESS=settings.address, BAUD=settings.baud, FORMAT=settings.line_format, GAP=settings.gap
    )
    node.command(Command.SAVE_SETTINGS, "save the settings")
