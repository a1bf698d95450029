"""host/show/picture.py and its panels: what a picture shows, that it is true, that files are whole or absent."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.text import Text

from host import train
from host.core.learn import Config
from host.core.wire import Activation
from host.data.dataset import BUILT_IN
from host.errors import NeuronError
from host.models.dense import Dense, dense_layers
from host.models.lamp import Lamp
from host.models.quantise import quantise
from host.show import boundary, names, panels, picture
from host.show.subject import Subject, subject_of
from host.training.fit import fit
from host.training.stability import mean_loss

ROOT = Path(__file__).resolve().parents[1]
PNG = b"\x89PNG\r\n\x1a\n"


def neuron(
    x: Any, y: Any, start: list[float], *, bias: bool, epochs: int, activation: Activation, **options: Any
) -> Subject:
    """A neuron that has been trained in earnest."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    inputs = x.shape[1]
    config = Config((inputs, 1), (activation,), bias=bias, epochs=epochs, rate=0.02)
    history = fit(config, x, y, start).history
    path = [start, *[epoch.parameters for epoch in history]]
    layers = dense_layers(config, history[-1].parameters)
    threshold = 0.0 if activation is Activation.STEP else float(y.mean())
    model, report = quantise("test", layers, x, led_threshold=threshold)
    known: dict[tuple[float, ...], float] = {}

    def loss(p: list[float]) -> float:
        """Of one subject many pictures are drawn."""
        key = tuple(p)
        if key not in known:
            known[key] = mean_loss(config, p, x, y)
        return known[key]

    fields: dict[str, Any] = {
        "title": "a neuron",
        "inputs": ["x1", "x2", "x3"][:inputs],
        "target": "y",
        "losses": {"training": loss},
        **options,
    }
    return subject_of(layers, model, report, x=x, y=y, path=path, **fields)


@functools.cache
def wx() -> Subject:
    data = BUILT_IN["wx"]
    return neuron(data.x, data.y, [1.0], bias=False, epochs=30, activation=Activation.IDENTITY)


@functools.cache
def wxb() -> Subject:
    x = np.arange(1.0, 6)[:, np.newaxis]
    return neuron(x, 2 * x[:, 0], [0.0, 0.0], bias=True, epochs=200, activation=Activation.IDENTITY)


@functools.cache
def decider() -> Subject:
    data = BUILT_IN["and"]
    return neuron(data.x, data.y, [0.6, 0.3, 0.2], bias=True, epochs=200, activation=Activation.STEP)


@functools.cache
def three_inputs() -> Subject:
    x = np.random.default_rng(1).uniform(-1, 1, (40, 3))
    return neuron(x, x @ [1.0, -2.0, 0.5], [0.0] * 4, bias=True, epochs=50, activation=Activation.IDENTITY)


FALLING = {"training": lambda p: float(np.exp(p[0])), "validation": lambda p: float(np.exp(p[1]))}


@functools.cache
def network() -> Subject:
    """Two layers and two outputs, as another training than ours may leave them."""
    random = np.random.default_rng(2)
    x = random.uniform(-1, 1, (30, 2))
    layers = [
        Dense(random.uniform(-1, 1, (4, 2)), np.zeros(4), Activation.RELU),
        Dense(random.uniform(-1, 1, (2, 4)), np.zeros(2), Activation.IDENTITY),
    ]
    model, report = quantise("test", layers, x)
    path = random.uniform(-1, 1, (20, 22))
    return subject_of(
        layers,
        model,
        report,
        title="t",
        inputs=["a", "b"],
        target="c",
        x=x,
        y=x[:, ::-1],
        path=path,
        losses=FALLING,
    )


@functools.cache
def deep() -> Subject:
    """Eight layers of tanh: of its error no bound says anything."""
    random = np.random.default_rng(1)
    x = random.uniform(-1, 1, (60, 16))
    layers = [Dense(random.normal(size=(16, 16)) / 4, np.zeros(16), Activation.TANH) for _ in range(7)]
    layers.append(Dense(random.normal(size=(1, 16)) / 4, np.zeros(1), Activation.IDENTITY))
    model, report = quantise("deep", layers, x)
    assert report.error_bound is None
    names = [f"x{number}" for number in range(16)]
    return subject_of(
        layers,
        model,
        report,
        title="t",
        inputs=names,
        target="y",
        x=x,
        y=x[:, 0],
        path=x[:, :3],
        losses=FALLING,
    )


