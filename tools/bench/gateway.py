"""Where one line and one computer end: rounds of polling a second, how late a lamp is known, messages a second.

What the wire allows is counted in virtual time; what this computer and a broker take is measured, with Mosquitto.
"""

from __future__ import annotations

import itertools
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from host.boards.signals import generated
from host.boards.simulated import simulate
from host.core.image import encode
from host.core.wire import Gap
from host.node.events import Event
from host.node.identity import bit_of
from host.node.node import Node, open_line
from host.node.staging import deploy
from host.progress import Progress, silent
from host.web.gateway import Gateway
from host.web.hub import Hub
from host.web.mqtt import Bridge, Settings
from host.web.poller import Polled, Poller
from host.web.topics import Topics
from tests.broker import HOST, MOSQUITTO, Listener, broker, listening
from tests.fleet_line import FleetLine
from tests.hop_node import a_model
from tests.memory_fleet import InMemory, memory_fleet
from tests.page.served import Served, serving
from tests.web_samples import node as sample
from tests.web_samples import simulated_fleet, simulated_uid, uid_of
from tools.bench.fleet import BAUD, QUICK
from tools.bench.networks import SIGNAL, SOURCES

COUNTS = (10, 32, 100)
"""Nodes on a line."""
FIRST = 11
LIT = (2000.0, 2000.0)
"""Inputs that light its lamp."""
ROUNDS = 25
BETWEEN = 7
"""Frames from one lamp that changes to the next: they fall on all places of a round."""
FLIPS = 300
FLOOD_SECONDS = 3.0
LINES, NODES = 3, 8
"""Processes, each with a line of so many simulated nodes."""
THREE_SECONDS = 10.0
STEPS = len(COUNTS) + 3
NO_BROKER = f"there is no {MOSQUITTO}: apt-get install mosquitto"
TOPICS = Topics("neuron485", "bench")


@dataclass(frozen=True)
class Rounds:
    """Of a line in virtual time. short: with silences of 3.5 characters; requests: of a round; late: seconds from a
    lamp's change until the gateway knew of it, the longest of one for each node; longest: round meanwhile."""

    nodes: int
    seconds: float
    short: float
    requests: float
    late: float
    longest: float


@dataclass(frozen=True)
class Messages:
    """On this computer, of 100 nodes all of whose values change: milliseconds from the hub to a listener at the broker
    for a lamp's change; messages a second that it hears when there is no end of them."""

    median: float
    worst: float
    a_second: float


@dataclass(frozen=True)
class Three:
    """Of LINES processes on this computer: rounds a second of each line, and messages a second at the broker."""

    rounds: list[float]
    messages: float


@dataclass(frozen=True)
class Gateways:
    """messages, three: None without a broker."""

    rounds: list[Rounds]
    messages: Messages | None
    three: Three | None


def measure(progress: Progress = silent) -> Gateways:
    """All of it, in a minute."""
    rounds = []
    for done, nodes in enumerate(COUNTS):
        progress("rounds in virtual time", done, STEPS)
        rounds.append(polled(nodes))
    if not MOSQUITTO.exists():
        return Gateways(rounds, None, None)
    progress("messages to a broker", len(COUNTS), STEPS)
    said = messages()
    progress("three gateways and a broker", STEPS - 1, STEPS)
    three = gateways()
    progress("three gateways and a broker", STEPS, STEPS)
    return Gateways(rounds, said, three)


# ------------------------------------------------------------------------------------------------ the line


@dataclass
class _Lamps:
    """When each lamp was known to have changed, by the line's clock."""

    line: FleetLine
    lit: dict[str, float] = field(default_factory=dict)

    def node(self, polled: Polled) -> None:
        if bit_of(polled.bits, "LED"):
            self.lit.setdefault(polled.uid, self.line.seconds)

    def event(self, polled: Polled, event: Event) -> None:
        pass

    def own(self, kind: str, text: str, uid: str | None) -> None:
        raise AssertionError(text)


def polled(count: int) -> Rounds:
    """So many nodes, polled."""
    with memory_fleet(count, first=FIRST, flags=QUICK) as nodes:
        for number in range(count):
            deploy(_alone(nodes, number), encode(a_model(None)), prove=False)
        line = FleetLine(nodes, baud=BAUD)
        lamps = _Lamps(line)
        poller = Poller(lamps, clock=lambda: line.seconds)
        poller.open(line, wait=0.1)
        poller.adopt((node.uid, node.uid, FIRST + number) for number, node in enumerate(nodes))
        while any(one.look is None for one in poller.nodes.values()):
            poller.round()
        seconds, requests = _timed(poller, line)
        late, longest = _late(poller, line, lamps, nodes)
        line.gap = Gap.TRUE_CHARACTERS
        short, _ = _timed(poller, line)
    return Rounds(count, seconds, short, requests, late, longest)


def _alone(nodes: list[InMemory], number: int) -> Node:
    """Another way to a node than the line: in no time."""
    return Node(FleetLine([nodes[number]]), FIRST + number)


def _timed(poller: Poller, line: FleetLine) -> tuple[float, float]:
    """Seconds and requests of a round, with all that is asked for but now and then."""
    began, before = line.seconds, len(line.frames)
    for _ in range(ROUNDS):
        poller.round()
    return (line.seconds - began) / ROUNDS, (len(line.frames) - before) / ROUNDS


