"""8 KiB to 32 nodes: the firmware itself on a line of which the characters and the silences are counted. Virtual time:
the same on every computer, and without what a PC and a node take to think.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from host.core.wire import Gap
from host.node.applied import Apply
from host.node.drift import survey
from host.node.fleet import Fleet, Member
from host.node.node import Node
from host.node.staging import deploy
from host.progress import Progress, silent
from tests.fleet_line import FleetLine, Lost, is_block
from tests.memory_fleet import InMemory, memory_fleet
from tools.bench.networks import eight_kib_image, four_kib_image

NODES, FIRST = 32, 11
BAUD = 115200
LOST = 0.03
SEEDS = 3
QUICK = ["-O2"]
"""Without the sanitizers of the tests' own nodes: they would take most of the time."""
STEP = "a fleet in virtual time"


@dataclass(frozen=True)
class Rollout:
    """Seconds of the line: to ask all nodes how they stand; from the first session's opening until all are verified,
    before they switch; until each has been seen to have kept it. blocks: that were sent; characters: in all."""

    look: float
    staged: float
    kept: float
    blocks: int
    characters: int


@dataclass(frozen=True)
class Measured:
    """whole, short: where nothing is lost, with the standard's silences and with those of 3.5 characters; each_lost:
    where each node loses 3 % of the blocks, all_lost: where all lose the same 3 %, the slowest of some runs; alone:
    seconds of one deploy after the other."""

    bytes: int
    whole: Rollout
    short: Rollout
    each_lost: Rollout
    all_lost: Rollout
    alone: float


def measure(progress: Progress = silent) -> Measured:
    """All of it, in half a minute."""
    image, steps = eight_kib_image(), 2 + 2 * SEEDS + 1
    done = 0

    def rolled(gap: Gap = Gap.STANDARD, lost: Lost = lambda number, frame: False) -> Rollout:
        nonlocal done
        progress(STEP, done, steps)
        done += 1
        return roll_out(image, gap, lost)

    whole, short = rolled(), rolled(Gap.TRUE_CHARACTERS)
    each = [rolled(lost=each_loses(LOST, seed)) for seed in range(SEEDS)]
    same = [rolled(lost=all_lose(LOST, seed)) for seed in range(SEEDS)]
    progress(STEP, done, steps)
    alone = one_by_one(image)
    progress(STEP, steps, steps)
    return Measured(
        len(image),
        whole,
        short,
        max(each, key=lambda run: run.staged),
        max(same, key=lambda run: run.staged),
        alone,
    )


def each_loses(share: float, seed: int) -> Lost:
    """Each node by itself loses this share of the blocks."""
    chance = random.Random(seed)
    return lambda number, frame: is_block(frame) and chance.random() < share


def all_lose(share: float, seed: int) -> Lost:
    """All nodes lose the same blocks: something sits at the master's end of the line."""
    chance, last = random.Random(seed), [False]

    def lost(number: int, frame: bytes) -> bool:
        if is_block(frame) and number == 0:
            last[0] = chance.random() < share
        return is_block(frame) and last[0]

    return lost


def _fleet(nodes: Sequence[InMemory], image: bytes) -> Fleet:
    members = [Member(node.uid, node.uid, FIRST + i, "8 KiB", image) for i, node in enumerate(nodes)]
    return Fleet("fleet.toml", tuple(members), BAUD)


def roll_out(image: bytes, gap: Gap, lost: Lost) -> Rollout:
    """An image to NODES nodes that run another."""
    with memory_fleet(NODES, first=FIRST, flags=QUICK) as nodes:
        for node in nodes:
            node.node.work()
            node.node.deploy(four_kib_image())
        line = FleetLine(nodes, baud=BAUD, lost=lost)
        standings = survey(line, _fleet(nodes, image))
        line.gap = gap
        began = line.seconds
        apply = Apply(line, standings)
        staged: list[float] = []

        def note(step: str, done: int, total: int) -> None:
            if step == "switch" and not staged:
                staged.append(line.seconds)

        apply.run(note)
        if not apply.as_wanted:
            raise AssertionError("a node did not get it")
        blocks = sum(map(is_block, line.frames))
        return Rollout(began, staged[0] - began, line.seconds - began, blocks, line.characters)


def one_by_one(image: bytes) -> float:
    """Seconds of the line that host.deploy takes for the same nodes, one after the other."""
    with memory_fleet(NODES, first=FIRST, flags=QUICK) as nodes:
        line = FleetLine(nodes, baud=BAUD)
        for i in range(NODES):
            deploy(Node(line, FIRST + i), image)
        return line.seconds
