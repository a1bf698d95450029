"""Pictures of a training, for print and for screens: `draw` picks the panels that fit it.

    one parameter                   loss, loss over w with the path of descent
    two parameters                  loss, the loss surface with the path, the same from above
    one input                       the model over its input, the error of fixed point below
    two inputs and a decision       the boundary, float and fixed-point; magnified; the error of fixed point
    classes of a file               what is taken for what; scores of each class, or the output class by class; of two
                                    inputs which class is where; the error of fixed point
    anything else                   prediction against target, the error of fixed point below
    windows of recordings           below all of these the signal of the test part, what each window is, what the model
                                    and the decision make of it, and feature by feature

matplotlib is imported only where a picture is asked for. The same training gives the same bytes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from host.errors import NeuronError
from host.files import replace_file, require_writable
from host.show import boundary, classes, names, panels, signal
from host.show.subject import Descent, Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg")
DPI = 150
WIDTH = 10.0
"""Inches. Across a page of A4 the smallest letters are then still 6 points high, on its side 9."""
CAPTION_COLUMNS = 138

STYLE: dict[str, Any] = {
    "font.size": 11,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 11,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "figure.titlesize": 14,
    "figure.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "0.8",
    "lines.linewidth": 1.8,
    "hatch.linewidth": 0.8,
    "svg.hashsalt": "neuron485",
    "svg.fonttype": "path",
    "savefig.dpi": DPI,
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": True,
}
# --------------------------------------------------------------------------------------------------- the figure


Panel = tuple[Callable[[Any, Any], None], str | None]
"""What draws it, and what axes it needs: None as usual, "3d", or a "pair" with one x axis."""


def compose(figure: Figure, subject: Descent) -> None:
    """Put the panels that fit the training on an empty figure, two beside each other, a caption below."""
    drawn: list[Panel] = [(panels.loss, None)]
    if len(subject.parameters) == 1:
        drawn.append((panels.over_w, None))
    if isinstance(subject, Subject):
        drawn += _of_model(subject)
    if len(subject.parameters) == 2:
        drawn += [(panels.surface, "3d"), (panels.contour, None)]
    rows = (len(drawn) + 1) // 2
    height = {1: 5.0, 2: 8.6}.get(rows, 4.1 * rows)
    recorded = subject.signal if isinstance(subject, Subject) else None
    below = [sum(signal.rows_of(recorded))] if recorded else []
    figure.set_size_inches(WIDTH, height + sum(below))
    places = figure.add_gridspec(1 + len(below), 1, height_ratios=[height, *below])
    grid = places[0].subgridspec(rows, 2)
    if recorded:
        signal.panels(figure, places[1], recorded)
    for index, (panel, kind) in enumerate(drawn):
        last = index == len(drawn) - 1 and index % 2 == 0
        place = grid[index // 2, :] if last else grid[index // 2, index % 2]
        if kind == "pair":
            axes: Any = place.subgridspec(2, 1, height_ratios=(2.5, 1.2), hspace=0.02).subplots(sharex=True)
            panel((axes[0], axes[1]), subject)
        else:
            panel(figure.add_subplot(place, projection=kind), subject)
    figure.suptitle(panels.text(subject.title, 90), x=0.01, ha="left")
    if isinstance(subject, Subject):
        lines = textwrap.wrap(caption(subject), CAPTION_COLUMNS, break_on_hyphens=False)
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", size=10)


def _of_model(subject: Subject) -> list[Panel]:
    """The panels of what came of the training."""
    on_plane, sorts = len(subject.inputs) == 2, len(subject.classes) > 1
    drawn: list[Panel] = []
    if on_plane and subject.decides:
        drawn += [(boundary.boundary, None), (boundary.magnified, None), (boundary.error_map, None)]
    elif on_plane and sorts:
        drawn.append((classes.regions, None))
    if sorts:
        drawn += [(classes.confusion, None), (classes.apart if subject.decides else classes.found, None)]
    if len(subject.inputs) == 1 and subject.outputs == 1:
        drawn.append((panels.curve, "pair"))
    elif sorts and not (on_plane and subject.decides):
        drawn.append((panels.cost, None))
    elif not (on_plane and subject.decides):
        drawn.append((panels.prediction, "pair"))
    return drawn


def caption(subject: Subject) -> str:
    """What fixed point costs, in figures."""
    x, errors = subject.errors
    real = subject.real(x)
    ranges = ", ".join(
        f"{panels.text(name)}\u00a0{panels.number(low, 4)}..{panels.number(high, 4)}"
        for name, (low, high) in list(zip(subject.inputs, subject.ranges, strict=True))[:3]
    )
    more = ", ..." if len(subject.inputs) > 3 else ""
    text = f"In 16-bit fixed point the error of the {subject.value_name} "
    if subject.bound is None:
        worst = f"{np.abs(errors).max():.2g}"
        text += f"at {len(x)} points all over {ranges}{more} was {worst} at most, without a useful bound."
    else:
        text += (
            f"is at most {subject.bound:.2g} (proven) for {ranges}{more}; "
            f"the largest at {len(x)} points all over them was {np.abs(errors).max():.2g}."
        )
    if subject.decides or subject.classes:
        decide = subject.lamp.classes if subject.classes else subject.lamp.lit
        changed = int((decide(real) != decide(real + errors)).sum())
        text += f" Float and fixed point decide differently at {changed or 'none'} of these points."
    return f"Training ended early: {panels.text(subject.stopped, 90)}. {text}" if subject.stopped else text


def draw(path: str | None, subject: Descent, *, show: bool = False) -> list[str]:
    """Write the picture to a .png or .svg file, whole or not at all; or show it in a window; or both. What people
    should know of it: names that could not be written, and what stands in their places."""
    check(path, show=show)
    with _style():
        subject, notes = names.writable(subject)
        if path is not None:
            replace_file(path, _render(subject, Path(path).suffix.lower()))
        if show:
            _show(subject)
    return notes


def check(path: str | None, *, show: bool = False, beside: Mapping[str, str | None] | None = None) -> None:
    """Whether `draw` can: for before a long training. What is wrong is one line. beside: files that are not to be
    replaced, by the options that name them."""
    if path is not None:
        if Path(path).suffix.lower() not in ENDINGS:
            raise NeuronError(f"cannot write {path}: a picture's name must end in {' or '.join(ENDINGS)}")
        require_writable(path, beside)
    if path is not None or show:
        _require_matplotlib()
    if show:
        _require_display()


def _require_matplotlib() -> None:
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise NeuronError("pictures need matplotlib: python -m pip install matplotlib") from None
    except ValueError as error:  # a MPLBACKEND that it does not know
        raise NeuronError(f"matplotlib does not start: {' '.join(str(error).split())[:100]}") from None


def _require_display() -> None:
    import matplotlib.pyplot as plt
    from matplotlib.backends.registry import BackendFilter, backend_registry

    registry: Any = backend_registry
    try:
        plt.switch_backend(plt.get_backend())
        windows = [name.lower() for name in registry.list_builtin(BackendFilter.INTERACTIVE)]
        usable = plt.get_backend().lower() in windows
    except (ImportError, RuntimeError):
        usable = False
    if not usable:
        raise NeuronError(
            "--show can open no window (no display, or Python without tkinter): use --plot FILE.png"
        )


@contextmanager
def _style() -> Iterator[None]:
    """Our style, whatever a matplotlibrc of the user's says."""
    import matplotlib

    settings: Any = matplotlib.rcParams
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        settings.update(STYLE)
        settings["font.family"] = names.families()
        yield


def _render(subject: Descent, ending: str) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    compose(figure, subject)
    _settle(figure)
    file = BytesIO()
    no_trace: dict[str, Any] = {"Date": None, "Creator": None} if ending == ".svg" else {"Software": None}
    figure.savefig(file, format=ending[1:], metadata=no_trace)
    return file.getvalue()


def _settle(figure: Figure) -> None:
    """Lay it out, to a millionth of its size: the solver's last bits hang on where objects lie in memory, and an SVG
    names what it clips by them, so that one picture would not always be the same bytes."""
    engine: Any = figure.get_layout_engine()
    engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        x, y, width, height = (round(end, 6) for end in axes.get_position(original=True).bounds)
        axes.set_position((x, y, width, height), which="original")


def _show(subject: Descent) -> None:
    import matplotlib.pyplot as plt

    figure = plt.figure(layout="constrained")
    compose(figure, subject)
    plt.show()
    plt.close(figure)
