"""Modbus clients that know nothing of neuron485: mbpoll, and pymodbus as everybody uses it."""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from host.boards.opening import open_node
from host.boards.simulated import Sim, simulate
from host.core.image import encode
from host.core.infer import quantise_inputs
from host.core.registers import pack
from host.core.wire import (
    BY_NAME,
    FIRMWARE_MAJOR,
    FIRMWARE_MINOR,
    PRODUCT_CODE,
    VENDOR_NAME,
    WIRE_VERSION,
    Command,
    Reason,
)
from host.node.staging import deploy
from tests.conftest import Target
from tests.e2e.scenario import AND, LIT, OR, TABLE, crc_of, plain_client
from tests.patience import PATIENCE
from tests.pdus import command_words, stage_frames

SLOWEST = ["-o", "10"]
"""The most that mbpoll waits for an answer, in seconds."""

# ------------------------------------------------------------------------------------------------------------- mbpoll

needs_mbpoll = pytest.mark.skipif(
    shutil.which("mbpoll") is None, reason="mbpoll is not installed (Debian: apt-get install mbpoll)"
)

COIL, DISCRETE, INPUT, INPUT_FLOAT, HOLDING, HOLDING_FLOAT = "0", "1", "3", "3:float", "4", "4:float"
"""Its names of the tables."""


