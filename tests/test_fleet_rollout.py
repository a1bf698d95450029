"""Images on their way to a fleet: who falls out is named, and whatever happens a node runs the old model or the new."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from host.core.image import encode
from host.core.wire import BLOCK_BYTES, BY_NAME, Command, Reason, Session, State, Trust
from host.errors import NeuronError
from host.node import onset
from host.node.applied import Apply
from host.node.drift import survey
from host.node.fleet import Fleet, Member
from host.node.onset import Limits
from host.node.rollout import SPARE_SECONDS, Fate, Trial
from host.show.fleets import outcome_lines
from tests.e2e.scenario import largest
from tests.fleet_line import FakeNode, FleetLine, is_block, is_go
from tests.models import random_model

OLD, NEW, OTHER = (encode(random_model(np.random.default_rng(seed))) for seed in (1, 2, 3))
BIG = encode(largest())
LIT = 1 << BY_NAME["LED"].address
CLIPPED = 1 << BY_NAME["CLIPPED"].address | 1 << BY_NAME["OUT_OF_RANGE"].address
FAULT = 1 << BY_NAME["FAULT"].address
BUS_LOST = 1 << BY_NAME["BUS_LOST"].address
WAITING = 1 << BY_NAME["WAITING"].address


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits: time is the line's."""
    monkeypatch.setattr("host.node.client.SETTLE_SECONDS", 0.0)
    monkeypatch.setattr("host.node.broadcast.POLL_SECONDS", 0.0)


def uid(number: int) -> str:
    return f"{number:024x}"


def member(number: int, image: bytes = NEW, **more: Any) -> Member:
    """Number n stands at address 10 + n."""
    return Member(uid(number), f"n{number}", 10 + number, "new.img", image, **more)


def fake(number: int, model: bytes = OLD, **more: Any) -> FakeNode:
    return FakeNode(10 + number, uid(number), model, **more)


class Fleetwork:
    """Nodes 1..n of a fleet that shall all have NEW, or what `members` says."""

    def __init__(self, nodes: list[FakeNode], *members: Member, **more: Any) -> None:
        self.nodes = nodes
        self.members = members or tuple(member(number) for number in range(1, len(nodes) + 1))
        self.line = FleetLine(nodes, **more)
        self.apply: Apply | None = None

    def run(self, trial: Trial | None = None, steps: Callable[[str], None] = lambda step: None) -> Apply:
        """steps: told each step as it begins."""
        self.apply = Apply(self.line, survey(self.line, Fleet("fleet.toml", self.members)), trial)
        self.apply.run(lambda step, done, total: steps(step))
        return self.apply

    def fates(self) -> dict[str, str]:
        assert self.apply is not None
        return {outcome.standing.member.name: outcome.as_dict()["fate"] for outcome in self.apply.outcomes}

    def troubles(self) -> dict[str, str]:
        assert self.apply is not None
        return {
            outcome.standing.member.name: outcome.trouble
            for outcome in self.apply.outcomes
            if outcome.trouble
        }


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fleetwork], None]:
    """Have trials watched by the line's own clock."""

    def by(work: Fleetwork) -> None:
        watch = onset.watch

        def in_time(*args: Any) -> None:
            watch(*args, clock=lambda: work.line.seconds, sleep=work.line.wait)

        monkeypatch.setattr("host.node.onset.watch", in_time)

    return by


# ------------------------------------------------------------------------------------------------- without a trial


