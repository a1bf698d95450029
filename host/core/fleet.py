"""Limits, codes and registers for many nodes and for who may change them: search, sessions, orders, trust.

host/core/wire.py hands them on: the contract is one.
"""

from __future__ import annotations

from enum import IntEnum

from host.core.codes import IMAGE_MAX, UID_BYTES
from host.core.table import Register, Table, codes_text, rows

# ----------------------------------------------------------------------------------------------------- search

SEARCH_ADDRESS = 250
"""Nobody's, as the standard keeps 248 to 255 for itself (Modbus over Serial Line V1.02, 2.2): a function 23 to it that
writes SEARCH_BITS and SEARCH_UID is answered by the nodes whose UID begins so. Where that are all of its bits, that
node answers to this address as to its own, until another search or SEARCH_SECONDS without a frame to it."""
SEARCH_SECONDS = 10

# --------------------------------------------------------------------------------------------------- sessions

HASH_BYTES = 32
"""BLAKE2b-256: `hashlib.blake2b(data, digest_size=32)`."""
BLOCK_BYTES = 240
"""Of an image, in one frame."""
BLOCKS_MAX = -(-IMAGE_MAX // BLOCK_BYTES)
GO_BYTES = 16
GO_SECONDS = 60
"""A session that is armed by an order waits so long for GO."""


class Session(IntEnum):
    """How a session stands. VERIFIED: all blocks are there, their hash is the session's, and the self-test has passed;
    ARMED: and, with a key installed, an order has allowed it; DONE: GO has come, the image runs."""

    NONE = 0
    OPEN = 1
    VERIFIED = 2
    ARMED = 3
    DONE = 4
    REFUSED = 5


# ----------------------------------------------------------------------------------------------------- orders

KEY_BYTES = 32
"""A public key: EdDSA over Curve25519 with BLAKE2b, as Monocypher has it (not Ed25519, whose hash is SHA-512)."""
SIGNATURE_BYTES = 64
ORDER_DOMAIN = "neuron485 order"
"""These bytes and a NUL stand before the order where it is signed: nothing else that is signed can be one."""
ORDER_VERSION = 1
ORDER_MAX = 246
"""Bytes: what one function 16 carries."""
ARGUMENTS_MAX = 126
ORDER_AHEAD = 64
"""The counter that is kept in the flash stands so far ahead of the last order: not each of them is written. After a
start the node counts from there."""


class Scope(IntEnum):
    """Whom an order is for."""

    UID = 0
    GROUP = 1


class Trust(IntEnum):
    """Bits of the register TRUST."""

    KEYED = 0
    PRESENT = 1
    LOCKED = 2
    GUARDED = 3
    CRYPTO = 4


class OrderResult(IntEnum):
    """How the last order ended."""

    NONE = 0
    CHECKING = 1
    DONE = 2
    REFUSED = 3


TRUST_TEXT = {
    Trust.KEYED: "a key is installed",
    Trust.PRESENT: "someone was at the board at power-on",
    Trust.LOCKED: "LOCK is in force now",
    Trust.GUARDED: "inputs and coils need an order too",
    Trust.CRYPTO: "it can hash and check signatures",
}

FLEET_REGISTERS: list[Register] = [
    *rows(
        Table.HOLDING,
        (0x0900, "ORDER", "bytes", ORDER_MAX, "a signed order, whole in one frame; core/order draws it"),
        (0x0A00, "SESSION_HASH", "bytes", HASH_BYTES, "session: hash of the image that will come in blocks"),
        (
            0x0A10,
            "SESSION_LENGTH",
            "u32",
            1,
            "session: its bytes; all up to SECONDS in one frame; 0: close it",
        ),
        (0x0A12, "SESSION_GO", "bytes", HASH_BYTES, "session: hash of the bytes that will be written to GO"),
        (0x0A22, "SESSION_SECONDS", "u16", 1, "session: of a trial after GO; 0: the model is kept at once"),
        (0x0A23, "SESSION_STATE", "u16", 1, "read only: " + codes_text(Session)),
        (
            0x0A24,
            "BLOCKS_MISSING",
            "u16",
            -(-BLOCKS_MAX // 16),
            "read only: block n in bit n % 16 of word n // 16",
        ),
        (
            0x0B00,
            "BLOCK_TAG",
            "u32",
            1,
            "the session's hash, first 4 bytes: whose block this is; in one frame with",
        ),
        (
            0x0B02,
            "BLOCK_INDEX",
            "u16",
            1,
            f"which: it begins at byte {BLOCK_BYTES} * index of the image, and",
        ),
        (
            0x0B03,
            "BLOCK",
            "bytes",
            BLOCK_BYTES,
            "its bytes, the last block's as many as are left; by broadcast too",
        ),
        (0x0C00, "GO", "bytes", GO_BYTES, "run the session's image now; by broadcast too"),
        (
            0xF480,
            "SEARCH_BITS",
            "u16",
            1,
            f"how many bits of UID must match, 0..{8 * UID_BYTES}; see SEARCH_UID",
        ),
        (0xF481, "SEARCH_UID", "bytes", UID_BYTES, "bit n is bit n % 8 of byte n // 8; the others are 0"),
        (0xF487, "FOUND_UID", "bytes", UID_BYTES, "read only: UID of the node that answers"),
        (0xF48D, "FOUND_ADDRESS", "u16", 1, "read only: ADDRESS_IN_FORCE"),
        (0xF48E, "FOUND_VERSION", "u16", 1, "read only: WIRE_VERSION"),
    ),
    *rows(
        Table.INPUT,
        (
            0x0800,
            "TRUST",
            "u16",
            1,
            "bits: " + ", ".join(f"{bit.value} {bit.name} {text}" for bit, text in TRUST_TEXT.items()),
        ),
        (0x0801, "RELEASE_FLOOR", "u32", 1, "images of a lower release are refused"),
        (0x0803, "FIRMWARE_FLOOR", "u16", 1, "firmware of a lower version obeys nothing"),
        (0x0804, "KEY", "bytes", KEY_BYTES, "the public key that signs orders; zeros: none"),
        (0x0814, "ORDER_COUNTER", "u32", 1, "of the last order; the next must be above it"),
        (0x0816, "ORDER_RESULT", "u16", 1, "of the last order: " + codes_text(OrderResult)),
        (0x0817, "ORDER_REASON", "u16", 1, "why it was refused; codes as of REASON"),
        (0x0818, "TRIAL_LEFT", "u16", 1, "seconds until the old model comes back; 0: no trial"),
        (0x0819, "MODEL_RELEASE", "u32", 1, "release of the running model; 0 where its image says none"),
        (
            0x081B,
            "MODEL_HASH",
            "bytes",
            HASH_BYTES,
            "BLAKE2b-256 of the running image; zeros: no model, or no CRYPTO",
        ),
        (0x082B, "STAGED_HASH", "bytes", HASH_BYTES, "of the verified image that waits for COMMIT"),
        (0x083B, "PREVIOUS_HASH", "bytes", HASH_BYTES, "of the image that ROLLBACK brings back"),
        (
            0x084B,
            "FIRMWARE_HASH",
            "bytes",
            HASH_BYTES,
            "of the firmware that runs; zeros until it has been read through",
        ),
    ),
]
