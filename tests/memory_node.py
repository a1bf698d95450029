"""The firmware in memory, as a test's own node: tests/port/stdio_node.c, without clocks, terminals or ports."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import NamedTuple

from host.core.modbus import BROADCAST, READ_FUNCTION, frame_seal, frame_valid, read_pdu, write_registers_pdu
from host.core.registers import bytes_registers, unpack
from host.core.wire import ANALOG, BY_NAME, CHANNELS, DEFAULT_ADDRESS, Command, Table
from tests.pdus import command_pdu
from tests.programs import APP, COMPILERS, CORE, SANITIZE, program

SOURCES = ["tests/port/memory.c", "tests/port/stdio_node.c"]
WRITE_REGISTERS_MAX = 123
ALL_WORK = 100_000
COMMAND_MAX = 4096
ANSWER_MAX = 1 << 16
TRIES_MAX = 500
FRAME_WHOLE = 0x8000
OUTCOME = struct.Struct("6B")
SCAN = struct.Struct(f"<IHH{ANALOG}H")
ROT_MAX = COMMAND_MAX - 4
SECTOR_SIZE = 16384
FLASH_SIZE = 6 * SECTOR_SIZE


class Line(NamedTuple):
    """How the node speaks, and how often it has opened its line since start."""

    baud: int
    format: int
    silence_us: int
    opened: int


class Scan(NamedTuple):
    """What the channels are, `times` scans in a row, before the first of which `missed` were lost."""

    analog: Sequence[int] = ()
    levels: int = 0
    missed: int = 0
    times: int = 1


class Decided(NamedTuple):
    """A window, as the port is told of it."""

    sample: int
    features: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    decision: bool
    lit: bool


class Outcome(NamedTuple):
    """What came of a frame, and of the work that it made. size: of the reply, 0 for silence, of which these are two
    bytes; reason: REASON as the reply left it; result, result_reason: ORDER_RESULT and ORDER_REASON in the end."""

    size: int
    function: int
    third: int
    reason: int
    result: int
    result_reason: int


class ModbusException(Exception):
    """An exception reply."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class MemoryNode:
    """A node that does one thing at a time: what it is asked to. number: its UID, that of all nodes without; address:
    that it has as it leaves the factory; crypto: whether it was built with the library; flags: of the compiler."""

    def __init__(
        self,
        cc: str = COMPILERS[0],
        *,
        number: int | None = None,
        address: int = DEFAULT_ADDRESS,
        crypto: bool = True,
        flags: Sequence[str] = SANITIZE,
    ) -> None:
        self.address = self._default_address = address
        sources = SOURCES if crypto else [*SOURCES, "firmware/crypto/absent.c"]
        self._process = subprocess.Popen(
            [
                str(program("stdio_node", sources, folders=(CORE, APP), flags=flags, crypto=crypto, cc=cc)),
                *([] if number is None else [str(number), str(address)]),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )

    def __enter__(self) -> MemoryNode:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it; that it ends well is part of every test."""
        _, text = self._process.communicate()
        assert self._process.returncode == 0, text.decode()

    # ------------------------------------------------------------------------------------------------- commands

    def _command(self, code: str, data: bytes = b"") -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(code.encode() + struct.pack("<I", len(data)) + data)
        answer, size = b"", 4
        while len(answer) < size:
            part = self._process.stdout.read(ANSWER_MAX)  # nothing follows an answer that was not asked for
            if not part:
                raise AssertionError(f"the node has ended: {self._process.communicate()[1].decode()}")
            answer += part
            if len(answer) >= 4:
                size = 4 + int.from_bytes(answer[:4], "little")
        return answer[4:]

    def request(self, frame: bytes, *, damaged: int | None = None) -> bytes:
        """A frame and the silence after it -> the reply frame, or b"". damaged: index of a broken character."""
        if damaged is not None:
            return self._command("D", struct.pack("<H", damaged) + frame)
        return self._command("F", frame)

    def tries(self, frames: Iterable[tuple[bytes, bool]]) -> list[Outcome]:
        """Frames one after another, each with all of its work, in as few commands as there is room for. With each:
        whether it has its CRC-16, which it gets otherwise."""
        batches: list[list[bytes]] = [[]]
        room = COMMAND_MAX
        for frame, whole in frames:
            entry = struct.pack("<H", len(frame) | FRAME_WHOLE * whole) + frame
            if len(entry) > room or len(batches[-1]) == TRIES_MAX:
                batches.append([])
                room = COMMAND_MAX
            batches[-1].append(entry)
            room -= len(entry)
        found: list[Outcome] = []
        for batch in batches:
            data = self._command("M", b"".join(batch))
            assert len(data) == len(batch) * OUTCOME.size, "it has started again"
            found += map(Outcome._make, OUTCOME.iter_unpack(data))
        return found

    def hear(self, data: bytes) -> None:
        """Characters without the silence that would end the frame."""
        self._command("B", data)

    def silence(self) -> bytes:
        return self._command("S")

    def overrun(self) -> None:
        self._command("O")

    def work(self, rounds: int = ALL_WORK) -> int:
        """Let the main loop run, until it has nothing more to do; answers the rounds that it took."""
        data = self._command("W", struct.pack("<I", rounds))
        return int(struct.unpack("<I", data)[0]) if data else 0

    def idle(self, rounds: int) -> None:
        """Let the main loop come round, though it may have nothing to do."""
        self._command("Z", struct.pack("<I", rounds))

    def advance(self, milliseconds: int) -> None:
        self._command("T", struct.pack("<I", milliseconds))

    def lamp(self) -> bool:
        """What the LED shows, as the last round of the main loop left it."""
        return self._command("L") != b"\0"

    def line(self) -> Line:
        return Line(*struct.unpack("<4I", self._command("I")))

    def flash(self) -> bytes:
        """All sectors, one behind the other."""
        parts = range(0, FLASH_SIZE, COMMAND_MAX)
        return b"".join(self._command("R", struct.pack("<II", part, COMMAND_MAX)) for part in parts)

    def rot(self, offset: int, mask: bytes) -> None:
        """Bits of the flash flip."""
        for i in range(0, len(mask), ROT_MAX):
            self._command("E", struct.pack("<I", offset + i) + mask[i : i + ROT_MAX])

    def rot_stage(self, offset: int, mask: bytes) -> None:
        """Bits of the stage in RAM flip."""
        self._command("J", struct.pack("<I", offset) + mask)

    def fill_flash(self, flash: bytes) -> None:
        """Power cycle with this flash, as `flash` once answered."""
        self.factory()
        for at in range(0, FLASH_SIZE, ROT_MAX):
            part = flash[at : at + ROT_MAX]
            if part.count(0xFF) < len(part):
                self.rot(at, bytes(byte ^ 0xFF for byte in part))
        self.power_cycle()

    def cut(self, operations: int, landed: int = 0xFFFFFFFF) -> None:
        """The power goes in the middle of the flash's operation of that number, counted from the next one, 1: a word
        has taken the bits of `landed` by then, an erase by chance; 0: it stays. The command that is under way answers
        nothing."""
        self._command("V", struct.pack("<2I", operations, landed))

    def operations(self) -> int:
        """How many words the flash has programmed, and sectors erased, since start."""
        return int(struct.unpack("<I", self._command("U"))[0])

    def health(self, *, low: bool = False, dead_crystal: bool = False, worn: bool = False) -> None:
        """The supply, the crystal and the flash, from now on."""
        self._command("H", bytes([low, dead_crystal, worn]))

    def present(self, held: bool = True) -> None:
        """Someone holds the pin that says so, at the next starts."""
        self._command("Y", bytes([held]))

    def keep(self, *words: int) -> None:
        """What outlives a reset."""
        self._command("K", struct.pack("<4I", *words))

    def board(self, channels: int = (1 << CHANNELS) - 1) -> None:
        """The channels that the board has, channel n in bit n, from now on."""
        self._command("N", struct.pack("<I", channels))

    def scans(self, scans: Iterable[Scan]) -> None:
        """What an interrupt would tell the sampler; the main loop does not run meanwhile."""
        records = b"".join(
            SCAN.pack(scan.missed, scan.times, scan.levels, *(*scan.analog, *[0] * ANALOG)[:ANALOG])
            for scan in scans
        )
        whole = COMMAND_MAX // SCAN.size * SCAN.size
        for i in range(0, len(records), whole):
            self._command("A", records[i : i + whole])

    def scan(self, analog: Sequence[int] = (), levels: int = 0, missed: int = 0, times: int = 1) -> None:
        """`times` scans that are all the same. analog: by channel from A0 on, 0 for the rest."""
        self.scans([Scan(analog, levels, missed, times)])

    def sampled(self) -> tuple[int, int]:
        """Channels and rate, as the port was last asked to sample them."""
        channels, rate = struct.unpack("<2I", self._command("C"))
        return channels, rate

    def decided(self) -> list[Decided]:
        """The windows that were decided since the last call."""
        data = b"".join(iter(lambda: self._command("Q"), b""))
        windows, at = [], 0
        while at < len(data):
            sample, inputs, outputs, decision, lit = struct.unpack_from("<5I", data, at)
            values = struct.unpack_from(f"<{inputs}I{inputs}h{outputs}h", data, at + 20)
            at += 20 + 6 * inputs + 2 * outputs
            ends = values[:inputs], values[inputs : 2 * inputs], values[2 * inputs :]
            windows.append(Decided(sample, *ends, bool(decision), bool(lit)))
        return windows

    def watchdog(self) -> None:
        """A reset by the watchdog."""
        self._command("G")

    def power_cycle(self) -> None:
        self._command("P")

    def factory(self) -> None:
        """Power cycle of a healthy node on a board with all channels, alone, with a blank flash."""
        self.health()
        self.present(False)
        self.board()
        self._command("X")
        self.address = self._default_address

    # --------------------------------------------------------------------------------------------------- Modbus

    def ask(self, pdu: bytes) -> bytes:
        """A request PDU -> its reply PDU, or b"" for silence; an exception reply is raised."""
        reply = self.request(frame_seal(bytes([self.address]) + pdu))
        if not reply:
            return b""
        assert frame_valid(reply)
        assert reply[0] == self.address
        if reply[1] & 0x80:
            assert reply[1] == pdu[0] | 0x80
            assert len(reply) == 5
            raise ModbusException(reply[2])
        assert reply[1] == pdu[0]
        return reply[1:-2]

    def answer(self, pdu: bytes, rounds: int = ALL_WORK) -> bytes | None:
        """A request PDU -> its reply PDU, or None for silence, as tests.e2e.stand_in asks; then its work is done."""
        reply = self.request(frame_seal(bytes([self.address]) + pdu))
        self.work(rounds)
        return reply[1:-2] or None

    def hear_broadcasts(self) -> None:
        """Have it take commands and settings by broadcast too."""
        self.write(BY_NAME["BROADCASTS"].address, [1])
        self.command(Command.SAVE_SETTINGS)
        self.work()

    def refusal(self, pdu: bytes) -> int:
        """The exception code of a request, 0 if it was answered."""
        try:
            assert self.ask(pdu), "silence"
        except ModbusException as error:
            return error.code
        return 0

    def broadcast(self, pdu: bytes) -> bytes:
        return self.request(frame_seal(bytes([BROADCAST]) + pdu))

    def read(self, table: Table, address: int, count: int = 1) -> list[int]:
        """Registers, or bits."""
        data = self.ask(read_pdu(READ_FUNCTION[table], address, count))
        if table in (Table.COIL, Table.DISCRETE):
            assert data[1] == len(data) - 2 == (count + 7) // 8
            return [data[2 + i // 8] >> i % 8 & 1 for i in range(count)]
        assert data[1] == len(data) - 2 == 2 * count
        return list(struct.unpack(f">{count}H", data[2:]))

    def write(self, address: int, values: Sequence[int]) -> None:
        """Holding registers, by function 16, as many frames as it takes."""
        for i in range(0, len(values), WRITE_REGISTERS_MAX):
            self.ask(write_registers_pdu(address + i, values[i : i + WRITE_REGISTERS_MAX]))

    def get(self, name: str) -> int:
        """A named value."""
        row = BY_NAME[name]
        if row.kind == "bit":
            return self.read(row.table, row.address)[0]
        value: int = unpack(row, self.read(row.table, row.address, row.width))
        return value

    def command(self, code: Command, length: int = 0, crc: int = 0) -> None:
        self.ask(command_pdu(code, length, crc))

    def deploy(self, image: bytes) -> None:
        """Stage, verify, commit."""
        crc = int.from_bytes(image[-4:], "little")
        self.write(BY_NAME["STAGE"].address, bytes_registers(image))
        self.command(Command.VERIFY, len(image), crc)
        self.command(Command.COMMIT, crc=crc)
        self.work()
        assert self.get("MODEL_CRC") == crc