def test_all_get_it_by_broadcast_and_switch_by_one_frame() -> None:
    work = Fleetwork([fake(n) for n in range(1, 9)], *(member(n, BIG) for n in range(1, 9)))
    assert work.run().as_wanted
    assert {node.model for node in work.nodes} == {BIG}
    blocks = [frame for frame in work.line.frames if is_block(frame)]
    assert len(blocks) == -(-len(BIG) // BLOCK_BYTES), "each block travels once"
    assert sum(map(is_go, work.line.frames)) == 1


def test_several_images_switch_by_the_same_frame() -> None:
    work = Fleetwork([fake(1), fake(2), fake(3)], member(1), member(2, OTHER), member(3))
    assert work.run().as_wanted
    assert [node.model for node in work.nodes] == [NEW, OTHER, NEW]
    assert sum(map(is_go, work.line.frames)) == 1


def test_a_fleet_that_is_as_wanted_is_sent_nothing() -> None:
    work = Fleetwork([fake(1, NEW), fake(2, NEW)])
    assert work.run().as_wanted
    assert not any(frame[1] == 16 for frame in work.line.frames)
    assert work.fates() == {"n1": "same", "n2": "same"}


@pytest.mark.parametrize("seed", range(5))
def test_blocks_that_are_lost_come_again_as_the_union_of_what_is_missing(seed: int) -> None:
    chance = random.Random(seed)
    nodes = [fake(n) for n in range(1, 33)]
    work = Fleetwork(
        nodes,
        *(member(n, BIG) for n in range(1, 33)),
        lost=lambda number, frame: is_block(frame) and chance.random() < 0.2,
    )
    assert work.run().as_wanted
    assert {node.model for node in nodes} == {BIG}
    sent = sum(map(is_block, work.line.frames))
    assert 35 < sent < 32 * 7, "what many lack is sent once"


def test_a_node_that_hears_no_broadcast_is_given_its_blocks_alone() -> None:
    work = Fleetwork([fake(1), fake(2)], lost=lambda number, frame: number == 1 and frame[0] == 0)
    assert work.run().as_wanted
    assert [node.model for node in work.nodes] == [NEW, NEW]


class Forgetful(FakeNode):
    """Says that it lacks all blocks but one, then that one, then all but one, and so on."""

    looks = 0

    def hear(self, frame: bytes) -> bytes:
        if frame[1:4] == bytes([3]) + BY_NAME["SESSION_STATE"].address.to_bytes(2, "big"):
            self.looks += 1
            self.state = Session.OPEN
            self.values["BLOCKS_MISSING"] = [0xFFFE, 0, 0] if self.looks % 2 else [1, 0, 0]
        return super().hear(frame)

    def _missing(self) -> set[int]:
        return {0}


def test_a_node_that_lacks_again_what_it_had_is_given_up() -> None:
    forgetful = Forgetful(11, uid(1), OLD)

    def at(number: int, frame: bytes) -> None:
        if number > 1000:
            pytest.fail("no end")

    work = Fleetwork([forgetful, fake(2)], member(1, BIG), member(2, BIG), at=at)
    assert not work.run().as_wanted
    assert [node.model for node in work.nodes] == [OLD, BIG]


def test_go_is_said_again_to_those_who_did_not_hear_it() -> None:
    goes: list[bytes] = []

    def lost(number: int, frame: bytes) -> bool:
        goes.extend([frame] if is_go(frame) and number == 0 else [])
        return number == 1 and is_go(frame) and len(goes) == 1

    work = Fleetwork([fake(1), fake(2)], lost=lost)
    assert work.run().as_wanted
    assert len(goes) == 2


OUT: dict[str, tuple[dict[str, Any], str]] = {
    "training": ({"values": {"STATE": State.TRAINING}}, "training a model itself"),
    "on trial": ({"tries": OTHER, "left": 50.0}, "a model is on trial there for another"),
    "keyed": (
        {"values": {"TRUST": 3 | 1 << Trust.CRYPTO}},
        "a key is installed there: give its file by --key",
    ),
    "without crypto": ({"values": {"TRUST": 0}}, "without Monocypher"),
    "wrong image": ({"refuses": Reason.SENSES}, "it refused the image: the model wants a channel"),
    "full": ({"refuses": Reason.WEAR}, "wear the flash out"),
    "deaf to GO": ({"deaf_to_go": True}, "refused to go over to the image"),
}


@pytest.mark.parametrize("out", OUT)
def test_a_node_that_falls_out_keeps_its_model_is_named_and_holds_nobody_up(out: str) -> None:
    how, why = OUT[out]
    work = Fleetwork([fake(1), fake(2, **how), fake(3)])
    assert not work.run().as_wanted
    assert [node.model for node in work.nodes] == [NEW, OLD, NEW]
    assert work.fates() == {"n1": "new", "n2": "old", "n3": "new"}
    assert list(work.troubles()) == ["n2"]
    assert why in work.troubles()["n2"]


@pytest.mark.parametrize("when", ["open", "blocks", "switch"])
def test_a_node_that_restarts_meanwhile_keeps_its_model_and_is_named(when: str) -> None:
    nodes = [fake(1), fake(2), fake(3)]
    done: list[str] = []

    def restart(step: str) -> None:
        if step == when and (nodes[1].state is not Session.NONE) and not done:
            nodes[1].power_cycle()
            done.append(step)

    work = Fleetwork(nodes)
    work.run(steps=restart)
    assert done
    assert [node.model for node in nodes] == ([NEW] * 3 if when == "switch" else [NEW, OLD, NEW])
    if when != "switch":
        assert "its session has gone: it has restarted" in work.troubles()["n2"]
        assert work.fates()["n2"] == "old"


@pytest.mark.parametrize("number", range(3, 40))
def test_one_that_is_switched_off_at_any_frame_ends_with_one_model_whole(number: int) -> None:
    """And is named, unless it had everything by then."""
    nodes = [fake(1), fake(2), fake(3)]

    def off(at: int, frame: bytes) -> None:
        if at == number:
            nodes[1].off = True
            nodes[1].power_cycle()

    work = Fleetwork(nodes, at=off)
    apply = work.run()
    assert [nodes[0].model, nodes[2].model] == [NEW, NEW]
    assert nodes[1].runs in (OLD, NEW)
    if nodes[1].off:
        fate, truth = work.fates()["n2"], "new" if nodes[1].model == NEW else "old"
        assert fate in (truth, "unsure", "same")
        assert fate == "new" or "n2" in work.troubles()
        assert apply.as_wanted == (fate == "new")


def test_a_node_that_is_slow_to_check_is_waited_for() -> None:
    work = Fleetwork([fake(1, slow=9), fake(2)])
    assert work.run().as_wanted


def test_a_node_that_never_checks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.node.client.BUSY_SECONDS", 0.01)
    work = Fleetwork([fake(1, slow=10**9), fake(2)])
    work.run()
    assert "does not come to check them" in work.troubles()["n1"]
    assert [node.model for node in work.nodes] == [OLD, NEW]


def test_missing_unknown_and_other_nodes_are_named_and_sent_nothing() -> None:
    stranger = FakeNode(12, uid(99), OLD)
    work = Fleetwork([fake(1), stranger], member(1), member(2), member(3))
    apply = work.run()
    assert not apply.as_wanted
    assert stranger.model == OLD
    assert work.nodes[0].model == NEW
    assert work.troubles() == {
        "n2": f"other: at address 12 stands the node {uid(99)}",
        "n3": "missing: no answer from address 13 on a virtual line: check power, wiring (A/B), address, baud rate "
        "and parity",
    }


# ------------------------------------------------------------------------------------------------------- places


def test_nodes_that_swap_addresses_are_never_two_at_one() -> None:
    """FleetLine fails where two answer at once."""
    nodes = [FakeNode(12, uid(1), OLD), FakeNode(13, uid(2), OLD), FakeNode(11, uid(3), OLD), fake(4)]
    work = Fleetwork(nodes)
    assert work.run().as_wanted
    assert [node.address for node in nodes] == [11, 12, 13, 14]
    assert {node.model for node in nodes} == {NEW}


def test_a_node_waits_in_vain_for_an_address_that_is_not_given_up() -> None:
    nodes = [FakeNode(12, uid(1), OLD), FakeNode(11, uid(2), OLD, stubborn=True), fake(3)]
    work = Fleetwork(nodes)
    work.run()
    assert nodes[1].address == 11
    assert set(work.troubles()) == {"n1", "n2"}
    assert "is taken by another node" in work.troubles()["n1"]
    assert nodes[2].model == NEW


# -------------------------------------------------------------------------------------------------------- trials


def test_on_trial_all_are_watched_then_kept(watched: Callable[[Fleetwork], None]) -> None:
    nodes = [fake(n, values={"RESULT_BITS": LIT if n == 1 else 0}) for n in (1, 2, 3)]
    work = Fleetwork(nodes)
    watched(work)
    began = work.line.seconds
    apply = work.run(Trial(10))
    assert apply.as_wanted
    assert work.line.seconds - began >= 10
    assert [node.model for node in nodes] == [NEW] * 3
    assert all(node.written == [Command.CONFIRM] for node in nodes)
    assert all(node.opened["SESSION_SECONDS"] == 10 + SPARE_SECONDS + 3 for node in nodes)
    seen = [outcome.as_dict()["watched"] for outcome in apply.outcomes]
    assert [figures["lit"] for figures in seen] == [1, 0, 0]
    assert all(figures["looks"] >= 10 for figures in seen)
    assert "looks: lit 100 %, clipped 0 %, out of range 0 %" in next(outcome_lines(apply))


def test_canaries_come_first_and_the_others_get_it_when_these_have_done_well(
    watched: Callable[[Fleetwork], None],
) -> None:
    nodes = [fake(n) for n in range(1, 7)]
    ran: list[tuple[int, int]] = []
    work = Fleetwork(
        nodes, at=lambda number, frame: ran.append((sum(node.runs == NEW for node in nodes), number))
    )
    watched(work)
    assert work.run(Trial(5, canaries=2)).as_wanted
    assert {count for count, _ in ran} == {0, 2, 6}
    assert sum(map(is_go, work.line.frames)) == 2
    assert sum(map(is_block, work.line.frames)) == -(-len(NEW) // BLOCK_BYTES), "all hear the blocks at once"


def test_each_image_has_its_canaries(watched: Callable[[Fleetwork], None]) -> None:
    work = Fleetwork([fake(n) for n in range(1, 5)], member(1), member(2), member(3, OTHER), member(4, OTHER))
    watched(work)
    apply = work.run(Trial(1, canaries=1))
    assert apply.as_wanted
    assert [outcome.as_dict()["canary"] for outcome in apply.outcomes] == [True, False, True, False]


FAILS: dict[str, tuple[dict[str, Any], str]] = {
    "fault": ({"RESULT_BITS": FAULT, "FAULTS": 1 << Reason.SUPPLY}, "it reports SUPPLY"),
    "clipped": ({"RESULT_BITS": CLIPPED}, "inputs were clipped or out of range at 100 % of the looks"),
    "bus lost": ({"RESULT_BITS": BUS_LOST}, "it lost its master"),
    "no window": ({"RESULT_BITS": WAITING}, "it has not seen a whole window"),
}


@pytest.mark.parametrize("fails", FAILS)
def test_a_canary_that_fails_stops_it_and_all_go_back(
    fails: str, watched: Callable[[Fleetwork], None]
) -> None:
    values, why = FAILS[fails]
    nodes = [fake(n) for n in range(1, 6)]
    work = Fleetwork(nodes)
    watched(work)

    def begin(step: str) -> None:
        if step == "switch":
            nodes[1].values.update(values)

    apply = work.run(Trial(5, canaries=2), steps=begin)
    assert not apply.as_wanted
    assert [node.runs for node in nodes] == [OLD] * 5
    assert work.fates() == dict.fromkeys(work.fates(), "old")
    assert why in work.troubles()["n2"]
    assert apply.rollout is not None
    assert apply.rollout.stopped == "1 node failed, 0 may: all go back"
    assert nodes[0].written == nodes[1].written == [Command.REVERT]
    assert all(node.state is Session.NONE for node in nodes[2:]), "their sessions are closed"


def test_a_fault_that_stood_before_is_not_the_models(watched: Callable[[Fleetwork], None]) -> None:
    nodes = [fake(1, values={"RESULT_BITS": FAULT, "FAULTS": 1 << Reason.CRYSTAL})]
    work = Fleetwork(nodes)
    watched(work)
    assert work.run(Trial(2)).as_wanted


def test_so_many_may_fail_and_go_back_alone(watched: Callable[[Fleetwork], None]) -> None:
    nodes = [fake(n, values={"RESULT_BITS": CLIPPED if n == 2 else 0}) for n in range(1, 6)]
    work = Fleetwork(nodes)
    watched(work)
    apply = work.run(Trial(2, canaries=3, max_failed=1))
    assert [node.model for node in nodes] == [NEW, OLD, NEW, NEW, NEW]
    assert not apply.as_wanted
    assert apply.rollout is not None
    assert not apply.rollout.stopped


def test_the_rest_fails_and_all_go_back(watched: Callable[[Fleetwork], None]) -> None:
    nodes = [fake(n, values={"RESULT_BITS": CLIPPED if n > 2 else 0}) for n in range(1, 6)]
    work = Fleetwork(nodes)
    watched(work)
    work.run(Trial(2, canaries=2, max_failed=2))
    assert [node.runs for node in nodes] == [OLD] * 5


@pytest.mark.parametrize(
    ("limits", "good"),
    [
        (Limits(beyond=1.0), True),
        (Limits(beyond=0.4), False),
        (Limits(beyond=1.0, lit=(0.5, 1.0)), True),
        (Limits(beyond=1.0, lit=(0.0, 0.5)), False),
    ],
)
def test_limits(limits: Limits, good: bool, watched: Callable[[Fleetwork], None]) -> None:
    work = Fleetwork([fake(1, values={"RESULT_BITS": CLIPPED | LIT})])
    watched(work)
    assert work.run(Trial(2, limits=limits)).as_wanted is good


def test_a_canary_that_restarts_has_lost_its_trial(watched: Callable[[Fleetwork], None]) -> None:
    nodes = [fake(n) for n in (1, 2, 3)]

    def at(number: int, frame: bytes) -> None:
        if nodes[0].tries and work.line.seconds > 4:
            nodes[0].power_cycle()

    work = Fleetwork(nodes, at=at)
    watched(work)
    work.run(Trial(10, canaries=1))
    assert "its trial has ended: it has restarted" in work.troubles()["n1"]
    assert [node.runs for node in nodes] == [OLD] * 3


def test_a_canary_that_cannot_be_given_the_image_is_none(watched: Callable[[Fleetwork], None]) -> None:
    """Another stands in for it where that is known beforehand; one that falls out later has failed."""
    nodes = [fake(1, values={"STATE": State.TRAINING}), fake(2), fake(3)]
    work = Fleetwork(nodes)
    watched(work)
    work.run(Trial(2, canaries=1))
    assert [node.model for node in nodes] == [OLD, NEW, NEW]
    nodes = [fake(1, refuses=Reason.SENSES), fake(2), fake(3)]
    work = Fleetwork(nodes)
    work.run(Trial(2, canaries=1))
    assert [node.runs for node in nodes] == [OLD] * 3


# --------------------------------------------------------------------------------------------------- interrupted


STEPS = ("open", "blocks", "switch", "watch", "keep")


@pytest.mark.parametrize("trial", [None, Trial(5, canaries=2)])
@pytest.mark.parametrize("when", STEPS)
def test_an_interrupt_leaves_every_node_with_one_model_and_says_which(
    when: str, trial: Trial | None, watched: Callable[[Fleetwork], None]
) -> None:
    nodes = [fake(n) for n in range(1, 6)]
    work = Fleetwork(nodes, *(member(n, BIG) for n in range(1, 6)))
    watched(work)
    seen: list[str] = []

    def interrupt(step: str) -> None:
        seen.append(step)
        if step == when and seen.count(step) == 3:
            raise KeyboardInterrupt

    if trial is None and when == "watch":
        work.run(trial, interrupt)
        return
    with pytest.raises(KeyboardInterrupt):
        work.run(trial, interrupt)
    for node, fate in zip(nodes, work.fates().values(), strict=True):
        assert node.runs in (OLD, BIG)
        assert not node.tries, "what was on trial has gone back"
        assert fate == ("new" if node.model == BIG else "old")
    if when in ("open", "blocks") or (trial and when in ("switch", "watch")):
        assert {node.model for node in nodes} == {OLD}
        assert all(node.state in (Session.NONE, Session.DONE) for node in nodes)


@pytest.mark.parametrize("trial", [None, Trial(5, canaries=2)])
@pytest.mark.parametrize("number", range(8, 60, 2))
def test_a_line_that_goes_at_any_frame_leaves_every_node_with_one_model(
    number: int, trial: Trial | None, watched: Callable[[Fleetwork], None]
) -> None:
    nodes = [fake(n) for n in range(1, 5)]

    def at(frame_number: int, frame: bytes) -> None:
        work.line.gone |= frame_number == number

    work = Fleetwork(nodes, at=at)
    watched(work)
    with suppress(NeuronError):
        assert work.run(trial).as_wanted
    assert work.apply is not None
    assert work.apply.as_wanted or work.line.gone
    for node in nodes:
        node.passes(3600)
    for node, fate in zip(nodes, work.fates().values(), strict=True):
        truth = {OLD: "old", NEW: "new"}[node.runs]
        if fate == "trial":
            assert truth == "old", "nobody confirms: it has gone back by itself"
        else:
            assert fate in (truth, "unsure", *(["same"] if node.runs == OLD else []))
        assert fate != Fate.NEW or node.model == NEW
