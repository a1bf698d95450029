"""The panels of a decision on two inputs: its boundary in float and in fixed point, and the error between them.

Drawn as `host.panels` are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from host.models.dense import Float
from host.show.panels import (
    BLACK,
    BLUE,
    GRID,
    ORANGE,
    SKY,
    VERMILION,
    legend_below,
    number,
    text,
    titled,
    window,
)
from host.show.subject import POINTS_DRAWN, SAMPLES, Subject, padded, spread, thin

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LIT_TINT, DARK_TINT = "#FBE3C0", "#FFFFFF"


def _view(subject: Subject) -> list[tuple[float, float]]:
    return [padded(*window(column), 0.25) for column in subject.x.T]


def _mesh(ends: list[tuple[float, float]], side: int) -> tuple[Float, Float, Float]:
    """Coordinates along both axes, and all their points, (side * side, 2)."""
    first, second = (np.linspace(*end, side) for end in ends)
    u, v = np.meshgrid(first, second)
    return first, second, np.column_stack([u.ravel(), v.ravel()])


def _value(subject: Subject, values: Float) -> Float:
    """How far the value that decides is above the threshold."""
    return np.asarray(values[:, 0] - subject.lamp.threshold)


def crossing(subject: Subject) -> Float | None:
    """The point of the float boundary that is nearest to the middle of the data; None if there is none."""
    ends = _view(subject)
    _, _, points = _mesh(ends, GRID)
    lit = (_value(subject, subject.real(points)) > 0).reshape(GRID, GRID)
    pairs = points.reshape(GRID, GRID, 2)
    down, across = np.nonzero(lit[1:] != lit[:-1]), np.nonzero(lit[:, 1:] != lit[:, :-1])
    one = np.vstack([pairs[down], pairs[across]])
    other = np.vstack([pairs[down[0] + 1, down[1]], pairs[across[0], across[1] + 1]])
    if len(one) == 0:
        return None
    middle, width = np.array(ends).mean(axis=1), np.ptp(np.array(ends), axis=1)
    nearest = int(np.argmin((((one - middle) / width) ** 2).sum(axis=1).round(9)))
    a, b = one[nearest], other[nearest]
    above = bool(_value(subject, subject.real(a[np.newaxis]))[0] > 0)
    for _ in range(60):
        half = (a + b) / 2
        if bool(_value(subject, subject.real(half[np.newaxis]))[0] > 0) == above:
            a = half
        else:
            b = half
    return np.asarray((a + b) / 2)


def _boundaries(axes: Axes, subject: Subject, ends: list[tuple[float, float]]) -> bool:
    """Both boundaries as lines, the side on which the LED is lit tinted; whether there is one."""
    from matplotlib.lines import Line2D

    first, second, points = _mesh(ends, GRID)
    real = _value(subject, subject.real(points)).reshape(GRID, GRID)
    fixed = _value(subject, subject.fixed(points)).reshape(GRID, GRID)
    lit = -real if subject.lit_below else real
    if lit.max() > 0:
        axes.contourf(first, second, lit, levels=[0, lit.max() * 2], colors=[LIT_TINT], zorder=0)
    for values, label, colour, dashes, width in (
        (real, "boundary, float", BLUE, "-", 3.6),
        (fixed, "boundary, fixed point", ORANGE, (0, (3, 2)), 1.8),
    ):
        if values.min() < 0 < values.max():
            axes.contour(
                first,
                second,
                values,
                levels=[0],
                colors=[colour],
                linewidths=width,
                linestyles=[dashes],
                zorder=6,
            )
            axes.add_line(Line2D([], [], color=colour, ls=dashes, lw=width, label=label))
    return bool(lit.max() > 0)


def boundary(axes: Axes, subject: Subject) -> None:
    """The samples by class, and the line at which the decision changes."""
    from matplotlib.patches import Patch

    lit = _boundaries(axes, subject, _view(subject))
    y = subject.y.ravel()
    middle = (y.min() + y.max()) / 2 if y.min() < y.max() else subject.lamp.threshold
    rows = thin(len(subject.x), POINTS_DRAWN)
    x, one = subject.x[rows], y[rows] > middle
    target, size = text(subject.target), float(np.clip(8 * np.sqrt(80 / len(x)), 3, 8))
    for side, (mask, marker, colour) in enumerate(((~one, "o", SKY), (one, "^", VERMILION))):
        if mask.any():
            name = text(subject.classes[side]) if subject.classes else number(y[rows][mask][0])
            label = f"{target} = {name}"
            axes.plot(
                *x[mask].T,
                ls="",
                marker=marker,
                ms=size,
                color=colour,
                mec=BLACK,
                mew=size / 8,
                label=label,
                zorder=5,
            )
    wrong = subject.lamp.classes(subject.fixed(x)) != one
    if wrong.any():
        label = f"wrong ({int((subject.lamp.classes(subject.said) != (y > middle)).sum())})"
        axes.plot(
            *x[wrong].T, ls="", marker="o", ms=size + 7, mfc="none", mec=BLACK, mew=1.4, label=label, zorder=6
        )
    centre = crossing(subject)
    if centre is not None:
        axes.plot(*centre, ls="", marker="+", ms=14, mew=2, color=BLACK, label="magnified", zorder=7)
    axes.set_xlim(_view(subject)[0])
    axes.set_ylim(_view(subject)[1])
    handles = axes.get_legend_handles_labels()[0]
    if lit:
        handles.append(Patch(fc=LIT_TINT, ec="0.7", label="LED lit"))
    legend_below(axes, handles, 3)
    titled(axes, "Decision boundary and samples", text(subject.inputs[0]), text(subject.inputs[1]))


def magnified(axes: Axes, subject: Subject) -> None:
    """A piece of the boundary so large that the node's steps show, and where it decides unlike float."""
    from matplotlib.colors import ListedColormap
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    centre, step, offset = crossing(subject), np.array(subject.steps), np.array(subject.offsets)
    names = list(subject.inputs)
    if centre is None:
        axes.text(0.5, 0.5, "no boundary near the data", ha="center", va="center", transform=axes.transAxes)
        titled(axes, "Boundary, magnified", *map(text, names))
        return
    origin = offset + np.floor((centre - offset) / step + 0.5) * step
    slope = np.array([_slope(subject, centre, axis, step) for axis in (0, 1)])
    band = subject.reach / max(float(np.hypot(*slope)), 1e-300)
    half = float(np.clip(np.ceil(1.6 * band), 6, 2000)) + 0.5
    side = 480
    ends = [(-half + half / side, half - half / side)] * 2
    first, second, grid = _mesh(ends, side)
    points = origin + grid * step
    real, fixed = subject.real(points), subject.fixed(points)
    lit = subject.lamp.lit(fixed)
    at = lit + 2 * (lit != subject.lamp.lit(real))
    at = at.astype(np.float64).reshape(side, side)
    colours = ListedColormap([DARK_TINT, LIT_TINT, SKY, VERMILION])
    extent = (-half, half, -half, half)
    axes.imshow(at, origin="lower", extent=extent, cmap=colours, vmin=-0.5, vmax=3.5, interpolation="nearest")
    value = _value(subject, real).reshape(side, side)
    axes.contour(first, second, value, levels=[0], colors=[BLUE], linewidths=2.4)
    handles: list[Any] = [Line2D([], [], color=BLUE, lw=2.4, label="boundary, float")]
    if subject.bound is not None:
        ends_of: dict[str, Any] = {
            "levels": [subject.bound],
            "colors": [BLACK],
            "linewidths": 1.2,
            "linestyles": "--",
        }
        axes.contour(first, second, np.abs(value), **ends_of)
        handles.append(Line2D([], [], color=BLACK, lw=1.2, ls="--", label="proven alike beyond"))
    for level, colour, hatch, label in (
        (3.0, VERMILION, "////", "lit in fixed point only"),
        (2.0, SKY, "\\\\\\\\", "lit in float only"),
    ):
        only = (at == level).astype(np.float64)
        if only.any():
            axes.contourf(first, second, only, levels=[0.5, 1.5], colors="none", hatches=[hatch])
            handles.append(Patch(fc=colour, ec=BLACK, hatch=hatch, label=label))
    differ = float((at >= 2).mean())
    axes.set_aspect("auto")
    legend_below(axes, handles, 2)
    labels = [
        f"{text(name, 20)} − {number(zero)}, in steps of {number(size, 3)}"
        for name, zero, size in zip(names, origin, step, strict=True)
    ]
    titled(axes, f"Magnified: {100 * differ:.2g} % decided differently", *labels)


