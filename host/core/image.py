"""The fixed-point model and its image, the bytes that travel, are kept and run in place.

Twin of firmware/core/image.c.

Little-endian; every part starts at a multiple of 4; padding is zero. A flag is set only where its part says what is not
taken for granted without it, so that `encode` gives a model exactly one image:

    0   u32 magic "N485"        16-byte name at 12, printable ASCII, NUL padded
    4   u16 version 2, u16 flags
    8   u32 length              of the whole image, CRC included
    28  u16 layers, inputs, outputs, vectors
    36  u16 led_output          the output that drives the LED; with LED_CLASS the class that lights it
    38  i16 led_threshold       lit when that output is greater, at the output's scale
    40  i8  input_fraction[inputs]
        OFFSETS: f32 offset[inputs]; without, 0: an input's value is offset + q * 2**-fraction
        RANGES: i16 low, high [inputs], q; without, all of int16: what the model was made for
        OUTPUT_FRACTIONS: i8 output_fraction[outputs]; without, each is the last layer's out_fraction
        SENSES: which inputs come from channels, and how, as core/senses draws it; without, all come from the bus
        DECIDES: how the LED's condition becomes a decision, drawn there too; without, it is one as it is
        RELEASE: u32, 1 on, which release of its model this is: a node can refuse those below one; without, 0
        layers, each: u16 inputs, u16 outputs, u8 activation, i8 acc_fraction, i8 out_fraction, u8 0,
                      i32 bias[outputs], i16 weight[outputs][inputs rounded up to even]
        vectors, each: i16 input[inputs], i16 output[outputs]; then padding to 4
        NAMES: UTF-8, of the inputs, of the outputs (or of what all of them together say), of the classes: 0x1E stands
            between these three groups, 0x1F between the names of one; a group may be empty, as is the name of an
            input that comes from a channel
        u32 CRC-32 of all before it

Version 1, which nobody writes any more, is the same without a flag.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.core.crc import crc32
from host.core.decide import AT_ONCE, Decision
from host.core.fixed import INT16_MAX, INT16_MIN, INT32_MAX, INT32_MIN, Int16
from host.core.reader import Reader, require
from host.core.senses import Senses, decision_bytes, decision_decode, senses_bytes, senses_decode
from host.core.wire import (
    FRACTION_MAX,
    FRACTION_MIN,
    IMAGE_MAGIC,
    IMAGE_MAX,
    IMAGE_VERSION,
    IMAGE_VERSION_OLDEST,
    LAYERS_MAX,
    NAME_BYTES,
    NAMES_GROUP,
    NAMES_NEXT,
    SHIFT_MAX,
    SHIFT_MIN,
    SIGMOID_IN_FRACTION,
    STEP_OUT_FRACTION,
    TANH_IN_FRACTION,
    UNIT_OUT_FRACTION,
    UNITS_MAX,
    VECTORS_MAX,
    Activation,
    Flag,
    Reason,
)

HEADER = struct.Struct(f"<IHHI{NAME_BYTES}sHHHHHh")
LAYER = struct.Struct("<HHBbbB")
RELEASE = struct.Struct("<I")
CRC = struct.Struct("<I")


@dataclass(frozen=True)
class Layer:
    """A dense layer: out = activation(bias + weights @ in).

    weights: int16 (outputs, inputs). A weight's fraction bits are acc_fraction minus those of its input,
             so that all products of a row share one scale.
    bias:    int32 (outputs,), at the accumulator's scale acc_fraction.
    """

    weights: Int16
    bias: NDArray[np.int32]
    activation: Activation
    acc_fraction: int
    out_fraction: int

    @property
    def inputs(self) -> int:
        return int(self.weights.shape[1])

    @property
    def outputs(self) -> int:
        return int(self.weights.shape[0])

    @property
    def shift(self) -> int:
        """Bits that the accumulator is shifted right by before the activation; a step looks at it unshifted."""
        before = {
            Activation.SIGMOID: SIGMOID_IN_FRACTION,
            Activation.TANH: TANH_IN_FRACTION,
            Activation.STEP: self.acc_fraction,
        }
        return self.acc_fraction - before.get(self.activation, self.out_fraction)


def image_lowest(activation: Activation) -> int:
    """The least value that a layer can be handed by one of this activation, or 0 if that is less: INT16_MIN or 0. The
    inputs of a model are as those of an identity."""
    return INT16_MIN if activation in (Activation.IDENTITY, Activation.TANH) else 0


def image_narrow(bias: NDArray[Any], weights: NDArray[Any], lowest: int) -> bool:
    """Whether no inputs of lowest..INT16_MAX can take an accumulator of these rows out of 32 bits: the board has a
    faster way then. As 0 is among them, no sum on the way goes beyond the ends of the whole."""
    ends = weights.astype(np.int64) * lowest, weights.astype(np.int64) * INT16_MAX
    low, high = np.minimum(*ends).sum(axis=1) + bias, np.maximum(*ends).sum(axis=1) + bias
    return bool(low.min() >= INT32_MIN and high.max() <= INT32_MAX)


def _readable(name: str) -> str:
    """A name without what would steer a terminal or part it from its neighbours; never empty."""
    return "".join(c if c.isprintable() else "?" for c in name) or "?"


@dataclass(frozen=True)
class Names:
    """What people call the parts of a model; each of the three may be ().

    inputs: one each. outputs: one each, or a single one for what all of them say together (the target whose classes
    they are). classes: in their order, as many as `Model.classes`.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for group in ("inputs", "outputs", "classes"):
            object.__setattr__(self, group, tuple(map(_readable, getattr(self, group))))


