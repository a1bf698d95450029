"""What a deploy costs on the wire, in bytes and round trips, counted frame by frame against the firmware in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from host import train
from host.boards.opening import open_node
from host.core.image import encode
from host.core.wire import IMAGE_MAX
from host.node.staging import deploy
from tests.e2e.scenario import AND, OR, crc_of, largest
from tests.e2e.stand_in import stand_in
from tests.memory_node import MemoryNode

ADDRESS_AND_CRC = 3
SILENCES = 2 * 3.5
"""Characters of silence in a round trip, with true gaps."""
DEPLOY_BYTES, DEPLOY_TRIPS = 242, 9
"""Of the AND neuron, with its truth table, beside its image."""
BEFORE_BYTES, BEFORE_TRIPS = 38, 2
"""To ask, before a training, whether the node is there and obeys whoever asks; not asked once more after it."""


@dataclass
class Meter:
    """A node that counts. bytes: in both directions; trips: requests; steps: what had been counted by then."""

    node: MemoryNode
    bytes: int = 0
    trips: int = 0
    steps: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    def answer(self, pdu: bytes) -> bytes | None:
        reply = self.node.answer(pdu)
        self.bytes += len(pdu) + ADDRESS_AND_CRC + (ADDRESS_AND_CRC + len(reply) if reply else 0)
        self.trips += 1
        return reply

    def seen(self, step: str, done: int, total: int) -> None:
        self.steps[step, done] = (self.bytes, self.trips)


@pytest.fixture
def meter() -> Iterator[Meter]:
    with MemoryNode() as node:
        node.factory()
        node.work()
        yield Meter(node)


def test_an_and_neuron_with_its_truth_table(meter: Meter, capsys: pytest.CaptureFixture[str]) -> None:
    with stand_in(meter.answer) as port:
        assert train.main(["--model", "and", "--deploy", port, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    size = said["image"]["bytes"]
    assert size == 116
    assert [row["led"] for row in said["deployed"]["rows"]] == [False, False, False, True]
    assert meter.node.get("MODEL_CRC") == said["deployed"]["crc32"]
    assert meter.bytes <= size + BEFORE_BYTES + DEPLOY_BYTES
    assert meter.trips <= BEFORE_TRIPS + DEPLOY_TRIPS


def test_most_of_the_wire_carries_the_image(meter: Meter) -> None:
    """Function 16 leaves at most 123 registers of 263 + 7 characters; all else, until the node has verified the image,
    is a hundredth."""
    image = encode(largest())
    assert len(image) == IMAGE_MAX
    with stand_in(meter.answer) as port, open_node(port) as node:
        deploy(node, image, progress=meter.seen)
    sent, trips = meter.steps["verify", 1]
    share = len(image) / (sent + SILENCES * trips)
    assert share >= 0.99 * 246 / (263 + SILENCES)
    assert meter.node.get("MODEL_CRC") == crc_of(largest())


def test_what_runs_already_costs_its_reading(meter: Meter) -> None:
    image = encode(AND)
    with stand_in(meter.answer) as port:
        with open_node(port) as node:
            deploy(node, image)
        meter.bytes = meter.trips = 0
        with open_node(port) as node:
            assert deploy(node, image).already
    assert meter.trips <= 8
    assert meter.bytes <= len(image) + 277


@pytest.mark.parametrize("prove", [False, True])
def test_a_blank_node_is_asked_no_more_than_another(meter: Meter, prove: bool) -> None:
    counts = []
    with stand_in(meter.answer) as port:
        for model in (AND, OR):
            meter.bytes = meter.trips = 0
            with open_node(port) as node:
                assert not deploy(node, encode(model), prove=prove).already
            counts.append((meter.bytes, meter.trips))
    assert counts[0] == counts[1]
