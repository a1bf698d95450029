"""The board's own ELF, counted on the harness of tests/elf.

It runs there in virtual time, so the figures repeat exactly. An instruction takes one cycle there; on the chip loads,
branches and the flash's wait states add to that.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Symbol, SymbolTableSection
from unicorn import arm_const as arm

from host.core.image import Model, encode
from host.core.infer import dequantise_outputs, infer, quantise_inputs
from host.core.modbus import (
    READ_REGISTERS_MAX,
    frame_valid,
    registers_of,
    write_read_pdu,
    write_registers_pdu,
)
from host.core.registers import bytes_registers, pack, placed
from host.core.wire import (
    BAUD_MAX,
    BY_NAME,
    LAYERS_MAX,
    RAW_MAX,
    SAMPLE_MISSING,
    Activation,
    Command,
    Format,
    Gap,
    Loss,
)
from host.progress import Progress, silent
from tests.elf import Machine, firmware
from tests.elf.chip import CCM, CCM_SIZE
from tests.elf.cycles import Cycles
from tests.elf.features import Features
from tests.elf.flash import BASE, SIZE
from tests.elf.inference import IMAGE, Inference
from tests.elf.master import Master
from tests.parity.features import Windows
from tests.pdus import stage_frames
from tools.bench.networks import NARROW, NETWORKS, WIDE, four_kib_image, he_network, small_models

RUNTIME = ("infer.c", "fixed.c")
FLASH = range(BASE, BASE + SIZE)
DEPLOY_BAUDS = (115200, BAUD_MAX)
CHARACTER_BITS = 11
REQUESTS = 8
REPLY_MS = 4
"""Longer than the longest reply that is asked for here, at BAUD_MAX."""


@dataclass(frozen=True)
class Training:
    """One step of a training, in instructions; one that ends an epoch, which looks at all parameters; and the bytes
    that it takes beside its data."""

    instructions: int
    ends_epoch: int
    ram: int


@dataclass(frozen=True)
class Deploy:
    """A deploy of 4 KiB by a master that loses no time, in microseconds: the raw image at the wire's speed, until the
    image is verified, until its last word is in the flash."""

    raw_us: float
    verified_us: float
    committed_us: float


@dataclass(frozen=True)
class Counts:
    """Everything that is counted on the ELF, which `compiler` made. small, infer: instructions of an inference by
    model; cycles: of the same, estimated, with the image in RAM and in flash; error: the largest of 10-7-10 narrow;
    features: instructions of what a window of 256 is made into;
    request: instructions of a function 23 with ten inputs, from its last byte to the first of the reply; frame: the
    same of 123 registers, and late_us how long the reply waits beyond the silence; ring: the same of a function 23 for
    120 words of samples; functions: bytes of code; tables, variables: bytes that they have in flash and in RAM."""

    compiler: str
    small: dict[str, int]
    infer: dict[str, int]
    cycles: dict[str, tuple[int, int]]
    error: float
    features: dict[str, int]
    request: dict[str, int]
    train: dict[str, Training]
    crc: int
    frame: int
    ring: int
    late_us: float
    functions: dict[str, int]
    tables: int
    variables: int
    weights: int
    stack: int
    deploys: dict[int, Deploy]


def count(elf: Path, progress: Progress = silent) -> Counts:
    """All of it, in about a quarter of a minute."""
    models = {name: he_network(name) for name in NETWORKS}
    steps = 7

    def at(step: int) -> None:
        progress("counting on the ELF", step, steps)

    at(0)
    small = {name: infer_instructions(elf, model) for name, model in small_models().items()}
    infers = {name: infer_instructions(elf, model) for name, (model, _) in models.items()}
    cycles = {name: infer_cycles(elf, model) for name, (model, _) in models.items()}
    at(1)
    request = {name: request_instructions(elf, floats=name == "float32") for name in ("int16", "float32")}
    at(2)
    train = {name: training(elf, adam=name == "adam") for name in ("sgd", "adam")}
    at(3)
    crc, (frame, late_us) = crc_instructions(elf), frame_instructions(elf)
    at(4)
    stack = max(infer_stack(elf, models[name][0]) for name in (NARROW, WIDE))
    at(5)
    deploys = {baud: deploy(elf, baud) for baud in DEPLOY_BAUDS}
    tables, variables = runtime_data(elf)
    at(6)
    counts = Counts(
        compiler=compiler(elf),
        small=small,
        infer=infers,
        cycles=cycles,
        error=models[NARROW][1].error_observed,
        features=features_instructions(elf),
        request=request,
        train=train,
        crc=crc,
        frame=frame,
        ring=ring_instructions(elf),
        late_us=late_us,
        functions=runtime_functions(elf),
        tables=tables,
        variables=variables,
        weights=weights_size(models[NARROW][0]),
        stack=stack,
        deploys=deploys,
    )
    at(steps)
    return counts


# ------------------------------------------------------------------------------------------------------- functions


def started(elf: Path) -> Machine:
    """With all variables in place, so that functions can be called."""
    machine = Machine(elf)
    machine.run_to("node_boot")
    return machine


def infer_instructions(elf: Path, model: Model) -> int:
    """Of the costliest of the model's vectors; each result is checked."""
    inference = Inference(started(elf), encode(model))
    counts = set()
    for row, expected in zip(model.vector_inputs, infer(model, model.vector_inputs), strict=True):
        outputs, instructions = inference.infer(row)
        if (outputs != expected).any():
            raise AssertionError(f"{model.name}: {outputs} is not {expected}")
        counts.add(instructions)
    return max(counts)


