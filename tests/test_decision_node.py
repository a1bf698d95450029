"""The decision stage of a node whose inputs come from the bus, against the Python twin: at every write, and as time
passes without one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from host.core.decide import Decider, Decision, decide_hysteresis
from host.core.fixed import Int16
from host.core.image import Model, encode
from host.core.infer import infer, led
from host.core.wire import BY_NAME, EventKind, Table
from tests.e2e.scenario import AND
from tests.memory_node import MemoryNode
from tests.models import random_decision, random_model

INPUTS = BY_NAME["INPUTS"].address
COIL = {name: BY_NAME[name].address for name in ("HOLD", "ACKNOWLEDGE", "LAMP_TEST")}
MODELS, STEPS = 44, 60


@pytest.fixture
def node() -> Iterator[MemoryNode]:
    with MemoryNode() as running:
        yield running


def coil(node: MemoryNode, name: str, value: bool = True) -> None:
    node.ask(struct.pack(">BHH", 5, COIL[name], 0xFF00 if value else 0))


def bits(node: MemoryNode, *names: str) -> tuple[bool, ...]:
    found = node.read(Table.DISCRETE, 0, 16)
    return tuple(bool(found[BY_NAME[name].address]) for name in names)


def said(model: Model, decider: Decider, outputs: Int16) -> bool:
    """The condition after these outputs."""
    if model.led_class:
        return bool(led(model, outputs)[0])
    off = model.decision.threshold_off
    off = model.led_threshold if off is None else off
    return decide_hysteresis(decider.condition, int(outputs[0, model.led_output]), model.led_threshold, off)


def undecided(rng: np.random.Generator) -> tuple[Model, Int16]:
    """A model with delays of about a second, whose LED's output is on both sides of its threshold for these inputs."""
    while True:
        model = random_model(rng, largest=6)
        x = rng.integers(-32768, 32768, (STEPS, model.inputs)).astype(np.int16)
        outputs = infer(model, x)
        decision = random_decision(rng, model.led_threshold, model.led_class)
        if not model.led_class:
            off, on = (
                np.quantile(outputs[:, model.led_output], sorted(rng.uniform(0.3, 0.7, 2)))
                .astype(int)
                .tolist()
            )
            model, decision = replace(model, led_threshold=on), replace(decision, threshold_off=off)
        if len(set(led(model, outputs).tolist())) == 2:
            of = int(rng.integers(1, 4))
            delays = (rng.integers(0, 1000, 3) * (rng.random(3) < 0.5)).tolist()
            quick = replace(
                decision,
                votes=int(rng.integers(1, of + 1)),
                of=of,
                on_delay=delays[0],
                off_delay=delays[1],
                hold=delays[2],
            )
            return replace(model, decision=quick if rng.random() < 0.9 else decision), x


