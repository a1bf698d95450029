"""The page in a real browser: until it is painted, and from an input that is moved to the node's lamp that follows.

python -m tools.bench.page            both, on a simulated node
python -m tools.bench.page --soak 60  an hour of a page that is open under load: what is left in memory after a garbage
                                      collection, of the page and of the gateway, every other minute

Needs Debian's Chromium, as the tests do.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from host.boards.signals import generated
from host.boards.simulated import simulate
from host.core.image import encode
from host.errors import NeuronError, command
from host.node.node import open_line
from host.node.staging import deploy
from tests.browser import Browser, browser, missing
from tests.hop_node import a_model
from tests.page.served import serving
from tools.bench.networks import SIGNAL, SOURCES

LOADS, PRESSES = 9, 40
TRAIN, DEPLOY, LIT_ROW = "#train", "#deploy", "#inputs tbody tr:nth-child(4) button"
LAMP, SWITCH = "#inputs .lit-by .lamp", "#inputs .handle [role=switch]"
PAINTED = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
FOLLOWED = """
const [lampAt, switchAt] = arguments
return new Promise(resolve => {
  const lamp = document.querySelector(lampAt)
  const begun = performance.now()
  const watch = new MutationObserver(() => {
    watch.disconnect()
    resolve(performance.now() - begun)
  })
  watch.observe(lamp, { attributes: true, attributeFilter: ['data-state'] })
  document.querySelector(switchAt).click()
})
"""
"""Milliseconds from a press to the lamp's change."""
NODES = range(1, 9)
MIB = 1 << 20
PAGE_BYTES = 4096
"""Of Linux' memory."""


@dataclass(frozen=True)
class Times:
    """Milliseconds, of several: the median and the longest."""

    what: str
    median: float
    longest: float

    @classmethod
    def of(cls, what: str, times: Sequence[float]) -> Times:
        return cls(f"{what}, {len(times)} times", statistics.median(times), max(times))

    def __str__(self) -> str:
        return f"{self.what:<44} median {self.median:6.1f} ms   longest {self.longest:6.1f} ms"


def times() -> Iterator[Times]:
    """Of the first paint, each in a browser's tab of its own; then of the lamp."""
    with serving("sim") as gateway, tempfile.TemporaryDirectory() as folder, browser(Path(folder)) as tab:
        painted, first = [], tab.driver.current_window_handle
        for _ in range(LOADS):
            tab.new_tab(gateway.page)
            painted.append(tab.until(lambda: tab.run(PAINTED), "the page is painted"))
            tab.driver.close()
            tab.go_to(first)
        tab.open(gateway.page)
        yield Times.of("from the request to the first paint", painted)
        tab.click(TRAIN)
        tab.click(DEPLOY)
        tab.click(LIT_ROW)
        tab.until(lambda: tab.find(LAMP).get_attribute("data-state") == "lit", "the lamp is lit")
        followed = [tab.run(FOLLOWED, LAMP, SWITCH) for _ in range(PRESSES)]
        yield Times.of("from an input moved to the node's lamp", followed)


# ------------------------------------------------------------------------------------------------------- memory


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


def measured(tab: Browser, pid: int, minute: float) -> Memory:
    tab.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    found = tab.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    values = {one["name"]: one["value"] for one in found}
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    return Memory(minute, int(values["JSHeapUsedSize"]), int(values["Nodes"]), resident)


def soak(minutes: float, every: float) -> Iterator[Memory]:
    """How it stands every so many minutes: eight nodes that sense, all that they decide shown."""
    with simulate(nodes=list(NODES), signal=generated(list(SIGNAL))) as sim:
        image = encode(a_model(SOURCES, window=64, hop=20))
        for address in NODES:
            with open_line(sim.port, address=address) as node:
                deploy(node, image, prove=False)
        with (
            tempfile.TemporaryDirectory() as folder,
            serving(sim.port) as gateway,
            browser(Path(folder)) as tab,
        ):
            tab.open(gateway.page)
            tab.run("location.hash = '#nodes'")
            tab.driver.execute_cdp_cmd("Performance.enable", {})
            begun = time.monotonic()
            while (minute := (time.monotonic() - begun) / 60) < minutes:
                yield measured(tab, gateway.process.pid, minute)
                time.sleep(60 * every)
            yield measured(tab, gateway.process.pid, minute)


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--soak", type=float, metavar="M", help="watch the memory for so many minutes")
    parser.add_argument("--every", type=float, default=2.0, metavar="M", help="between two looks (default 2)")
    args = parser.parse_args(argv)
    if why := missing():
        raise NeuronError(why)
    for line in times() if args.soak is None else soak(args.soak, args.every):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