def infer_cycles(elf: Path, model: Model) -> tuple[int, int]:
    """By the Cortex-M4's table (tests/elf/cycles.py), of the first vector: with the image in RAM, and in flash."""
    image = encode(model)
    counts = []
    for flash in ((), (range(IMAGE, IMAGE + len(image)),)):
        machine = started(elf)
        inference = Inference(machine, image)
        with Cycles(machine, elf, flash) as counted:
            inference.infer(model.vector_inputs[0])
        counts.append(counted.cycles)
    return counts[0], counts[1]


def crc_instructions(elf: Path) -> int:
    """CRC-32 of 8 KiB."""
    data = bytes(range(256)) * 32
    return started(elf).call("crc32", data, len(data))[1]


def features_instructions(elf: Path) -> dict[str, int]:
    """Of a window of 256 in a ring of 8 channels, which wraps within it; each result is checked."""
    rng, machine = np.random.default_rng(485), Features(started(elf))
    raw, parts = rng.integers(0, RAW_MAX + 1, (1, 256)).astype(np.uint16), np.array([101], dtype=np.uint16)
    analog = [Windows(raw, parts, stride=8, band=(5, high)) for high in (5, 6)]
    counts = []
    for windows in (*analog, Windows(raw, parts, stride=8, mask=1)):
        numbers, measured, banded = machine.numerators(windows, 0)
        if (numbers != windows.expected()[0]).any():
            raise AssertionError(f"{windows}: {numbers} is not {windows.expected()[0]}")
        counts.append((measured, banded))
    (measured, one), (_, two), (digital, _) = counts
    return {
        "last to crossings of an analog channel": measured,
        "a band of one bin": one,
        "each further bin": two - one,
        "level, count and frequency of a digital channel": digital,
    }


LEARNER, CONFIG, DATA, WORKSPACE = CCM, CCM + 0x400, CCM + 0x800, CCM + 0x1000
TRAINING_STEPS = 20
LEARNER_BYTES = 160
"""sizeof(struct learn32)."""


