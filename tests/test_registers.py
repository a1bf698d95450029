"""Random register traffic at a node, each reply and each register compared with a model of the register file."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from host.core.image import decode, encode
from host.core.modbus import READ_FUNCTION, write_registers_pdu
from host.core.registers import bytes_registers
from host.core.wire import BY_NAME, DEFAULT_ADDRESS, REGISTERS, Command, Start, Table
from tests.memory_node import ALL_WORK, MemoryNode, ModbusException, Scan
from tests.models import largest_models, random_model
from tests.node_model import WEAR_BUCKET, WEAR_INTERVAL_MS, NodeModel, Refused
from tests.pdus import command_pdu

EXAMPLES, STEPS = 45, 100


def _watched() -> list[tuple[Table, int, int]]:
    """Spans of registers that one request may read: all but the stage and the image, which rules read in parts."""
    spans: list[tuple[Table, int, int]] = []
    for row in sorted(REGISTERS, key=lambda row: (row.table, row.address)):
        if row.name in ("STAGE", "IMAGE", "ARENA"):
            continue
        table, start, count = spans[-1] if spans else (None, 0, 0)
        if table is row.table and start + count == row.address and count + row.size <= 125:
            spans[-1] = (row.table, start, count + row.size)
        else:
            spans += [(row.table, row.address + i, min(120, row.size - i)) for i in range(0, row.size, 120)]
    return spans


WATCHED = _watched()


class Image(bytes):
    """An image that a failing example shows by name."""

    def __repr__(self) -> str:
        return f"image({self[12:28].rstrip(bytes(1)).decode()}, {len(self)} bytes, {self[-4:].hex()})"


def _images() -> list[Image]:
    rng = np.random.default_rng(5)
    small = [encode(random_model(rng, largest=6, name=f"small {i}")) for i in range(6)]
    large = [encode(model) for model in largest_models(rng)[:6]]
    return [Image(data) for data in (*small, *large, *[_wrong_vector(data) for data in small[:3]])]


def _wrong_vector(data: bytes) -> bytes:
    """The image with another expected output in its last self-test vector."""
    model = decode(data)
    outputs = model.vector_outputs.copy()
    outputs[-1, -1] ^= 1
    return encode(replace(model, vector_outputs=outputs))


IMAGES = _images()
STAGE = BY_NAME["STAGE"].address

word = st.integers(0, 0xFFFF)
images = st.sampled_from(IMAGES)
ends = [address for row in REGISTERS for address in (row.address - 1, row.address, row.end - 1, row.end)]
any_address = st.one_of(word, st.sampled_from([a for a in ends if 0 <= a <= 0xFFFF]))
holding_address = st.sampled_from(
    [r.address + i for r in REGISTERS if r.table is Table.HOLDING for i in range(4)]
)
codes = st.sampled_from([*Command, *Command, max(Command) + 1, 0xFFFF])
most_work = st.one_of(st.just(ALL_WORK), st.just(ALL_WORK), st.just(ALL_WORK), st.integers(1, 60))
floats = st.one_of(st.floats(width=32), st.sampled_from([0.0, -0.0, 1.0, 0.5, -1.5, 32767.5, 1e-45]))


class Traffic(RuleBasedStateMachine):
    """A master that asks for anything, and a node that must do what the register table says."""

    node: MemoryNode
    seen: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.node.factory()
        self.model = NodeModel()

    def ask(self, pdu: bytes, expected: Callable[[], bytes]) -> None:
        """The node's reply is what the model says: an answer, or an exception."""
        self.node.address = self.model.address
        self.model.tell()
        try:
            answer: Any = expected()
        except Refused as error:
            answer = error.code
        try:
            found: Any = self.node.ask(pdu)
        except ModbusException as error:
            found = error.code
        self.model.served(pdu[0])
        assert found == answer
        self.seen[f"exception {found}" if isinstance(found, int) else "answered"] += 1

    def write(self, address: int, values: Sequence[int]) -> None:
        def expected() -> bytes:
            self.model.write(address, values)
            return pdu[:5]

        pdu = write_registers_pdu(address, values)
        self.ask(pdu, expected)

    def command(self, code: int, length: int = 0, crc: int = 0) -> None:
        self.write(BY_NAME["COMMAND"].address, [code, length >> 16, length & 0xFFFF, crc >> 16, crc & 0xFFFF])

    # ------------------------------------------------------------------------------------------------ registers

    @rule(table=st.sampled_from(Table), address=any_address, count=st.integers(1, 125))
    def read_anything(self, table: Table, address: int, count: int) -> None:
        self._read(table, address, count)

    @rule(
        offset=st.integers(0, 4095),
        count=st.integers(1, 125),
        table=st.sampled_from([Table.HOLDING, Table.INPUT]),
    )
    def read_stage_or_image(self, table: Table, offset: int, count: int) -> None:
        self._read(table, 0x1000 + offset, count)

    def _read(self, table: Table, address: int, count: int) -> None:
        def expected() -> bytes:
            values = self.model.read(table, address, count)
            if table in (Table.COIL, Table.DISCRETE):
                packed = sum(bit << i for i, bit in enumerate(values)).to_bytes(-(-count // 8), "little")
                return bytes([function, len(packed)]) + packed
            return struct.pack(f">BB{count}H", function, 2 * count, *values)

        function = {Table.COIL: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}[table]
        self.ask(struct.pack(">BHH", function, address, count), expected)

    @rule(address=st.one_of(any_address, holding_address), values=st.lists(word, min_size=1, max_size=8))
    def write_anything(self, address: int, values: list[int]) -> None:
        self.write(address, values)

    @rule(address=holding_address, value=word)
    def write_one(self, address: int, value: int) -> None:
        def expected() -> bytes:
            self.model.write(address, [value])
            return pdu

        pdu = struct.pack(">BHH", 6, address, value)
        self.ask(pdu, expected)

    @rule(address=holding_address, and_mask=word, or_mask=word)
    def write_masked(self, address: int, and_mask: int, or_mask: int) -> None:
        def expected() -> bytes:
            (value,) = self.model.read(Table.HOLDING, address, 1)
            self.model.write(address, [value & and_mask | or_mask & ~and_mask])
            return pdu

        pdu = struct.pack(">BHHH", 22, address, and_mask, or_mask)
        self.ask(pdu, expected)

    @rule(
        read=st.one_of(holding_address, any_address),
        count=st.integers(1, 125),
        address=holding_address,
        values=st.lists(word, min_size=1, max_size=6),
    )
    def write_and_read(self, read: int, count: int, address: int, values: list[int]) -> None:
        def expected() -> bytes:
            self.model.read(Table.HOLDING, read, count)  # refused before the write
            self.model.write(address, values)
            return struct.pack(f">BB{count}H", 23, 2 * count, *self.model.read(Table.HOLDING, read, count))

        head = struct.pack(">BHHHHB", 23, read, count, address, len(values), 2 * len(values))
        self.ask(head + struct.pack(f">{len(values)}H", *values), expected)

    @rule(first=st.integers(0, 63), values=st.lists(word, min_size=1, max_size=20))
    def set_inputs(self, first: int, values: list[int]) -> None:
        self.write(BY_NAME["INPUTS"].address + first, values)

    @rule(first=st.integers(0, 63), values=st.lists(floats, min_size=1, max_size=12))
    def set_inputs_float(self, first: int, values: list[float]) -> None:
        self.write(
            BY_NAME["INPUTS_FLOAT"].address + 2 * first,
            bytes_registers(struct.pack(f">{len(values)}f", *values)),
        )

    @rule(address=st.integers(0, 3), values=st.lists(st.integers(0, 1), min_size=1, max_size=4))
    def set_coils(self, address: int, values: list[int]) -> None:
        def expected() -> bytes:
            self.model.write_coils(address, values)
            return pdu[:5]

        packed = sum(bit << i for i, bit in enumerate(values))
        pdu = struct.pack(">BHHBB", 15, address, len(values), 1, packed)
        self.ask(pdu, expected)

    @rule(address=st.integers(0, 3), value=st.booleans())
    def set_coil(self, address: int, value: bool) -> None:
        def expected() -> bytes:
            self.model.write_coils(address, [int(value)])
            return pdu

        pdu = struct.pack(">BHH", 5, address, 0xFF00 if value else 0)
        self.ask(pdu, expected)

    @rule(
        rate=st.sampled_from([1000, 1000, 1, 10_000, 0, 10_001]),
        channels=st.sampled_from([0, 1, 0x3F, 0x100, 0xF05, 0xFFF, 0xFFF, 0x1000]),
        number=st.one_of(st.integers(0, 100), st.integers(0, 0xFFFFFFFF)),
    )
    def ask_for_samples(self, rate: int, channels: int, number: int) -> None:
        self.write(BY_NAME["SAMPLE_RATE"].address, [rate, channels, number >> 16, number & 0xFFFF])

    @rule(
        analog=st.lists(st.integers(0, 4095), min_size=8, max_size=8),
        levels=st.lists(st.integers(0, 15), min_size=1),
    )
    def scan(self, analog: list[int], levels: list[int]) -> None:
        if not self.model.sampler.channels:
            self.ask_for_samples(1000, 0xFFF, 0)  # which a busy node refuses
        if self.model.sampler.channels:
            self.node.scans(Scan(analog, level) for level in levels)
            for level in levels:
                self.model.sampler.scan(analog, level)
            self.seen["scans"] += len(levels)

    # ------------------------------------------------------------------------------------------------- commands

    def stage(self, data: bytes) -> None:
        values = bytes_registers(data)
        for i in range(0, len(values), 123):
            self.write(STAGE + i, values[i : i + 123])

    @rule(image=images)
    def stage_image(self, image: bytes) -> None:
        self.stage(image)

    @rule(image=images)
    def stage_by_broadcast(self, image: bytes) -> None:
        values = bytes_registers(image[:600])
        for i in range(0, len(values), 123):
            part = values[i : i + 123]
            assert self.node.broadcast(write_registers_pdu(STAGE + i, part)) == b""
            self.model.tell()
            self.model.broadcast(STAGE + i, part)
            self.model.served(16)
            self.model.work(1)  # without a reply the line is quiet at once

    @rule(image=images, position=st.integers(0, 1 << 16), value=word)
    def stage_with_a_fault(self, image: bytes, position: int, value: int) -> None:
        self.stage(image)
        self.write(STAGE + position % (len(image) // 2), [value])
        self.command(Command.VERIFY, len(image), int.from_bytes(image[-4:], "little"))

    @rule(image=images, short=st.sampled_from([0, 0, 0, 0, 1, 4]), wrong=st.sampled_from([0, 0, 0, 0, 1]))
    def verify(self, image: bytes, short: int, wrong: int) -> None:
        self.command(Command.VERIFY, len(image) - short, int.from_bytes(image[-4:], "little") ^ wrong)

    @rule(image=images)
    def verify_staged(self, image: bytes) -> None:
        self.stage(image)
        self.command(Command.VERIFY, len(image), int.from_bytes(image[-4:], "little"))

    @rule(image=images, wrong=st.sampled_from([0, 0, 0, 1]))
    def install(self, image: bytes, wrong: int) -> None:
        self.stage(image)
        self.command(Command.INSTALL, len(image), int.from_bytes(image[-4:], "little") ^ wrong)

    @rule(wrong=st.sampled_from([0, 0, 0, 1]))
    def commit(self, wrong: int) -> None:
        self.command(Command.COMMIT, crc=int.from_bytes(self.model.staged[-4:], "little") ^ wrong)

    @rule(image=images, rounds=most_work)
    def deploy(self, image: bytes, rounds: int) -> None:
        self.verify_staged(image)
        self.commit(0)
        self.work(rounds)

    @rule(wrong=st.sampled_from([0, 0, 0, 1]))
    def rollback(self, wrong: int) -> None:
        previous = self.model.models.previous
        crc = int.from_bytes(previous.payload[-4:], "little") if previous else 0
        self.command(Command.ROLLBACK, crc=crc ^ wrong)

    @rule(
        address=st.sampled_from([1, 2, 17, 247, 247, 248]),
        baud=st.sampled_from([1200, 19200, 115200, 1_000_000, 19200, 1199]),
        line_format=st.sampled_from([0, 1, 2, 3]),
        gap=st.sampled_from([0, 1]),
        watch=st.sampled_from([[], [], [600, 0, 0, 0], [1, 1, 2, 20], [0xFFFF, 1, 3, 1000], [0, 0, 0, 1001]]),
    )
    def change_settings(self, address: int, baud: int, line_format: int, gap: int, watch: list[int]) -> None:
        self.write(BY_NAME["ADDRESS"].address, [address, baud >> 16, baud & 0xFFFF, line_format, gap, *watch])
        self.command(Command.SAVE_SETTINGS)

    @rule(
        watch=st.sampled_from([[1, 0, 0, 0], [1, 1, 1, 20], [600, 1, 2, 0], [0xFFFF, 0, 3, 1000]]),
        milliseconds=st.sampled_from([99, 100, 60_000, 10**7]),
    )
    def fall_silent(self, watch: list[int], milliseconds: int) -> None:
        self.write(BY_NAME["WATCHDOG"].address, watch)
        self.command(Command.SAVE_SETTINGS)
        self.work(ALL_WORK)
        self.advance(milliseconds)
        self.work(1)

    @rule(code=codes, length=st.sampled_from([0, 44, 8192, 8193, 0xFFFFFFFF]), crc=st.integers(0, 0xFFFFFFFF))
    def any_command(self, code: int, length: int, crc: int) -> None:
        self.command(code, length, crc)

    @rule(code=codes)
    def command_alone(self, code: int) -> None:
        """The other registers of the command stand from before."""
        self.write(BY_NAME["COMMAND"].address, [code])

    @rule()
    def broadcast_a_command(self) -> None:
        assert self.node.broadcast(command_pdu(99)) == b""
        self.model.tell()
        self.model.broadcast(BY_NAME["COMMAND"].address, [99, 0, 0, 0, 0])
        self.model.served(16)
        self.model.work(1)

    # ----------------------------------------------------------------------------------------------------- time

    @rule(rounds=most_work)
    def work(self, rounds: int) -> None:
        self.node.work(rounds)
        self.model.work(rounds)

    @rule(taken=st.sampled_from([0, 1, WEAR_BUCKET - 2, WEAR_BUCKET - 1, WEAR_BUCKET]))
    def reset_after_commits(self, taken: int) -> None:
        """As if there had been so many commits before it."""
        self.node.keep(taken, taken ^ 0xFFFFFFFF, 0, 0)
        self.node.watchdog()
        self.model.commits_taken = taken
        self.model.start(Start.WATCHDOG)
        if taken == WEAR_BUCKET:
            self.change_settings(1 + self.model.address % 2, 9600, 0, 0, [])

    @rule(
        milliseconds=st.one_of(
            st.integers(0, 1000),
            st.sampled_from([99, 100, 60_000, WEAR_INTERVAL_MS - 1, WEAR_INTERVAL_MS, 10**7]),
        )
    )
    def advance(self, milliseconds: int) -> None:
        self.node.advance(milliseconds)
        self.model.millis += milliseconds

    @rule()
    def power_cycle(self) -> None:
        self.seen["cut " + self.model.state.name] += 1
        self.node.power_cycle()
        self.model.start()

    @invariant()
    def all_registers_agree(self) -> None:
        self.node.address = self.model.address
        self.model.tell()
        registers = {table: self.model.registers(table, bulk=False) for table in Table}
        for table, start, count in WATCHED:
            expected = [registers[table][start + i] for i in range(count)]
            assert self.node.read(table, start, count) == expected, (table.name, hex(start))
            events = len(self.model.events)
            self.model.served(READ_FUNCTION[table])
            if len(self.model.events) != events:
                registers = {table: self.model.registers(table, bulk=False) for table in Table}
        assert self.node.lamp() == self.model.lamp
        self.seen[self.model.state.name] += 1
        self.seen[self.model.reason.name] += 1
        self.seen["lost"] += self.model.lost
        self.seen["lit" if self.model.lamp else "dark"] += 1
        sequence = self.model.models.active.sequence if self.model.models.active else 0
        self.seen["highest sequence"] = max(self.seen["highest sequence"], sequence)
        self.seen["moved"] += self.model.address != DEFAULT_ADDRESS
        self.seen["could roll back"] += self.model.models.previous is not None


def test_the_register_file() -> None:
    with MemoryNode() as node:

        class TrafficAtNode(Traffic):
            pass

        TrafficAtNode.node = node
        TrafficAtNode.seen = seen = Counter()
        run_state_machine_as_test(
            TrafficAtNode,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    # Far below what is usual: another release of Hypothesis draws other traffic.
    assert seen["answered"] > 2000, seen
    assert min(seen["exception 2"], seen["exception 4"], seen["exception 6"], seen["lit"]) > 0, seen
    assert min(seen["WEAR"], seen["SAMPLING"], seen["scans"], seen["lost"]) > 0, seen
    assert seen["highest sequence"] >= 3, "no example went deep"
