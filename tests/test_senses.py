"""A node that decides by itself: features, inputs, outputs and decision of every window against the Python twins."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from host.core import features
from host.core.decide import Decision
from host.core.fixed import Int64
from host.core.image import Layer, Model, encode
from host.core.infer import conditions, decide_all, infer
from host.core.registers import bytes_registers
from host.core.senses import Senses, Source
from host.core.wire import (
    ANALOG,
    BY_NAME,
    DIGITAL,
    RAW_MAX,
    SAMPLE_WORDS,
    Activation,
    Command,
    EventKind,
    Feature,
    Reason,
    Table,
)
from tests.e2e.scenario import AND, with_vectors
from tests.memory_node import Decided, MemoryNode, Scan
from tests.models import random_model, random_senses

OK, ADDRESS, VALUE, FAILURE = 0, 2, 3, 4
INPUTS, FLOATS = BY_NAME["INPUTS"].address, BY_NAME["INPUTS_FLOAT"].address
WINDOWS = BY_NAME["WINDOWS"].address
HOLD, OVERRIDE, LAMP_TEST = (BY_NAME[name].address for name in ("HOLD", "OVERRIDE", "LAMP_TEST"))
MODELS = 24
BUS = 7
"""Of every input that comes from the bus."""


@pytest.fixture
def node() -> Iterator[MemoryNode]:
    with MemoryNode() as running:
        yield running


# ------------------------------------------------------------------------------------------------------- the twin


@dataclass(frozen=True)
class Signal:
    """Scans of all channels. raw: (n, 8); levels: (n,), Dn in bit n; lost: (n,), those that never came."""

    raw: Int64
    levels: Int64
    lost: NDArray[np.bool_]

    def channel(self, number: int) -> Int64:
        return self.raw[:, number] if number < ANALOG else self.levels >> (number - ANALOG) & 1

    def scans(self, first: int, end: int) -> Iterator[Scan]:
        """What is lost comes as a number before the next scan; the last one is not lost."""
        missed = 0
        for i in range(first, end):
            missed += int(self.lost[i])
            if not self.lost[i]:
                yield Scan(self.raw[i].tolist(), int(self.levels[i]), missed)
                missed = 0


def random_signal(rng: np.random.Generator, scans: int, gaps: int = 0) -> Signal:
    """Channels of different habits: noise, ramps, squares, constants, sines; levels that toggle now and then."""
    n = np.arange(scans)
    kinds = [
        rng.integers(RAW_MAX + 1, size=scans),
        n * int(rng.integers(1, 50)) % (RAW_MAX + 1),
        np.where(n // int(rng.integers(1, 20)) % 2, RAW_MAX, 0),
        np.full(scans, rng.integers(RAW_MAX + 1)),
        (2048 + 2047 * np.sin(n * rng.random())).astype(np.int64),
    ]
    raw = np.stack([kinds[int(rng.integers(len(kinds)))] for _ in range(ANALOG)], axis=1)
    toggles = (rng.random((scans, DIGITAL)) < rng.random(DIGITAL)).cumsum(axis=0) % 2
    lost = np.zeros(scans, dtype=np.bool_)
    for first in rng.integers(scans, size=gaps).tolist():
        lost[first : first + int(rng.integers(1, 5))] = True
    lost[-1] = False
    return Signal(raw.astype(np.int64), toggles @ (1 << np.arange(DIGITAL)), lost)


def senses_of(model: Model) -> Senses:
    assert model.senses is not None
    return model.senses


def twin(model: Model, signal: Signal, bus: list[int], begin: int = 0, oldest: int = 0) -> list[Decided]:
    """The PC's own computation of all windows that begin in the ring and are whole. begin: number of the signal's
    first scan in the node."""
    senses = senses_of(model)
    starts = np.arange(0, len(signal.lost) - senses.window + 1, senses.hop)
    spans = starts[:, None] + np.arange(senses.window)
    whole = ~signal.lost[spans].any(axis=1) & (starts >= oldest)
    spans, samples = spans[whole], begin + starts[whole] + senses.window - 1
    numerators = np.zeros((len(spans), model.inputs), dtype=np.int64)
    q = np.tile(np.array(bus, dtype=np.int16), (len(spans), 1))
    for index, source in enumerate(senses.sources):
        if source is not None:
            windows = signal.channel(source.channel)[spans]
            numerators[:, index] = features.numerators(source.feature, windows, senses.rate, source.band)
            q[:, index] = features.inputs(source.multiply, source.shift, source.offset, numerators[:, index])[
                0
            ]
    outputs = infer(model, q)
    times = [n * 1000 // senses.rate & 0xFFFFFFFF for n in samples.tolist()]
    decisions = decide_all(model, outputs, times).tolist()
    rows = zip(samples.tolist(), numerators.tolist(), q.tolist(), outputs.tolist(), decisions, strict=True)
    return [Decided(n & 0xFFFFFFFF, tuple(f), tuple(x), tuple(y), d, d) for n, f, x, y, d in rows]


# --------------------------------------------------------------------------------------------------------- models


def moderate(rng: np.random.Generator, source: Source, window: int) -> Source:
    """The same with a scale at which its input is not always cut."""
    band = (0, 0)
    if source.feature is Feature.BAND:
        low = int(rng.integers(1, window // 2))
        band = low, min(low + 5, window // 2 - 1)
    multiply, offset = int(rng.integers(-2000, 2000)), int(rng.integers(-20000, 20000))
    return Source(source.channel, source.feature, multiply, int(rng.integers(4, 12)), offset, band)


def random_delays(rng: np.random.Generator, model: Model, hop_ms: int) -> Decision:
    """Votes and delays of some hops."""
    of = int(rng.integers(1, 6))
    delays = [int(rng.integers(0, 4 * hop_ms)) if rng.random() < 0.5 else 0 for _ in range(3)]
    off = None if model.led_class else int(rng.integers(-32768, model.led_threshold + 1))
    latch, before = rng.random() < 0.2, rng.random() < 0.5
    return Decision(off, int(rng.integers(1, of + 1)), of, *delays, latch=bool(latch), before=bool(before))


def sensing(rng: np.random.Generator) -> Model:
    """A random model that senses, whose decision changes now and then."""
    model = random_model(rng, largest=12)
    window = int(2 ** rng.integers(2, 7))
    drawn = random_senses(rng, model.inputs)
    sources = tuple(source and moderate(rng, source, window) for source in drawn.sources)
    senses = Senses(
        int(rng.integers(1, 10001)), window, int(rng.integers(1, 2 * window)), drawn.seed, sources
    )
    hop_ms = max(1, 1000 * senses.hop // senses.rate)
    return replace(model, senses=senses, decision=random_delays(rng, model, hop_ms))


def undecided(rng: np.random.Generator, signal: Signal) -> Model:
    """One whose word changes on this signal: its thresholds lie amid what the LED's output is."""
    while True:
        model = sensing(rng)
        outputs = np.array(
            [window.outputs for window in twin(model, signal, [BUS] * model.inputs)], dtype=np.int16
        )
        if not model.led_class:
            led = outputs[:, model.led_output]
            off, on = np.quantile(led, sorted(rng.uniform(0.3, 0.7, 2))).astype(int).tolist()
            model = replace(model, led_threshold=on, decision=replace(model.decision, threshold_off=off))
        if len(set(conditions(model, outputs).tolist())) == 2:
            return model


