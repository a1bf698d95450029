"""C programs of the tests: built from the firmware's own sources, with sanitizers, once for each state of them."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from host.boards import monocypher
from host.compiler import DIALECT, ROOT, WARNINGS, c_sources, compile_c

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
    crypto: bool = False,
    cc: str,
) -> Path:
    """The test program `name`: `sources` (paths in the repository) with all C files of `folders`; crypto: and with
    firmware/crypto, which is never the absent one."""
    files = [ROOT / source for source in sources] + c_sources(*folders)
    every = [*WARNINGS, *flags, "-I."]
    if crypto:
        assert monocypher.source(), "fetch it first: python3 tools/check.py ruff"
        library, more = monocypher.node_sources()
        files, every = [*files, *library], [*every, *more]
    digest = hashlib.sha256(repr((cc, every, DIALECT, sources, folders)).encode())
    headers = [path for folder in ("firmware", "host", "tests") for path in (ROOT / folder).rglob("*.h")]
    for path in sorted([*headers, *files]):
        digest.update(path.read_bytes())
    target = ROOT / "build" / "tests" / digest.hexdigest()[:16] / name
    with one_builds(target) as wanted:
        if wanted:
            compile_c(target, files, every, cc)
    return target


@contextmanager
def one_builds(target: Path) -> Iterator[bool]:
    """Whether a program must be built: of several processes that test at once, one builds it and the others wait."""
    if target.exists():
        yield False
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.with_name(f".{target.name}.lock"), "w") as file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield not target.exists()
