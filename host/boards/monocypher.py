"""Monocypher's C source, for hashes and signatures on the simulated node: never in the repository, from PyPI on demand.

The package pymonocypher brings it in its source distribution: monocypher.c and .h are those of Monocypher's release
4.0.3, but for the line that names the version. The board's firmware has the same, see platformio.ini.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from host.compiler import ROOT, build_folder
from host.errors import NeuronError
from host.start import CLONED

VERSION = "4.0.3"
PACKAGE = f"pymonocypher=={VERSION}.4"
SHA256 = "5e56e3d3eb770a53e0b9f6274146663c11a11f3d0de5cd48e3be0428d1b07a4a"
"""Of the source distribution, as PyPI publishes it."""
FILES = {"monocypher.c", "monocypher.h", "LICENSE.txt", "test/blake2-kat.json"}
"""What is kept of it; the last are the published test vectors of BLAKE2, for the tests."""
FLAGS = ["-DBLAKE2_NO_UNROLLING"]
"""As the board's: half the code."""


def _folder() -> Path:
    kept = ROOT / "build" / "download" if CLONED else build_folder()
    return kept / PACKAGE.replace("==", "-")


def source() -> Path | None:
    """The folder of monocypher.c, or None where nobody has fetched it."""
    return _folder() if _folder().is_dir() else None


def node_sources() -> tuple[list[Path], list[str]]:
    """What a node's crypto/ is built of, and the flags for that: the library's source, where it has been fetched."""
    crypto, library = ROOT / "firmware" / "crypto", source()
    if library is None:
        return [crypto / "absent.c"], []
    return [crypto / "monocypher.c", crypto / "library.c"], [*FLAGS, "-isystem", str(library)]


def fetch(python: str = sys.executable) -> Path:
    """The folder of monocypher.c, downloaded by the pip of this Python unless it is there."""
    folder = _folder()
    if not folder.is_dir():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as place:
                _download(python, Path(place))
                try:
                    os.rename(Path(place, folder.name), folder)
                except OSError:
                    if not folder.is_dir():  # else another was faster
                        raise
        except OSError as error:
            raise NeuronError(f"{folder} cannot be made: {error.strerror or error}") from error
    return folder


def _download(python: str, place: Path) -> None:
    """Unpack the source distribution there, if it is the one that was published."""
    pip = [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pip += ["--retries", "1", "--no-binary", "pymonocypher", PACKAGE, "--dest"]
    result = subprocess.run([*pip, str(place)], capture_output=True, text=True)
    archives = list(place.glob("*.tar.gz"))
    if result.returncode != 0 or len(archives) != 1:
        said = result.stderr.strip().splitlines() or ["it said nothing"]
        raise NeuronError(
            f"pip could not download {PACKAGE}; when the network is back, run this again: {said[-1]}"
        )
    if hashlib.sha256(archives[0].read_bytes()).hexdigest() != SHA256:
        raise NeuronError(f"{archives[0].name} is not what PyPI published, and is not used")
    with tarfile.open(archives[0]) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            content = archive.extractfile(member) if "/".join(path.parts[1:]) in FILES else None
            if content is not None:
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                (place / path).write_bytes(content.read())
