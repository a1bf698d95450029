"""No round of the main loop takes long, whatever a node is sent: hostile trainings, images and requests, on the STM32
image itself. A round is what happens between two feeds of the watchdog, which bites after 2 s.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from host.core.image import Layer, Model, encode
from host.core.infer import infer
from host.core.learn import Config
from host.core.modbus import READ_REGISTERS_MAX
from host.core.registers import bytes_registers, placed
from host.core.senses import Senses, Source
from host.core.wire import (
    ANALOG,
    ARENA_BYTES,
    BAND_BINS_MAX,
    BAUD_MAX,
    BY_NAME,
    IMAGE_MAX,
    RATE_MAX,
    SAMPLE_WORDS,
    UNITS_MAX,
    VECTORS_MAX,
    WINDOW_MAX,
    Activation,
    Command,
    EventKind,
    Feature,
    Gap,
    Reason,
    Training,
)
from host.training.onboard import Wish, arena, arena_bytes, order
from tests.elf import Machine
from tests.elf.chip import SRAM, SRAM_SIZE
from tests.elf.firmware import firmware_elf, ready
from tests.elf.flash import BASE
from tests.elf.master import Master, Refused
from tests.elf.program import load

IDENTITY, STEP, RELU, SIGMOID, TANH = Activation
CYCLES_PER_INSTRUCTION = 1.5
HERTZ = 168_000_000
LIMIT_MS = 200
START = Callable[[Config], Any]


class Rounds:
    """The longest round while it is entered. Instructions are counted: stalls of the flash and sleep are no work."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._feed = machine.chip.iwdg._feed
        self._last = self._now()
        self.longest = 0

    def _now(self) -> int:
        engine = self._machine.chip.engine
        return self._machine.instructions + (engine.executed if engine.running else 0)

    def _on_feed(self) -> None:
        self._feed()
        now = self._now()
        self.longest = max(self.longest, now - self._last)
        self._last = now

    def __enter__(self) -> Rounds:
        self._machine.chip.iwdg._feed = self._on_feed  # type: ignore[method-assign]
        return self

    def __exit__(self, *raised: object) -> None:
        self._machine.chip.iwdg._feed = self._feed  # type: ignore[method-assign]

    @property
    def ms(self) -> float:
        return self.longest * CYCLES_PER_INSTRUCTION / HERTZ * 1000


@pytest.fixture(scope="module")
def master() -> Master:
    return ready(firmware_elf())


# ---------------------------------------------------------------------------------------------------- trainings


def huge_last(config: Config) -> Any:
    """Nothing but subnormals, until the last weight of a layer spoils every scale but the coarsest."""
    start = np.full(config.count, 1e-41)
    for first, inputs, outputs, _ in config.layers:
        start[first + inputs * outputs - 1] = 2e9
    return start


def growing(config: Config) -> Any:
    """Each larger than all before."""
    return np.linspace(1e-6, 1, config.count)


def normal(scale: float = 1.0) -> START:
    return lambda config: np.random.default_rng(485).normal(size=config.count) * scale


FLOAT64 = {"dtype": np.float64, "rate": 0.01}
FLOAT32 = {"dtype": np.float32, "rate": 0.0, "batch": 1}
TRAININGS: dict[str, tuple[tuple[int, ...], tuple[Activation, ...], dict[str, Any], START, int]] = {
    "of the issue": ((60, 64, 48), (IDENTITY, IDENTITY), FLOAT32, huge_last, 1),
    "the largest image": ((60, 60), (TANH,), FLOAT32, growing, 1),
    "huge last": ((60, 60), (IDENTITY,), FLOAT32, huge_last, 1),
    "two layers": ((8, 64, 46), (TANH, RELU), FLOAT32, growing, 1),
    "float64, one by one": ((58, 60), (SIGMOID,), {**FLOAT64, "batch": 1}, growing, 1),
    "float64, Adam": ((22, 33, 20), (TANH, SIGMOID), {**FLOAT64, "adam": True}, normal(), 1),
    "float64, Adam on subnormals": (
        (22, 33, 20),
        (IDENTITY, TANH),
        {**FLOAT64, "adam": True},
        normal(1e-310),
        1,
    ),
    "float64, all at once": ((30, 40, 29), (SIGMOID, SIGMOID), FLOAT64, normal(), 2),
    "most samples, shuffled": ((1, 1), (STEP,), {**FLOAT32, "shuffle": True}, normal(), 5100),
    "diverging": ((22, 33, 20), (RELU, RELU), {**FLOAT64, "adam": True}, normal(1e150), 1),
}


