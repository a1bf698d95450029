"""Frames for people: host/show/frames.py."""

from __future__ import annotations

import struct

from hypothesis import example, given
from hypothesis import strategies as st

from host.core.image import encode
from host.core.modbus import (
    echo_pdu,
    frame_seal,
    read_pdu,
    write_coil_pdu,
    write_read_pdu,
    write_registers_pdu,
)
from host.core.registers import bytes_registers, placed
from host.core.wire import BY_NAME, Command
from host.show.frames import STRANGE, parts, spoken
from tests.e2e.scenario import AND
from tests.memory_node import MemoryNode

ASK = write_read_pdu(BY_NAME["INPUTS"].address, [16384, 0xC000], BY_NAME["RESULT_SEQUENCE"].address, 7)


def sealed(pdu: bytes, address: int = 11) -> bytes:
    return frame_seal(bytes([address]) + pdu)


def said(way: str, pdu: bytes, request: bytes = b"") -> list[str]:
    """What stands between the function and the CRC, of a frame to or from node 11."""
    found = parts(way, sealed(pdu), sealed(request) if request else b"")
    assert (found[0], found[-1]["text"]) == ({"hex": "0b", "text": "address 11"}, "CRC, right")
    return [one["text"] for one in found[1:-1]]


def test_inputs_are_set_and_results_read() -> None:
    assert said("->", ASK) == [
        "function 23: read/write registers",
        "read from RESULT_SEQUENCE",
        "7 registers, to RESULTS",
        "write from INPUTS[0]",
        "2 registers, to INPUTS",
        "4 bytes",
        "INPUTS[0] = 16384 (i16)",
        "INPUTS[1] = -16384 (i16)",
    ]
    lit = sum(1 << BY_NAME[name].address for name in ("LED", "MODEL_VALID", "DECISION"))
    reply = struct.pack(">BBIIHHh", 23, 14, 3, 0x48554E35, 1, lit, -7)
    assert said("<-", reply, ASK) == [
        "function 23: read/write registers",
        "14 bytes",
        "RESULT_SEQUENCE = 3 (u32)",
        "RESULT_CRC = 0x48554e35",
        "RESULT_CLASS = 1 (u16)",
        "RESULT_BITS: LED, MODEL_VALID, DECISION set",
        "RESULTS[0] = -7 (i16)",
    ]
    assert said("<-", reply) == ["function 23: read/write registers", STRANGE], "whose registers?"


def test_what_else_a_master_of_ours_says() -> None:
    assert said("->", read_pdu(1, 0, 5)) == [
        "function 1: read coils",
        "from LAMP_TEST",
        "5 bits, to ACKNOWLEDGE",
    ]
    assert said("<-", bytes([1, 1, 0b1100]), read_pdu(1, 0, 5))[1:] == ["1 byte", "IDENTIFY, OVERRIDE set"]
    assert said("<-", bytes([1, 1, 0]), read_pdu(1, 0, 5))[1:] == ["1 byte", "none set"]
    assert said("->", write_coil_pdu(BY_NAME["OVERRIDE"].address, True))[1:] == ["OVERRIDE", "on"]
    assert said("<-", write_coil_pdu(BY_NAME["OVERRIDE"].address, False))[1:] == ["OVERRIDE", "off"]
    assert said("->", echo_pdu(485))[1:] == ["sub-function 0: echo", "data 485"]
    order = write_registers_pdu(*placed(COMMAND=Command.TRIAL, LENGTH=108, CRC=0x48554E35, SECONDS=60))
    assert said("->", order) == [
        "function 16: write registers",
        "from COMMAND",
        "6 registers, to SECONDS",
        "12 bytes",
        "COMMAND = 10 TRIAL",
        "LENGTH = 108 (u32)",
        "CRC = 0x48554e35",
        "SECONDS = 60 (u16)",
    ]
    assert said("<-", order[:5], order) == said("->", order)[:3]
    assert said("<-", bytes([0x90, 6]), order) == [
        "function 16 refused: write registers",
        "exception 6: device busy",
    ]
    stage = write_registers_pdu(BY_NAME["STAGE"].address + 120, [0] * 20)
    assert said("->", stage)[1::3] == ["from STAGE at byte 240", "STAGE at byte 240, 40 bytes"]
    halves = read_pdu(4, BY_NAME["MODEL_CRC"].address + 1, 3)
    assert said("->", halves)[1:] == ["from a part of MODEL_CRC", "3 registers, to SEQUENCE"]
    values = said("<-", struct.pack(">BB3H", 4, 6, 0x4E35, 0, 9), halves)[2:]
    assert values == ["a part of MODEL_CRC", "SEQUENCE = 9 (u32)"]
    name = read_pdu(4, BY_NAME["MODEL_NAME"].address, 8)
    assert said("<-", bytes([4, 16]) + b"and".ljust(16, b"\0"), name)[2:] == ["MODEL_NAME: and"]
    uid = read_pdu(4, BY_NAME["UID"].address, 6)
    assert said("<-", bytes([4, 12]) + bytes(range(12)), uid)[2:] == ["UID: 000102030405060708090a0b"]
    rate = write_registers_pdu(*placed(TRAIN_RATE=0.01))
    assert said("->", rate)[-1] == "TRAIN_RATE = 0.01 (f64)"
    nobody = read_pdu(3, 0xEEEE, 1)
    assert said("->", nobody)[1:] == ["from 0xeeee, which nobody has", "1 register"]
    assert said("<-", bytes([3, 2, 0, 0]), nobody)[2:] == ["0xeeee, which nobody has"]