@functools.cache
def far_decider() -> Subject:
    """The AND neuron on inputs that lie far from 0."""
    data = BUILT_IN["and"]
    layers = [Dense(np.array([[0.5, 0.25]]), np.array([-0.6 - 0.5 * 300 - 0.25 * 1000]), Activation.STEP)]
    x = data.x + np.array([300.0, 1000.0])
    model, report = quantise("far", layers, x, ranges=[(299.0, 302.0), (999.0, 1002.0)])
    assert all(model.input_offset)
    path = np.zeros((3, 3))
    return subject_of(
        layers,
        model,
        report,
        title="t",
        inputs=["a", "b"],
        target="c",
        x=x,
        y=data.y,
        path=path,
        losses=FALLING,
    )


def figure_of(subject: Subject) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    with picture._style():
        picture.compose(figure, subject)
    return figure


def panel(figure: Any, title: str) -> Any:
    (found,) = [axes for axes in figure.axes if axes.get_title(loc="left").startswith(title)]
    return found


def line(axes: Any, label: str) -> Any:
    (found,) = [line for line in axes.lines if line.get_label().startswith(label)]
    return found


def titles(figure: Any) -> list[str]:
    every = [axes.get_title(loc="left") for axes in figure.axes]
    return [title.split(",")[0].split(":")[0] for title in every if title]


@functools.cache
def sorter(inputs: int, classes: tuple[str, ...]) -> Subject:
    """Classes around their centres, told apart by a layer that knows these: two by one output, more by the largest."""
    random = np.random.default_rng(len(classes))
    centres = 2 * random.normal(size=(len(classes), inputs))
    labels = random.integers(0, len(classes), 150)
    x = centres[labels] + random.normal(size=(150, inputs))
    biases = -(centres**2).sum(axis=1) / 2
    if len(classes) == 2:
        layer = Dense(np.diff(centres, axis=0), np.diff(biases), Activation.SIGMOID)
    else:
        layer = Dense(centres, biases, Activation.IDENTITY)
    model, report = quantise("test", [layer], x, led_threshold=0.5)
    two = len(classes) == 2
    return subject_of(
        [layer],
        model,
        report,
        title="classes",
        inputs=[f"x{number}" for number in range(1, inputs + 1)],
        target="kind",
        x=x,
        y=labels.astype(float) if two else np.eye(len(classes))[labels],
        path=random.normal(size=(20, inputs * len(classes) + 3)),
        losses={"training": lambda p: float(np.exp(p[0])), "validation": lambda p: float(np.exp(p[1]))},
        classes=classes,
        labels=labels,
        judged=(np.arange(0, 150, 4), "held-out rows"),
    )


# ------------------------------------------------------------------------------------------------- the choice


def test_one_parameter_is_drawn_with_its_descent() -> None:
    subject = wx()
    figure = figure_of(subject)
    assert titles(figure) == ["Loss", "Loss over w", "The model"]
    path = line(panel(figure, "Loss over w"), "path")
    measure = subject.losses["training"]
    assert path.get_xdata().tolist() == subject.path[:, 0].tolist()
    assert path.get_ydata().tolist() == [measure(p.tolist()) for p in subject.path]
    low, high = line(panel(figure, "Loss over w"), "loss").get_xdata()[[0, -1]]
    assert low < 1 < 2 < 2.9 < high  # both sides of the valley


def test_two_parameters_are_drawn_with_their_surface() -> None:
    subject = wxb()
    figure = figure_of(subject)
    assert titles(figure) == ["Loss", "The model", "Loss surface over w and b", "From above"]
    above = panel(figure, "From above")
    assert (above.get_xlabel(), above.get_ylabel()) == ("w", "b")
    assert np.array_equal(line(above, "path").get_xydata(), subject.path)
    solid = panel(figure, "Loss surface")
    assert np.array_equal(np.array(line(solid, "path").get_data_3d())[:2].T, subject.path)
    (start,), (end,) = line(above, "start").get_xydata(), line(above, "model").get_xydata()
    assert start.tolist() == [0.0, 0.0]
    assert end.tolist() == subject.path[-1].tolist()
    above = panel(figure_of(replace(subject, kept=3)), "From above")
    assert line(above, "model").get_xydata().tolist() == [subject.path[3].tolist()]


