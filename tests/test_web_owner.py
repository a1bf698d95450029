"""The thread that owns a line, and what it tells the hub: jobs, a line that goes and comes back, who listens."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from host.core.image import encode
from host.errors import NeuronError
from host.node.link import Link, PortError
from host.web.deeds import SIMPLE, deploying, setting
from host.web.gateway import Gateway, Unknown
from host.web.hub import EVENTS_KEPT, JOBS_KEPT, WAITING, Hub
from host.web.owner import Owner
from host.web.poller import NOBODY, Polled, Poller
from host.web.shapes import Json, own_event
from host.web.telling import telling
from tests.e2e.scenario import AND, OR
from tests.fleet_line import FleetLine
from tests.memory_fleet import InMemory, memory_fleet
from tests.patience import PATIENCE

WAITS = 0.1


class Line:
    """A line that can be pulled out. opened: how often it was."""

    def __init__(self, nodes: list[InMemory]) -> None:
        self.nodes = nodes
        self.out = False
        self.opened = 0
        self.now: FleetLine | None = None

    @contextmanager
    def open(self) -> Iterator[Link]:
        if self.out:
            raise PortError("a virtual line does not exist: is the adapter plugged in?")
        self.opened += 1
        self.now = FleetLine(self.nodes)
        yield self.now

    def pull(self) -> None:
        self.out = True
        assert self.now is not None
        self.now.gone = True


@dataclass
class Rig:
    line: Line
    hub: Hub
    owner: Owner
    gateway: Gateway

    @property
    def uids(self) -> list[str]:
        return [node.uid for node in self.line.nodes]

    def until(self, condition: Callable[[Json], object]) -> Json:
        """The state in which that holds."""
        news = threading.Event()
        with self.hub.listening(news.set) as box:
            while not condition(state := self.hub.state()):
                assert news.wait(PATIENCE), state
                news.clear()
                box.take()
        return state


@contextmanager
def rig(count: int = 2) -> Iterator[Rig]:
    with memory_fleet(count, flags=("-O1",)) as nodes:
        line, hub = Line(nodes), Hub()
        members = [(node.uid, f"n{number}", 11 + number) for number, node in enumerate(nodes)]
        owner = Owner(hub, "1", "a line", line.open, members=members, waits=lambda link: (WAITS, WAITS))
        gateway = Gateway(hub, [owner])
        with gateway.running():
            here = Rig(line, hub, owner, gateway)
            here.until(lambda state: all_are(state, "ok"))
            yield here


def all_are(state: Json, what: str) -> bool:
    return bool(state["nodes"]) and all(node["state"] == what for node in state["nodes"])


def job(state: Json, number: str) -> Json:
    (found,) = [one for one in state["jobs"] if one["id"] == number]
    return dict(found)


def ended(here: Rig, begun: Json) -> Json:
    state = here.until(lambda state: job(state, begun["id"])["state"] in ("done", "failed"))
    return job(state, begun["id"])


def test_a_deploy_is_a_job_and_the_node_says_what_runs() -> None:
    with rig() as here:
        begun = here.gateway.do(here.uids[0], "deploy", deploying(encode(AND), 0))
        done = ended(here, begun)
        assert done["state"] == "done"
        assert done["lines"][0].startswith("running: CRC-32 ")
        state = here.until(lambda state: state["nodes"][0]["model"])
        assert state["nodes"][0]["model"]["crc32"] == f"{done['result']['crc32']:08x}"
        assert state["nodes"][0]["model"]["sequence"] == 1
        assert state["nodes"][1]["model"] is None


def test_what_runs_already_is_not_said_to_be_on_trial() -> None:
    with rig() as here:
        tried = ended(here, here.gateway.do(here.uids[0], "deploy", deploying(encode(AND), 60)))
        assert tried["lines"][-1].startswith("on trial for 60 s")
        ended(here, here.gateway.do(here.uids[0], "confirm", SIMPLE["confirm"]))
        again = ended(here, here.gateway.do(here.uids[0], "deploy", deploying(encode(AND), 60)))
        assert again["lines"][0].startswith("it ran there already: nothing was written")
        assert not any("on trial" in line for line in again["lines"])


def test_a_lamp_that_blinks_is_let_go_before_a_model_is_proven() -> None:
    with rig() as here:
        ended(here, here.gateway.do(here.uids[0], "deploy", deploying(encode(AND), 0)))
        ended(here, here.gateway.do(here.uids[0], "identify", setting("identify", True)))
        done = ended(here, here.gateway.do(here.uids[0], "deploy", deploying(encode(OR), 0)))
        assert done["state"] == "done", done
        assert done["lines"][0] == "the lamp blinks no more"


def test_inputs_are_answered_by_the_node_with_the_frames_that_did_it() -> None:
    with rig() as here:
        with pytest.raises(NeuronError, match="runs no model"):
            here.gateway.inputs(here.uids[0], [1.0, 1.0]).result(PATIENCE)
        ended(here, here.gateway.do(here.uids[0], "deploy", deploying(encode(AND), 0)))
        here.until(lambda state: state["nodes"][0]["model"])
        for x1, x2 in ((0, 0), (0, 1), (1, 0), (1, 1)):
            said = here.gateway.inputs(here.uids[0], [float(x1), float(x2)]).result(PATIENCE)
            assert said["led"] is bool(x1 and x2)
            here.until(lambda state: state["nodes"][0]["led"] is bool(x1 and x2))  # noqa: B023
        with pytest.raises(NeuronError, match="takes 2 inputs, 3 were given"):
            here.gateway.inputs(here.uids[0], [1.0, 1.0, 1.0]).result(PATIENCE)


def test_others_are_polled_while_a_job_takes_its_steps() -> None:
    with rig() as here:
        seen: list[int] = []

        def long(polled: Polled, progress: object) -> Iterator[float]:
            for _ in range(5):
                assert here.line.now is not None
                seen.append(len(here.line.now.frames))
                yield 0.0

        ended(here, here.gateway.begin(here.uids[0], "train", long))
        assert all(after - before >= 2 for before, after in itertools.pairwise(seen))


def test_a_node_has_one_job_at_a_time_and_another_nodes_goes_on() -> None:
    with rig() as here:
        go = threading.Event()
        order: list[str] = []

        def waits(polled: Polled, progress: object) -> Iterator[float]:
            order.append("first begins")
            while not go.is_set():
                yield 0.0
            order.append("first ends")

        def second(polled: Polled, progress: object) -> None:
            order.append("second")

        def other(polled: Polled, progress: object) -> None:
            order.append("other")
            go.set()

        first = here.gateway.begin(here.uids[0], "train", waits)
        here.until(lambda state: state["nodes"][0]["busy"] == "train")
        after = here.gateway.begin(here.uids[0], "second", second)
        here.gateway.begin(here.uids[1], "other", other)
        ended(here, first)
        ended(here, after)
        assert order == ["first begins", "other", "first ends", "second"]


def test_a_failure_is_told_in_a_line_and_the_line_goes_on() -> None:
    with rig() as here:

        def fails(polled: Polled, progress: object) -> None:
            raise NeuronError("the node will not: ask it nicely")

        def broken(polled: Polled, progress: object) -> None:
            raise ZeroDivisionError("a bug")

        assert ended(here, here.gateway.begin(here.uids[0], "x", fails))["error"] == (
            "the node will not: ask it nicely"
        )
        assert (
            "the gateway itself failed: ZeroDivisionError"
            in (ended(here, here.gateway.begin(here.uids[0], "x", broken))["error"])
        )
        rounds = here.hub.state()["lines"][0]["rounds"]
        here.until(lambda state: state["lines"][0]["rounds"] > rounds)


def test_a_line_that_goes_ends_its_jobs_and_is_opened_again() -> None:
    with rig() as here:
        begun = threading.Event()

        def forever(polled: Polled, progress: object) -> Iterator[float]:
            while True:
                begun.set()
                yield 0.0

        job = here.gateway.begin(here.uids[0], "train", forever)
        assert begun.wait(PATIENCE)
        here.line.pull()
        failed = ended(here, job)
        assert failed["state"] == "failed"
        assert "has gone" in failed["error"]
        state = here.until(lambda state: state["lines"][0]["state"] == "gone")
        here.until(lambda state: all_are(state, "waiting"))
        here.line.out = False
        state = here.until(lambda state: all_are(state, "ok"))
        assert state["lines"][0]["state"] == "up"
        assert here.line.opened == 2
        kinds = [event["kind"] for event in here.hub.state()["events"]]
        assert [kind for kind in kinds if kind.startswith("LINE")] == ["LINE_GONE", "LINE_BACK"]
        assert "LOST" not in kinds


def test_a_fault_of_ours_does_not_end_the_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with rig() as here:
        failed = threading.Event()

        def broken(self: Poller) -> None:
            if not failed.is_set():
                failed.set()
                raise ZeroDivisionError("a bug")
            usual(self)

        usual = Poller.round
        monkeypatch.setattr(Poller, "round", broken)
        here.until(lambda state: any("ZeroDivisionError" in event["text"] for event in state["events"]))
        here.until(lambda state: state["lines"][0]["state"] == "up" and all_are(state, "ok"))
    assert "ZeroDivisionError: a bug" in capsys.readouterr().err


def test_a_line_where_nobody_answers_says_what_to_check_and_is_searched_again() -> None:
    with memory_fleet(1, flags=("-O1",)) as nodes:
        (node,), line, hub = nodes, Line(nodes), Hub()
        node.off = True
        owner = Owner(hub, "1", "a line", line.open, members=None, waits=lambda link: (WAITS, WAITS))
        gateway = Gateway(hub, [owner])
        with gateway.running():
            here = Rig(line, hub, owner, gateway)
            state = here.until(lambda state: state["lines"] and state["lines"][0]["trouble"])
            assert state["lines"][0]["trouble"] == NOBODY
            assert [event["text"] for event in hub.state()["events"]] == [f"a line: {NOBODY}"]
            node.off = False
            state = here.until(lambda state: all_are(state, "ok"))
            here.until(lambda state: state["lines"][0]["trouble"] == "")


def test_what_happens_to_the_lines_is_told_where_there_is_no_page() -> None:
    told: list[str] = []
    hub = Hub()
    with telling(hub, told.append):
        hub.say_event(own_event("LOST", "node 1: no answer", "a"))
        hub.say_event(own_event("BACK", "node 1 answers again", "a") | {"number": 4})
        hub.say_event(own_event("LINE_GONE", "the line has gone", None))
    assert told == ["node 1: no answer", "the line has gone"]


def test_what_is_asked_of_nobody_is_unknown() -> None:
    with rig() as here:
        with pytest.raises(Unknown, match="no node"):
            here.gateway.do("00" * 12, "deploy", deploying(encode(AND), 0))
        with pytest.raises(Unknown, match="no line 7"):
            here.gateway.search("7")
        assert here.hub.state()["jobs"] == []


def test_a_gateway_that_ends_tells_who_waits() -> None:
    with rig() as here:
        closed = threading.Event()

        def forever(polled: Polled, progress: object) -> Iterator[float]:
            try:
                while True:
                    yield 60.0
            finally:
                closed.set()

        job = here.gateway.begin(here.uids[0], "train", forever)
        here.until(lambda state: state["nodes"][0]["busy"] == "train")
        waits: Future[Any] = here.owner.submit("second", here.uids[0], lambda polled: None)
    with pytest.raises(NeuronError, match="the gateway is ending"):
        waits.result(0)
    assert closed.is_set()
    (failed,) = [one for one in here.hub.state()["jobs"] if one["id"] == job["id"]]
    assert "the gateway is ending" in failed["error"]


# --------------------------------------------------------------------------------------------------------- the hub


def node(uid: str, seen: float, led: bool = False) -> Json:
    return {"uid": uid, "line": "1", "seen": seen, "led": led}


def test_a_node_is_told_when_it_changes_and_not_each_time_it_is_seen() -> None:
    hub = Hub()
    with hub.listening(lambda: None) as box:
        for second in range(100):
            hub.say_node(node("a", second))
        assert [kind for kind, _ in box.take()] == ["node"]
        hub.say_node(node("a", 100, led=True))
        assert box.take() == [("node", node("a", 100, led=True))]
    assert hub.state()["nodes"][0]["seen"] == 100


def test_who_sleeps_gets_the_newest_of_each_and_every_event_in_order() -> None:
    hub = Hub()
    woken: list[bool] = []
    with hub.listening(lambda: woken.append(True)) as box:
        for number in range(200):
            hub.say_node(node("a", 0, led=bool(number % 2)))
            hub.say_event(own_event("LOST", str(number), "a"))
        taken = box.take()
    assert woken == [True]
    assert [said["text"] for kind, said in taken if kind == "event"] == [str(number) for number in range(200)]
    assert [said["led"] for kind, said in taken if kind == "node"] == [True]


def test_a_mailbox_that_overflows_is_given_the_whole_state() -> None:
    hub = Hub()
    with hub.listening(lambda: None) as box:
        for number in range(10 * WAITING):
            hub.say_event(own_event("LOST", str(number), None))
            assert len(box._waiting) <= WAITING
        hub.say_node(node("a", 0))
        ((kind, said),) = box.take()
        assert kind == "state"
        assert said == {**hub.state(), "now": said["now"]}
        assert box.overflows == 1
        assert box.missed == 10 * WAITING
        hub.say_node(node("a", 0, led=True))
        assert [kind for kind, _ in box.take()] == ["node"]
    assert len(hub.state()["events"]) == EVENTS_KEPT


def test_jobs_that_have_ended_are_forgotten_and_those_that_run_are_not() -> None:
    hub = Hub()
    hub.say_job({"id": "0", "state": "running"})
    for number in range(1, 10 * JOBS_KEPT):
        hub.say_job({"id": str(number), "state": "running"})
        hub.say_job({"id": str(number), "state": "done"})
    state = hub.state()
    assert len(state["jobs"]) == JOBS_KEPT
    assert state["jobs"][0]["id"] == "0"
