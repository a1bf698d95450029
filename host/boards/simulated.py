"""A simulated node: the firmware itself, built for this computer, on a pty in place of the serial port.

Needs Linux or macOS and a C compiler.
"""

from __future__ import annotations

import hashlib
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from host.boards import monocypher
from host.compiler import DIALECT, ROOT, WARNINGS, build_folder, c_sources, compile_c, compiler
from host.core.wire import DEFAULT_ADDRESS
from host.errors import NeuronError

if TYPE_CHECKING:
    from host.boards.signals import Signal

SOURCES = ("firmware/core", "firmware/app", "firmware/port/native")
START_TIMEOUT = 60.0
"""Seconds for the simulation to start, or to end: no machine needs so long, however busy."""
ANSWER_TIMEOUT = 60.0
"""Seconds for one answer of a node of our own: it is there, and only as late as this computer is busy."""
OFF_SECONDS = 0.5
"""How long the power is gone when it is cut: long enough to be seen."""
CUT_MAX = 999_999_999
"""Of operations and milliseconds; firmware/port/native/commands.c takes so many digits."""
LINES_MAX = 1000
"""Of what a simulation said, so much is kept: one may run for months."""
NODES_MAX = 32
"""Nodes on one simulated bus, as on a real one without repeaters; firmware/port/native/bus.c has room for them."""
INTERRUPT_SECONDS = 0.2
"""The longest that a Ctrl-C may go unnoticed: one that comes just before a thread falls asleep does not wake it."""


def build() -> Path:
    """The simulated node's program, built anew only when a source has changed."""
    if sys.platform == "win32":
        raise NeuronError("the simulated node needs Linux or macOS; on Windows run it under WSL")
    crypto, more = monocypher.node_sources()
    cc, flags = compiler(), ["-O2", *WARNINGS, *more]
    digest = hashlib.sha256(repr((cc, flags, DIALECT)).encode())
    for path in sorted((ROOT / "firmware").rglob("*.[ch]")):
        if "stm32" not in path.parts[-2]:
            digest.update(path.read_bytes())
    target = build_folder() / digest.hexdigest()[:16] / "neuron485"
    if not target.exists():
        compile_c(target, [*c_sources(*SOURCES), *crypto], flags, cc)
    return target


