"""The C compiler of this computer, and where C sources and what is built of them lie."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from host.errors import NeuronError
from host.start import CLONED

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent if CLONED else PACKAGE / "sources"
"""The folder of firmware/: the repository, or what the package brings of it."""


def build_folder() -> Path:
    """Where built programs are kept: with the repository, or in the user's cache."""
    if CLONED:
        return ROOT / "build" / "native"
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):  # as its specification wants
        cache = os.path.join(os.path.expanduser("~"), ".cache")
    return Path(cache) / "neuron485"


WARNINGS = (
    "-Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes "
    "-Wmissing-prototypes -Wcast-align -Wundef -Wdouble-promotion"
).split()
DIALECT = ["-std=c11", "-fno-strict-aliasing", "-ffp-contract=off", "-fno-math-errno", "-Ifirmware"]
"""-fno-strict-aliasing: images run in place, as int16 and int32 out of a byte buffer.
-ffp-contract=off: no fused multiply-add, so that floating point gives the same bits everywhere.
-fno-math-errno: sqrt is the processor's own, which is exact; nobody looks at errno after it."""


def compiler() -> str:
    """The C compiler: $CC, or the first found."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return os.path.abspath(name) if os.path.dirname(name) else name  # it runs in another folder
    raise NeuronError(
        "the simulated node needs a C compiler: install one (Debian: apt-get install gcc libc6-dev)"
    )


def compile_c(target: Path, sources: Sequence[Path], flags: Sequence[str], cc: str) -> None:
    """Build `target` from C sources, in one step; it appears whole or not at all."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            made = Path(folder) / target.name
            names = [os.path.relpath(source, ROOT) for source in sources]
            command = [cc, *DIALECT, *flags, *names, "-lm", "-o", str(made)]
            result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            if result.returncode != 0:
                raise NeuronError(
                    f"{cc} could not build {target.name}:\n{result.stderr.strip() or 'it said nothing'}"
                )
            os.replace(made, target)
    except OSError as error:
        remedy = "use a clone of your own" if CLONED else "set XDG_CACHE_HOME to a folder that can"
        raise NeuronError(
            f"{target.parent} cannot hold what is built: {error.strerror or error}; {remedy}"
        ) from error


def c_sources(*folders: str) -> list[Path]:
    """The C files of these folders below ROOT."""
    return [path for folder in folders for path in sorted((ROOT / folder).glob("*.c"))]


# ------------------------------------------------------------------------- libraries that do what Python could, faster

LIBRARY = ["-O3", "-march=native", "-shared", "-fPIC", *WARNINGS]
"""-O3 and the processor's own vectors reorder nothing: without -ffast-math C keeps the written order."""


def library(
    name: str, sources: Sequence[Path], headers: Sequence[Path], flags: Sequence[str], build: bool
) -> ctypes.CDLL | None:
    """The library of these sources, or None where it cannot be had; build: even if that takes the compiler's second."""
    try:
        path = _library_file(name, sources, headers, flags, build)
        return ctypes.CDLL(str(path)) if path else None
    except (NeuronError, OSError):
        return None


def _library_file(
    name: str, sources: Sequence[Path], headers: Sequence[Path], flags: Sequence[str], build: bool
) -> Path | None:
    made_of = [_processor(), *(path.read_bytes() for path in (*sources, *headers))]
    paths = {}
    for cc in _compilers():
        digest = hashlib.sha256(repr((cc, flags, DIALECT, made_of)).encode())
        paths[cc] = build_folder() / digest.hexdigest()[:16] / name
    found = next((path for path in paths.values() if path.exists()), None)
    if found or not build:
        return found
    for cc, path in paths.items():
        with contextlib.suppress(NeuronError):
            compile_c(path, sources, flags, cc)
            return path
    return None


def _compilers() -> list[str]:
    """Those to try: $CC alone, or gcc, which makes networks train twice as fast as clang, and then the usual one."""
    gcc = [] if os.environ.get("CC") or not shutil.which("gcc") else ["gcc"]
    return [*gcc, compiler()]


def _processor() -> str:
    """What this processor is: a library built for its vectors must not run on a lesser one."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.platform() + platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
