"""A line of many nodes in virtual time, and a node of our own on it that does what a test wants."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from host.core.hashes import hash_of
from host.core.modbus import BROADCAST, FRAME_MAX, frame_seal, frame_valid
from host.core.registers import bytes_registers, pack, register_bytes, unpack
from host.core.wire import (
    BLOCK_BYTES,
    BY_NAME,
    SEARCH_ADDRESS,
    UID_BYTES,
    WIRE_VERSION,
    Command,
    Format,
    Gap,
    Reason,
    Session,
    State,
    Table,
    Trust,
)
from host.node.link import Gone, Link, character_seconds, silence_seconds
from tests.virtual_link import NoChannel

SESSION, BLOCK_TAG, GO = (BY_NAME[name].address for name in ("SESSION_HASH", "BLOCK_TAG", "GO"))
COMMAND, ADDRESS = BY_NAME["COMMAND"].address, BY_NAME["ADDRESS"].address


def is_block(frame: bytes) -> bool:
    """Whether a frame brings a block to all."""
    return frame[0] == BROADCAST and frame[1:4] == bytes([16]) + BLOCK_TAG.to_bytes(2, "big")


def is_go(frame: bytes) -> bool:
    """Whether a frame switches, one node or all."""
    return frame[1:4] == bytes([16]) + GO.to_bytes(2, "big")


class OnLine(Protocol):
    """A node on a virtual line. address: that it answers to; None: it hears all frames, and knows by itself."""

    @property
    def address(self) -> int | None: ...

    def hear(self, frame: bytes) -> bytes:
        """A frame and the silence after it; the frame that answers it, or b""."""

    def passes(self, seconds: float) -> None:
        """So much time has gone by."""


Lost = Callable[[int, bytes], bool]
"""lost(number of the node, frame): whether it does not hear that frame."""


class FleetLine(Link):
    """seconds: of the wire so far, with the silence before each frame; frames: all that the master has said; at: what
    is to happen before the master says its next frame, told that frame's number and bytes."""

    def __init__(
        self,
        nodes: Sequence[OnLine],
        *,
        baud: int = 115200,
        line_format: Format = Format.F8E1,
        lost: Lost = lambda number, frame: False,
        at: Callable[[int, bytes], None] = lambda number, frame: None,
    ) -> None:
        super().__init__(NoChannel(), "a virtual line", baud, line_format, timeout=1, trace=False)
        self.nodes, self.lost, self.at = list(nodes), lost, at
        self.seconds, self.characters = 0.0, 0
        self.frames: list[bytes] = []
        self.gone = False
        self.collides = False
        """Whether several may speak at once, though not called to the search."""

    def exchange(self, address: int, request: bytes) -> bytes | None:
        replies = self._say(frame_seal(bytes([address]) + request))
        assert len(replies) <= 1 or address == SEARCH_ADDRESS or self.collides, "two nodes answer at once"
        if len(replies) != 1:  # where several speak at once, nothing whole is heard
            self._heard = b"".join(replies)[:3]
            self.wait(self.timeout)
            return None
        assert frame_valid(replies[0])
        assert len(replies[0]) <= FRAME_MAX
        self._spend(len(replies[0]))
        return replies[0][1:-2]

    def broadcast(self, request: bytes) -> bool:
        assert not self._say(frame_seal(bytes([BROADCAST]) + request)), "a broadcast is answered"
        return True

    def wait(self, seconds: float) -> None:
        """The line is silent for so long."""
        self.seconds += seconds
        for node in self.nodes:
            node.passes(seconds)

    def _say(self, frame: bytes) -> list[bytes]:
        self.at(len(self.frames), frame)
        if self.gone:
            raise Gone("a virtual line has gone: check the cable or the adapter")
        self.frames.append(frame)
        self._spend(len(frame))
        replies = []
        for number, node in enumerate(self.nodes):
            heard = frame[0] in (BROADCAST, SEARCH_ADDRESS) or node.address in (None, frame[0])
            if heard and not self.lost(number, frame):
                replies.append(node.hear(frame))
        return [reply for reply in replies if reply]

    def _spend(self, characters: int) -> None:
        self.characters += characters
        silence = silence_seconds(self.baud, self.line_format, self.gap)
        self.wait(silence + characters * character_seconds(self.baud, self.line_format))


