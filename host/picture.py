"""Pictures of a training, for print and for screens: `draw` picks the panels that fit it.

    one parameter                   loss, loss over w with the path of descent
    two parameters                  loss, the loss surface with the path, the same from above
    one input                       the model over its input, the error of fixed point below
    two inputs and a decision       the boundary, float and fixed-point; magnified; the error of fixed point
    anything else                   prediction against target, the error of fixed point below

matplotlib is imported only where a picture is asked for. The same training gives the same bytes.
"""

from __future__ import annotations

import argparse
import os
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.errors import NeuronError
from host.image import Model, save_image
from host.infer import dequantise_outputs, infer, quantise_inputs
from host.interval import Dense, Float, reference
from host.quantise import Report, fixed_sums
from host.wire import Activation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Values = Callable[[Float], Float]
"""(samples, inputs) in their own units -> (samples, outputs)."""
Loss = Callable[[Sequence[float]], float]
"""A loss from all parameters."""

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
CJK_FONTS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "SimHei",
)
"""For names of columns that the usual font cannot write; the first that is installed."""

POINTS_DRAWN = 1000
"""Epochs, samples or steps of a path that a panel shows, about."""
MARKED = 40
"""Points of a line that have markers, from its first on."""
LOSS_ROWS = 50_000_000
"""Samples that a panel may evaluate in all: on large data it shows fewer epochs and a coarser surface."""
SAMPLES = 16
"""Points looked at in each cell of a map of errors."""


@dataclass(frozen=True)
class Subject:
    """What a picture is of, as arrays and functions. None of it is changed or kept.

    title:      what was trained and how, a line.
    inputs, target: names, with units where they have some.
    x, y:       the training data, (samples, inputs) and (samples,) or (samples, outputs).
    path:       (steps, parameters): where descent stood, the start first.
    counts:     how many epochs were done at each of them; None: 0, 1, 2...
    counted:    what is counted there.
    parameters: the name of each parameter; shown where there are one or two.
    losses:     by part ("training", "validation", "test"): its loss from the parameters. The first is that
                which descent makes small.
    loss_name:  what the loss is, for the axis.
    kept:       the step of `path` whose parameters are the model; None: the last.
    stopped:    why training ended early, or "".
    real, fixed: the model as trained and as the node computes it: the sum where a step follows, else the
                output; `value_name` says which.
    threshold:  the model decides 1, or lights the LED, where output number `led_output` is above.
    decides:    whether that is what the model is for.
    bound:      proven: |fixed - real| is never larger inside `ranges`, (low, high) of each input.
    steps:      the distance of two neighbouring numbers of each input in the node.
    """

    title: str
    inputs: Sequence[str]
    target: str
    x: Float
    y: Float
    path: Float
    parameters: Sequence[str]
    losses: Mapping[str, Loss]
    real: Values
    fixed: Values
    threshold: float
    decides: bool
    bound: float
    ranges: Sequence[tuple[float, float]]
    steps: Sequence[float]
    value_name: str = "output"
    led_output: int = 0
    loss_name: str = "loss"
    counts: Sequence[int] | None = None
    counted: str = "epochs done"
    kept: int | None = None
    stopped: str = ""

    @property
    def last(self) -> int:
        """The step of the path whose parameters are the model."""
        return len(self.path) - 1 if self.kept is None else self.kept

    @property
    def outputs(self) -> int:
        return 1 if self.y.ndim == 1 else int(self.y.shape[1])

    @cached_property
    def errors(self) -> tuple[Float, Float]:
        """Points all over the ranges, and fixed minus real there, for every output."""
        x = spread(self.ranges, 40_000)
        return x, self.fixed(x) - self.real(x)

    @cached_property
    def landscape(self) -> tuple[Float, Float, Float, Float]:
        """The path, and the first loss around it: first parameters, second parameters, losses on their grid."""
        measure = next(iter(self.losses.values()))
        path = self.path[thin(len(self.path), POINTS_DRAWN)]
        side = int(np.clip(np.sqrt(LOSS_ROWS / len(self.x)), 15, 101))
        first, second = (np.linspace(*padded(c.min(), c.max(), 0.25), side) for c in path.T)
        losses = np.array([[measure([float(u), float(v)]) for u in first] for v in second])
        return path, first, second, losses

    def lit(self, values: Float) -> NDArray[np.bool_]:
        """The decision on each row of values."""
        return np.asarray(values[:, self.led_output] > self.threshold)