@dataclass(frozen=True)
class Model:
    """A fixed-point model, whole as it travels.

    vector_inputs: int16 (vectors, inputs); vector_outputs: int16 (vectors, outputs): the self-test.
    led_output:    the LED is lit where this output is above led_threshold, int16 at that output's scale;
                   led_class: where the class is led_output; led_threshold then parts the two classes of a single
                   output, and is 0 for more.
    input_offset:  (inputs) float32 values: an input's value is offset + q * 2**-fraction. (): 0 for each.
    input_low, input_high: (inputs) int16, q, the ranges that the model was made for. (): int16's own ends.
    output_fraction: (outputs) of each output. (): the last layer's out_fraction. One that is d bits finer has weights
                   and bias in the last layer that are 2**d times as large; the shift is the same for all.
    senses:        which inputs come from channels. None: all come from the bus. Such an input is called after its
                   source, "a0.rms"; beside them, one of the bus without a name by its number.
    decision:      what becomes of the condition that lights the LED.
    release:       32 bits, of those who count what they let out; 0: none.
    """

    name: str
    input_fraction: tuple[int, ...]
    layers: tuple[Layer, ...]
    led_output: int
    led_threshold: int
    vector_inputs: Int16
    vector_outputs: Int16
    input_offset: tuple[float, ...] = ()
    input_low: tuple[int, ...] = ()
    input_high: tuple[int, ...] = ()
    output_fraction: tuple[int, ...] = ()
    led_class: bool = False
    names: Names = Names()
    senses: Senses | None = None
    decision: Decision = AT_ONCE
    release: int = 0

    def __post_init__(self) -> None:
        offsets = np.array(self.input_offset or (0.0,) * self.inputs, dtype=np.float32)
        object.__setattr__(self, "input_offset", tuple(offsets.tolist()))
        object.__setattr__(self, "input_low", self.input_low or (INT16_MIN,) * self.inputs)
        object.__setattr__(self, "input_high", self.input_high or (INT16_MAX,) * self.inputs)
        fractions = self.output_fraction or (self.layers[-1].out_fraction,) * self.outputs
        object.__setattr__(self, "output_fraction", fractions)
        if self.senses:
            require(len(self.senses.sources) == self.inputs, Reason.SENSES, self.inputs)
            own = self.names.inputs or tuple(str(i + 1) for i in range(self.inputs))
            called = tuple(s.name if s else name for s, name in zip(self.senses.sources, own, strict=True))
            object.__setattr__(self, "names", replace(self.names, inputs=called))
        if self.decision.threshold_off == self.led_threshold:
            object.__setattr__(self, "decision", replace(self.decision, threshold_off=None))

    @property
    def inputs(self) -> int:
        return len(self.input_fraction)

    @property
    def outputs(self) -> int:
        return self.layers[-1].outputs

    @property
    def classes(self) -> int:
        """How many classes its outputs can tell apart: two by the threshold of one, or the largest of several."""
        return max(2, self.outputs)

    @property
    def led_fraction(self) -> int:
        """Fraction bits of led_threshold."""
        return self.output_fraction[self.led_output if self.outputs > 1 else 0]


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _parts(model: Model) -> dict[Flag, bytes]:
    """The parts between the inputs' fractions and the layers that this model needs, in the order of the image."""
    parts = {}
    if any(model.input_offset):
        parts[Flag.OFFSETS] = np.array(model.input_offset, dtype="<f4").tobytes()
    ranges = np.array([model.input_low, model.input_high], dtype="<i2").T
    if (ranges != [INT16_MIN, INT16_MAX]).any():
        parts[Flag.RANGES] = ranges.tobytes()
    if set(model.output_fraction) != {model.layers[-1].out_fraction}:
        parts[Flag.OUTPUT_FRACTIONS] = _pad(np.array(model.output_fraction, dtype=np.int8).tobytes())
    if model.senses:
        parts[Flag.SENSES] = senses_bytes(model.senses)
    if model.decision != AT_ONCE:
        parts[Flag.DECIDES] = decision_bytes(model.decision, model.led_threshold)
    if model.release:
        parts[Flag.RELEASE] = RELEASE.pack(model.release)
    return parts


