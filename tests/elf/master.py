"""An ideal Modbus master on the machine's line: what it asks leaves after exactly the silence that the rules want."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from host.core.modbus import (
    DEVICE_BUSY,
    READ_FUNCTION,
    frame_seal,
    frame_valid,
    read_pdu,
    write_read_pdu,
    write_registers_pdu,
)
from host.core.registers import pack, placed, register_bytes, unpack
from host.core.wire import (
    BY_NAME,
    DEFAULT_ADDRESS,
    DEFAULT_BAUD,
    Command,
    Format,
    Gap,
    Reason,
    Start,
    State,
    Table,
)
from tests.pdus import stage_frames

from .machine import Machine

FORMATS = {Format.F8E1: "8E1", Format.F8O1: "8O1", Format.F8N1: "8N1", Format.F8N2: "8N2"}
BUSY_MS = 1200
"""An erase of trust's sectors takes 1 s, any other 250 ms, a commit of the largest image 40."""


class Refused(Exception):
    """The node has answered with an exception."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code:02}")
        self.code = code


class Master:
    def __init__(self, machine: Machine, address: int = DEFAULT_ADDRESS) -> None:
        self.machine = machine
        self.address = address
        self.pause_ms = 1.0

    def frame(self, pdu: bytes) -> bytes:
        return frame_seal(bytes([self.address]) + pdu)

    def ask(self, pdu: bytes) -> bytes:
        """The PDU of the answer. Whatever else comes than one right frame fails the test."""
        reply = self.machine.request(self.frame(pdu))
        assert frame_valid(reply), f"answer to {pdu.hex(' ')}: {reply.hex(' ') or 'none'}"
        assert reply[0] == self.address
        assert reply[1] & 0x7F == pdu[0]
        if reply[1] & 0x80:
            raise Refused(reply[2])
        return reply[1:-2]

    def read(self, table: Table, address: int, count: int) -> list[int]:
        reply = self.ask(read_pdu(READ_FUNCTION[table], address, count))
        if table in (Table.COIL, Table.DISCRETE):
            return [reply[2 + i // 8] >> i % 8 & 1 for i in range(count)]
        assert reply[1] == 2 * count == len(reply) - 2
        return list(struct.unpack(f">{count}H", reply[2:]))

    def bytes_of(self, name: str) -> bytes:
        """A row of registers as the bytes they stand for."""
        register = BY_NAME[name]
        return register_bytes(self.read(register.table, register.address, register.size))

    def value(self, name: str) -> int:
        """A named register of one value, or bit."""
        register = BY_NAME[name]
        if register.kind == "bit":
            return self.read(register.table, register.address, 1)[0]
        assert register.count == 1
        value: int = unpack(register, self.read(register.table, register.address, register.size))
        return value

    def write(self, address: int, words: Sequence[int]) -> None:
        reply = self.ask(write_registers_pdu(address, words))
        assert reply == struct.pack(">BHH", 16, address, len(words))

    def command(self, code: Command, length: int = 0, crc: int = 0) -> None:
        self.write(*placed(COMMAND=code, LENGTH=length, CRC=crc))

    def counter(self, function: int) -> int:
        """A diagnostic counter of function 8."""
        return int.from_bytes(self.ask(struct.pack(">BHH", 8, function, 0))[3:], "big")

    def wait_idle(self) -> None:
        """Until neither erase nor commit is under way, nor begins as soon as nothing is said. A pause between two
        questions leaves the node its time."""
        idle = 0
        for _ in range(int(BUSY_MS / self.pause_ms)):
            try:
                idle = idle + 1 if self.value("STATE") == State.IDLE else 0
            except Refused as refused:
                if refused.code != DEVICE_BUSY:
                    raise
                idle = 0
            if idle == 2:
                return
            self.machine.run(milliseconds=self.pause_ms)
        raise AssertionError(f"busy for more than {BUSY_MS} ms")

    def stage(self, image: bytes) -> None:
        for frame in stage_frames(image):
            self.ask(write_registers_pdu(*frame))

    def deploy(self, image: bytes) -> None:
        crc = int.from_bytes(image[-4:], "little")
        self.stage(image)
        self.command(Command.VERIFY, len(image), crc)
        self.command(Command.COMMIT, crc=crc)
        self.wait_idle()
        assert self.value("MODEL_CRC") == crc

    def evaluate(self, inputs: Sequence[int], outputs: int) -> list[int]:
        """Function 23: int16 inputs in, int16 outputs back."""
        row = BY_NAME["INPUTS"]
        asked = write_read_pdu(row.address, pack(row, inputs), BY_NAME["RESULTS"].address, outputs)
        return list(struct.unpack(f">{outputs}h", self.ask(asked)[2:]))

    def set_line(
        self, baud: int = DEFAULT_BAUD, form: Format = Format.F8E1, gap: Gap = Gap.STANDARD, address: int = 1
    ) -> None:
        """SAVE_SETTINGS, then speak the new way oneself."""
        self.write(*placed(ADDRESS=address, BAUD=baud, FORMAT=form, GAP=gap))
        self.command(Command.SAVE_SETTINGS)
        self.machine.run(milliseconds=BUSY_MS)
        self.follow(baud, form, address)

    def follow(self, baud: int, form: Format, address: int = 1) -> None:
        self.machine.bus.baud, self.machine.bus.format = baud, FORMATS[form]
        self.address = address

    def start(self) -> tuple[Start, int, int, str]:
        """Why the node last started: cause, line, pc, file."""
        file = self.bytes_of("FAULT_FILE").rstrip(b"\0").decode("ascii")
        return Start(self.value("START_CAUSE")), self.value("FAULT_LINE"), self.value("FAULT_PC"), file

    def reason(self) -> tuple[Reason, int]:
        return Reason(self.value("REASON")), self.value("DETAIL")
