"""One form of orders: host/core/order.py and firmware/core/order.c, compared with == to every field."""

from __future__ import annotations

import random
import struct
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from host.core import order as orders
from host.core.order import (
    COILS,
    FORMS,
    HEADER,
    NO_HASH,
    NO_KEY,
    OF_AN_IMAGE,
    SETTINGS_WORDS,
    Order,
    OrderError,
    order_bytes,
    order_message,
    order_parse,
)
from host.core.wire import (
    ARGUMENTS_MAX,
    BY_NAME,
    HASH_BYTES,
    IMAGE_MAX,
    KEY_BYTES,
    ORDER_DOMAIN,
    ORDER_MAX,
    ORDER_VERSION,
    SIGNATURE_BYTES,
    UID_BYTES,
    Command,
    Reason,
    Scope,
)
from tests.parity.twins import BUILDS, build_id
from tests.programs import program

VALID = 30_000
MUTANTS = 70_000
RANDOM = 20_000
EDGE = (0, 1, 2, 0x7F, 0x80, 0xFF)
BLANKS = [(16, 4), (24, HASH_BYTES), (56, 2), (56, 4), (56, HASH_BYTES), (58, 2), (60, 2)]
"""Start and size of fields: the counter, the hash, arguments."""


def test_what_stands_where() -> None:
    """The drawing, byte by byte."""
    uid, key = bytes(range(12)), bytes(range(100, 132))
    order = Order(Command.KEY, uid, 0x01020304, arguments=orders.key_arguments(key, True))
    signed = order_bytes(replace(order, signature=bytes(range(64))))
    assert signed[:4] == bytes([ORDER_VERSION, Command.KEY, Scope.UID, 34])
    assert signed[4:16] == uid
    assert signed[16:24] == bytes([4, 3, 2, 1, 0, 0, 0, 0])
    assert signed[24:56] == NO_HASH
    assert signed[56:90] == key + b"\x01\x00"
    assert signed[90:] == bytes(range(64))
    assert order_message(order) == b"neuron485 order\0" + signed[:90]
    assert order_bytes(Order(Command.RESTART, 0x0102, 1))[2:16] == b"\x01\x00\x02\x01" + bytes(10)
    write = orders.write_arguments(BY_NAME["INPUTS"].address + 3, [0x0102, 0xFFFE])
    assert write == b"\x03\x00\x01\x02\xff\xfe"
    assert HEADER.size + ARGUMENTS_MAX + SIGNATURE_BYTES == ORDER_MAX


# ------------------------------------------------------------------------------------------------- any orders


