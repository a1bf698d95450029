"""Keywords of a Modbus master, whose frames are the project's own, of host/core/modbus.py and host/core/wire.py.

Standard library only, as Renode's Python may have no more. Time is the simulation's: it stands still between two
keywords, so nothing depends on how fast this computer is.
"""

# ruff: noqa: N999 - Robot Framework wants the file to have the name of the class
from __future__ import annotations

import struct
import sys
from pathlib import Path

from robot.api.deco import keyword, library
from robot.libraries.BuiltIn import BuiltIn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from host.core.channels import mask_of
from host.core.modbus import EXCEPTION_TEXT, WRITE_REGISTERS_MAX, frame_seal, frame_valid
from host.core.registers import bytes_registers, placed, unpack
from host.core.wire import BY_NAME, REASON_TEXT, Command, OrderResult, Reason, Start, State, Table

STEP = 0.005
"""Seconds between two looks at the bus: more than the silence that ends a frame, at 19200 baud and above."""
STEPS_MAX = 200
BROADCAST = 0
CODES = {
    "STATE": State,
    "REASON": Reason,
    "START_CAUSE": Start,
    "ORDER_RESULT": OrderResult,
    "ORDER_REASON": Reason,
}
"""Registers that are read as the name of their code."""


class ModbusError(AssertionError):
    """What a node did was not what the keyword wants."""

    ROBOT_SUPPRESS_NAME = True


def monitor(command: str) -> str:
    """What Renode's monitor answers."""
    return str(BuiltIn().run_keyword("Execute Command", command)).strip()


def read_image(path: str) -> bytes:
    return Path(path).read_bytes()


def crc_of(image: bytes) -> int:
    return int.from_bytes(image[-4:], "little")


