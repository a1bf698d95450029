"""What an image is known by: BLAKE2b-256, which nobody can forge, as the registers MODEL_HASH and others have it."""

from __future__ import annotations

import hashlib

from host.core.wire import HASH_BYTES

SHOWN = 12
"""Hex digits that people are shown where nodes are listed: enough to tell the few models of one line apart."""


def hash_of(data: bytes) -> bytes:
    """BLAKE2b-256, 32 bytes."""
    return hashlib.blake2b(data, digest_size=HASH_BYTES).digest()


def short(digest: bytes) -> str:
    """A hash for people; "" where there is none."""
    return digest.hex()[:SHOWN]