def train(master: Master, wish: Wish) -> Training:
    """Have it trained, and ask how it stands all the while: an answer that takes 200 ms fails."""
    master.machine.write("arena.0", arena(wish))
    master.write(*placed(**order(wish)))
    try:
        master.command(Command.TRAIN)
    except Refused:
        return Training(master.value("TRAIN_STATE"))
    while (state := Training(master.value("TRAIN_STATE"))) is Training.RUNNING:
        pass
    return state


def hostile(
    units: tuple[int, ...],
    activation: tuple[Activation, ...],
    options: dict[str, Any],
    start: START,
    samples: int,
) -> Wish:
    config = Config(units, activation, epochs=2 if options.get("adam") else 1, **options)
    rng = np.random.default_rng(samples)
    x, y = rng.normal(size=(samples, units[0])), rng.normal(size=(samples, units[-1]))
    model: Any = SimpleNamespace(
        name="worst",
        vector_inputs=np.zeros((1, units[0]), np.int16),
        input_fraction=(0,) * units[0],
        input_offset=(0.0,) * units[0],
        led_output=0,
        led_class=False,
    )
    return Wish(config, x, y, start(config).tolist(), [(-1.0, 1.0)] * units[0], model, 0.0)


@pytest.mark.parametrize("case", TRAININGS)
def test_no_round_of_a_training_is_long(master: Master, case: str) -> None:
    wish = hostile(*TRAININGS[case])
    assert arena_bytes(wish.config, len(wish.x), 1) <= ARENA_BYTES
    with Rounds(master.machine) as rounds:
        state = train(master, wish)
    print(f"{case}: {state.name}, {rounds.ms:.1f} ms")
    assert state not in (Training.NONE, Training.RUNNING)
    assert master.machine.resets == ["power"]
    assert 0 < rounds.ms < LIMIT_MS


