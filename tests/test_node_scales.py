"""Between a model's own units and its integers: offsets, ranges, fractions of outputs and classes, on the node and in
our twins, with ==."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Protocol

import numpy as np
import pytest

from host import predict
from host.boards.opening import open_node
from host.core.fixed import INT16_MAX, INT16_MIN, Int16
from host.core.image import Layer, Model, encode, image_crc
from host.core.infer import (
    class_of,
    clipped_inputs,
    dequantise_inputs,
    dequantise_outputs,
    infer,
    led,
    out_of_range,
    quantise_inputs,
)
from host.core.registers import bytes_registers, pack, unpack
from host.core.wire import BY_NAME, FRACTION_MAX, FRACTION_MIN, Activation, Command, Table
from host.node.client import NodeError
from host.node.staging import deploy
from tests.e2e.liar import honest, liar
from tests.e2e.stand_in import stand_in
from tests.elf.firmware import firmware_elf, ready
from tests.elf.master import BUSY_MS
from tests.memory_node import MemoryNode
from tests.models import largest_models, random_model, with_parts

MODELS, MODELS_ON_THE_ELF = 60, 6
EDGES = [0.0, -0.0, 0.5, 1e-45, -1e-45, 300.0, 1e38, 3.4028235e38, -3.4028235e38, np.inf, -np.inf]


class Registers(Protocol):
    """What a node and a master at the ELF have in common."""

    def read(self, table: Table, address: int, count: int) -> list[int]: ...

    def write(self, address: int, values: list[int]) -> None: ...


def row_of(node: Registers, name: str, count: int) -> list[float]:
    """The first values of a row."""
    row = BY_NAME[name]
    words: list[int] = []
    while len(words) < count * row.width:
        part = min(120, count * row.width - len(words))
        words += node.read(row.table, row.address + len(words), part)
    values = unpack(row, words)
    return values if isinstance(values, list) else [values]


def bit(node: Registers, name: str) -> bool:
    return bool(node.read(Table.DISCRETE, BY_NAME[name].address, 1)[0])


def set_row(node: Registers, name: str, values: list[float]) -> None:
    words = pack(BY_NAME[name], values)
    for i in range(0, len(words), 120):
        node.write(BY_NAME[name].address + i, words[i : i + 120])


def rows_for(rng: np.random.Generator, model: Model, count: int) -> list[list[float]]:
    """float32 inputs near each input's middle and its ends, and edges."""
    ends = np.ldexp([INT16_MIN, INT16_MAX], -np.array(model.input_fraction)[:, None])
    rows = []
    for _ in range(count):
        far = rng.choice([0.01, 0.5, 0.99999, 1.0, 1.00001, 1.5], model.inputs) * rng.choice(
            [-1, 1], model.inputs
        )
        near = np.float32(model.input_offset) + far * ends[:, 1]
        odd = rng.random(model.inputs) < 0.2
        rows.append(np.float32(np.where(odd, rng.choice(EDGES, model.inputs), near)).tolist())
    return rows


def same_as_the_twins(node: Registers, rng: np.random.Generator, model: Model, count: int) -> None:
    """Of a node that runs the model."""
    assert row_of(node, "INPUT_FRACTION", model.inputs) == list(model.input_fraction)
    assert row_of(node, "INPUT_OFFSET", model.inputs) == list(model.input_offset)
    assert row_of(node, "OUTPUT_FRACTION", model.outputs) == list(model.output_fraction)
    for row in rows_for(rng, model, count):
        q = quantise_inputs(model, row)
        set_row(node, "INPUTS_FLOAT", row)
        assert row_of(node, "INPUTS", model.inputs) == q[0].tolist()
        assert row_of(node, "INPUTS_FLOAT", model.inputs) == row
        assert bit(node, "CLIPPED") == clipped_inputs(model, row).any()
        computes_as_the_twins(node, model, q)
        set_row(node, "INPUTS", q[0].tolist())
        assert row_of(node, "INPUTS_FLOAT", model.inputs) == dequantise_inputs(model, q)[0].tolist()
        assert not bit(node, "CLIPPED")
        computes_as_the_twins(node, model, q)


