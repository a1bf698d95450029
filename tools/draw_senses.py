"""README's picture of sensors at the board: a current loop, a voltage, a contact. Written as docs/wiring-senses.svg.

python -m tools.generated writes it.
"""

from __future__ import annotations

from tools.draw_wiring import BOARD, CHIP, box, resistor
from tools.svg import BLUE, GREY, INK, VERMILION, dot, picture, text, wire

WIDTH, HEIGHT = 980, 560
PINS, EDGE = 760, 20
"""Where the board begins, and the sensors."""
LOOP, VOLTAGE, CONTACT = 110, 270, 430
"""The heights of the three lines."""


def series(x: int, y: int, label: str) -> str:
    """A resistor in a line, 40 wide from x."""
    body = f'<rect x="{x}" y="{y - 8}" width="40" height="16" fill="white" stroke="{INK}" stroke-width="2"/>'
    return body + text(x + 20, y - 15, label, "middle", 13)


def to_ground(x: int, y: int, part: str, label: str) -> list[str]:
    """A resistor ("R") or a capacitor ("C") from a line down to ground."""
    parts = [dot(x, y), wire([(x, y), (x, y + 22)]), text(x, y + 93, "GND", "middle", 13)]
    if part == "R":
        return [*parts, resistor(x, y + 20, label), wire([(x, y + 56), (x, y + 78)])]
    plates = [wire([(x - 13, y + at), (x + 13, y + at)], wide=True) for at in (36, 46)]
    return [
        *parts,
        wire([(x, y + 22), (x, y + 35)]),
        *plates,
        wire([(x, y + 47), (x, y + 78)]),
        text(x + 20, y + 46, label, "start", 13),
    ]


def clamp(x: int, y: int) -> list[str]:
    """Two diodes that keep a line between ground and 3.3 V."""
    shape = f'<rect x="{x - 40}" y="{y - 48}" width="80" height="26" rx="4" fill="{CHIP}" stroke="{INK}"/>'
    return [dot(x, y), wire([(x, y), (x, y - 22)]), shape, text(x, y - 30, "BAT54S", "middle", 13)]


def board() -> list[str]:
    shape = f'<rect x="{PINS}" y="60" width="190" height="430" rx="8" fill="{BOARD}" stroke="{INK}"/>'
    parts = [shape, text(PINS + 95, 84, "STM32F407 board", "middle", 16)]
    for y, channel, pin, what in (
        (LOOP, "A0", "PC0", "0.6 .. 3.0 V"),
        (VOLTAGE, "A1", "PC1", "0 .. 3.125 V"),
        (CONTACT, "D0", "PC6", "closed: 1"),
    ):
        parts += [
            text(PINS + 15, y + 5, channel),
            text(PINS + 50, y + 5, pin, "start", 13, GREY),
            text(PINS + 178, y + 5, what, "end", 13, GREY),
        ]
    return [*parts, text(PINS + 95, 470, "GND joins the sensors'", "middle", 13, GREY)]


def loop() -> list[str]:
    y = LOOP
    return [
        text(EDGE, y + 5, "24 V"),
        wire([(60, y), (100, y)], VERMILION),
        box(100, y - 34, 190, 68, "4-20 mA sensor", CHIP),
        text(195, y + 14, "two wires", "middle", 13, GREY),
        wire([(290, y), (500, y)], VERMILION),
        *to_ground(360, y, "R", "150, 0.1 %"),
        series(500, y, "1k"),
        wire([(540, y), (PINS, y)], BLUE),
        *clamp(605, y),
        *to_ground(665, y, "C", "100n"),
    ]


def voltage() -> list[str]:
    y = VOLTAGE
    return [
        box(100, y - 34, 190, 68, "0-10 V sensor", CHIP),
        text(195, y + 14, "sees 32 kohm", "middle", 13, GREY),
        wire([(290, y), (360, y)], VERMILION),
        series(360, y, "22k, 0.1 %"),
        wire([(400, y), (PINS, y)], BLUE),
        *to_ground(480, y, "R", "10k, 0.1 %"),
        *clamp(605, y),
        *to_ground(665, y, "C", "100n"),
    ]


def contact() -> list[str]:
    y = CONTACT
    return [
        text(EDGE, y + 5, "3.3 V"),
        wire([(65, y), (100, y)]),
        series(100, y, "100"),
        wire([(140, y), (200, y)]),
        dot(200, y),
        wire([(200, y), (262, y - 24)]),
        dot(262, y),
        text(231, y + 26, "dry contact", "middle", 13, GREY),
        wire([(262, y), (500, y)]),
        *to_ground(360, y, "R", "2.2k"),
        series(500, y, "1k"),
        wire([(540, y), (PINS, y)], BLUE),
        text(650, y + 26, "short cables: contact and 1k,", "middle", 13, GREY),
        text(650, y + 44, "the chip itself pulls down", "middle", 13, GREY),
    ]


def svg() -> str:
    """The whole picture."""
    title = text(EDGE, 38, "Sensors at a node", "start", 20)
    note = text(645, 42, "BAT54S: to GND and to 3.3 V", "end", 13, GREY)
    parts = [title, note, *board(), *loop(), *voltage(), *contact()]
    return picture(WIDTH, HEIGHT, "Wiring of a current loop, a voltage and a contact", parts)