def level(hop: int = 4, bus: bool = False, **decision: object) -> Model:
    """LED on where the mean of four samples of A0 is above 1000; with `bus`, or where an input of the bus is."""
    mean = Source(0, Feature.MEAN, multiply=1, shift=2, offset=0)
    inputs = 2 if bus else 1
    layer = Layer(
        np.ones((1, inputs), dtype=np.int16), np.zeros(1, dtype=np.int32), Activation.IDENTITY, 0, 0
    )
    rows = np.zeros((1, inputs), dtype=np.int16)
    model = Model("level", (0,) * inputs, (layer,), 0, 1000, rows, np.zeros((1, 1), dtype=np.int16))
    senses = Senses(1000, 4, hop, 0, (mean, None) if bus else (mean,))
    return replace(with_vectors(model, rows), senses=senses, decision=Decision(**decision))  # type: ignore[arg-type]


def bits(node: MemoryNode, *names: str) -> tuple[int, ...]:
    found = node.read(Table.DISCRETE, 0, 16)
    return tuple(found[BY_NAME[name].address] for name in names)


def set_coil(node: MemoryNode, coil: int, value: bool) -> None:
    node.ask(struct.pack(">BHH", 5, coil, 0xFF00 if value else 0))


# -------------------------------------------------------------------------------------------------- every window


