"""The panels of a picture, each one function of an empty matplotlib axes and the `picture.Subject`.

Okabe and Ito's colours, which colour-blind people tell apart, and never colour alone: lines differ by their
dashes and points by their shape, so that a print in grey says the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from host.models.dense import Float
from host.show.subject import LOSS_ROWS, MARKED, POINTS_DRAWN, SAMPLES, Descent, Subject, padded, spread, thin

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION = "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00"
PART_LINES = ((BLUE, "-"), (VERMILION, "--"), (GREEN, ":"))
SURFACE_COLOURS = "cividis"

GRID = 201


def text(name: str, longest: int = 24) -> str:
    """A name from the data as matplotlib may draw it: one line, no formulas, not too long."""
    line = " ".join(name.split())
    return (line if len(line) <= longest else line[: longest - 1] + "…").replace("$", r"\$")


def number(value: float, digits: int = 6) -> str:
    """A figure, with the sign that print has for minus."""
    return f"{value:.{digits}g}".replace("-", "−")


def titled(axes: Any, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left")
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def legend_below(axes: Axes, handles: Sequence[Any], columns: int) -> None:
    """Under the label of the x axis: inside it would hide samples."""
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.17),
        ncols=columns,
        frameon=False,
        columnspacing=1.0,
        handlelength=1.6,
        handletextpad=0.5,
    )


def _wide(values: Float) -> bool:
    """Whether a logarithmic axis helps: all above 0, over more than a decade."""
    return bool(values.min() > 0 and values.max() > 10 * values.min())


# ------------------------------------------------------------------------------------------------- the descent


def loss(axes: Axes, subject: Descent) -> None:
    """The loss of every part over the epochs, and where the weights that count come from."""
    counts = np.arange(len(subject.path)) if subject.counts is None else np.asarray(subject.counts)
    most = max(50, min(POINTS_DRAWN, LOSS_ROWS // len(subject.x)))
    kept = subject.last
    chosen = np.union1d(thin(len(counts), most), [kept])
    smallest: list[float] = []
    for (part, measure), (colour, dashes) in zip(subject.losses.items(), PART_LINES, strict=False):
        values = np.array([measure(subject.path[step].tolist()) for step in chosen])
        marker = "o" if len(chosen) <= MARKED else ""
        axes.plot(counts[chosen], values, color=colour, ls=dashes, marker=marker, ms=4, label=part)
        smallest.append(float(values[values > 0].min(initial=np.inf)))
        if part == next(iter(subject.losses)) and _wide(values[values > 0] if (values > 0).any() else values):
            axes.set_yscale("log", nonpositive="clip")
    if subject.stopped or kept != len(subject.path) - 1:
        label = f"weights kept: {counts[kept]} {subject.counted}"
        axes.axvline(counts[kept], color=BLACK, lw=1.2, ls=(0, (1, 1.5)), label=label)
    axes.xaxis.set_major_locator(few_ticks(integer=True))
    if axes.get_yscale() == "log":
        axes.set_ylim(bottom=min(smallest) / 2)
        axes.grid(axis="y", color="0.9", lw=0.8)
    title = "Loss" + (", logarithmic" if axes.get_yscale() == "log" else "")
    title += "; ended early" if subject.stopped else ""
    title += ": it grows, the training diverges" if subject.diverged else ""
    titled(axes, title, subject.counted, text(subject.loss_name, 48))
    if len(axes.lines) > 1:
        axes.legend()


def _path(
    axes: Any, subject: Descent, columns: Float, end: Sequence[float], size: float = 1.0, apart: float = 0.04
) -> None:
    """The path of descent over anything: its coordinates (axes, steps), and those of its end, the model."""
    from matplotlib.patheffects import Normal, withStroke

    outline = [withStroke(linewidth=3.2, foreground="white"), Normal()]
    options: dict[str, Any] = {"zorder": 10, "path_effects": outline, "markevery": _apart(columns, apart)}
    ends: dict[str, Any] = {"ls": "", "mec": "white", "mew": 1.0, "zorder": 11}
    axes.plot(
        *columns,
        color=VERMILION,
        lw=1.6,
        marker="o",
        ms=3.5,
        label=f"path, dots: {subject.counted.split()[0]}",
        **options,
    )
    axes.plot(*columns[:, :1], marker="s", ms=9 * size, color=BLACK, label="start", **ends)
    if not subject.diverged:
        axes.plot(*([e] for e in end), marker="*", ms=15 * size, color=BLACK, label="model", **ends)


def _apart(columns: Float, share: float) -> list[int]:
    """Indices of points far enough from each other to be told apart, the first among them."""
    points = np.column_stack([c / (np.ptp(c) or 1.0) for c in columns])
    chosen = [0]
    for index, point in enumerate(points):
        if np.abs(point - points[chosen[-1]]).max() > share:
            chosen.append(index)
    return chosen


AWAY = "the path leads away"


def _first_loss(subject: Descent) -> Any:
    return next(iter(subject.losses.values()))


def over_w(axes: Axes, subject: Descent) -> None:
    """The loss of every w, and the way down."""
    measure = _first_loss(subject)
    w = subject.path[thin(len(subject.path), POINTS_DRAWN), 0]
    end = float(subject.path[subject.last, 0])
    low, high = w.min(), w.max()
    # As far beyond the end as the start is before it: the whole valley.
    low, high = padded(min(low, 2 * end - high), max(high, 2 * end - low), 0.08)
    x = np.linspace(low, high, GRID)
    axes.plot(x, [measure([float(v)]) for v in x], color=BLUE, label="loss")
    heights = np.array([measure([float(v)]) for v in w])
    _path(axes, subject, np.array([w, heights]), [end, measure([end])])
    name = text(subject.parameters[0])
    way = AWAY if subject.diverged else f"path to {name} = {number(end)}"
    titled(axes, f"Loss over {name}: {way}", name, text(subject.loss_name, 48))
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.legend()


def window(column: Float) -> tuple[float, float]:
    return float(column.min()), float(column.max())


def surface(axes: Any, subject: Descent) -> None:
    """The loss surface of two parameters, and the path on it."""
    path, first, second, losses = subject.landscape
    axes.computed_zorder = False
    u, v = np.meshgrid(first, second)
    axes.plot_surface(
        u,
        v,
        losses,
        cmap=SURFACE_COLOURS,
        alpha=0.85,
        rcount=30,
        ccount=30,
        lw=0.2,
        edgecolor="0.35",
        zorder=1,
    )
    measure = _first_loss(subject)
    heights = np.array([measure(point.tolist()) for point in path])
    end = subject.path[subject.last].tolist()
    _path(axes, subject, np.vstack([path.T, heights]), [*end, measure(end)], size=0.8, apart=0.09)
    one, two = map(text, subject.parameters)
    titled(axes, f"Loss surface over {one} and {two}", one, two)
    axes.set_zlabel("loss")
    axes.view_init(elev=32, azim=-58)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_major_locator(few_ticks())
        axis.pane.set_facecolor("white")
    axes.set_box_aspect((1, 1, 0.72), zoom=0.92)


def few_ticks(integer: bool = False) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(8 if integer else 5, steps=[1, 2, 2.5, 5, 10], integer=integer)


def contour(axes: Axes, subject: Descent) -> None:
    """The same surface from above, with lines of equal loss, the denser the lower."""
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm

    path, first, second, losses = subject.landscape
    end = subject.path[subject.last].tolist()
    low = min(float(losses.min()), _first_loss(subject)(end))
    height = float(losses.max()) - low or 1.0
    levels = low + height * np.concatenate([[0.0], np.geomspace(0.002, 1.0, 12)])
    colours = colormaps[SURFACE_COLOURS]
    norm = BoundaryNorm(levels, colours.N)
    filled = axes.contourf(first, second, losses, levels=levels, norm=norm, cmap=colours)
    axes.contour(first, second, losses, levels=levels[1:], colors="white", linewidths=0.6)
    _path(axes, subject, path.T, end)
    bar = axes.figure.colorbar(filled, ax=axes, ticks=levels[::2], label=text(subject.loss_name, 48))
    bar.ax.set_yticklabels([number(v if v > 1e-9 * height else 0.0, 2) for v in levels[::2]])
    one, two = map(text, subject.parameters)
    way = AWAY if subject.diverged else f"path to {one} = {number(end[0], 4)}, {two} = {number(end[1], 4)}"
    titled(axes, f"From above: {way}", one, two)
    axes.legend()


# ---------------------------------------------------------------------------------------- a model of one input


def _signed(axes: Axes, subject: Subject, x: str, *, low: bool) -> None:
    """What the panels of the error of fixed point share: zero, and the bound above and below. low: they are, and a
    legend needs more room."""
    bound = subject.reach
    axes.axhline(0, color="0.6", lw=0.8, zorder=0)
    for side, name in ((1, subject.reach_name), (-1, "_")):
        axes.axhline(side * bound, color=BLACK, lw=1.2, ls="--", label=name)
    axes.set_ylim(-1.4 * bound, (2.7 if low else 1.7) * bound)
    axes.set_yticks([-bound, 0, bound], [number(-bound, 2), "0", number(bound, 2)])
    axes.set_xlabel(x)
    axes.set_ylabel("error")
    axes.legend(loc="upper right", ncols=2, borderpad=0.2, borderaxespad=0.2)


def curve(pair: tuple[Axes, Axes], subject: Subject) -> None:
    """The model over its input with the samples; below, the error of fixed point."""
    above, below = pair
    name, target = text(subject.inputs[0]), text(subject.target)
    low, high = subject.ranges[0]
    x = np.linspace(low, high, 401)
    column = x[:, np.newaxis]
    above.plot(x, subject.real(column)[:, 0], color=BLUE, label="float")
    above.plot(x, subject.fixed(column)[:, 0], color=ORANGE, ls=(0, (3, 2)), label="fixed point")
    rows = thin(len(subject.x), POINTS_DRAWN)
    above.plot(
        subject.x[rows, 0],
        subject.y.reshape(len(subject.y), -1)[rows, 0],
        ls="",
        marker="o",
        ms=6,
        color="white",
        mec=BLACK,
        mew=1.2,
        label="samples",
    )
    at = subject.lamp.threshold
    lit = f"LED lit {'up to' if subject.lit_below else 'above'} {number(at)}"
    above.axhline(at, color=BLACK, lw=1.0, ls=":", label=lit)
    above.legend()
    what = target if subject.value_name == "output" else f"{subject.value_name} that decides {target}"
    above.set_title("The model, and the error of fixed point")
    above.set_ylabel(what)
    above.tick_params(labelbottom=False)

    edges = np.linspace(low, high, 301)
    cells = spread([(0.0, 1.0)], SAMPLES)[:, 0] * (edges[1] - edges[0]) + edges[:-1, np.newaxis]
    points = cells.reshape(-1, 1)
    errors = (subject.fixed(points) - subject.real(points)).reshape(cells.shape)
    middle = (edges[:-1] + edges[1:]) / 2
    below.fill_between(middle, errors.min(1), errors.max(1), color=ORANGE, lw=0.6, label="fixed − float")
    _signed(below, subject, name, low=True)


# ------------------------------------------------------------------------------------------------ anything else


CROSSES: dict[str, Any] = {
    "ls": "",
    "marker": "x",
    "mew": 0.9,
    "color": VERMILION,
    "label": "fixed − float on the data",
}


def cost(axes: Axes, subject: Subject) -> None:
    """The error of fixed point on the data, over what the model says there."""
    rows = thin(len(subject.x), POINTS_DRAWN // (2 * subject.outputs))
    real, fixed = subject.real(subject.x[rows]), subject.said[rows]
    errors = (fixed - real).ravel()
    dots = max(2.5, 7 - len(errors) / 200)
    axes.plot(real.ravel(), errors, ms=dots, **CROSSES)
    _signed(axes, subject, f"{subject.value_name} of the model", low=False)
    axes.set_title("Error of fixed point")


def prediction(pair: tuple[Axes, Axes], subject: Subject) -> None:
    """What the model says against what it should, float and fixed point; below, the error of fixed point."""
    above, below = pair
    rows = thin(len(subject.x), POINTS_DRAWN // (2 * subject.outputs))
    x, y = subject.x[rows], subject.y.reshape(len(subject.y), -1)[rows].ravel()
    real, fixed = subject.real(x).ravel(), subject.said[rows].ravel()
    dots = max(2.5, 7 - len(y) / 200)
    ends = [float(min(y.min(), real.min())), float(max(y.max(), real.max()))]
    above.plot(ends, ends, color="0.6", lw=1, label="as it should be", zorder=0)
    judged, name_of_judged = subject.judged
    if 0 < len(judged) < len(subject.x):
        unseen = np.repeat(np.isin(rows, judged), subject.outputs)
        shown: dict[str, Any] = {"ls": "", "marker": "s", "ms": dots + 5, "mfc": "none", "mec": GREEN}
        above.plot(y[unseen], real[unseen], **shown, label=name_of_judged)
    above.plot(y, real, ls="", marker="o", ms=dots + 1.5, mfc="none", mec=BLUE, mew=0.9, label="float")
    above.errorbar(
        y,
        fixed,
        yerr=subject.reach,
        ls="",
        marker="x",
        ms=dots,
        mew=0.9,
        color=VERMILION,
        elinewidth=0.9,
        label=f"fixed point ± {subject.reach_name}",
    )
    target, many = text(subject.target), subject.outputs
    name = target if many == 1 else f"{target} and {many - 1} more"
    above.set_ylabel(f"{subject.value_name} of the model")
    above.set_title("Prediction and target, error of fixed point")
    above.tick_params(labelbottom=False)
    above.legend()
    below.plot(y, fixed - real, ms=dots, **CROSSES)
    _signed(below, subject, f"target {name}", low=True)