def _late(poller: Poller, line: FleetLine, lamps: _Lamps, nodes: list[InMemory]) -> tuple[float, float]:
    """Every so many frames another lamp is lit, just before a frame is said."""
    lit: dict[str, float] = {}
    longest = 0.0
    begin = len(line.frames)

    def light(number: int, frame: bytes) -> None:
        which, rest = divmod(number - begin, BETWEEN)
        if not rest and which < len(nodes):
            lit[nodes[which].uid] = line.seconds
            _alone(nodes, which).evaluate_float([LIT], 1)

    line.at = light
    while len(lit) < len(nodes) or lit.keys() - lamps.lit.keys():
        poller.round()
        longest = max(longest, poller.cycle_seconds)
    line.at = lambda number, frame: None
    return max(lamps.lit[uid] - when for uid, when in lit.items()), longest


# ---------------------------------------------------------------------------------------------- the broker


class _Heard:
    """Of each node's lamp, when it was heard. count: of all messages."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.news = threading.Event()
        self.lamps: dict[str, tuple[bool, float]] = {}
        self.count = 0
        listener.client.on_message = self._hear

    def _hear(self, client: object, userdata: object, message: object) -> None:
        topic, payload = message.topic, message.payload  # type: ignore[attr-defined]
        self.count += 1
        if topic.endswith("/state"):
            uid, lamp = topic.split("/")[-2], json.loads(payload)["lamp"]
            if self.lamps.get(uid, (None,))[0] is not lamp:
                self.lamps[uid] = lamp, time.perf_counter()
                self.news.set()

    def until(self, uid: str, lamp: bool) -> float:
        while self.lamps.get(uid, (None,))[0] is not lamp:
            self.news.wait()
            self.news.clear()
        return self.lamps[uid][1]


def messages() -> Messages:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = stack.enter_context(broker(folder)).port
        hub = Hub()
        settings = Settings(HOST, port, False, None, None, TOPICS, False)
        heard = _Heard(stack.enter_context(listening(port)))
        stack.enter_context(Bridge(Gateway(hub, []), settings).running())
        for number in range(1, 101):
            hub.say_node(sample(number))
            heard.until(uid_of(number), False)
        late = list(_flips(hub, heard))
        a_second = _flood(hub, heard)
    return Messages(1000 * statistics.median(late), 1000 * max(late), a_second)


def _flips(hub: Hub, heard: _Heard) -> Iterator[float]:
    """Seconds, of one lamp after the other, while all values change."""
    for flip in range(FLIPS):
        which, lit = 1 + flip % 100, flip // 100 % 2 == 0
        for number in range(1, 101, 10):
            if number != which:
                hub.say_node(sample(number, led=heard.lamps[uid_of(number)][0], outputs=[float(flip), 0.5]))
        news = sample(which, led=lit)
        began = time.perf_counter()
        hub.say_node(news)
        yield heard.until(uid_of(which), lit) - began


def _flood(hub: Hub, heard: _Heard) -> float:
    """All lamps change, over and over: messages a second that are heard."""
    both = [[sample(number, led=lit) for number in range(1, 101)] for lit in (True, False)]
    began, before = time.perf_counter(), heard.count
    for turn in itertools.count():
        for one in both[turn % 2]:
            hub.say_node(one)
        time.sleep(0.01)  # the bridge is a thread of this process
        spent = time.perf_counter() - began
        if spent > FLOOD_SECONDS and heard.count > before:
            break
    return (heard.count - before) / spent


# ------------------------------------------------------------------------------------------------ three of them


def gateways() -> Three:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = stack.enter_context(broker(folder)).port
        listener = stack.enter_context(listening(port, f"{TOPICS.prefix}/#"))
        served = [stack.enter_context(_gateway(folder, port, number)) for number in range(LINES)]
        states = [TOPICS.node(simulated_uid(address), "state") for address in range(1, LINES * NODES + 1)]
        listener.wait(lambda: all(map(listener.latest, states)), "all nodes")
        began, before = time.perf_counter(), list(map(_rounds, served))
        heard = len(listener.messages)
        time.sleep(THREE_SECONDS)
        spent = time.perf_counter() - began
        rounds = [(_rounds(one) - was) / spent for one, was in zip(served, before, strict=True)]
        return Three(rounds, (len(listener.messages) - heard) / spent)


def _rounds(gateway: Served) -> int:
    (line,) = gateway.ask("api/state")["lines"]
    return int(line["rounds"])


@contextmanager
def _gateway(folder: Path, port: int, number: int) -> Iterator[Served]:
    """A process, and a line of nodes that sense."""
    addresses, name = range(1 + number * NODES, 1 + (number + 1) * NODES), f"pc{number + 1}"
    image = encode(a_model(SOURCES, window=64, hop=20))
    with simulate(nodes=list(addresses), signal=generated(list(SIGNAL))) as sim:
        for address in addresses:
            with open_line(sim.port, address=address) as node:
                deploy(node, image, prove=False)
        fleet = ["--fleet", str(simulated_fleet(folder, name, addresses))]
        mqtt = ["--mqtt", f"mqtt://{HOST}:{port}", "--mqtt-prefix", TOPICS.prefix, "--mqtt-name", name]
        with serving(sim.port, *fleet, *mqtt) as served:
            yield served
