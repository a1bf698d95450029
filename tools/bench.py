"""How fast and how small: figures of the board's own ELF, counted instruction by instruction, and of the PC's side.

    python -m tools.bench

The ELF runs on the harness of tests/elf in virtual time, so its figures repeat exactly. An instruction takes one cycle
there; on the chip loads, branches and the flash's wait states add to that: see the cycles, which are by the core's
table, not silicon's.
"""

from __future__ import annotations

import argparse
import itertools
import re
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from unicorn import arm_const as arm

from host.boards.opening import open_node
from host.boards.simulated import simulate
from host.core.fixed import fixed_from_float, fixed_to_float
from host.core.image import Layer, Model, encode
from host.core.infer import infer
from host.core.modbus import frame_valid
from host.core.registers import bytes_registers
from host.core.wire import BAUD_MAX, BY_NAME, LAYERS_MAX, Activation, Command, Format, Gap, Loss
from host.models.dense import Dense
from host.models.quantise import quantise
from host.node.line import read_settings, save_settings
from host.node.staging import deploy as install
from tests.elf import Machine
from tests.elf.chip import CCM, CCM_SIZE
from tests.elf.cycles import Cycles
from tests.elf.inference import IMAGE, Inference
from tests.elf.master import Master
from tests.pdus import stage_frames, write_pdu
from tools.environment import ROOT, stop
from tools.firmware import FirmwareError, build_firmware, lacking

PEERS = {
    "a 25-line int16 SMLAD loop": (596, 748, "0.0004"),
    "NNoM q7": (1104, 520, "0.036"),
    "emlearn float": (1264, 3692, "0"),
    "TinyMaix int8": (1343, 880, "0.040"),
    "CMSIS-NN s8": (1581, 4316, "0.036"),
    "CMSIS-NN s16": (1682, 1480, "0.0068"),
    "TinyMind Q16.16": (1666, 2400, "-"),
    "FANN fixed": (2161, 23300, "0.0033"),
    "AIfES f32": (2538, 16236, "0"),
    "AIfES Q7": (2894, 4716, "0.058"),
}
"""The same shape of network by others: instructions, code and weights in bytes, largest error. Measured once by
emulation of a Cortex-M4F, GCC 12.2 -O2; they are not run here."""

RUNTIME = ("infer.c", "fixed.c")
SECTOR_READY_MS = 600
DEPLOY_BYTES = 4096
DEPLOY_BAUD = 115200
CHARACTER_BITS = 11
REQUESTS = 8
REPLY_MS = 2
"""Longer than the longest reply that is asked for here, at BAUD_MAX."""


# ---------------------------------------------------------------------------------------------------------- models


def small_model(name: str, weights: Sequence[float], bias: float, activation: Activation) -> Model:
    rows = [[float(number >> i & 1) for i in range(len(weights))] for number in range(1 << len(weights))]
    return quantise(name, [Dense(np.array([weights]), np.array([bias]), activation)], rows)[0]


def network() -> tuple[Model, float]:
    """10-7-10, ReLU in both layers, with random weights; and its largest error against float64, for inputs of -1..1."""
    rng = np.random.default_rng(485)
    layers = [
        Dense(rng.normal(0, 0.4, (outputs, inputs)), rng.normal(0, 0.2, outputs), Activation.RELU)
        for inputs, outputs in ((10, 7), (7, 10))
    ]
    x = rng.uniform(-1, 1, (500, 10))
    model = quantise("10-7-10", layers, x)[0]
    y = x
    for layer in layers:
        y = np.maximum(y @ layer.weights.T + layer.bias, 0)
    q = np.floor(np.ldexp(x, np.array(model.input_fraction)) + 0.5).clip(-32768, 32767).astype(np.int16)
    return model, float(np.abs(np.ldexp(infer(model, q).astype(np.float64), -model.out_fraction) - y).max())


