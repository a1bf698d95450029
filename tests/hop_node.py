"""A stand-in for a node that runs a model: what RingNode has, and its windows, its results and its image."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import numpy as np

from host.core.channels import NAMES
from host.core.features import inputs, numerators
from host.core.image import Layer, Model, encode, image_crc
from host.core.infer import infer, led
from host.core.modbus import READ_COILS
from host.core.senses import Senses, Source
from host.core.wire import BY_NAME, REGISTERS, Activation, Feature, Table
from tests.ring_node import TURN, RingNode, value

COILS = [row.name for row in REGISTERS if row.table is Table.COIL]


def a_model(
    sources: tuple[Source | None, ...] | None, outputs: int = 1, *, window: int = 16, hop: int = 8
) -> Model:
    """Each output is a sum of the inputs; the first, above 3000, is the decision. sources: None: two from the bus."""
    count = len(sources) if sources else 2
    sum_up = Layer(
        np.ones((1, count), dtype=np.int16), np.zeros(1, dtype=np.int32), Activation.IDENTITY, 0, 0
    )
    each = Layer(
        np.ones((outputs, 1), dtype=np.int16), np.arange(outputs, dtype=np.int32), Activation.IDENTITY, 0, 0
    )
    x = np.zeros((1, count), dtype=np.int16)
    y = np.arange(outputs, dtype=np.int16)[np.newaxis]
    senses = Senses(1000, window, hop, 485, sources) if sources else None
    return Model("fake", (0,) * count, (sum_up, each), 0, 3000, x, y, senses=senses)


SOURCES = (
    Source(0, Feature.RMS, 1, 4, 0),
    Source(0, Feature.BAND, 1, 4, 0, (1, 3)),
    None,
    Source(9, Feature.COUNT, 100, 0, 0),
)


@cache
def _of_window(source: Source, first: int, end: int, rate: int) -> tuple[int, int]:
    """Numerator and input. Kept: what a scan gives goes by its number, and a test begins many nodes at the same one."""
    window = [[value(n, NAMES[source.channel]) for n in range(first, end)]]
    number = numerators(source.feature, window, rate, source.band)
    return int(number[0]), int(inputs(source.multiply, source.shift, source.offset, number)[0][0])


class HopNode(RingNode):
    """coils, bits: that a test sets, by name; windows: decided since the model began."""

    def __init__(self, model: Model | None = None, number: int = 0) -> None:
        super().__init__(number=number)
        self.coils: set[str] = set()
        self.bits: set[str] = set()
        self.running: Model | None = None
        self.sequence, self.image = 0, b""
        self.windows = self.windows_missed = 0
        self.hop: dict[str, Any] = {}
        self.bus = [0, 0]
        if model is not None:
            self.deploy(model)

    def deploy(self, model: Model) -> None:
        self.running, self.image = model, encode(model)
        self.sequence += 1
        self.windows, self.hop, self.origin = 0, {}, self.number
        self.model = (model.senses.channels, model.senses.rate) if model.senses else None

    def advance(self, scans: int) -> None:
        """And decide every window that is whole then."""
        super().advance(scans)
        senses = self.running.senses if self.running else None
        while senses and self.origin + senses.window + self.windows * senses.hop <= self.number:
            self._decide(self.origin + senses.window - 1 + self.windows * senses.hop)

    def _decide(self, last: int) -> None:
        assert self.running is not None
        senses = self.running.senses
        assert senses is not None
        found, q = [], []
        for source in senses.sources:
            number, x = (
                _of_window(source, last + 1 - senses.window, last + 1, senses.rate) if source else (0, 7)
            )
            found.append(number)
            q.append(x)
        self.windows += 1
        self.hop = {"sample": last, "features": found, "inputs": q, "outputs": self._outputs(q)}

    def _outputs(self, q: list[int]) -> list[int]:
        assert self.running is not None
        return list(infer(self.running, np.array([q], dtype=np.int16))[0].tolist())

    @property
    def decided(self) -> bool:
        assert self.running is not None
        y = self.hop["outputs"] if self.hop else self._outputs(self.bus)
        return bool(led(self.running, np.array([y], dtype=np.int16))[0])

    def _bits(self) -> int:
        names = self.bits | ({"HELD"} if self.coils else set())
        if self.running and (self.hop or not self.running.senses) and self.decided:
            names = names | {"DECISION", "LED"}
        return sum(1 << BY_NAME[name].address for name in names)

    def known(self) -> dict[str, Any]:
        known = {**super().known(), "RESULT_BITS": self._bits(), "STATE": 0, "START_CAUSE": 0}
        known["CHANNEL_NOW"] = [
            value(self.number - 1, f"a{i}") if self.channels >> i & 1 else 0xFFFF for i in range(8)
        ]
        known["LEVELS"] = sum(value(self.number - 1, f"d{i}") << i for i in range(4))
        known |= {"EDGES": [10, 11, 12, 13], "FREQUENCY": [256, 640, 0, 1], "SCANS_LOST": len(self.missing)}
        if self.running:
            crc = image_crc(self.image)
            known |= {"RESULT_SEQUENCE": self.sequence, "RESULT_CRC": crc, "SEQUENCE": self.sequence}
            known |= {"MODEL_CRC": crc, "MODEL_LENGTH": len(self.image), "IMAGE": self.image}
            known |= {"MODEL_LAYERS": 2, "MODEL_INPUTS": self.running.inputs, "MODEL_VECTORS": 1}
            known |= {"MODEL_OUTPUTS": self.running.outputs, "MODEL_NAME": b"fake"}
            if not self.running.senses:
                known |= {"INPUTS": self.bus, "RESULTS": self._outputs(self.bus)}
        known |= {"WINDOWS": self.windows % TURN, "WINDOWS_MISSED": self.windows_missed}
        if self.hop:
            form = f">{len(self.hop['features'])}I{len(self.hop['inputs'])}h{len(self.hop['outputs'])}h"
            data = struct.pack(form, *self.hop["features"], *self.hop["inputs"], *self.hop["outputs"])
            known |= {"WINDOW_SAMPLE": self.hop["sample"] % TURN, "WINDOW_BITS": self._bits()}
            known["WINDOW_VALUES"] = list(struct.unpack(f">{len(data) // 2}H", data))
        return known

    def __call__(self, pdu: bytes) -> bytes:
        if pdu[0] == READ_COILS:
            return bytes([READ_COILS, 1, sum((name in self.coils) << i for i, name in enumerate(COILS))])
        return super().__call__(pdu)