class Maker:
    """Random orders, valid ones, at the edges too."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # scalars: several times as fast as numpy's

    def number(self, low: int, high: int) -> int:
        """In low..high, an end of it as often as not."""
        kind = self.rng.randrange(4)
        return low if kind == 0 else high if kind == 1 else self.rng.randrange(low, high + 1)

    def filled(self, size: int) -> bytes:
        """With something in it, though it may be a single bit."""
        data = bytearray(self.rng.randbytes(size) if self.rng.randrange(2) else size)
        data[self.rng.randrange(size)] |= 1 << self.rng.randrange(8)
        return bytes(data)

    def words(self, count: int) -> list[int]:
        return [self.rng.getrandbits(16) for _ in range(count)]

    def write(self) -> bytes:
        name, whole = [("INPUTS", 1), ("INPUTS_FLOAT", 2)][self.rng.randrange(2)]
        row = BY_NAME[name]
        count = whole * self.number(1, (ARGUMENTS_MAX // 2 - 1) // whole)
        address = row.address + whole * self.number(0, (row.size - count) // whole)
        return orders.write_arguments(address, self.words(count))

    def coils(self) -> bytes:
        count = self.number(1, COILS)
        return orders.coils_arguments(self.number(0, COILS - count), count, self.number(0, (1 << count) - 1))

    def key(self) -> bytes:
        gone = bool(self.rng.randrange(4) == 0)
        guarded = not gone and bool(self.rng.randrange(2))
        return orders.key_arguments(NO_KEY if gone else self.filled(KEY_BYTES), guarded)

    def arguments(self, command: Command) -> bytes:
        makers: dict[Command, Callable[[], bytes]] = {
            Command.INSTALL: lambda: orders.install_arguments(self.number(1, IMAGE_MAX)),
            Command.TRIAL: lambda: orders.trial_arguments(self.number(1, IMAGE_MAX), self.number(1, 0xFFFF)),
            Command.SAVE_SETTINGS: lambda: orders.settings_arguments(self.words(SETTINGS_WORDS)),
            Command.WRITE: self.write,
            Command.COILS: self.coils,
            Command.KEY: self.key,
            Command.FLOOR: lambda: orders.floor_arguments(self.number(0, 0xFFFFFFFF), self.number(0, 0xFFFF)),
            Command.ARM: lambda: orders.arm_arguments(self.filled(HASH_BYTES), self.number(0, 0xFFFF)),
        }
        return makers[command]() if command in makers else b""

    def order(self) -> Order:
        command = list(FORMS)[self.rng.randrange(len(FORMS))]
        return Order(
            command,
            self.number(1, 0xFFFF) if self.rng.randrange(2) else self.rng.randbytes(UID_BYTES),
            self.number(1, 0xFFFFFFFF),
            self.filled(HASH_BYTES) if command in OF_AN_IMAGE else NO_HASH,
            self.arguments(command),
            self.rng.randbytes(SIGNATURE_BYTES),
        )

    def mutant(self, data: bytes) -> bytes:
        """Another command, other arguments, a byte, a bit, or an end that is elsewhere."""
        changed = bytearray(data)
        at = self.rng.randrange(len(data))
        match self.rng.randrange(8):
            case 0:
                changed[at] ^= 1 << self.rng.randrange(8)
            case 1:
                changed[self.rng.randrange(HEADER.size - HASH_BYTES)] = EDGE[self.rng.randrange(len(EDGE))]
            case 2:
                changed[1] = self.rng.randrange(20)
            case 3:
                changed[HEADER.size + self.rng.randrange(8)] = EDGE[self.rng.randrange(len(EDGE))]
            case 4:
                changed = changed[:at]
            case 5:
                changed += self.rng.randbytes(self.rng.randrange(1, 12))
            case 6:
                return self.resized(data)
            case _:
                start, size = BLANKS[self.rng.randrange(len(BLANKS))]
                changed[start : start + size] = bytes(size)
        return bytes(changed)

    def resized(self, data: bytes) -> bytes:
        """More or fewer arguments, and the header says so."""
        size = self.number(0, ARGUMENTS_MAX + 4)
        arguments = (data[HEADER.size : -SIGNATURE_BYTES] + self.rng.randbytes(size))[:size]
        return data[:3] + bytes([size]) + data[4 : HEADER.size] + arguments + data[-SIGNATURE_BYTES:]

    def anything(self) -> bytes:
        data = bytearray(self.rng.randbytes(self.rng.randrange(ORDER_MAX + 10)))
        data[:1] = bytes([ORDER_VERSION])[: len(data)]
        return bytes(data)


@cache
def cases() -> list[bytes]:
    maker = Maker(485)
    valid = [order_bytes(maker.order()) for _ in range(VALID)]
    mutants = [maker.mutant(valid[i % VALID]) for i in range(MUTANTS)]
    twice = [maker.mutant(data) for data in mutants[: MUTANTS // 4] if len(data) > HEADER.size + 8]
    return valid + mutants + twice + [maker.anything() for _ in range(RANDOM)]


@cache
def answers() -> list[bytes]:
    return [packed(order) for order in expected()]


@cache
def expected() -> list[Order | OrderError]:
    return [parsed(data) for data in cases()]


def parsed(data: bytes) -> Order | OrderError:
    try:
        return order_parse(data)
    except OrderError as error:
        return error


def packed(order: Order | OrderError) -> bytes:
    """The answer of tests/parity/order.c."""
    if isinstance(order, OrderError):
        return struct.pack("<I", order.reason)
    arguments, message = order.arguments, order_message(order)
    group, uid = (order.target, bytes(UID_BYTES)) if isinstance(order.target, int) else (0, order.target)
    head = struct.pack("<6I", Reason.NONE, order.command, order.scope, len(arguments), group, order.counter)
    where = struct.pack("<4I", 24, HEADER.size, HEADER.size + len(arguments), len(message))
    numbers = b""
    for at in range(len(arguments) - 1):
        numbers += struct.pack(
            "<2I", *struct.unpack_from("<H", arguments, at), *struct.unpack_from(">H", arguments, at)
        )
        if at + 4 <= len(arguments):
            numbers += arguments[at : at + 4]
    return head + uid + where + message + numbers


@pytest.mark.parametrize("build", BUILDS, ids=build_id)
def test_c_and_python_say_the_same(build: tuple[str, list[str]]) -> None:
    cc, flags = build
    path = program("order", ["tests/parity/order.c"], flags=flags, cc=cc)
    asked = b"".join(struct.pack("<I", len(data)) + data for data in cases())
    done = subprocess.run([str(path)], input=asked, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    offset = 0
    for data, answer in zip(cases(), answers(), strict=True):
        assert done.stdout[offset : offset + len(answer)] == answer, data.hex()
        offset += len(answer)
    assert offset == len(done.stdout)


def test_the_cases_reach_every_command_and_every_check() -> None:
    assert len(cases()) >= 100_000
    commands = Counter(order.command for order in expected() if isinstance(order, Order))
    assert set(commands) == set(FORMS)
    assert min(commands.values()) >= 1000, commands
    refused = Counter(order.what for order in expected() if isinstance(order, OrderError))
    assert set(refused) == {
        *("size", "version", "scope", "group", "counter", "reserved", "command", "arguments' size", "hash"),
        *("length", "seconds of the trial", "registers to write", "coils", "flags of the key", "hash of GO"),
    }
    assert min(refused.values()) >= 20, refused
    survivors = sum(isinstance(order, Order) for order in expected()[VALID:])
    assert survivors >= 1000


def test_an_order_comes_back_as_it_went() -> None:
    maker = Maker(1)
    for order in (maker.order() for _ in range(2000)):
        data = order_bytes(order)
        assert order_parse(data) == order
        assert order_message(order) == ORDER_DOMAIN.encode() + b"\0" + data[:-SIGNATURE_BYTES]


def test_there_is_one_form_only() -> None:
    """What is accepted is, byte by byte, what its fields make."""
    for data, order in zip(cases(), expected(), strict=True):
        if isinstance(order, Order):
            assert order_bytes(order) == data


# ------------------------------------------------------------------------------------------- makers refuse

FLOATS = BY_NAME["INPUTS_FLOAT"]
INPUTS = BY_NAME["INPUTS"]
WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: orders.install_arguments(0), "length"),
    (lambda: orders.install_arguments(IMAGE_MAX + 1), "length"),
    (lambda: orders.trial_arguments(0, 1), "length"),
    (lambda: orders.trial_arguments(4, 0), "seconds of the trial"),
    (lambda: orders.trial_arguments(4, 65536), "seconds of the trial"),
    (lambda: orders.settings_arguments([0] * (SETTINGS_WORDS - 1)), "arguments' size"),
    (lambda: orders.settings_arguments([0] * (SETTINGS_WORDS - 1) + [65536]), "word of a register"),
    (lambda: orders.write_arguments(INPUTS.address, []), "registers to write"),
    (lambda: orders.write_arguments(-1, [0]), "registers to write"),
    (lambda: orders.write_arguments(INPUTS.end, [0]), "registers to write"),
    (lambda: orders.write_arguments(INPUTS.end - 1, [0, 0]), "registers to write"),
    (lambda: orders.write_arguments(INPUTS.address, [0] * 63), "registers to write"),
    (lambda: orders.write_arguments(INPUTS.address, [-1]), "word of a register"),
    (lambda: orders.write_arguments(FLOATS.address, [0]), "registers to write"),
    (lambda: orders.write_arguments(FLOATS.address + 1, [0, 0]), "registers to write"),
    (lambda: orders.write_arguments(FLOATS.end - 2, [0] * 4), "registers to write"),
    (lambda: orders.write_arguments(BY_NAME["ADDRESS"].address, [0]), "registers to write"),
    (lambda: orders.coils_arguments(0, 0, 0), "coils"),
    (lambda: orders.coils_arguments(COILS, 1, 0), "coils"),
    (lambda: orders.coils_arguments(0, COILS + 1, 0), "coils"),
    (lambda: orders.coils_arguments(0, 1, 2), "coils"),
    (lambda: orders.coils_arguments(-1, 1, 0), "coils"),
    (lambda: orders.key_arguments(bytes(31)), "key"),
    (lambda: orders.key_arguments(NO_KEY, True), "flags of the key"),
    (lambda: orders.floor_arguments(1 << 32, 0), "release"),
    (lambda: orders.floor_arguments(0, 1 << 16), "version of the firmware"),
    (lambda: orders.arm_arguments(bytes(33), 0), "hash of GO"),
    (lambda: orders.arm_arguments(NO_HASH, 0), "hash of GO"),
    (lambda: orders.arm_arguments(bytes(31) + b"\1", 65536), "seconds of the trial"),
    (lambda: order_bytes(Order(Command.VERIFY, 1, 1)), "command"),
    (lambda: order_bytes(Order(Command.RESTART, 0, 1)), "group"),
    (lambda: order_bytes(Order(Command.RESTART, 65536, 1)), "group"),
    (lambda: order_bytes(Order(Command.RESTART, bytes(11), 1)), "UID"),
    (lambda: order_bytes(Order(Command.RESTART, bytes(12), 0)), "counter"),
    (lambda: order_bytes(Order(Command.RESTART, bytes(12), 1 << 32)), "counter"),
    (lambda: order_bytes(Order(Command.RESTART, 1, 1, hash=b"\1" * 32)), "hash"),
    (lambda: order_bytes(Order(Command.COMMIT, 1, 1)), "hash"),
    (lambda: order_bytes(Order(Command.COMMIT, 1, 1, hash=b"\1")), "hash"),
    (lambda: order_bytes(Order(Command.RESTART, 1, 1, arguments=b"\0\0")), "arguments' size"),
    (lambda: order_bytes(Order(Command.WRITE, 1, 1, arguments=bytes(256))), "arguments' size"),
    (lambda: order_bytes(Order(Command.RESTART, 1, 1, signature=b"")), "signature"),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_what_is_no_order_is_not_made(number: int) -> None:
    make, what = WRONG[number]
    with pytest.raises(OrderError) as refused:
        make()
    assert refused.value.what == what
    assert "\n" not in str(refused.value)