HE_NETWORKS = {
    "24-16-4": (24, 16, 4),
    "32-24-8": (32, 24, 8),
    "64-48-10": (64, 48, 10),
    "64-16-16-16-8-16-16-64": (64, 16, 16, 16, 8, 16, 16, 64),
}
"""Networks from sensor size upwards. Their first layer at least is wide."""


def he_network(name: str) -> Model:
    """As the project's own quantiser makes a network for inputs of -1..1 of He weights and small biases, from one seed;
    ReLU, the last layer identity.

    HE_NETWORKS; "10-7-10 narrow", whose sums 32 bits hold; and "10-7-10 wide", whose weights are so alike that 64 are
    needed in both layers.
    """
    rng = np.random.default_rng(1)
    units = HE_NETWORKS.get(name, (10, 7, 10))
    layers: list[Dense] = []
    for inputs, outputs in itertools.pairwise(units):
        if name == "10-7-10 wide":
            weights = rng.uniform(0.5, 1, (outputs, inputs))
        else:
            weights = rng.normal(0, np.sqrt(2 / inputs), (outputs, inputs))
        last = len(layers) == len(units) - 2
        activation = Activation.IDENTITY if last else Activation.RELU
        layers.append(Dense(weights, rng.normal(0, 0.1, outputs), activation))
    x = rng.uniform(-1, 1, (300, units[0]))
    return quantise(name, layers, x, ranges=[(-1, 1)] * units[0])[0]


def four_kib_image() -> bytes:
    """A model whose image has exactly 4096 bytes."""
    rng = np.random.default_rng(4096)
    sizes, vectors = (48, 29, 4), 8
    layers = tuple(
        Layer(
            rng.integers(-300, 300, (outputs, inputs)).astype(np.int16),
            rng.integers(-999, 999, outputs).astype(np.int32),
            Activation.RELU,
            20,
            8,
        )
        for inputs, outputs in itertools.pairwise(sizes)
    )
    x = rng.integers(-3000, 3000, (vectors, sizes[0])).astype(np.int16)
    model = Model("4 KiB", (12,) * sizes[0], layers, 0, 0, x, np.empty((vectors, 0), dtype=np.int16))
    image = encode(replace(model, vector_outputs=infer(model, x)))
    if len(image) != DEPLOY_BYTES:
        raise AssertionError(f"an image of {len(image)} bytes")
    return image


# -------------------------------------------------------------------------------------------------------- counting


def started(elf: Path) -> Machine:
    """With all variables in place, so that functions can be called."""
    machine = Machine(elf)
    machine.run_to("node_boot")
    return machine


def infer_instructions(elf: Path, model: Model) -> int:
    """The same for every input, as the code has no branch on a value; the result is checked."""
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
    data = bytes(range(256)) * 32
    return started(elf).call("crc32", data, len(data))[1]


@dataclass(frozen=True)
class Training:
    """One step of a training, in instructions; one that ends an epoch, which looks at all parameters; and the bytes
    that it takes beside its data."""

    instructions: int
    ends_epoch: int
    ram: int


LEARNER, CONFIG, DATA, WORKSPACE = CCM, CCM + 0x400, CCM + 0x800, CCM + 0x1000
TRAINING_STEPS = 20
LEARNER_BYTES = 152
"""sizeof(struct learn32)."""