def run(node: MemoryNode, rng: np.random.Generator, model: Model, signal: Signal) -> list[Decided]:
    """Deploy, write the inputs of the bus, feed the signal in pieces."""
    node.factory()
    node.deploy(encode(model))
    node.decided()
    for index, source in enumerate(senses_of(model).sources):
        if source is None:
            node.write(INPUTS + index, [BUS])
    found: list[Decided] = []
    first = 0
    while first < len(signal.lost):
        end = min(len(signal.lost), first + int(rng.integers(1, 300)))
        while signal.lost[end - 1]:
            end += 1
        node.scans(signal.scans(first, end))
        node.work()
        found += node.decided()
        first = end
    return found


@pytest.mark.parametrize("gaps", [0, 20])
def test_every_window_is_what_the_pc_computes(node: MemoryNode, gaps: int) -> None:
    rng = np.random.default_rng(11 + gaps)
    windows = changes = missed = 0
    for _ in range(MODELS):
        signal = random_signal(rng, 2500, gaps)
        model = undecided(rng, signal)
        found = run(node, rng, model, signal)
        expected = twin(model, signal, [BUS] * model.inputs)
        assert found == expected
        assert node.get("WINDOWS") == len(expected)
        all_windows = (len(signal.lost) - senses_of(model).window) // senses_of(model).hop + 1
        assert node.get("WINDOWS_MISSED") == all_windows - len(expected)
        missed += all_windows - len(expected)
        windows += len(expected)
        changes += sum(a.decision != b.decision for a, b in pairwise(expected))
    assert windows > 1000, windows
    assert changes > 50, changes
    assert (missed > 0) == (gaps > 0)


def test_the_last_window_stands_in_the_registers(node: MemoryNode) -> None:
    rng = np.random.default_rng(3)
    for _ in range(6):
        signal = random_signal(rng, 600)
        model = undecided(rng, signal)
        window = run(node, rng, model, signal)[-1]
        size = BY_NAME["WINDOW_VALUES"].address - WINDOWS + 3 * model.inputs + model.outputs
        words = [word for i in range(size) for word in node.read(Table.INPUT, WINDOWS + i)]
        q = [*window.inputs, *window.outputs]
        values = [word for f in window.features for word in (f >> 16, f & 0xFFFF)] + [v & 0xFFFF for v in q]
        assert words[2:4] == [window.sample >> 16, window.sample & 0xFFFF]
        assert words[6:] == values
        assert words[4] == node.get("RESULT_BITS")
        assert bits(node, "SENSING", "WAITING", "DECISION", "LED") == (1, 0, window.decision, window.lit)
        assert node.read(Table.INPUT, WINDOWS, size) == words
        assert node.read(Table.INPUT, WINDOWS + size, 4) == [0] * 4, "nothing behind it"
        assert node.read(Table.HOLDING, INPUTS, model.inputs) == [v & 0xFFFF for v in window.inputs]


# ------------------------------------------------------------------------------------------------- late, or never


