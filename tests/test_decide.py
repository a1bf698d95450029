"""One arithmetic: host/core/decide.py and firmware/core/decide.c, compared with ==, and with an oracle that looks at
the whole history, millisecond by millisecond."""

from __future__ import annotations

import itertools
import struct
import subprocess
from dataclasses import replace
from enum import IntEnum
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from host.core.decide import Decider, Decision, decide_hysteresis
from host.core.fixed import INT16_MAX, INT16_MIN
from host.core.image import Layer, Model
from host.core.infer import decide_all, led
from host.core.wire import DELAY_MAX, VOTES_MAX, Activation
from tests.parity.twins import BUILDS, build_id
from tests.programs import program

SEQUENCES, CALLS = 500, 500
CLOCK = 1 << 32
LONG = 100_000_000
"""Of delays up to 21 ms it makes such as are just below 2**31, and takes the clock round again and again."""


class Call(IntEnum):
    STEP = 0
    TICK = 1
    ACKNOWLEDGE = 2


class Asked(NamedTuple):
    """Of a STEP the output; the time without end."""

    call: Call
    output: int
    time: int


class Said(NamedTuple):
    decision: bool
    condition: bool
    latched: bool


class Sequence(NamedTuple):
    """A decision, the threshold above which it is on, and what happens."""

    decision: Decision
    on: int
    calls: list[Asked]


def oracle(sequence: Sequence) -> list[Said]:
    decision, on, calls = sequence
    assert decision.threshold_off is not None
    conditions: list[bool] = []
    votes: list[tuple[int, bool]] = []
    value, latched, changes, clock = decision.before, False, [], calls[0].time
    said = []

    def look(time: int) -> None:
        """Whether at this millisecond the value changes."""
        nonlocal value, latched
        if not votes or votes[-1][1] == value:
            return
        run = itertools.takewhile(lambda entry: entry[1] != value, reversed(votes))
        stood = time - list(run)[-1][0]
        rested = not changes or time - changes[-1] >= decision.hold
        if stood >= (decision.off_delay if value else decision.on_delay) and rested:
            value = not value
            changes.append(time)
            latched = latched or (decision.latch and value)

    for call, output, time in calls:
        if call is Call.ACKNOWLEDGE:
            latched = latched and value
        else:
            for millisecond in range(clock, time + 1):
                look(millisecond)
            clock = time
        if call is Call.STEP:
            before = conditions[-1] if conditions else decision.before
            conditions.append(output > on or (output > decision.threshold_off and before))
            votes.append((time, sum(conditions[-decision.of :]) >= decision.votes))
            look(time)
        said.append(Said(value or latched, conditions[-1] if conditions else decision.before, latched))
    return said


def python_twin(sequence: Sequence) -> list[Said]:
    decision, on, calls = sequence
    assert decision.threshold_off is not None
    decider = Decider(decision)
    said = []
    for call, output, time in calls:
        match call:
            case Call.STEP:
                condition = decide_hysteresis(decider.condition, output, on, decision.threshold_off)
                answer = decider.step(condition, time % CLOCK)
            case Call.TICK:
                answer = decider.tick(time % CLOCK)
            case Call.ACKNOWLEDGE:
                answer = decider.acknowledge()
        assert answer == decider.on
        said.append(Said(answer, decider.condition, decider.latched))
    return said


def question(sequence: Sequence) -> bytes:
    """As tests/parity/decide.c is asked."""
    d, on, calls = sequence
    head = struct.pack(
        "<2i8I",
        *(on, d.threshold_off, d.votes, d.of, d.on_delay, d.off_delay, d.hold, d.latch, d.before),
        len(calls),
    )
    return head + b"".join(struct.pack("<IiI", c.call, c.output, c.time % CLOCK) for c in calls)