def training(elf: Path, *, adam: bool) -> Training:
    """A step of 10-7-10, batch 1, float32: forward, back and update; the costliest of some."""
    machine, rng = started(elf), np.random.default_rng(485)
    units, activation = (10, 7, 10), (Activation.RELU, Activation.IDENTITY)
    config = struct.pack(
        f"<{LAYERS_MAX + 1}H{LAYERS_MAX}B B? B?? x IIII",
        *(*units, *[0] * (LAYERS_MAX + 1 - len(units))),
        *(*activation, *[0] * (LAYERS_MAX - len(activation))),
        *(len(activation), True, Loss.SUM, adam, False),
        *(0, 2, 1, TRAINING_STEPS),
    )
    machine.write(CONFIG, config)
    machine.write(DATA, rng.normal(size=2 * (units[0] + units[-1])).astype("<f4").tobytes())
    size = int(machine.call("learn32_size", CONFIG)[0])
    count = int(machine.call("learn32_count", CONFIG)[0])
    targets, room = DATA + 2 * 4 * units[0], CCM_SIZE - (WORKSPACE - CCM)
    rate, tolerance = 0.01, 0.0
    begun = machine.call(
        "learn32_begin", LEARNER, CONFIG, DATA, targets, rate, tolerance, WORKSPACE, room, returns="i32"
    )
    if begun[0] != 0:
        raise AssertionError(f"learn32_begin answers {begun[0]}")
    machine.write(WORKSPACE, (rng.normal(size=count) * 0.3).astype("<f4").tobytes())
    steps = [machine.call("learn32_sample", LEARNER)[1] for _ in range(TRAINING_STEPS)]
    return Training(max(steps[::2]), max(steps[1::2]), size + LEARNER_BYTES)


def ready(elf: Path, baud: int) -> Master:
    """A node with prepared stores that speaks at `baud` with true gaps."""
    master = Master(Machine(elf))
    master.machine.run(milliseconds=SECTOR_READY_MS)
    master.wait_idle()
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
    pdu = write_pdu(BY_NAME["STAGE"].address, bytes_registers(bytes(range(246))))
    return asked(ready(elf, BAUD_MAX), pdu)[:2]


def request_instructions(elf: Path, *, floats: bool) -> int:
    """Of a function 23 that writes the ten inputs of 10-7-10 and reads its ten outputs, all as int16 or all as float32:
    instructions as in asked(), of the costliest of some; each answer is checked."""
    master, (model, _) = ready(elf, BAUD_MAX), network()
    image = encode(model)
    crc = int.from_bytes(image[-4:], "little")
    master.stage(image)
    master.command(Command.VERIFY, len(image), crc)
    master.command(Command.COMMIT, crc=crc)
    master.machine.run(milliseconds=SECTOR_READY_MS)
    code, suffix = ("f", "_FLOAT") if floats else ("h", "")
    size = struct.calcsize(f">{model.inputs}{code}")
    reads, writes = BY_NAME[f"RESULTS{suffix}"].address, BY_NAME[f"INPUTS{suffix}"].address
    counts = []
    for row in np.random.default_rng(485).uniform(-1, 1, (REQUESTS, model.inputs)):
        q = np.array([fixed_from_float(*pair) for pair in zip(row, model.input_fraction, strict=True)])
        y = infer(model, q)
        sent, wanted = (row, fixed_to_float(y, model.out_fraction)) if floats else (q, y)
        pdu = struct.pack(
            f">BHHHHB{model.inputs}{code}", 23, reads, size // 2, writes, size // 2, size, *sent
        )
        instructions, _, reply = asked(master, pdu)
        if not frame_valid(reply) or reply[3:-2] != struct.pack(f">{model.outputs}{code}", *wanted):
            raise AssertionError(f"{model.name}: {row} gives {reply.hex(' ')}")
        counts.append(instructions)
    return max(counts)


@dataclass(frozen=True)
class Deploy:
    """A deploy of 4 KiB by a master that loses no time, in microseconds: the raw image at the wire's speed, until the
    image is verified, until its last word is in the flash."""

    baud: int
    raw_us: float
    verified_us: float
    committed_us: float


def deploy(elf: Path, baud: int) -> Deploy:
    master = ready(elf, baud)
    machine = master.machine
    image = four_kib_image()
    crc = int.from_bytes(image[-4:], "little")
    heard = len(machine.bus.received)
    begun = machine.us
    for pdu in (write_pdu(*frame) for frame in stage_frames(image)):
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
    return Deploy(baud, len(image) * CHARACTER_BITS * 1e6 / baud, verified - begun, committed - begun)


# ------------------------------------------------------------------------------------------------------------ size