def test_what_waits_in_the_ring_is_decided_one_window_a_round(node: MemoryNode) -> None:
    model = level(hop=4)
    node.deploy(encode(model))
    node.scan([1001], times=12)
    for windows in (1, 3, 3):  # reading takes a round too
        node.idle(1)
        assert node.get("WINDOWS") == windows
    assert [window.sample for window in node.decided()] == [3, 7, 11]
    assert node.get("WINDOWS_MISSED") == 0


def test_what_the_ring_no_longer_holds_is_missed_and_said(node: MemoryNode) -> None:
    model = level(hop=1000)
    node.deploy(encode(model))
    events = node.get("EVENTS_HEAD")
    node.scan([1001], times=SAMPLE_WORDS + 2004)
    node.work()
    # Of the ring's scans the oldest is 2004: the windows at 0, 1000, 2000 are gone.
    assert [window.sample for window in node.decided()] == [1000 * i + 3 for i in range(3, 19)]
    assert (node.get("WINDOWS"), node.get("WINDOWS_MISSED")) == (16, 3)
    assert happened(node, events) == [(EventKind.LATE, 0, 1), (EventKind.DECISION, 1, 1)]
    node.advance(1000)
    node.work()
    assert happened(node, events)[2:] == [(EventKind.LATE, 0, 2)], "the rest a second later, not one by one"


def test_windows_that_are_never_decided_are_said_too(node: MemoryNode) -> None:
    node.deploy(encode(level(hop=4)))
    events = node.get("EVENTS_HEAD")
    for _ in range(3):
        node.scans([Scan([1001], missed=1, times=3)])
        node.work()
        node.advance(1000)
    node.work()
    assert (node.get("WINDOWS"), node.get("WINDOWS_MISSED")) == (0, 3)
    told = happened(node, events)
    assert [event for event in told if event[0] != EventKind.GAP] == [(EventKind.LATE, 0, 1)] * 3


def test_a_gap_costs_the_windows_that_it_is_in(node: MemoryNode) -> None:
    node.deploy(encode(level(hop=2)))
    node.scans([Scan([1001], times=6), Scan([1001], missed=1, times=6)])
    node.work()
    # 0..3 and 2..5 are whole; 4..7 and 6..9 have the lost scan 6 in them; 8..11 comes when it would have come.
    assert [window.sample for window in node.decided()] == [3, 5, 11]
    assert node.get("WINDOWS_MISSED") == 2


def test_a_bus_that_asks_for_more_channels_costs_windows_but_no_cadence(node: MemoryNode) -> None:
    node.deploy(encode(level(hop=4)))
    node.scan([1001], times=6)
    node.work()
    node.write(BY_NAME["SAMPLE_CHANNELS"].address, [1 << 3])
    assert node.sampled() == (1 << 0 | 1 << 3, 1000)
    node.scan([1001, 0, 0, 5], times=6)
    node.work()
    assert [window.sample for window in node.decided()] == [3, 11], "4..7 was in two rings"
    assert node.get("WINDOWS_MISSED") == 1


# -------------------------------------------------------------------------------------------- another model, a start


def test_until_the_first_window_the_decision_is_what_the_model_says(node: MemoryNode) -> None:
    for before in (False, True):
        node.deploy(encode(level(before=before)))
        number = node.get("SAMPLES_HEAD")
        assert bits(node, "SENSING", "WAITING", "DECISION", "CONDITION") == (1, 1, before, before)
        assert node.lamp() == before
        inferences = node.get("INFERENCES")
        node.scan([2000 * (not before)], times=3)
        node.work()
        assert bits(node, "WAITING", "DECISION") == (1, before)
        node.scan([2000 * (not before)])
        node.work()
        assert bits(node, "WAITING", "DECISION", "CONDITION") == (0, not before, not before)
        assert node.lamp() == (not before)
        assert node.get("WINDOW_SAMPLE") == number + 3
        assert node.get("INFERENCES") == inferences + 1


