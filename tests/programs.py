"""C programs of the tests: built from the firmware's own sources, with sanitizers, once for each state of them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from host.boards.compiler import DIALECT, ROOT, WARNINGS, c_sources, compile_c

SANITIZE = [
    "-O1",
    "-g",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
]
CORE = "firmware/core"
APP = "firmware/app"

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
"""The compilers that are here; every twin is tested with each of them."""


def program(
    name: str,
    sources: Sequence[str],
    *,
    folders: Sequence[str] = (CORE,),
    flags: Sequence[str] = SANITIZE,
    cc: str,
) -> Path:
    """The test program `name`: `sources` (paths in the repository) with all C files of `folders`."""
    files = [ROOT / source for source in sources] + c_sources(*folders)
    every = [*WARNINGS, *flags, "-I."]
    digest = hashlib.sha256(repr((cc, every, DIALECT, sources, folders)).encode())
    for path in sorted([*(ROOT / "firmware").rglob("*.h"), *(ROOT / "tests").rglob("*.h"), *files]):
        digest.update(path.read_bytes())
    target = ROOT / "build" / "tests" / digest.hexdigest()[:16] / name
    if not target.exists():
        compile_c(target, files, every, cc)
    return target
