"""What the gateway knows, as Prometheus reads it: the newest of all, made anew for whoever asks.

What a node says of itself is there while it answers: a value that nobody can vouch for is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import itemgetter

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from host.node.watching import STATES
from host.web.hub import Hub
from host.web.shapes import Json
from host.web.topics import named

PREFIX = "neuron485_"
NODE, LINE = ("uid", "name"), ("line", "port")
Family = type[GaugeMetricFamily] | type[CounterMetricFamily]
Told = tuple[Sequence[str], float | None]
"""Values of the labels, and the number; None: there is none to be told."""


def exposed(hub: Hub, accepted: str) -> tuple[bytes, str]:
    """All of it, in the form that an Accept header asks for, and that form's media type."""
    encoder, kind = choose_encoder(accepted)
    registry = CollectorRegistry()
    registry.register(_Known(hub))
    return encoder(registry), kind


class _Known(Collector):
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        state = self._hub.state()
        yield InfoMetricFamily(
            f"{PREFIX}gateway", "Versions", value={"version": state["version"], "wire": str(state["wire"])}
        )
        yield from _of_nodes(state["nodes"])
        yield from _of_lines(state["lines"])
        events = (([kind], count) for kind, count in self._hub.event_counts().items())
        yield _told(
            CounterMetricFamily, "events", "Events of nodes and of the gateway itself", ["kind"], events
        )
        jobs = [job["state"] for job in state["jobs"]]
        under_way = (([kind], jobs.count(kind)) for kind in ("waiting", "running"))
        yield _told(GaugeMetricFamily, "jobs", "Jobs that have not ended", ["state"], under_way)
        if state["broker"] is not None:
            yield from _of_broker(state["broker"])


def _told(family: Family, name: str, text: str, labels: Sequence[str], told: Iterable[Told]) -> Metric:
    found = family(PREFIX + name, text, labels=labels)
    for values, number in told:
        if number is not None:
            found.add_metric(values, number)
    return found


def _of_nodes(nodes: list[Json]) -> Iterator[Metric]:
    def each(name: str, text: str, number: Callable[[Json], float | None], among: list[Json]) -> Metric:
        rows = (((node["uid"], node["name"]), number(node)) for node in among)
        return _told(GaugeMetricFamily, f"node_{name}", text, NODE, rows)

    def several(name: str, text: str, label: str, numbers: Callable[[Json], dict[str, float]]) -> Metric:
        rows = (
            ((node["uid"], node["name"], one), number)
            for node in well
            for one, number in numbers(node).items()
        )
        return _told(GaugeMetricFamily, f"node_{name}", text, (*NODE, label), rows)

    well = [node for node in nodes if node["state"] == "ok" and node["led"] is not None]
    yield each("up", "Whether it answers as it should", lambda node: node["state"] == "ok", nodes)
    yield each("seen_timestamp_seconds", "When it last answered", itemgetter("seen"), nodes)
    yield each("lamp", "Whether the LED is lit", itemgetter("led"), well)
    yield each("decision", "Whether what lights the LED stands", itemgetter("decision"), well)
    yield each(
        "trial_left_seconds", "Until the old model comes back, 0: no trial", itemgetter("trial_left"), well
    )
    yield several(
        "state",
        "What stands otherwise than it should",
        "state",
        lambda node: {state: state in node["states"] for state in STATES},
    )
    for what in ("input", "output"):
        yield several(what, f"{what.capitalize()}s in their own units", what, partial(named, what=f"{what}s"))
    info = InfoMetricFamily(f"{PREFIX}node", "What it is, and what runs on it", labels=NODE)
    for node in nodes:
        model = node["model"] or {"name": "", "crc32": ""}
        said = {"line": node["line"], "address": str(node["address"]), "firmware": node["firmware"] or ""}
        said |= {"model": model["name"], "crc32": model["crc32"]}
        info.add_metric((node["uid"], node["name"]), said)
    yield info


def _of_lines(lines: list[Json]) -> Iterator[Metric]:
    def each(family: Family, name: str, text: str, number: Callable[[Json], float]) -> Metric:
        rows = (((line["id"], line["port"]), number(line)) for line in lines)
        return _told(family, f"line_{name}", text, LINE, rows)

    yield each(GaugeMetricFamily, "up", "Whether it is open", lambda line: line["state"] == "up")
    yield each(GaugeMetricFamily, "nodes", "Nodes that are polled", itemgetter("found"))
    yield each(
        GaugeMetricFamily, "cycle_seconds", "Of the last round of polling", itemgetter("cycle_seconds")
    )
    for name, text in {
        "rounds": "Rounds of polling",
        "requests": "Requests to nodes, repeated ones too",
        "timeouts": "Requests without any answer",
        "damaged": "Requests with something damaged or strange for an answer",
    }.items():
        yield each(CounterMetricFamily, name, text, itemgetter(name))


def _of_broker(broker: Json) -> Iterator[Metric]:
    def one(family: Family, name: str, text: str, number: float) -> Metric:
        return _told(family, f"broker_{name}", text, (), [((), number)])

    yield one(GaugeMetricFamily, "up", "Whether MQTT's broker is there", broker["state"] == "up")
    yield one(GaugeMetricFamily, "queued_messages", "Messages that wait", broker["queued"])
    yield one(CounterMetricFamily, "sent_messages", "Messages", broker["sent"])
    yield one(CounterMetricFamily, "dropped_messages", "Messages that did not fit", broker["dropped"])
