"""A fleet of the firmware's own nodes, on a line in virtual time: blocks lost, power lost, wrong images, trials."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from host.core.image import encode
from host.core.registers import register_bytes
from host.core.wire import BY_NAME, Command
from host.node import onset
from host.node.applied import Apply
from host.node.drift import survey
from host.node.fleet import Fleet, Member
from host.node.rollout import Trial
from tests.e2e.scenario import AND, largest, neuron
from tests.fleet_line import FleetLine, is_block, is_go
from tests.memory_fleet import InMemory, memory_fleet
from tests.models import random_senses

COUNT = 5
OLD, NEW, OTHER = (
    encode(model) for model in (AND, neuron("new", (1, 1), -1.5), neuron("other", (-1, 1), 0.5))
)
BIG = encode(largest())


@pytest.fixture(scope="module")
def fleet() -> Iterator[list[InMemory]]:
    with memory_fleet(COUNT) as nodes:
        yield nodes


@pytest.fixture
def nodes(fleet: list[InMemory]) -> list[InMemory]:
    """Five nodes that run OLD."""
    for node in fleet:
        node.off = False
        node.node.factory()
        node.node.work()
        node.node.deploy(OLD)
    return fleet


def members(image: bytes, count: int = COUNT) -> tuple[Member, ...]:
    return tuple(
        Member(f"{number:024x}", f"n{number}", 10 + number, "new.img", image)
        for number in range(1, count + 1)
    )


def runs(node: InMemory) -> bytes:
    """The image that a node runs, whole, whatever it says of it."""
    node.off = False
    node.catch_up()
    length = node.node.get("MODEL_LENGTH")
    row = BY_NAME["IMAGE"]
    words: list[int] = []
    while len(words) < length // 2:
        words += node.node.read(row.table, row.address + len(words), min(100, length // 2 - len(words)))
    return register_bytes(words)


def run(
    line: FleetLine, image: bytes = NEW, trial: Trial | None = None, of: tuple[Member, ...] | None = None
) -> Apply:
    apply = Apply(line, survey(line, Fleet("fleet.toml", of or members(image))), trial)
    apply.run()
    return apply


def fates(apply: Apply) -> list[str]:
    return [outcome.as_dict()["fate"] for outcome in apply.outcomes]


@pytest.fixture(autouse=True)
def _line_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.node.client.SETTLE_SECONDS", 0.0)
    monkeypatch.setattr("host.node.broadcast.POLL_SECONDS", 0.0)
    monkeypatch.setattr("host.node.node.POLL_SECONDS", 0.0)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[[FleetLine], None]:
    """Have trials watched by the line's clock."""

    def by(line: FleetLine) -> None:
        watch = onset.watch
        monkeypatch.setattr(
            "host.node.onset.watch",
            lambda *args: watch(*args, clock=lambda: line.seconds, sleep=line.wait),
        )

    return by


# ---------------------------------------------------------------------------------------------------- without a trial


def test_all_get_it_and_keep_it_over_a_loss_of_power(nodes: list[InMemory]) -> None:
    line = FleetLine(nodes)
    assert run(line, BIG).as_wanted
    for node in nodes:
        node.power_cycle()
        assert runs(node) == BIG
    assert sum(map(is_go, line.frames)) == 1
    again = run(line, BIG)
    assert again.as_wanted
    assert fates(again) == ["same"] * COUNT


@pytest.mark.parametrize("seed", range(4))
def test_blocks_that_are_lost_come_again(nodes: list[InMemory], seed: int) -> None:
    chance = random.Random(seed)
    line = FleetLine(nodes, lost=lambda number, frame: is_block(frame) and chance.random() < 0.3)
    assert run(line, BIG).as_wanted
    assert all(runs(node) == BIG for node in nodes)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_lost_no_node_ends_with_a_mix(nodes: list[InMemory], seed: int) -> None:
    """A tenth of all frames, answers too."""
    chance = random.Random(seed)
    line = FleetLine(nodes, lost=lambda number, frame: chance.random() < 0.1)
    apply = run(line, BIG)
    for node, fate in zip(nodes, fates(apply), strict=True):
        assert fate in ({OLD: "old", BIG: "new"}[runs(node)], "unsure", "same")


@pytest.mark.parametrize("number", range(14, 66, 4))
def test_power_lost_at_any_frame_leaves_one_model_whole(nodes: list[InMemory], number: int) -> None:
    """And back at once, so that the rest of it finds the node again."""

    def at(frame_number: int, frame: bytes) -> None:
        if frame_number == number:
            nodes[1].power_cycle()

    line = FleetLine(nodes, at=at)
    apply = run(line, BIG)
    assert [runs(node) == BIG for node in nodes[2:]] == [True] * 3
    found = runs(nodes[1])
    assert found in (OLD, BIG)
    assert fates(apply)[1] == ("new" if found == BIG else "old")
    assert apply.as_wanted == (found == BIG)


