"""Signed orders: one form, checked as a whole before anything else looks at it. Twin of firmware/core/order.c, whose
header draws the bytes and each command's arguments.

An order names what it asks for, for whom, and how often orders were given before; what is signed cannot be taken for
anything else that is, as it begins with ORDER_DOMAIN and a NUL.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from host.core.wire import (
    ARGUMENTS_MAX,
    BY_NAME,
    HASH_BYTES,
    IMAGE_MAX,
    KEY_BYTES,
    ORDER_DOMAIN,
    ORDER_MAX,
    ORDER_VERSION,
    REASON_TEXT,
    SIGNATURE_BYTES,
    UID_BYTES,
    Command,
    Reason,
    Scope,
)
from host.errors import NeuronError

HEADER: Final = struct.Struct(f"<4B{UID_BYTES}sII{HASH_BYTES}s")
NO_HASH = bytes(HASH_BYTES)
NO_KEY = bytes(KEY_BYTES)
NO_SIGNATURE = bytes(SIGNATURE_BYTES)
FLAG_GUARDS = 1
"""Of KEY: inputs and coils need an order too."""
OF_AN_IMAGE = frozenset(
    (
        Command.COMMIT,
        Command.CONFIRM,
        Command.REVERT,
        Command.ROLLBACK,
        Command.INSTALL,
        Command.TRIAL,
        Command.ARM,
    )
)
"""Commands whose orders name an image by its hash; those of all others have zeros there."""
SETTINGS_WORDS = BY_NAME["BROADCASTS"].end - BY_NAME["ADDRESS"].address
COILS = BY_NAME["ACKNOWLEDGE"].end

_U16 = struct.Struct("<H")
_LENGTH = struct.Struct("<I")
_TRIAL = struct.Struct("<IH")
_COILS = struct.Struct("<3H")
_KEY = struct.Struct(f"<{KEY_BYTES}sH")
_FLOOR = struct.Struct("<IH")
_ARM = struct.Struct(f"<{HASH_BYTES}sH")


class OrderError(NeuronError):
    """Bytes that are no order; the node would answer `reason`. what: the field that is not in its form."""

    reason = Reason.ORDER

    def __init__(self, what: str) -> None:
        super().__init__(f"{REASON_TEXT[self.reason]}: {what}")
        self.what = what


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise OrderError(what)


@dataclass(frozen=True)
class Order:
    """An order, with or without its signature.

    target:    whom it is for: a UID, 12 bytes, or the number of a group, 1..65535
    counter:   1..2**32 - 1, above that of any order before
    hash:      of the image that is meant; NO_HASH where the command means none
    arguments: as the makers below give them
    """

    command: Command
    target: bytes | int
    counter: int
    hash: bytes = NO_HASH
    arguments: bytes = b""
    signature: bytes = NO_SIGNATURE

    @property
    def scope(self) -> Scope:
        return Scope.GROUP if isinstance(self.target, int) else Scope.UID


# ------------------------------------------------------------------------------------------------- arguments


def _number(value: int, low: int, high: int, what: str) -> int:
    _require(low <= value <= high, what)
    return value


def install_arguments(length: int) -> bytes:
    """Of INSTALL. length: bytes of the staged image."""
    return _LENGTH.pack(_number(length, 1, IMAGE_MAX, "length"))


def trial_arguments(length: int, seconds: int) -> bytes:
    """Of TRIAL. seconds: until the old model comes back by itself, 1..65535."""
    return _TRIAL.pack(
        _number(length, 1, IMAGE_MAX, "length"), _number(seconds, 1, 0xFFFF, "seconds of the trial")
    )


def settings_arguments(words: Sequence[int]) -> bytes:
    """Of SAVE_SETTINGS. words: of the registers ADDRESS..BROADCASTS, 0..65535 each."""
    _require(len(words) == SETTINGS_WORDS, "arguments' size")
    return _words(words)


def write_arguments(address: int, words: Sequence[int]) -> bytes:
    """Of WRITE. address, words: within INPUTS, or whole values of INPUTS_FLOAT."""
    arguments = _U16.pack(_number(address, 0, 0xFFFF, "registers to write")) + _words(words)
    _require(len(arguments) <= ARGUMENTS_MAX, "registers to write")
    _check_write(arguments)
    return arguments


def coils_arguments(first: int, count: int, bits: int) -> bytes:
    """Of COILS. bits: that of coil `first` in bit 0."""
    arguments = _COILS.pack(*(_number(value, 0, 0xFFFF, "coils") for value in (first, count, bits)))
    _check_coils(arguments)
    return arguments


def key_arguments(key: bytes, guarded: bool = False) -> bytes:
    """Of KEY. key: the public key, NO_KEY for none any more; guarded: inputs and coils need an order too."""
    _require(len(key) == KEY_BYTES, "key")
    arguments = _KEY.pack(key, FLAG_GUARDS * guarded)
    _check_key(arguments)
    return arguments


def floor_arguments(release: int, firmware: int) -> bytes:
    """Of FLOOR. release: of models, 32 bits; firmware: major << 8 | minor."""
    return _FLOOR.pack(
        _number(release, 0, 0xFFFFFFFF, "release"), _number(firmware, 0, 0xFFFF, "version of the firmware")
    )


def arm_arguments(go_hash: bytes, seconds: int) -> bytes:
    """Of ARM. go_hash: BLAKE2b-256 of the bytes of GO; seconds: of a trial, 0: the model is kept at once."""
    _require(len(go_hash) == HASH_BYTES, "hash of GO")
    arguments = _ARM.pack(go_hash, _number(seconds, 0, 0xFFFF, "seconds of the trial"))
    _check_arm(arguments)
    return arguments


def _words(words: Sequence[int]) -> bytes:
    for word in words:
        _number(word, 0, 0xFFFF, "word of a register")
    return struct.pack(f">{len(words)}H", *words)


# ---------------------------------------------------------------------------------------------------- checks


def _check_length(arguments: bytes) -> None:
    _number(_LENGTH.unpack_from(arguments)[0], 1, IMAGE_MAX, "length")


def _check_trial(arguments: bytes) -> None:
    _check_length(arguments)
    _require(_TRIAL.unpack(arguments)[1] != 0, "seconds of the trial")


def _check_write(arguments: bytes) -> None:
    address, count = *_U16.unpack_from(arguments), (len(arguments) - _U16.size) // 2
    inputs, floats = BY_NAME["INPUTS"], BY_NAME["INPUTS_FLOAT"]
    fits = inputs.address <= address and address + count <= inputs.end
    if floats.address <= address and address + count <= floats.end:
        fits = (address - floats.address) % 2 == 0 and count % 2 == 0
    _require(fits and count >= 1, "registers to write")


def _check_coils(arguments: bytes) -> None:
    first, count, bits = _COILS.unpack(arguments)
    _require(count >= 1 and first + count <= COILS and bits >> count == 0, "coils")


def _check_key(arguments: bytes) -> None:
    key, flags = _KEY.unpack(arguments)
    _require(flags == 0 or (flags == FLAG_GUARDS and any(key)), "flags of the key")


def _check_arm(arguments: bytes) -> None:
    _require(any(_ARM.unpack(arguments)[0]), "hash of GO")


def _anything(arguments: bytes) -> None:
    """No value is out of range."""


def _just(size: int) -> range:
    return range(size, size + 1)


FORMS = {
    Command.COMMIT: (_just(0), _anything),
    Command.CONFIRM: (_just(0), _anything),
    Command.REVERT: (_just(0), _anything),
    Command.ROLLBACK: (_just(0), _anything),
    Command.RESTART: (_just(0), _anything),
    Command.INSTALL: (_just(_LENGTH.size), _check_length),
    Command.TRIAL: (_just(_TRIAL.size), _check_trial),
    Command.SAVE_SETTINGS: (_just(2 * SETTINGS_WORDS), _anything),
    Command.WRITE: (range(4, ARGUMENTS_MAX + 1), _check_write),
    Command.COILS: (_just(_COILS.size), _check_coils),
    Command.KEY: (_just(_KEY.size), _check_key),
    Command.FLOOR: (_just(_FLOOR.size), _anything),
    Command.ARM: (_just(_ARM.size), _check_arm),
}
"""The commands that orders give: how many bytes of arguments each has, and what checks them."""


def _target(scope: int, field: bytes) -> bytes | int:
    if scope == Scope.UID:
        return field
    _require(scope == Scope.GROUP, "scope")
    (group,) = _U16.unpack_from(field)
    _require(group != 0 and not any(field[_U16.size :]), "group")
    return int(group)


# --------------------------------------------------------------------------------------------------- the order


def order_parse(data: bytes) -> Order:
    """The order of these bytes, its signature not looked at. Raises OrderError."""
    _require(HEADER.size + SIGNATURE_BYTES <= len(data) <= ORDER_MAX, "size")
    version, command, scope, size, target, counter, reserved, image = HEADER.unpack_from(data)
    _require(version == ORDER_VERSION, "version")
    _require(size % 2 == 0 and len(data) == HEADER.size + size + SIGNATURE_BYTES, "size")
    whom = _target(scope, target)
    _require(counter != 0, "counter")
    _require(reserved == 0, "reserved")
    _require(command in FORMS, "command")
    sizes, check = FORMS[command]
    arguments, signature = data[HEADER.size : HEADER.size + size], data[HEADER.size + size :]
    _require(size in sizes, "arguments' size")
    check(arguments)
    _require((command in OF_AN_IMAGE) == any(image), "hash")
    return Order(Command(command), whom, counter, image, arguments, signature)


def order_message(order: Order) -> bytes:
    """What is signed. Raises OrderError where the order is not in its form."""
    return ORDER_DOMAIN.encode("ascii") + b"\0" + order_bytes(order)[:-SIGNATURE_BYTES]


def order_bytes(order: Order) -> bytes:
    """The order as it travels. Raises OrderError where it is not in its form."""
    if isinstance(order.target, int):
        target = _U16.pack(_number(order.target, 1, 0xFFFF, "group"))
    else:
        target = order.target
        _require(len(target) == UID_BYTES, "UID")
    _number(order.counter, 1, 0xFFFFFFFF, "counter")
    _require(len(order.hash) == HASH_BYTES, "hash")
    _require(len(order.signature) == SIGNATURE_BYTES, "signature")
    _require(len(order.arguments) <= ARGUMENTS_MAX, "arguments' size")
    head = HEADER.pack(
        ORDER_VERSION,
        order.command,
        order.scope,
        len(order.arguments),
        target,
        order.counter,
        0,
        order.hash,
    )
    data = head + order.arguments + order.signature
    order_parse(data)
    return data
