"""host/data/windows.py and what belongs to it: recordings become windows, features, parts, and a model's integers."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from host.core import features, senses
from host.core.wire import BAND_BINS_MAX, Activation, Feature
from host.data.measures import ANALOG_FEATURES, DIGITAL_FEATURES, all_of, named
from host.data.recording import Recording, read_recording
from host.data.split import split_by_time
from host.data.windows import Windowing, cut, read_windows, whole_windows
from host.errors import NeuronError
from host.models.dense import Dense, reference
from host.models.quantise import default_ranges, quantise
from host.models.report import fixed_outputs
from host.models.sensed import Measured, Sensed, integers
from host.training.selection import MOST, select
from tests.recordings import KINDS, pump_recording, write

ANY = Windowing(16, 8, ("a0.rms",))


def recording(samples: list[int], labels: list[str] | None = None) -> Recording:
    raw = np.arange(len(samples), dtype=np.int64).reshape(-1, 1) % 4096
    marks = None if labels is None else tuple(labels)
    return Recording("r", 1000, ("a0",), np.array(samples, np.int64), raw, marks, {})


# ------------------------------------------------------------------------------------------------------ windows

STEPS = st.lists(st.sampled_from([1, 1, 1, 1, 1, 2, 9, 1 << 32]), min_size=1, max_size=80)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(0, 5), st.sampled_from([2, 4, 8]), st.integers(1, 9), st.data())
def test_windows_are_those_of_a_node_without_gaps_and_of_one_label(
    steps: list[int], begin: int, window: int, hop: int, data: st.DataObject
) -> None:
    samples = np.cumsum([begin, *steps]).tolist()
    labels = data.draw(
        st.lists(st.sampled_from(["a", "b", ""]), min_size=len(samples), max_size=len(samples))
    )
    whole, cut_off, kept, change, unlabelled = [], 0, [], 0, 0
    for row, number in enumerate(samples):
        if (number - begin) % hop:
            continue
        if samples[row : row + window] == list(range(number, number + window)):
            whole.append(row)
            inside = set(labels[row : row + window])
            change += len(inside) > 1
            unlabelled += inside == {""}
            if len(inside) == 1 and inside != {""}:
                kept.append(row)
        elif samples[row:] != list(range(number, number + len(samples) - row)):  # a gap, not the end
            cut_off += 1
    one = recording(samples, labels)
    found, gaps = whole_windows(one, window, hop)
    assert (found.tolist(), gaps) == (whole, cut_off)
    said = cut(one, window, hop)
    assert (said.rows.tolist(), said.gap, said.change, said.unlabelled) == (kept, cut_off, change, unlabelled)
    assert list(said.labels) == [labels[row] for row in kept]


def test_numerators_are_those_of_core_features_in_the_recordings_order(tmp_path: Path) -> None:
    paths = [
        pump_recording(tmp_path / "one.csv", [("normal", 300), ("worn", 300)]),
        pump_recording(tmp_path / "two.csv", [("off", 400)], seed=9),
    ]
    names = ("a0.rms", "a1.mean", "d0.count", "a0.band(125,250)", "a0.crossings")
    data = read_windows(paths, Windowing(64, 32, names))
    assert data.windows is not None
    assert data.inputs == ("a0.rms", "a1.mean", "d0.count", "a0.bins(8,16)", "a0.crossings")
    assert data.classes == ("normal", "off", "worn")
    for row in range(len(data)):
        one = read_recording(paths[data.windows.of[row]])
        begin = int(np.searchsorted(one.samples, data.windows.first[row]))
        scans = one.raw[begin : begin + 64]
        expected = [
            features.numerators(Feature.RMS, scans[:, 0][np.newaxis])[0],
            features.numerators(Feature.MEAN, scans[:, 1][np.newaxis])[0],
            features.numerators(Feature.COUNT, scans[:, 2][np.newaxis])[0],
            features.numerators(Feature.BAND, scans[:, 0][np.newaxis], band=(8, 16))[0],
            features.numerators(Feature.CROSSINGS, scans[:, 0][np.newaxis])[0],
        ]
        assert data.windows.numerators[row].tolist() == [int(one) for one in expected]
        assert one.labels is not None
        assert {data.classes[data.labels[row]]} == set(one.labels[begin : begin + 64])


def test_values_are_in_the_units_of_the_channels_scale(tmp_path: Path) -> None:
    raw = np.array([[1000, 5], [3000, 5]] * 8)
    path = write(
        tmp_path / "r.csv",
        raw,
        ["1"] * 8 + ["2"] * 8,
        ("a0", "a1"),
        scale={"a0": [-0.5, 2000.0, "mA"]},
    )
    names = ("a0.mean", "a0.max", "a0.p2p", "a0.std", "a0.crossings", "a1.last")
    data = read_windows([path], Windowing(8, 8, names))
    assert data.x.tolist() == [[1000.0, 500.0, 1000.0, 500.0, 7.0, 5.0]] * 2


def test_what_is_left_out_is_counted_and_said(tmp_path: Path) -> None:
    raw = np.arange(110)[:, np.newaxis]
    labels = ["a"] * 40 + ["b"] * 40 + [""] * 30
    samples = [*range(60), *range(70, 120)]
    path = write(tmp_path / "r.csv", raw, labels, ("a0",), samples=samples)
    data = read_windows([path], ANY)
    said = data.note.splitlines()
    assert said[0] == "6 windows: 16 scans (0.016 s) at 1000 Hz, one every 8"
    assert said[1] == "windows left out: 2 with a gap, 3 in which the label changes, 2 without a label"


def test_labels_are_told_as_those_of_any_file_are(tmp_path: Path) -> None:
    raw = np.arange(400, dtype=np.int64)[:, np.newaxis]
    numbers = write(tmp_path / "n.csv", raw, [f"{row // 100 / 2:g}" for row in range(400)], ("a0",))
    from host.data.targets import Answers

    assert sorted(set(read_windows([numbers], ANY, Answers("numbers")).y.tolist())) == [0.0, 0.5, 1.0, 1.5]
    words = write(tmp_path / "w.csv", raw, ["no"] * 200 + ["Yes"] * 200, ("a0",))
    data = read_windows([words], ANY)
    assert (data.classes, set(data.y.tolist())) == (("no", "yes"), {0.0, 1.0})


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"rate": 500}, "its rate is 500 Hz, that of"),
        ({"channels": ("a0", "a1", "d1")}, "its channels is a0, a1, d1"),
        ({"scale": {"a0": [2.0, 0.0, "V"]}}, "its scale is a0 2,0,V"),
    ],
)
def test_recordings_that_are_not_alike_are_refused(tmp_path: Path, other: dict, says: str) -> None:
    first = pump_recording(tmp_path / "one.csv", [("normal", 100)])
    second = pump_recording(tmp_path / "two.csv", [("worn", 100)], **other)
    with pytest.raises(NeuronError, match=says):
        read_windows([first, second], ANY)


def test_what_cannot_be_learnt_from_is_one_line(tmp_path: Path) -> None:
    short = pump_recording(tmp_path / "short.csv", [("normal", 10), ("worn", 12)])
    with pytest.raises(NeuronError, match="no window of 16 scans is left"):
        read_windows([short], ANY)
    plain = write(tmp_path / "plain.csv", np.zeros((50, 1), np.int64), None, ("a0",))
    with pytest.raises(NeuronError, match="has no column label"):
        read_windows([plain], ANY)
    with pytest.raises(NeuronError, match="is given twice"):
        read_windows([short, short], ANY)
    endless = write(tmp_path / "endless.csv", np.zeros((50, 1), np.int64), ["1e400"] * 50, ("a0",))
    with pytest.raises(NeuronError, match="endless, label: 1e400 is not a finite number"):
        read_windows([endless], ANY)


# ------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("rms", "give channel.feature"),
        ("a9.rms", "r has a0, a1, d0"),
        ("a0.level", "of a0 there are last, mean"),
        ("d0.rms", "of d0 there are level, count, frequency"),
        ("a0.band", "has its ends in Hz"),
        ("a0.rms(1,2)", "has its ends in Hz"),
        ("a0.band(x,2)", "its ends are no numbers"),
        ("a0.band(200,100)", "a band goes up from above 0 to below 500 Hz"),
        ("a0.band(100,500)", "a band goes up from above 0 to below 500 Hz"),
        ("a0.band(10,400)", "a node takes 16 at most: give a band of up to 58.59 Hz"),
    ],
)
def test_a_feature_that_is_none_is_one_line(name: str, says: str) -> None:
    one = Recording("r", 1000, ("a0", "a1", "d0"), np.arange(4), np.zeros((4, 3), np.int64), None, {})
    with pytest.raises(NeuronError, match=says.replace("(", r"\(")) as refused:
        named(one, [name], 256)
    assert "\n" not in str(refused.value)


def test_a_band_is_whole_bins_and_what_was_rounded_is_said() -> None:
    one = recording([0, 1])
    measured, notes = named(one, ["a0.band(125, 250)"], 64)
    assert (measured[0].band, notes) == ((8, 16), ["a0.bins(8,16) is 125 to 250 Hz"])
    measured, notes = named(one, ["a0.band(100,150)"], 256)
    assert measured[0].band == (26, 38)
    assert notes == ["a0.bins(26,38) is 101.6 to 148.4 Hz, a0.band(100,150) in whole steps of 3.906 Hz"]
    with pytest.raises(NeuronError, match=r"has a0.bins\(26,38\) twice"):
        named(one, ["a0.band(100,150)", "a0.band(101,149)"], 256)
    again, notes = named(one, [measured[0].name], 256)
    assert (again, notes) == (measured, ["a0.bins(26,38) is 101.6 to 148.4 Hz"])


def test_a_channel_that_says_the_label_is_no_feature(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    levels = np.arange(400) // 100 % 2
    raw = np.column_stack([rng.integers(0, 4096, 400), levels, rng.integers(0, 2, 400)])
    labels = ["worn" if level else "fine" for level in levels.tolist()]
    path = write(tmp_path / "r.csv", raw, labels, ("a0", "d0", "d1"))
    data = read_windows([path], Windowing(16, 16))
    assert {name.partition(".")[0] for name in data.inputs} == {"a0", "d1"}
    assert "left out: d0, which says the label in every scan; --features d0.level would take it" in data.note
    assert read_windows([path], Windowing(16, 16, ("d0.level",))).inputs == ("d0.level",)
    alone = write(tmp_path / "d.csv", raw[:, 1:2], labels, ("d0",))
    with pytest.raises(NeuronError, match="d0 says the label in every scan, and there is no other channel"):
        read_windows([alone], Windowing(16, 16))


@pytest.mark.parametrize("window", [2, 4, 16, 256, 1024])
def test_all_is_every_feature_and_bands_side_by_side(window: int) -> None:
    one = Recording("r", 1000, ("a0", "d0"), np.arange(4), np.zeros((4, 2), np.int64), ("a",) * 4, {})
    found, notes = all_of([one], window)
    assert notes == []
    bands = [each.band for each in found if each.feature is Feature.BAND]
    plain = {(each.channel, each.feature) for each in found if each.feature is not Feature.BAND}
    assert plain == {(0, each) for each in ANALOG_FEATURES[:-1]} | {(8, each) for each in DIGITAL_FEATURES}
    assert [b for low, high in bands for b in range(low, high + 1)] == list(range(1, window // 2))
    assert all(high - low < BAND_BINS_MAX for low, high in bands)


# ------------------------------------------------------------------------------------------------------- parts


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(20, 400)), min_size=4, max_size=8),
    st.integers(1, 20),
    st.sampled_from([(64.0, 16.0, 20.0), (80.0, 20.0, 0.0), (70.0, 0.0, 30.0)]),
)
def test_no_scan_is_in_two_parts_and_parts_are_blocks_of_time(
    tmp_path_factory: pytest.TempPathFactory,
    runs: list[tuple[str, int]],
    hop: int,
    shares: tuple[float, ...],
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    paths = [
        pump_recording(folder / "one.csv", [("normal", 200), ("worn", 200), *runs[:2]]),
        pump_recording(folder / "two.csv", runs[2:], seed=7),
    ]
    data = read_windows(paths, Windowing(16, hop, ("a0.last",)))
    parts = split_by_time(data, shares)
    scans: list[set[tuple[int, int]]] = []
    for part in parts:
        assert part.windows is not None
        places = zip(part.windows.of.tolist(), part.windows.first.tolist(), strict=True)
        scans.append({(of, first + i) for of, first in places for i in range(16)})
    for one in range(3):
        assert not scans[one] & set().union(*(scans[other] for other in range(3) if other != one))
    assert data.windows is not None
    for of in (0, 1):
        for label in range(len(data.classes)):
            ends = [
                part.windows.first[(part.windows.of == of) & (part.labels == label)]
                for part in parts
                if part.windows is not None and len(part)
            ]
            filled = [each for each in ends if len(each)]
            assert all(a.max() < b.min() for a, b in itertools.pairwise(filled))
    lost = len(data) - sum(map(len, parts))
    borders = 2 * len(data.classes) * 2
    assert lost <= borders * math.ceil(16 / hop)


def test_each_part_has_its_share_of_every_number_too(tmp_path: Path) -> None:
    """Each in one stretch, as a sensor is calibrated: in one block of time training had nothing of the last."""
    path = pump_recording(tmp_path / "steps.csv", [("0.5", 1600), ("5", 1600), ("7", 48)])
    data = read_windows([path], Windowing(16, 16, ("a0.rms",)))
    assert not data.classes
    parts = split_by_time(data, (64.0, 16.0, 20.0))
    assert [[int((part.y == number).sum()) for number in (0.5, 5, 7)] for part in parts] == [
        [64, 64, 2], [16, 16, 0], [20, 20, 1],
    ]  # fmt: skip
    few = pump_recording(tmp_path / "few.csv", [(f"{number}.5", 32) for number in range(100)])
    data = read_windows([few], Windowing(16, 16, ("a0.rms",)))
    assert [len(part) for part in split_by_time(data, (64.0, 16.0, 20.0))] == [128, 32, 40]


# ---------------------------------------------------------------------------------------------------- integers

FEATURES = st.sampled_from(
    [Feature.LAST, Feature.MEAN, Feature.RMS, Feature.P2P, Feature.FREQUENCY, Feature.BAND]
)


@settings(max_examples=300, deadline=None)
@given(
    FEATURES,
    st.floats(1e-6, 1e4),
    st.sampled_from([1, -1]),
    st.floats(-1e4, 1e4),
    st.integers(1, 10),
    st.integers(0, 4095),
    st.integers(0, 4095),
)
@example(Feature.MEAN, 8192.0, 1, 0.03125, 1, 0, 0)  # always 0
def test_an_input_is_the_nearest_integer_to_the_exact_value(
    feature: Feature, size: float, sign: int, offset: float, bits: int, low: int, high: int
) -> None:
    """As exact as 31 bits allow: no more than 1/2 of a step and what 2^-30 of the way from the offset is."""
    window = 1 << bits
    band = (1, 1) if feature is Feature.BAND else (0, 0)
    if feature is Feature.BAND and window < 4:
        return
    channel = 8 if feature is Feature.FREQUENCY else 0
    one = Measured(channel, feature, band, sign * size, offset)
    sensed = Sensed(1000, window, 1, (one,))
    divisor = features.divisor(feature, window)
    numerators = np.linspace(min(low, high) * divisor, max(low, high) * divisor, 50).round().astype(np.int64)
    x = sensed.values(numerators[:, np.newaxis])
    layer = Dense(np.ones((1, 1)), np.zeros(1), Activation.IDENTITY)
    weight = 1 / max(1.0, float(np.abs(x).max()))
    layer = Dense(np.full((1, 1), weight), np.zeros(1), Activation.IDENTITY)
    model, report = quantise("one", [layer], x, sensed=sensed, numerators=numerators[:, np.newaxis])
    q = integers(model, x, numerators[:, np.newaxis])[:, 0]
    fraction, own = model.input_fraction[0], Fraction(model.input_offset[0])
    assert model.senses is not None
    source = model.senses.sources[0]
    assert source is not None
    assert source.shift == senses.FEATURE_SHIFT_MAX or abs(source.multiply) >= 1 << 29
    for number, integer in zip(numerators.tolist(), q.tolist(), strict=True):
        exact = (Fraction(number, divisor) * Fraction(one.factor) + Fraction(offset) - own) * Fraction(
            2
        ) ** fraction
        travelled = Fraction(number, divisor) * abs(Fraction(one.factor)) * Fraction(2) ** fraction
        slack = travelled / 2**30 + abs(own) * Fraction(2) ** (fraction - 24) + Fraction(1, 2**20)
        assert abs(exact - integer) <= Fraction(1, 2) + slack
    outputs = fixed_outputs(model, x, numerators[:, np.newaxis])
    worst = np.abs(outputs - reference([layer], x)[1]).max()
    if report.error_bound is not None:
        assert worst <= report.error_bound
    assert report.error_observed == worst


def test_the_vectors_of_the_self_test_are_what_windows_gave(tmp_path: Path) -> None:
    path = pump_recording(tmp_path / "r.csv", [("normal", 400), ("worn", 400)])
    data = read_windows([path], Windowing(64, 16, ("a0.std", "a0.mean")))
    assert data.windows is not None
    layer = Dense(np.array([[0.1, -0.2]]), np.array([3.0]), Activation.SIGMOID)
    model, _ = quantise("v", [layer], data.x, sensed=data.windows.sensed, numerators=data.windows.numerators)
    rows = {tuple(row) for row in integers(model, data.x, data.windows.numerators).tolist()}
    corners = set(itertools.product(*zip(model.input_low, model.input_high, strict=True)))
    found = {tuple(row) for row in model.vector_inputs.tolist()}
    assert found <= rows | corners
    assert found & rows
    ranges = default_ranges(data.x)
    for number, (low, high) in enumerate(ranges):
        step, offset = 2.0 ** -model.input_fraction[number], model.input_offset[number]
        assert abs(offset + model.input_low[number] * step - low) <= step
        assert abs(offset + model.input_high[number] * step - high) <= step


# --------------------------------------------------------------------------------------------------- selection


def test_the_features_that_tell_are_kept_and_no_more(tmp_path: Path) -> None:
    path = pump_recording(tmp_path / "r.csv", [("normal", 6000), ("worn", 6000), ("off", 6000)])
    data = read_windows([path], Windowing(128, 64))
    training, judge, _ = split_by_time(data, (64.0, 16.0, 20.0))
    found = select(training, judge)
    kept = [data.inputs[number] for number in found.kept]
    assert 2 <= len(kept) <= 4
    assert len(kept) < MOST
    # worn rings at 170 Hz: bin 21.8 of 7.8 Hz
    assert any(data.windows and data.windows.sensed.inputs[n].band == (16, 31) for n in found.kept)
    assert list(found.errors) == sorted(found.errors, reverse=True)
    assert found.errors[-1] < 0.05
    assert select(training, judge) == found
    assert len(select(training, judge, 6).kept) == 6


def test_features_that_never_change_are_not_chosen(tmp_path: Path) -> None:
    raw = np.full((400, 1), 7, np.int64)
    path = write(tmp_path / "r.csv", raw, ["a"] * 200 + ["b"] * 200, ("a0",))
    data = read_windows([path], Windowing(16, 16))
    with pytest.raises(NeuronError, match="every feature is the same in all windows"):
        select(data, data)
