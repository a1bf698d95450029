"""Three lines on three computers, as three processes, into one broker: what README shows."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from host.boards.simulated import simulate
from host.core.image import encode
from host.web.shapes import Json
from host.web.topics import OFFLINE, ONLINE, Topics
from tests.broker import HOST, Listener, broker, listening
from tests.e2e.conftest import _nothing_left, processes  # noqa: F401 # nothing may stay
from tests.e2e.scenario import AND
from tests.page.served import Served, serving
from tests.patience import ANSWER
from tests.web_samples import simulated_fleet, simulated_uid

LINES = {"pc1": [1, 2], "pc2": [11, 12, 13], "pc3": [21]}
"""Addresses of the nodes on the line of each computer."""
ALL = [address for addresses in LINES.values() for address in addresses]


@contextmanager
def three(folder: Path, port: int) -> Iterator[dict[str, Served]]:
    """The gateways of all lines, with a broker at that port."""
    with ExitStack() as stack:
        gateways = {}
        for name, addresses in LINES.items():
            line = stack.enter_context(simulate(nodes=addresses)).port
            options = ["--fleet", str(simulated_fleet(folder, name, addresses)), "--timeout", str(ANSWER)]
            options += ["--mqtt", f"mqtt://{HOST}:{port}", "--mqtt-name", name, "--mqtt-commands"]
            gateways[name] = stack.enter_context(serving(line, *options))
        yield gateways


class Seen:
    """What Home Assistant would show."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def topic(self, address: int, what: str) -> str:
        return Topics("neuron485", "").node(simulated_uid(address), what)

    def config(self, address: int) -> Json:
        said = self.listener.latest(f"homeassistant/device/neuron485/{simulated_uid(address)}/config")
        return dict(json.loads(said or "{}"))

    def available(self, address: int) -> bool:
        topics = [one["topic"] for one in self.config(address).get("availability", [])]
        return bool(topics) and all(self.listener.latest(topic) == ONLINE for topic in topics)

    def lamp(self, address: int) -> bool | None:
        state = json.loads(self.listener.latest(self.topic(address, "state")) or "{}")
        lamp: bool | None = state.get("lamp")
        return lamp

    def command(self, address: int, kind: str, said: Json) -> None:
        self.listener.client.publish(self.topic(address, f"{kind}/set"), json.dumps(said), qos=1)

    def light(self, address: int, values: list[int], lit: bool) -> None:
        """Give a node inputs, and see its lamp."""
        self.command(address, "inputs", {"values": values})
        self.listener.wait(lambda: self.lamp(address) is lit, f"the lamp of {address}")


def test_three_lines_are_one_and_one_that_dies_takes_its_own_along(tmp_path: Path) -> None:
    with broker(tmp_path) as one, listening(one.port) as listener:
        seen = Seen(listener)
        with three(tmp_path, one.port) as gateways:
            listener.wait(lambda: all(map(seen.available, ALL)), "all nodes")
            behind = {seen.config(address)["device"]["via_device"] for address in ALL}
            assert behind == {f"neuron485_gateway_{name}" for name in LINES}

            gateways["pc2"].process.kill()
            status = Topics("neuron485", "pc2").status
            listener.wait(lambda: listener.latest(status) == OFFLINE, "the last will")
            left = [address for address in ALL if seen.available(address)]
            assert left == LINES["pc1"] + LINES["pc3"]

            for address in (1, 21):
                seen.command(address, "deploy", {"image": base64.b64encode(encode(AND)).decode()})
                parts = partial(seen.config, address)
                listener.wait(lambda parts=parts: "output_1" in parts()["components"], "the model")
                seen.light(address, [1, 1], True)
                seen.light(address, [1, 0], False)
            assert [address for address in ALL if seen.available(address)] == left
        listener.wait(lambda: not any(map(seen.available, ALL)), "that each of them has ended")