def _names_bytes(model: Model) -> bytes:
    names, inputs = model.names, model.names.inputs
    if model.senses:
        sources = model.senses.sources
        inputs = tuple("" if s else name for s, name in zip(sources, inputs, strict=True)) * (None in sources)
    groups = [chr(NAMES_NEXT).join(group) for group in (inputs, names.outputs, names.classes)]
    return _pad(chr(NAMES_GROUP).join(groups).encode()) if any(groups) else b""


def encode(model: Model) -> bytes:
    """The image of a model. The result is what `decode` accepts, or ImageError says what is wrong with the model."""
    parts, names = _parts(model), _names_bytes(model)
    body = bytearray(_pad(np.array(model.input_fraction, dtype=np.int8).tobytes()))
    body += b"".join(parts.values())
    for layer in model.layers:
        body += LAYER.pack(
            layer.inputs, layer.outputs, layer.activation, layer.acc_fraction, layer.out_fraction, 0
        )
        body += layer.bias.astype("<i4").tobytes()
        body += np.pad(layer.weights, ((0, 0), (0, layer.inputs % 2))).astype("<i2").tobytes()
    vectors = np.hstack([model.vector_inputs, model.vector_outputs])
    body += _pad(vectors.astype("<i2").tobytes()) + names
    head = HEADER.pack(
        IMAGE_MAGIC,
        IMAGE_VERSION,
        sum(parts) | Flag.NAMES * bool(names) | Flag.LED_CLASS * model.led_class,
        HEADER.size + len(body) + CRC.size,
        model.name.encode("ascii", "replace")[:NAME_BYTES],
        len(model.layers),
        model.inputs,
        model.outputs,
        len(vectors),
        model.led_output,
        model.led_threshold,
    )
    image = head + bytes(body)
    image += CRC.pack(crc32(image))
    decode(image)
    return image


def parts_size(model: Model) -> int:
    """Bytes of an image that only some models have: what stands between input fractions and layers, and the names."""
    return sum(map(len, _parts(model).values())) + len(_names_bytes(model))