def test_no_round_of_a_random_training_is_long(master: Master) -> None:
    """Shapes, types, methods and sizes of weights by a seed, of up to 3 samples."""
    rng = np.random.default_rng(8)
    ended: set[Training] = set()
    for _ in range(8):
        depth = int(rng.integers(1, 4))
        options = {
            "dtype": rng.choice([np.float32, np.float64]),
            "adam": bool(rng.integers(2)),
            "batch": int(rng.integers(2)),
            "rate": 10.0 ** rng.uniform(-5, 1),
        }
        activation = tuple(Activation(int(a)) for a in rng.integers(0, len(Activation), depth))
        most = UNITS_MAX
        while True:
            units = tuple(int(n) for n in rng.integers(max(1, most // 2), most + 1, depth + 1))
            if arena_bytes(Config(units, activation, **options), 3, 1) <= ARENA_BYTES:
                break
            most -= 1
        powers = 10.0 ** rng.uniform(-45, 10, 2)
        spread = [normal(powers[0]), huge_last, growing, lambda config: growing(config) * powers[1]]  # noqa: B023
        wish = hostile(
            units, activation, options, spread[int(rng.integers(len(spread)))], int(rng.integers(1, 4))
        )
        with Rounds(master.machine) as rounds:
            ended.add(train(master, wish))
        print(f"{units} {options}: {rounds.ms:.1f} ms")
        assert rounds.ms < LIMIT_MS
    assert master.machine.resets == ["power"]
    assert len(ended) >= 2


def test_no_data_take_long_to_look_through(master: Master) -> None:
    """An arena full of samples, of which the very last number is bad."""
    wish = hostile((1, 1), (STEP,), {**FLOAT32, "batch": 1}, normal(), 7600)
    data = bytearray(arena(wish))
    data[-4:] = np.float32(np.nan).tobytes()  # the self-test's row
    with Rounds(master.machine) as rounds:
        master.machine.write("arena.0", bytes(data))
        master.write(*placed(**order(wish)))
        with pytest.raises(Refused):
            master.command(Command.TRAIN)
    assert master.reason()[0] is Reason.TRAIN_DATA
    assert rounds.ms < LIMIT_MS


# ----------------------------------------------------------------------------------------------------- settings


def test_no_round_is_long_on_the_fastest_line(master: Master) -> None:
    """Where a request follows every answer at once; and where settings are saved."""
    with Rounds(master.machine) as rounds:
        master.set_line(BAUD_MAX, gap=Gap.TRUE_CHARACTERS)
        for case in ("the largest image", "float64, Adam"):
            assert train(master, hostile(*TRAININGS[case])) is Training.DONE
        master.set_line()
    print(f"{rounds.ms:.1f} ms")
    assert master.machine.resets == ["power"]
    assert rounds.ms < LIMIT_MS


# ------------------------------------------------------------------------------------------------------- images


def largest(units: tuple[int, ...], vectors: int, activation: Activation) -> Model:
    """Every sum needs 64 bits."""
    rng = np.random.default_rng(units[0])
    layers = tuple(
        Layer(
            np.where(rng.random((outputs, inputs)) < 0.5, -32768, 32767).astype(np.int16),
            rng.integers(-(2**31), 2**31 - 1, outputs).astype(np.int32),
            activation,
            12 + 16 if activation is TANH else 20,
            15 if activation is TANH else 0,
        )
        for inputs, outputs in itertools.pairwise(units)
    )
    rows = rng.integers(-32768, 32768, (vectors, units[0])).astype(np.int16)
    model = Model("largest", (0,) * units[0], layers, 0, 0, rows, np.zeros((vectors, 0), np.int16))
    return replace(model, vector_outputs=infer(model, rows))


IMAGES = {
    "one layer": ((60, 61), 1, TANH),
    "eight layers, all vectors": ((4, *(22,) * 7, 4), VECTORS_MAX, TANH),
    "relu": ((1, 64, 54, 1), VECTORS_MAX, RELU),
}


def stage(master: Master, image: bytes) -> None:
    """The image stands in the stage, without the time that it takes over the bus."""
    beginning = image[:400]  # longer than a frame, which the receiver may still have
    master.stage(beginning)
    node = master.machine.address("node.0")
    at = node + master.machine.read(node, SRAM + SRAM_SIZE - node).index(beginning)
    master.machine.write(at, image)


@pytest.mark.parametrize("case", IMAGES)
def test_no_round_of_a_deploy_or_of_an_answer_is_long(master: Master, case: str) -> None:
    machine, model = master.machine, largest(*IMAGES[case])
    image = encode(model)
    crc = int.from_bytes(image[-4:], "little")
    assert 0.9 * IMAGE_MAX < len(image) <= IMAGE_MAX
    outputs = BY_NAME["OUTPUTS_FLOAT"]
    floats = bytes_registers(np.full(min(60, model.inputs), -1e-41, ">f4").tobytes())
    machine.chip.flash.slowness = 0.05
    stage(master, image)
    with Rounds(machine) as rounds:
        master.command(Command.VERIFY, len(image), crc)
        master.command(Command.COMMIT, crc=crc)
        machine.run(milliseconds=300)
        assert master.value("MODEL_CRC") == crc
        master.write(BY_NAME["INPUTS_FLOAT"].address, floats)
        master.read(outputs.table, outputs.address, min(READ_REGISTERS_MAX, 2 * model.outputs))
    print(f"{case}: {rounds.ms:.1f} ms")
    assert rounds.ms < LIMIT_MS


def too_much() -> Model:
    """More than there is time for: with every scan ends a window of the longest, and each input is a band of the most
    bins."""
    sources = tuple(Source(i % ANALOG, Feature.BAND, 1, 16, 0, (1, BAND_BINS_MAX)) for i in range(UNITS_MAX))
    layer = Layer(np.ones((1, UNITS_MAX), np.int16), np.zeros(1, np.int32), Activation.IDENTITY, 0, 0)
    rows = np.zeros((1, UNITS_MAX), np.int16)
    senses = Senses(RATE_MAX, WINDOW_MAX, 1, 485, sources)
    zeros = np.zeros((1, 1), np.int16)
    return Model("too much", (0,) * UNITS_MAX, (layer,), 0, 0, rows, zeros, senses=senses)


def test_windows_that_are_too_many_are_left_out_and_the_newest_decided(master: Master) -> None:
    machine, image = master.machine, encode(too_much())
    crc = int.from_bytes(image[-4:], "little")
    stage(master, image)
    events = master.value("EVENTS_HEAD")
    with Rounds(machine) as rounds:
        master.command(Command.VERIFY, len(image), crc)
        master.command(Command.COMMIT, crc=crc)
        machine.run(milliseconds=500)  # the ring has gone round twice
        assert master.value("MODEL_CRC") == crc
        decided, head = (master.value(name) for name in ("WINDOWS", "SAMPLES_HEAD"))
        while master.value("SAMPLES_HEAD") < head + 2 * SAMPLE_WORDS // ANALOG:
            machine.run(milliseconds=20)
        decided = master.value("WINDOWS") - decided
    print(f"{rounds.ms:.1f} ms, {decided} windows in {2 * SAMPLE_WORDS // ANALOG / RATE_MAX:.1f} s")
    assert rounds.ms < LIMIT_MS
    assert decided >= 3, "one in two is in time"
    assert master.value("SAMPLES_HEAD") - master.value("WINDOW_SAMPLE") < SAMPLE_WORDS // ANALOG
    kinds = []
    for number in range(events, master.value("EVENTS_HEAD")):
        master.write(*placed(EVENT_FROM=number))
        kinds.append(master.value("EVENT_KIND"))
    assert EventKind.LATE in kinds


def start_ms(machine: Machine) -> float:
    """From reset to the end of the first round."""
    before = machine.instructions
    machine.run_to("port_idle")
    return (machine.instructions - before) * CYCLES_PER_INSTRUCTION / HERTZ * 1000


def test_a_start_is_quick(master: Master) -> None:
    """With the last of the models above to find, check and run."""
    master.machine.reset()
    ms = start_ms(master.machine)
    print(f"{ms:.1f} ms")
    assert 0 < ms < LIMIT_MS


SECTOR = 16384
FLASHES = {
    "zeros": bytes(SECTOR),
    "noise": np.random.default_rng(485).bytes(SECTOR),
    "beginnings of records": struct.pack("<2I", 0x3552344E, 2) * (SECTOR // 8),
}


@pytest.mark.parametrize("case", FLASHES)
def test_a_start_is_quick_whatever_the_sectors_hold(case: str) -> None:
    elf = firmware_elf()
    flash = bytearray(load(elf).flash)
    for address in (0x08004000, 0x08008000, 0x0800C000, 0x080E0000):
        flash[address - BASE : address - BASE + SECTOR] = FLASHES[case]
    machine = Machine(elf, flash=bytes(flash))
    with Rounds(machine) as rounds:
        ms = start_ms(machine)
        machine.run(milliseconds=20)
    print(f"{case}: {ms:.1f} ms, {rounds.ms:.1f} ms")
    assert 0 < ms < LIMIT_MS
    assert rounds.ms < LIMIT_MS