class Sim:
    """A running simulation; files: descriptors that its program inherits. `port` is the pty, `tcp` a host:port or None,
    `leds` the lamps by the addresses that the nodes were started with, of fresh nodes by their numbers, `uids` what
    these have for UIDs, and `powered` whether they have power; `lines` what it said last, but for windows."""

    def __init__(
        self,
        arguments: Sequence[str],
        nodes: Sequence[int],
        on_line: Callable[[str], None],
        files: Sequence[int] = (),
    ) -> None:
        self.port = ""
        self.tcp: str | None = None
        self.leds: dict[int, bool] = {}
        self.uids: dict[int, str] = {}
        self.powered = dict.fromkeys(nodes, True)
        self.lines: list[str] = []
        self._nodes = nodes
        self._cuts = 0  # commands that it has taken
        self._on_line = on_line
        # Not a lock: a Ctrl-C could leave it held, and the reader, which must go on, would wait for it for ever.
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._ended = False
        self._failure: OSError | None = None
        # A process group of its own: Ctrl-C is for us, and we end it by closing its standard input.
        built = build()
        try:
            self._process = subprocess.Popen(
                [str(built), "--until-eof", "--nodes", ",".join(map(str, nodes)), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                pass_fds=files,
                start_new_session=True,
            )
        except OSError as error:
            raise NeuronError(
                f"{built} cannot be started: {error.strerror or error}; delete it, and it is built anew"
            ) from error
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                self._take(line.rstrip("\n"))
        except OSError as error:  # nobody takes what is shown; whoever waits is told
            self._failure = error
        finally:
            self._ended = True
            self._tell()

    def _take(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        self._on_line(line)  # first: what has been waited for has been shown
        if kind != "hop":  # there is no end of them
            self.lines = [*self.lines[1 - LINES_MAX :], line]
        if kind == "bus":
            self.port = rest
        elif kind == "tcp":
            self.tcp = rest
        elif kind == "led":
            address, _, level = rest.partition(" ")
            self.leds = {**self.leds, int(address): level == "on"}
        elif kind == "uid":
            number, _, uid = rest.partition(" ")
            self.uids = {**self.uids, int(number): uid}
        elif kind == "power":
            number, _, level = rest.partition(" ")
            self.powered = {**self.powered, int(number): level == "on"}
        elif kind == "cut":
            self._cuts += 1
        self._tell()

    def _tell(self) -> None:
        """Wake who waits. What has been told and not yet heard is enough."""
        if self._news.empty():
            self._news.put(None)

    def wait(self, condition: Callable[[Sim], bool], timeout: float = START_TIMEOUT) -> bool:
        """Wait until the condition holds; False when it did not in time or the simulation has ended."""
        deadline = time.monotonic() + timeout
        while not condition(self) and not self._ended and (left := deadline - time.monotonic()) > 0:
            with suppress(queue.Empty):
                self._news.get(timeout=min(left, INTERRUPT_SECONDS))
        if self._failure is not None:
            raise self._failure
        return condition(self)

    def wait_ready(self) -> None:
        """Wait until every node listens and has set its lamp."""
        if not self.wait(lambda sim: bool(sim.port) and len(sim.leds) == len(sim._nodes)):
            self.stop()
            assert self._process.stderr is not None
            why = self._process.stderr.read().strip()
            raise NeuronError(f"the simulated node did not start: {why or 'it said nothing'}")

    def cut(self, number: int, operations: int = 0, seconds: float = OFF_SECONDS) -> None:
        """Have a node's power fail in the middle of that operation of its flash, a word programmed or a sector erased,
        counted from now and 1, if it comes to that; 0: at once. It is gone for so many seconds, in milliseconds."""
        if number not in self._nodes:
            raise NeuronError(f"there is no simulated node {number}")
        if not (0 <= operations <= CUT_MAX and 0 <= 1000 * seconds <= CUT_MAX):
            raise NeuronError(f"no power is cut at word {operations} for {seconds:g} s: 0 is at once")
        assert self._process.stdin is not None
        taken = self._cuts
        with suppress(OSError, ValueError):  # it has ended, or is being ended
            self._process.stdin.write(f"cut {number} {operations} {round(1000 * seconds)}\n")
            self._process.stdin.flush()
        if not self.wait(lambda sim: sim._cuts > taken):
            raise NeuronError(f"the power of node {number} was not cut: its simulation has ended")

    @property
    def running(self) -> bool:
        return not self._ended

    @property
    def exit_status(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        """End it and wait until it has."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(START_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()


@contextmanager
def simulate(
    *,
    nodes: Sequence[int] = (DEFAULT_ADDRESS,),
    link: str | None = None,
    tcp: int | None = None,
    flash: str | None = None,
    pace: bool = False,
    present: bool = False,
    fresh: bool = False,
    signal: Signal | None = None,
    once: bool = False,
    fast: bool = False,
    hops: bool = False,
    on_line: Callable[[str], None] = lambda line: None,
) -> Iterator[Sim]:
    """Run simulated nodes on one bus while the context lasts.

    link: symbolic link to the pty; tcp: port on 127.0.0.1, 0 for any; flash: file that keeps their flash (with
    several nodes `.ADDRESS` is added to its name); pace: characters take the time they take on a wire; present: someone
    is at every board at power-on.

    fresh: all nodes have the default address, and UIDs as if of different chips; `nodes` are their numbers.

    signal: what the channels of all nodes see, from its first scan on whenever a node begins to sample, again and
    again; None: they are quiet. once: it ends, and then the node samples nothing more. fast: once, as fast as the nodes
    decide, independent of any clock, and the simulation ends with it, by itself. hops: `on_line` gets a line for every
    window that is decided, `hop ADDRESS JSON`.
    """
    arguments: list[str] = []
    if link is not None:
        arguments += ["--link", link]
    if tcp is not None:
        arguments += ["--tcp", str(tcp)]
    if flash is not None:
        arguments += ["--flash", flash]
    options = {"pace": pace, "present": present, "fresh": fresh, "once": once, "fast": fast, "hops": hops}
    arguments += [f"--{name}" for name, on in options.items() if on]
    with tempfile.TemporaryFile() as file:  # nameless: a simulation that is killed leaves nothing
        if signal is not None:
            file.write(signal.encode())
            file.flush()
            arguments += ["--signal", f"/dev/fd/{file.fileno()}"]
        sim = Sim(arguments, nodes, on_line, [file.fileno()])
    try:
        sim.wait_ready()
        yield sim
    finally:
        sim.stop()