def c_twin(build: tuple[str, list[str]], sequences: list[Sequence]) -> list[NDArray[np.bool_]]:
    """Of each sequence what Said has, a row a call."""
    cc, flags = build
    path = program("decide", ["tests/parity/decide.c"], flags=flags, cc=cc)
    asked = b"".join(map(question, sequences))
    done = subprocess.run([str(path)], input=asked, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    ends = list(itertools.accumulate(len(sequence.calls) for sequence in sequences))
    return np.split(np.frombuffer(done.stdout, np.bool_).reshape(-1, 3), ends[:-1])


def random_sequence(rng: np.random.Generator) -> Sequence:
    """Outputs wander about the thresholds; several calls may fall into one millisecond; the clock wraps on the way."""
    off = int(rng.integers(-20, 20))
    on = off + int(rng.integers(0, 15))
    of = int(rng.choice([1, 1, 2, 3, 5, 8, VOTES_MAX]))
    votes = int(rng.integers(1, of + 1))
    delays = [int(d) if rng.random() < 0.7 else 0 for d in rng.integers(0, 22, 3)]
    decision = Decision(
        off, votes, of, *delays, latch=bool(rng.random() < 0.3), before=bool(rng.random() < 0.5)
    )
    step = int(rng.choice([1, 4, 12, 30]))
    output, time, calls = int(rng.integers(-30, 40)), CLOCK - int(rng.integers(100, 2000)), []
    for _ in range(CALLS):
        output = int(np.clip(output + rng.integers(-step, step + 1), -35, 45))
        time += int(rng.integers(0, 12))
        kind = rng.random()
        call = Call.STEP if kind < 0.6 else Call.TICK if kind < 0.95 else Call.ACKNOWLEDGE
        calls.append(Asked(call, output, time))
    return Sequence(decision, on, calls)


def longer(sequence: Sequence) -> Sequence:
    """The same in a slower time."""
    d = sequence.decision
    delays = {name: LONG * getattr(d, name) for name in ("on_delay", "off_delay", "hold")}
    assert max(delays.values()) <= DELAY_MAX
    return sequence._replace(
        decision=replace(d, **delays), calls=[c._replace(time=LONG * c.time) for c in sequence.calls]
    )


@cache
def cases() -> list[tuple[Sequence, list[Said]]]:
    rng = np.random.default_rng(21)
    sequences = [random_sequence(rng) for _ in range(SEQUENCES)]
    return [(sequence, oracle(sequence)) for sequence in sequences]


def test_the_python_twin_is_the_oracle() -> None:
    for sequence, expected in cases():
        assert python_twin(sequence) == expected, sequence.decision
    for sequence, expected in cases()[::5]:
        assert python_twin(longer(sequence)) == expected, sequence.decision


@pytest.mark.parametrize("build", BUILDS, ids=build_id)
def test_the_c_twin_is_the_oracle(build: tuple[str, list[str]]) -> None:
    sequences, expected = zip(*cases(), strict=True)
    for some in (list(sequences), [longer(sequence) for sequence in sequences]):
        assert sum(len(sequence.calls) for sequence in some) == SEQUENCES * CALLS == 250_000
        for sequence, said, wanted in zip(some, c_twin(build, some), expected, strict=True):
            assert (said == np.array(wanted)).all(), sequence.decision


def test_the_sequences_are_worth_their_number() -> None:
    """Decisions part from conditions, and change often; latches hold and are ended."""
    parted = changed = held = ended = 0
    for sequence, said in cases():
        parted += sum(s.decision != s.condition for s in said)
        changed += sum(a.decision != b.decision for a, b in itertools.pairwise(said))
        held += sum(s.latched for s in said)
        ended += sum(a.latched and not b.latched for a, b in itertools.pairwise(said))
        times = [call.time for call in sequence.calls]
        assert times[0] < CLOCK < times[-1]
    assert 0.1 < parted / (SEQUENCES * CALLS) < 0.5
    assert changed > 4_000
    assert held > 10_000
    assert ended > 100


def test_ticks_change_nothing_but_when_it_shows() -> None:
    for sequence, said in cases():
        steps = [call for call in sequence.calls if call.call is not Call.TICK]
        if all(call.call is Call.STEP for call in steps) or not sequence.decision.latch:
            expected = [s for call, s in zip(sequence.calls, said, strict=True) if call.call is Call.STEP]
            alone = python_twin(sequence._replace(calls=[call for call in steps if call.call is Call.STEP]))
            assert alone == expected


def test_by_default_the_decision_is_the_condition() -> None:
    decider = Decider(Decision())
    assert decider.on is False
    for time, condition in enumerate([True, False, True, True, False]):
        assert decider.step(condition, time) is condition
        assert decider.tick(time) is condition
        assert decider.acknowledge() is condition


def test_a_pump_that_must_be_worn_for_two_seconds() -> None:
    """Word by word: on after 2 s without a break, and then for 5 s at least; acknowledged only when it is over."""
    decider = Decider(Decision(on_delay=2000, hold=5000, latch=True))
    assert decider.step(True, 0) is False
    assert decider.step(False, 1900) is False
    assert decider.step(True, 2000) is False
    assert decider.tick(3999) is False
    assert decider.tick(4000) is True
    assert decider.step(False, 4100) is True
    assert decider.tick(8999) is True
    assert decider.acknowledge() is True, "the hold is not over"
    assert decider.tick(9000) is True, "the latch"
    assert decider.acknowledge() is False


def test_hysteresis_at_its_ends() -> None:
    for output, on, off, before in itertools.product(
        (INT16_MIN, -1, 0, 1, INT16_MAX), (INT16_MIN, 0, INT16_MAX), (INT16_MIN, 0, INT16_MAX), (False, True)
    ):
        if off <= on:
            expected = True if output > on else False if output <= off else before
            assert decide_hysteresis(before, output, on, off) is expected


def test_all_decisions_of_a_model_at_once() -> None:
    """With two thresholds, with one, and by a class: decision by decision as the twin takes them."""
    rng = np.random.default_rng(22)
    layer = Layer(np.eye(3, dtype=np.int16), np.zeros(3, dtype=np.int32), Activation.IDENTITY, 0, 0)
    zero = np.zeros((1, 3), dtype=np.int16)
    model = Model("three", (0,) * 3, (layer,), 1, 20, zero, zero)
    y = np.cumsum(rng.integers(-9, 10, (2000, 3)), axis=0).astype(np.int16)
    times = np.cumsum(rng.integers(0, 9, 2000)).tolist()
    for more in ({"led_threshold": 20}, {"led_threshold": 0, "led_class": True}):
        for sequence, _ in cases()[:30]:
            decision = replace(sequence.decision, threshold_off=None if "led_class" in more else 5)
            model = replace(model, **more, decision=decision)
            decider, expected = Decider(decision), []
            for row, time in zip(y, times, strict=True):
                condition = bool(led(model, row[np.newaxis])[0])
                if decision.threshold_off is not None:
                    condition = decide_hysteresis(decider.condition, int(row[1]), 20, 5)
                expected.append(decider.step(condition, time))
            assert decide_all(model, y, times).tolist() == expected