def image_size(units: Sequence[int], vectors: int) -> int:
    """Bytes of an image with these units, inputs first, and so many self-test vectors; `parts_size` comes to it."""
    inputs, outputs = units[0], units[-1]
    layers = sum(
        LAYER.size + rows * (4 + 2 * (columns + columns % 2)) for columns, rows in itertools.pairwise(units)
    )
    table = 2 * vectors * (inputs + outputs)
    return HEADER.size + inputs + -inputs % 4 + layers + table + -table % 4 + CRC.size


def image_newest(image: bytes) -> bytes:
    """An image that `decode` accepts, in the format that is written now: the same bytes, or those of the same model,
    with a CRC-32 of their own."""
    return image if HEADER.unpack_from(image)[1] == IMAGE_VERSION else encode(decode(image))


def image_crc(image: bytes) -> int:
    """The CRC-32 at the end of an image, the model's identity. (That of all its bytes would be the same for any.)"""
    return int(CRC.unpack_from(image, len(image) - CRC.size)[0])


def _valid_name(name: bytes) -> bool:
    text = name.rstrip(b"\0")
    return all(0x20 <= byte <= 0x7E for byte in text)


def _decode_names(text: bytes, counts: Sequence[int]) -> Names:
    """counts: inputs, outputs and classes of the model. What is no UTF-8 is replaced by U+FFFD: the node, which does
    not show them, does not look at it either."""
    named = text.rstrip(b"\0")
    require(len(_pad(named)) == len(text), Reason.PADDING)
    require(all(byte >= 0x20 or byte in (NAMES_GROUP, NAMES_NEXT) for byte in named), Reason.PADDING)
    parts = [part.split(bytes([NAMES_NEXT])) if part else [] for part in named.split(bytes([NAMES_GROUP]))]
    require(len(parts) == len(counts), Reason.PADDING)
    for group, (part, count) in enumerate(zip(parts, counts, strict=True)):
        require(len(part) in (0, count) or (group == 1 and len(part) == 1), Reason.PADDING)
    return Names(*(tuple(name.decode("utf-8", "replace") for name in part) for part in parts))


def _decode_layer(reader: Reader, index: int, inputs: int) -> Layer:
    head = LAYER.unpack(reader.take(LAYER.size, index))
    columns, rows, activation, acc_fraction, out_fraction, reserved = head
    require(columns == inputs and 1 <= rows <= UNITS_MAX, Reason.SIZES, index)
    require(activation in list(Activation), Reason.ACTIVATION, index)
    require(reserved == 0, Reason.PADDING, index)
    require(FRACTION_MIN <= out_fraction <= FRACTION_MAX, Reason.FRACTION, index)
    if activation == Activation.STEP:
        require(out_fraction == STEP_OUT_FRACTION, Reason.FRACTION, index)
    if activation in (Activation.SIGMOID, Activation.TANH):
        require(out_fraction == UNIT_OUT_FRACTION, Reason.FRACTION, index)
    stride = columns + columns % 2
    data = reader.take(rows * (4 + 2 * stride), index)
    bias = np.frombuffer(data, "<i4", rows).astype(np.int32)
    weights = np.frombuffer(data, "<i2", offset=4 * rows).reshape(rows, stride).astype(np.int16)
    layer = Layer(weights[:, :columns], bias, Activation(activation), acc_fraction, out_fraction)
    require(SHIFT_MIN <= layer.shift <= SHIFT_MAX, Reason.FRACTION, index)
    require(not weights[:, columns:].any(), Reason.PADDING, index)
    return layer