def test_two_inputs_and_a_decision_are_drawn_with_their_boundary() -> None:
    figure = figure_of(decider())
    assert titles(figure) == ["Loss", "Decision boundary and samples", "Magnified", "Error of the sum"]
    plane = panel(figure, "Decision")
    assert (plane.get_xlabel(), plane.get_ylabel()) == ("x1", "x2")
    assert line(plane, "y = −1").get_xydata().tolist() == [[1, 0], [0, 1], [0, 0]]
    assert line(plane, "y = 1").get_xydata().tolist() == [[1, 1]]
    assert {h.get_text() for h in plane.get_legend().get_texts()} == {
        "boundary, float",
        "boundary, fixed point",
        "y = −1",
        "y = 1",
        "magnified",
        "LED lit",
    }


def test_samples_that_are_decided_wrongly_are_ringed() -> None:
    subject = decider()
    figure = figure_of(replace(subject, y=-subject.y))
    assert len(line(panel(figure, "Decision"), "wrong (4)").get_xdata()) == 4


@pytest.mark.parametrize("subject", [three_inputs(), network()], ids=["w·x + b", "network"])
def test_anything_else_is_drawn_against_its_target(subject: Subject) -> None:
    figure = figure_of(subject)
    assert titles(figure) == ["Loss", "Prediction and target"]
    drawn = line(panel(figure, "Prediction"), "float").get_xydata()
    assert drawn[:, 0].tolist() == subject.y.ravel().tolist()
    assert drawn[:, 1].tolist() == subject.real(subject.x).ravel().tolist()
    below = figure.axes[2]
    errors = line(below, "fixed − float on the data").get_ydata()
    assert np.abs(errors).max() <= subject.bound
    assert {float(edge.get_ydata()[0]) for edge in below.lines if edge.get_linestyle() == "--"} == {
        subject.bound,
        -subject.bound,
    }


CLASSES = ("setosa", "versicolor", "virginica")
TEN = tuple("0123456789")


@pytest.mark.parametrize(
    ("inputs", "classes", "shown"),
    [
        (2, CLASSES, ["Loss", "Classes and samples", "Confusion", "Scores of each class (held-out rows)"]),
        (4, CLASSES, ["Loss", "Confusion", "Scores of each class (held-out rows)", "Error of fixed point"]),
        (6, TEN, ["Loss", "Confusion", "Scores of each class (held-out rows)", "Error of fixed point"]),
        (4, ("no", "yes"), ["Loss", "Confusion", "Output by class", "Error of fixed point"]),
        (2, ("no", "yes"), ["Loss", "Decision boundary and samples", "Magnified", "Error of the output"]),
    ],
)
def test_classes_are_drawn_by_what_they_are_taken_for(
    inputs: int, classes: tuple[str, ...], shown: list[str]
) -> None:
    subject = sorter(inputs, classes)
    figure = figure_of(subject)
    assert titles(figure)[:4] == shown
    rows = subject.judged[0]
    said = subject.lamp.classes(subject.fixed(subject.x[rows]))
    true = subject.labels[rows]
    axes = panel(figure, f"Confusion: {(said == true).sum()} of {len(rows)} right")
    numbers = {tuple(map(round, text.get_position()))[::-1]: int(text.get_text()) for text in axes.texts}
    pairs = list(zip(true.tolist(), said.tolist(), strict=True))
    assert numbers == {pair: pairs.count(pair) for pair in pairs}
    assert [label.get_text() for label in axes.get_yticklabels()] == list(classes)
    if len(classes) > 2:
        scores = panel(figure, "Scores of each class")
        recall = line(scores, "recall").get_xydata()
        for share, index in recall.tolist():
            assert share == pytest.approx((said[true == index] == index).mean())


@pytest.mark.parametrize("of_class", [False, True])
def test_the_side_is_tinted_on_which_the_led_is_lit(of_class: bool) -> None:
    """Of two classes the first may light it: where the one output is not above its threshold."""
    subject = sorter(2, ("no", "yes"))
    subject = replace(subject, lamp=replace(subject.lamp, of_class=of_class))
    plane = panel(figure_of(subject), "Decision")
    (tint,) = [each for each in plane.collections if each.get_zorder() == 0]
    (shape,) = tint.get_paths()
    inside = shape.contains_points(subject.x)
    assert 0 < inside.sum() < len(inside)
    assert inside.tolist() == subject.lamp.lit(subject.real(subject.x)).tolist()
    (wrong,) = [each.get_label() for each in plane.lines if each.get_label().startswith("wrong")]
    said = subject.lamp.classes(subject.fixed(subject.x))
    assert wrong == f"wrong ({(said != subject.labels).sum()})"  # whatever lights the LED
    assert len(line(plane, "kind = no").get_xdata()) == (subject.labels == 0).sum()
    curve = panel(figure_of(replace(wxb(), lamp=Lamp(0, 1.5, of_class))), "The model")
    assert line(curve, "LED lit").get_label() == f"LED lit {'up to' if of_class else 'above'} 1.5"


