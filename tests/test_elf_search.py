"""A search by UID at the real ELF: who is meant answers as the line wants it, who is not never drives it."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.core.modbus import frame_seal, frame_valid, registers_of
from host.core.registers import bytes_registers
from host.core.wire import SEARCH_ADDRESS, WIRE_VERSION
from host.node.search import EVERYBODY, UID_BITS, Prefix, search_pdu
from tests.elf.firmware import firmware_elf, powered, prepared
from tests.elf.master import Master


@pytest.fixture(scope="module")
def elf() -> Path:
    return firmware_elf()


@pytest.fixture(scope="module")
def master(elf: Path) -> Master:
    return powered(elf, flash=prepared(elf))


def called(master: Master, pdu: bytes) -> bytes:
    """What is answered at the address of the search: a PDU, or b"" where nobody drove the line at all."""
    driven = len(master.machine.bus.edges)
    reply = master.machine.request(frame_seal(bytes([SEARCH_ADDRESS]) + pdu))
    if not reply:
        assert {edge.signal for edge in master.machine.bus.edges[driven:]} & {"RE", "SE"} == set()
        return b""
    assert frame_valid(reply)
    assert reply[0] == SEARCH_ADDRESS
    return reply[1:-2]


def test_a_search(master: Master) -> None:
    uid = master.bytes_of("UID")
    whole = Prefix.of(uid)
    found = [*bytes_registers(uid), 1, WIRE_VERSION]
    version = bytes.fromhex("04 02 00 00 01")
    assert called(master, version) == b""
    assert registers_of(called(master, search_pdu(EVERYBODY))) == found
    assert called(master, version) == b"", "a beginning selects nobody"
    for bits in (1, 8, 50, UID_BITS):
        begun = whole.value & (1 << bits) - 1
        assert registers_of(called(master, search_pdu(Prefix(bits, begun)))) == found
        assert called(master, search_pdu(Prefix(bits, begun ^ 1 << bits - 1))) == b""
    assert registers_of(called(master, search_pdu(whole))) == found
    assert registers_of(called(master, version)) == [WIRE_VERSION]
    assert master.ask(version) == called(master, version), "and at its own address as before"
