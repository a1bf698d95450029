"""A row of inputs and what a model makes of it: for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from host.core.image import Model
from host.errors import counted
from host.node.asking import Answers
from host.show.describe import class_names, input_names, ranges


def as_object(
    model: Model, known: dict[str, Any], inputs: Sequence[float], answers: Answers, row: int
) -> dict[str, Any]:
    """One row of answers. known: what the model's image is known by."""
    classes = class_names(model)
    return {
        "inputs": list(inputs),
        "used": answers.used[row].tolist(),
        "clipped": bool(answers.cut[row]),
        "out_of_range": bool(answers.out_of_range[row]),
        "outputs": answers.outputs[row].tolist(),
        **({"class": classes[answers.classes[row]]} if classes else {}),
        "led": bool(answers.led[row]),
        **known,
    }


def as_line(model: Model, answers: Answers, row: int) -> str:
    """One row of answers on a line of its own."""
    classes = class_names(model)
    said = " ".join(f"{value:g}" for value in answers.outputs[row].tolist())
    name = f"   {classes[answers.classes[row]]}" if classes else ""
    return f"{said}{name}   LED {'on' if answers.led[row] else 'off'}"


# -------------------------------------------------------------------------------------------------- what is to be known


class Tally:
    """Which rows had inputs that the model was not made for. many: each is counted, and the first one told."""

    def __init__(self, model: Model, *, many: bool) -> None:
        self._names, self._ranges = input_names(model), ranges(model)
        self._many, self._rows = many, {"clipped": 0, "beyond": 0}
        self._said: dict[str, list[str]] = {"clipped": [], "beyond": []}

    def add(self, numbers: Sequence[int], x: Sequence[Sequence[float]], answers: Answers) -> None:
        """Rows, and what each is called."""
        for row in np.flatnonzero((answers.clipped | answers.beyond).any(axis=1)).tolist():
            self._add(numbers[row], x[row], answers, row)

    def _add(self, number: int, inputs: Sequence[float], answers: Answers, row: int) -> None:
        clipped, beyond = answers.clipped[row].tolist(), answers.beyond[row].tolist()
        texts = {
            "clipped": [
                f"{self._what(i, inputs)}, beyond what the model can hold: taken as {answers.used[row][i]:g}"
                for i, cut in enumerate(clipped)
                if cut
            ],
            "beyond": [
                f"{self._what(i, inputs)}, outside of the range that the model was made for: "
                f"{self._ranges[i][0]:g}..{self._ranges[i][1]:g}"
                for i, outside in enumerate(beyond)
                if outside and not clipped[i]
            ],
        }
        for kind, said in texts.items():
            if said and not self._said[kind]:
                self._said[kind] = [f"row {number}: {said[0]}"] if self._many else said
            self._rows[kind] += bool(said)

    def _what(self, i: int, inputs: Sequence[float]) -> str:
        return f"input {self._names[i]} is {inputs[i]:g}"

    def warnings(self) -> list[str]:
        said = []
        for kind, texts in self._said.items():
            more = self._rows[kind] - 1
            tail = f"; {counted(more, 'row')} more like it" if self._many and more else ""
            said += [text + tail for text in texts]
        return said