def runtime_functions(elf: Path) -> dict[str, int]:
    """The functions of the inference runtime, with their bytes: those of infer.c and fixed.c that are linked."""
    wanted: dict[str, int] = {}
    file = ""
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        for symbol in table.iter_symbols():
            kind, binding = symbol["st_info"]["type"], symbol["st_info"]["bind"]
            if kind == "STT_FILE":
                file = symbol.name
            local = binding == "STB_LOCAL" and Path(file).name in RUNTIME
            named = re.fullmatch(r"infer|infer_led|fixed_\w+", symbol.name) and binding == "STB_GLOBAL"
            if kind == "STT_FUNC" and (local or named):
                wanted[symbol.name] = symbol["st_size"]
    return wanted


def infer_stack(elf: Path, model: Model) -> int:
    """Bytes of stack that infer takes."""
    machine = started(elf)
    inference = Inference(machine, encode(model))
    low, mark = machine.address("_stack_guard") + 64, b"\xc5"
    top = machine.chip.engine.reg(arm.UC_ARM_REG_SP)
    machine.write(low, mark * (top - low))
    inference.infer(model.vector_inputs[0])
    return len(machine.read(low, top - low).lstrip(mark))


# ------------------------------------------------------------------------------------------------------- the PC's side


WIRE_RUNS = 3


def wire_share(baud: int) -> float:
    """The part of a wire's speed that our own host reaches with an image of 4 KiB and true gaps, until the node has
    verified it, from the opening of the line on: the image's characters by the time taken, the best of some runs, as
    other programs may take the computer's time. The simulated node keeps the time of characters and silences."""
    image = four_kib_image()
    best = float("inf")
    for _ in range(WIRE_RUNS):
        with simulate(pace=True) as sim:
            with open_node(sim.port) as node:
                wanted = replace(read_settings(node), baud=baud, gap=Gap.TRUE_CHARACTERS)
                save_settings(node, wanted)
            sim.wait(lambda now: f"node 1 {baud} 8E1" in now.lines)
            with open_node(sim.port, baud=baud) as node:
                node.wait_idle()  # its flash is prepared
            verified: list[float] = []

            def note(step: str, done: int, total: int, verified: list[float] = verified) -> None:
                if (step, done) == ("verify", total):
                    verified.append(time.perf_counter())

            began = time.perf_counter()
            with open_node(sim.port, baud=baud) as node:
                install(node, image, progress=note)
            best = min(best, verified[0] - began)
    return len(image) * CHARACTER_BITS / baud / best


def host_deploy() -> tuple[float, float]:
    """`--deploy` of AND to the native node at 115200: seconds from import to exit, and those that its frames take on
    the wire by calculation: characters, and the standard's 1.75 ms of silence before each."""
    command = [
        sys.executable,
        "-m",
        "host.train",
        "--model",
        "and",
        "--deploy",
        "sim",
        "--baud",
        str(DEPLOY_BAUD),
    ]
    trace = subprocess.run([*command, "--trace"], cwd=ROOT, capture_output=True, text=True, check=True).stderr
    frames = re.findall(r"^(?:->|<-)((?: [0-9a-f]{2})+)", trace, re.MULTILINE)
    wire = sum(len(frame.split()) * CHARACTER_BITS / DEPLOY_BAUD + 0.00175 for frame in frames)
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return time.perf_counter() - began, wire


# ---------------------------------------------------------------------------------------------------------- report


