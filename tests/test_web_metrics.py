"""What Prometheus reads of the gateway: its names, its labels, and that it is what the nodes say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from host.core.image import encode
from host.node.watching import STATES
from host.web.deeds import deploying
from host.web.gateway import Gateway
from host.web.guard import Rules
from host.web.hub import EVENTS_KEPT, Hub
from host.web.metrics import exposed
from host.web.poller import Polled
from host.web.shapes import Json, node_json, own_event
from tests.e2e.scenario import AND
from tests.patience import PATIENCE
from tests.test_web_guard import KNOWN, OPEN, PORT, TOKEN, asked
from tests.test_web_owner import ended, rig
from tests.web_client import asking, assert_holds

PAGE = Path(__file__).parents[1] / "docs" / "gateway.md"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]
"""By the name without what all have, and the labels."""


def samples(hub: Hub) -> Series:
    """Both forms say the same, by their own parsers, and keep to conventions."""
    text, kind = exposed(hub, "text/plain")
    assert kind.startswith("text/plain")
    found: Series = {}
    for family in text_string_to_metric_families(text.decode()):
        assert re.fullmatch(r"neuron485_[a-z_]+", family.name)
        assert family.documentation
        for sample in family.samples:
            key = sample.name.removeprefix("neuron485_"), frozenset(sample.labels.items())
            assert key not in found, "a series stands twice"
            found[key] = sample.value
            assert sample.name.endswith("_total") == (family.type == "counter")
    strict, kind = exposed(hub, "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    families = openmetrics.text_string_to_metric_families(strict.decode())
    again = [(one.name, one.labels, one.value) for family in families for one in family.samples]
    assert len(again) == len(found)
    for name, labels, value in again:
        assert found[name.removeprefix("neuron485_"), frozenset(labels.items())] == value
    return found


def matching(said: Series, series: str, /, **labels: str) -> list[float]:
    """The values of what has that name and, beside others, these labels."""
    return [value for (one, found), value in said.items() if one == series and found >= set(labels.items())]


def documented() -> set[str]:
    """The series that docs/gateway.md lists."""
    table = PAGE.read_text(encoding="utf-8").partition("| `neuron485_` |")[2].partition("\n\n")[0]
    return {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def a_node(**news: Any) -> Json:
    unknown = node_json(Polled("0" * 24, "n", 11, state="ok", seen=7.5), "1", None)
    said = unknown | news
    assert_holds({"$ref": "#/$defs/Node"}, said)
    return said


def test_a_node_is_told_as_it_is() -> None:
    with rig() as here:
        uid, other = here.uids
        ended(here, here.gateway.do(uid, "deploy", deploying(encode(AND), 60)))
        here.until(lambda state: state["nodes"][0]["model"] and state["nodes"][0]["trial_left"])
        here.gateway.inputs(uid, [1.0, 1.0]).result(PATIENCE)
        here.until(lambda state: state["nodes"][0]["led"] and state["nodes"][0]["outputs"] == [1])
        here.line.nodes[1].off = True
        here.until(lambda state: state["nodes"][1]["state"] == "lost")
        state = here.until(lambda state: state["lines"][0]["timeouts"])
        said = samples(here.hub)
    node, line = state["nodes"][0], state["lines"][0]
    assert [matching(said, "node_up", uid=one) for one in here.uids] == [[1], [0]]
    for what in ("lamp", "decision"):
        assert matching(said, f"node_{what}", uid=uid, name="n0") == [1]
        assert matching(said, f"node_{what}", uid=other) == [], "nobody knows"
    assert 0 < matching(said, "node_trial_left_seconds", uid=uid)[0] <= 60
    assert matching(said, "node_seen_timestamp_seconds", uid=uid)[0] >= node["seen"]
    for what, count in (("input", 2), ("output", 1)):
        names = [one["name"] for one in node["model"][f"{what}s"]]
        assert [matching(said, f"node_{what}", uid=uid, **{what: name}) for name in names] == [[1]] * count
    assert matching(said, "node_state", uid=uid, state="FAULT") == [0]
    about = {"line": "1", "address": "11", "firmware": node["firmware"], "crc32": node["model"]["crc32"]}
    assert matching(said, "node_info", uid=uid, model="and", **about) == [1]
    assert matching(said, "line_up", line="1", port="a line") == [1]
    assert matching(said, "line_nodes", line="1") == [2]
    for name in ("rounds", "requests", "timeouts", "damaged"):
        assert matching(said, f"line_{name}_total", line="1")[0] >= line[name]
    assert matching(said, "line_timeouts_total", line="1")[0] > 0
    assert matching(said, "events_total", kind="LOST") == [1]
    assert matching(said, "jobs", state="running") == [0]
    assert {name for name, _ in said} == {name for name in documented() if not name.startswith("broker")}


def test_counters_never_go_back_though_events_are_forgotten() -> None:
    hub = Hub()
    for number in range(1, 3 * EVENTS_KEPT):
        hub.say_event(own_event("LOST", "", None))
        if number % 250 == 0:
            assert matching(samples(hub), "events_total", kind="LOST") == [number]


def test_a_gateway_of_nothing_has_its_versions_and_no_node() -> None:
    said = samples(Hub())
    assert {key[0] for key in said} == {"gateway_info", "jobs"}
    assert not [family for family in REGISTRY.collect() if family.name.startswith("neuron485")]


def test_names_of_any_kind_and_the_same_name_twice_are_read() -> None:
    hub = Hub()
    strange = 'a "b"\\ \n Ölpumpe 泵 {x="1"}'
    ends = {"low": 0.0, "high": 1.0, "source": None}
    model = {
        "name": strange,
        "crc32": "0" * 8,
        "hash": "0" * 64,
        "sequence": 1,
        "bytes": 4,
        "classes": [],
        "lamp": "",
    }
    model |= {"inputs": [{"name": strange, **ends}], "outputs": [{"name": "y"}, {"name": "y"}]}
    known = {"led": True, "decision": False, "inputs": [0.5], "outputs": [1.0, 2.0], "model": model}
    hub.say_node(a_node(name=strange, **known, states=["FAULT", "LAMP_TEST"]))
    hub.say_node(a_node(uid="1" * 24))
    said = samples(hub)
    assert matching(said, "node_input", name=strange, input=strange) == [0.5]
    assert matching(said, "node_output", name=strange, output="y 1") == [1.0]
    assert matching(said, "node_output", name=strange, output="y 2") == [2.0]
    assert matching(said, "node_state", name=strange, state="FAULT") == [1]
    assert len(matching(said, "node_state")) == len(STATES), "as many as there are, not as many as stand"
    assert matching(said, "node_up", uid="1" * 24) == [1]
    assert {name for name, labels in said if ("uid", "1" * 24) in labels} == {
        "node_up",
        "node_seen_timestamp_seconds",
        "node_info",
    }


def test_a_broker_is_told_where_there_is_one() -> None:
    hub = Hub()
    broker = {"state": "gone", "url": "mqtt://x:1883", "trouble": "", "queued": 3, "dropped": 2, "sent": 1}
    assert_holds({"$ref": "#/$defs/Broker"}, broker)
    hub.say_broker(broker)
    told = {name: value for (name, _), value in samples(hub).items() if "broker" in name}
    assert told == {
        "broker_up": 0,
        "broker_queued_messages": 3,
        "broker_sent_messages_total": 1,
        "broker_dropped_messages_total": 2,
    }
    assert set(told) < documented()


def test_it_stands_behind_the_guard() -> None:
    with asking(Gateway(Hub(), [])) as client:
        answer = client.client.get(
            "/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"}
        )
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert answer.text.endswith("# EOF\n")
        assert client.client.get("/metrics").headers["content-type"].startswith("text/plain")
    remote = Rules(TOKEN, PORT, remote=True, hosts=None)
    assert asked(remote, "GET", "/metrics", OPEN)[0] == 401
    assert asked(remote, "GET", "/metrics", KNOWN)[0] == 200
