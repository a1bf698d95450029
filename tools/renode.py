"""Renode, in which the board's firmware runs on a PC, and what its renode-test needs.

    python3 -m tools.renode install   into build/renode and build/renode-python
    python3 -m tools.renode where     which one the checks and --deploy renode use

The one in the folder RENODE_DIR is used, else the one installed here, else the one on PATH. The archive comes from
Renode's releases; it is unpacked only when its SHA-256 is that of the release, aside, and put in place whole.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import platform
import shutil
import sys
import tarfile
import tempfile
import threading
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from host.boards.renode import INSTALLED, PYTHON, VERSION, find, missing
from tools.environment import alone, ensure_python, stop

RELEASES = f"https://github.com/renode/renode/releases/download/v{VERSION}/"
MARK = ".neuron485"
"""The file in an installed Renode that has the SHA-256 of its archive."""
PATIENCE = 30.0
"""Seconds that the network may be silent."""
PROBE_PATIENCE = 5.0
"""Seconds to find out whether the release can be reached at all."""


@dataclass(frozen=True)
class Release:
    """An archive with one folder in it, and its SHA-256."""

    address: str
    sha256: str


MACHINES = {
    ("Linux", "x86_64"): Release(
        f"{RELEASES}renode-{VERSION}.linux-portable-dotnet.tar.gz",
        "00e113cdbd0f5354cf2f64bbe3f5a070d8958409542fca66e45ac97d982938c0",
    ),
    ("Linux", "aarch64"): Release(
        f"{RELEASES}renode-{VERSION}.linux-arm64-portable-dotnet.tar.gz",
        "fff3a098c96ed0a4ffbdff3f028c9c5fde432db09587c7bd7c99406180f90007",
    ),
}


class InstallError(Exception):
    """Renode cannot be installed. Its text is one line that says what to do."""


def release() -> Release:
    """That for this machine."""
    machine = (platform.system(), platform.machine())
    if machine not in MACHINES:
        raise InstallError(
            f"for {' '.join(machine)} install Renode {VERSION} by hand, from "
            f"https://github.com/renode/renode/releases/tag/v{VERSION}, and put the folder that has renode and "
            "renode-test into RENODE_DIR"
        )
    return MACHINES[machine]


def place(wanted: Release, target: Path) -> None:
    """Have the release at `target`: whole, or as it was before."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with alone("renode"):
        mark = target / MARK
        if mark.exists() and mark.read_text() == wanted.sha256:
            return
        for left in target.parent.glob(f"{target.name}.part-*"):  # by one that was killed
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.part-") as folder:
            archive, unpacked = Path(folder, "archive"), Path(folder, "unpacked")
            _download(wanted, archive)
            try:
                _unpack(archive, unpacked)
            except (tarfile.TarError, OSError, EOFError) as error:
                raise InstallError(f"{wanted.address} could not be unpacked: {error}") from error
            renode = next(unpacked.glob("*/renode"), unpacked).parent
            if not (renode / "renode-test").exists():
                raise InstallError(
                    f"{wanted.address} is no portable package: it has no renode and renode-test"
                )
            (renode / MARK).write_text(wanted.sha256)
            if target.exists():
                os.replace(target, Path(folder, "before"))
            os.replace(renode, target)


def _download(wanted: Release, archive: Path) -> None:
    digest, size, total = hashlib.sha256(), 0, None
    print(f"Downloading {wanted.address} ...", flush=True)
    try:
        with urllib.request.urlopen(wanted.address, timeout=PATIENCE) as answer, archive.open("wb") as file:
            total = answer.headers["Content-Length"]
            while block := answer.read(1 << 20):
                size += len(block)
                digest.update(block)
                file.write(block)
                if sys.stdout.isatty():
                    print(f"\r{size >> 20} of {int(total or 0) >> 20} MiB", end="", flush=True)
    except (OSError, http.client.HTTPException) as error:
        raise InstallError(f"{wanted.address} could not be downloaded: {error}; run this again") from error
    finally:
        if sys.stdout.isatty():
            print()
    if total is not None and size < int(total):
        raise InstallError(f"the download broke off after {size} of {total} bytes; run this again")
    if digest.hexdigest() != wanted.sha256:
        raise InstallError(
            f"{wanted.address} is not what was released, and is deleted: its SHA-256 is {digest.hexdigest()} and "
            f"not {wanted.sha256}"
        )


def _unpack(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(target, filter="data")
        else:  # Python before 3.11.4
            for member in tar:
                for name in (member.name, member.linkname):
                    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                        raise tarfile.TarError(f"{name!r} leads out of its folder")
                if not (member.isfile() or member.isdir() or member.islnk() or member.issym()):
                    raise tarfile.TarError(f"{member.name!r} is a device")
            tar.extractall(target)


def reachable(wanted: Release) -> bool:
    """Whether the release can be had, found out within a few seconds."""
    found = threading.Event()

    def ask() -> None:
        question = urllib.request.Request(wanted.address, method="HEAD")
        with suppress(OSError, http.client.HTTPException):
            urllib.request.urlopen(question, timeout=PROBE_PATIENCE).close()
            found.set()

    asking = threading.Thread(target=ask, daemon=True)  # the look-up of a name knows no time limit
    asking.start()
    asking.join(PROBE_PATIENCE)
    return found.is_set()


def install() -> None:
    """Renode, unless RENODE_DIR names one, and what its renode-test needs."""
    if not os.environ.get("RENODE_DIR"):
        place(release(), INSTALLED)
    ensure_python("renode", PYTHON)


def install_if_reachable() -> None:
    """For the checks. Where Renode is neither there nor to be had, the tests say what is left out."""
    try:
        if missing() is not None:
            if os.environ.get("RENODE_DIR") or not reachable(release()):
                return
            place(release(), INSTALLED)
        with suppress(SystemExit):  # it has said why; PATH's own python3 may do
            ensure_python("renode", PYTHON)
    except InstallError as error:
        print(f"Renode is left out: {error}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.renode",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["install", "where"])
    args = parser.parse_args(argv)
    try:
        if args.command == "install":
            install()
    except InstallError as error:
        stop(str(error))
    why = missing()
    if why is not None:
        stop(why)
    print(find())
    return 0


if __name__ == "__main__":
    sys.exit(main())
