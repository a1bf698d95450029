"""firmware/crypto: its hash is hashlib's, and it takes the signatures that the PC makes and no others."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import subprocess
from collections.abc import Iterable, Sequence

import monocypher
import pytest

from host.boards.monocypher import source
from host.core.wire import HASH_BYTES, KEY_BYTES, ORDER_MAX, SIGNATURE_BYTES
from tests import eddsa
from tests.parity.twins import BUILDS, build_id
from tests.programs import program

DRIVER = "tests/parity/crypto.c"
Record = tuple[str, int, bytes]


def ask(build: tuple[str, list[str]], records: Iterable[Record], size: int) -> list[bytes]:
    """The answers, each of that size, of the library built so."""
    cc, flags = build
    return _ask(program("crypto", [DRIVER], folders=(), flags=flags, crypto=True, cc=cc), records, size)


def _ask(path: object, records: Iterable[Record], size: int) -> list[bytes]:
    text = b"".join(struct.pack("<3I", ord(what), piece, len(data)) + data for what, piece, data in records)
    said = subprocess.run([str(path)], input=text, capture_output=True, check=True).stdout
    return [said[at : at + size] for at in range(0, len(said), size)]


def blake2b(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=HASH_BYTES).digest()


def published() -> list[tuple[bytes, bytes, bytes]]:
    """Input, key and hash of BLAKE2's own test vectors for BLAKE2b-512."""
    folder = source()
    assert folder
    vectors = json.loads((folder / "test" / "blake2-kat.json").read_text(encoding="utf-8"))
    return [
        (bytes.fromhex(one["in"]), bytes.fromhex(one["key"]), bytes.fromhex(one["out"]))
        for one in vectors
        if one["hash"] == "blake2b"
    ]


def pair(rng: random.Random) -> bytes:
    """A secret and its public key, as the library wants them."""
    secret = rng.randbytes(32)
    return secret + eddsa.public_key(secret)


def signed(rng: random.Random, size: int) -> tuple[bytes, bytes, bytes]:
    """Signature, key and message."""
    keys, message = pair(rng), rng.randbytes(size)
    return monocypher.signature_sign(keys, message), keys[32:], message


def flipped(data: bytes) -> list[bytes]:
    """All that differ from it in one bit."""
    number = int.from_bytes(data, "little")
    return [(number ^ 1 << bit).to_bytes(len(data), "little") for bit in range(8 * len(data))]


def forged(rng: random.Random, key: bytes, message: bytes) -> bytes:
    """What anybody can make: R and s with R = s B, whatever the key and the message are."""
    s = rng.randrange(eddsa.L)
    return eddsa.encode(eddsa.times(s, eddsa.BASE)) + s.to_bytes(32, "little") + key + message


def spellings(points: Sequence[eddsa.Point]) -> set[bytes]:
    """All encodings of these points that are taken: y or, where there is room, y + P; and for x = 0 both signs."""
    found = set()
    for x, y in points:
        for number in (y, y + eddsa.P):
            for sign in {x & 1, 1 if x == 0 else x & 1}:
                if number < 2**255:
                    found.add((number | sign << 255).to_bytes(32, "little"))
    return found


LOW_ORDER = sorted(spellings(eddsa.low_order()))


@pytest.mark.parametrize("build", BUILDS, ids=build_id)
def test_hashes_are_those_of_hashlib(build: tuple[str, list[str]]) -> None:
    rng = random.Random(1)
    datas = [data for data, key, _ in published() if not key]
    datas += [rng.randbytes(size) for size in (127, 128, 129, 255, 256, 257, 8191, 8192, 100_000)]
    expected = [blake2b(data) for data in datas]
    assert ask(build, [("h", 0, data) for data in datas], HASH_BYTES) == expected
    for piece in (1, 7, 64, 127, 128, 129, 256, 1000):
        assert ask(build, [("p", piece, data) for data in datas], HASH_BYTES) == expected, piece


def test_hashlib_has_the_published_hashes() -> None:
    vectors = published()
    assert len(vectors) == 512
    for data, key, expected in vectors:
        assert hashlib.blake2b(data, key=key).digest() == expected


def test_the_binding_signs_as_the_formula_says() -> None:
    rng = random.Random(2)
    for size in (0, 1, 56, ORDER_MAX):
        keys, message = pair(rng), rng.randbytes(size)
        assert monocypher.compute_signing_public_key(keys) == keys[32:]
        assert monocypher.signature_sign(keys, message) == eddsa.sign(keys[:32], message)


