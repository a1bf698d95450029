"""FIRMWARE_HASH: what a node says of its firmware, and what the PC says of the file."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.boards import simulated
from host.boards.opening import open_node
from host.core.registers import register_bytes
from host.core.wire import BY_NAME, HASH_BYTES
from host.errors import NeuronError
from host.node.firmware import firmware_hash
from tests.elf.firmware import firmware_elf, ready
from tests.memory_node import MemoryNode
from tests.node_model import FIRMWARE

ROW = BY_NAME["FIRMWARE_HASH"]


def said(node: MemoryNode) -> bytes:
    return register_bytes(node.read(ROW.table, ROW.address, ROW.size))


def test_it_is_read_in_idle_rounds(node: MemoryNode) -> None:
    expected = hashlib.blake2b(b"".join(FIRMWARE), digest_size=HASH_BYTES).digest()
    assert said(node) == expected
    node.factory()
    assert said(node) == bytes(HASH_BYTES), "not yet read through"
    node.work()
    assert said(node) == expected
    node.watchdog()
    assert said(node) == bytes(HASH_BYTES)
    node.work()
    assert said(node) == expected


def test_the_simulated_node_says_which_program_it_is() -> None:
    with simulated.simulate() as sim, open_node(sim.port) as node:
        found = b""
        while not any(found):  # it reads while it has nothing else to do
            found = node.read_bytes("FIRMWARE_HASH", HASH_BYTES)
    assert found == hashlib.blake2b(simulated.build().read_bytes(), digest_size=HASH_BYTES).digest()


def test_the_board_says_which_file_was_flashed() -> None:
    master = ready(firmware_elf())
    assert master.bytes_of("FIRMWARE_HASH") == firmware_hash(firmware_elf())


# ------------------------------------------------------------------------------------------------------- the file


HEADER, SEGMENT = struct.Struct("<16s2H5I6H"), struct.Struct("<8I")


def elf_file(segments: list[tuple[int, bytes]], *, unloaded: bytes = b"debug") -> bytes:
    """A 32-bit ELF file with these segments, (address, bytes), and one that is not loaded."""
    parts = [(1, address, data) for address, data in segments] + [(4, 0, unloaded)]
    at = HEADER.size + SEGMENT.size * len(parts)
    heads, body = b"", b""
    for kind, address, data in parts:
        heads += SEGMENT.pack(kind, at + len(body), 0x20000000, address, len(data), len(data) + 8, 5, 4)
        body += data
    head = (b"\x7fELF\x01\x01\x01".ljust(16, b"\0"), 2, 40, 1, 0, HEADER.size, 0, 0, HEADER.size)
    return HEADER.pack(*head, SEGMENT.size, len(parts), 0, 0, 0) + heads + body


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    return tmp_path / "firmware.elf"


START, CODE, DATA = (0x0800_0000, b"vectors!"), (0x0801_0000, b"code"), (0x0801_0004, b"data")


def test_it_is_of_what_is_programmed_by_address(path: Path) -> None:
    expected = hashlib.blake2b(b"vectors!codedata", digest_size=HASH_BYTES).digest()
    for segments in ([START, CODE, DATA], [DATA, (0x1000_0000, b""), CODE, START]):
        path.write_bytes(elf_file(segments))
        assert firmware_hash(path) == expected
    path.write_bytes(elf_file([START, CODE, DATA], unloaded=b"other"))
    assert firmware_hash(path) == expected
    path.write_bytes(elf_file([START, CODE, (DATA[0], b"Data")]))
    assert firmware_hash(path) != expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "take firmware.elf, not firmware.bin"),
        (b"\xff" * 4096, "take firmware.elf, not firmware.bin"),
        (elf_file([START])[:51], "take firmware.elf, not firmware.bin"),
        (elf_file([START])[: HEADER.size + 40], "is cut off"),
        (elf_file([START])[:-9], "is cut off"),
        (elf_file([START, CODE, (0x0801_0008, b"data")]), "a gap before 0x08010008"),
        (elf_file([]), "nothing to program"),
    ],
)
def test_what_is_no_such_file_is_one_line(path: Path, data: bytes, words: str) -> None:
    path.write_bytes(data)
    with pytest.raises(NeuronError, match=words) as failure:
        firmware_hash(path)
    assert "\n" not in str(failure.value)
