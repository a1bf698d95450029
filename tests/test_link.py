"""The line: the silence between frames, when an answer is taken, and what is shown. On a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from host.core.modbus import frame_seal, read_pdu, write_coil_pdu
from host.core.wire import Format, Gap
from host.node import link as module
from host.node.link import SPIN_SECONDS, Link, character_seconds, silence_seconds

NODE = 1
REQUEST = read_pdu(4, 0, 1)
FRAME = frame_seal(bytes([NODE]) + REQUEST)
REPLY = bytes([4, 2, 0x12, 0x34])
ANSWER = frame_seal(bytes([NODE]) + REPLY)
STEP = 1e-5
CHARACTER = 11 / 9600
SILENCE = 3.5 * CHARACTER


class Clock:
    """Goes on by a step whenever somebody looks."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        self.now += STEP
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds + SPIN_SECONDS / 2  # as sleeps do


class Wire:
    """A channel. stale: what lies there before a request; pieces: what comes after the next one, with its moments."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.stale: list[bytes] = []
        self.pieces: list[tuple[float, bytes]] = []
        self.sent: list[tuple[float, bytes]] = []
        self.closed = False
        self._coming: list[tuple[float, bytes]] = []

    def send(self, data: bytes) -> None:
        now = self.clock.now
        self.sent.append((now, data))
        self._coming, self.pieces = [(now + moment, piece) for moment, piece in self.pieces], []

    def hear(self, seconds: float) -> bytes:
        if self.stale:
            return self.stale.pop(0)
        if self._coming and self._coming[0][0] <= self.clock.now + seconds:
            moment, data = self._coming.pop(0)
            self.clock.now = max(self.clock.now, moment)
            return data
        self.clock.now += seconds
        return b""

    def close(self) -> None:
        self.closed = True


Opened = tuple[Link, Wire, Clock]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    wire = Wire(clock)
    return Link(wire, "here", 9600, Format.F8E1, timeout=0.5, trace=False), wire, clock


def test_the_silence_is_kept_from_the_last_byte_on(opened: Opened) -> None:
    link, wire, clock = opened
    born = clock.now
    wire.pieces = [(0.010, ANSWER[:3]), (0.020, ANSWER[3:])]
    assert link.exchange(NODE, REQUEST) == REPLY
    wire.pieces = [(0.010, ANSWER)]
    assert link.exchange(NODE, REQUEST) == REPLY
    (first, frame), (second, _) = wire.sent
    assert frame == FRAME
    assert 0 <= first - born - SILENCE <= 5 * STEP, "whoever spoke before us is heard out"
    assert 0 <= second - (first + 0.020) - SILENCE <= 5 * STEP, "and not much longer"
    assert all(seconds < SILENCE for seconds in clock.slept)


def test_a_shorter_silence_is_kept_as_well(opened: Opened) -> None:
    link, wire, clock = opened
    link.exchange(NODE, REQUEST)
    link.baud, link.gap, clock.slept = 1_000_000, Gap.TRUE_CHARACTERS, []
    silence = silence_seconds(1_000_000, Format.F8E1, Gap.TRUE_CHARACTERS)
    assert silence < SPIN_SECONDS
    before = clock.now
    link.exchange(NODE, REQUEST)
    assert abs(wire.sent[1][0] - before - silence) <= 5 * STEP
    assert clock.slept == [], "a sleep would last too long"


def test_no_answer_is_waited_for_as_long_as_it_may_take(opened: Opened) -> None:
    link, wire, clock = opened
    assert link.exchange(NODE, REQUEST) is None
    characters = len(FRAME) + len(ANSWER)
    assert clock.now - wire.sent[0][0] == pytest.approx(0.5 + characters * CHARACTER, abs=10 * STEP)
    assert not link.heard


def test_what_comes_before_the_request_or_is_another_answer_is_dropped(opened: Opened) -> None:
    link, wire, _ = opened
    other = frame_seal(bytes([NODE, 3, 2, 0, 0]))
    wire.stale = [ANSWER, b"?"]
    assert link.exchange(NODE, REQUEST) is None
    assert not link.heard
    wire.pieces = [(0.001, other), (0.002, b"\0" + ANSWER)]
    assert link.exchange(NODE, REQUEST) == REPLY
    wire.pieces = [(0.001, other)]
    assert link.exchange(NODE, REQUEST) is None
    assert link.heard_frame
    link.forget()
    wire.pieces = [(0.001, b"\0\xff\0\xff\0")]
    assert link.exchange(NODE, REQUEST) is None
    assert (link.heard, link.heard_frame) == (True, False)


def test_a_line_that_has_just_spoken_is_let_end(opened: Opened) -> None:
    link, wire, clock = opened
    born = clock.now
    wire.stale = [b"late", b"later"]
    assert link.exchange(NODE, REQUEST) is None
    assert 0 <= wire.sent[0][0] - born - 3 * SILENCE <= 15 * STEP


def test_a_broadcast_is_left_its_time_and_the_silence_after_it(opened: Opened) -> None:
    link, wire, clock = opened
    before = clock.now
    assert link.broadcast(REQUEST)
    assert clock.now - before <= SILENCE + 5 * STEP, "nobody waits for what will not come"
    assert wire.sent[0][1] == frame_seal(bytes([0]) + REQUEST)
    link.timeout = 0.001  # shorter than the frame takes
    assert link.broadcast(REQUEST)
    took = len(FRAME) * CHARACTER + SILENCE
    assert 0 <= wire.sent[1][0] - wire.sent[0][0] - took <= 10 * STEP


def test_a_broadcast_waits_for_silence_as_long_as_a_request(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, wire, _ = opened
    monkeypatch.setattr(wire, "hear", lambda seconds: b"\xff" * 9)
    assert not link.broadcast(REQUEST)
    assert wire.sent == []


def test_a_line_that_is_never_silent_is_given_up(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    link, wire, clock = opened
    born = clock.now
    monkeypatch.setattr(wire, "hear", lambda seconds: b"\xff" * 9)
    assert link.exchange(NODE, REQUEST) is None
    assert wire.sent == []
    assert link.heard
    assert clock.now - born == pytest.approx(0.5, abs=2 * SILENCE)


def test_what_takes_no_more_gives_no_answer(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def block(data: bytes) -> None:
        raise TimeoutError("nobody reads")

    link, wire, _ = opened
    monkeypatch.setattr(wire, "send", block)
    assert link.exchange(NODE, REQUEST) is None


def test_an_echo_is_known(opened: Opened) -> None:
    link, wire, _ = opened
    wire.pieces = [(0.001, FRAME), (0.010, ANSWER)]
    assert link.exchange(NODE, REQUEST) == REPLY
    assert link.echoed
    coil = write_coil_pdu(0, True)
    wire.pieces = [(0.001, frame_seal(bytes([NODE]) + coil))]
    assert link.exchange(NODE, coil) == coil
    assert not link.echoed, "a good answer to this is the same"
    wire.pieces = [(0.001, ANSWER)]
    assert link.exchange(NODE, REQUEST) == REPLY
    assert not link.echoed


def test_every_frame_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    wire = Wire(clock)
    link = Link(wire, "here", 9600, Format.F8E1, timeout=0.5, trace=True)
    wire.pieces = [(0.001, ANSWER[:4]), (0.002, ANSWER[4:])]
    link.exchange(NODE, REQUEST)
    wire.pieces = [(0.001, ANSWER[:4])]
    link.exchange(NODE, REQUEST)
    assert capsys.readouterr().err.splitlines() == [
        "-> 01 04 00 00 00 01 31 ca  (read input registers)",
        "<- 01 04 02 12 34 b4 47  (read input registers)",
        "-> 01 04 00 00 00 01 31 ca  (read input registers)",
        "<- 01 04 02 12  (not a whole frame)",
    ]


@pytest.mark.parametrize("failing", ["send", "hear"])
def test_a_device_that_has_gone_is_said(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*args: object) -> bytes:
        raise OSError("gone")

    link, wire, _ = opened
    monkeypatch.setattr(wire, failing, fail)
    with pytest.raises(module.Gone, match="here has gone: check the cable or the adapter"):
        link.exchange(NODE, REQUEST)


@pytest.mark.parametrize(
    ("baud", "line_format", "gap", "microseconds"),
    [
        (9600, Format.F8E1, Gap.STANDARD, 3.5 * 11 / 9600 * 1e6),
        (19200, Format.F8N1, Gap.STANDARD, 3.5 * 10 / 19200 * 1e6),
        (19201, Format.F8E1, Gap.STANDARD, 1750),
        (1_000_000, Format.F8N2, Gap.STANDARD, 1750),
        (1_000_000, Format.F8N2, Gap.TRUE_CHARACTERS, 38.5),
        (9600, Format.F8E1, Gap.TRUE_CHARACTERS, 3.5 * 11 / 9600 * 1e6),
    ],
)
def test_the_silence_of_each_setting(baud: int, line_format: Format, gap: Gap, microseconds: float) -> None:
    assert silence_seconds(baud, line_format, gap) * 1e6 == pytest.approx(microseconds)


def test_the_time_of_a_character() -> None:
    assert character_seconds(9600, Format.F8E1) == character_seconds(9600, Format.F8N2) == 11 / 9600
    assert character_seconds(9600, Format.F8N1) == 10 / 9600


class Device:
    """In place of serial.Serial: a driver that may know low latency, or not."""

    def __init__(self, **options: object) -> None:
        self.options = options
        self.low_latency: list[bool] = []

    def set_low_latency_mode(self, wanted: bool) -> None:
        self.low_latency.append(wanted)


def _refuse(self: Device, wanted: bool) -> None:
    raise ValueError("no such ioctl")


def _know_none(self: Device, wanted: bool) -> None:
    raise NotImplementedError("as pyserial does on macOS")


@pytest.mark.parametrize("refuse", [None, _refuse, _know_none])
def test_low_latency_is_asked_for_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, refuse: Callable[..., None] | None
) -> None:
    made: list[Device] = []

    def make(port: str, **options: object) -> Device:
        made.append(Device(**options))
        return made[-1]

    if refuse:
        monkeypatch.setattr(Device, "set_low_latency_mode", refuse)
    monkeypatch.setattr("serial.Serial", make)
    module.open_link("/dev/ttyUSB485", baud=9600, line_format=Format.F8O1, timeout=1.0)
    assert (made[0].options["parity"], made[0].options["exclusive"]) == ("O", True)
    assert made[0].low_latency == ([] if refuse else [True])
