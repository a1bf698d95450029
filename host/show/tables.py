"""What people see of a training: tables and curves, as lines of text within 80 columns.

`drawn` False keeps to ASCII, for terminals and files that can show no more.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from host.errors import counted
from host.models.dense import Float
from host.models.report import Decision, Report
from host.training.fit import Epoch

if TYPE_CHECKING:
    from host.data.dataset import Dataset

WIDTH = 76
INDENT = "  "
COLUMNS_MAX = 3
"""Weights or inputs that a table shows before it leaves the rest out."""


def wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)


def _aligned(table: list[list[str]]) -> list[str]:
    """Columns to the right, two spaces between."""
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    return [
        INDENT + "   ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        for row in table
    ]


def short(value: float) -> str:
    return f"{value:.7g}"


# -------------------------------------------------------------------------------------------------- training


def _spread(count: int, rows: int) -> list[int]:
    """0, 1, the last, and some between."""
    if count <= rows:
        return list(range(count))
    return sorted({0, 1} | {round((count - 1) * k / (rows - 2)) for k in range(1, rows - 1)})


def training_table(
    history: Sequence[Epoch], loss: str = "loss", rows: int = 6, *, weights: bool = True
) -> list[str]:
    """A handful of epochs: loss (under the name given), validation loss, and a neuron's weights after it."""
    first = history[0]
    shown = min(len(first.w), COLUMNS_MAX) if weights else 0
    more = ["..."] if weights and shown < len(first.w) else []
    bias = weights and first.b is not None
    validated = first.validation is not None
    names = ["w"] if len(first.w) == 1 else [f"w{i + 1}" for i in range(shown)]
    table = [["epoch", loss, *["validation"] * validated, *names[:shown], *more, *["b"] * bias]]
    for index in _spread(len(history), rows):
        e = history[index]
        cells = [str(e.epoch), *(f"{v:.6e}" if v else "0" for v in (e.loss, e.validation) if v is not None)]
        table.append(
            [*cells, *map(short, e.w[:shown]), *more, *([short(e.b)] if bias and e.b is not None else [])]
        )
    return _aligned(table)


