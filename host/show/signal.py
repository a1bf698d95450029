"""The panels of a training on recordings: the signal, its windows by label, by what the model says and by what is
decided, and feature by feature. Drawn as `host.show.panels` are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from host.models.dense import Float
from host.show.classes import look
from host.show.panels import BLACK, ORANGE, text
from host.show.stretches import Signal, Stretch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.gridspec import SubplotSpec

COLUMNS = 1600
"""Points of a channel's outline, in all."""
FEATURES_MAX = 8
APART = 0.012
"""Between two stretches, a share of all."""
NAMED = 0.05
"""Share of all that a strip's run must have for its name to be written."""
DARK = "0.88"


def rows_of(signal: Signal) -> list[float]:
    """Heights of its panels, inches: the strips, each channel, each feature."""
    return [1.8, *[1.6] * len(signal.channels), *[1.1] * min(len(signal.inputs), FEATURES_MAX)]


def panels(figure: Any, place: SubplotSpec, signal: Signal) -> None:
    """All of them, one below the other, on one axis of time."""
    rows = rows_of(signal)
    grid = place.subgridspec(len(rows), 1, height_ratios=rows, hspace=0.0)
    first: Axes | None = None
    for row in range(len(rows)):
        axes = figure.add_subplot(grid[row], sharex=first)
        first = first or axes
        if row == 0:
            _strips(axes, signal)
        elif row <= len(signal.channels):
            _channel(axes, signal, row - 1)
        else:
            _feature(axes, signal, row - 1 - len(signal.channels))
        for begin, stretch in list(_placed(signal))[1:]:
            del stretch
            axes.axvline(begin - _gap(signal) / 2, color="0.6", lw=0.8, ls=(0, (1, 2)))
        axes.tick_params(labelbottom=row == len(rows) - 1)
    axes.set_xlabel(f"seconds of the {signal.part} part, its pieces side by side")


def _gap(signal: Signal) -> float:
    return APART * sum(float(stretch.ends[-1]) for stretch in signal.stretches)


def _placed(signal: Signal) -> Iterator[tuple[float, Stretch]]:
    """Each stretch, and where it begins on the axis."""
    begin = 0.0
    for stretch in signal.stretches:
        yield begin, stretch
        begin += float(stretch.ends[-1]) + _gap(signal)


def _strips(axes: Axes, signal: Signal) -> None:
    """What each window is, what the model says, and the lamp: a window is drawn over its newest hop."""
    whole = sum(float(stretch.ends[-1]) for stretch in signal.stretches)
    rows: list[tuple[str, str]] = [("should", "lamp should be lit"), ("lit", "lamp, as decided")]
    if signal.classes:
        rows = [("true", "label"), ("said", "the model says"), *rows]
    wrong = windows = 0
    for begin, stretch in _placed(signal):
        wrong += int((stretch.should != stretch.lit).sum())
        windows += len(stretch.ends)
        for height, (field, _) in enumerate(reversed(rows)):
            for start, end, value in _runs(getattr(stretch, field)):
                left = begin + float(stretch.ends[start]) - signal.hop
                width = (end - start) * signal.hop
                named = field in ("true", "said")
                colour = look(int(value))[0] if named else (ORANGE if value else DARK)
                axes.barh(height, width, left=left, height=0.8, color=colour, edgecolor="none")
                name = text(signal.classes[int(value)], 12) if named else ("lit" if value else "")
                if width > NAMED * whole and name:
                    axes.text(left + width / 2, height, name, ha="center", va="center", size=8.5, color=BLACK)
    axes.set_yticks(range(len(rows)), [name for _, name in reversed(rows)])
    axes.set_ylim(-0.5, len(rows) - 0.5)
    axes.set_title(f"Windows of the {signal.part} part: the lamp is wrong in {wrong or 'none'} of {windows}")


def _runs(values: NDArray[Any]) -> list[tuple[int, int, Any]]:
    """(from, to, value) of neighbours that are equal."""
    ends = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return [(a, b, values[a]) for a, b in itertools.pairwise(ends)]


def _channel(axes: Axes, signal: Signal, channel: int) -> None:
    """The outline of what was measured, least and largest of neighbouring scans, coloured by the label."""
    scans = sum(len(stretch.raw) for stretch in signal.stretches)
    each = max(1, scans // COLUMNS)
    for begin, stretch in _placed(signal):
        column = stretch.raw[:, channel]
        edges = np.arange(0, len(column), each)
        at = begin + edges / signal.rate
        low, high = np.minimum.reduceat(column, edges), np.maximum.reduceat(column, edges)
        for start, end, value in _runs(stretch.true):
            inside = (at >= begin + _from(stretch, start)) & (at <= begin + float(stretch.ends[end - 1]))
            colour = look(int(value))[0] if signal.classes else BLACK
            axes.fill_between(at[inside], low[inside], high[inside], color=colour, lw=0.8)
    axes.set_ylabel(f"{text(signal.channels[channel])}, raw")


def _from(stretch: Stretch, window: int) -> float:
    """Where the scans of a window begin to be its own."""
    return 0.0 if window == 0 else float(stretch.ends[window - 1])


def _feature(axes: Axes, signal: Signal, number: int) -> None:
    """Its value at each window's end, marked by the label."""
    shown: Sequence[str] = signal.classes or ("",)
    for begin, stretch in _placed(signal):
        at, values = begin + stretch.ends, stretch.values[:, number]
        axes.plot(at, values, color="0.7", lw=0.8, zorder=0)
        for index, _ in enumerate(shown):
            own: Float = stretch.true == index if signal.classes else np.ones(len(at), np.bool_)
            colour, marker = look(index)
            axes.plot(at[own], values[own], ls="", marker=marker, ms=3, color=colour)
    axes.set_ylabel(text(signal.inputs[number], 18), rotation=0, ha="right", va="center")
