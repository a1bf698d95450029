"""README's first picture: AND being trained, and its truth table with the lamp. Written as docs/demo.svg.

python -m tools.generated writes it. Every number in it comes from the training and from the fixed-point model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from host.core.infer import infer, led, quantise_inputs
from host.training.options import Options
from host.training.pipeline import train
from host.training.plan import make_plan
from host.training.scores import question_of
from host.training.stability import mean_loss
from host.training.trained import Trained
from tools.svg import BLUE, GREY, INK, VERMILION, dot, picture, text, wire

WIDTH, HEIGHT = 980, 330
TOP, SIDE = 90, 190
"""Of the square that each panel draws in: its upper edge, and its width and height."""
LOSS_AT, PLANE_AT, TABLE_AT = 75, 350, 625
"""Left edges of the panels."""
PALE = "#c9d7e6"
LOW, HIGH = -0.4, 1.4
"""What the plane shows of each input."""


def frame(left: int, title: str) -> list[str]:
    """A panel's title, and its axes below and to the left."""
    bottom = TOP + SIDE
    return [
        text(left, TOP - 18, title, size=16),
        wire([(left, TOP), (left, bottom), (left + SIDE, bottom)], GREY),
    ]


def loss(trained: Trained) -> list[str]:
    """The mean loss of all samples, from the start on."""
    plan = trained.plan
    points = [trained.start, *(epoch.parameters for epoch in trained.fit.history)]
    losses = [mean_loss(plan.config, point, plan.data.x, plan.data.y) for point in points]
    top, last = max(losses), len(losses) - 1
    curve = [
        (round(LOSS_AT + SIDE * n / last), round(TOP + SIDE - 0.95 * SIDE * value / top))
        for n, value in enumerate(losses)
    ]
    parts = frame(LOSS_AT, "1 train: the loss falls")
    parts.append(wire(curve, BLUE, wide=True))
    for at, value in ((0, losses[0]), (last, losses[-1])):
        x, y = curve[at]
        parts += (
            [dot(x, y, BLUE), text(x - 8, y + 5, f"{value:.2f}", "end", 13)] if at == 0 else [dot(x, y, BLUE)]
        )
    parts.append(text(curve[-1][0], curve[-1][1] - 12, f"{losses[-1]:.2f}", "end", 13))
    parts.append(text(LOSS_AT, TOP + SIDE + 20, "start", size=13, colour=GREY))
    parts.append(text(LOSS_AT + SIDE, TOP + SIDE + 20, f"epoch {last}", "end", 13, GREY))
    return parts


def on_plane(x1: float, x2: float) -> tuple[int, int]:
    """A point of the inputs' plane, on the picture."""
    return (
        round(PLANE_AT + SIDE * (x1 - LOW) / (HIGH - LOW)),
        round(TOP + SIDE - SIDE * (x2 - LOW) / (HIGH - LOW)),
    )


def boundary(parameters: Sequence[float]) -> list[tuple[int, int]]:
    """Where w1 x1 + w2 x2 + b = 0 crosses the plane's edges: two points, or none."""
    w1, w2, b = parameters
    ends = [(x, -(w1 * x + b) / w2) for x in (LOW, HIGH)] + [(-(w2 * x + b) / w1, x) for x in (LOW, HIGH)]
    inside = {
        on_plane(x, y) for x, y in ends if LOW <= x <= HIGH and LOW <= y <= HIGH and math.isfinite(x * y)
    }
    return sorted(inside)[:2]


def plane(trained: Trained) -> list[str]:
    """The boundary after every epoch, the last one dark; the samples."""
    history = [epoch.parameters for epoch in trained.fit.history]
    parts = frame(PLANE_AT, "2 the boundary moves")
    for parameters in history[:-1]:
        crossing = boundary(parameters)
        if len(crossing) == 2:
            parts.append(wire(crossing, PALE))
    parts.append(wire(boundary(history[-1]), BLUE, wide=True))
    for (x1, x2), y in zip(trained.data.x.tolist(), trained.data.y.tolist(), strict=True):
        x, at = on_plane(x1, x2)
        fill = VERMILION if y > 0 else "white"
        parts.append(f'<circle cx="{x}" cy="{at}" r="8" fill="{fill}" stroke="{INK}" stroke-width="2"/>')
    for value in (0, 1):
        x, y = on_plane(value, value)
        parts.append(text(x, TOP + SIDE + 20, str(value), "middle", 13, GREY))
        parts.append(text(PLANE_AT - 8, y + 5, str(value), "end", 13, GREY))
    parts.append(text(PLANE_AT + SIDE, TOP + SIDE + 20, "x1", "end", 13, GREY))
    parts.append(text(PLANE_AT - 8, TOP + 10, "x2", "end", 13, GREY))
    return parts


def lamp(x: int, y: int, lit: bool) -> str:
    glow = f'<circle cx="{x}" cy="{y}" r="17" fill="{VERMILION}" opacity="0.25"/>' if lit else ""
    fill = VERMILION if lit else "white"
    return glow + f'<circle cx="{x}" cy="{y}" r="9" fill="{fill}" stroke="{INK}" stroke-width="2"/>'


def table(trained: Trained) -> list[str]:
    """What the node computes from its fixed-point model, and its lamp."""
    rows = question_of(trained.parts).x
    outputs = infer(trained.model, quantise_inputs(trained.model, rows))
    lit = led(trained.model, outputs)
    columns = (TABLE_AT + 20, TABLE_AT + 70, TABLE_AT + 140, TABLE_AT + 215)
    parts = [text(TABLE_AT, TOP - 18, f"3 deploy: {len(trained.image)} bytes, and the lamp obeys", size=16)]
    for x, name in zip(columns, ("x1", "x2", "output", "LED"), strict=True):
        parts.append(text(x, TOP + 16, name, "middle", 14, GREY))
    for n, (row, output, on) in enumerate(
        zip(rows.tolist(), outputs[:, 0].tolist(), lit.tolist(), strict=True)
    ):
        y = TOP + 58 + 40 * n
        for x, value in zip(columns, (*row, output), strict=False):
            parts.append(text(x, y, f"{value:g}", "middle", 17))
        parts.append(lamp(columns[-1], y - 6, on))
    return parts


def svg() -> str:
    """The whole picture."""
    trained = train(make_plan(Options("and")))
    w1, w2 = trained.end.w
    b = trained.end.b or 0.0
    rule = f"{w1:.4f} x1 + {w2:.4f} x2 {'-' if b < 0 else '+'} {abs(b):.4f} &gt; 0"
    bits = int(np.iinfo(trained.model.layers[0].weights.dtype).bits)
    parts = [text(20, 36, "A neuron learns AND, and lights a lamp", size=20)]
    parts += loss(trained) + plane(trained) + table(trained)
    parts.append(text(TABLE_AT, TOP + SIDE + 20, f"{rule}, in {bits} bits", size=13, colour=GREY))
    return picture(WIDTH, HEIGHT, "Training AND, its boundary, and the truth table with the lamp", parts)
