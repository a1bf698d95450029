"""C programs of the tests: built from the firmware's own sources, with sanitizers, once for each state of them."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
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

BUILT = ROOT / "build" / "tests"
PARTIAL = "-Wno-unused-command-line-argument"
"""Compiling and linking are two commands of the same flags; clang says which of them have nothing to do in one."""

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
    firmware/crypto, which is never the absent one. Sources are not looked at again in this process."""
    return _program(name, tuple(sources), tuple(folders), tuple(flags), crypto, cc)


@cache
def _program(
    name: str,
    sources: tuple[str, ...],
    folders: tuple[str, ...],
    flags: tuple[str, ...],
    crypto: bool,
    cc: str,
) -> Path:
    every = [*WARNINGS, *flags, "-I."]
    objects = [
        _object(file, every, cc) for file in [ROOT / source for source in sources] + c_sources(*folders)
    ]
    if crypto:
        assert monocypher.source(), "fetch it first: python3 tools/check.py ruff"
        library, more = monocypher.node_sources()
        objects += [_object(file, [*every, *more], cc) for file in library]
    digest = hashlib.sha256(repr((cc, every, [path.name for path in objects])).encode())
    target = BUILT / digest.hexdigest()[:16] / name
    with one_builds(target) as wanted:
        if wanted:
            compile_c(target, objects, [*every, PARTIAL], cc)
    return target


@cache
def _headers() -> bytes:
    """The digest of all of them: which of them a source sees is not asked."""
    digest = hashlib.sha256()
    for path in sorted(
        path for folder in ("firmware", "host", "tests") for path in (ROOT / folder).rglob("*.h")
    ):
        digest.update(path.read_bytes())
    return digest.digest()


def _object(source: Path, flags: Sequence[str], cc: str) -> Path:
    """One C file compiled: once, however many programs have it."""
    digest = hashlib.sha256(repr((cc, flags, DIALECT, source.name)).encode())
    digest.update(_headers() + source.read_bytes())
    for name in re.findall(r'^#include "(.+\.c)"$', source.read_text(), re.MULTILINE):
        digest.update((ROOT / "firmware" / name).read_bytes())
    target = BUILT / "objects" / f"{digest.hexdigest()[:32]}.o"
    with one_builds(target) as wanted:
        if wanted:
            compile_c(target, [source], [*flags, PARTIAL, "-c"], cc)
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
