"""Run the scenarios of this folder in Renode, on the firmware as it is built:

    python -m tests.renode.run [--only "part of a name"] [--out FOLDER]

FOLDER keeps Robot Framework's report, and of a scenario that failed the log and the state of the boards.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from host.boards import renode
from host.core.hashes import hash_of
from host.core.image import Layer, Model, encode
from host.core.order import Order, key_arguments, order_bytes, order_message
from host.core.senses import Senses, Source
from host.core.wire import ORDER_AHEAD, UID_BYTES, Activation, Command, Feature
from host.errors import NeuronError, command
from tests import eddsa
from tests.e2e.scenario import AND, OR

FOLDER = Path(__file__).resolve().parent
TIMEOUT = 600.0
"""Seconds for all of them."""
ROBOT = ["python3", "-c", "import psutil, robot, yaml"]
"""What renode-test does first."""


@dataclass(frozen=True)
class Result:
    """How a scenario ended. said: what was wrong, "" when nothing was."""

    passed: bool
    said: str


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.robot"))


def scenarios() -> list[str]:
    """Every scenario, as 'file: name'."""
    names = []
    for path in files():
        for section in path.read_text(encoding="utf-8").split("\n*** ")[1:]:
            if section.startswith("Test Cases"):
                names += [
                    f"{path.stem}: {name}" for name in re.findall(r"^(\S.*)$", section, re.MULTILINE)[1:]
                ]
    return names


def missing() -> str | None:
    """Why the scenarios cannot run, with what to do; None when they can."""
    why = renode.missing()
    if why is None and renode.find("renode-test") is None:
        why = f"renode-test is not beside renode: {renode.HOW_TO_GET}"
    if why is None and subprocess.run(ROBOT, env=renode.environment(), stderr=subprocess.DEVNULL).returncode:
        why = "renode-test's Python has no Robot Framework: python3 -m tools.renode install"
    return why


def make_images(folder: Path) -> None:
    """The models that the scenarios deploy, two of them bad."""
    damaged = bytearray(encode(OR))
    damaged[60] ^= 1
    # The mean of eight scans of A0, of which four are new each time: lit at 2048 and above.
    mean = Source(0, Feature.MEAN, multiply=1, shift=1, offset=0)
    level = Model(
        "level",
        (0,),
        (Layer(np.array([[1]], np.int16), np.array([0], np.int32), Activation.IDENTITY, 0, 0),),
        0,
        8191,
        np.array([[8191], [8192]], np.int16),
        np.array([[8191], [8192]], np.int16),
        senses=Senses(rate=200, window=8, hop=4, seed=485, sources=(mean,)),
    )
    images = {
        "level": encode(level),
        "and": encode(AND),
        "or": encode(OR),
        "damaged": bytes(damaged),
        "lying": encode(replace(OR, vector_outputs=1 - OR.vector_outputs)),
    }
    for name, image in images.items():
        (folder / f"{name}.img").write_bytes(image)


def make_orders(folder: Path) -> None:
    """What the owner of a key asks of the first board: to take the key; and, after a start, to keep AND."""
    secret, uid, first = bytes(range(32)), (1).to_bytes(UID_BYTES, "little"), 1_790_000_000
    orders = {
        "key": Order(Command.KEY, uid, first, arguments=key_arguments(eddsa.public_key(secret))),
        "keep_and": Order(Command.COMMIT, uid, first + ORDER_AHEAD + 1, hash_of(encode(AND))),
    }
    for name, order in orders.items():
        signature = eddsa.sign(secret, order_message(order))
        (folder / f"{name}.order").write_bytes(order_bytes(replace(order, signature=signature)))


def run(elf: Path, images: Path, out: Path, only: str | None = None, show: bool = False) -> dict[str, Result]:
    """Run the scenarios, or those whose name has `only` in it; how each ended. out: where the reports go."""
    program = renode.find("renode-test")
    if program is None:
        raise NeuronError(missing() or renode.HOW_TO_GET)
    arguments = ["-r", str(out), "--renode-config", str(out / "config")]
    arguments += ["--variable", f"ELF:{elf}", "--variable", f"IMAGES:{images}"]
    arguments += ["-f", only] if only else []
    # A file without any such scenario would be an error to renode-test.
    names = [name.partition(": ") for name in scenarios()]
    wanted = sorted({f"{stem}.robot" for stem, _, name in names if only is None or only in name})
    if not wanted:
        raise NeuronError(f"no scenario has {only!r} in its name")
    log = out / "renode-test.txt"
    with log.open("w") as said:
        # A process group of its own, ended as a whole: renode-test is a script, and starts Renode in its turn.
        process = subprocess.Popen(
            [program, *arguments, *(str(FOLDER / name) for name in wanted)],
            cwd=out,
            env=renode.environment(),
            stdin=subprocess.DEVNULL,
            stdout=None if show else said,
            stderr=None if show else subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(TIMEOUT)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    report = out / "robot_output.xml"
    if not report.exists():
        lines = log.read_text().split("\n") if not show else ["see above"]
        raise NeuronError(f"renode-test left no report: {' / '.join(line for line in lines if line)[-2000:]}")
    return _results(report)


def _results(report: Path) -> dict[str, Result]:
    results = {}
    for suite in ElementTree.parse(report).iter("suite"):
        for test in suite.findall("test"):
            status = test.find("status")
            assert status is not None
            name = f"{Path(suite.get('source', '')).stem}: {test.get('name')}"
            passed = status.get("status") == "PASS"
            results[name] = Result(passed, (status.text or "").strip())
    return results


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.renode.run", description="Run the scenarios in Renode."
    )
    parser.add_argument("--only", metavar="NAME", help="those that have this in their name")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="keep the reports there")
    args = parser.parse_args(argv)
    why = missing()
    if why:
        raise NeuronError(why)
    with tempfile.TemporaryDirectory(prefix="neuron485-") as temporary:
        out = (args.out or Path(temporary) / "out").resolve()
        out.mkdir(parents=True, exist_ok=True)
        make_images(Path(temporary))
        make_orders(Path(temporary))
        results = run(renode.firmware_elf(), Path(temporary), out, args.only, show=True)
    return 0 if results and all(result.passed for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
