"""What a simulated board's channels see: generators, recordings, and the file that carries both."""

from __future__ import annotations

import hashlib
import struct
from functools import cache

import numpy as np
import pytest

from host.boards.generators import ANALOG_GENERATORS, DIGITAL_GENERATORS, MIDDLE, PUMP_STATES, RATE
from host.boards.signals import HEADER, MADE_UP, MAGIC, Signal, generated, recorded
from host.boards.usage import ANALOG_USAGE, DIGITAL_USAGE, generators_help
from host.core import features
from host.core.pcg32 import Pcg32
from host.core.wire import RAW_MAX, SAMPLE_MISSING, SAMPLE_WORDS, Feature
from host.errors import NeuronError


@cache
def made(*specs: str) -> Signal:
    """Generated once for all tests."""
    return generated(specs)


def column(*specs: str, of: str = "a0") -> np.ndarray:
    signal = made(*specs)
    return signal.raw[:, signal.channels.index(of)].astype(int)


def test_numbers_at_once_are_the_same_as_one_by_one() -> None:
    for count in (0, 1, 2, 3, 1023, 1024, 1025):
        one, many = Pcg32(42, 54), Pcg32(42, 54)
        assert many.numbers(count).tolist() == [one.next() for _ in range(count)]
        assert many.next() == one.next(), "and both go on alike"