@pytest.mark.parametrize("build", BUILDS, ids=build_id)
def test_signatures_of_the_pc_are_taken(build: tuple[str, list[str]]) -> None:
    rng = random.Random(3)
    records = [("v", 0, b"".join(signed(rng, size))) for size in (*range(0, 300, 7), 4096)]
    assert ask(build, records, 1) == [b"\1"] * len(records)


@pytest.mark.parametrize("build", BUILDS, ids=build_id)
def test_one_flipped_bit_anywhere_is_refused(build: tuple[str, list[str]]) -> None:
    signature, key, message = signed(random.Random(4), 40)
    records = [("v", 0, data) for data in flipped(signature + key + message)]
    assert len(records) == 8 * (SIGNATURE_BYTES + KEY_BYTES + 40)
    assert ask(build, records, 1) == [b"\0"] * len(records)


@pytest.mark.parametrize("build", BUILDS, ids=build_id)
def test_what_is_near_a_signature_is_refused(build: tuple[str, list[str]]) -> None:
    """No second signature is made of one: s + n L is the same number modulo L, and not taken; nor is another's key,
    a message that is longer or shorter, or nothing at all."""
    rng = random.Random(5)
    signature, key, message = signed(rng, 40)
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    larger = [s + n * eddsa.L for n in range(1, 16) if s + n * eddsa.L < 2**256]
    assert len(larger) == 15
    cases = [r + number.to_bytes(32, "little") + key + message for number in larger]
    cases += [signature + pair(rng)[32:] + message]
    cases += [signature + key + message[:-1], signature + key + message + b"\0", signature + key]
    cases += [bytes(64) + key + message, b"\xff" * 64 + key + message]
    cases += [signature[32:] + r + key + message, forged(rng, key, message)]
    records = [("v", 0, data) for data in [signature + key + message, *cases]]
    assert ask(build, records, 1) == [b"\1"] + [b"\0"] * len(cases)


@pytest.mark.parametrize("build", BUILDS, ids=build_id)
def test_a_key_of_low_order_is_not_good(build: tuple[str, list[str]]) -> None:
    """The library takes, for such a key, what anybody can make for any message: no such key may be installed."""
    rng = random.Random(6)
    assert len(eddsa.low_order()) == 8
    assert len(LOW_ORDER) == 14
    assert bytes(KEY_BYTES) in LOW_ORDER
    forgeries = [("v", 0, forged(rng, key, b"RESTART")) for key in LOW_ORDER]
    zeros = bytes(SIGNATURE_BYTES) + bytes(KEY_BYTES)
    assert ask(build, [*forgeries, ("v", 0, zeros + b"RESTART")], 1) == [b"\1"] * (len(LOW_ORDER) + 1)
    assert ask(build, [("g", 0, key) for key in LOW_ORDER], 1) == [b"\0"] * len(LOW_ORDER)


@pytest.mark.parametrize("build", BUILDS, ids=build_id)
def test_a_key_that_is_no_point_is_not_good(build: tuple[str, list[str]]) -> None:
    rng = random.Random(7)
    keys = [rng.randbytes(KEY_BYTES) for _ in range(200)]
    expected = [bytes([eddsa.decode(key) is not None]) for key in keys]
    assert 60 < expected.count(b"\0") < 140
    assert ask(build, [("g", 0, key) for key in keys], 1) == expected


@pytest.mark.parametrize("build", BUILDS, ids=build_id)
def test_keys_as_they_are_made_are_good(build: tuple[str, list[str]]) -> None:
    rng = random.Random(8)
    keys = [pair(rng)[32:] for _ in range(30)]
    assert ask(build, [("g", 0, key) for key in keys], 1) == [b"\1"] * len(keys)


def test_without_the_library_nothing_is_hashed_or_signed() -> None:
    absent = program("no_crypto", [DRIVER, "firmware/crypto/absent.c"], folders=(), cc=BUILDS[0][0])
    signature, key, message = signed(random.Random(9), 40)
    assert _ask(absent, [("?", 0, b""), ("g", 0, key), ("v", 0, signature + key + message)], 1) == [b"\0"] * 3
    assert _ask(absent, [("h", 0, b"data"), ("p", 2, b"data")], HASH_BYTES) == [bytes(HASH_BYTES)] * 2
    assert ask(BUILDS[0], [("?", 0, b"")], 1) == [b"\1"]