def subject_of(
    layers: Sequence[Dense], model: Model, report: Report, *, y: Float, path: ArrayLike, **others: Any
) -> Subject:
    """The subject of float layers and the model quantised from them; `others` are fields of Subject.

    path: as Subject's; (steps,) will do for one parameter.
    """
    last = layers[-1].activation
    on_sums = last is Activation.STEP
    inputs, outputs = layers[0].weights.shape[1], layers[-1].weights.shape[0]
    path = np.asarray(path, dtype=np.float64).reshape(len(np.asarray(path)), -1)
    one = ["w"] if inputs == 1 else [f"w{number}" for number in range(1, inputs + 1)]
    names = [*one, "b"][: path.shape[1]] if len(layers) == 1 and outputs == 1 else list("?" * path.shape[1])
    two_classes = last in (Activation.STEP, Activation.SIGMOID) or len(np.unique(y)) == 2

    def real(x: Float) -> Float:
        sums, outputs = reference(layers, x)
        return sums if on_sums else outputs

    def fixed(x: Float) -> Float:
        q = quantise_inputs(model, x)
        return (
            fixed_sums(model, q) if on_sums else dequantise_outputs(model, infer(model, q)).astype(np.float64)
        )

    fields: dict[str, Any] = {
        "parameters": names,
        "threshold": 0.0 if on_sums else report.led_threshold,
        "decides": outputs == 1 and two_classes,
        "bound": report.error_bound,
        "ranges": report.ranges,
        "steps": [2.0**-fraction for fraction in report.input_fraction],
        "value_name": report.error_of,
        "led_output": report.led_output,
    }
    return Subject(y=y, path=path, real=real, fixed=fixed, **{**fields, **others})


def thin(count: int, most: int) -> NDArray[np.intp]:
    """Indices of about so many of them, evenly spread, both ends among them, and all of the first."""
    spread_out = np.linspace(0, count - 1, min(count, most)).round().astype(np.intp)
    return np.union1d(spread_out, np.arange(min(count, MARKED)))


def padded(low: float, high: float, share: float = 0.15) -> tuple[float, float]:
    pad = share * (high - low) or max(abs(high), 1.0) * share
    return low - pad, high + pad


def spread(ranges: Sequence[tuple[float, float]], count: int) -> Float:
    """Points that fill the ranges evenly and hit no grid: an additive recurrence, the corners first."""
    low, high = np.array(ranges, dtype=np.float64).T
    ratio = 2.0
    for _ in range(32):  # the root of ratio ** (inputs + 1) = ratio + 1, the golden ratio's kin
        ratio = (1 + ratio) ** (1 / (len(low) + 1))
    steps = ratio ** -np.arange(1.0, len(low) + 1)
    inside = (0.5 + np.outer(np.arange(count), steps)) % 1.0
    return np.vstack([low, high, low + inside * (high - low)])


# --------------------------------------------------------------------------------------------------- the figure


