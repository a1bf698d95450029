"""Files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

from host.errors import NeuronError


def replace_file(path: str | Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    target = Path(path)
    try:
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise NeuronError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None