def loss_curve(
    losses: Sequence[float],
    title: str = "loss",
    end: int | None = None,
    *,
    drawn: bool = True,
    width: int = 62,
    height: int = 7,
) -> list[str]:
    """Loss over the epochs, evenly from 0 to `end`. The axis is logarithmic where the losses span more than a decade.

    end: None, where every epoch is there."""
    floor = min((v for v in losses if v > 0), default=0.0)
    logarithmic = floor > 0 and max(losses) > 10 * floor
    values = [math.log10(max(v, floor)) for v in losses] if logarithmic else list(losses)
    low, high = min(values), max(values)
    across, down = (2, 4) if drawn else (1, 1)
    columns, lines = width * across, height * down
    line = _polyline(
        [i * (columns - 1) / max(len(values) - 1, 1) for i in range(len(values))],
        [(high - v) / (high - low) * (lines - 1) if high > low else (lines - 1) / 2 for v in values],
    )
    dots = [[0] * width for _ in range(height)]
    for x, y in line:
        dots[y // down][x // across] |= _BRAILLE[y % 4][x % 2] if drawn else 1
    ink = (lambda cell: chr(0x2800 + cell) if cell else " ") if drawn else (lambda cell: "*" if cell else " ")
    edge, corner, dash = ("│", "└", "─") if drawn else ("|", "+", "-")
    labels = {0: max(losses), height - 1: floor if logarithmic else min(losses)}
    rows = [
        f"{INDENT}{f'{labels[i]:.2g}' if i in labels else '':>9} {edge}{''.join(map(ink, row))}".rstrip()
        for i, row in enumerate(dots)
    ]
    last = f"epoch {len(losses) - 1 if end is None else end}"
    return [
        f"{INDENT}{title}{', logarithmic' if logarithmic else ''}",
        *rows,
        f"{INDENT}{'':>9} {corner}{dash * width}",
        f"{INDENT}{'':>9}  0{last:>{width - 1}}",
    ]


_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of U+2800, by row and column."""


def _polyline(xs: Sequence[float], ys: Sequence[float]) -> set[tuple[int, int]]:
    """The dots of the straight lines from point to point."""
    dots = {(round(xs[0]), round(ys[0]))}
    for i in range(1, len(xs)):
        dx, dy = xs[i] - xs[i - 1], ys[i] - ys[i - 1]
        steps = max(1, math.ceil(max(abs(dx), abs(dy))))
        dots |= {(round(xs[i] - dx * k / steps), round(ys[i] - dy * k / steps)) for k in range(steps)}
    return dots


def formula(data: Dataset, epoch: Epoch) -> str:
    """'0.45 x1 + 0.24 x2 - 0.61', all digits."""
    if len(epoch.w) > COLUMNS_MAX:
        return f"w.x{'' if epoch.b is None else ' + b'} of {len(epoch.w)} inputs"
    terms = [(w, f" {name}") for w, name in zip(epoch.w, data.inputs, strict=True)]
    terms += [] if epoch.b is None else [(epoch.b, "")]
    text = "".join(f" {'-' if v < 0 else '+'} {abs(v)!r}{name}" for v, name in terms)
    return ("-" if text.startswith(" -") else "") + text[3:]


# ---------------------------------------------------------------------------------------------- quantisation


def quantisation(report: Report, data: Dataset) -> list[str]:
    """What quantising chose, and what it cost."""
    lines = []
    for name, (low, high), offset, fraction in list(
        zip(data.inputs, report.ranges, report.input_offset, report.input_fraction, strict=True)
    )[: COLUMNS_MAX + 1]:
        around = f" around {offset:g}" if offset else ""
        lines.append(f"{INDENT}input {name:<12} {low:g}..{high:g}, step 2^{-fraction}{around}")
    if len(data.inputs) > COLUMNS_MAX + 1:
        lines.append(f"{INDENT}... {counted(len(data.inputs) - COLUMNS_MAX - 1, 'more input')}")
    for index, layer in enumerate(report.layers):
        last = index + 1 == len(report.layers)
        outputs = _steps(report.output_fraction if last else [layer.out_fraction])
        out = "0 or 1" if layer.activation == "step" else f"step {outputs}"
        what = f"{INDENT}layer {index} {layer.activation:<10} weight step {_steps(layer.weight_fraction)}, "
        lines.append(what + f"{32 if layer.narrow else 64}-bit sum, output {out}")
    bound = report.error_bound
    most = "no useful bound" if bound is None else f"at most {bound:.2g} in these ranges"
    lines.append(f"{INDENT}error of the {report.error_of}: {most}, {report.error_observed:.2g} on the data")
    lines += wrapped(decisions_in_words(report)) if report.decisions else []
    return lines + [line for note in report.notes for line in wrapped(note)]


def _steps(fractions: Sequence[int]) -> str:
    """'2^-13', or from the finest to the coarsest."""
    finest, coarsest = max(fractions), min(fractions)
    return f"2^{-finest}" + (f"..2^{-coarsest}" if coarsest < finest else "")


def decisions_in_words(report: Report) -> str:
    """Whether fixed point decides as float does, and how that is known."""
    count = len(report.decisions) + report.unlisted.decisions
    proven = sum(d.proven for d in report.decisions) + report.unlisted.proven
    changed = [d for d in report.decisions if not d.unchanged]
    if proven == count and report.error_bound:
        which = {1: "The decision is", 2: "Both decisions are"}.get(count, f"All {count} decisions are")
        ratio = (report.margin or 0.0) / report.error_bound
        return (
            f"{which} provably unchanged: the sum nearest to 0 is {report.margin:.3g} away, "
            f"{ratio:.0f} times the largest possible error."
        )
    text = f"{proven} of {count} decisions are provably unchanged"
    if changed:
        number = len(changed) + report.unlisted.changed
        return f"{text}; {number} CHANGED, the first at {_inputs(changed[0])}: its sum is too near to 0."
    return f"{text}; {count - proven} did not change either, but the sum is nearer to 0 than the error bound."


def _inputs(decision: Decision) -> str:
    more = ", ..." if len(decision.inputs) > COLUMNS_MAX else ""
    return "(" + ", ".join(f"{v:g}" for v in decision.inputs[:COLUMNS_MAX]) + more + ")"


# -------------------------------------------------------------------------------------------------- the node


class Evaluated(Protocol):
    """A row of inputs that a node has evaluated."""

    @property
    def inputs(self) -> list[float]: ...
    @property
    def outputs(self) -> list[float]: ...
    @property
    def led(self) -> bool: ...
    @property
    def clipped(self) -> bool: ...


def node_table(rows: Sequence[Evaluated], data: Dataset, *, drawn: bool = True) -> list[str]:
    """Inputs, output and lamp of each row; the header first. Marked: rows with an input beyond what the model holds."""
    shown = min(len(data.inputs), COLUMNS_MAX)
    more = ["..."] if shown < len(data.inputs) else []
    lit, dark = ("●  lit", "○     ") if drawn else ("*  lit", ".     ")
    table = [[*data.inputs[:shown], *more, "output", "LED   "]]
    for row in rows:
        inputs = [f"{v:g}" for v in row.inputs[:shown]] + more
        table.append([*inputs, f"{row.outputs[0]:g}", lit if row.led else dark])
    if any(row.clipped for row in rows):
        for cells, mark in zip(table, ["", *("clipped" * row.clipped for row in rows)], strict=True):
            cells.append(mark)
    return [line.rstrip() for line in _aligned(table)]


ROWS_SHOWN = 16


def rows_to_show(data: Dataset) -> Float:
    """Rows of inputs, each once and sorted; some, evenly spread, where there are many."""
    rows: Float = np.unique(data.x, axis=0)
    chosen: Float = rows[np.linspace(0, len(rows) - 1, min(ROWS_SHOWN, len(rows))).round().astype(int)]
    return chosen