def compose(figure: Figure, subject: Subject) -> None:
    """Put the panels that fit the training on an empty figure, two beside each other, a caption below."""
    from host import boundary, panels

    drawn: list[tuple[Callable[[Any, Subject], None], str | None]] = [(panels.loss, None)]
    on_plane = len(subject.inputs) == 2 and subject.decides
    fit = panels.curve if len(subject.inputs) == 1 and subject.outputs == 1 else panels.prediction
    surface: list[tuple[Callable[[Any, Subject], None], str | None]] = []
    if len(subject.parameters) == 1:
        drawn.append((panels.over_w, None))
    elif len(subject.parameters) == 2:
        surface = [(panels.surface, "3d"), (panels.contour, None)]
    if on_plane:
        drawn += [(boundary.boundary, None), (boundary.magnified, None), (boundary.error_map, None)]
    else:
        drawn.append((fit, "pair"))
    drawn += surface
    rows = (len(drawn) + 1) // 2
    figure.set_size_inches(WIDTH, {1: 5.0, 2: 8.6}.get(rows, 4.1 * rows))
    grid = figure.add_gridspec(rows, 2)
    for index, (panel, kind) in enumerate(drawn):
        last = index == len(drawn) - 1 and index % 2 == 0
        place = grid[index // 2, :] if last else grid[index // 2, index % 2]
        if kind == "pair":
            axes: Any = place.subgridspec(2, 1, height_ratios=(2.5, 1.2), hspace=0.02).subplots(sharex=True)
            panel((axes[0], axes[1]), subject)
        else:
            panel(figure.add_subplot(place, projection=kind), subject)
    figure.suptitle(panels.text(subject.title, 90), x=0.01, ha="left")
    lines = textwrap.wrap(caption(subject), CAPTION_COLUMNS, break_on_hyphens=False)
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", size=10)


def caption(subject: Subject) -> str:
    """What fixed point costs, in figures."""
    from host import panels

    x, errors = subject.errors
    real = subject.real(x)
    ranges = ", ".join(
        f"{panels.text(name)}\u00a0{panels.number(low, 4)}..{panels.number(high, 4)}"
        for name, (low, high) in list(zip(subject.inputs, subject.ranges, strict=True))[:3]
    )
    more = ", ..." if len(subject.inputs) > 3 else ""
    text = (
        f"In 16-bit fixed point the error of the {subject.value_name} is at most {subject.bound:.2g} (proven) "
        f"for {ranges}{more}; the largest at {len(x)} points was {np.abs(errors).max():.2g}."
    )
    if subject.decides:
        changed = int((subject.lit(real) != subject.lit(real + errors)).sum())
        text += f" Float and fixed point decide differently at {changed or 'none'} of these points."
    return f"Training ended early: {panels.text(subject.stopped, 90)}. {text}" if subject.stopped else text


def draw(path: str | None, subject: Subject, *, show: bool = False) -> None:
    """Write the picture to a .png or .svg file, whole or not at all; or show it in a window; or both."""
    check(path, show=show)
    with _style():
        if path is not None:
            save_image(path, _render(subject, Path(path).suffix.lower()))
        if show:
            _show(subject)


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("pictures")
    group.add_argument(
        "--plot", metavar="FILE", help="draw the training, the model and its error: FILE.png or FILE.svg"
    )
    group.add_argument("--show", action="store_true", help="the same in a window")


def check(path: str | None, *, show: bool = False) -> None:
    """Whether `draw` can: for before a long training. What is wrong is one line."""
    if path is not None:
        target = Path(path)
        if target.suffix.lower() not in ENDINGS:
            raise NeuronError(f"cannot write {path}: a picture's name must end in {' or '.join(ENDINGS)}")
        what = (
            "it is a directory"
            if target.is_dir()
            else f"there is no directory {target.parent}"
            if not target.parent.is_dir()
            else f"{target.parent} may not be written to"
            if not os.access(target.parent, os.W_OK)
            else ""
        )
        if what:
            raise NeuronError(f"cannot write {path}: {what}")
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
    from matplotlib.font_manager import fontManager

    settings: Any = matplotlib.rcParams
    installed = {font.name for font in fontManager.ttflist}
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        settings.update(STYLE)
        settings["font.family"] = ["DejaVu Sans", *[f for f in CJK_FONTS if f in installed][:1]]
        yield


def _render(subject: Subject, ending: str) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    compose(figure, subject)
    file = BytesIO()
    no_trace: dict[str, Any] = {"Date": None, "Creator": None} if ending == ".svg" else {"Software": None}
    figure.savefig(file, format=ending[1:], metadata=no_trace)
    return file.getvalue()


def _show(subject: Subject) -> None:
    import matplotlib.pyplot as plt

    figure = plt.figure(layout="constrained")
    compose(figure, subject)
    plt.show()
    plt.close(figure)