def training(elf: Path, *, adam: bool) -> Training:
    """A step of 10-7-10, batch 1, float32: forward, back and update; the costliest of some."""
    machine, rng = started(elf), np.random.default_rng(485)
    units, activation = (10, 7, 10), (Activation.RELU, Activation.IDENTITY)
    config = struct.pack(
        f"<{LAYERS_MAX + 1}H{LAYERS_MAX}B B? B??? IIII",
        *(*units, *[0] * (LAYERS_MAX + 1 - len(units))),
        *(*activation, *[0] * (LAYERS_MAX - len(activation))),
        *(len(activation), True, Loss.SUM, adam, False, False),
        *(0, 2, 1, TRAINING_STEPS),
    )
    machine.write(CONFIG, config)
    machine.write(DATA, rng.normal(size=2 * (units[0] + units[-1])).astype("<f4").tobytes())
    size = int(machine.call("learn32_size", CONFIG)[0])
    parameters = int(machine.call("learn32_count", CONFIG)[0])
    targets, room = DATA + 2 * 4 * units[0], CCM_SIZE - (WORKSPACE - CCM)
    rate, tolerance = 0.01, 0.0
    begun = machine.call(
        "learn32_begin", LEARNER, CONFIG, DATA, targets, rate, tolerance, WORKSPACE, room, returns="i32"
    )
    if begun[0] != 0:
        raise AssertionError(f"learn32_begin answers {begun[0]}")
    machine.write(WORKSPACE, (rng.normal(size=parameters) * 0.3).astype("<f4").tobytes())
    steps = [machine.call("learn32_sample", LEARNER)[1] for _ in range(TRAINING_STEPS)]
    return Training(max(steps[::2]), max(steps[1::2]), size + LEARNER_BYTES)


# -------------------------------------------------------------------------------------------------------- the line


def ready(elf: Path, baud: int, model: Model | None = None) -> Master:
    """A node with prepared stores that runs the model and speaks at `baud` with true gaps."""
    master = firmware.ready(elf)
    if model is not None:
        master.deploy(encode(model))
    master.set_line(baud, Format.F8E1, Gap.TRUE_CHARACTERS)
    return master


def asked(master: Master, pdu: bytes) -> tuple[int, float, bytes]:
    """From the last byte of a request to the first of its reply: instructions, and microseconds after the 3.5
    characters of silence. And the reply."""
    machine, bus = master.machine, master.machine.bus
    heard = len(bus.received)
    end = bus.send(master.frame(pdu), delay_us=100)
    machine.run_until(lambda: machine.us >= end, 10_000)
    before = machine.instructions
    machine.run_until(lambda: len(bus.received) > heard, 10_000)
    instructions = machine.instructions - before
    machine.run(milliseconds=REPLY_MS)
    return instructions, bus.received[heard].start_us - end - 3.5 * CHARACTER_BITS, bus.data[heard:]


def frame_instructions(elf: Path) -> tuple[int, float]:
    """Of a write of 123 registers: instructions and microseconds as in asked()."""
    pdu = write_registers_pdu(BY_NAME["STAGE"].address, bytes_registers(bytes(range(246))))
    return asked(ready(elf, BAUD_MAX), pdu)[:2]


def ring_instructions(elf: Path) -> int:
    """Of a function 23 that reads as many samples as a frame holds, while six channels are sampled at 3 kHz:
    instructions as in asked(), of the costliest of some; no sample of an answer is missing."""
    master, row = ready(elf, BAUD_MAX), BY_NAME["SAMPLE_FROM"]
    master.write(*placed(SAMPLE_RATE=3000, SAMPLE_CHANNELS=0b11_1111))
    master.machine.run(milliseconds=20)  # for more scans than a frame holds
    pdu = write_read_pdu(row.address, pack(row, 0), BY_NAME["SAMPLES_HEAD"].address, READ_REGISTERS_MAX)
    counts = []
    for _ in range(REQUESTS):
        instructions, _, reply = asked(master, pdu)
        if not frame_valid(reply) or SAMPLE_MISSING in registers_of(reply[1:-2]):
            raise AssertionError(f"the samples are {reply.hex(' ')}")
        counts.append(instructions)
    return max(counts)