def report(elf: Path) -> Iterator[str]:
    model, error = network()
    ours = infer_instructions(elf, model)
    functions = runtime_functions(elf)
    code = sum(functions.values())
    yield "Instructions on the board (Cortex-M4F, GCC -O2), counted on the ELF"
    small = {
        "w·x": small_model("wx", [0.5], 0.0, Activation.IDENTITY),
        "AND": small_model("and", [1.0, 1.0], -1.5, Activation.STEP),
        "logistic neuron": small_model("logistic", [1.0, 1.0], -1.5, Activation.SIGMOID),
    }
    for name, each in small.items():
        yield f"   infer, {name:<32} {infer_instructions(elf, each):>8,}"
    yield f"   infer, {'10-7-10 ReLU':<32} {ours:>8,}"
    for name in (*HE_NETWORKS, "10-7-10 narrow", "10-7-10 wide"):
        each = he_network(name)
        in_ram, in_flash = infer_cycles(elf, each)
        yield (
            f"   infer, {name:<32} {infer_instructions(elf, each):>8,}   about {in_flash:,} cycles, "
            f"{in_ram:,} with the image in RAM"
        )
    frame, late = frame_instructions(elf)
    yield f"   {'frame of 123 registers to its reply':<39} {frame:>8,}   {late:.1f} us more than 3.5 characters"
    for name, floats in {"int16": False, "float32": True}.items():
        yield f"   {f'10-7-10 in one function 23, {name}':<39} {request_instructions(elf, floats=floats):>8,}"
    yield f"   {'CRC-32 of 8 KiB':<39} {crc_instructions(elf):>8,}"
    yield ""
    yield "10-7-10 ReLU beside other runtimes (*: theirs were measured once, and are not run here)"
    weights = len(encode(model)) - 2 * 20 * len(model.vector_inputs)
    yield f"   {'':<28} {'instructions':>12} {'code + weights':>15} {'max error':>10}"
    yield f"   {'neuron485':<28} {ours:>12,} {code + weights:>15,} {error:>10.4f}"
    for name, (instructions, size, peer_error) in PEERS.items():
        yield f"   {name + ' *':<28} {instructions:>12,} {size:>15,} {peer_error:>10}"
    yield ""
    yield "A step of training on the board, 10-7-10, batch 1, float32 (best peers: 8,433 SGD in fixed point,"
    yield "21,246 SGD in float, 159,677 Adam)"
    for name, step in {"SGD": training(elf, adam=False), "Adam": training(elf, adam=True)}.items():
        yield (
            f"   {name:<39} {step.instructions:>8,}   {step.ends_epoch:,} where it ends an epoch; "
            f"{step.ram:,} bytes of RAM beside the data"
        )
    yield ""
    yield "The inference runtime alone"
    stack = infer_stack(elf, model)
    yield f"   {code:,} bytes of code, 514 of table (tanh), no static RAM, {stack} bytes of stack"
    yield f"   {', '.join(f'{name} {size}' for name, size in functions.items())}"
    yield ""
    yield f"Deploy of {DEPLOY_BYTES:,} bytes, 8E1, silences of 3.5 characters, a master that loses no time"
    for baud in (DEPLOY_BAUD, BAUD_MAX):
        d = deploy(elf, baud)
        yield (
            f"   {baud:>9,} baud: raw {d.raw_us / 1000:.1f} ms; verified after {d.verified_us / 1000:.1f} ms, "
            f"{d.raw_us / d.verified_us:.1%} of the wire's speed; "
            f"in flash after {d.committed_us / 1000:.1f} ms, {d.raw_us / d.committed_us:.1%}"
        )
    yield ""
    yield f"The same image by our own host, to the simulated node at the wire's pace, best of {WIRE_RUNS}: verified at"
    for baud in (9600, DEPLOY_BAUD, BAUD_MAX):
        yield f"   {baud:>9,} baud: {wire_share(baud):.1%} of the wire's speed"
    yield ""
    seconds, wire = host_deploy()
    yield f"python -m host.train --model and --deploy sim --baud {DEPLOY_BAUD}, import to exit"
    yield f"   {seconds:.2f} s, of which its frames would take {wire:.3f} s on the wire ({wire / seconds:.0%})"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench", description="Print how fast and how small we are."
    )
    parser.parse_args(argv)
    lack = lacking()
    if lack:
        stop(lack)
    try:
        for line in report(build_firmware()):
            print(line, flush=True)
    except FirmwareError as error:
        stop(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