def test_every_model_begins_anew(node: MemoryNode) -> None:
    first, second = level(hop=4), level(hop=3, votes=1, of=2)
    node.deploy(encode(first))
    assert node.sampled() == (1, 1000)
    node.scan([2000], times=9)
    node.work()
    assert (node.get("WINDOWS"), node.lamp()) == (2, True)
    node.deploy(encode(second))
    assert (node.get("WINDOWS"), node.get("WINDOW_SAMPLE"), node.lamp()) == (0, 0, False)
    node.scan([0], times=7)
    node.work()
    assert [window.sample for window in node.decided()] == [3, 7, 12, 15], "from the scan that came next"
    node.command(Command.ROLLBACK, crc=int.from_bytes(encode(first)[-4:], "little"))
    node.work()
    node.scan([2000], times=4)
    node.work()
    assert [window.sample for window in node.decided()] == [19]
    node.deploy(encode(AND))
    assert node.sampled() == (0, 0), "nobody asks for samples any more"
    assert bits(node, "SENSING", "WAITING") == (0, 0)
    assert node.read(Table.INPUT, WINDOWS, 100) == [0] * 100


def test_a_start_samples_at_once(node: MemoryNode) -> None:
    node.deploy(encode(level(before=True)))
    node.power_cycle()
    assert node.sampled() == (1, 1000)
    assert bits(node, "SENSING", "WAITING", "LED") == (1, 1, 1)
    node.scan([500], times=4)
    node.work()
    assert (node.get("WINDOW_SAMPLE"), node.lamp()) == (3, False)


def test_a_rotten_model_s_channels_are_left(node: MemoryNode) -> None:
    image = encode(level())
    node.deploy(image)
    node.rot(node.flash().index(image) + len(image) - 6, b"\1")
    node.idle(10)
    assert bits(node, "MODEL_VALID", "SENSING") == (0, 0)
    assert node.sampled() == (0, 0)


def test_what_is_not_measured_yet_is_not_out_of_range(node: MemoryNode) -> None:
    """The input's 0 is far beyond what its format holds, and so is what the model before had in it."""
    model = level(bus=True)
    model = replace(model, input_offset=(40000.0, 0.0), input_low=(-5, -5), input_high=(5, 5))
    node.write(FLOATS, [0x4000, 0, 0x4000, 0])
    events = node.get("EVENTS_HEAD")
    node.deploy(encode(model))
    assert bits(node, "WAITING", "CLIPPED", "OUT_OF_RANGE") == (1, 0, 0)
    assert [kind for kind, *_ in happened(node, events)] == [EventKind.MODEL]
    assert node.read(Table.HOLDING, INPUTS, 2) == [0x8000, 2], "0 in its own units, whatever was there before"
    node.write(INPUTS + 1, [6])
    assert bits(node, "CLIPPED", "OUT_OF_RANGE") == (0, 1), "an input of the bus counts"
    node.write(INPUTS + 1, [5])
    node.scan([5], times=4)
    node.work()
    assert bits(node, "WAITING", "CLIPPED", "OUT_OF_RANGE") == (0, 0, 0)
    node.scan([6], times=4)
    node.work()
    assert bits(node, "CLIPPED", "OUT_OF_RANGE") == (0, 1)


@pytest.mark.parametrize("floats", [False, True])
def test_what_the_bus_writes_instead_counts(node: MemoryNode, floats: bool) -> None:
    node.deploy(encode(replace(level(), input_low=(-5,), input_high=(5,))))
    set_coil(node, OVERRIDE, True)
    node.ask(writes(0, [0x4100, 0] if floats else [8], floats)[0])
    assert bits(node, "CLIPPED", "OUT_OF_RANGE") == (0, 1)


