"""Set-up for the README's two commands: a virtual environment in the clone, and Debian's packages.

Standard library only, for any Python from 3.11. What is missing is installed where that is possible; otherwise the
exact line to run is printed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def stop(message: str) -> None:
    """End with one line that says what to do."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


def requirements(groups: Sequence[str]) -> list[str]:
    """The packages of pyproject.toml: the project's own, and those of its optional groups."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted: list[str] = list(project["dependencies"])
    for group in groups:
        wanted += project["optional-dependencies"][group]
    return wanted


def ensure_python(groups: Sequence[str] = ()) -> Path:
    """The Python of a virtual environment that has the requirements; made or completed when it is not there."""
    wanted = requirements(groups)
    stamp = VENV / ".installed"
    interpreter = f"# {sys.version}".replace("\n", " ")
    done = stamp.read_text().splitlines() if stamp.exists() else []
    if PYTHON.exists() and {interpreter, *wanted} <= set(done):
        return PYTHON
    print("Setting up .venv, once; this takes a minute ...", flush=True)
    if not PYTHON.exists():
        made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
        if made.returncode != 0:
            shutil.rmtree(VENV, ignore_errors=True)
            stop("Python cannot make a virtual environment here; on Debian: apt-get install python3-venv")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, *wanted]).returncode != 0:
        stop(
            f"the packages could not be installed; when the network is back, run: {' '.join(pip)} {' '.join(wanted)}"
        )
    stamp.write_text("\n".join(sorted({interpreter, *done, *wanted})) + "\n")
    return PYTHON


def ensure_debian(programs: dict[str, str]) -> dict[str, str]:
    """Install the Debian packages whose program is missing, when we may. programs: path or name -> package.

    Answers the programs that are still missing, with the line that would install each.
    """

    def missing() -> dict[str, str]:
        return {name: package for name, package in programs.items() if not present(name)}

    wanted = sorted(set(missing().values()))
    if wanted and shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        print(f"Installing {' '.join(wanted)} ...", flush=True)
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
