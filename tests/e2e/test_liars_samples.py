"""A node is a stranger also where it samples: whatever it says of its scans, events and windows, a recording and a
watch end with a result or with one line, after a bounded number of requests, and what was recorded can be read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host import deploy, monitor, record
from host.core.wire import BY_NAME, EventKind
from host.data.recording import read_recording
from host.node.identity import IDENTITY
from tests.e2e.liar import Place, all_words, liar, rows_of, sound
from tests.e2e.stand_in import stand_in
from tests.hop_node import SOURCES, HopNode, a_model
from tests.patience import PATIENCE
from tests.ring_node import TURN

WORDS = [0, 0xFFFF]
REQUESTS = 5000
"""More than any of these commands needs: a node that is asked on and on falls silent, and that is no good end."""
SCANS = 20
"""That the node takes between two requests."""

RECORD = ["--channels", "a0,d1", "--rate", "1000", "--seconds", "0.2", "--json"]
COMMANDS: dict[str, Callable[[str, str], tuple[Callable[[list[str]], int], list[str]]]] = {
    "record": lambda port, file: (record.main, [port, file, *RECORD]),
    "record around": lambda port, file: (
        record.main,
        [port, file, *RECORD, "--before", "5", "--after", "9"],
    ),
    "monitor": lambda port, file: (monitor.main, [port, "--seconds", "0.02"]),
    "monitor json": lambda port, file: (monitor.main, [port, "--seconds", "0.02", "--json"]),
    "describe": lambda port, file: (deploy.main, [port, "--describe", "--json"]),
}
Lie = Callable[[dict[str, Any], int], dict[str, Any]]
"""What is said in place of what is known, at the n-th request."""


class Liar(HopNode):
    """Takes scans and has an event now and then, at each request; says what it likes of it."""

    def __init__(self, lie: Lie) -> None:
        super().__init__(a_model(SOURCES, 2), number=100)
        self.requests, self.lie = 0, lie

    def known(self) -> dict[str, Any]:
        known = super().known()
        return known | self.lie(known, self.requests)

    def answer(self, pdu: bytes) -> bytes | None:
        self.requests += 1
        self.advance(SCANS)
        if self.requests % 8 == 0:
            self.happen(EventKind.DECISION, self.requests // 8 % 2, 1, (1, 2, 3, 4))
        return self(pdu) if self.requests < REQUESTS else None


Run = Callable[..., tuple[int, str, str, set[Place]]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in needs no silence to know a frame by."""
    monkeypatch.setattr("host.node.link.silence_seconds", lambda *line: 0.0)
    monkeypatch.setattr("host.node.client.SETTLE_SECONDS", 0.0)
    monkeypatch.setattr("host.data.recorder.STILL_SECONDS", 0.1)
    monkeypatch.setattr("host.data.recorder.PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("host.monitor.LOOKS_A_SECOND", 1000)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """run(command, lies of registers, lie of values): its status, what it said, what it read."""

    def one(
        name: str, lies: dict[Place, int] | None = None, lie: Lie = lambda known, n: {}
    ) -> tuple[int, str, str, set[Place]]:
        file, asked = tmp_path / "run.csv", set[Place]()
        for left in tmp_path.iterdir():
            left.unlink()
        began = time.monotonic()
        with stand_in(liar(Liar(lie).answer, lies or {}, asked)) as port:
            main, argv = COMMANDS[name](port, str(file))
            status = main([*argv, "--baud", "115200"])
        assert time.monotonic() - began < PATIENCE
        out, err = capsys.readouterr()
        sound(status, out, err)
        if "--json" in argv:
            said = [json.loads(line) for line in out.splitlines()]
            assert all(isinstance(line, dict) for line in said)
        if file.exists():
            found = read_recording(file)
            assert len(found.samples) > 0
        return status, out, err, asked

    return one


@pytest.mark.parametrize("name", COMMANDS)
def test_every_register_that_is_read_may_lie(run: Run, name: str) -> None:
    """But for the identity and the image: tests.e2e.test_liars has those."""
    status, out, _, asked = run(name)
    assert (status, bool(out)) == (0, True)
    for row in [row for row in rows_of(asked) if row not in (*IDENTITY.rows, BY_NAME["IMAGE"])]:
        for word in WORDS:
            run(name, all_words(row, word))


@pytest.mark.parametrize("name", COMMANDS)
def test_all_registers_may_lie_at_once(run: Run, name: str) -> None:
    rng = np.random.default_rng(485)
    asked = sorted(run(name)[3])
    version = (BY_NAME["WIRE_VERSION"].table, BY_NAME["WIRE_VERSION"].address)
    for _ in range(5):
        some = [place for place in asked if rng.random() < 0.05 and place != version]
        run(name, {place: int(rng.integers(0x10000)) for place in some})


def moved(name: str, by: Callable[[int], int]) -> Lie:
    """A number that is off by so many at the n-th request."""
    return lambda known, n: {name: (known.get(name, 0) + by(n)) % TURN}


MOVING: dict[str, Lie] = {
    f"{name} {how}": moved(name, by)
    for name in (
        "SAMPLES_HEAD",
        "SAMPLES_FIRST",
        "UPTIME",
        "EVENTS_HEAD",
        "EVENT_NUMBER",
        "EVENT_SAMPLE",
        "WINDOWS",
    )
    for how, by in {
        "goes back": lambda n: -100 * n,
        "races": lambda n: 1_000_000 * n,
        "jumps by a half": lambda n: n % 2 * TURN // 2,
        "jumps by nearly a half": lambda n: n % 2 * (TURN // 2 - 1),
        "is wild": lambda n: n * 2_654_435_761,
    }.items()
}
MOVING |= {
    "both race": lambda known, n: {
        name: (known[name] + 1_000_000 * n) % TURN for name in ("SAMPLES_HEAD", "SAMPLES_FIRST")
    },
    "always one more event": lambda known, n: {
        "EVENT_NUMBER": known["EVENT_FROM"],
        "EVENTS_HEAD": (known["EVENT_FROM"] + 1) % TURN,
        "EVENT_KIND": EventKind.GAP,
        "EVENT_DETAIL": 0,
        "EVENT_COUNT": 0,
    },
    "inputs come and go": lambda known, n: {"EVENT_COUNT": n % 2 * 64},
    "the channels change": lambda known, n: {"SAMPLES_CHANNELS": (0x201, 0x203)[n % 2]},
    "the channels are others": lambda known, n: {"SAMPLES_CHANNELS": 0x203},
    "a channel comes and goes": lambda known, n: {"SAMPLING_CHANNELS": (0x201, 0x203)[n % 2]},
    "the rate changes": lambda known, n: {"SAMPLING_RATE": (1000, 999)[n % 2]},
    "another model each time": lambda known, n: {"RESULT_CRC": n},
    "results of no model": lambda known, n: {"RESULT_SEQUENCE": 0},
    "another shape": lambda known, n: {"MODEL_INPUTS": n % 64 + 1, "MODEL_OUTPUTS": 64 - n % 64},
}


@pytest.mark.parametrize("how", MOVING)
def test_what_is_said_may_change_from_request_to_request(run: Run, how: str) -> None:
    for name in ("record", "record around", "monitor", "monitor json"):
        run(name, lie=MOVING[how])