def decode(image: bytes) -> Model:
    """The model of an image. Raises ImageError, in the same order and with the same reason as the node,
    for everything but the self-test, which `host.core.infer.self_test` runs."""
    require(len(image) >= HEADER.size + CRC.size, Reason.LENGTH)
    magic, version, flags, length, name, layers, inputs, outputs, vectors, led_output, led_threshold = (
        HEADER.unpack_from(image)
    )
    require(magic == IMAGE_MAGIC, Reason.MAGIC)
    require(IMAGE_VERSION_OLDEST <= version <= IMAGE_VERSION, Reason.VERSION)
    require(length == len(image) and length % 4 == 0 and length <= IMAGE_MAX, Reason.LENGTH)
    require(CRC.unpack_from(image, length - CRC.size)[0] == crc32(image[: -CRC.size]), Reason.CRC)
    known = 0 if version == IMAGE_VERSION_OLDEST else sum(Flag)
    require(flags & ~known == 0 and _valid_name(name), Reason.PADDING)
    require(
        1 <= layers <= LAYERS_MAX and 1 <= inputs <= UNITS_MAX and 1 <= outputs <= UNITS_MAX, Reason.SIZES
    )
    led_class, classes = bool(flags & Flag.LED_CLASS), max(2, outputs)
    led_choices = classes if led_class else outputs
    require(1 <= vectors <= VECTORS_MAX and led_output < led_choices, Reason.SIZES)
    require(not led_class or outputs == 1 or led_threshold == 0, Reason.PADDING)
    reader = Reader(image, HEADER.size, length - CRC.size)
    fractions = np.frombuffer(reader.take_padded(inputs), np.int8).tolist()
    for index, fraction in enumerate(fractions):
        require(FRACTION_MIN <= fraction <= FRACTION_MAX, Reason.FRACTION, index)
    offsets: list[float] = []
    if flags & Flag.OFFSETS:
        offsets = np.frombuffer(reader.take(4 * inputs), "<f4").tolist()
        for index, offset in enumerate(offsets):
            require(math.isfinite(offset), Reason.FRACTION, index)
    ranges = np.empty((0, 2), dtype=np.int16)
    if flags & Flag.RANGES:
        ranges = np.frombuffer(reader.take(4 * inputs), "<i2").reshape(inputs, 2)
        for index, (low, high) in enumerate(ranges.tolist()):
            require(low <= high, Reason.FRACTION, index)
    output_fractions: list[int] = []
    if flags & Flag.OUTPUT_FRACTIONS:
        output_fractions = np.frombuffer(reader.take_padded(outputs), np.int8).tolist()
        for index, fraction in enumerate(output_fractions):
            require(FRACTION_MIN <= fraction <= FRACTION_MAX, Reason.FRACTION, index)
    senses = senses_decode(reader, inputs) if flags & Flag.SENSES else None
    decision = AT_ONCE
    if flags & Flag.DECIDES:
        decision = decision_decode(reader, led_threshold, led_class)
    release = 0
    if flags & Flag.RELEASE:
        (release,) = RELEASE.unpack(reader.take(RELEASE.size))
        require(release != 0, Reason.PADDING)
    stack: list[Layer] = []
    for index in range(layers):
        stack.append(_decode_layer(reader, index, stack[-1].outputs if stack else inputs))
    require(stack[-1].outputs == outputs, Reason.SIZES, layers)
    table = np.frombuffer(reader.take_padded(2 * vectors * (inputs + outputs)), "<i2").astype(np.int16)
    table = table.reshape(vectors, inputs + outputs)
    names = Names()
    if flags & Flag.NAMES:
        names = _decode_names(reader.take(reader.end - reader.offset), [inputs, outputs, classes])
    require(reader.offset == reader.end, Reason.LENGTH)
    return Model(
        name=name.rstrip(b"\0").decode("ascii"),
        input_fraction=tuple(fractions),
        layers=tuple(stack),
        led_output=led_output,
        led_threshold=led_threshold,
        vector_inputs=table[:, :inputs],
        vector_outputs=table[:, inputs:],
        input_offset=tuple(offsets),
        input_low=tuple(ranges[:, 0].tolist()),
        input_high=tuple(ranges[:, 1].tolist()),
        output_fraction=tuple(output_fractions),
        led_class=led_class,
        names=names,
        senses=senses,
        decision=decision,
        release=release,
    )