def test_numbers_show_the_rows_that_were_held_out() -> None:
    subject = replace(three_inputs(), judged=(np.array([3, 5, 8]), "held-out rows"))
    axes = panel(figure_of(subject), "Prediction and target")
    assert line(axes, "held-out rows").get_xdata().tolist() == subject.y[[3, 5, 8]].tolist()


def test_without_a_useful_bound_the_largest_error_seen_is_shown() -> None:
    for subject in (three_inputs(), decider(), sorter(4, CLASSES)):
        unproven = replace(subject, bound=None)
        assert unproven.reach == np.abs(subject.errors[1]).max()
        caption = picture.caption(unproven)
        assert "without a useful bound" in caption
        assert "(proven)" not in caption
        words = [
            text.get_text()
            for axes in figure_of(unproven).axes
            for text in (axes.get_legend() or axes).findobj(Text)
        ]
        assert not any("proven" in word for word in words)


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_data_of_one_class_can_be_drawn(value: float) -> None:
    data = BUILT_IN["and"]
    only = neuron(
        data.x, np.full(4, value), [0.0, 0.0, value], bias=True, epochs=2, activation=Activation.STEP
    )
    axes = panel(figure_of(only), "Decision boundary")
    (samples,) = [one for one in axes.lines if one.get_label() == f"y = {panels.number(value)}"]
    assert len(samples.get_xdata()) == 4


def test_a_legend_has_only_what_is_there() -> None:
    figure = figure_of(decider())
    for axes in figure.axes:
        for handle, words in zip(*axes.get_legend_handles_labels(), strict=True):
            if hasattr(handle, "get_xdata") and words not in ("boundary, float", "boundary, fixed point"):
                assert len(handle.get_xdata()) > 0, words
    always = replace(decider(), real=lambda x: np.ones((len(x), 1)), fixed=lambda x: np.ones((len(x), 1)))
    words = [
        text.get_text() for text in panel(figure_of(always), "Decision boundary").get_legend().get_texts()
    ]
    assert not [word for word in words if word.startswith("boundary")]
    never = replace(decider(), real=lambda x: -np.ones((len(x), 1)), fixed=lambda x: -np.ones((len(x), 1)))
    words = [
        text.get_text() for text in panel(figure_of(never), "Decision boundary").get_legend().get_texts()
    ]
    assert "LED lit" not in words


@pytest.mark.parametrize("subject", [wx(), wxb(), decider(), three_inputs()])
def test_axes_are_labelled_and_letters_are_large_enough(subject: Subject) -> None:
    from matplotlib.text import Text

    figure = figure_of(subject)
    for axes in figure.axes:
        assert axes.get_ylabel(), axes
        above_another = not any(label.get_visible() for label in axes.get_xticklabels())
        assert axes.get_xlabel() or axes.get_label() == "<colorbar>" or above_another, axes
    assert all(t.get_fontsize() >= 9 for t in figure.findobj(Text) if t.get_text())
    assert figure.get_suptitle() == "a neuron"


# -------------------------------------------------------------------------------------------------- the figures


@pytest.mark.parametrize("subject", [wx(), wxb(), decider(), three_inputs(), network()])
def test_the_bound_holds_everywhere_it_is_drawn(subject: Subject) -> None:
    points, errors = subject.errors
    low, high = np.array(subject.ranges).T
    assert ((points >= low) & (points <= high)).all()
    assert 0 < np.abs(errors).max() <= subject.bound
    assert f"at most {subject.bound:.2g} (proven)" in picture.caption(subject)


