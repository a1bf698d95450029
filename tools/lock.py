"""The locks: which version of every Python package the two front-door commands install, and its hashes.

    python3 -m tools.lock              after a change of pyproject.toml: keep what is still right
    python3 -m tools.lock --upgrade    take the newest of everything
    python3 -m tools.lock --check      are the locks those of pyproject.toml? needs no network

Renewing needs uv. One file serves every Python from 3.11 and every system; tools/environment.py installs from it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tools.environment import REQUIREMENTS, ROOT, stop

OLDEST_PYTHON = "3.11"
FIRST = "check"
"""The lock of most packages; the others take its versions, so that one environment can hold them all."""
LOCKS = {
    FIRST: ["dependencies", "data", "dev", "firmware", "serve", "trust"],
    "build": ["build"],
    "demo": ["dependencies"],
    "firmware": ["firmware"],
    "renode": ["renode"],
}
"""Lock -> what it is for: pyproject.toml's dependencies, and its optional groups. See HELD in tools/environment.py."""


def wanted(lock: str) -> list[str]:
    """What pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"dependencies": project["dependencies"], **project["optional-dependencies"]}
    return sorted(requirement for group in LOCKS[lock] for requirement in groups[group])


def head(lock: str) -> str:
    """How a lock begins: with what it was made for."""
    lines = ["Made by python3 -m tools.lock from pyproject.toml, which asks for:", *wanted(lock)]
    return "".join(f"# {line}\n" for line in lines) + "\n"


def stale() -> list[str]:
    """The locks that pyproject.toml has left behind."""
    paths = {lock: REQUIREMENTS / f"{lock}.txt" for lock in LOCKS}
    return [
        lock
        for lock, path in paths.items()
        if not path.exists() or not path.read_text(encoding="utf-8").startswith(head(lock))
    ]


def renew(upgrade: bool) -> None:
    """Make every lock anew, and put them in place when all are made."""
    if not shutil.which("uv"):
        stop("uv is needed to renew the locks: pip install uv, in an environment of its own that is on PATH")
    REQUIREMENTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=REQUIREMENTS) as folder:
        for lock in LOCKS:
            old, new = REQUIREMENTS / f"{lock}.txt", Path(folder, f"{lock}.txt")
            if old.exists():
                shutil.copy(old, new)  # uv keeps the versions that it finds there
            command = ["uv", "pip", "compile", "-", "--quiet", "--universal", "--generate-hashes"]
            command += ["--python-version", OLDEST_PYTHON, "--no-header", "--no-annotate"]
            command += ["--output-file", str(new)]
            command += ["--upgrade"] if upgrade else []
            command += ["--constraints", str(Path(folder, f"{FIRST}.txt"))] if lock != FIRST else []
            if subprocess.run(command, input="\n".join(wanted(lock)), text=True).returncode != 0:
                stop(f"uv could not make requirements/{lock}.txt; the locks are as they were")
            new.write_text(head(lock) + new.read_text(encoding="utf-8"), encoding="utf-8")
        for lock in LOCKS:
            os.replace(Path(folder, f"{lock}.txt"), REQUIREMENTS / f"{lock}.txt")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tools.lock", description="Renew requirements/*.txt.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    parser.add_argument("--check", action="store_true", help="only say whether they are pyproject.toml's")
    args = parser.parse_args(argv)
    if not args.check:
        renew(args.upgrade)
    elif stale():
        stop(
            f"pyproject.toml has changed since these were made: {', '.join(stale())}; run python3 -m tools.lock"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
