"""The register file as host/core/wire.py promises it: a small model of a whole node, to hold the firmware against."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from host.core import wire
from host.core.fixed import fixed_clips, fixed_from_float, fixed_to_float
from host.core.image import Model, decode
from host.core.infer import class_of, infer, led, self_test
from host.core.reader import ImageError
from host.core.registers import bytes_registers
from host.core.wire import BY_NAME, UNITS_MAX, Command, EventKind, Reason, Start, State, Table, Training
from tests.sampler_model import SamplerModel
from tests.store_model import StoreModel

ADDRESS, VALUE, FAILURE, BUSY = 2, 3, 4, 6
WRITES = {5, 6, 15, 16, 22, 23}
PATIENCE_MS = 10
OVERRIDE = BY_NAME["OVERRIDE"].address
BLINK_MS = 250
WEAR_BUCKET, WEAR_INTERVAL_MS, MINUTE_MS = 250, 600_000, 60_000
DEFAULTS = (
    wire.DEFAULT_ADDRESS,
    wire.DEFAULT_BAUD,
    int(wire.DEFAULT_FORMAT),
    int(wire.DEFAULT_GAP),
    *[0] * 7,
)
UID = b"memory node\0"
FIRMWARE = (b"memory", b"node")
"""What the node in memory says it runs, part by part: tests/port/memory.c."""
WRITABLE = ["INPUTS", "INPUTS_FLOAT", "ADDRESS", "BAUD", "FORMAT", "GAP"]
WRITABLE += ["WATCHDOG", "WATCHDOG_FOR", "SAFE", "DEBOUNCE", "GROUP", "LOCK", "BROADCASTS"]
WRITABLE += ["COMMAND", "LENGTH", "CRC", "SECONDS", "STAGE"]
WRITABLE += ["SESSION_HASH", "SESSION_LENGTH", "SESSION_GO", "SESSION_SECONDS", "GO", "ORDER"]
WRITABLE += ["BLOCK_TAG", "BLOCK_INDEX", "BLOCK"]
WRITABLE += [
    row.name for row in wire.REGISTERS if row.table is Table.HOLDING and row.name.startswith("TRAIN_")
]
WRITABLE += ["ARENA", "SAMPLE_RATE", "SAMPLE_CHANNELS", "SAMPLE_FROM", "EVENT_FROM"]
WRITABLE += ["SEARCH_BITS", "SEARCH_UID"]
CALIBRATION = [931, 1197, 1504]
INSIDE = {
    row.address + row.width * i + part
    for row in wire.REGISTERS
    if row.table is Table.HOLDING
    for i in range(row.count if row.kind != "bytes" else 0)
    for part in range(1, row.width)
}
"""Registers that go on with a value which began before them."""
WRITABLE_ADDRESSES = {a for name in WRITABLE for a in range(BY_NAME[name].address, BY_NAME[name].end)}

Settings = tuple[int, ...]
"""Address, baud rate, format, gap; watchdog, what it waits for, what is safe, debounce; group, lock, broadcasts."""
WHOLE = ("GO", "BLOCK_TAG", "SESSION_HASH", "ORDER")
"""What is written by one frame, or not at all."""
KEPT_SETTINGS = struct.Struct("<IBBBxHHBBBxHH")
LATE = 1 << 16
"""Seconds since power-on, beyond any lock."""
OPENING, BLOCK, GO = (
    BY_NAME[last].end - BY_NAME[first].address
    for first, last in (("SESSION_HASH", "SESSION_SECONDS"), ("BLOCK_TAG", "BLOCK"), ("GO", "GO"))
)


class Event(NamedTuple):
    """inputs: of DECISION and CLIPPED."""

    kind: EventKind
    uptime: int
    sample: int
    detail: int
    value: int
    inputs: tuple[int, ...]


class Refused(Exception):
    """What the node should answer with an exception."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _high_low(value: int) -> list[int]:
    return [value >> 16, value & 0xFFFF]


def _crc(image: bytes) -> int:
    return int.from_bytes(image[-4:], "little")


def _hash(data: bytes) -> bytes:
    """Zeros of nothing."""
    return hashlib.blake2b(data, digest_size=wire.HASH_BYTES).digest() if data else bytes(wire.HASH_BYTES)