def test_every_write_and_every_millisecond_between(node: MemoryNode) -> None:
    rng = np.random.default_rng(8)
    changes = latched = ticks = 0
    for _ in range(MODELS):
        node.factory()
        node.advance((1 << 32) - 10_000)  # the clock wraps on the way
        model, x = undecided(rng)
        node.deploy(encode(model))
        decider, now = Decider(model.decision), node.get("UPTIME")
        zeros = np.zeros((1, model.inputs), dtype=np.int16)
        q = np.array(node.read(Table.HOLDING, INPUTS, model.inputs), dtype=np.uint16).astype(np.int16)
        before = decider.step(said(model, decider, infer(model, zeros + q)), now)
        for row in x:
            waited = int(rng.integers(1, 600))
            for part in (waited // 2, waited - waited // 2):
                node.advance(part)
                now = (now + part) & 0xFFFFFFFF
                node.idle(1)
                ticks += decider.tick(now) != before
                before = decider.on
                assert node.lamp() == decider.on
            node.write(INPUTS, [int(v) & 0xFFFF for v in row])
            decider.step(said(model, decider, infer(model, row[None])), now)
            if rng.random() < 0.2:
                coil(node, "ACKNOWLEDGE")
                decider.acknowledge()
                assert node.read(Table.COIL, COIL["ACKNOWLEDGE"]) == [0]
            found = bits(node, "DECISION", "LED", "CONDITION", "LATCHED", "WAITING", "SENSING")
            assert found == (decider.on, decider.on, decider.condition, decider.latched, False, False)
            changes += decider.on != before
            latched += decider.latched
            before = decider.on
    assert min(changes, ticks, latched) > 100, (changes, ticks, latched)


def deploy(node: MemoryNode, decision: Decision) -> None:
    """AND, and (1, 1) written to it."""
    node.deploy(encode(replace(AND, decision=decision)))


def light(node: MemoryNode, lit: bool) -> None:
    node.write(BY_NAME["INPUTS_FLOAT"].address, [0x3F80 * lit, 0] * 2)


def test_a_delay_runs_while_nobody_asks(node: MemoryNode) -> None:
    deploy(node, Decision(on_delay=300, off_delay=100))
    light(node, True)
    for milliseconds, lit in ((299, False), (1, True), (10_000, True)):
        node.advance(milliseconds)
        node.idle(1)
        assert node.lamp() == lit
    light(node, False)
    node.advance(99)
    node.idle(1)
    assert (node.lamp(), *bits(node, "CONDITION", "DECISION")) == (True, False, True)
    node.advance(1)
    node.idle(1)
    assert (node.lamp(), *bits(node, "CONDITION", "DECISION")) == (False, False, False)


def test_a_latch_waits_for_its_acknowledgement(node: MemoryNode) -> None:
    deploy(node, Decision(latch=True))
    light(node, True)
    assert bits(node, "LATCHED", "LED") == (True, True)
    coil(node, "ACKNOWLEDGE")
    assert bits(node, "LATCHED", "LED") == (True, True), "what latched it is still on"
    light(node, False)
    assert bits(node, "LATCHED", "LED", "CONDITION") == (True, True, False)
    coil(node, "ACKNOWLEDGE", value=False)
    assert bits(node, "LATCHED") == (True,), "0 is no acknowledgement"
    coil(node, "ACKNOWLEDGE")
    assert bits(node, "LATCHED", "LED") == (False, False)
    node.idle(1)
    assert not node.lamp()


def test_a_latch_does_not_outlive_a_start(node: MemoryNode) -> None:
    deploy(node, Decision(latch=True))
    light(node, True)
    node.power_cycle()
    assert bits(node, "LATCHED", "LED") == (False, False)


def test_votes_count_inferences_not_coils(node: MemoryNode) -> None:
    deploy(node, Decision(votes=3, of=3))
    light(node, True)
    for _ in range(5):
        coil(node, "LAMP_TEST")
        coil(node, "LAMP_TEST", value=False)
    light(node, True)
    assert bits(node, "LED") == (False,)
    light(node, True)
    assert bits(node, "LED") == (True,)


def test_hold_keeps_the_lamp_while_a_delay_goes_on(node: MemoryNode) -> None:
    deploy(node, Decision(on_delay=100))
    light(node, True)
    coil(node, "HOLD")
    node.advance(100)
    node.idle(1)
    assert (node.lamp(), *bits(node, "DECISION")) == (False, False)
    coil(node, "HOLD", value=False)
    node.idle(1)
    assert (node.lamp(), *bits(node, "DECISION")) == (True, True)


def test_an_acknowledgement_shows_when_hold_is_let_go_of(node: MemoryNode) -> None:
    deploy(node, Decision(latch=True))
    light(node, True)
    light(node, False)
    coil(node, "HOLD")
    coil(node, "ACKNOWLEDGE")
    assert bits(node, "LED") == (True,)
    coil(node, "HOLD", value=False)
    assert bits(node, "LED") == (False,)


def test_a_change_without_a_write_is_an_event(node: MemoryNode) -> None:
    deploy(node, Decision(on_delay=100))
    first = node.get("EVENTS_HEAD")
    light(node, True)
    inferences = node.get("INFERENCES")
    node.advance(250)
    node.idle(1)
    assert node.get("EVENTS_HEAD") == first + 1
    node.write(BY_NAME["EVENT_FROM"].address, [first >> 16, first & 0xFFFF])
    assert (node.get("EVENT_KIND"), node.get("EVENT_DETAIL")) == (EventKind.DECISION, 1)
    assert (node.get("EVENT_VALUE"), node.get("EVENT_COUNT")) == (inferences, 2)
    assert node.read(Table.HOLDING, BY_NAME["EVENT_INPUTS"].address, 2) == node.read(Table.HOLDING, INPUTS, 2)