def computes_as_the_twins(node: Registers, model: Model, q: Int16) -> None:
    y = infer(model, q)
    real = dequantise_outputs(model, y)[0].tolist()
    assert row_of(node, "OUTPUTS", model.outputs) == row_of(node, "RESULTS", model.outputs) == y[0].tolist()
    assert (
        row_of(node, "OUTPUTS_FLOAT", model.outputs) == row_of(node, "RESULTS_FLOAT", model.outputs) == real
    )
    assert row_of(node, "CLASS", 1) == row_of(node, "RESULT_CLASS", 1) == class_of(model, y).tolist()
    assert bit(node, "DECISION") == led(model, y)[0]
    assert bit(node, "OUT_OF_RANGE") == (out_of_range(model, q).any() or bit(node, "CLIPPED"))


def models(rng: np.random.Generator, count: int) -> list[Model]:
    return [with_parts(rng, random_model(rng, largest=9)) for _ in range(count)]


def test_a_node_converts_as_the_twins(node: MemoryNode) -> None:
    rng = np.random.default_rng(10)
    tried = models(rng, MODELS) + [with_parts(rng, model) for model in largest_models(rng)[15:20]]
    seen = dict.fromkeys(("offset", "range", "fraction", "class", "beyond"), 0)
    for model in tried:
        node.deploy(encode(model))
        same_as_the_twins(node, rng, model, 4)
        seen["offset"] += any(model.input_offset)
        seen["range"] += max(model.input_low) > INT16_MIN
        seen["fraction"] += len(set(model.output_fraction)) > 1
        seen["class"] += model.led_class
        seen["beyond"] += bit(node, "OUT_OF_RANGE")
    assert min(seen.values()) >= 5, seen


def test_the_elf_converts_as_the_twins() -> None:
    rng = np.random.default_rng(11)
    for model in models(rng, MODELS_ON_THE_ELF):
        master, image = ready(firmware_elf()), encode(model)
        master.stage(image)
        master.command(Command.INSTALL, len(image), image_crc(image))
        master.machine.run(milliseconds=BUSY_MS)
        same_as_the_twins(master, rng, model, 2)


# ------------------------------------------------------------------------------------------------------------ examples


def identity(rows: list[list[int]], **more: object) -> Model:
    """out = rows @ in, each q one to one."""
    weights = np.array(rows, dtype=np.int16)
    layer = Layer(weights, np.zeros(len(rows), dtype=np.int32), Activation.IDENTITY, 8, 8)
    x = np.zeros((1, weights.shape[1]), dtype=np.int16)
    model = Model(
        "identity", (8,) * weights.shape[1], (layer,), 0, 0, x, np.zeros((1, len(rows)), dtype=np.int16)
    )
    return replace(model, **more)  # type: ignore[arg-type]


def words(*values: float) -> list[int]:
    return bytes_registers(struct.pack(f">{len(values)}f", *values))


KELVIN = identity(
    [[1]],
    input_fraction=(11,),
    input_offset=(300.0,),
    output_fraction=(11,),
    input_low=(-20480,),
    input_high=(20480,),
)
"""An input of 290..310 K, as its way from 300 K: a step is 1/2048 K, where 310 K from 0 would leave 1/64."""


def test_an_offset_costs_no_bits(node: MemoryNode) -> None:
    node.deploy(encode(KELVIN))
    for kelvin, beyond, clipped in (
        (300 + 1 / 2048, False, False),
        (310, False, False),
        (310.001, True, False),
        (316, True, True),
    ):
        node.write(BY_NAME["INPUTS_FLOAT"].address, words(kelvin))
        found = row_of(node, "OUTPUTS_FLOAT", 1)[0]
        assert abs(min(kelvin, 315.9996) - 300 - found) <= 2**-12
        assert (bit(node, "OUT_OF_RANGE"), bit(node, "CLIPPED")) == (beyond, clipped)


