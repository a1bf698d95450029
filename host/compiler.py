"""The C compiler of this computer, and where C sources and what is built of them lie."""

from __future__ import annotations

import os
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
    "-Wmissing-prototypes -Wcast-align -Wundef"
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
