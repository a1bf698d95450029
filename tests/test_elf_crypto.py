"""firmware/crypto within the board's firmware: the published hashes, the PC's signatures, and what they cost."""

from __future__ import annotations

import hashlib
import random

import pytest

from host.core.wire import HASH_BYTES, IMAGE_MAX, ORDER_MAX
from tests.elf import Machine
from tests.elf.chip import CCM
from tests.elf.firmware import firmware_elf
from tests.test_crypto import LOW_ORDER, blake2b, flipped, forged, pair, published, signed

DATA, STATE, HASH = CCM, CCM + 0x3000, CCM + 0x3200
SIGNATURE, KEY = CCM + 0x3300, CCM + 0x3400
EVERY_BIT = 61
"""One in so many: each takes the machine a tenth of a second. tests/test_crypto.py has them all."""


@pytest.fixture(scope="module")
def machine() -> Machine:
    machine = Machine(firmware_elf())
    machine.run_to("node_boot")
    return machine


def hashed(machine: Machine, data: bytes) -> tuple[bytes, int]:
    machine.write(DATA, data)
    _, instructions = machine.call("crypto_hash", DATA, len(data), HASH, returns="void")
    return machine.read(HASH, HASH_BYTES), instructions


def verified(machine: Machine, data: bytes) -> tuple[bool, int]:
    """Of signature, key, message."""
    machine.write(SIGNATURE, data[:64])
    machine.write(KEY, data[64:96])
    machine.write(DATA, data[96:])
    right, instructions = machine.call("crypto_verify", SIGNATURE, KEY, DATA, len(data) - 96)
    return bool(int(right) & 0xFF), instructions


def good(machine: Machine, key: bytes) -> bool:
    machine.write(KEY, key)
    return bool(int(machine.call("crypto_key_good", KEY)[0]) & 0xFF)


def test_hashes_are_the_published_ones(machine: Machine) -> None:
    """The library's own functions too, which have 64 bytes of hash, as the vectors do."""
    for data, key, expected in published():
        if not key:
            machine.write(DATA, data)
            machine.call("crypto_blake2b_init", STATE, 64, returns="void")
            machine.call("crypto_blake2b_update", STATE, DATA, len(data), returns="void")
            machine.call("crypto_blake2b_final", STATE, HASH, returns="void")
            assert machine.read(HASH, 64) == expected == hashlib.blake2b(data).digest()
            assert hashed(machine, data)[0] == blake2b(data)


def test_pieces_make_the_same_hash(machine: Machine) -> None:
    data = random.Random(1).randbytes(2000)
    machine.write(DATA, data)
    for piece in (1, 100, 128, 256, 1999):
        machine.call("crypto_hash_begin", STATE, returns="void")
        for at in range(0, len(data), piece):
            size = min(piece, len(data) - at)
            machine.call("crypto_hash_more", STATE, DATA + at, size, returns="void")
        machine.call("crypto_hash_end", STATE, HASH, returns="void")
        assert machine.read(HASH, HASH_BYTES) == blake2b(data)


def test_the_hash_of_the_largest_image(machine: Machine) -> None:
    data = random.Random(2).randbytes(IMAGE_MAX)
    found, instructions = hashed(machine, data)
    assert found == blake2b(data)
    assert instructions <= 425_000


def test_signatures_of_the_pc_are_taken(machine: Machine) -> None:
    """150 ms are the requirement; at 168 MHz and two cycles an instruction this is a sixth of that."""
    rng = random.Random(3)
    for size in (0, 1, 136, ORDER_MAX):
        right, instructions = verified(machine, b"".join(signed(rng, size)))
        assert right
        assert instructions <= 1_900_000


def test_flipped_bits_are_refused(machine: Machine) -> None:
    data = b"".join(signed(random.Random(4), 40))
    for wrong in flipped(data)[::EVERY_BIT]:
        assert not verified(machine, wrong)[0]


def test_keys_that_are_good(machine: Machine) -> None:
    rng = random.Random(5)
    assert good(machine, pair(rng)[32:])
    assert not good(machine, (2).to_bytes(32, "little")), "no point has this y"
    assert verified(machine, forged(rng, LOW_ORDER[0], b"RESTART"))[0]
    for key in LOW_ORDER:
        assert not good(machine, key)
