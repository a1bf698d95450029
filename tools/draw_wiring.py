"""README's picture of the wiring: board, transceiver, bus, termination and bias. Written as docs/wiring.svg.

python -m tools.generated writes it. Plain SVG by hand: boxes on a grid and wires between their pins.
"""

from __future__ import annotations

from tools.svg import BLUE, GREY, INK, VERMILION, dot, picture, text, wire

WIDTH, HEIGHT = 980, 560
BOARD, CHIP, BUS_A, BUS_B = "#eef3fb", "#fdf6e3", BLUE, VERMILION
"""A solid and B dashed, for print."""


def box(x: int, y: int, width: int, height: int, title: str, fill: str) -> str:
    shape = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" stroke="{INK}"/>'
    return shape + text(x + width // 2, y + 24, title, "middle", 16)


def resistor(x: int, y: int, label: str, side: int = 1) -> str:
    """A vertical resistor, 40 high from y, its label to the right (side 1) or left (-1)."""
    body = (
        f'<rect x="{x - 8}" y="{y + 4}" width="16" height="32" fill="white" stroke="{INK}" stroke-width="2"/>'
    )
    return body + text(x + 15 * side, y + 25, label, "start" if side > 0 else "end", 13)


def board() -> list[str]:
    pins = [
        ("PD8", "USART3 TX"),
        ("PB9", "SE, high: drive"),
        ("PB8", "RE, low: listen"),
        ("PD9", "USART3 RX"),
    ]
    parts = [box(20, 70, 250, 300, "STM32F407 board", BOARD)]
    for i, (name, what) in enumerate(pins):
        y = 130 + 50 * i
        parts += [text(250, y + 5, name, "end", 15), text(40, y + 5, what, "start", 13, GREY)]
    parts += [text(40, 335, "PD3", "start"), text(80, 335, "lamp LEDR", "start", 13, GREY)]
    parts.append(f'<circle cx="225" cy="330" r="11" fill="{BUS_B}" stroke="{INK}"/>')
    return parts


def transceiver() -> list[str]:
    pins = [("DI", 130), ("DE", 180), ("/RE", 230), ("RO", 280)]
    parts = [box(470, 70, 150, 300, "transceiver", CHIP), text(545, 350, "3.3 V type", "middle", 13, GREY)]
    for name, y in pins:
        parts += [text(484, y + 5, name), wire([(270, y), (470, y)])]
    parts += [text(606, 165, "A", "end"), text(606, 255, "B", "end")]
    # DE is pulled down, so that nothing drives while the board is in reset; RO up, as it floats while not listening.
    parts += [
        dot(420, 180),
        wire([(420, 180), (420, 395)]),
        resistor(420, 395, "10k", 1),
        wire([(420, 435), (420, 455)]),
    ]
    parts += [text(420, 472, "GND", "middle", 13), dot(330, 280), wire([(330, 280), (330, 395)])]
    parts += [
        resistor(330, 395, "10k", -1),
        wire([(330, 435), (330, 455)]),
        text(330, 472, "3.3 V", "middle", 13),
    ]
    return parts


def bus() -> list[str]:
    parts = [
        wire([(620, 160), (940, 160)], BUS_A, wide=True),
        wire([(620, 250), (940, 250)], BUS_B, True, True),
    ]
    parts += [text(945, 165, "A"), text(945, 255, "B")]
    for x, label in ((660, "120"), (900, "120")):
        parts += [dot(x, 160, BUS_A), dot(x, 250, BUS_B), wire([(x, 160), (x, 185)]), resistor(x, 185, label)]
        parts.append(wire([(x, 225), (x, 250)]))
    parts.append(text(775, 200, "twisted pair,", "middle", 13, GREY))
    parts.append(text(775, 218, "120 at both ends", "middle", 13, GREY))
    parts += [
        dot(745, 160, BUS_A),
        wire([(745, 160), (745, 110)]),
        resistor(745, 68, "680", 1),
        wire([(745, 68), (745, 50)]),
    ]
    parts += [wire([(745, 110), (745, 104)]), text(745, 42, "3.3 V", "middle", 13), dot(745, 250, BUS_B)]
    parts += [wire([(745, 250), (745, 290)]), resistor(745, 290, "680", 1), wire([(745, 330), (745, 350)])]
    parts += [text(745, 367, "GND", "middle", 13), text(728, 315, "bias, once", "end", 13, GREY)]
    return parts


def host() -> list[str]:
    parts = [box(640, 420, 300, 110, "USB-RS485 adapter, or PLC", BOARD)]
    parts += [wire([(840, 160), (840, 420)], BUS_A), wire([(870, 250), (870, 420)], BUS_B, True)]
    parts += [
        dot(840, 160, BUS_A),
        dot(870, 250, BUS_B),
        text(828, 412, "A", "end", 13),
        text(880, 412, "B", "start", 13),
    ]
    parts += [text(790, 480, "its ground joins the board's:", "middle", 13, GREY)]
    parts += [text(790, 500, "a third wire, or the cable's shield", "middle", 13, GREY)]
    parts += [wire([(640, 510), (145, 510), (145, 370)]), text(155, 500, "GND")]
    return parts


def svg() -> str:
    """The whole picture."""
    title = text(20, 38, "neuron485 on RS485", "start", 20)
    parts = [title, *board(), *transceiver(), *bus(), *host()]
    return picture(WIDTH, HEIGHT, "Wiring of board, transceiver and bus", parts)