def request_instructions(elf: Path, *, floats: bool) -> int:
    """Of a function 23 that writes the ten inputs of 10-7-10 narrow and reads its ten outputs, all as int16 or all as
    float32: instructions as in asked(), of the costliest of some; each answer is checked."""
    model = he_network(NARROW)[0]
    master = ready(elf, BAUD_MAX, model)
    suffix = "_FLOAT" if floats else ""
    reads, writes = BY_NAME[f"RESULTS{suffix}"], BY_NAME[f"INPUTS{suffix}"]
    counts = []
    for row in np.random.default_rng(485).uniform(-1, 1, (REQUESTS, model.inputs)):
        q = quantise_inputs(model, row)
        y = infer(model, q)
        sent, wanted = (row, dequantise_outputs(model, y)[0]) if floats else (q[0], y[0])
        expected = pack(reads, wanted.tolist())
        pdu = write_read_pdu(writes.address, pack(writes, sent.tolist()), reads.address, len(expected))
        instructions, _, reply = asked(master, pdu)
        if not frame_valid(reply) or registers_of(reply[1:-2]) != expected:
            raise AssertionError(f"{model.name}: {row} gives {reply.hex(' ')}")
        counts.append(instructions)
    return max(counts)


def deploy(elf: Path, baud: int) -> Deploy:
    """4 KiB at this rate."""
    master = ready(elf, baud)
    machine = master.machine
    image = four_kib_image()
    crc = int.from_bytes(image[-4:], "little")
    heard = len(machine.bus.received)
    begun = machine.us
    for pdu in (write_registers_pdu(*frame) for frame in stage_frames(image)):
        master.ask(pdu)
    master.command(Command.VERIFY, len(image), crc)
    verified = machine.us
    master.command(Command.COMMIT, crc=crc)
    programs, committed = machine.chip.flash.programs, machine.us
    while machine.us - committed < 1000:  # before its last words the node reads the whole record back
        machine.run(microseconds=200)
        if machine.chip.flash.programs != programs:
            programs, committed = machine.chip.flash.programs, machine.us
    master.wait_idle()
    if master.value("MODEL_CRC") != crc or len(machine.bus.received) == heard:
        raise AssertionError("the image was not committed")
    return Deploy(len(image) * CHARACTER_BITS * 1e6 / baud, verified - begun, committed - begun)


# ----------------------------------------------------------------------------------------------------- in the file


def compiler(elf: Path) -> str:
    """What has compiled it: GCC 12.2.1."""
    with elf.open("rb") as stream:
        section = ELFFile(stream).get_section_by_name(".comment")
        assert section is not None
        said = section.data().split(b"\0")[0].decode()
    return re.sub(r"^(\w+): \(.*\) ([\d.]+).*", r"\1 \2", said)


def weights_size(model: Model) -> int:
    """Bytes of an image without its vectors."""
    return len(encode(model)) - 2 * (model.inputs + model.outputs) * len(model.vector_inputs)


def _runtime(elf: Path) -> Iterator[Symbol]:
    """What is linked of infer.c and fixed.c."""
    file = ""
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        for symbol in table.iter_symbols():
            if symbol["st_info"]["type"] == "STT_FILE":
                file = symbol.name
            local = symbol["st_info"]["bind"] == "STB_LOCAL" and Path(file).name in RUNTIME
            named = re.fullmatch(r"infer|infer_led|fixed_\w+", symbol.name)
            if local or (named and symbol["st_info"]["bind"] == "STB_GLOBAL"):
                yield symbol


def runtime_functions(elf: Path) -> dict[str, int]:
    """The functions of the inference runtime, with their bytes."""
    return {s.name: s["st_size"] for s in _runtime(elf) if s["st_info"]["type"] == "STT_FUNC"}


def runtime_data(elf: Path) -> tuple[int, int]:
    """Bytes of its tables in flash, and of its variables in RAM."""
    objects = [s for s in _runtime(elf) if s["st_info"]["type"] == "STT_OBJECT"]
    in_flash = [s["st_size"] for s in objects if s["st_value"] in FLASH]
    return sum(in_flash), sum(s["st_size"] for s in objects) - sum(in_flash)


def infer_stack(elf: Path, model: Model) -> int:
    """Bytes of stack that infer takes."""
    machine = started(elf)
    inference = Inference(machine, encode(model))
    low, mark = machine.address("_stack_guard") + 64, b"\xc5"
    top = machine.chip.engine.reg(arm.UC_ARM_REG_SP)
    machine.write(low, mark * (top - low))
    inference.infer(model.vector_inputs[0])
    return len(machine.read(low, top - low).lstrip(mark))
