"""Many rows of inputs and what a model makes of them, each shown before the next is known: a CSV file, one JSON object
a row, or a table that grows."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from host.core.image import Model
from host.data.rows import Incoming, Row, writer
from host.node.asking import Answers
from host.progress import Progress
from host.show.describe import class_names, input_names, output_names
from host.show.predictions import as_object

Batch = Sequence[tuple[Row, list[float]]]
"""Rows with their inputs."""
Put = Callable[[Batch, Answers], None]
"""Takes rows and the answers to them."""

SHOWN_MAX = 3
"""Inputs or outputs that a table shows before it leaves the rest out."""
CELL = 10
"""Characters of a table's column whose name and words are shorter."""


def column_names(model: Model, header: Sequence[str]) -> list[str]:
    """The columns that come behind those of the header; none has the name of another."""
    outputs = ["output"] if model.outputs == 1 else [f"output_{name}" for name in output_names(model)]
    wanted = [*outputs, *["class"] * bool(class_names(model)), "led", "out_of_range", "clipped"]
    names: list[str] = []
    for name in wanted:
        number, free = 1, name
        while free in {*header, *names}:
            free = f"predicted_{name}" + f"_{number}" * (number > 1)
            number += 1
        names.append(free)
    return names


def as_csv(
    model: Model, table: Incoming, written: Callable[[float], str], write: Callable[[bytes], object]
) -> Put:
    """The table's own columns and cells, then `column_names`, flags as 0 and 1. written: a number as text; write: takes
    the header at once, then the rows."""
    write_rows, classes = writer(write, table.delimiter), class_names(model)
    write_rows([[*table.header, *column_names(model, table.header)]])

    def put(batch: Batch, answers: Answers) -> None:
        flags = zip(answers.led, answers.out_of_range, answers.cut, strict=True)
        write_rows(
            [
                [
                    *row.cells,
                    *map(written, outputs),
                    *([classes[number]] if classes else []),
                    *(str(int(flag)) for flag in marks),
                ]
                for (row, _), outputs, number, marks in zip(
                    batch, answers.outputs.tolist(), answers.classes.tolist(), flags, strict=True
                )
            ]
        )

    return put


def as_json(model: Model, known: dict[str, Any]) -> Put:
    """A line a row, on standard output. known: what the model's image is known by."""

    def put(batch: Batch, answers: Answers) -> None:
        for index, (row, inputs) in enumerate(batch):
            print(json.dumps({"row": row.number, **as_object(model, known, inputs, answers, index)}))
        sys.stdout.flush()

    return put


def as_progress(lines: int, update: Progress) -> Put:
    """How far it is, of so many lines; 0: nobody knows."""

    def put(batch: Batch, answers: Answers) -> None:
        if lines:
            update("predict, line", min(batch[-1][0].number, lines), lines)

    return put


def as_table(model: Model, *, drawn: bool) -> Put:
    """For people. drawn: the terminal can show the lamp."""
    classes = class_names(model)
    lit, dark = ("●  lit", "○     ") if drawn else ("*  lit", ".     ")
    outputs = ["output"] if model.outputs == 1 else output_names(model)
    names = ["row", *_some(input_names(model)), *_some(outputs), *["class"] * bool(classes)]
    widths = [max(CELL, len(name)) for name in names]
    if classes:
        widths[-1] = max(widths[-1], *map(len, classes))

    def aligned(cells: Sequence[str]) -> str:
        return "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))

    def put(batch: Batch, answers: Answers) -> None:
        for index, (row, inputs) in enumerate(batch):
            cells = [
                str(row.number),
                *_some([f"{value:g}" for value in inputs]),
                *_some([f"{value:g}" for value in answers.outputs[index].tolist()]),
                *([classes[answers.classes[index]]] if classes else []),
            ]
            mark = "clipped" if answers.cut[index] else "out of range" if answers.out_of_range[index] else ""
            print(f"{aligned(cells)}   {lit if answers.led[index] else dark}   {mark}".rstrip())
        sys.stdout.flush()

    print(f"{aligned(names)}   LED")
    return put


def _some(cells: list[str]) -> list[str]:
    return cells if len(cells) <= SHOWN_MAX else [*cells[:SHOWN_MAX], "..."]