def test_out_of_range_is_of_the_model_that_runs(node: MemoryNode) -> None:
    """Of the inputs as they are, whatever is held; nothing without a model, and without a range what is clipped."""
    node.write(BY_NAME["INPUTS_FLOAT"].address, words(312))
    assert not bit(node, "OUT_OF_RANGE")
    node.deploy(encode(KELVIN))
    assert bit(node, "OUT_OF_RANGE")
    assert node.read(Table.HOLDING, BY_NAME["RESULT_BITS"].address)[0] >> BY_NAME["OUT_OF_RANGE"].address & 1
    node.deploy(encode(identity([[1]])))
    assert bit(node, "OUT_OF_RANGE")
    assert bit(node, "CLIPPED")
    node.write(BY_NAME["INPUTS"].address, [INT16_MAX])
    assert not bit(node, "OUT_OF_RANGE")
    node.write(BY_NAME["INPUTS_FLOAT"].address, words(312))
    assert row_of(node, "INPUTS_FLOAT", 1) == [312.0]


def test_inputs_behind_the_models_last_have_no_offset(node: MemoryNode) -> None:
    node.deploy(encode(KELVIN))
    node.write(BY_NAME["INPUTS"].address, [5, 5])
    assert row_of(node, "INPUTS_FLOAT", 2) == [300 + 5 / 2048, 5.0]


def test_outputs_of_far_sizes_each_have_their_own_fraction(node: MemoryNode) -> None:
    node.deploy(encode(identity([[1], [1]], output_fraction=(FRACTION_MIN, FRACTION_MAX))))
    node.write(BY_NAME["INPUTS"].address, [3])
    assert row_of(node, "OUTPUTS_FLOAT", 2) == [3 * 2.0**16, 3 * 2.0**-31]
    assert row_of(node, "CLASS", 1) == [0]


def test_the_class_is_that_of_the_largest_real_value() -> None:
    """In rational numbers; the first of equal ones."""
    rng = np.random.default_rng(12)
    for _ in range(300):
        count = int(rng.integers(2, 6))
        fractions = tuple(rng.integers(FRACTION_MIN, FRACTION_MAX + 1, count).tolist())
        model = identity([[1]] * count, output_fraction=fractions)
        q = rng.choice([INT16_MIN, -256, -1, 0, 1, 2, 256, INT16_MAX], (20, count)).astype(np.int16)
        for row, found in zip(q.tolist(), class_of(model, q), strict=True):
            exact = [Fraction(value) / Fraction(2) ** f for value, f in zip(row, fractions, strict=True)]
            assert found == exact.index(max(exact))


@pytest.mark.parametrize(("led_output", "lamps"), [(0, [True, False]), (1, [False, True])])
def test_each_of_the_two_classes_of_one_output_can_light_the_led(
    node: MemoryNode, led_output: int, lamps: list[bool]
) -> None:
    node.deploy(encode(identity([[1]], led_class=True, led_output=led_output, led_threshold=7)))
    for value, number, lamp in zip((7, 8), (0, 1), lamps, strict=True):
        node.write(BY_NAME["INPUTS"].address, [value])
        assert (row_of(node, "CLASS", 1), node.lamp()) == ([number], lamp)


THREE = identity([[1, 0], [0, 1], [-1, -1]], led_class=True, led_output=2)
"""Three classes; the last of them lights the LED."""


@pytest.fixture
def port(node: MemoryNode) -> Iterator[str]:
    with stand_in(node.answer) as port:
        yield port


def test_a_class_is_proven_over_the_bus(node: MemoryNode, port: str) -> None:
    with open_node(port) as opened:
        rows = deploy(opened, encode(THREE), x=[[1, 0], [0, 1], [-1, -1]]).rows
    assert [row.led for row in rows] == [False, False, True]
    assert node.get("MODEL_CRC") == image_crc(encode(THREE))


def test_another_class_than_ours_is_no_proof(node: MemoryNode) -> None:
    row = BY_NAME["RESULT_CLASS"]
    with (
        stand_in(liar(honest(node), {(row.table, row.address): 1}, set())) as port,
        open_node(port) as opened,
        pytest.raises(NodeError, match="the node computes"),
    ):
        deploy(opened, encode(THREE), x=[[1, 0]])


def test_predict_speaks_in_the_models_units(
    node: MemoryNode, port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    node.deploy(encode(KELVIN))
    assert predict.main([port, "305.5"]) == 0
    assert capsys.readouterr().out == "5.5   LED on\n"
    assert predict.main([port, "400"]) == 0
    assert "taken as 316" in capsys.readouterr().err