@library(scope="TEST")
class ModbusLibrary:
    """A master that speaks to the node `address`, 1 unless a keyword says otherwise."""

    # -------------------------------------------------------------------------------------------------- frames

    def _say(self, address: int, function: int, data: bytes) -> None:
        monitor(f'bus_say "{frame_seal(bytes([address, function]) + data).hex()}"')

    def _ask(self, address: int, function: int, data: bytes) -> bytes:
        """One transaction; what comes after the function code, without the CRC."""
        self._say(address, function, data)
        for _ in range(STEPS_MAX):
            self.let_time_pass(STEP)
            reply = bytes.fromhex(monitor("bus_heard"))
            if frame_valid(reply):
                break
        else:
            raise ModbusError(f"no answer from node {address}: it said '{reply.hex(' ')}'")
        self.let_time_pass(STEP)
        if reply[0] != address or reply[1] & 0x7F != function:
            raise ModbusError(
                f"node {address} was asked function {function}, the answer is '{reply.hex(' ')}'"
            )
        if reply[1] & 0x80:
            raise ModbusError(f"exception {reply[2]:02}, {EXCEPTION_TEXT.get(reply[2], 'unknown')}")
        return reply[2:-2]

    def _write(self, address: int, register: int, words: list[int]) -> None:
        """Function 16."""
        head = struct.pack(">HHB", register, len(words), 2 * len(words))
        data = head + struct.pack(f">{len(words)}H", *words)
        if address == BROADCAST:
            self._say(BROADCAST, 16, data)
            self.let_time_pass(4 * STEP)
            heard = monitor("bus_heard")
            if heard:
                raise ModbusError(f"somebody answered a broadcast: {heard}")
        elif self._ask(address, 16, data) != head[:4]:
            raise ModbusError("the acknowledgement was of another write")

    def _command(self, address: int, code: Command, length: int = 0, crc: int = 0) -> None:
        self._write(address, *placed(COMMAND=code, LENGTH=length, CRC=crc))

    @keyword
    def let_time_pass(self, seconds: float) -> None:
        """Let the boards run for so long, in their time."""
        monitor(f'emulation RunFor "{seconds}"')

    # ----------------------------------------------------------------------------------------------- registers

    @keyword
    def read(self, name: str, address: int = 1) -> object:
        """What stands at that name: a number, the name of a code, a text, or a list of numbers."""
        row = BY_NAME[name]
        count = row.size
        if row.table in (Table.COIL, Table.DISCRETE):
            reply = self._ask(address, row.table + 1, struct.pack(">HH", row.address, 1))
            return reply[1] & 1
        function = 4 if row.table is Table.INPUT else 3
        data = self._ask(address, function, struct.pack(">HH", row.address, count))[1:]
        value = unpack(row, bytes_registers(data))
        if isinstance(value, bytes):
            return value.hex() if name == "UID" else value.rstrip(b"\0").decode("ascii")
        return CODES[name](value).name if name in CODES else value

    @keyword
    def write(self, name: str, value: int, address: int = 1) -> None:
        """A holding register of that name."""
        self._write(address, *placed(**{name: value}))

    @keyword
    def sample(self, rate: int, *channels: str, address: int = 1) -> None:
        """Ask for these channels, a0 and so on, `rate` times a second."""
        self._write(address, *placed(SAMPLE_RATE=rate, SAMPLE_CHANNELS=mask_of(channels)))

    @keyword
    def switch(self, name: str, on: bool, address: int = 1) -> None:
        """A coil, by function 5."""
        self._ask(address, 5, struct.pack(">HH", BY_NAME[name].address, 0xFF00 if on else 0))

    @keyword
    def set_inputs(self, *values: float, address: int = 1) -> None:
        """The neuron's inputs, in their own units. Address 0: those of every node."""
        self._write(address, *placed(INPUTS_FLOAT=values))

    @keyword
    def nobody_answers_at(self, address: int) -> None:
        """A request to this address stays without any answer."""
        self._say(address, 4, struct.pack(">HH", BY_NAME["WIRE_VERSION"].address, 1))
        self.let_time_pass(0.5)
        heard = monitor("bus_heard")
        if heard:
            raise ModbusError(f"somebody answered in place of {address}: {heard}")

    # ---------------------------------------------------------------------------------------------- the models

    @keyword
    def stage(self, path: str, address: int = 1, last_first: bool = False) -> None:
        """Write an image into the node's stage, in frames of function 16, at their offsets. Address 0: every node's."""
        words = bytes_registers(read_image(path))
        offsets = range(0, len(words), min(WRITE_REGISTERS_MAX, 20))
        for offset in reversed(offsets) if last_first else offsets:
            self._write(address, BY_NAME["STAGE"].address + offset, words[offset : offset + offsets.step])

    @keyword
    def verify(self, path: str, address: int = 1) -> None:
        """Have the node look at what is in its stage."""
        image = read_image(path)
        self._command(address, Command.VERIFY, len(image), crc_of(image))

    @keyword
    def commit(self, path: str, address: int = 1) -> None:
        """Have the node keep and run what it has verified, and wait until it does."""
        self._command(address, Command.COMMIT, crc=crc_of(read_image(path)))
        self._wait_until_idle(address)

    @keyword
    def deploy(self, path: str, address: int = 1) -> None:
        """Stage, verify, commit; afterwards the node runs this image."""
        self.stage(path, address)
        self.verify(path, address)
        self.commit(path, address)
        self.model_should_be(path, address)

    @keyword
    def roll_back(self, address: int = 1) -> None:
        """Have the node go back to the model before."""
        crc = self.read("PREVIOUS_CRC", address)
        assert isinstance(crc, int)
        self._command(address, Command.ROLLBACK, crc=crc)
        self._wait_until_idle(address)

    @keyword
    def model_should_be(self, path: str, address: int = 1) -> None:
        """The node runs this image, and says so."""
        image = read_image(path)
        crc, length = self.read("MODEL_CRC", address), self.read("MODEL_LENGTH", address)
        if (crc, length) != (crc_of(image), len(image)) or self.read("MODEL_VALID", address) != 1:
            raise ModbusError(f"{Path(path).name} does not run: CRC-32 {crc:08x} of {length} bytes does")

    @keyword
    def refusal_should_be(self, reason: str, address: int = 1) -> None:
        """The node's REASON has this name."""
        found = self.read("REASON", address)
        if found != reason:
            raise ModbusError(f"the reason is {found}: {REASON_TEXT[Reason[str(found)]]}")

    # ---------------------------------------------------------------------------------------------- the orders

    @keyword
    def give(self, path: str, address: int = 1) -> None:
        """Send a signed order, and wait until it has ended; it must have been carried out."""
        self._write(address, BY_NAME["ORDER"].address, bytes_registers(Path(path).read_bytes()))
        for _ in range(STEPS_MAX):
            result = self.read("ORDER_RESULT", address)
            if result == OrderResult.DONE.name:
                self._wait_until_idle(address)
                return
            if result != OrderResult.CHECKING.name:
                raise ModbusError(f"the order is {result}: {self.read('ORDER_REASON', address)}")
            self.let_time_pass(STEP)
        raise ModbusError("the order never ends")

    # ---------------------------------------------------------------------------------------------- the node

    @keyword
    def save_settings(self, address: int = 1) -> None:
        """Keep and apply address, baud rate and format as they were written."""
        self._command(address, Command.SAVE_SETTINGS)

    @keyword
    def restart(self, address: int = 1) -> None:
        """Have the node start again."""
        self._command(address, Command.RESTART)
        self.let_time_pass(0.5)

    def _wait_until_idle(self, address: int) -> None:
        for _ in range(STEPS_MAX):
            if self.read("STATE", address) == State.IDLE.name:
                return
            self.let_time_pass(STEP)
        raise ModbusError(f"node {address} stays busy")

    # ----------------------------------------------------------------------------------------------- the pins

    @keyword
    def what_happened(self, *kinds: str) -> list[str]:
        """What the boards did since the last look, in order: 'node LED high', 'node byte 01'; only of these kinds."""
        lines = [line.partition(": ") for line in monitor("bus_log").splitlines() if line]
        happened = [f"{board.split()[0]} {what}" for board, _, what in lines]
        return [line for line in happened if not kinds or line.split()[1] in kinds]

    @keyword
    def directions_and_bytes(self) -> list[str]:
        """The same of transceivers and bytes, a run of bytes as one entry: 'RE high', 'SE high', '7 bytes', ..."""
        entries: list[str] = []
        count = 0
        for line in [*self.what_happened("RE", "SE", "byte"), ""]:
            _, _, what = line.partition(" ")
            if what.startswith("byte"):
                count += 1
                continue
            if count:
                entries.append(f"{count} bytes")
            count = 0
            entries += [what] if what else []
        return entries
