"""The panels of a model that tells classes apart: what it takes for what, how well each class is found, and how far
apart it holds them.

Drawn as `host.panels` are. All of them look at the rows of `Subject.judged`, by the fixed-point model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from host.models.dense import Float
from host.show.panels import BLACK, BLUE, GREEN, ORANGE, SKY, VERMILION, legend_below, number, text, titled
from host.show.subject import POINTS_DRAWN, Subject, padded, thin
from host.training.scores import confusion_of, of_classes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PURPLE, YELLOW = "#CC79A7", "#F0E442"
CLASS_COLOURS = (SKY, VERMILION, GREEN, ORANGE, PURPLE, BLUE, YELLOW)
CLASS_MARKERS = ("o", "^", "s", "D", "v", "P", "X")
"""One after the other; beyond them they come again, but no two classes up to 49 share both."""
NUMBERED_MAX = 16
"""Classes up to which a cell of the confusion matrix says its number of rows."""
NAMED_MAX = 32
"""Classes up to which each is named at an axis."""
BINS = 30


def look(index: int) -> tuple[str, str]:
    """Colour and marker of a class."""
    turn, place = divmod(index, len(CLASS_COLOURS))
    return CLASS_COLOURS[place], CLASS_MARKERS[(place + turn) % len(CLASS_MARKERS)]


def judged(subject: Subject) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64], str]:
    """The rows that a model is judged by: which they are, their classes, what the node says of them, and their name."""
    rows, name = subject.judged
    said = subject.lamp.classes(subject.said[rows])
    return rows, subject.labels[rows], said, name


def _class_axis(axis: Any, subject: Subject, rotation: float = 0) -> None:
    names = [text(name, 14) for name in subject.classes]
    places = (
        np.arange(len(names))
        if len(names) <= NAMED_MAX
        else np.linspace(0, len(names) - 1, NAMED_MAX).round().astype(np.intp)
    )
    axis.set_ticks(places, [names[place] for place in places], rotation=rotation)


def confusion(axes: Axes, subject: Subject) -> None:
    """What each class is taken for: the darker, the larger the share of the class."""
    _, true, said, name = judged(subject)
    table = confusion_of(true, said, len(subject.classes))
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    if len(table) <= NUMBERED_MAX:
        for (down, across), count in np.ndenumerate(table):
            if count:
                colour = "white" if share[down, across] > 0.5 else BLACK
                size = 11.0 if len(table) < 8 else 8.5
                axes.text(across, down, str(count), ha="center", va="center", color=colour, size=size)
    crowded = len(table) * max(len(text(each, 14)) for each in subject.classes) > 45
    _class_axis(axes.xaxis, subject, rotation=90 if crowded else 0)
    _class_axis(axes.yaxis, subject)
    right = int(np.trace(table))
    titled(axes, f"Confusion: {right} of {len(true)} right ({name})", "taken for", text(subject.target))


def found(axes: Axes, subject: Subject) -> None:
    """Recall and precision of each class; none where no row is of it, or none is taken for it."""
    _, true, said, name = judged(subject)
    scores = of_classes(true, said, len(subject.classes))
    for measure, label, colour, marker in (
        ("recall", "recall: found of the class", BLUE, "o"),
        ("precision", "precision: right of those taken for it", VERMILION, "x"),
    ):
        there = [(share, place) for place, share in enumerate(scores[measure]) if share is not None]
        axes.plot(
            *zip(*there, strict=True),
            ls="",
            marker=marker,
            ms=8,
            mew=1.6,
            mfc="none",
            color=colour,
            label=label,
        )
    axes.set_ylim(len(subject.classes) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.03)
    axes.grid(axis="x", color="0.9", lw=0.8)
    _class_axis(axes.yaxis, subject)
    titled(axes, f"Scores of each class ({name})", "share", text(subject.target))
    legend_below(axes, axes.get_legend_handles_labels()[0], 2)


def apart(axes: Axes, subject: Subject) -> None:
    """How often each value of the one output comes, class by class, and the threshold between them."""
    rows, true, said, name = judged(subject)
    values = subject.said[rows, 0]
    edges = np.linspace(*padded(float(values.min()), float(values.max()), 0.02), BINS + 1).tolist()
    for index, each in enumerate(subject.classes):
        of_class = values[true == index]
        if len(of_class):
            colour, _ = look(index)
            axes.hist(
                of_class, edges, color=colour, alpha=0.65, label=f"{text(subject.target)} = {text(each)}"
            )
    at = subject.lamp.threshold
    axes.axvline(at, color=BLACK, lw=1.4, ls="--", label=f"decides at {number(at)}")
    wrong = int((true != said).sum())
    titled(
        axes,
        f"{subject.value_name.capitalize()} by class: {wrong or 'none'} on the wrong side ({name})",
        f"{subject.value_name} of the model",
        "rows",
    )
    legend_below(axes, axes.get_legend_handles_labels()[0], 3)


def regions(axes: Axes, subject: Subject) -> None:
    """Of two inputs: which class the node says where, and the samples."""
    from matplotlib.colors import ListedColormap, NoNorm

    ends = [padded(float(column.min()), float(column.max()), 0.25) for column in subject.x.T]
    side = 241
    u, v = np.meshgrid(*(np.linspace(*end, side) for end in ends))
    said = subject.lamp.classes(subject.fixed(np.column_stack([u.ravel(), v.ravel()]))).reshape(side, side)
    colours = ListedColormap([look(index)[0] for index in range(len(subject.classes))])
    extent = (*ends[0], *ends[1])
    axes.imshow(
        said, origin="lower", extent=extent, cmap=colours, alpha=0.3, interpolation="nearest", norm=NoNorm()
    )
    rows = thin(len(subject.x), POINTS_DRAWN)
    true = subject.labels[rows]
    size = float(np.clip(8 * np.sqrt(80 / len(rows)), 3, 8))
    for index, each in enumerate(subject.classes):
        colour, marker = look(index)
        points: Float = subject.x[rows][true == index]
        if len(points):
            axes.plot(
                *points.T, ls="", marker=marker, ms=size, color=colour, mec=BLACK, mew=0.8, label=text(each)
            )
    axes.set_aspect("auto")
    titled(axes, "Classes and samples", text(subject.inputs[0]), text(subject.inputs[1]))
    if len(subject.classes) <= NUMBERED_MAX:
        axes.legend()
