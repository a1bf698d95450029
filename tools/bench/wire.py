"""Our own host on the wire: how much of it a deploy uses, and what it says there."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass, replace

from host.boards.opening import open_node
from host.boards.simulated import ANSWER_TIMEOUT, simulate
from host.compiler import ROOT
from host.core.wire import BAUD_MAX, DEFAULT_ADDRESS, Gap
from host.node.line import read_settings, save_settings
from host.node.staging import deploy
from host.progress import Progress, silent
from tools.bench.board import CHARACTER_BITS
from tools.bench.networks import four_kib_image

BAUDS = (9600, 115200, BAUD_MAX)
RUNS = 3
STEP = "our host on the wire"


@dataclass(frozen=True)
class Talk:
    """What a deploy of AND with its truth table takes. frames: bytes on the wire, both ways; round_trips: requests;
    seconds: of the command at 115,200 baud, from import to exit, beside a node that loses no time."""

    frames: int
    round_trips: int
    seconds: float


@dataclass(frozen=True)
class Wire:
    """share: of the raw wire's speed, by baud rate."""

    share: dict[int, float]
    deploy: Talk


def measure(progress: Progress = silent) -> Wire:
    """All of it, in half a minute; nearly all of that is 4 KiB at 9,600 baud."""
    steps = len(BAUDS) + 1
    share = {}
    for done, baud in enumerate(BAUDS):
        progress(STEP, done, steps)
        share[baud] = wire_share(baud)
    progress(STEP, len(BAUDS), steps)
    talk = and_deploy()
    progress(STEP, steps, steps)
    return Wire(share, talk)


def wire_share(baud: int) -> float:
    """The part of a wire's speed that our own host reaches with an image of 4 KiB and silences of 3.5 characters, until
    the node has verified it, from the opening of the line on: the image's characters by the time taken, the best of
    some runs, as other programs may take the computer's time. The simulated node keeps the wire's pace."""
    image = four_kib_image()
    return len(image) * CHARACTER_BITS / baud / min(_until_verified(image, baud) for _ in range(RUNS))


def _until_verified(image: bytes, baud: int) -> float:
    """Seconds."""
    verified: list[float] = []

    def note(step: str, done: int, total: int) -> None:
        if (step, done) == ("verify", total):
            verified.append(time.perf_counter())

    with simulate(pace=True) as sim:
        with open_node(sim.port, timeout=ANSWER_TIMEOUT) as node:
            save_settings(node, replace(read_settings(node), baud=baud, gap=Gap.TRUE_CHARACTERS))
        sim.wait(lambda now: f"node {DEFAULT_ADDRESS} {baud} 8E1" in now.lines)
        with open_node(sim.port, baud=baud, timeout=ANSWER_TIMEOUT) as node:
            node.wait_idle()  # its flash is prepared
        began = time.perf_counter()
        with open_node(sim.port, baud=baud, timeout=ANSWER_TIMEOUT) as node:
            deploy(node, image, progress=note)
    return verified[0] - began


def and_deploy() -> Talk:
    """Train AND, deploy it, and ask for its truth table, as people type it."""
    command = "-m host.train --model and --deploy sim --baud 115200".split()
    trace = _run([*command, "--trace"])
    frames = re.findall(r"^(->|<-)((?: [0-9a-f]{2})+)", trace, re.MULTILINE)
    began = time.perf_counter()
    _run(command)
    seconds = time.perf_counter() - began
    sent = sum(direction == "->" for direction, _ in frames)
    return Talk(sum(len(frame.split()) for _, frame in frames), sent, seconds)


def _run(arguments: list[str]) -> str:
    """What a Python command says on standard error."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stderr
