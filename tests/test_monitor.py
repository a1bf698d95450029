"""Watching a node: every window is shown or counted, what stands out is seen, and the wire carries it ten times a
second."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from host import monitor
from host.cli.line import Line
from host.core.hashes import hash_of
from host.core.senses import Source
from host.core.wire import BAUD_MAX, BY_NAME, EVENTS, UNITS_MAX, EventKind, Feature, Gap, Trust
from host.node import client
from host.node import watching as node_watching
from host.node.node import Node
from host.node.watching import Watching
from host.show.live import Page, lost_in_words
from tests.hop_node import SOURCES, HopNode, a_model
from tests.ring_node import TURN
from tests.virtual_link import VirtualLink

SENSES = a_model(SOURCES, 2)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SETTLE_SECONDS", 0.0)


def watched(fake: HopNode, **line: Any) -> Watching:
    return Watching(Node(VirtualLink(fake, **{"baud": 115200, **line}), 1))


def shown(watching: Watching, page: Page | None = None, *, drawn: bool = True) -> str:
    out = Console(file=io.StringIO(), width=100, markup=False)
    out.print((page or Page(drawn=drawn)).of(watching.look(), watching))
    return out.file.getvalue()  # type: ignore[attr-defined, no-any-return]


# ------------------------------------------------------------------------------------------------------------- windows


@pytest.mark.parametrize("number", [0, TURN - 50])
def test_every_window_is_read_as_it_was_decided(number: int) -> None:
    fake = HopNode(SENSES, number)
    watching = watched(fake)
    assert watching.hop() is None
    fake.advance(16)
    for _ in range(30):
        hop = watching.hop()
        assert hop is not None
        assert {name: hop.as_dict()[name] for name in fake.hop} == fake.hop
        assert hop.decision == hop.led == fake.decided
        assert watching.hop() is None
        fake.advance(8)
    assert (watching.hops.unseen, watching.hops.missed, watching.hops.decided) == (0, 0, 30)


def test_windows_that_pass_between_two_reads_are_counted() -> None:
    fake = HopNode(SENSES)
    fake.advance(16 + 5 * 8)
    watching = watched(fake)
    assert watching.hop() is not None, "the newest stands there already"
    fake.advance(3 * 8)
    fake.windows_missed += 2
    assert watching.hop() is not None
    assert (watching.hops.decided, watching.hops.unseen, watching.hops.missed) == (4, 2, 2)
    assert lost_in_words(watching) == [
        "2 windows not decided by the node, as scans were lost",
        "2 windows of 4 decided between two looks, unseen here",
    ]


def test_windows_are_counted_across_a_new_beginning_and_the_end_of_the_counter() -> None:
    fake = HopNode(SENSES)
    watching = watched(fake)
    fake.advance(16 + 10 * 8)
    assert watching.hop() is not None
    fake.restart()
    fake.deploy(SENSES)
    fake.sequence -= 1  # the node starts with the model that it has
    fake.advance(16 + 16)
    fake.windows_missed = 1
    assert watching.hop() is not None
    assert (watching.hops.decided, watching.hops.unseen, watching.hops.missed) == (14, 12, 1)
    fake.windows = TURN - 1
    watching.hops.follow(4, 2)
    fake.windows = TURN + 1
    assert watching.hop() is not None
    assert watching.hops.decided == 17


def test_a_start_shows_by_its_samples_though_more_windows_came_since() -> None:
    """A model that was young then, on a node that was not."""
    fake = HopNode(SENSES, number=100_000)
    watching = watched(fake)
    fake.advance(16)
    fake.windows_missed = 1
    assert watching.hop() is not None
    fake.restart()
    fake.deploy(SENSES)
    fake.sequence -= 1
    fake.windows_missed = 0
    fake.advance(16 + 4 * 8)
    hop = watching.hop()
    assert hop is not None
    assert hop.sample == fake.hop["sample"]
    assert (watching.hops.decided, watching.hops.unseen, watching.hops.missed) == (6, 4, 1)


MANY = tuple(Source(i % 6, Feature.RMS, 1, 4, 0) for i in range(UNITS_MAX))


def test_a_window_of_several_requests_is_read_whole_or_counted() -> None:
    fake = HopNode(a_model(MANY, UNITS_MAX))
    fake.advance(16)
    watching = watched(fake)
    again = []

    def meanwhile(pdu: bytes) -> None:
        if again and pdu[1:3] == BY_NAME["WINDOWS"].address.to_bytes(2, "big"):
            fake.advance(again.pop())

    fake.before = meanwhile
    again += [0, 0, 8, 0]
    hop = watching.hop()
    assert hop is not None
    assert {name: hop.as_dict()[name] for name in fake.hop} == fake.hop
    assert watching.hops.decided == watching.hops.unseen + 1 == 2
    again += [8] * 20
    assert watching.hop() is None
    assert watching.hops.decided == watching.hops.unseen + 1 > 2


def test_another_model_is_seen_at_once() -> None:
    fake = HopNode(SENSES)
    watching = watched(fake)
    fake.advance(16)
    assert watching.hop() is not None
    fake.deploy(a_model(SOURCES[:2], 1))
    fake.advance(16)
    hop = watching.hop()
    assert hop is not None
    assert (len(hop.inputs), len(hop.outputs)) == (2, 1)
    fake.running, fake.model = None, None
    assert watching.look().model is None


def test_a_model_that_the_bus_feeds_is_watched_too() -> None:
    fake = HopNode(a_model(None, 2))
    fake.bus = [1000, 2500]
    watching = watched(fake)
    hop = watching.hop()
    assert hop is not None
    assert hop.as_dict() == {
        "sample": None,
        "features": [],
        "inputs": [1000, 2500],
        "outputs": [3500, 3501],
        "decision": True,
        "led": True,
    }
    assert watching.hop() is None
    fake.bus = [-5, 6]
    hop = watching.hop()
    assert hop is not None
    assert (hop.inputs, hop.outputs, hop.decision) == ((-5, 6), (1, 2), False)


# ------------------------------------------------------------------------------------------------------------ the page


def test_the_page_has_everything() -> None:
    fake = HopNode(SENSES)
    fake.values["SAMPLE_CHANNELS"] = 0b100
    watching = watched(fake)
    fake.happen(EventKind.DECISION, 1, inputs=(1, 2, 3, 4))
    fake.happen(EventKind.GAP, value=3)
    fake.advance(16 + 8)
    text = shown(watching)
    for part in (
        "fake; 1000 scans/s, windows of 16, every 8, sample 23",
        "a0.rms",
        "a0.bins(1,3)",
        "d1.count",
        "the decision is on",
        "3 samples lost",
        "11 edges, 2.5 Hz",
    ):
        assert part in text
    for name in ("a0", "a2"):
        row = next(line for line in text.splitlines() if line.split()[:1] == [name])
        assert row.split()[1] == str(watching.look().channels[("a0", "a2").index(name)].value)


def test_features_stand_in_their_own_units() -> None:
    fake = HopNode(SENSES)
    watching = watched(fake)
    fake.advance(16)
    row = next(line for line in shown(watching).splitlines() if line.startswith("a0.rms"))
    assert float(row.split()[1]) == pytest.approx(fake.hop["features"][0] / 16, rel=1e-4)
    assert float(row.split()[2]) == fake.hop["inputs"][0]


@pytest.mark.parametrize("name", ["BUS_LOST", "LATCHED", "CLIPPED", "OUT_OF_RANGE", "WAITING", "FAULT"])
def test_states_that_people_must_know_stand_out(name: str) -> None:
    fake = HopNode(SENSES)
    watching = watched(fake)
    assert name not in shown(watching)
    fake.bits.add(name)
    assert f" {name} " in shown(watching)


@pytest.mark.parametrize("name", ["OVERRIDE", "HOLD", "LAMP_TEST"])
def test_coils_that_are_set_stand_out(name: str) -> None:
    fake = HopNode(SENSES)
    fake.coils = {name}
    assert f" {name} " in shown(watched(fake))


def test_what_was_lost_stands_out() -> None:
    fake = HopNode(SENSES)
    watching, page = watched(fake), Page(drawn=False)
    fake.advance(16)
    shown(watching, page)
    fake.advance(80)
    fake.windows_missed, fake.missing = 1, {5, 6}
    for _ in range(EVENTS + 6):
        fake.happen(EventKind.CLIPPED, 1)
    text = shown(watching, page)
    assert "2 scans LOST" in text
    assert "1 window not decided by the node" in text
    assert "9 windows of 11 decided between two looks" in text
    assert "6 events lost: the node keeps the newest only" in text
    assert "( )" in text or "(*)" in text


def test_a_node_without_a_model_shows_its_channels() -> None:
    fake = HopNode()
    fake.values["SAMPLE_CHANNELS"] = 1
    text = shown(watched(fake))
    assert "no model runs; 1000 scans/s" in text
    assert "a0" in text


# ------------------------------------------------------------------------------------------------------------ the wire


def busiest() -> HopNode:
    """As many inputs and outputs as there can be, all channels, and coils to be asked for."""
    fake = HopNode(a_model(MANY, UNITS_MAX, hop=100))
    fake.values["SAMPLE_CHANNELS"] = fake.board
    fake.coils = {"OVERRIDE"}
    return fake


@pytest.mark.parametrize("gap", Gap)
@pytest.mark.parametrize("model", ["senses", "largest", "by the bus"])
def test_the_wire_carries_a_look_ten_times_a_second(model: str, gap: Gap) -> None:
    """At 115,200 baud and 1,000 scans/s, a window every 0.1 s, by the characters and silences of all its requests."""
    fake = {
        "senses": lambda: HopNode(a_model(SOURCES, 2, hop=100)),
        "largest": busiest,
        "by the bus": lambda: HopNode(a_model(None, 2)),
    }[model]()
    watching = watched(fake, gap=gap)
    link = watching._node.link
    worst = 0.0
    for turn in range(10):
        fake.advance(100)
        fake.bus = [turn, 0]
        before = link.seconds  # type: ignore[attr-defined]
        assert watching.look().hop is not None
        worst = max(worst, link.seconds - before)  # type: ignore[attr-defined]
    assert worst <= 1 / monitor.LOOKS_A_SECOND
    if model != "largest":
        assert worst <= 0.04


# --------------------------------------------------------------------------------------------------------- the command


@contextmanager
def stand_in(
    monkeypatch: pytest.MonkeyPatch, fake: HopNode, looks: int, each: Callable[[], object]
) -> Iterator[None]:
    """Commands talk to `fake`; a look follows the other, `each` in between, and after so many time is over."""

    @contextmanager
    def opened(*args: Any, **options: Any) -> Iterator[Node]:
        yield Node(VirtualLink(fake, baud=BAUD_MAX), 1)

    def turns(seconds: float | None, period: Callable[[], float]) -> Iterator[None]:
        for _ in range(looks):
            yield
            each()

    monkeypatch.setattr(Line, "open", opened)
    monkeypatch.setattr(monitor, "looks", turns)
    yield


def test_json_has_a_line_a_window_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = HopNode(SENSES)
    expected: list[dict[str, Any]] = []

    def window() -> None:
        fake.advance(8)
        if fake.hop:
            expected.append({**fake.hop, "decision": fake.decided, "led": fake.decided, **trust})

    trust = {"keyed": False, "locked": False, "trial_left": 0, "model_hash": hash_of(fake.image).hex()}
    with stand_in(monkeypatch, fake, 40, window):
        assert monitor.main(["PORT", "--json"]) == 0
    printed = capsys.readouterr()
    assert [json.loads(line) for line in printed.out.splitlines()] == expected[:-1]
    assert len(expected) == 39
    assert printed.err == ""


def test_json_looks_often_enough_whatever_model_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    hour = replace(SENSES, senses=replace(SENSES.senses, rate=1, hop=3600, expected=()))
    fake, periods = HopNode(hour), list[float]()

    def turns(seconds: float | None, period: Callable[[], float]) -> Iterator[None]:
        yield
        periods.append(period())
        fake.deploy(SENSES)
        yield
        periods.append(period())

    with stand_in(monkeypatch, fake, 0, lambda: None):
        monkeypatch.setattr(monitor, "looks", turns)
        assert monitor.main(["PORT", "--json"]) == 0
    assert periods == [1 / monitor.LOOKS_A_SECOND, 8 / 1000 / 4]


def test_json_says_what_passes_unseen_when_it_does_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = HopNode(SENSES)
    with stand_in(monkeypatch, fake, 10, lambda: fake.advance(24)):
        assert monitor.main(["PORT", "--json"]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 9
    assert printed.err.splitlines() == [
        "note: 1 window of 2 decided between two looks, unseen here",
        "warning: 17 windows of 26 decided between two looks, unseen here",
    ]


def test_json_without_a_model_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with stand_in(monkeypatch, HopNode(), 10, lambda: None):
        assert monitor.main(["PORT", "--json"]) == 2
    assert "the node runs no model: deploy one first" in capsys.readouterr().err


def test_without_a_terminal_there_are_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = HopNode(SENSES)
    fake.bits.add("BUS_LOST")
    fake.happen(EventKind.START)

    def each() -> None:
        fake.advance(8)
        fake.happen(EventKind.BUS_LOST, 1)

    with stand_in(monkeypatch, fake, 4, each):
        assert monitor.main(["PORT"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("the bus is lost" in line for line in lines) == 3
    windows = [line for line in lines if line.startswith("sample ")]
    assert len(windows) == 2
    assert windows[0].startswith("sample 15: a0.rms ")
    assert windows[0].endswith("BUS_LOST")
    assert "decision o" in windows[0]


def test_lines_say_what_is_lost_when_it_is_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = HopNode(SENSES)

    def each() -> None:
        for _ in range(EVENTS + 6):
            fake.happen(EventKind.BUS_LOST, 1)

    with stand_in(monkeypatch, fake, 3, each):
        assert monitor.main(["PORT"]) == 0
    printed = capsys.readouterr()
    assert len([line for line in printed.out.splitlines() if "the bus is lost" in line]) == 2 * EVENTS
    assert printed.err.splitlines() == [
        "note: 6 events lost: the node keeps the newest only",
        "warning: 12 events lost: the node keeps the newest only",
    ]


def test_ctrl_c_ends_it_well(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake = HopNode(SENSES)

    def interrupt() -> None:
        fake.advance(80)
        if fake.number > 200:
            raise KeyboardInterrupt

    with stand_in(monkeypatch, fake, 100, interrupt):
        assert monitor.main(["PORT", "--json"]) == 0
    assert "unseen here" in capsys.readouterr().err


def test_time_is_over_after_so_many_seconds() -> None:
    assert len(list(monitor.looks(1e-9, lambda: 0.0))) == 1


def test_on_a_simulated_node_without_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert monitor.main(["sim", "--seconds", "0.001"]) == 0
    assert monitor.main(["sim", "--seconds", "0.001", "--json"]) == 2
    assert "runs no model" in capsys.readouterr().err


def test_json_says_whom_the_node_obeys_as_that_changes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake, now = HopNode(SENSES), [0.0]
    monkeypatch.setattr(node_watching, "time", SimpleNamespace(monotonic=lambda: now[0]))
    keyed, locked = 1 << Trust.KEYED, 1 << Trust.LOCKED
    stands = iter([(0, 0), (keyed, 600), *((keyed | locked, left) for left in (599, 598, 598))])

    def each() -> None:
        fake.advance(8)
        now[0] += node_watching.TRUST_SECONDS / 2
        if now[0] % node_watching.TRUST_SECONDS:
            fake.values["TRUST"], fake.values["TRIAL_LEFT"] = next(stands)

    with stand_in(monkeypatch, fake, 10, each):
        assert monitor.main(["PORT", "--json"]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = [(line["keyed"], line["locked"], line["trial_left"]) for line in said]
    assert list(dict.fromkeys(found)) == [
        (False, False, 0),
        (True, False, 600),
        (True, True, 599),
        (True, True, 598),
    ]


def test_another_model_brings_its_hash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake, hashes = HopNode(SENSES), list[str]()

    def each() -> None:
        if len(hashes) == 6:
            fake.deploy(a_model(SOURCES, 1))
        fake.advance(16)
        hashes.append(hash_of(fake.image).hex())

    with stand_in(monkeypatch, fake, 12, each):
        assert monitor.main(["PORT", "--json"]) == 0
    said = [json.loads(line)["model_hash"] for line in capsys.readouterr().out.splitlines()]
    assert said == hashes[: len(said)]
    assert len(set(said)) == 2