def test_addresses_of_nobody_and_frames_that_are_none() -> None:
    assert parts("->", sealed(ASK, 0))[0]["text"] == "address 0: to all nodes"
    assert parts("->", sealed(ASK, 250))[0]["text"] == "address 250: a search"
    damaged = bytearray(sealed(ASK))
    damaged[12] ^= 1
    assert parts("->", bytes(damaged))[-1]["text"].startswith("CRC, wrong")
    assert parts("<-", b"\x0b\x03") == [{"hex": "0b 03", "text": STRANGE}]
    assert parts("<-", b"") == []
    assert said("->", bytes([99, 1, 2])) == ["function 99: unknown", STRANGE]
    assert said("->", ASK[:12])[-2:] == ["4 bytes", STRANGE]


FRAMES = st.one_of(
    st.binary(max_size=60),
    st.builds(lambda pdu: frame_seal(b"\x0b" + pdu), st.binary(max_size=60)),
    st.builds(
        lambda function, rest: frame_seal(bytes([11, function]) + rest),
        st.sampled_from([1, 2, 3, 4, 5, 8, 16, 23, 0x83, 0x97]),
        st.binary(max_size=60),
    ),
    st.builds(
        lambda address, data: sealed(
            write_registers_pdu(address, bytes_registers(data[: len(data) // 2 * 2]))
        ),
        st.sampled_from([row.address for row in BY_NAME.values()]),
        st.binary(max_size=60),
    ),
)


@given(way=st.sampled_from(["->", "<-"]), frame=FRAMES, request=FRAMES)
@example(way="<-", frame=sealed(bytes([3, 2, 0, 0])), request=sealed(read_pdu(3, 0xFFFF, 0xFFFF)))
def test_no_byte_is_lost_whatever_they_are(way: str, frame: bytes, request: bytes) -> None:
    found = parts(way, frame, request)
    assert bytes.fromhex(" ".join(one["hex"] for one in found)) == frame
    assert all(one["hex"] and one["text"].isprintable() and len(one["text"]) < 200 for one in found)


def test_a_nodes_own_frames_are_all_known() -> None:
    """None of what is asked of a node, and of its answers, is strange."""
    with MemoryNode() as node:
        node.deploy(encode(AND))
        asked = [
            read_pdu(3, BY_NAME["RESULT_SEQUENCE"].address, 7),
            ASK,
            read_pdu(4, BY_NAME["WIRE_VERSION"].address, 54),
            read_pdu(2, 0, 16),
        ]
        frames = []
        for pdu in asked:
            request = sealed(pdu, node.address)
            frames += [("->", request), ("<-", node.request(request))]
    told = spoken(frames)
    assert [one["way"] for one in told] == ["->", "<-"] * len(asked)
    assert STRANGE not in str(told)
    assert "MODEL_NAME: and" in str(told)
