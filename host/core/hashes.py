"""What an image is known by: BLAKE2b-256, which nobody can forge, as the registers MODEL_HASH and others have it."""

from __future__ import annotations

import hashlib

from host.core.wire import HASH_BYTES


def hash_of(data: bytes) -> bytes:
    """BLAKE2b-256, 32 bytes."""
    return hashlib.blake2b(data, digest_size=HASH_BYTES).digest()