def test_without_a_useful_bound_the_picture_speaks_of_what_was_seen() -> None:
    subject = deep()
    assert subject.bound is None
    assert "without a useful bound" in picture.caption(subject)
    assert "proven" not in picture.caption(subject)
    axes = panel(figure_of(subject), "Prediction and target")
    assert "fixed point ± largest seen" in [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize("make", [decider, far_decider])
def test_magnified_shows_decisions_that_differ_and_none_beyond_the_bound(make: Any) -> None:
    subject = make()
    figure = figure_of(subject)
    axes = panel(figure, "Magnified")
    (image,) = axes.images
    kinds = np.asarray(image.get_array())
    assert (kinds >= 2).any()
    assert (kinds == 0).any()
    assert (kinds == 1).any()
    centre = boundary.crossing(subject)
    assert centre is not None
    assert abs(float(subject.real(centre[np.newaxis])[0, 0])) < 1e-12
    step, offset = np.array(subject.steps), np.array(subject.offsets)
    low, high, _, _ = image.get_extent()
    side = (np.arange(480) + 0.5) / 480 * (high - low) + low
    u, v = np.meshgrid(side, side)
    middle = offset + np.floor((centre - offset) / step + 0.5) * step
    points = middle + np.column_stack([u.ravel(), v.ravel()]) * step
    float_lit, fixed_lit = subject.real(points)[:, 0] > 0, subject.fixed(points)[:, 0] > 0
    assert (kinds.ravel() == fixed_lit + 2.0 * (fixed_lit != float_lit)).mean() > 0.999
    distance = np.abs(subject.real(points)[:, 0])
    assert (distance[kinds.ravel() >= 2] <= subject.bound).all()


def test_a_model_that_always_decides_alike_has_no_boundary() -> None:
    subject = decider()
    figure = figure_of(replace(subject, lamp=Lamp(0, -100.0)))
    (note,) = panel(figure, "Boundary, magnified").texts
    assert note.get_text() == "no boundary near the data"


def test_every_part_has_its_loss_and_the_kept_weights_are_marked() -> None:
    subject = network()
    figure = figure_of(replace(subject, kept=7, stopped="no lower validation loss for 12 epochs"))
    axes = panel(figure, "Loss")
    assert [curve.get_label() for curve in axes.lines] == [
        "training",
        "validation",
        "weights kept: 7 epochs done",
    ]
    assert len({curve.get_linestyle() for curve in axes.lines[:2]}) == 2
    assert axes.lines[2].get_xdata() == [7, 7]
    assert axes.lines[1].get_ydata().tolist() == np.exp(subject.path[:, 1]).tolist()
    assert "ended early" in axes.get_title(loc="left")
    assert "no lower validation loss for 12 epochs" in figure.get_supxlabel()


def test_the_loss_is_logarithmic_only_where_that_helps() -> None:
    assert panel(figure_of(wxb()), "Loss,").get_yscale() == "log"
    assert panel(figure_of(decider()), "Loss").get_yscale() == "linear"
    reaching_zero = replace(wx(), losses={"training": lambda p: max(0.0, 1.9 - p[0])})
    assert panel(figure_of(reaching_zero), "Loss,").get_yscale() == "log"


@pytest.mark.parametrize("constant", [0.0, 1.0])
@pytest.mark.parametrize("make", [wx, wxb])
def test_a_loss_that_never_changes_can_be_drawn(make: Any, constant: float, tmp_path: Path) -> None:
    picture.draw(str(tmp_path / "flat.png"), replace(make(), losses={"training": lambda p: constant}))


@pytest.mark.parametrize("make", [wx, wxb])
def test_a_path_of_one_step_that_stays_can_be_drawn(make: Any, tmp_path: Path) -> None:
    subject = make()
    still = np.repeat(subject.path[-1:], 2, axis=0)
    picture.draw(str(tmp_path / "still.png"), replace(subject, path=still))


def test_large_data_are_thinned() -> None:
    calls = 0

    def slow(parameters: Any) -> float:
        nonlocal calls
        calls += 1
        return float(parameters[0])

    subject = wxb()
    rows = 1_000_000
    large = replace(
        subject,
        x=np.resize(subject.x, (rows, 1)),
        y=np.resize(subject.y, rows),
        path=np.cumsum(np.ones((5000, 2)), axis=0),
        losses={"training": slow},
    )
    figure = figure_of(large)
    assert calls < 2000
    assert len(line(panel(figure, "The model"), "samples").get_xdata()) < 1100


def test_names_from_the_data_are_drawn_as_they_are() -> None:
    assert panels.text("price $ and $ more") == r"price \$ and \$ more"
    assert panels.text("two\nlines") == "two lines"
    assert len(panels.text("x" * 100)) == 24
    subject = replace(decider(), inputs=["$a_$", "^{$"], target=r"\frac$", title="$$")
    picture._render(subject, ".png")


# ---------------------------------------------------------------------------------------------------- the file


@pytest.mark.parametrize(("ending", "make"), [(".png", wx), (".SVG", wxb)])
def test_files_are_whole_and_the_same_every_time(tmp_path: Path, ending: str, make: Any) -> None:
    """An SVG names what a PNG does not, and of a surface most."""
    first, second = tmp_path / f"first{ending}", tmp_path / f"second{ending}"
    picture.draw(str(first), make())
    picture.draw(str(second), make())
    content = first.read_bytes()
    assert content == second.read_bytes()
    assert sorted(os.listdir(tmp_path)) == [first.name, second.name]
    if ending == ".png":
        assert content.startswith(PNG)
        assert content.endswith(b"IEND\xaeB`\x82")
        assert b"matplotlib" not in content
    else:
        assert ElementTree.fromstring(content).tag.endswith("svg")
        assert b"date" not in content


def test_what_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d.png").mkdir()
    for name, why in (
        ("picture.jpg", "must end in .png or .svg"),
        ("picture", "must end in .png or .svg"),
        (str(tmp_path / "none" / "p.png"), "there is no folder"),
        (str(tmp_path / "d.png"), "it is a folder"),
    ):
        assert train.main(["--model", "wx", "--plot", name]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"error: cannot write {name}: ")
        assert why in err
        assert err.count("\n") == 1


def test_a_failure_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "old.png"
    target.write_bytes(b"old")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NeuronError, match="No space left"):
        picture.draw(str(target), wx())
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["old.png"]


