"""Every check and every test: all set-up, then formatting, types, generated files, C analysis, builds and pytest.

    python3 tools/check.py            everything
    python3 tools/check.py ruff mypy  only these steps

Exit status 0 when all that could run has passed. What could not run is listed at the end, with its count and how to
get what it needs.
"""

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit("error: Python 3.11 or newer is needed; this is " + sys.version.split()[0])

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from tools import firmware
from tools.environment import ROOT, ensure_debian, ensure_python

DEBIAN = {
    "clang": "clang",
    "/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer*.a": "libclang-rt-14-dev",
    "cppcheck": "cppcheck",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi",
    "/usr/lib/arm-none-eabi/lib/nano.specs": "libnewlib-arm-none-eabi",
    "npm": "npm",
    "mbpoll": "mbpoll",
}
"""What the checks use beside PyPI's packages: program, or file, and Debian's package of it."""

CPPCHECK = """
    cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,performance,portability
    --suppress=missingIncludeSystem -Ifirmware -DTABLES_TANH -DTABLES_CRC
""".split()
JUNIT = ROOT / "build" / "pytest.xml"


@dataclass(frozen=True)
class Step:
    """One check. `needs`: a program without which it is left out; `lacks`: why it is left out in any case."""

    name: str
    command: list[str]
    needs: str | None = None
    lacks: str | None = None


def files(*patterns: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern))


def steps(python: str) -> list[Step]:
    c_files = files("firmware/**/*.[ch]", "host/**/*.[ch]", "tests/**/*.[ch]")
    return [
        Step("ruff", [python, "-m", "ruff", "check", "--quiet", "."]),
        Step("ruff format", [python, "-m", "ruff", "format", "--check", "--quiet", "."]),
        Step("mypy", [python, "-m", "mypy"]),
        Step("generated", [python, "-m", "tools.generated", "--check"]),
        Step("clang-format", [str(Path(python).with_name("clang-format")), "--dry-run", "-Werror", *c_files]),
        Step(
            "cppcheck",
            [
                *CPPCHECK,
                "-I.",
                "firmware/core",
                "firmware/app",
                "firmware/port/native",
                "host/training/fast.c",
            ],
            needs="cppcheck",
        ),
        Step(
            "native build",
            [
                python,
                "-c",
                "from host.boards import simulated; from host.training import fast; "
                "simulated.build(); assert fast.library(True), 'host/training/fast.c does not build'",
            ],
        ),
        Step("firmware build", [python, "-m", "tools.firmware", "build"], lacks=firmware.lacking()),
        Step("pytest", [python, "-m", "pytest", "-q", "--junit-xml", str(JUNIT)]),
    ]


def left_out_by_pytest() -> Counter[str]:
    """The reasons of the skipped tests, with their counts."""
    if not JUNIT.exists():
        return Counter()
    skipped = ElementTree.parse(JUNIT).iter("skipped")
    return Counter(element.get("message", "no reason given") for element in skipped)


def main(names: list[str]) -> int:
    missing = ensure_debian(DEBIAN)
    python = str(ensure_python(["dev", "firmware"]))
    os.chdir(ROOT)
    chosen = [step for step in steps(python) if not names or step.name in names]
    failed: list[str] = []
    left_out: Counter[str] = Counter()
    JUNIT.unlink(missing_ok=True)
    for step in chosen:
        why = step.lacks or missing.get(step.needs or "")
        if why:
            left_out[f"{step.name}: {why}"] += 1
            continue
        began = time.monotonic()
        print(f"== {step.name}", flush=True)
        passed = subprocess.run(step.command).returncode == 0
        print(f"   {'ok' if passed else 'FAILED'}, {time.monotonic() - began:.1f} s", flush=True)
        if not passed:
            failed.append(step.name)
    left_out += left_out_by_pytest()
    print("== summary")
    for what, count in sorted(left_out.items()):
        print(f"   left out: {count} x {what}")
    if failed:
        print(f"   failed: {', '.join(failed)}")
    print(f"{len(chosen) - len(failed)} passed, {len(failed)} failed", flush=True)
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