def test_time_does_not_jump_as_a_model_of_another_rate_begins(node: MemoryNode) -> None:
    """A write before the first window is decided at the time of the new rate: the delay begins there."""
    slow = level()
    slow = replace(slow, senses=replace(senses_of(slow), rate=100))
    node.deploy(encode(slow))
    node.scan([0], times=2000)
    node.work()
    set_coil(node, OVERRIDE, True)
    image = encode(level(on_delay=10_000))
    crc = int.from_bytes(image[-4:], "little")
    node.write(BY_NAME["STAGE"].address, bytes_registers(image))
    node.command(Command.VERIFY, len(image), crc)
    node.command(Command.COMMIT, crc=crc)
    for _ in range(
        500
    ):  # one of them comes straight after the commit: the store works while the bus is quiet
        node.idle(1)
        node.write(INPUTS, [2000])
    assert node.get("MODEL_CRC") == crc
    assert bits(node, "CONDITION", "DECISION") == (1, 0)
    node.scan([0], times=9_000)
    node.idle(1)
    assert bits(node, "DECISION") == (0,)
    node.scan([0], times=1_100)
    node.idle(1)
    assert bits(node, "DECISION") == (1,)


# ------------------------------------------------------------------------------------------------------ who writes


def writes(first: int, values: list[int], floats: bool) -> list[bytes]:
    """The same write by every function that could do it."""
    address = (FLOATS if floats else INPUTS) + first
    words = struct.pack(f">{len(values)}H", *values)
    size = len(words)
    requests = [
        struct.pack(">BHHB", 16, address, len(values), size) + words,
        struct.pack(">BHHHHB", 23, BY_NAME["RESULT_BITS"].address, 2, address, len(values), size) + words,
    ]
    if len(values) == 1:
        requests += [
            struct.pack(">BHH", 6, address, values[0]),
            struct.pack(">BHHH", 22, address, 0, values[0]),
        ]
    return requests


@pytest.mark.parametrize("floats", [False, True])
def test_a_sensed_input_is_not_the_bus_s_to_write(node: MemoryNode, floats: bool) -> None:
    node.deploy(encode(level(bus=True)))
    node.scan([1001], times=4)
    node.work()
    width = 2 if floats else 1
    inferences = node.get("INFERENCES")
    for first, count in ((0, 1), (0, 2), (0, 5)):
        for request in writes(width * first, [1] * (width * count), floats):
            assert node.refusal(request) == FAILURE
            assert (node.get("REASON"), node.get("DETAIL")) == (Reason.SENSED, 0)
            assert node.read(Table.HOLDING, INPUTS, 6) == [1001, 0, 0, 0, 0, 0], "nothing of it was done"
    for request in writes(width, [0, 0][:width], floats):
        assert node.refusal(request) == OK
    assert node.refusal(writes(0, [1] * width * 2, floats)[0]) == FAILURE
    if floats:
        assert node.refusal(writes(0, [1], floats)[0]) == ADDRESS, "half a value"
        assert node.refusal(writes(0, [0x7FC0, 0], floats)[0]) == VALUE, "no number"
    assert node.get("INFERENCES") == inferences


def test_the_detail_is_the_first_input_that_is_sensed(node: MemoryNode) -> None:
    model = level(bus=True)
    senses = senses_of(model)
    node.deploy(encode(replace(model, senses=replace(senses, sources=senses.sources[::-1], expected=()))))
    assert node.refusal(writes(0, [1, 1, 1], floats=False)[0]) == FAILURE
    assert (node.get("REASON"), node.get("DETAIL")) == (Reason.SENSED, 1)


def test_an_input_of_the_bus_takes_part_in_the_next_window(node: MemoryNode) -> None:
    node.deploy(encode(level(bus=True)))
    node.scan([400], times=4)
    node.work()
    inferences = node.get("INFERENCES")
    node.write(INPUTS + 1, [601])
    assert (bits(node, "LED"), node.get("INFERENCES")) == ((0,), inferences)
    node.scan([400], times=4)
    node.work()
    assert (bits(node, "LED"), node.get("INFERENCES")) == ((1,), inferences + 1)
    assert node.decided()[-1].inputs == (400, 601)