# ------------------------------------------------------------------------------------------------- the command


def test_train_draws_the_last_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "and.png"
    assert train.main(["--plot", str(target)]) == 0
    assert f"Drawn to {target}" in capsys.readouterr().out
    assert target.read_bytes().startswith(PNG)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**clean, **environment}, capture_output=True, text=True
    )


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
@pytest.mark.parametrize("backend", [{}, {"MPLBACKEND": "tkagg"}, {"MPLBACKEND": "nonsense"}])
def test_no_display_is_one_line(backend: dict[str, str]) -> None:
    result = run("-m", "host.train", "--show", **backend)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")


def test_a_window_gets_the_same_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.pyplot as plt

    shown: list[Any] = []
    monkeypatch.setattr(picture, "_require_display", lambda: None)
    monkeypatch.setattr(plt, "show", lambda: shown.append(titles(plt.gcf())))
    picture.draw(None, wx(), show=True)
    assert shown == [["Loss", "Loss over w", "The model"]]
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["--model", "wx", "--lr", "0.3"], ["Loss", "Loss over w"]),
        (
            ["--model", "wxb", "--loss", "mse", "--lr", "0.1"],
            ["Loss", "Loss surface over w and b", "From above"],
        ),
        (["--model", "mlp", "--layers", "2-4-1", "--algorithm", "batch", "--lr", "1e9"], ["Loss"]),
    ],
)
def test_a_training_that_diverges_is_drawn_and_still_an_error(
    argv: list[str],
    shown: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    compose = picture.compose
    monkeypatch.setattr(
        picture, "compose", lambda figure, subject: (compose(figure, subject), seen.append(figure))
    )
    file = tmp_path / "away.png"
    assert train.main([*argv, "--plot", str(file)]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("error: training diverges")
    assert err.count("\n") == 1
    assert "how it diverges" in out
    assert file.read_bytes().startswith(PNG)
    assert titles(seen[0]) == shown
    losses = seen[0].axes[0].lines[0].get_ydata()
    assert losses[-1] > losses[0]


def test_names_that_no_font_writes_are_named_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(names, "CJK_FONTS", ())
    subject = replace(
        sorter(4, CLASSES),
        loss_name="cross-entropy of 种类",
        inputs=["温度", "p", "湿度", "w"],
        target="种类",
        classes=("好", "b", "c"),
        title="设备: t",
    )
    (note,) = picture.draw(str(tmp_path / "one.svg"), subject)
    assert note.endswith("target is 种类, class 1 is 好, input 1 is 温度, input 3 is 湿度")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a glyph that is missing
        assert picture.draw(str(tmp_path / "two.png"), subject) == [note]
    assert picture.draw(str(tmp_path / "three.png"), three_inputs()) == []


def test_training_without_a_picture_needs_no_matplotlib() -> None:
    code = (
        "import sys; from host import train; assert train.main(['--json']) == 0; "
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert run("-c", code).returncode == 0
