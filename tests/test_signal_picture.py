"""host/show/stretches.py and signal.py: the recording behind a training, as a picture shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from host.core.decide import Decision
from host.core.infer import class_of, infer
from host.data.recording import read_recording
from host.data.windows import Windowing
from host.models.sensed import integers
from host.show import picture, signal
from host.show.stretches import Signal, signal_of
from host.show.subject import training_subject
from host.training.options import Options
from host.training.pipeline import train
from host.training.plan import make_plan
from host.training.trained import Trained
from tests.recordings import KINDS, pump_recording, write


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("pump")
    parts = [(kind, 2500) for kind in KINDS]
    return [pump_recording(folder / f"run{n}.csv", parts, seed=n) for n in (1, 30)]


@pytest.fixture(scope="module")
def trained(paths: list[str]) -> Trained:
    options = Options(
        "logistic",
        recordings=tuple(paths),
        windowing=Windowing(128, 64, ("a0.std", "d0.level", "a0.p2p")),
        epochs=30,
        decision=Decision(votes=2, of=3),
    )
    return train(make_plan(options))


@pytest.fixture(scope="module")
def shown(trained: Trained) -> Signal:
    found = signal_of(trained)
    assert found is not None
    return found


def test_each_stretch_is_the_recordings_own(paths: list[str], trained: Trained, shown: Signal) -> None:
    test = trained.parts["test"]
    assert test.windows is not None
    assert sum(len(one.ends) for one in shown.stretches) == len(test)
    assert len(shown.stretches) == 6
    assert list(shown.channels) == ["a0", "d0"]
    raws = [read_recording(path).raw[:, [0, 2]] for path in paths]
    q = integers(trained.model, test.x, test.numerators)
    said = class_of(trained.model, infer(trained.model, q))
    row = 0
    for one in shown.stretches:
        of, first = int(test.windows.of[row]), int(test.windows.first[row])
        assert (one.raw == raws[of][first : first + len(one.raw)]).all()
        assert len(one.raw) == 128 + 64 * (len(one.ends) - 1)
        assert (one.ends * 1000).round().tolist() == [128 + 64 * n for n in range(len(one.ends))]
        rows = slice(row, row + len(one.ends))
        assert (one.values == test.x[rows]).all()
        assert (one.true == test.labels[rows]).all()
        assert (one.said == said[rows]).all()
        assert (one.should == (test.labels[rows] == 2)).all()
        row += len(one.ends)
    assert trained.decided is not None
    right = sum(int((one.lit == one.should).sum()) for one in shown.stretches)
    assert right == trained.decided.decided


def test_what_is_drawn_is_what_was_measured(shown: Signal) -> None:
    figure = Figure(layout="constrained")
    signal.panels(figure, figure.add_gridspec(1, 1)[0], shown)
    strips, vibration, _, *features = figure.axes
    assert len(features) == 3
    wrong = sum(int((one.lit != one.should).sum()) for one in shown.stretches)
    assert f"the lamp is wrong in {wrong or 'none'} of" in strips.get_title(loc="left") + strips.get_title()
    assert [tick.get_text() for tick in strips.get_yticklabels()] == [
        "lamp, as decided", "lamp should be lit", "the model says", "label",
    ]  # fmt: skip
    drawn = np.concatenate([path.vertices for c in vibration.collections for path in c.get_paths()])
    raw = np.concatenate([one.raw[:, 0] for one in shown.stretches])
    assert (drawn[:, 1].min(), drawn[:, 1].max()) == (raw.min(), raw.max())
    for number, axes in enumerate(features):
        points = np.concatenate([line.get_ydata() for line in axes.lines if line.get_ls() == "None"])
        assert sorted(points) == sorted(np.concatenate([one.values[:, number] for one in shown.stretches]))


def test_the_picture_of_a_training_has_it_below(tmp_path: Path, trained: Trained) -> None:
    subject = training_subject(trained)
    assert subject.signal is not None
    figure = Figure(layout="constrained")
    picture.compose(figure, subject)
    titles = [axes.get_title(loc="left") + axes.get_title() for axes in figure.axes]
    assert any(title.startswith("Windows of the test part") for title in titles)
    files = [tmp_path / name for name in ("a.svg", "b.svg")]
    for file in files:
        assert picture.draw(str(file), subject) == []
    assert files[0].read_bytes() == files[1].read_bytes()


def test_confusion_is_of_what_the_node_measures(trained: Trained) -> None:
    """Through floats an input may be one step off; the picture's classes are those of the report."""
    subject = training_subject(trained)
    rows, name = subject.judged
    assert name == "held-out rows"
    assert (subject.said[rows] == trained.outputs["test"]["fixed"]).all()


def test_numbers_have_no_strips_of_classes(tmp_path: Path) -> None:
    levels = np.repeat(np.linspace(100, 4000, 30), 40).round()
    path = write(
        tmp_path / "r.csv", levels.astype(np.int64)[:, np.newaxis], [f"{v / 7:.2f}" for v in levels], ("a0",)
    )
    options = Options("wxb", recordings=(path,), windowing=Windowing(16, 8, ("a0.mean",)), epochs=5)
    subject = training_subject(train(make_plan(options)))
    assert subject.signal is not None
    figure = Figure(layout="constrained")
    signal.panels(figure, figure.add_gridspec(1, 1)[0], subject.signal)
    assert len(figure.axes) == 3
    assert len(figure.axes[0].get_yticklabels()) == 2