def _slope(subject: Subject, at: Float, axis: int, step: Float) -> float:
    """The change of the float value for one step of an input."""
    ahead = np.zeros(2)
    ahead[axis] = step[axis]
    values = _value(subject, subject.real(np.vstack([at - ahead, at + ahead])))
    return float(values[1] - values[0]) / 2


def error_map(axes: Axes, subject: Subject) -> None:
    """How far fixed point is from float over the declared ranges; the scale ends at the bound."""
    from matplotlib.lines import Line2D

    side = 80
    ends = [(float(low), float(high)) for low, high in subject.ranges]
    first, second = (np.linspace(*end, side + 1) for end in ends)
    u, v = np.meshgrid(first[:-1], second[:-1])
    corner = np.column_stack([u.ravel(), v.ravel()])[:, np.newaxis, :]
    inside = spread([(0.0, first[1] - first[0]), (0.0, second[1] - second[0])], SAMPLES)
    points = (corner + inside).reshape(-1, 2)
    errors = (
        np.abs(subject.fixed(points) - subject.real(points)).max(axis=1).reshape(side * side, -1).max(axis=1)
    )
    image = axes.pcolormesh(
        first,
        second,
        errors.reshape(side, side),
        cmap="cividis_r",
        vmin=0,
        vmax=subject.reach,
        rasterized=True,
    )
    label = f"|fixed − float| of the {subject.value_name}"
    ticks = np.linspace(0, subject.reach, 5)
    bar = axes.figure.colorbar(image, ax=axes, label=label, ticks=ticks)
    bar.ax.set_yticklabels([number(tick, 2) for tick in ticks])
    value = _value(subject, subject.real(_mesh(ends, GRID)[2])).reshape(GRID, GRID)
    if value.min() < 0 < value.max():
        axes.contour(*_mesh(ends, GRID)[:2], value, levels=[0], colors=[BLACK], linewidths=1.5)
        legend_below(axes, [Line2D([], [], color=BLACK, lw=1.5, label="boundary, float")], 1)
    title = f"Error of the {subject.value_name}: {subject.reach_name} {number(subject.reach, 2)}"
    titled(axes, title, text(subject.inputs[0]), text(subject.inputs[1]))