def test_override_gives_the_inputs_to_the_bus_and_back(node: MemoryNode) -> None:
    node.deploy(encode(level()))
    node.scan([400], times=4)
    node.work()
    events = node.get("EVENTS_HEAD")
    set_coil(node, OVERRIDE, True)
    assert bits(node, "HELD", "SENSING") == (1, 1)
    node.write(INPUTS, [1001])
    assert (bits(node, "LED"), node.get("INFERENCES")) == ((1,), 2)
    node.scan([400], times=17)
    node.work()
    assert (bits(node, "LED"), node.get("WINDOWS"), node.get("WINDOWS_MISSED")) == ((1,), 1, 0)
    set_coil(node, OVERRIDE, False)
    assert node.refusal(writes(0, [1], floats=False)[0]) == FAILURE
    node.work()
    assert bits(node, "LED", "HELD") == (1, 0), "until the next window"
    node.scan([400], times=3)
    node.work()
    assert (bits(node, "LED"), node.get("WINDOW_SAMPLE")) == ((0,), 23)
    assert happened(node, events) == [
        (EventKind.OVERRIDE, 1, 0),
        (EventKind.DECISION, 1, 2),
        (EventKind.OVERRIDE, 0, 0),
        (EventKind.DECISION, 0, 3),
    ]


# ----------------------------------------------------------------------------------------------------------- coils


def test_hold_keeps_outputs_and_lamp_while_windows_go_on(node: MemoryNode) -> None:
    node.deploy(encode(level()))
    node.scan([400], times=4)
    node.work()
    set_coil(node, HOLD, True)
    node.scan([1001], times=4)
    node.work()
    assert (node.read(Table.HOLDING, INPUTS), node.get("INFERENCES"), bits(node, "LED")) == ([1001], 1, (0,))
    set_coil(node, HOLD, False)
    assert (node.get("INFERENCES"), bits(node, "LED")) == (2, (1,))
    set_coil(node, LAMP_TEST, True)
    set_coil(node, LAMP_TEST, False)
    assert node.get("INFERENCES") == 2, "a window counts once"


# ---------------------------------------------------------------------------------------------------------- events


def happened(node: MemoryNode, first: int) -> list[tuple[int, int, int]]:
    """Kind, detail and value of the events from that number on."""
    found = []
    for number in range(first, node.get("EVENTS_HEAD")):
        node.write(BY_NAME["EVENT_FROM"].address, [number >> 16, number & 0xFFFF])
        assert node.get("EVENT_NUMBER") == number
        found.append((node.get("EVENT_KIND"), node.get("EVENT_DETAIL"), node.get("EVENT_VALUE")))
    return found


def test_decisions_and_clipping_are_told_with_the_inputs(node: MemoryNode) -> None:
    mean = Source(0, Feature.MEAN, multiply=8, shift=0, offset=-100)
    model = level()
    node.deploy(encode(replace(model, senses=replace(senses_of(model), sources=(mean,), expected=()))))
    events = node.get("EVENTS_HEAD")
    node.scans([Scan([0], times=4), Scan([1000], times=4), Scan([1024], times=4), Scan([1100], times=4)])
    node.work()
    assert [window.inputs[0] for window in node.decided()] == [-100, 31900, 32668, 32767]
    assert happened(node, events) == [(EventKind.DECISION, 1, 2), (EventKind.CLIPPED, 1, 0)]
    node.write(BY_NAME["EVENT_FROM"].address, [0, events])
    assert (node.get("EVENT_SAMPLE"), node.get("EVENT_COUNT")) == (16, 1)
    assert node.read(Table.HOLDING, BY_NAME["EVENT_INPUTS"].address, 2) == [31900, 0]
    assert bits(node, "CLIPPED", "OUT_OF_RANGE") == (1, 1)
    node.scan([0], times=4)
    node.work()
    assert happened(node, events)[2:] == [(EventKind.DECISION, 0, 5), (EventKind.CLIPPED, 0, 0)]
