"""A page that stays open under load: what the browser and the gateway keep in memory, minute by minute.

python -m tools.bench.soak --minutes 60     eight simulated nodes that sense, all their windows shown

What counts is what is left after a garbage collection: it must not grow. Needs Debian's Chromium, as the tests do.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from host.boards.signals import generated
from host.boards.simulated import simulate
from host.compiler import ROOT
from host.core.image import encode
from host.core.senses import Source
from host.core.wire import Feature
from host.errors import NeuronError, command
from host.node.node import open_line
from host.node.staging import deploy
from tests.browser import Browser, browser, missing
from tests.hop_node import a_model

NODES = range(1, 9)
SIGNAL = ("a0=sine:50", "d0=pulse:40")
SOURCES = (Source(0, Feature.RMS, 1, 5, -100), Source(8, Feature.COUNT, 100, 0, 0))
MIB = 1 << 20


@dataclass(frozen=True)
class Memory:
    """minute: since the page was opened; heap, elements: of the page, after a collection; gateway: resident bytes of
    the gateway."""

    minute: float
    heap: int
    elements: int
    gateway: int

    def __str__(self) -> str:
        return (
            f"{self.minute:6.1f} min   page {self.heap / MIB:6.2f} MiB, {self.elements} elements   "
            f"gateway {self.gateway / MIB:6.1f} MiB"
        )


@contextmanager
def serving(*ports: str) -> Iterator[tuple[str, int]]:
    """A gateway of its own: its page's address, with the token, and its process."""
    given = [sys.executable, "-m", "host.serve", *ports, "--http", "127.0.0.1:0"]
    process = subprocess.Popen(given, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        address = re.search(r"http://\S+", said)
        if address is None:
            raise NeuronError(f"the gateway did not start: {said.strip()}")
        yield address[0], process.pid
    finally:
        process.terminate()
        process.wait()


def resident(pid: int) -> int:
    """Bytes of memory that a process has, by Linux."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def measured(tab: Browser, pid: int, minute: float) -> Memory:
    tab.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    found = tab.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    values = {one["name"]: one["value"] for one in found}
    return Memory(minute, int(values["JSHeapUsedSize"]), int(values["Nodes"]), resident(pid))


def soak(minutes: float, every: float) -> Iterator[Memory]:
    """How it stands every so many minutes."""
    with simulate(nodes=list(NODES), signal=generated(list(SIGNAL))) as sim:
        image = encode(a_model(SOURCES, window=64, hop=20))
        for address in NODES:
            with open_line(sim.port, address=address) as node:
                deploy(node, image, prove=False)
        with (
            tempfile.TemporaryDirectory() as folder,
            serving(sim.port) as (page, pid),
            browser(Path(folder)) as tab,
        ):
            tab.open(page)
            tab.run("location.hash = '#nodes'")
            tab.driver.execute_cdp_cmd("Performance.enable", {})
            begun = time.monotonic()
            while (minute := (time.monotonic() - begun) / 60) < minutes:
                yield measured(tab, pid, minute)
                time.sleep(60 * every)
            yield measured(tab, pid, minute)


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=60.0, metavar="M", help="how long (default 60)")
    parser.add_argument("--every", type=float, default=2.0, metavar="M", help="between two looks (default 2)")
    args = parser.parse_args(argv)
    if why := missing():
        raise NeuronError(why)
    for memory in soak(args.minutes, args.every):
        print(memory, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
