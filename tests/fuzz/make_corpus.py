"""Write the fuzzers' small committed corpus, and the images that their node starts with.

python -m tests.fuzz.make_corpus [--check]
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from host.core.decide import Decision
from host.core.image import Layer, Model, Names, encode
from host.core.infer import infer
from host.core.senses import Senses, Source
from host.core.wire import (
    BY_NAME,
    LAYERS_MAX,
    SIGMOID_IN_FRACTION,
    STEP_OUT_FRACTION,
    TANH_IN_FRACTION,
    UNIT_OUT_FRACTION,
    UNITS_MAX,
    Activation,
    Command,
    Feature,
)

FOLDER = Path(__file__).resolve().parent
SEALED, SCANS, RAW_ADDRESS, RAW, WORK, RIGHT_COMMAND, RESTAGE = 0, 2, 3, 4, 5, 6, 7
"""Kinds of items of a frame input, as tests/fuzz/fuzz_frame.c reads them."""
WITH_MODELS = 1
FIX_ALL, FIX_AS_FORMAT_1 = 0, 5
"""First byte of an image input, as tests/fuzz/fuzz_image.c reads it."""


def pattern(*shape: int) -> np.typing.NDArray[np.int64]:
    """Numbers without a generator whose stream could change: -50..50."""
    count = int(np.prod(shape))
    return (np.arange(count, dtype=np.int64) * 37 % 101 - 50).reshape(shape)


def model(sizes: Sequence[int], activation: Activation, vectors: int, name: str) -> Model:
    in_fraction = {Activation.SIGMOID: SIGMOID_IN_FRACTION, Activation.TANH: TANH_IN_FRACTION}
    out_fraction = {Activation.STEP: STEP_OUT_FRACTION, Activation.SIGMOID: UNIT_OUT_FRACTION}
    out_fraction[Activation.TANH] = UNIT_OUT_FRACTION
    layers = tuple(
        Layer(
            (pattern(outputs, inputs) * 300).astype(np.int16),
            (pattern(outputs) * 5000).astype(np.int32),
            activation,
            in_fraction.get(activation, 8) + 14,
            out_fraction.get(activation, 8),
        )
        for inputs, outputs in pairwise(sizes)
    )
    x = (pattern(vectors, sizes[0]) * 600).astype(np.int16)
    empty = Model(name, (8,) * sizes[0], layers, 0, 0, x, np.empty((vectors, 0), dtype=np.int16))
    return Model(name, (8,) * sizes[0], layers, 0, 0, x, infer(empty, x))


def rich(sizes: Sequence[int], activation: Activation, vectors: int, name: str) -> Model:
    """With all that only some images have."""
    plain = model(sizes, activation, vectors, name)
    return replace(
        plain,
        input_offset=tuple((pattern(plain.inputs) * 2.5).tolist()),
        input_low=(-9000,) * plain.inputs,
        input_high=(9000,) * plain.inputs,
        output_fraction=tuple((8 + pattern(plain.outputs) % 5).tolist()),
        led_class=True,
        led_output=plain.outputs - 1,
        names=Names(
            tuple(f"x{i}" for i in range(plain.inputs)),
            ("größe",),
            tuple(f"c{i}" for i in range(plain.classes)),
        ),
    )


def sensing(sizes: Sequence[int], name: str) -> Model:
    """With inputs that come from channels, the second from the bus, and a decision that takes its time."""
    plain = model(sizes, Activation.RELU, 1, name)
    sources = [
        Source(1, Feature.RMS, 12345, 14, -900),
        None,
        Source(2, Feature.BAND, 77, 9, 0, (2, 5)),
        Source(9, Feature.FREQUENCY, 1, 0, 0),
        Source(11, Feature.LEVEL, -300, 0, 5),
    ]
    return replace(
        plain,
        senses=Senses(1000, 16, 8, 485, tuple(sources[: plain.inputs])),
        decision=Decision(-50, 2, 3, 10, 20, 30, latch=True),
    )


def sample_images() -> list[bytes]:
    return [
        encode(model([2, 1], Activation.STEP, 4, "one")),
        encode(rich([3, 4, 2], Activation.TANH, 2, "two")),
    ]


def images() -> dict[str, bytes]:
    """Inputs of fuzz_image."""
    made = {}
    for activation in Activation:
        for sizes in ([1, 1], [2, 1], [3, 5, 2], [4] * (LAYERS_MAX + 1)):
            name = f"{activation.name.lower()}-{'-'.join(map(str, sizes))}"
            made[name] = encode(model(sizes, activation, 2, name[:16]))
    made["wide"] = encode(model([UNITS_MAX, 3, 1], Activation.RELU, 1, "wide"))
    made["rich-2-1"] = encode(rich([2, 1], Activation.SIGMOID, 2, "rich"))
    made["rich-3-5-3"] = encode(rich([3, 5, 3], Activation.RELU, 2, "rich"))
    made["senses-1-2"] = encode(sensing([1, 2], "senses"))
    made["senses-5-2"] = encode(sensing([5, 2], "senses"))
    decides = replace(
        rich([3, 4, 2], Activation.TANH, 2, "decides"), decision=Decision(votes=3, of=4, before=True)
    )
    made["decides-3-4-2"] = encode(decides)
    files = {name: bytes([FIX_ALL]) + image for name, image in made.items()}
    files["format-1"] = bytes([FIX_AS_FORMAT_1]) + made["tanh-3-5-2"]
    one = made["step-2-1"]
    files["as-it-is"] = bytes([7]) + one
    files["cut"] = bytes([FIX_ALL]) + one[:60]
    files["empty"] = bytes([7])
    return files


def item(kind: int, data: bytes = b"") -> bytes:
    return bytes([kind, len(data)]) + data


def frame(*values: int | bytes) -> bytes:
    """A sealed request: function byte, then 16-bit values, or bytes as they are."""
    head = bytes([0, values[0]]) if isinstance(values[0], int) else bytes(values[0])
    return item(
        SEALED, head + b"".join(v if isinstance(v, bytes) else struct.pack(">H", v) for v in values[1:])
    )


def write(address: int, values: Sequence[int]) -> bytes:
    count = len(values)
    return frame(16, address, count, struct.pack(f">B{count}H", 2 * count, *values))


def work(steps: int) -> bytes:
    return bytes([WORK, steps])


def frames() -> dict[str, bytes]:
    """Inputs of fuzz_frame: a start, then items."""
    at = {name: row.address for name, row in BY_NAME.items()}
    one, two = sample_images()
    three = encode(sensing([2, 1], "three"))

    def stage(image: bytes) -> bytes:
        return write(at["STAGE"], struct.unpack(f">{len(image) // 2}H", image))

    def command(code: Command, length: int = 0, crc: int = 0) -> bytes:
        return write(at["COMMAND"], [code, length >> 16, length & 0xFFFF, crc >> 16, crc & 0xFFFF])

    def right(code: Command) -> bytes:
        return item(RIGHT_COMMAND, bytes([code]))

    def deploy(image: bytes) -> bytes:
        crc = int.from_bytes(image[-4:], "little")
        return stage(image) + command(Command.VERIFY, len(image), crc) + command(Command.COMMIT, crc=crc)

    def install(image: bytes) -> bytes:
        return command(Command.INSTALL, len(image), int.from_bytes(image[-4:], "little"))

    settings = write(at["ADDRESS"], [9, 1, 0xC200, 2, 1]) + command(Command.SAVE_SETTINGS)
    floats = write(at["INPUTS_FLOAT"], [0x3F80, 0, 0xC000, 0])
    requests = {
        "read-coils": frame(1, 0, 3),
        "read-discretes": frame(2, 0, 11),
        "read-inputs": frame(3, 0, 64),
        "read-floats": frame(3, at["INPUTS_FLOAT"], 120),
        "read-settings": frame(3, at["ADDRESS"], 5),
        "read-command": frame(3, at["COMMAND"], 5),
        "read-results": frame(3, at["RESULT_SEQUENCE"], 70),
        "read-results-float": frame(3, at["RESULTS_FLOAT"], 124),
        "read-stage": frame(3, at["STAGE"] + 4096 - 125, 125),
        "read-outputs": frame(4, 0, 64),
        "read-outputs-float": frame(4, at["OUTPUTS_FLOAT"], 124),
        "read-identity": frame(4, at["BAUD_IN_FORCE"], 58),
        "read-fractions": frame(4, at["INPUT_FRACTION"], 67) + frame(4, at["INPUT_OFFSET"], 6),
        "read-class": frame(4, at["CLASS"], 1) + frame(3, at["RESULT_CLASS"], 3),
        "read-image": frame(4, at["IMAGE"], 30),
        "coils": frame(5, 0, 0xFF00) + frame(15, 0, 3, b"\1\2") + frame(2, 0, 7),
        "write-one": frame(6, 0, 0x7FFF) + frame(6, at["STAGE"], 1),
        "diagnostics": b"".join(frame(8, n, 0) for n in (0, 2, 11, 12, 13, 14, 15, 16, 17, 18, 20, 10)),
        "listen-only": frame(8, 4, 0) + frame(3, 0, 1) + frame(8, 1, 0) + frame(3, 0, 1),
        "server-id": frame(17),
        "mask": frame(22, at["STAGE"], 0xF2, 0x25) + frame(22, at["COMMAND"], 0, 1),
        "write-and-read": frame(23, at["RESULT_BITS"], 2, 0, 2, b"\4\0\1\0\2"),
        "identification": b"".join(frame(43, bytes([14, code, 0])) for code in range(6)),
        "floats": floats + frame(4, at["OUTPUTS_FLOAT"], 4),
        "broadcast": item(RAW_ADDRESS, b"\0\6\0\0\0\1") + item(RAW_ADDRESS, b"\2\6\0\0\0\1"),
        "no-frame": item(RAW, b"\1\3\0\0") + item(RAW, b""),
        "settings": settings + work(200) + frame(3, 0, 1),
        "restart": command(Command.RESTART) + work(1) + frame(3, 0, 1),
        "deploy": deploy(two) + work(120) + work(120) + floats,
        "install": stage(two) + install(two) + work(120) + work(120) + install(two) + floats,
        "deploy-senses": deploy(three) + work(120) + work(120) + frame(4, at["WINDOWS"], 12) + floats,
        "read-samples": frame(23, at["SAMPLES_HEAD"], 125, at["SAMPLE_FROM"], 2, b"\4\0\0\0\5"),
        "samples": write(at["SAMPLE_RATE"], [2000, 0xF25])
        + item(SCANS, b"\x40\x05\0\0" + bytes(range(16)))
        + work(3)
        + item(SCANS, b"\x03\x0a\x07\0" + bytes(range(16, 32)))
        + write(at["SAMPLE_RATE"], [2000, 0xFFF, 0, 60])
        + item(SCANS, b"\xff\0\xf0\x06" + bytes(16)) * 3
        + frame(3, at["SAMPLES_HEAD"], 125)
        + frame(4, at["CHANNELS"], 33),
        "read-events": frame(23, at["EVENTS_HEAD"], 77, at["EVENT_FROM"], 2, b"\4\0\0\0\0"),
        "sample": write(at["SAMPLE_RATE"], [2000, 0x103]) + work(9) + frame(4, at["CHANNELS"], 33),
        "acknowledge": frame(5, at["ACKNOWLEDGE"], 0xFF00)
        + frame(2, 0, 16)
        + frame(5, at["OVERRIDE"], 0xFF00),
        "deploy-cut": deploy(two) + work(20) + command(Command.RESTART) + stage(one),
        "rollback": right(Command.ROLLBACK) + work(200) + work(200) + right(Command.ROLLBACK) + work(50),
        "restage": item(RESTAGE) + right(Command.VERIFY) + right(Command.COMMIT) + work(255) + work(255),
        "damaged-stage": item(RESTAGE) + frame(6, at["STAGE"] + 30, 7) + right(Command.VERIFY),
    }
    return {name: bytes([WITH_MODELS]) + data for name, data in requests.items()} | {
        f"blank-{name}": b"\0" + requests[name]
        for name in ("deploy", "read-identity", "settings", "rollback")
    }


def sample_header() -> bytes:
    """The images that the node of fuzz_frame runs and ran before."""
    lines = [
        "/* Generated by tests/fuzz/make_corpus.py: two small images. Do not edit. */",
        "/* clang-format off */",
        "#include <stdint.h>",
        "",
    ]
    for number, image in enumerate(sample_images()):
        lines.append(f"static _Alignas(4) const uint8_t sample_{number}[{len(image)}] = {{")
        text = [f"0x{byte:02X}" for byte in image]
        lines += ["    " + ", ".join(text[i : i + 15]) + "," for i in range(0, len(text), 15)]
        lines += ["};", ""]
    return "\n".join(lines).rstrip("\n").encode() + b"\n"


def files() -> dict[Path, bytes]:
    made = {FOLDER / "corpus" / "image" / name: data for name, data in images().items()}
    made |= {FOLDER / "corpus" / "frame" / name: data for name, data in frames().items()}
    return made | {FOLDER / "sample.h": sample_header()}


def main() -> int:
    made = files()
    present = {path for path in (FOLDER / "corpus").rglob("*") if path.is_file()}
    extra = sorted(present - set(made))
    stale = [path for path, data in made.items() if not path.exists() or path.read_bytes() != data]
    if "--check" in sys.argv[1:]:
        for path in extra + stale:
            print(f"{path.relative_to(FOLDER)} is stale: run tests.fuzz.make_corpus without --check")
        return 1 if extra or stale else 0
    for path in extra:
        path.unlink()
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made[path])
    print(f"{len(made)} files, {len(stale)} written")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