class Refusal(Exception):
    """An exception reply."""

    def __init__(self, code: int) -> None:
        self.code = code


@dataclass
class FakeNode:
    """A node that says what `values` has by name, else what follows from its state. model: the image that is kept;
    tries: that is on trial, for `left` seconds; off: it hears nothing; slow: looks until a whole session is VERIFIED;
    refuses: why it refuses an image that has come; deaf_to_go: it does not switch; stubborn: it keeps its address."""

    address: int
    uid: str
    model: bytes = b""
    tries: bytes = b""
    left: float = 0.0
    off: bool = False
    slow: int = 0
    refuses: Reason = Reason.NONE
    deaf_to_go: bool = False
    stubborn: bool = False
    selected: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    state: Session = Session.NONE
    stage: dict[int, bytes] = field(default_factory=dict)
    opened: dict[str, Any] = field(default_factory=dict)
    written: list[Command] = field(default_factory=list)
    written_settings: dict[str, int] = field(default_factory=dict)

    @property
    def runs(self) -> bytes:
        return self.tries or self.model

    def passes(self, seconds: float) -> None:
        if self.tries and self.left:
            self.left -= seconds
            if self.left <= 0:
                self.revert()

    def revert(self) -> None:
        self.tries, self.left = b"", 0.0

    def power_cycle(self) -> None:
        """What was not kept is gone."""
        self.revert()
        self.state, self.stage, self.opened = Session.NONE, {}, {}

    # ---------------------------------------------------------------------------------------------------- frames

    def hear(self, frame: bytes) -> bytes:
        if self.off:
            return b""
        address, pdu = frame[0], frame[1:-2]
        if address == SEARCH_ADDRESS and pdu[0] == 23:
            return self._called(pdu)
        if address == SEARCH_ADDRESS and not self.selected:
            return b""
        try:
            reply = self._answer(pdu)
        except Refusal as refusal:
            reply = bytes([pdu[0] | 0x80, refusal.code])
        return b"" if address == BROADCAST else frame_seal(bytes([address]) + reply)

    def _called(self, pdu: bytes) -> bytes:
        """A search."""
        bits, sought, own = int.from_bytes(pdu[10:12], "big"), pdu[12:24], bytes.fromhex(self.uid)
        differ = int.from_bytes(sought, "little") ^ int.from_bytes(own, "little")
        matches = differ & (1 << bits) - 1 == 0
        self.selected = matches and bits == 8 * UID_BYTES
        says = own + struct.pack(">2H", self.address, WIRE_VERSION)
        return frame_seal(bytes([SEARCH_ADDRESS, 23, len(says)]) + says) if matches else b""

    def _answer(self, pdu: bytes) -> bytes:
        function = pdu[0]
        if function == 8:
            return pdu
        first, count = struct.unpack(">HH", pdu[1:5])
        if function in (3, 4):
            words = self._read(Table.HOLDING if function == 3 else Table.INPUT, first, count)
            return bytes([function, 2 * count]) + register_bytes(words)
        assert function == 16
        self._write(first, bytes_registers(pdu[6:]))
        return pdu[:5]

    def _read(self, table: Table, first: int, count: int) -> list[int]:
        words: list[int] = []
        if self.state is Session.OPEN and not self._missing():
            self.slow -= 1
            if self.slow < 0:
                self.state = Session.REFUSED if self.refuses else Session.VERIFIED
        while len(words) < count:
            at = first + len(words)
            row = next((r for r in BY_NAME.values() if r.table is table and r.address <= at < r.end), None)
            if row is None:
                raise Refusal(2)
            whole = pack(row, self._value(row.name)) + [0] * row.size
            words += whole[at - row.address : row.size]
        return words[:count]

    def _value(self, name: str) -> Any:
        run = self.runs
        said: dict[str, Any] = {
            "WIRE_VERSION": WIRE_VERSION,
            "UID": bytes.fromhex(self.uid).ljust(UID_BYTES, b"\0"),
            "ADDRESS_IN_FORCE": self.address,
            "BAUD_IN_FORCE": 115200,
            "GAP_IN_FORCE": Gap.TRUE_CHARACTERS,
            "FIRMWARE_VERSION": 1,
            "FIRMWARE_HASH": b"\x11" * 32,
            "TRUST": 1 << Trust.CRYPTO,
            "MODEL_HASH": hash_of(run) if run else bytes(32),
            "MODEL_CRC": int.from_bytes(run[-4:], "little") if run else 0,
            "SEQUENCE": 1 if run else 0,
            "MODEL_LENGTH": len(run),
            "TRIAL_LEFT": -int(-self.left // 1) if self.tries else 0,
            "STATE": State.IDLE,
            "SESSION_STATE": self.state,
            "BLOCKS_MISSING": self._missing_words(),
            "REASON": self.refuses,
        }
        if run:
            said |= dict.fromkeys(("MODEL_LAYERS", "MODEL_INPUTS", "MODEL_OUTPUTS", "MODEL_VECTORS"), 1)
        said |= self.values
        row = BY_NAME[name]
        nothing: Any = b"" if row.kind == "bytes" else 0
        return said.get(name, nothing)

    def _missing(self) -> set[int]:
        length = self.opened.get("SESSION_LENGTH", 0)
        return set(range(-(-length // BLOCK_BYTES))) - set(self.stage)

    def _missing_words(self) -> list[int]:
        words = [0] * BY_NAME["BLOCKS_MISSING"].size
        for index in self._missing() if self.state is Session.OPEN else ():
            words[index // 16] |= 1 << index % 16
        return words

    # ---------------------------------------------------------------------------------------------------- writes

    def _write(self, first: int, words: list[int]) -> None:
        if first == SESSION:
            self._open(words)
        elif first == BLOCK_TAG:
            self._take(words)
        elif first == GO:
            self._go(register_bytes(words))
        elif first == COMMAND:
            self._command(Command(words[0]))
        elif first == ADDRESS:
            at = 0
            for name in (
                "ADDRESS",
                "BAUD",
                "FORMAT",
                "GAP",
                "WATCHDOG",
                "WATCHDOG_FOR",
                "SAFE",
                "DEBOUNCE",
                "GROUP",
            ):
                row = BY_NAME[name]
                if at < len(words):
                    self.written_settings[name] = unpack(row, words[at : at + row.size])
                at += row.size
        else:
            raise Refusal(2)

    def _open(self, words: list[int]) -> None:
        at = 0
        for name in ("SESSION_HASH", "SESSION_LENGTH", "SESSION_GO", "SESSION_SECONDS"):
            row = BY_NAME[name]
            self.opened[name] = unpack(row, words[at : at + row.size])
            at += row.size
        self.stage = {}
        self.state = Session.OPEN if self.opened["SESSION_LENGTH"] else Session.NONE

    def _take(self, words: list[int]) -> None:
        data = register_bytes(words)
        if self.state is not Session.OPEN or data[:4] != self.opened["SESSION_HASH"][:4]:
            raise Refusal(4)
        self.stage[words[2]] = data[6:]

    def _go(self, go: bytes) -> None:
        if self.deaf_to_go or self.state is not Session.VERIFIED or hash_of(go) != self.opened["SESSION_GO"]:
            raise Refusal(4)
        image = b"".join(self.stage[index] for index in sorted(self.stage))
        assert hash_of(image) == self.opened["SESSION_HASH"]
        self.state = Session.DONE
        if self.opened["SESSION_SECONDS"]:
            self.tries, self.left = image, float(self.opened["SESSION_SECONDS"])
        else:
            self.model = image

    def _command(self, code: Command) -> None:
        self.written.append(code)
        if code is Command.CONFIRM:
            if not self.tries:
                raise Refusal(4)
            self.model = self.tries
            self.revert()
        elif code is Command.REVERT:
            self.revert()
        elif code is Command.SAVE_SETTINGS:
            if not self.stubborn:
                self.address = self.written_settings.get("ADDRESS", self.address)
            if "GROUP" in self.written_settings:
                self.values["GROUP_IN_FORCE"] = self.written_settings["GROUP"]
        else:
            raise Refusal(4)
