"""host.train on recordings: windows are learnt from, the image says how its inputs are measured, a node takes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host import predict, train
from host.cli import sensing
from host.core import features, senses
from host.core.decide import Decider, Decision, decide_hysteresis
from host.core.image import Model, decode
from host.core.infer import dequantise_outputs, infer
from host.core.windows import hops
from host.core.wire import SAMPLE_MISSING, Feature
from host.data.recording import read_recording
from host.data.windows import Windowing
from host.models.sensed import integers
from host.training.decided import course
from host.training.options import Options
from host.training.pipeline import train as trained_by
from host.training.plan import make_plan
from tests.recordings import KINDS, pump, pump_recording, write
from tests.training import assert_one_line, run

WINDOWS = ("--window", "128", "--hop", "64")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("pump")
    return [
        pump_recording(folder / "run1.csv", [("normal", 4000), ("worn", 4000), ("off", 3000)]),
        pump_recording(folder / "run2.csv", [("off", 3000), ("worn", 3000), ("normal", 3000)], seed=20),
    ]


@pytest.fixture
def data(paths: list[str]) -> list[str]:
    return [word for path in paths for word in ("--data", path)]


def image_of(tmp_path: Path, capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[dict[str, Any], Model]:
    """What the training says, and the model as it travels."""
    file = tmp_path / "model.img"
    said = run(capsys, *argv, "--save", str(file))
    return said, decode(file.read_bytes())


# -------------------------------------------------------------------------------------------------- the model


def test_what_was_measured_stands_in_the_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: list[str]
) -> None:
    names = "a0.rms, a0.p2p,a1.mean,d0.level,a0.band(150,190)"
    argv = ("--model", "logistic", *data, "--target", "label", *WINDOWS, "--features", names)
    said, model = image_of(tmp_path, capsys, *argv)
    assert said["inputs"] == list(model.names.inputs) == [
        "a0.rms", "a0.p2p", "a1.mean", "d0.level", "a0.bins(19,24)",
    ]  # fmt: skip
    assert said["classes"] == ["normal", "off", "worn"]
    assert model.senses is not None
    assert (model.senses.rate, model.senses.window, model.senses.hop) == (1000, 128, 64)
    assert [(source.channel, source.feature) for source in model.senses.sources if source] == [
        (0, Feature.RMS), (0, Feature.P2P), (1, Feature.MEAN), (8, Feature.LEVEL), (0, Feature.BAND),
    ]  # fmt: skip
    assert said["metrics"]["test"]["fixed"]["accuracy"] > 0.95
    assert said["metrics"]["test"]["fixed"]["rows"] > 40
    assert said["changed"]["share"] == 0
    assert any(note.endswith("a0.band(150,190) in whole steps of 7.812 Hz") for note in said["notes"])
    assert any("in which the label changes" in note for note in said["notes"])
    assert any(note.startswith("left out, across the border of two parts") for note in said["notes"])


def test_scores_are_of_the_integers_that_a_node_measures(paths: list[str]) -> None:
    """Outputs of every part, once more from the raw scans by nothing but the image and core/."""
    windowing = Windowing(128, 64, ("a0.std", "a0.crossings", "a1.min", "d0.level"))
    trained = trained_by(make_plan(Options("mlp", recordings=tuple(paths), windowing=windowing, epochs=20)))
    model = decode(trained.image)
    assert model.senses is not None
    recordings = [read_recording(path) for path in paths]
    for name, part in trained.parts.items():
        assert part.windows is not None
        for row in range(0, len(part), 7):
            recording = recordings[part.windows.of[row]]
            begin = int(np.searchsorted(recording.samples, part.windows.first[row]))
            q = []
            for source in model.senses.sources:
                assert source is not None
                column = recording.channels.index(source.name.partition(".")[0])
                scans = recording.raw[begin : begin + 128, column][np.newaxis]
                numerator = features.numerators(source.feature, scans, 1000, source.band)
                q.append(features.inputs(source.multiply, source.shift, source.offset, numerator)[0][0])
            outputs = dequantise_outputs(model, infer(model, np.array([q], np.int16)))
            assert (outputs[0] == trained.outputs[name]["fixed"][row]).all()


def test_all_features_are_tried_and_those_kept_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: list[str]
) -> None:
    said, model = image_of(tmp_path, capsys, "--model", "logistic", *data, *WINDOWS)
    kept = next(note for note in said["notes"] if "these are kept" in note)
    assert kept.startswith("of 33 features these are kept")
    assert all(name in kept for name in said["inputs"])
    assert len(said["inputs"]) <= 4
    assert list(model.names.inputs) == said["inputs"]
    again = run(capsys, "--model", "logistic", *data, *WINDOWS)
    assert again["image"] == said["image"]
    wide = run(capsys, "--model", "mlp", "--layers", "6-5-3", *data, *WINDOWS, "--epochs", "5")
    assert len(wide["inputs"]) == 6
    assert said["metrics"]["test"]["fixed"]["accuracy"] > 0.95


def test_labels_that_are_numbers_are_learnt_as_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    levels = np.repeat(rng.uniform(500, 3000, 40), 64)
    raw = np.round(levels + rng.normal(0, 10, len(levels))).astype(np.int64)[:, np.newaxis]
    path = write(tmp_path / "r.csv", raw, [f"{level / 100:.3f}" for level in levels], ("a0",))
    said = run(
        capsys,
        "--model",
        "wxb",
        "--data",
        path,
        "--window",
        "32",
        "--features",
        "a0.mean",
        "--task",
        "numbers",
    )
    assert said["inputs"] == ["a0.mean"]
    assert said["metrics"]["test"]["fixed"]["r2"] > 0.99
    assert said["parameters"]["w"][0] == pytest.approx(0.01, rel=0.02)


# ------------------------------------------------------------------------------------------------ decisions


def test_the_decision_stands_in_the_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: list[str]
) -> None:
    how = "--led worn --led-threshold 1 --off-threshold -0.5 --votes 3/5 --on-delay 1.5s --off-delay 20ms --hold 2s"
    argv = ("--model", "logistic", *data, *WINDOWS, "--features", "a0.std,d0.level", *how.split())
    said, model = image_of(tmp_path, capsys, *argv, "--latch", "--before", "on")
    off = int(np.floor(-0.5 * 2**model.led_fraction))
    assert model.decision == Decision(off, 3, 5, 1500, 20, 2000, latch=True, before=True)
    assert said["decided"]["part"] == "test"
    plain, undecided = image_of(tmp_path, capsys, *argv[: -len(how.split())])
    assert undecided.decision == Decision()
    assert plain["decided"]["alone"] == plain["decided"]["decided"]


def test_a_decision_is_of_rows_of_the_bus_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said, model = image_of(tmp_path, capsys, "--model", "and", "--on-delay", "300ms", "--deploy", "sim")
    assert model.decision == Decision(on_delay=300)
    assert model.senses is None
    assert said["deployed"]["rows"][3]["output"] == 1


def test_the_lamp_is_scored_as_decided(paths: list[str]) -> None:
    """By the twin of the node, from a recording's first window on, and beside it by each window alone."""
    decision = Decision(votes=2, of=3, on_delay=100)
    windowing = Windowing(128, 64, ("a0.std",))
    trained = trained_by(
        make_plan(
            Options("logistic", recordings=tuple(paths), windowing=windowing, decision=decision, epochs=30)
        )
    )
    found = trained.decided
    assert found is not None
    part = trained.parts["test"]
    assert part.windows is not None
    right_alone = right = 0
    for of, path in enumerate(paths):
        recording, decider = read_recording(path), Decider(decision)
        for begin in range(0, len(recording.samples) - 127, 64):
            scans = recording.raw[begin : begin + 128, 0][np.newaxis]
            assert trained.model.senses is not None
            source = trained.model.senses.sources[0]
            assert source is not None
            numerator = features.numerators(source.feature, scans)
            q, _ = features.inputs(source.multiply, source.shift, source.offset, numerator)
            y = infer(trained.model, q[:, np.newaxis])[0]
            condition = int(np.argmax(y)) == trained.model.led_output
            on = decider.step(condition, (begin + 127) * 1000 // 1000)
            rows = np.flatnonzero((part.windows.of == of) & (part.windows.first == begin))
            for row in rows.tolist():
                true = part.labels[row] == trained.model.led_output
                right_alone += condition == true
                right += on == true
    assert (found.windows, found.alone, found.decided) == (len(part), right_alone, right)


def test_hysteresis_follows_the_output_in_time(paths: list[str]) -> None:
    windowing = Windowing(128, 32, ("a0.std",))
    options = Options("mlp", recordings=tuple(paths[:1]), windowing=windowing, epochs=30, led="worn",
                      led_threshold=1.0, off_threshold=-1.0)  # fmt: skip
    trained = trained_by(make_plan(options))
    part = trained.parts["test"]
    assert part.windows is not None
    found = course(trained.model, part.windows.sensed, part.windows.recordings[0])
    assert (found.decided != found.alone).any()
    off = trained.model.decision.threshold_off
    assert off is not None
    rows = part.windows.recordings[0].raw[:, 0]
    source = trained.model.senses.sources[0] if trained.model.senses else None
    assert source is not None
    state = False
    for begin, said in zip(range(0, len(rows) - 127, 32), found.decided.tolist(), strict=True):
        numerator = features.numerators(source.feature, rows[begin : begin + 128][np.newaxis])
        q, _ = features.inputs(source.multiply, source.shift, source.offset, numerator)
        y = infer(trained.model, q[:, np.newaxis])[0]
        output = int(y[trained.model.led_output])
        state = decide_hysteresis(state, output, trained.model.led_threshold, off)
        assert state == said


@pytest.mark.parametrize("gaps", [[], [(700, 1), (1500, 900), (4000, 64)]])
def test_windows_are_those_that_a_node_decides_on(tmp_path: Path, gaps: list[tuple[int, int]]) -> None:
    """What was learnt from and scored equals core/windows' computation of the recording, which is a node's own."""
    there = np.ones(9000, np.bool_)
    for first, count in gaps:
        there[first : first + count] = False
    rows = np.flatnonzero(there)
    raw = np.vstack([pump(kind, 3000, seed) for seed, kind in enumerate(KINDS)])[rows]
    labels = [KINDS[row // 3000] for row in rows.tolist()]
    path = write(tmp_path / "r.csv", raw, labels, samples=[77 + row for row in rows.tolist()])
    names = ("a0.std", "a0.band(150,190)", "a1.mean", "d0.count")
    decision = Decision(votes=2, of=3, on_delay=100, hold=500)
    options = Options(
        "mlp", recordings=(path,), windowing=Windowing(128, 48, names), decision=decision, epochs=20
    )
    trained = trained_by(make_plan(options))
    whole = np.full((9000, 3), SAMPLE_MISSING, np.int64)
    whole[rows] = raw
    model = decode(trained.image)
    said = hops(model, 77, {channel: whole[:, place] for place, channel in enumerate((0, 1, 8))})
    windows = trained.data.windows
    assert windows is not None
    found = course(model, windows.sensed, windows.recordings[0])
    assert (found.first + 127).tolist() == said.samples.tolist()
    assert found.decided.tolist() == said.decisions.tolist()
    assert 0 < said.decisions.sum() < len(said.decisions)
    places = np.searchsorted(said.samples, windows.first + 127)
    assert (said.samples[places] == windows.first + 127).all()
    assert (windows.numerators == said.features[places]).all()
    assert (integers(model, trained.data.x, windows.numerators) == said.inputs[places]).all()
    assert len(places) > 100


# ------------------------------------------------------------------------------------------------ a node


def test_a_node_takes_it_and_proves_it_by_itself(capsys: pytest.CaptureFixture[str], data: list[str]) -> None:
    argv = ["--model", "logistic", *data, *WINDOWS, "--features", "a0.std,d0.level", "--deploy", "sim"]
    said = run(capsys, *argv)
    assert said["deployed"]["crc32"] == said["image"]["crc32"]
    assert "rows" not in said["deployed"]
    assert train.main(argv) == 0
    assert "proven by its own self-test, windows included" in capsys.readouterr().out


def test_an_image_file_still_answers_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: list[str]
) -> None:
    argv = ("--model", "logistic", *data, *WINDOWS, "--features", "a0.std,d0.level")
    image_of(tmp_path, capsys, *argv)
    assert predict.main([str(tmp_path / "model.img"), "a0.std=10", "d0.level=0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["class"] == "off"


def test_what_a_board_cannot_do_in_time_is_refused_before_it_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = pump_recording(tmp_path / "fast.csv", [("normal", 12_000), ("worn", 12_000)], rate=10_000)
    names = ",".join(f"a{c}.band({low},{low + 140})" for c in (0, 1) for low in (100, 300, 500, 700))
    argv = ["--model", "logistic", "--data", path, "--window", "1024", "--hop", "16", "--features", names]
    said = run(capsys, *argv, "--epochs", "5")
    slow = next(line for line in said["warnings"] if "of its clock" in line)
    assert_one_line(capsys, [*argv, "--epochs", "5", "--json", "--deploy", "sim"], "nothing was sent")
    hop = slow.split("--hop ")[1].split()[0]
    argv[argv.index("--hop") + 1] = hop
    assert not [line for line in run(capsys, *argv, "--epochs", "5")["warnings"] if "of its clock" in line]


# ------------------------------------------------------------------------------------------------ one line


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--window", "200"], "no power of two of 2..1024 scans: 128 or 256, say"),
        (["--window", "0"], "no power of two"),
        (["--window", "128", "--hop", "0"], "not a whole number of 1..65535"),
        (["--window", "128", "--features", "a0.rms,,a0.std"], "has an empty name"),
        (["--window", "128", "--features", "a5.rms"], "run1 has a0, a1, d0"),
        (["--window", "128", "--target", "a0"], "of recordings the column label is learnt"),
        (["--window", "128", "--drop", "a0"], "--drop is of rows: recordings have --features"),
        (["--window", "128", "--split-seed", "3"], "windows of recordings are parted by time"),
        (["--window", "128", "--votes", "5/3"], "is not like 3/5"),
        (["--window", "128", "--hold", "1.5s"], None),
        (["--window", "128", "--hold", "500"], "is no time like 500ms or 1.5s"),
        (["--window", "128", "--hold", "0.5ms"], "is no time like 500ms or 1.5s"),
        (["--window", "128", "--off-threshold", "0"], "not of the class that is the largest"),
        (
            ["--window", "128", "--led-threshold", "0.1", "--off-threshold", "0.2"],
            "is above the LED's threshold",
        ),
        (["--window", "128", "--deploy", "sim", "--on-board"], "it does not learn from them"),
        (["--features", "a0.rms"], "--features is of recordings: give --window N too"),
        (["--hop", "64"], "--hop is of recordings: give --window N too"),
    ],
)
def test_wrong_options_are_one_line(
    capsys: pytest.CaptureFixture[str], paths: list[str], options: list[str], says: str | None
) -> None:
    argv = ["--model", "logistic", "--data", paths[0], "--epochs", "5", *options, "--json"]
    if says is None:
        assert train.main(argv) == 0
        return
    assert_one_line(capsys, argv, says)


def test_the_longest_hop_is_the_images() -> None:
    assert sensing.HOP_MAX == senses.HOP_MAX


def test_a_recording_without_windows_would_learn_the_time(
    capsys: pytest.CaptureFixture[str], paths: list[str]
) -> None:
    argv = ["--model", "logistic", "--data", paths[0], "--epochs", "5", "--json"]
    assert_one_line(capsys, argv, "is a recording, whose numbers and times tell its labels: --window N")
    assert run(capsys, *argv[:-1], "--drop", "sample,time")["inputs"] == ["a0", "a1", "d0"]
    text = Path(paths[0]).read_text().replace("normal\n", "\n", 3)  # also where not every scan has a label
    Path(paths[0]).write_text(text)
    assert_one_line(capsys, argv, "is a recording, whose numbers and times tell its labels: --window N")


def test_two_files_without_windows_are_one_line(capsys: pytest.CaptureFixture[str], data: list[str]) -> None:
    assert_one_line(
        capsys, ["--model", "logistic", *data], "--data is given twice: files are learnt from together"
    )


def test_what_a_recording_consists_of_is_not_replaced(
    capsys: pytest.CaptureFixture[str], paths: list[str]
) -> None:
    argv = ["--model", "logistic", "--data", paths[0], "--data", paths[1], *WINDOWS]
    for file in (paths[1], paths[1].replace(".csv", ".json")):
        before = Path(file).read_bytes()
        assert_one_line(capsys, [*argv, "--save", file], "cannot write")
        assert Path(file).read_bytes() == before