def mbpoll(port: str, table: str, name: str, *values: str, count: int = 1, ok: bool = True) -> list[str]:
    """One poll, or one write, by its own defaults: 19200 baud, even parity. The values it prints."""
    head = ["mbpoll", *SLOWEST, *"-m rtu -0 -1 -B -a 1 -b 19200 -P even -t".split(), table]
    reading = [] if values else ["-c", str(count)]
    where = ["-r", str(BY_NAME[name].address), port]
    made = subprocess.run(
        [*head, *reading, *where, *values], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (made.returncode == 0) == ok, made.stdout + made.stderr
    lines = made.stdout.splitlines()
    return [
        line.split("\t")[1].strip().split(" ")[0] for line in lines if line.startswith("[") and "\t" in line
    ]


@needs_mbpoll
def test_mbpoll_reads_who_the_node_is(target: Target) -> None:
    assert mbpoll(target.port, INPUT, "WIRE_VERSION") == [str(WIRE_VERSION)]
    assert mbpoll(target.port, INPUT, "FIRMWARE_VERSION") == [str(FIRMWARE_MAJOR << 8 | FIRMWARE_MINOR)]
    assert mbpoll(target.port, HOLDING, "ADDRESS", count=3) == ["1", "0", "19200"]


@needs_mbpoll
def test_mbpoll_sets_inputs_and_watches_the_lamp(target: Target) -> None:
    with open_node(target.port) as node:
        deploy(node, encode(AND))
    for (a, b), lit in zip(TABLE, LIT["and"], strict=True):
        mbpoll(target.port, HOLDING_FLOAT, "INPUTS_FLOAT", str(a), str(b))
        assert mbpoll(target.port, DISCRETE, "LED") == [str(int(lit))]
        assert mbpoll(target.port, INPUT_FLOAT, "OUTPUTS_FLOAT") == [str(int(lit))]
        assert mbpoll(target.port, INPUT, "OUTPUTS") == [str(int(lit))]
        assert target.shows(lit)


@needs_mbpoll
def test_mbpoll_lights_the_lamp_by_a_coil(target: Target) -> None:
    with open_node(target.port) as node:
        deploy(node, encode(AND))
    mbpoll(target.port, HOLDING, "INPUTS", "0", "0")
    mbpoll(target.port, COIL, "LAMP_TEST", "1")
    assert mbpoll(target.port, COIL, "LAMP_TEST", count=3) == ["1", "0", "0"]
    assert target.shows(True)
    mbpoll(target.port, COIL, "LAMP_TEST", "0")
    assert target.shows(False)


@needs_mbpoll
def test_mbpoll_is_told_what_is_not_allowed(target: Target) -> None:
    mbpoll(target.port, HOLDING, "COMMAND", "99", ok=False)
    assert mbpoll(target.port, INPUT, "REASON") == [str(int(Reason.COMMAND))]


@needs_mbpoll
def test_mbpoll_opens_the_pty_every_time() -> None:
    """With even parity, which a pty does not have: straight after another client, and after one that said nothing."""
    with simulate() as sim:
        for number in range(50):
            if number % 10 == 5:
                with open_node(sim.port):
                    pass
            if number % 10 == 8:
                with plain_client(sim.port):
                    pass
                # What the client left set is noticed when the line has been idle for a moment.
                mbpoll_soon(sim.port)
            assert mbpoll(sim.port, INPUT, "WIRE_VERSION") == [str(WIRE_VERSION)]


def mbpoll_soon(port: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        command = ["mbpoll", *SLOWEST, "-m", "rtu", "-0", "-1", "-b", "19200", "-t", INPUT, "-r", "512", port]
        if subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False).returncode == 0:
            return
    pytest.fail("mbpoll never opened the port")


# ----------------------------------------------------------------------------------------------------------- pymodbus


@pytest.fixture(params=["serial", "tcp"])
def plain(request: pytest.FixtureRequest) -> Iterator[tuple[Sim, Any]]:
    """A simulated node and a client of another make."""
    with simulate(tcp=0) as sim:
        port = sim.port if request.param == "serial" else f"socket://{sim.tcp}"
        with plain_client(port) as client:
            yield sim, client


def shows(sim: Sim, lit: bool) -> bool:
    return sim.wait(lambda now: now.leds == {1: lit})


def floats(*values: float) -> list[int]:
    return pack(BY_NAME["INPUTS_FLOAT"], values)


def test_pymodbus_reads_who_the_node_is(plain: tuple[Sim, Any]) -> None:
    _, client = plain
    assert client.read_input_registers(BY_NAME["WIRE_VERSION"].address).registers == [WIRE_VERSION]
    assert client.read_device_information(read_code=1, object_id=0).information == {
        0: VENDOR_NAME.encode(),
        1: PRODUCT_CODE.encode(),
        2: f"V{FIRMWARE_MAJOR}.{FIRMWARE_MINOR}".encode(),
    }
    uid = client.read_input_registers(BY_NAME["UID"].address, count=6).registers
    assert struct.pack(">6H", *uid).startswith(b"simulated")
    assert client.report_device_id().identifier.startswith(PRODUCT_CODE.encode())
    assert client.diag_query_data(b"\x12\x34").message == b"\x12\x34"


def test_pymodbus_sends_a_model_and_watches_the_lamp(plain: tuple[Sim, Any]) -> None:
    sim, client = plain
    image = encode(AND)
    for address, words in stage_frames(image):
        assert not client.write_registers(address, words).isError()
    command = BY_NAME["COMMAND"].address
    for code in (Command.VERIFY, Command.COMMIT):
        words = command_words(code, len(image), crc_of(AND))
        assert not client.write_registers(command, words).isError()
    while client.read_discrete_inputs(BY_NAME["BUSY"].address).bits[0]:
        pass
    assert client.read_discrete_inputs(BY_NAME["MODEL_VALID"].address).bits[0]

    for (a, b), lit in zip(TABLE, LIT["and"], strict=True):
        client.write_registers(BY_NAME["INPUTS_FLOAT"].address, floats(a, b))
        assert client.read_discrete_inputs(BY_NAME["LED"].address).bits[0] == lit
        assert client.read_input_registers(BY_NAME["OUTPUTS"].address).registers == [int(lit)]
        assert shows(sim, lit)

        client.write_register(BY_NAME["INPUTS"].address, 0)
        assert not client.read_discrete_inputs(BY_NAME["LED"].address).bits[0]
        q = [int(value) for value in quantise_inputs(AND, (a, b))[0]]
        both = client.readwrite_registers(
            read_address=BY_NAME["RESULT_BITS"].address,
            read_count=2,
            write_address=BY_NAME["INPUTS"].address,
            values=q,
        )
        assert (both.registers[0] & 1, both.registers[1]) == (lit, lit)


def test_pymodbus_is_told_what_is_not_allowed(plain: tuple[Sim, Any]) -> None:
    _, client = plain
    command = BY_NAME["COMMAND"].address
    refusals = [
        (client.write_registers(command, command_words(Command.COMMIT, 0, 1)), 4),
        (client.write_registers(command, command_words(99)), 3),
        (client.read_input_registers(0x0F00), 2),
        (client.write_register(BY_NAME["RESULTS"].address, 1), 2),
        (client.write_register(BY_NAME["INPUTS_FLOAT"].address, 1), 2),
        (client.read_fifo_queue(address=0), 1),
    ]
    for reply, code in refusals:
        assert reply.isError()
        assert reply.exception_code == code


def test_pymodbus_and_our_own_take_turns() -> None:
    with simulate() as sim:
        for model in (AND, OR):
            with open_node(sim.port) as node:
                deploy(node, encode(model))
            with plain_client(sim.port) as client:
                words = client.read_input_registers(BY_NAME["MODEL_NAME"].address, count=8).registers
                assert struct.pack(">8H", *words).rstrip(b"\0").decode() == model.name