def test_a_node_without_the_channels_that_the_image_wants_refuses_it(nodes: list[InMemory]) -> None:
    image = encode(replace(AND, senses=random_senses(np.random.default_rng(5), AND.inputs)))
    nodes[2].node.board(0)
    nodes[2].power_cycle()
    apply = run(FleetLine(nodes), image)
    assert fates(apply) == ["new", "new", "old", "new", "new"]
    assert "it refused the image: the model wants a channel" in apply.outcomes[2].trouble
    assert runs(nodes[2]) == OLD


def test_two_images_switch_together(nodes: list[InMemory]) -> None:
    line = FleetLine(nodes)
    assert run(line, of=(*members(NEW)[:2], *members(OTHER)[2:])).as_wanted
    assert [runs(node) for node in nodes] == [NEW] * 2 + [OTHER] * 3
    assert sum(map(is_go, line.frames)) == 1


# -------------------------------------------------------------------------------------------------------------- trials


def test_on_trial_then_kept(nodes: list[InMemory], watched: Callable[[FleetLine], None]) -> None:
    line = FleetLine(nodes)
    watched(line)
    began = line.seconds
    apply = run(line, NEW, Trial(10, canaries=2))
    assert apply.as_wanted
    assert line.seconds - began > 10
    for node in nodes:
        node.power_cycle()
        assert runs(node) == NEW


def test_a_canary_that_loses_its_power_stops_it_and_all_go_back(
    nodes: list[InMemory], watched: Callable[[FleetLine], None]
) -> None:
    cut: list[float] = []

    def at(number: int, frame: bytes) -> None:
        if not cut and line.seconds > 6:
            cut.append(line.seconds)
            nodes[0].power_cycle()

    line = FleetLine(nodes, at=at)
    watched(line)
    apply = run(line, NEW, Trial(10, canaries=2))
    assert cut
    assert "its trial has ended: it has restarted" in apply.outcomes[0].trouble
    assert fates(apply) == ["old"] * COUNT
    assert [runs(node) for node in nodes] == [OLD] * COUNT


def test_a_canary_whose_inputs_are_out_of_range_goes_back(
    nodes: list[InMemory], watched: Callable[[FleetLine], None]
) -> None:
    line = FleetLine(nodes)
    watched(line)
    row = BY_NAME["INPUTS_FLOAT"]
    nodes[1].node.write(row.address, [0x7F00, 0, 0x7F00, 0])  # far beyond
    apply = run(line, NEW, Trial(3, canaries=2))
    assert "clipped or out of range at 100 %" in apply.outcomes[1].trouble
    assert [runs(node) for node in nodes] == [OLD] * COUNT


@pytest.mark.parametrize("gone", [Command.CONFIRM, None])
def test_a_master_that_goes_leaves_no_trial_behind(
    nodes: list[InMemory], watched: Callable[[FleetLine], None], gone: Command | None
) -> None:
    """Before it confirms: each node goes back by itself."""
    switched: list[int] = []

    def at(number: int, frame: bytes) -> None:
        if is_go(frame):
            switched.append(number)
        confirms = frame[1:4] == bytes([16]) + BY_NAME["COMMAND"].address.to_bytes(2, "big")
        line.gone |= bool(switched) and (confirms if gone else number > switched[0] + 12)

    line = FleetLine(nodes, at=at)
    watched(line)
    with pytest.raises(Exception, match="has gone"):
        run(line, NEW, Trial(5))
    assert switched
    assert any(runs(node) == NEW for node in nodes)
    line.wait(5 + 60 + COUNT + 1)
    assert [runs(node) for node in nodes] == [OLD] * COUNT


# -------------------------------------------------------------------------------------------------------------- places


def test_groups_are_set_and_addresses_swapped() -> None:
    """Of nodes that know by themselves what they answer to; FleetLine fails where two answer at once."""
    with memory_fleet(3, moves=True) as nodes:
        for node in nodes:
            node.node.work()
        wanted = tuple(
            Member(node.uid, f"n{number}", address, "new.img", NEW, group=7)
            for number, (node, address) in enumerate(zip(nodes, (12, 13, 11), strict=True), 1)
        )
        line = FleetLine(nodes)
        apply = run(line, of=wanted)
        assert apply.as_wanted, [outcome.trouble for outcome in apply.outcomes]
        found = survey(line, Fleet("fleet.toml", wanted))
        assert found.as_wanted
        for node in nodes:
            node.power_cycle()
        again = survey(line, Fleet("fleet.toml", wanted))
        assert again.as_wanted
        assert [standing.found and standing.found.group for standing in again.standings] == [7] * 3
