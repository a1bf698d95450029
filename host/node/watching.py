"""A node that is being watched: all that changes, look by look, and nothing that is written."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from host.core.channels import is_analog
from host.core.hashes import hash_of
from host.core.image import image_crc
from host.core.registers import Block, unpack
from host.core.wire import BY_NAME, RAW_MAX, SAMPLE_MISSING, UNITS_MAX, EventKind, Table
from host.errors import NeuronError
from host.node.coils import set_coils
from host.node.events import Event, Events
from host.node.hops import Hop, Hops
from host.node.identity import Strange, bit_of, checked
from host.node.node import Node
from host.node.samples import Sampling, sampling_of
from host.node.staging import checked_image, running_image
from host.node.trusted import Trusted, knows_trust, read_standing

if TYPE_CHECKING:
    from host.core.image import Model

NOW = Block.between("RESULT_SEQUENCE", "RESULTS")
CHANNELS_NOW = Block.between("CHANNELS", "FREQUENCY")
TRUST_SECONDS = 1.0
TAKES = 4
"""Looks at which a node may run yet another model than it said just before."""
STATES = ("BUS_LOST", "LATCHED", "CLIPPED", "OUT_OF_RANGE", "WAITING", "FAULT")
"""The discrete inputs that people should see at once."""


@dataclass(frozen=True)
class Channel:
    """A channel that is sampled: its newest raw value, or level. edges: since the node's start; hertz: of them."""

    name: str
    value: int
    edges: int = 0
    hertz: float = 0.0


@dataclass(frozen=True)
class Look:
    """What stood in a node. model: None: none runs; hop: the newest, None where none has come since; bits: the discrete
    inputs now; coils: those that are set; lost: scans, since the node's start; events: that have come since; trusted:
    whom it obeys, as it was when the model or an order came, None where it does not say."""

    model: Model | None
    hop: Hop | None
    bits: int
    coils: list[str]
    sampling: Sampling
    channels: list[Channel] = field(default_factory=list)
    lost: int = 0
    events: list[Event] = field(default_factory=list)
    trusted: Trusted | None = None

    @property
    def states(self) -> list[str]:
        """What stands otherwise than it should, in the wire's words."""
        trial = ["TRIAL"] if self.trusted and self.trusted.trial_left else []
        return [*self.coils, *(name for name in STATES if bit_of(self.bits, name)), *trial]


class Watching:
    """A node from now on. events, hops: what was lost or passed by is counted there; model, image: that run; images:
    those that are known by their hashes, and need not be read once more."""

    def __init__(self, node: Node, images: dict[bytes, bytes] | None = None) -> None:
        self._node = node
        self._images = {} if images is None else images
        self.events, self.hops = Events(node), Hops(node)
        self.model: Model | None = None
        self.image = b""
        self._trusted: Trusted | None = None
        self._runs = 0, 0
        self._fed: Hop | None = None
        self._standing: dict[str, Any] = {"model_hash": None}
        self._standing_due = 0.0
        self._now()

    @property
    def hop_seconds(self) -> float | None:
        """From one window to the next; None where there are none."""
        senses = self.model.senses if self.model else None
        return senses.hop / senses.rate if senses else None

    @property
    def sequence(self) -> int:
        """The commit number of the model that runs; 0: none does."""
        return self._runs[0]

    def hop(self) -> Hop | None:
        """The newest window, or what the bus has fed a model without senses; None where neither is new."""
        return self._hop(self._now())

    def trust(self) -> dict[str, Any]:
        """For JSON: how the node stands, asked for once a second and when another model runs, and the hash of that,
        None where none does."""
        if time.monotonic() >= self._standing_due:
            self._standing |= read_standing(self._node)
            self._standing_due = time.monotonic() + TRUST_SECONDS
        return self._standing

    def glance(self) -> int:
        """The discrete inputs, number n in bit n: one request, while the same model runs."""
        return int(self._now()["RESULT_BITS"])

    def look(self) -> Look:
        """All of it."""
        now = self._now()
        hop = self._hop(now)
        values = self._node.read_block(CHANNELS_NOW)
        sampling = sampling_of(values)
        levels = values["LEVELS"]
        channels = []
        for name in sampling.names:
            number = int(name[1:])
            if not is_analog(name):
                hertz = values["FREQUENCY"][number] / 256
                channels.append(Channel(name, levels >> number & 1, values["EDGES"][number], hertz))
            elif values["CHANNEL_NOW"][number] != SAMPLE_MISSING:
                now_raw = checked("CHANNEL_NOW", values["CHANNEL_NOW"][number], 0, RAW_MAX)
                channels.append(Channel(name, now_raw))
        bits = now["RESULT_BITS"]
        coils = set_coils(self._node) if bit_of(bits, "HELD") else []
        events = self.events.read()
        if any(event.kind in (EventKind.TRIAL, EventKind.ORDER) for event in events):
            try:
                self._trusted = knows_trust(self._node)
            except NeuronError:
                self.events.put_back(events)
                raise
        lost = values["SCANS_LOST"]
        return Look(self.model, hop, bits, coils, sampling, channels, lost, events, self._trusted)

    def _now(self) -> dict[str, Any]:
        """Outputs and bits as they stand, of the model that we know: another is read first."""
        for _ in range(TAKES):
            outputs = self.model.outputs if self.model and not self.model.senses else 0
            words = self._node.read(Table.HOLDING, NOW.address, NOW.count - UNITS_MAX + outputs)
            now = NOW.unpack(words)
            if (now["RESULT_SEQUENCE"], now["RESULT_CRC"] if now["RESULT_SEQUENCE"] else 0) == self._runs:
                return now
            self._take()
        raise Strange("RESULT_CRC", f"0x{now['RESULT_CRC']:08x}, not that of the model it runs")

    def _take(self) -> None:
        """Another model runs, or none."""
        identity, self._trusted = self._node.identity(), knows_trust(self._node)
        self._runs, self.model, self.image, self._fed = (0, 0), None, b"", None
        self._standing, self._standing_due = {"model_hash": None}, 0.0
        if identity.sequence:
            image = self._images.get(self._trusted.model_hash, b"") if self._trusted else b""
            if not image or image_crc(image) != identity.model_crc:
                image = running_image(self._node, identity)
            self.model, self._standing["model_hash"] = checked_image(image), hash_of(image).hex()
            self.image = self._images[hash_of(image)] = image
            self._runs = identity.sequence, identity.model_crc
            if self.model.senses:
                self.hops.follow(self.model.inputs, self.model.outputs)

    def _hop(self, now: dict[str, Any]) -> Hop | None:
        if self.model is None:
            return None
        if self.model.senses:
            return self.hops.read()
        row = BY_NAME["INPUTS"]
        inputs = unpack(row, self._node.read_words(row, self.model.inputs))
        fed = Hop(None, (), tuple(inputs), tuple(now["RESULTS"]), now["RESULT_BITS"])
        if fed == self._fed:
            return None
        self._fed = fed
        return fed
