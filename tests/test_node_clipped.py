"""CLIPPED: an input was beyond what its format can hold."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import replace

import pytest

from host.core.image import Model, encode
from host.core.infer import infer
from host.core.registers import bytes_registers
from host.core.wire import BY_NAME, FRACTION_MAX, FRACTION_MIN, Table
from tests.e2e.scenario import AND
from tests.memory_node import MemoryNode

INPUTS, FLOATS = BY_NAME["INPUTS"].address, BY_NAME["INPUTS_FLOAT"].address
RESULT_BITS, RESULTS = BY_NAME["RESULT_BITS"].address, BY_NAME["RESULTS"].address
CLIPPED = BY_NAME["CLIPPED"].address
HIGHEST, LOWEST = 0x7FFF, -0x8000


@pytest.fixture
def node(memory_node: MemoryNode) -> MemoryNode:
    """It runs AND, whose inputs go up to 4."""
    memory_node.factory()
    memory_node.work()
    memory_node.deploy(encode(AND))
    assert AND.input_fraction == (13, 13)
    return memory_node


def float_words(*values: float) -> list[int]:
    return bytes_registers(struct.pack(f">{len(values)}f", *values))


def set_floats(node: MemoryNode, first: int, *values: float) -> None:
    node.write(FLOATS + 2 * first, float_words(*values))


def inputs(node: MemoryNode, count: int = 2) -> list[int]:
    """As the neuron takes them."""
    words = node.read(Table.HOLDING, INPUTS, count)
    return [word - 0x10000 if word & 0x8000 else word for word in words]


def clipped(node: MemoryNode) -> bool:
    """The discrete input, and the same in RESULT_BITS."""
    bits = node.read(Table.HOLDING, RESULT_BITS)[0]
    assert bits >> CLIPPED & 1 == node.get("CLIPPED")
    return bool(node.get("CLIPPED"))


@pytest.mark.parametrize(
    ("value", "used", "expected"),
    [
        (3.999, 32760, False),
        (32767 / 8192, HIGHEST, False),
        (32767.4 / 8192, HIGHEST, False),
        (32767.5 / 8192, HIGHEST, True),
        (4.0, HIGHEST, True),
        (100.0, HIGHEST, True),
        (3e38, HIGHEST, True),
        (math.inf, HIGHEST, True),
        (-4.0, LOWEST, False),
        (-32768.4 / 8192, LOWEST, False),
        (-32769.0 / 8192, LOWEST, True),
        (-4.1, LOWEST, True),
        (-math.inf, LOWEST, True),
        (0.0, 0, False),
        (-0.0, 0, False),
        (1e-45, 0, False),
    ],
)
@pytest.mark.parametrize("index", [0, 1])
def test_what_a_format_cannot_hold_is_clipped(
    node: MemoryNode, index: int, value: float, used: int, expected: bool
) -> None:
    set_floats(node, index, value)
    assert (inputs(node)[index], clipped(node)) == (used, expected)
    set_floats(node, index, 1.0)
    assert not clipped(node)


def test_it_stands_until_every_input_is_back(node: MemoryNode) -> None:
    set_floats(node, 0, 5.0, -5.0)
    assert clipped(node)
    set_floats(node, 0, 1.0)
    assert clipped(node)
    set_floats(node, 1, 1.0)
    assert not clipped(node)


def test_an_int16_is_what_it_is(node: MemoryNode) -> None:
    """The master has written what the neuron takes: nothing was cut."""
    set_floats(node, 0, 5.0, 5.0)
    node.write(INPUTS, [0x7FFF])
    assert clipped(node)
    node.write(INPUTS + 1, [0x8000])
    assert not clipped(node)
    assert inputs(node) == [HIGHEST, LOWEST]


def test_an_int16_keeps_its_value_under_a_new_model(node: MemoryNode) -> None:
    """It is a number in its own units, at the scale of the model that ran when it was written."""
    node.write(INPUTS, [0x7FFF, 0x8000])
    set_floats(node, 2, 0.1)
    value = 32767 / 8192
    assert node.read(Table.HOLDING, FLOATS, 6) == float_words(value, -4.0, 0.1)
    node.deploy(encode(scaled([12, 14, 3])))
    assert inputs(node, 3) == [1 << 14, LOWEST, 1]
    assert clipped(node)
    assert node.read(Table.HOLDING, FLOATS, 6) == float_words(value, -4.0, 0.1)
    node.write(INPUTS + 1, [0x4000])
    assert not clipped(node)
    node.deploy(encode(AND))
    assert inputs(node) == [HIGHEST, 1 << 13]
    assert node.read(Table.HOLDING, FLOATS + 1, 4) == float_words(value, 1.0, 0.1)[1:5]


def test_inputs_that_the_model_has_not_do_not_count(node: MemoryNode) -> None:
    for first in (2, 33):
        set_floats(node, first, *[math.inf] * 31)
    assert inputs(node, 64)[2:] == [HIGHEST] * 62
    assert not clipped(node)
    set_floats(node, 1, math.inf)
    assert clipped(node)


def scaled(fractions: Sequence[int]) -> Model:
    """AND with inputs at other scales, and perhaps more of them."""
    layer = AND.layers[0]
    width = len(fractions)
    weights = layer.weights[:, [0] * width]
    vectors = AND.vector_inputs[:1, [0] * width]
    model = replace(
        AND,
        input_fraction=tuple(fractions),
        input_offset=(),
        input_low=(),
        input_high=(),
        layers=(replace(layer, weights=weights),),
        vector_inputs=vectors,
    )
    return replace(model, vector_outputs=infer(model, vectors))


def test_a_new_model_looks_again(node: MemoryNode) -> None:
    set_floats(node, 0, 5.0, 0.5, 0.5, 40_000.0)
    assert clipped(node)
    node.deploy(encode(scaled([12, 12])))  # up to 8
    assert not clipped(node)
    assert inputs(node) == [5 << 12, 1 << 11]
    node.deploy(encode(scaled([12, 12, 12])))
    assert not clipped(node)
    node.deploy(encode(scaled([12, 12, 12, 12])))
    assert clipped(node)
    node.deploy(encode(AND))
    assert clipped(node)
    set_floats(node, 0, 1.0)
    assert not clipped(node)


@pytest.mark.parametrize("fraction", [FRACTION_MIN, 0, FRACTION_MAX])
def test_the_extreme_formats(node: MemoryNode, fraction: int) -> None:
    node.deploy(encode(scaled([fraction])))
    step = 2.0**-fraction
    set_floats(node, 0, HIGHEST * step)
    assert (inputs(node, 1), clipped(node)) == ([HIGHEST], False)
    set_floats(node, 0, (HIGHEST + 1) * step)
    assert (inputs(node, 1), clipped(node)) == ([HIGHEST], True)
    set_floats(node, 0, LOWEST * step)
    assert (inputs(node, 1), clipped(node)) == ([LOWEST], False)
    set_floats(node, 0, (LOWEST - 1) * step)
    assert (inputs(node, 1), clipped(node)) == ([LOWEST], True)


def test_all_64_inputs_are_looked_at(node: MemoryNode) -> None:
    node.deploy(encode(scaled([13] * 64)))
    for index in range(64):
        set_floats(node, index, 4.0)
        assert clipped(node), index
        set_floats(node, index, 3.0)
        assert not clipped(node), index


def test_without_a_model_nothing_is_clipped(node: MemoryNode) -> None:
    node.factory()
    set_floats(node, 0, math.inf)
    assert not clipped(node)
    node.work()
    node.deploy(encode(AND))
    assert clipped(node)


def test_one_function_23_sets_inputs_and_reads_it(node: MemoryNode) -> None:
    def ask(*values: float) -> tuple[int, int]:
        words = float_words(*values)
        head = struct.pack(">BHHHHB", 23, RESULT_BITS, 2, FLOATS, len(words), 2 * len(words))
        reply = node.ask(head + struct.pack(f">{len(words)}H", *words))
        bits, output = struct.unpack(">HH", reply[2:])
        return bits >> CLIPPED & 1, output

    assert RESULTS == RESULT_BITS + 1
    assert ask(1, 1) == (0, 1)
    assert ask(1, 100) == (1, 1)
    assert ask(-100, 1) == (1, 0)
    assert ask(0, 1) == (0, 0)
    words = [1 << 13, 0x7FFF]
    head = struct.pack(">BHHHHB", 23, RESULT_BITS, 1, INPUTS, 2, 4)
    assert ask(1, 100) == (1, 1)
    (bits,) = struct.unpack(">H", node.ask(head + struct.pack(">2H", *words))[2:])
    assert bits >> CLIPPED & 1 == 0


def test_held_outputs_do_not_hold_it(node: MemoryNode) -> None:
    """It tells of the inputs as they are."""
    node.ask(struct.pack(">BHH", 5, BY_NAME["HOLD"].address, 0xFF00))
    set_floats(node, 0, 5.0)
    assert clipped(node)
