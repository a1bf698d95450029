"""Set-up for the README's two commands: a virtual environment in the clone, and Debian's packages.

Standard library only, for any Python from 3.11. What is missing is installed where that is possible; otherwise the
exact line to run is printed. Python's packages come in the versions, and with the hashes, of requirements/*.txt.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements"
HELD = {"check": ("build", "demo", "firmware")}
"""Locks whose packages another has too, in the same versions: tools/lock.py sees to it."""
BUILT_BY = {"check": "build"}
"""Locks with packages that come as source, and the lock that builds them. It is installed first, and they are built
beside it: pip's own environments for building take whatever is newest, unchecked, and by no hash."""


def stop(message: str) -> NoReturn:
    """End with one line that says what to do."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """One process at a time in this clone."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / f"{name}.lock", "w") as file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def python_of(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def ensure_python(lock: str = "demo", venv: Path = VENV) -> Path:
    """The Python of a virtual environment with the packages of requirements/`lock`.txt; made or completed first."""
    python, stamp = python_of(venv), venv / ".installed"
    interpreter = f"# {sys.version}".replace("\n", " ")
    done = set(stamp.read_text().splitlines()) if python.exists() and stamp.exists() else set()
    if {interpreter, _mark(lock)} <= done:
        return python
    print(f"Setting up {venv.relative_to(ROOT)}, once; this takes a minute ...", file=sys.stderr, flush=True)
    if not python.exists():
        made = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True)
        if made.returncode != 0:
            shutil.rmtree(venv, ignore_errors=True)
            stop("Python cannot make a virtual environment here; on Debian: apt-get install python3-venv")
    kept = done & {_mark(path.stem) for path in REQUIREMENTS.glob("*.txt")} if interpreter in done else set()
    stamp.unlink(missing_ok=True)  # until it is complete
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--no-build-isolation", "--require-hashes", "--requirement"]
    for name in filter(None, (BUILT_BY.get(lock), lock)):
        pip = [*install, str(REQUIREMENTS / f"{name}.txt")]
        if subprocess.run(pip).returncode != 0:
            stop(f"the packages could not be installed; when the network is back, run: {' '.join(pip)}")
    marks = {_mark(name) for name in (lock, *HELD.get(lock, ()))}
    stamp.write_text("\n".join(sorted({interpreter, *kept, *marks})) + "\n")
    return python


def _mark(lock: str) -> str:
    return f"{lock} {hashlib.sha256((REQUIREMENTS / f'{lock}.txt').read_bytes()).hexdigest()}"


def ensure_debian(programs: dict[str, str]) -> dict[str, str]:
    """Install the Debian packages whose program is missing, when we may. programs: path or name -> package.

    Answers the programs that are still missing, with the line that would install each.
    """

    def missing() -> dict[str, str]:
        return {name: package for name, package in programs.items() if not present(name)}

    wanted = sorted(set(missing().values()))
    if wanted and shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        print(f"Installing {' '.join(wanted)} ...", file=sys.stderr, flush=True)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        apt = ["apt-get", "-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run([*apt, "update"], env=environment, **quiet)  # type: ignore[call-overload]
        for package in wanted:  # one by one: a package that this release lacks must not keep the others away
            subprocess.run([*apt, "install", package], env=environment, **quiet)  # type: ignore[call-overload]
    return {name: f"sudo apt-get install {package}" for name, package in missing().items()}


def present(program: str) -> bool:
    """Whether a program is on PATH, or a file matches a pattern that begins with /."""
    if program.startswith("/"):
        return any(Path("/").glob(program[1:]))
    return shutil.which(program) is not None