def test_shapes() -> None:
    sine = column("a0=sine:50:500:1000")
    assert len(sine) == RATE
    assert (sine.min(), sine.max(), sine[0]) == (500, 1500, 1000)
    assert np.count_nonzero((sine[:-1] < 1000) & (sine[1:] >= 1000)) == 49, (
        "50 periods, the first begins at 1000"
    )
    square = column("a0=square:2:100")
    assert square[: RATE // 4].tolist() == [MIDDLE + 100] * (RATE // 4)
    assert square[RATE // 4 : RATE // 2].tolist() == [MIDDLE - 100] * (RATE // 4)
    ramp = column("a0=ramp:1:500:500")
    assert (ramp[0], ramp[RATE // 2], ramp[-1]) == (0, 500, 1000)
    assert (np.diff(ramp) >= 0).all()
    step = column("a0=step")
    assert len(step) == 2 * RATE
    assert np.unique(step[:RATE]).tolist() == [1024]
    assert np.unique(step[RATE:]).tolist() == [3072]
    assert np.unique(column("a0=constant:7")).tolist() == [7]
    pulse = column("d2=pulse:4", of="d2")
    assert features.numerators(Feature.COUNT, [pulse]).tolist() == [3], (
        "four pulses a second, one is up already"
    )
    assert pulse.mean() == 0.5
    assert np.unique(column("d0=constant:1", of="d0")).tolist() == [1]


def test_values_are_cut_off_as_by_a_converter() -> None:
    sine = column("a0=sine:50:4095:4095")
    assert (sine.min(), sine.max()) == (0, RAW_MAX)


def test_noise_has_the_rms_that_was_asked_for() -> None:
    noise = column("a0=noise:200:1000")
    assert abs(noise.mean() - 1000) < 1
    assert abs(noise.std() - 200) < 1


@pytest.mark.parametrize(
    "specs", [["a0=sine:50"], ["a0=sine:0.3", "a1=sine:7"], ["a0=step:2.5", "d0=pulse:3"]]
)
def test_what_repeats_has_no_jump(specs: list[str]) -> None:
    """Its second round is what it would have been, had it been made longer."""
    signal = made(*specs)
    longer = made(*specs, "a7=noise")  # which is made for ten seconds at least
    assert len(longer.raw) % len(signal.raw) == 0
    rounds = len(longer.raw) // len(signal.raw)
    assert (np.tile(signal.raw, (rounds, 1)) == longer.raw[:, : signal.raw.shape[1]]).all()


def test_what_takes_too_long_repeats_with_a_jump() -> None:
    assert len(column("a0=sine:0.013")) == 60 * RATE


def test_a_pump_tells_its_state() -> None:
    signal = made("pump:2")
    assert signal.channels == ("a0", "d0", "d1")
    states = np.split(signal.raw[: 6 * RATE].astype(int), 3)
    rms = {}
    for name, part, flags in zip(PUMP_STATES, states, ([0, 0], [1, 0], [1, 1]), strict=True):
        assert len(part)
        assert (part[:, 1:] == flags).all(), name
        windows = part[::60, 0][: 7 * 256].reshape(7, 256)  # as a node at 1000 Hz sees it
        rms[name] = features.numerators(Feature.STD, windows) / 256
    assert rms["off"].max() < rms["normal"].min() / 5
    assert rms["normal"].max() < rms["worn"].min()


@pytest.mark.parametrize("spec", ["pump:5", "pump:worn"])
def test_half_a_minute_of_a_pump_is_no_copy_of_its_other_half(spec: str) -> None:
    first, second = np.split(column(f"a0={spec}"), 2)
    assert len(first) == 15 * RATE
    assert (first != second).mean() > 0.5


def test_a_pump_of_one_state() -> None:
    for name, flags in zip(PUMP_STATES, ([0, 0], [1, 0], [1, 1]), strict=True):
        signal = made(f"pump:{name}")
        assert len(signal.raw)
        assert (signal.raw[:, 1:] == flags).all()
        assert (signal.raw[:, 0] == column(f"a0=pump:{name}")).all()


def test_generators_are_the_same_every_time() -> None:
    """Noise by pcg32, in integers: the same on every computer."""
    digest = hashlib.sha256(generated(["a0=noise", "a5=noise:30:99", "d0=pulse:2"]).encode()).hexdigest()
    assert digest == "d80a0f72b027d1f736e22cd634fa96115d9e1d0b8829d7298a5fdfb96183407e"
    assert (column("a0=noise") != column("a1=noise", of="a1")).any(), "each channel its own"


def test_every_generator_is_explained() -> None:
    assert list(ANALOG_USAGE) == list(ANALOG_GENERATORS)
    assert list(DIGITAL_USAGE) == list(DIGITAL_GENERATORS)
    for name, (usage, _) in {**ANALOG_USAGE, **DIGITAL_USAGE}.items():
        assert usage.startswith(name)
        assert usage in generators_help()


@pytest.mark.parametrize(
    ("specs", "why"),
    [
        (["nonsense"], "--signal nonsense: it is neither a file nor CHANNEL=GENERATOR like a0=sine:50"),
        (["a8=sine:5"], "--signal a8=sine:5: there is no channel 'a8'; the board has a0..a7 and d0..d3"),
        (["a0=wave"], "a0 has no generator 'wave'; it has constant, sine, square, ramp, step, noise, pump"),
        (["d0=sine:5"], "d0 has no generator 'sine'; it has constant, pulse, step"),
        (["a0=sine"], "HZ is missing; it is sine:HZ[:AMPLITUDE[:OFFSET]]"),
        (["a0=sine:fast"], "'fast' is no HZ of 0.001..5000; it is sine:HZ[:AMPLITUDE[:OFFSET]]"),
        (["a0=sine:nan"], "'nan' is no HZ of 0.001..5000"),
        (["a0=sine:1e3"], "'1e3' is no HZ of 0.001..5000"),
        (["a0=sine:0"], "'0' is no HZ of 0.001..5000"),
        (["a0=sine:50:"], "'' is no AMPLITUDE of 0..4095"),
        (["a0=sine:50:1:2:3"], "it has 4 numbers and takes 3"),
        (["a0=constant:1.5"], "'1.5' is no whole VALUE"),
        (["d0=constant:2"], "'2' is no VALUE of 0..1"),
        (["a0=step:31"], "'31' is no SECONDS of 0.001..30"),
        (["pump:broken"], "'broken' is no SECONDS of 0.001..20, nor one of off, normal, worn"),
        (["pump", "d0=pulse:2"], "--signal d0=pulse:2: d0 has a signal already"),
    ],
)
def test_what_is_wrong_with_a_specification_is_said_in_a_line(specs: list[str], why: str) -> None:
    with pytest.raises(NeuronError) as error:
        generated(specs)
    assert why in str(error.value)
    assert "\n" not in str(error.value)


# --------------------------------------------------------------------------------------------- recordings and files


def test_the_file_of_a_recording() -> None:
    """As signal.c draws it; scans that were not recorded are missing in all their words."""
    raw = np.array([[1, 4095, 0], [0, 7, 1]])
    signal = recorded(1000, ("d3", "a5", "d0"), np.array([10, 12]), raw, "it")
    missing = SAMPLE_MISSING
    assert signal.encode() == HEADER.pack(MAGIC, 1000, 1 << 5 | 1 << 8 | 1 << 11, 3, 0) + struct.pack(
        "<6H", 4095, 0b1000, missing, missing, 7, 0b0001
    )


def test_the_file_of_generators() -> None:
    signal = Signal(5, ("a1",), np.array([[3]], np.uint16), made_up=True)
    assert signal.encode() == HEADER.pack(MAGIC, 5, 2, 1, MADE_UP) + struct.pack("<H", 3)


def test_a_recording_with_too_many_gaps_is_refused() -> None:
    samples = np.arange(8193) * (SAMPLE_WORDS + 1)
    with pytest.raises(
        NeuronError, match=r"^run.csv cannot be played: .* it has 134225921 scans, gaps included"
    ):
        recorded(1000, ("a0",), samples, samples[:, None] % 7, "run.csv")


@pytest.mark.parametrize(("rate", "short"), [(1, 1024), (1000, 1024), (1025, 2048), (10_000, 16_384)])
def test_a_hole_that_is_longer_than_any_ring_is_played_as_a_short_one(rate: int, short: int) -> None:
    """At least a second and a window long, and as far off any power of two up to that."""
    most = SAMPLE_WORDS
    after = np.array([0, most + 1, 2 * most + 3, 2 * most + 4 + (1 << 33) + 5])
    signal = recorded(rate, ("a0",), after, np.array([[1], [2], [3], [4]]), "run.csv")
    there = np.flatnonzero(signal.raw[:, 0] != SAMPLE_MISSING)
    assert signal.raw[there, 0].tolist() == [1, 2, 3, 4]
    assert (np.diff(there) - 1).tolist() == [most, short + 1, short + 5]
    assert signal.shortened == 2
