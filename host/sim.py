"""A simulated node: the firmware itself, built for this computer, on a pty in place of the serial port.

    python -m host.sim [--link PATH] [--tcp PORT] [--flash FILE] [--nodes 1,2,..] [--pace]

runs until Ctrl-C and shows the lamp. Needs Linux or macOS and a C compiler.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from host.errors import NeuronError, command
from host.wire import ADDRESS_MAX, ADDRESS_MIN, DEFAULT_ADDRESS

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("firmware/core", "firmware/app", "firmware/port/native")
START_TIMEOUT = 60.0
"""Seconds for the simulation to start, or to end: no machine needs so long, however busy."""
INTERRUPT_SECONDS = 0.2
"""The longest that a Ctrl-C may go unnoticed: one that comes just before a thread falls asleep does not wake it."""

WARNINGS = (
    "-Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes "
    "-Wmissing-prototypes -Wcast-align -Wundef"
).split()
DIALECT = ["-std=c11", "-fno-strict-aliasing", "-ffp-contract=off", "-Ifirmware"]
"""-fno-strict-aliasing: images run in place, as int16 and int32 out of a byte buffer.
-ffp-contract=off: no fused multiply-add, so that floating point gives the same bits everywhere."""


def compiler() -> str:
    """The C compiler: $CC, or the first found."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return name
    raise NeuronError(
        "the simulated node needs a C compiler: install one (Debian: apt-get install gcc libc6-dev)"
    )


def compile_c(target: Path, sources: Sequence[Path], flags: Sequence[str], cc: str) -> None:
    """Build `target` from C sources of the repository, in one step; it appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / target.name
        names = [str(source.relative_to(ROOT)) for source in sources]
        result = subprocess.run(
            [cc, *DIALECT, *flags, *names, "-lm", "-o", str(made)], cwd=ROOT, capture_output=True, text=True
        )
        if result.returncode != 0:
            raise NeuronError(f"{cc} could not build {target.name}:\n{result.stderr.strip()}")
        os.replace(made, target)


def c_sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).glob("*.c"))]


def build() -> Path:
    """The simulated node's program, built anew only when a source has changed."""
    if sys.platform == "win32":
        raise NeuronError("the simulated node needs Linux or macOS; on Windows run it under WSL")
    cc, flags = compiler(), ["-O2", *WARNINGS]
    digest = hashlib.sha256(repr((cc, flags, DIALECT)).encode())
    for path in sorted((ROOT / "firmware").rglob("*.[ch]")):
        if "stm32" not in path.parts[-2]:
            digest.update(path.read_bytes())
    target = ROOT / "build" / "native" / digest.hexdigest()[:16] / "neuron485"
    if not target.exists():
        compile_c(target, c_sources(*SOURCES), flags, cc)
    return target


class Sim:
    """A running simulation. `port` is the pty, `tcp` a host:port or None, `leds` the lamps by node address."""

    def __init__(
        self, arguments: Sequence[str], nodes: Sequence[int], on_line: Callable[[str], None]
    ) -> None:
        self.port = ""
        self.tcp: str | None = None
        self.leds: dict[int, bool] = {}
        self.lines: list[str] = []
        self._nodes = nodes
        self._on_line = on_line
        # Not a lock: a Ctrl-C could leave it held, and the reader, which must go on, would wait for it for ever.
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._ended = False
        # A process group of its own: Ctrl-C is for us, and we end it by closing its standard input.
        self._process = subprocess.Popen(
            [str(build()), "--until-eof", "--nodes", ",".join(map(str, nodes)), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                self._take(line.rstrip("\n"))
        finally:
            self._ended = True
            self._tell()

    def _take(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        self._on_line(line)  # first: what has been waited for has been shown
        self.lines.append(line)
        if kind == "bus":
            self.port = rest
        elif kind == "tcp":
            self.tcp = rest
        elif kind == "led":
            address, _, level = rest.partition(" ")
            self.leds = {**self.leds, int(address): level == "on"}
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
        return condition(self)

    def wait_ready(self) -> None:
        """Wait until every node listens and has set its lamp."""
        if not self.wait(lambda sim: bool(sim.port) and len(sim.leds) == len(sim._nodes)):
            self.stop()
            assert self._process.stderr is not None
            why = self._process.stderr.read().strip()
            raise NeuronError(f"the simulated node did not start: {why or 'it said nothing'}")

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
    on_line: Callable[[str], None] = lambda line: None,
) -> Iterator[Sim]:
    """Run simulated nodes on one bus while the context lasts.

    link: symbolic link to the pty; tcp: port on 127.0.0.1, 0 for any; flash: file that keeps their flash (with
    several nodes `.ADDRESS` is added to its name); pace: characters take the time they take on a wire.
    """
    arguments: list[str] = []
    if link is not None:
        arguments += ["--link", link]
    if tcp is not None:
        arguments += ["--tcp", str(tcp)]
    if flash is not None:
        arguments += ["--flash", flash]
    if pace:
        arguments.append("--pace")
    sim = Sim(arguments, nodes, on_line)
    try:
        sim.wait_ready()
        yield sim
    finally:
        sim.stop()


def _node_list(text: str) -> list[int]:
    try:
        nodes = [int(item) for item in text.split(",")]
    except ValueError:
        nodes = []
    if (
        not nodes
        or not all(ADDRESS_MIN <= node <= ADDRESS_MAX for node in nodes)
        or len(set(nodes)) != len(nodes)
    ):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of addresses {ADDRESS_MIN}..{ADDRESS_MAX}, like 1,2"
        )
    return nodes


def _say(text: str) -> None:
    """Print a line as one piece: two threads speak."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _show(line: str) -> None:
    """A line of the simulation, for people."""
    kind, _, rest = line.partition(" ")
    if kind == "led":
        address, _, level = rest.partition(" ")
        _say(f"node {address}   LED {'(*) on' if level == 'on' else '( ) off'}")
    elif kind == "node":
        address, baud, format_name = rest.split()
        _say(f"node {address}   listens at {baud} {format_name}")
    elif kind == "bus":
        _say(f"bus      {rest}")
    elif kind == "tcp":
        _say(f"bus      socket://{rest}")
    else:
        _say(f"{kind}     {rest}")


@command
def main(argv: Sequence[str] | None = None) -> int:
    from host.cli import Parser, whole

    parser = Parser(
        prog="python -m host.sim",
        description="Run a simulated node until Ctrl-C and show its lamp. Every command of neuron485, and any "
        "Modbus client, can talk to it on the port that it prints.",
    )
    parser.add_argument("--link", metavar="PATH", help="make PATH a symbolic link to the serial port")
    parser.add_argument(
        "--tcp", type=whole(0, 65535), metavar="PORT", help="also serve 127.0.0.1:PORT (0: any)"
    )
    parser.add_argument(
        "--flash", metavar="FILE", help="keep the flash in FILE: the model outlives a restart"
    )
    parser.add_argument(
        "--nodes", type=_node_list, default=[DEFAULT_ADDRESS], metavar="1,2,..", help="addresses on one bus"
    )
    parser.add_argument("--pace", action="store_true", help="let characters and erases take their real time")
    args = parser.parse_args(argv)
    with simulate(
        nodes=args.nodes, link=args.link, tcp=args.tcp, flash=args.flash, pace=args.pace, on_line=_show
    ) as sim:
        _say("         Ctrl-C ends it")
        while sim.running:
            sim.wait(lambda sim: False, timeout=3600)
    raise NeuronError("the simulation ended by itself; its last line says why")


if __name__ == "__main__":
    raise SystemExit(main())
