"""What the scenarios share: models to send, truth tables to walk, four ways to ask a node."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.framer import FramerType

from host.core.image import Layer, Model, encode
from host.core.infer import dequantise_outputs, infer, led, quantise_inputs
from host.core.registers import placed, unpack
from host.core.wire import BY_NAME, DEFAULT_BAUD, UNITS_MAX, Activation, Command, Table
from host.models.dense import Dense
from host.models.quantise import quantise
from host.node.client import NoAnswer
from host.node.line import Settings, read_settings, save_settings
from host.node.node import Node
from tests.patience import ANSWER, growing

if TYPE_CHECKING:
    from tests.conftest import Target

Rows = Sequence[tuple[float, float]]
TABLE: Rows = [(0, 0), (0, 1), (1, 0), (1, 1)]
"""The rows of a truth table."""
BROADCAST = 0

# ------------------------------------------------------------------------------------------------------------- models


def neuron(name: str, w: Sequence[float], b: float) -> Model:
    """A neuron of two inputs that fires when w x + b > 0."""
    dense = Dense(np.array([w], dtype=np.float64), np.array([b]), Activation.STEP)
    return quantise(name, [dense], TABLE)[0]


AND = neuron("and", (1, 1), -1.5)
OR = neuron("or", (1, 1), -0.5)
NAND = neuron("nand", (-1, -1), 1.5)
LIT = {"and": [False, False, False, True], "or": [False, True, True, True], "nand": [True, True, True, False]}
"""The lamp for the rows of TABLE."""


def crc_of(model: Model) -> int:
    return int.from_bytes(encode(model)[-4:], "little")


def with_vectors(model: Model, rows: np.typing.NDArray[np.int16]) -> Model:
    """The model with these rows for its self-test."""
    return replace(model, vector_inputs=rows, vector_outputs=infer(model, rows))


def largest(seed: int = 485) -> Model:
    """A model of all activations whose image has exactly as many bytes as a node takes."""
    generator = np.random.default_rng(seed)

    def layer(outputs: int, inputs: int, activation: Activation, acc: int, out: int) -> Layer:
        weights = generator.integers(-3000, 3000, (outputs, inputs)).astype(np.int16)
        bias = generator.integers(-(2**20), 2**20, outputs).astype(np.int32)
        return Layer(weights, bias, activation, acc, out)

    layers = (
        layer(UNITS_MAX, 35, Activation.TANH, 26, 15),
        layer(13, UNITS_MAX, Activation.RELU, 27, 12),
        layer(5, 13, Activation.SIGMOID, 25, 15),
        layer(3, 5, Activation.IDENTITY, 27, 11),
    )
    rows = generator.integers(-32768, 32768, (17, 35)).astype(np.int16)
    return with_vectors(Model("largest", (12,) * 35, layers, 1, 100, rows, rows[:, :3]), rows)


# ---------------------------------------------------------------------------------------------------- asking the node


def ask_together(node: Node, model: Model, row: tuple[float, float]) -> tuple[list[float], bool]:
    """Function 23: inputs in, outputs and lamp back."""
    result = node.evaluate_float(row, model.outputs)
    return dequantise_outputs(model, result.outputs)[0].tolist(), bool(result.led[0])


def ask_together_int16(node: Node, model: Model, row: tuple[float, float]) -> tuple[list[float], bool]:
    result = node.evaluate(quantise_inputs(model, row), model.outputs)
    return dequantise_outputs(model, result.outputs)[0].tolist(), bool(result.led[0])


def lamp_bit(node: Node) -> bool:
    """Function 2, the discrete input LED."""
    return bool(node.read(Table.DISCRETE, BY_NAME["LED"].address, 1)[0])


def ask_by_floats(node: Node, model: Model, row: tuple[float, float]) -> tuple[list[float], bool]:
    """Function 16 into INPUTS_FLOAT, function 4 from OUTPUTS_FLOAT, function 2 for the lamp."""
    node.write(*placed(INPUTS_FLOAT=row))
    outputs = BY_NAME["OUTPUTS_FLOAT"]
    values: list[float] = unpack(outputs, node.read(Table.INPUT, outputs.address, 2 * model.outputs))
    return values, lamp_bit(node)


def ask_by_int16(node: Node, model: Model, row: tuple[float, float]) -> tuple[list[float], bool]:
    """The same with INPUTS and OUTPUTS."""
    node.write(BY_NAME["INPUTS"].address, [int(q) & 0xFFFF for q in quantise_inputs(model, row)[0]])
    words = node.read(Table.INPUT, BY_NAME["OUTPUTS"].address, model.outputs)
    values = np.array(words, dtype=np.uint16).astype(np.int16)
    return dequantise_outputs(model, values[np.newaxis])[0].tolist(), lamp_bit(node)


WAYS: dict[str, Callable[[Node, Model, tuple[float, float]], tuple[list[float], bool]]] = {
    "function 23, float": ask_together,
    "function 23, int16": ask_together_int16,
    "float registers": ask_by_floats,
    "int16 registers": ask_by_int16,
}


def walk(target: Target, node: Node, model: Model, way: str = "function 23, float") -> list[bool]:
    """The lamp for every row of the table; the outputs are those of our own twin, the lamp itself agrees."""
    lamps = []
    for row in TABLE:
        expected = infer(model, quantise_inputs(model, row))
        outputs, lit = WAYS[way](node, model, row)
        assert outputs == dequantise_outputs(model, expected)[0].tolist()
        assert lit == led(model, expected)[0]
        assert target.shows(lit)
        lamps.append(lit)
    return lamps


def running(node: Node) -> bytes:
    """The image that the node is running, read back from it."""
    return node.read_image(node.wait_idle().model_length)


def restart(node: Node) -> None:
    """Have the node start again and wait until it has: a coil that was set is clear then."""
    coil = BY_NAME["HOLD"].address
    node.write_coil(coil, True)
    node.command(Command.RESTART, "restart")
    for seconds in growing():  # it does not hear a question that comes meanwhile
        with answering_within(node, seconds), suppress(NoAnswer):
            while node.read(Table.COIL, coil, 1) != [0]:
                pass
            break
    node.wait_idle()


@contextmanager
def answering_within(node: Node, seconds: float) -> Iterator[None]:
    """The node has only so long for an answer."""
    before, node.link.timeout = node.link.timeout, seconds
    try:
        yield
    finally:
        node.link.timeout = before


# ------------------------------------------------------------------------------------- a Modbus client of another make


@contextmanager
def plain_client(port: str) -> Iterator[Any]:
    """pymodbus as everybody uses it. A pty takes no parity: that of /dev/ttyUSB0 is even."""
    client: Any
    if port.startswith("socket://"):
        host, _, number = port.removeprefix("socket://").rpartition(":")
        client = ModbusTcpClient(host, port=int(number), framer=FramerType.RTU, timeout=ANSWER)
    else:
        parity = "N" if os.path.realpath(port).startswith(("/dev/pts/", "/dev/ttys")) else "E"
        client = ModbusSerialClient(port, baudrate=DEFAULT_BAUD, parity=parity, timeout=ANSWER)
    assert client.connect()
    try:
        yield client
    finally:
        client.close()


def hear_broadcasts(node: Node) -> Settings:
    """Have it take commands, settings and the stage by broadcast too. What was in force before."""
    before = read_settings(node)
    save_settings(node, replace(before, broadcasts=True))
    node.wait_idle()
    return before


def broadcast(client: Any, address: int, words: list[int], seconds: float) -> None:
    """Function 16 to everybody. Nobody answers: wait until the frame has left, and `seconds` for the nodes to take
    it."""
    client.write_registers(address, words, device_id=BROADCAST, no_response_expected=True)
    time.sleep(seconds + 11 * (9 + 2 * len(words)) / DEFAULT_BAUD)
