"""Every check and every test: all set-up, then formatting, types, generated files, C analysis, builds and pytest.

    python3 tools/check.py            everything
    python3 tools/check.py ruff mypy  only these steps
    python3 tools/check.py --list     their names

Exit status 0 when all that could run has passed. What could not run is listed at the end, with its count and how to
get what it needs.
"""

import argparse
import os
import subprocess
import sys
import sysconfig
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

if sys.version_info < (3, 11):
    sys.stderr.write("error: Python 3.11 or newer is needed; this is " + sys.version.split()[0] + "\n")
    sys.exit(2)

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from host.boards import monocypher
from host.errors import NeuronError
from tools import firmware, renode
from tools.environment import ROOT, VENV, ensure_debian, ensure_python, python_of, stop

PYTHON_H = str(Path(sysconfig.get_paths()["include"], "Python.h"))
DEBIAN = {
    PYTHON_H: "python3-dev",
    "clang": "clang",
    "/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer*.a": "libclang-rt-14-dev",
    "cppcheck": "cppcheck",
    "frama-c": "frama-c-base",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi",
    "/usr/lib/arm-none-eabi/lib/nano.specs": "libnewlib-arm-none-eabi",
    "npm": "npm",
    "mbpoll": "mbpoll",
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    "/usr/sbin/mosquitto": "mosquitto",
}
"""What the checks use beside PyPI's packages: program, or file, and Debian's package of it."""

CPPCHECK = """
    cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,performance,portability
    --suppress=missingIncludeSystem -Ifirmware -DTABLES_TANH -DTABLES_WAVE -DTABLES_CRC
""".split()
JUNIT = ROOT / "build" / "pytest.xml"
FIRMWARE = "firmware build"
TESTS = "pytest"
AT_ONCE = str(os.cpu_count() or 1)
"""Processes of pytest. worksteal: some tests take a hundred times as long as others."""


@dataclass(frozen=True)
class Step:
    """One check. `needs`: a program without which it is left out."""

    name: str
    about: str
    command: list[str]
    needs: str | None = None


def files(*patterns: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern))


def steps() -> list[Step]:
    python = str(python_of(VENV))
    c_files = files("firmware/**/*.[ch]", "host/**/*.[ch]", "tests/**/*.[ch]")
    return [
        Step("ruff", "Python: what a linter finds", [python, "-m", "ruff", "check", "--quiet", "."]),
        Step(
            "ruff format",
            "Python: its format",
            [python, "-m", "ruff", "format", "--check", "--quiet", "."],
        ),
        Step("mypy", "Python: types, strictly", [python, "-m", "mypy"]),
        Step(
            "generated",
            "generated files are fresh",
            [python, "-m", "tools.generated", "--check"],
        ),
        Step(
            "clang-format",
            "C: its format",
            [str(Path(python).with_name("clang-format")), "--dry-run", "-Werror", *c_files],
        ),
        Step(
            "cppcheck",
            "C: what an analysis finds",
            [
                *CPPCHECK,
                "-I.",
                "firmware/core",
                "firmware/app",
                "firmware/crypto",
                "firmware/port/native",
                "host/training/fast.c",
            ],
            needs="cppcheck",
        ),
        Step(
            "frama-c",
            "C: proof that no input reads or writes out of bounds",
            [python, "-m", "tools.proof"],
            needs="frama-c",
        ),
        Step(
            "native build",
            "the simulated node and the PC's learner, built here",
            [
                python,
                "-c",
                "from host.boards import simulated; from host.training import fast; "
                "simulated.build(); assert fast.library(True), 'host/training/fast.c does not build'",
            ],
        ),
        Step(FIRMWARE, "the board's firmware", [python, "-m", "tools.firmware", "build"]),
        Step(
            TESTS,
            "every test",
            [python, "-m", "pytest", "-q", "--junit-xml", str(JUNIT), "-n", AT_ONCE, "--dist", "worksteal"],
        ),
    ]


def choose(names: list[str]) -> list[Step]:
    """The steps of these names; all when there are none."""
    every = steps()
    unknown = [name for name in names if name not in {step.name for step in every}]
    if unknown:
        stop(
            f"there is no step {', '.join(map(repr, unknown))}: the steps are "
            f"{', '.join(repr(step.name) if ' ' in step.name else step.name for step in every)}"
        )
    return [step for step in every if not names or step.name in names]


def left_out_by_pytest() -> Counter[str]:
    """The reasons of the skipped tests, with their counts."""
    if not JUNIT.exists():
        return Counter()
    skipped = ElementTree.parse(JUNIT).iter("skipped")
    return Counter(element.get("message", "no reason given") for element in skipped)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python3 tools/check.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help="only these; default all")
    parser.add_argument("--list", action="store_true", help="list the steps, and do nothing")
    args = parser.parse_args(argv)
    chosen = choose(args.steps)
    if args.list:
        for step in chosen:
            print(f"{step.name:<14} {step.about}")
        return 0
    return check(chosen)


def check(chosen: list[Step]) -> int:
    missing = ensure_debian(DEBIAN)
    if PYTHON_H in missing:
        stop(f"pymonocypher is built here, for which Python.h is missing: {missing[PYTHON_H]}")
    try:
        monocypher.fetch(str(ensure_python("check")))
    except NeuronError as error:
        stop(str(error))
    os.chdir(ROOT)
    names = [step.name for step in chosen]
    if TESTS in names:
        renode.install_if_reachable()
    lacks = {FIRMWARE: firmware.lacking()} if FIRMWARE in names else {}
    # Tests start hundreds of Pythons: what one has compiled of our sources the others need not.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    failed: list[str] = []
    left_out: Counter[str] = Counter()
    JUNIT.unlink(missing_ok=True)
    for step in chosen:
        why = lacks.get(step.name) or missing.get(step.needs or "")
        if why:
            left_out[f"{step.name}: {why}"] += 1
            continue
        began = time.monotonic()
        print(f"== {step.name}", flush=True)
        passed = subprocess.run(step.command, env=environment).returncode == 0
        print(f"   {'ok' if passed else 'FAILED'}, {time.monotonic() - began:.1f} s", flush=True)
        if not passed:
            failed.append(step.name)
    ran = len(chosen) - left_out.total()
    left_out += left_out_by_pytest()
    print("== summary")
    for what, count in sorted(left_out.items()):
        print(f"   left out: {count} x {what}")
    if failed:
        print(f"   failed: {', '.join(failed)}")
    print(f"{ran - len(failed)} passed, {len(failed)} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