def pack_settings(settings: Settings) -> bytes:
    """As a node keeps them."""
    address, baud, line_format, gap, watchdog, watchdog_for, safe, debounce, group, lock, broadcasts = (
        settings
    )
    return KEPT_SETTINGS.pack(
        *(baud, address, line_format, gap),
        *(watchdog, debounce, watchdog_for, safe, broadcasts, group, lock),
    )


def unpack_settings(kept: bytes) -> Settings:
    baud, address, line_format, gap, *beyond = KEPT_SETTINGS.unpack(kept)
    watchdog, debounce, watchdog_for, safe, broadcasts, group, lock = beyond
    line = (address, baud, line_format, gap)
    return (*line, watchdog, watchdog_for, safe, debounce, group, lock, broadcasts)


class NodeModel:
    """What a node holds. Its registers are read from `registers()`; writes raise Refused and then change nothing."""

    def __init__(self) -> None:
        self.models, self.kept_settings, self.kept_trust = StoreModel(), StoreModel(), StoreModel()
        self.start()

    def start(self, cause: Start = Start.POWER) -> None:
        """Power on, or start again for another cause; the main loop comes round once before it waits."""
        self.cause = cause
        if cause is Start.POWER:
            self.commits_taken = 0
        self.interval_began = 0
        self.missed = 0
        self.models.boot()
        self.kept_settings.boot()
        self.kept_trust.boot()
        self.settings = DEFAULTS
        if self.kept_settings.active:
            self.settings = unpack_settings(self.kept_settings.active.payload)
        self.address = self.settings[0]
        self.spoken = self.settings
        self.open_for = 0 if cause is Start.POWER else LATE
        self.settings_words = self._in_force()
        self.next_settings = self.settings
        self.saving = self.committing = self.reopen = self.restart = self.verified = False
        self.millis = self.inferences = 0
        self.firmware_left = len(FIRMWARE) + 1  # a round for each part, and one that finds no more
        self.sampler = SamplerModel()
        self.sampler.debounce_ms = self.settings[7]
        self.sample_from = self.event_from = 0
        self.events: list[Event] = []
        self._happened(EventKind.START, cause)
        self.reason, self.detail = Reason.NONE, 0
        self.coils = [0] * 5
        self.command = [0] * 6
        self.search_words = [0] * 7
        self.stage = bytearray(wire.IMAGE_MAX)
        self.arena = bytearray(wire.ARENA_BYTES)
        self.train_words = [0] * (BY_NAME["TRAIN_NAME"].end - BY_NAME["TRAIN_LAYERS"].address)
        self.training = Training.NONE
        self.staged = b""
        self.due = self.lost = self.kept_lit = self.told_decision = self.told_clipped = False
        self.heard = self.watched = 0
        self.functions: set[int] = set()
        self.float_bits = [0] * UNITS_MAX
        self.q = [0] * UNITS_MAX
        self.outputs = [0] * UNITS_MAX
        self.decision = False
        self.model: Model | None = None
        self.image = b""
        self._clipped_of: tuple[bytes, list[int]] = (b"", [])
        self._clipped = False
        if self.models.active:
            self._run(self.models.active.payload)
        self._round()

    # --------------------------------------------------------------------------------------- samples and events

    def _happened(self, kind: EventKind, detail: int, value: int = 0, *, inputs: bool = False) -> None:
        q = tuple(self.q[: self.model.inputs]) if inputs and self.model else ()
        self.events.append(Event(kind, self.millis, self.sampler.head, detail, value, q))

    def tell(self) -> None:
        """Before the next request, or in a round that has time: the decision and clipping, if they have changed."""
        if self.told_decision != self.decision:
            self._happened(EventKind.DECISION, int(self.decision), self.inferences, inputs=True)
        if self.told_clipped != self.clipped:
            self._happened(EventKind.CLIPPED, int(self.clipped), inputs=True)
        self.told_decision, self.told_clipped = self.decision, self.clipped

    def _event_words(self) -> list[int]:
        """EVENT_FROM ... EVENT_INPUTS."""
        head = len(self.events)
        oldest = max(0, head - wire.EVENTS)
        ahead = (self.event_from - head) % (1 << 32) < 1 << 31
        number = head if ahead else max(self.event_from, oldest)
        event = Event(EventKind.NONE, 0, 0, 0, 0, ()) if number == head else self.events[number]
        words = [*_high_low(self.event_from), *_high_low(head), *_high_low(number)]
        words += [*_high_low(event.uptime), *_high_low(event.sample), event.kind, event.detail]
        kept = sum(len(later.inputs) for later in self.events[number:]) <= wire.EVENT_WORDS
        inputs = [*event.inputs * kept, *[0] * UNITS_MAX][:UNITS_MAX]
        gone = wire.EVENT_GONE * (bool(event.inputs) and not kept)
        return [*words, *_high_low(event.value), gone + len(event.inputs), *inputs]

    def _asked_words(self) -> list[int]:
        return [*self.sampler.asked, *_high_low(self.sample_from)]

    def _write_sampling(self, offset: int, values: Sequence[int]) -> None:
        words = self._asked_words()
        words[offset : offset + len(values)] = values
        if not self.sampler.ask(words[0], words[1]):
            raise self._refuse(Reason.SAMPLING)
        self.sample_from = words[2] << 16 | words[3]

    def _write_event_from(self, offset: int, values: Sequence[int]) -> None:
        self.event_from = values[0] << 16 | values[1]

    # ---------------------------------------------------------------------------------------------------- neuron

    def _fraction(self, index: int) -> int:
        return self.model.input_fraction[index] if self.model and index < self.model.inputs else 0

    def _offset(self, index: int) -> np.float32:
        return np.float32(self.model.input_offset[index] if self.model and index < self.model.inputs else 0)

    def _shifted(self, index: int) -> np.float32:
        value = np.array(self.float_bits[index], dtype=np.uint32).view(np.float32)
        with np.errstate(over="ignore"):
            return np.float32(value - self._offset(index))

    def _quantise(self, index: int) -> None:
        self.q[index] = int(fixed_from_float(self._shifted(index), self._fraction(index)))

    def _in_force(self) -> list[int]:
        address, baud, *rest = self.settings
        return [address, *_high_low(baud), *rest]

    @property
    def clipped(self) -> bool:
        """Worked out when something has changed: it is asked for in every round of the main loop."""
        inputs = self.model.inputs if self.model else 0
        of = self.image, self.float_bits[:inputs]
        if self._clipped_of != of:
            self._clipped_of = of
            self._clipped = any(bool(fixed_clips(self._shifted(i), self._fraction(i))) for i in range(inputs))
        return self._clipped

    @property
    def out_of_range(self) -> bool:
        if self.model is None:
            return False
        ends = zip(self.q, self.model.input_low, self.model.input_high, strict=False)
        return self.clipped or any(not low <= q <= high for q, low, high in ends)

    @property
    def class_number(self) -> int:
        if self.model is None:
            return 0
        return int(class_of(self.model, np.array([self.outputs[: self.model.outputs]], dtype=np.int16))[0])

    def _run(self, image: bytes) -> None:
        self.tell()
        self.image, self.model, self.due = image, decode(image), False
        for index in range(UNITS_MAX):
            self._quantise(index)
        self._happened(EventKind.MODEL, 1, _crc(image))
        self._infer()

    def _infer(self) -> None:
        self.due = False
        if self.model is None:
            return
        y = infer(self.model, np.array([self.q[: self.model.inputs]], dtype=np.int16))
        self.outputs = y[0].tolist() + [0] * (UNITS_MAX - self.model.outputs)
        self.decision = bool(led(self.model, y)[0])
        self.inferences += 1

    @property
    def _held(self) -> bool:
        return bool(self.coils[BY_NAME["HOLD"].address])

    def _inputs_changed(self) -> None:
        self.due = True
        if not self._held:
            self._infer()

    @property
    def lamp(self) -> bool:
        if self.coils[BY_NAME["LAMP_TEST"].address]:
            return True
        if self.coils[BY_NAME["IDENTIFY"].address]:
            return self.millis // BLINK_MS % 2 == 0
        safe = self.settings[6]
        if self.lost and safe != wire.Safe.KEEP:
            return safe == wire.Safe.ON or (safe == wire.Safe.HOLD and self.kept_lit)
        return self.decision

    # ----------------------------------------------------------------------------------------------------- watchdog

    def _become_lost(self, lost: bool) -> None:
        if lost != self.lost:
            self.lost, self.kept_lit = lost, self.decision
            self._happened(EventKind.BUS_LOST, int(lost))

    def served(self, function: int) -> None:
        """A request to this node has come, alone or by broadcast, and the main loop came round after it."""
        self.functions.add(function)
        if self.millis - self.watched >= PATIENCE_MS:
            self._watch()

    def _watch(self) -> None:
        self.watched = self.millis
        if self.open_for < LATE:
            self.open_for = self.millis // 1000
        limit = 100 * self.settings[4]
        if self.functions if self.settings[5] == wire.WatchdogFor.FRAME else self.functions & WRITES:
            self.heard = self.millis
            self._become_lost(False)
        self.functions.clear()
        self._become_lost(limit > 0 and (self.lost or self.millis - self.heard >= limit))
        self.tell()

    # ------------------------------------------------------------------------------------------------------ work

    @property
    def state(self) -> State:
        if self.models.erasing or self.kept_settings.erasing or self.kept_trust.erasing:
            return State.ERASING
        return State.COMMITTING if self.committing or self.saving else State.IDLE

    def work(self, rounds: int) -> None:
        """Rounds of the main loop, until there is nothing more to do."""
        for _ in range(rounds):
            if not self._round():
                return

    def _round(self) -> bool:
        self._watch()
        if self.restart:
            self.start(Start.SOFTWARE)
            return False
        if self.reopen:
            self.reopen = False
            self.address = self.settings[0]
            self.spoken = self.settings
            self.sampler.debounce_ms = self.settings[7]
        if self.kept_settings.steps:  # what one store has begun, it ends: there is only one flash
            more = self.kept_settings.step()
        elif self.kept_trust.steps:
            more = self.kept_trust.step()
        else:
            more = self.models.step() or self.kept_settings.step() or self.kept_trust.step()
        if self.committing and not self.models.busy:
            self.committing = self.verified = False
            assert self.models.active is not None
            self._run(self.models.active.payload)
        if self.saving and not self.kept_settings.busy:
            self.saving, self.reopen = False, True
            self.settings = self.next_settings
        if not more and self.firmware_left:
            self.firmware_left -= 1
            more = self.firmware_left > 0
        return more or self.reopen

    # ----------------------------------------------------------------------------------------------------- reads

    def discretes(self) -> list[int]:
        return [
            int(bit)
            for bit in (
                self.lamp,
                self.model is not None,
                False,
                False,
                self.state is not State.IDLE,
                self.verified,
                self.decision,
                self.clipped,
                self.missed != 0,
                any(self.coils),
                self.out_of_range,
                False,
                self.lost,
                False,
                self.decision,
                False,
            )
        ]

    def identity(self) -> dict[str, list[int]]:
        """The input registers' single values."""
        model, previous = self.model, self.models.previous
        active = self.models.active.sequence if self.models.active and model else 0
        one = {
            "WIRE_VERSION": wire.WIRE_VERSION,
            "FIRMWARE_VERSION": wire.FIRMWARE_MAJOR << 8 | wire.FIRMWARE_MINOR,
            "STATE": self.state,
            "REASON": self.reason,
            "DETAIL": self.detail,
            "START_CAUSE": self.cause,
            "FAULT_LINE": 0,
            "MISSED": self.missed,
            "MODEL_LAYERS": len(model.layers) if model else 0,
            "MODEL_INPUTS": model.inputs if model else 0,
            "MODEL_OUTPUTS": model.outputs if model else 0,
            "MODEL_VECTORS": len(model.vector_inputs) if model else 0,
        }
        two = {
            "SEQUENCE": active,
            "MODEL_CRC": _crc(self.image) if model else 0,
            "MODEL_LENGTH": len(self.image) if model else 0,
            "PREVIOUS_SEQUENCE": previous.sequence if previous else 0,
            "PREVIOUS_CRC": _crc(previous.payload) if previous else 0,
            "STAGED_CRC": _crc(self.staged) if self.verified else 0,
            "UPTIME": self.millis,
            "INFERENCES": self.inferences,
            "FAULT_PC": 0,
            "FAULTS": 0,
            "MODEL_RELEASE": model.release if model else 0,
        }
        hashes = {
            "MODEL_HASH": self.image if model else b"",
            "STAGED_HASH": self.staged if self.verified else b"",
            "PREVIOUS_HASH": previous.payload if previous else b"",
        }
        name = (model.name if model else "").encode().ljust(wire.NAME_BYTES, b"\0")
        firmware = _hash(b"".join(FIRMWARE))
        return {
            "UID": bytes_registers(UID),
            "FIRMWARE_HASH": bytes_registers(bytes(len(firmware)) if self.firmware_left else firmware),
            "MODEL_NAME": bytes_registers(name),
            **{key: bytes_registers(_hash(image)) for key, image in hashes.items()},
            "FAULT_FILE": [0] * BY_NAME["FAULT_FILE"].size,
            **{key: [int(value)] for key, value in one.items()},
            **{key: _high_low(value) for key, value in two.items()},
        }

    def _float_words(self, bits: Sequence[int]) -> list[int]:
        return [word for value in bits for word in _high_low(value)]

    def registers(self, table: Table, *, bulk: bool = True) -> dict[int, int]:
        """All that can be read: address -> value. Without `bulk`, all but the stage and the image."""
        if table is Table.COIL:
            return dict(enumerate(self.coils))
        if table is Table.DISCRETE:
            return dict(enumerate(self.discretes()))
        model = self.model
        fractions = [*model.output_fraction, *[0] * UNITS_MAX][:UNITS_MAX] if model else [0] * UNITS_MAX
        values = [fixed_to_float(q, f) for q, f in zip(self.outputs, fractions, strict=True)]
        real = np.array(values, dtype=np.float32).view(np.uint32).tolist()
        if table is Table.HOLDING:
            rows = {
                "INPUTS": self.q,
                "INPUTS_FLOAT": self._float_words(self.float_bits),
                "ADDRESS": self.settings_words,
                "COMMAND": self.command,
                "RESULT_SEQUENCE": self.identity()["SEQUENCE"],
                "RESULT_CRC": self.identity()["MODEL_CRC"],
                "RESULT_BITS": [sum(bit << i for i, bit in enumerate(self.discretes()))],
                "RESULT_CLASS": [self.class_number],
                "RESULTS": self.outputs,
                "RESULTS_FLOAT": self._float_words(real),
                "STAGE": bytes_registers(self.stage) if bulk else [],
                "ARENA": bytes_registers(self.arena) if bulk else [],
                "TRAIN_LAYERS": self.train_words,
                "SAMPLE_RATE": self._asked_words(),
                "SAMPLES_HEAD": self.sampler.scans_words(self.sample_from),
                "EVENT_FROM": self._event_words(),
                "SEARCH_BITS": self.search_words,
                "ORDER": [0] * BY_NAME["ORDER"].size,
                "SESSION_HASH": [0] * (BY_NAME["BLOCKS_MISSING"].end - BY_NAME["SESSION_HASH"].address),
                "BLOCK_TAG": [0] * BLOCK,
                "GO": [0] * GO,
                "FOUND_UID": [*bytes_registers(UID), self.settings[0], wire.WIRE_VERSION],
            }
        else:
            offsets = np.zeros(UNITS_MAX, dtype=np.float32)
            offsets[: model.inputs if model else 0] = model.input_offset if model else []
            rows = {
                "OUTPUTS": self.outputs,
                "CLASS": [self.class_number],
                "OUTPUTS_FLOAT": self._float_words(real),
                **self.identity(),
                "INPUT_FRACTION": [self._fraction(i) for i in range(UNITS_MAX)],
                "OUTPUT_FRACTION": fractions,
                "INPUT_OFFSET": self._float_words(offsets.view(np.uint32).tolist()),
                "GROUP_IN_FORCE": self._in_force()[9:],
                "WATCHDOG_IN_FORCE": self._in_force()[5:9],
                "TRUST": [self._trust(), *[0] * (BY_NAME["KEY"].end - BY_NAME["RELEASE_FLOOR"].address)],
                "ORDER_COUNTER": [0] * 4,
                "TRIAL_LEFT": [0],
                "ADDRESS_IN_FORCE": self._in_force()[:5],
                "WINDOWS": [0] * (BY_NAME["WINDOW_VALUES"].end - BY_NAME["WINDOWS"].address),
                "IMAGE": bytes_registers(self.image) if bulk else [],
                "TRAIN_STATE": [self.training, *[0] * 10],
                "CHANNELS": [*self.sampler.now_words(), *CALIBRATION],
            }
        start = {name: BY_NAME[name].address for name in rows}
        return {start[name] + i: value & 0xFFFF for name, row in rows.items() for i, value in enumerate(row)}

    def read(self, table: Table, address: int, count: int) -> list[int]:
        registers = self.registers(table)
        if any(address + i not in registers for i in range(count)):
            raise Refused(ADDRESS)
        return [registers[address + i] for i in range(count)]

    # ---------------------------------------------------------------------------------------------------- writes

    def write_coils(self, address: int, values: Sequence[int]) -> None:
        if address + len(values) > len(self.coils):
            raise Refused(ADDRESS)
        before = self.coils[OVERRIDE]
        self.coils[address : address + len(values)] = values
        if self.coils[OVERRIDE] != before:
            self._happened(EventKind.OVERRIDE, self.coils[OVERRIDE])
        self.coils[BY_NAME["ACKNOWLEDGE"].address] = 0
        if self.due and not self._held:
            self._infer()

    def broadcast(self, address: int, values: Sequence[int]) -> None:
        """A write to every node, whose exception nobody hears."""
        try:
            self.write(address, values, broadcast=True)
        except Refused as error:
            self.missed += error.code == BUSY

    @property
    def _locked(self) -> bool:
        lock = self.spoken[9]
        return lock != 0 and self.open_for >= lock

    def _trust(self) -> int:
        return self._locked << wire.Trust.LOCKED | 1 << wire.Trust.CRYPTO

    def _guard(self, name: str, broadcast: bool) -> None:
        """The bus may write that, or it is refused and says why."""
        if name in ("ADDRESS", "COMMAND", "SESSION_HASH") and self._locked:
            raise self._refuse(Reason.LOCKED)
        if name in ("ADDRESS", "COMMAND", "SESSION_HASH", "STAGE") and broadcast and not self.spoken[10]:
            raise self._refuse(Reason.BROADCAST)

    def write(self, address: int, values: Sequence[int], *, broadcast: bool = False) -> None:
        span = range(address, address + len(values))
        if any(a not in WRITABLE_ADDRESSES for a in span):
            raise Refused(ADDRESS)
        areas: list[tuple[str, Callable[[int, Sequence[int]], None]]] = [
            ("SEARCH_BITS", self._write_search),
            ("ARENA", self._write_arena),
            ("STAGE", self._write_stage),
            ("GO", lambda offset, values: self._write_session(offset == 0 and len(values) == GO)),
            ("BLOCK_TAG", lambda offset, values: self._write_session(offset == 0 and len(values) > 3)),
            ("SESSION_HASH", self._write_opening),
            ("ORDER", self._write_order),
            ("EVENT_FROM", self._write_event_from),
            ("SAMPLE_RATE", self._write_sampling),
            ("TRAIN_LAYERS", self._write_training),
            ("COMMAND", self._write_command),
            ("ADDRESS", self._write_settings),
            ("INPUTS_FLOAT", self._write_floats),
            ("INPUTS", self._write_inputs),
        ]
        name, write = next((name, write) for name, write in areas if address >= BY_NAME[name].address)
        self._guard(name, broadcast)
        if name not in WHOLE and (address in INSIDE or span[-1] + 1 in INSIDE):
            raise Refused(ADDRESS)
        write(address - BY_NAME[name].address, values)

    def _write_session(self, whole: bool) -> None:
        """No session is ever open here: tests/test_session.py has those that are."""
        raise self._refuse(Reason.SESSION) if whole else Refused(ADDRESS)

    def _write_opening(self, offset: int, values: Sequence[int]) -> None:
        assert offset != 0 or len(values) != OPENING, "give this model a notion of sessions"
        raise Refused(ADDRESS)

    def _write_order(self, offset: int, values: Sequence[int]) -> None:
        """No bytes that these tests write are an order: tests/test_trust.py has those that are."""
        if offset != 0:
            raise Refused(ADDRESS)
        raise self._refuse(Reason.ORDER)

    def _write_stage(self, offset: int, values: Sequence[int]) -> None:
        if self.committing:
            raise Refused(BUSY)
        self.stage[2 * offset : 2 * (offset + len(values))] = struct.pack(f">{len(values)}H", *values)
        self.verified = False

    def _write_arena(self, offset: int, values: Sequence[int]) -> None:
        self.arena[2 * offset : 2 * (offset + len(values))] = struct.pack(f">{len(values)}H", *values)

    def _write_search(self, offset: int, values: Sequence[int]) -> None:
        """By the node's own address it means nothing: tests/test_search_node.py has what means something."""
        self.search_words[offset : offset + len(values)] = values

    def _write_training(self, offset: int, values: Sequence[int]) -> None:
        self.train_words[offset : offset + len(values)] = values

    def _write_settings(self, offset: int, values: Sequence[int]) -> None:
        if self.saving:
            raise Refused(BUSY)
        self.settings_words[offset : offset + len(values)] = values

    def _write_inputs(self, offset: int, values: Sequence[int]) -> None:
        for index, value in enumerate(values, offset):
            self.q[index] = value - 0x10000 if value & 0x8000 else value
            real = self._offset(index) + fixed_to_float(self.q[index], self._fraction(index))
            (self.float_bits[index],) = struct.unpack("<I", struct.pack("<f", real))
        self._inputs_changed()

    def _write_floats(self, offset: int, values: Sequence[int]) -> None:
        bits = [high << 16 | low for high, low in zip(values[::2], values[1::2], strict=True)]
        if any(math.isnan(struct.unpack("<f", struct.pack("<I", b))[0]) for b in bits):
            raise Refused(VALUE)
        for index, value in enumerate(bits, offset // 2):
            self.float_bits[index] = value
            self._quantise(index)
        self._inputs_changed()

    # -------------------------------------------------------------------------------------------------- commands

    def _refuse(self, reason: Reason, detail: int = 0, code: int = FAILURE) -> Refused:
        self.reason, self.detail = reason, detail
        return Refused(code)

    def _write_command(self, offset: int, values: Sequence[int]) -> None:
        command = list(self.command)
        command[offset : offset + len(values)] = values
        if offset == 0:
            self._execute(
                *command[:1], command[1] << 16 | command[2], command[3] << 16 | command[4], command[5]
            )
            if command[0] != Command.NONE:
                self.reason, self.detail = Reason.NONE, 0
        self.command = command

    def _execute(self, code: int, length: int, crc: int, seconds: int) -> None:
        runs = self.model is not None and _crc(self.image) == crc
        commands = {
            Command.NONE: lambda: None,
            Command.VERIFY: lambda: self._verify(length, crc),
            Command.COMMIT: lambda: self._commit(crc, runs),
            Command.INSTALL: lambda: self._install(length, crc, runs),
            Command.ROLLBACK: lambda: self._rollback(crc, runs),
            Command.TRIAL: lambda: self._trial(length, crc, seconds),
            Command.CONFIRM: lambda: self._end_trial(runs),
            Command.REVERT: lambda: self._end_trial(not runs),
            Command.SAVE_SETTINGS: self._save,
            Command.RESTART: self._restart,
            Command.TRAIN: self._train,
            Command.RESUME: lambda: None,
            Command.STOP: lambda: None,
        }
        if code not in commands:
            raise self._refuse(Reason.COMMAND, code=VALUE)
        if code == Command.TRIAL and seconds == 0:
            raise self._refuse(Reason.COMMAND, code=VALUE)
        takes = (Command.VERIFY, Command.COMMIT, Command.INSTALL, Command.ROLLBACK, Command.TRIAL)
        if self.committing and code in takes:
            if code in (Command.VERIFY, Command.TRIAL) or _crc(self.staged) != crc:
                raise Refused(BUSY)
            return
        commands[Command(code)]()

    def _verify(self, length: int, crc: int) -> None:
        self.verified = False
        if length > wire.IMAGE_MAX:
            raise self._refuse(Reason.LENGTH)
        image = bytes(self.stage[:length])
        try:
            model = decode(image)
            if _crc(image) != crc:
                raise self._refuse(Reason.CRC)
            self_test(model)
        except ImageError as error:
            raise self._refuse(error.reason, error.detail) from error
        self.staged, self.verified = image, True
        self.reason, self.detail = Reason.NONE, 0

    def _check_wear(self) -> None:
        back = (self.millis - self.interval_began) // WEAR_INTERVAL_MS
        if self.commits_taken:
            self.commits_taken = max(0, self.commits_taken - back)
            self.interval_began += back * WEAR_INTERVAL_MS
        if self.commits_taken == WEAR_BUCKET:
            wait = self.interval_began + WEAR_INTERVAL_MS - self.millis
            raise self._refuse(Reason.WEAR, -(-wait // MINUTE_MS))

    def _take_commit(self) -> None:
        self._check_wear()
        if not self.commits_taken:
            self.interval_began = self.millis
        self.commits_taken += 1
        self.reason, self.detail = Reason.NONE, 0

    def _commit(self, crc: int, runs: bool) -> None:
        if self.verified and _crc(self.staged) == crc:
            if self.model is not None and self.staged == self.image:
                self.verified = False
                return
            self._take_commit()
            self.committing = True
            self.models.commit(self.staged)
        elif not runs:
            raise self._refuse(Reason.NOT_VERIFIED)

    def _trial(self, length: int, crc: int, seconds: int) -> None:
        self._verify(length, crc)
        raise AssertionError("give this model a notion of trials: tests/test_trial.py has them")

    def _end_trial(self, already: bool) -> None:
        """None is ever under way."""
        if not already:
            raise self._refuse(Reason.TRIAL)

    def _install(self, length: int, crc: int, runs: bool) -> None:
        self._verify(length, crc)
        self._commit(crc, runs)

    def _rollback(self, crc: int, runs: bool) -> None:
        previous = self.models.previous
        if runs:
            return
        if previous is None or _crc(previous.payload) != crc:
            raise self._refuse(Reason.NO_PREVIOUS)
        self._check_wear()
        self.stage[: len(previous.payload)] = previous.payload
        self._verify(len(previous.payload), crc)
        self._commit(crc, False)

    def _save(self) -> None:
        address, baud_high, baud_low, line_format, gap, *beyond = self.settings_words
        _, watchdog_for, safe, debounce, _, _, broadcasts = beyond
        baud = baud_high << 16 | baud_low
        asked = (address, baud, line_format, gap, *beyond)
        if self.saving:
            raise Refused(BUSY)
        if not (
            wire.ADDRESS_MIN <= address <= wire.ADDRESS_MAX
            and wire.BAUD_MIN <= baud <= wire.BAUD_MAX
            and line_format in list(wire.Format)
            and gap in list(wire.Gap)
            and watchdog_for in list(wire.WatchdogFor)
            and safe in list(wire.Safe)
            and debounce <= wire.DEBOUNCE_MAX
            and broadcasts <= 1
        ):
            raise self._refuse(Reason.SETTINGS)
        if asked != self.settings:
            self._take_commit()
            self.next_settings, self.saving = asked, True
            self.kept_settings.commit(pack_settings(asked))

    def _train(self) -> None:
        """Random registers ask for no training that a node knows; tests/test_onboard.py has real ones."""
        if self.committing:
            raise Refused(BUSY)
        at = BY_NAME["TRAIN_BITS"].address - BY_NAME["TRAIN_LAYERS"].address
        assert self.train_words[at] not in (32, 64), "give this model a notion of training"
        self.verified, self.training = False, Training.REFUSED
        raise self._refuse(Reason.TRAIN_SHAPE)

    def _restart(self) -> None:
        if self.state is not State.IDLE:
            raise Refused(BUSY)
        self.restart = True
