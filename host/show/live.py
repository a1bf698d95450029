"""A watched node for people: a page that is drawn anew at every look, or a line a window."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from host.core import features
from host.core.channels import is_analog
from host.core.image import Model
from host.core.infer import dequantise_inputs, dequantise_outputs
from host.core.wire import RAW_MAX
from host.errors import counted
from host.node.events import Event
from host.node.hops import Hop
from host.node.watching import Channel, Look, Watching
from host.show.describe import input_names, output_names

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

EVENTS_SHOWN = 6
BAR = 24
"""Columns of a channel's bar."""


def feature_values(model: Model, hop: Hop) -> list[float | None]:
    """What the model's inputs are made of, in raw units, counts or Hz; None of the bus."""
    if model.senses is None or not hop.features:
        return [None] * model.inputs
    return [
        number / features.divisor(source.feature, model.senses.window) if source else None
        for source, number in zip(model.senses.sources, hop.features, strict=True)
    ]


def own_units(model: Model, hop: Hop) -> tuple[list[float], list[float]]:
    """Inputs and outputs in their own units."""
    inputs = dequantise_inputs(model, np.array([hop.inputs], dtype=np.int16))
    outputs = dequantise_outputs(model, np.array([hop.outputs], dtype=np.int16))
    return inputs[0].tolist(), outputs[0].tolist()


def in_words(event: Event) -> str:
    return f"#{event.number}  {event.uptime / 1000:.3f} s  {event.in_words()}"


def lost_in_words(watching: Watching) -> list[str]:
    """What was not seen since the watch began."""
    said, hops = [], watching.hops
    if hops.missed:
        said.append(f"{counted(hops.missed, 'window')} not decided by the node, as scans were lost")
    if hops.unseen:
        said.append(
            f"{counted(hops.unseen, 'window')} of {hops.decided} decided between two looks, unseen here"
        )
    if watching.events.lost:
        said.append(f"{counted(watching.events.lost, 'event')} lost: the node keeps the newest only")
    return said


def as_line(model: Model, hop: Hop, states: list[str]) -> str:
    """A window on a line of its own."""
    inputs, outputs = own_units(model, hop)
    shown = [
        f"{name} {value if value is not None else own:g}"
        for name, value, own in zip(input_names(model), feature_values(model, hop), inputs, strict=True)
    ]
    sample = "" if hop.sample is None else f"sample {hop.sample}: "
    said = " ".join(f"{value:g}" for value in outputs)
    decided = f"decision {'on' if hop.decision else 'off'}, LED {'on' if hop.led else 'off'}"
    return f"{sample}{', '.join(shown)} -> {said}   {decided}{''.join(f'  {s}' for s in states)}"


class Page:
    """What a terminal shows. drawn: it can show more than ASCII."""

    def __init__(self, *, drawn: bool) -> None:
        self._lamp = ("○", "●") if drawn else ("( )", "(*)")
        self._bar = "█" if drawn else "#"
        self._hop: Hop | None = None
        self._model: Model | None = None
        self._events: deque[Event] = deque(maxlen=EVENTS_SHOWN)

    def of(self, look: Look, watching: Watching) -> Group:
        """The page after this look."""
        from rich.console import Group
        from rich.text import Text

        if look.model is not self._model:
            self._model, self._hop = look.model, None
        self._hop = look.hop or self._hop
        self._events.extend(look.events)
        words = [Text(f" {word} ", style="bold reverse red") for word in look.states]
        if look.lost:
            words.append(Text(f" {counted(look.lost, 'scan')} LOST ", style="bold reverse yellow"))
        return Group(
            Text(self._head(look)),
            *(Text(line, style="dim") for line in _trust(look)),
            Text("  ").join(words),
            *(Text(f" {line} ", style="bold reverse yellow") for line in lost_in_words(watching)),
            *([self._channels(look.channels)] if look.channels else []),
            *([self._model_table(look.model, self._hop)] if look.model and self._hop else []),
            *(Text(in_words(event), style="dim") for event in self._events),
        )

    def _head(self, look: Look) -> str:
        rate = f"{look.sampling.rate} scans/s" if look.sampling.rate else "nothing is sampled"
        if look.model is None:
            return f"no model runs; {rate}"
        head = f"{look.model.name or 'a model without a name'}; {rate}"
        if senses := look.model.senses:
            head += f", windows of {senses.window}, every {senses.hop}"
        if self._hop is not None and self._hop.sample is not None:
            head += f", sample {self._hop.sample}"
        return head

    def _channels(self, channels: list[Channel]) -> Table:
        table = _table("channel", "raw", "")
        for channel in channels:
            if is_analog(channel.name):
                what = self._bar * round(channel.value * BAR / RAW_MAX)
            else:
                what = f"{counted(channel.edges, 'edge')}, {channel.hertz:.4g} Hz"
            table.add_row(channel.name, str(channel.value), what)
        return table

    def _model_table(self, model: Model, hop: Hop) -> Table:
        inputs, outputs = own_units(model, hop)
        table = _table("input", "feature", "value")
        beyond = [
            not low <= q <= high
            for low, q, high in zip(model.input_low, hop.inputs, model.input_high, strict=True)
        ]
        for name, feature, value, far in zip(
            input_names(model), feature_values(model, hop), inputs, beyond, strict=True
        ):
            style = "bold red" if far else None
            table.add_row(name, "" if feature is None else f"{feature:.5g}", f"{value:.5g}", style=style)
        for name, value in zip(output_names(model), outputs, strict=True):
            table.add_row(name, "", f"{value:.5g}", style="bold")
        decided = "on" if hop.decision else "off"
        table.add_row("decision", "", decided, style="bold")
        table.add_row("LED", "", self._lamp[hop.led], style="bold green" if hop.led else None)
        return table


def _trust(look: Look) -> list[str]:
    """What runs, beyond doubt, and whom the node obeys."""
    if look.trusted is None:
        return []
    said = [f"hash {look.trusted.model_hash.hex()}"] if look.trusted.model_hash else []
    if look.trusted.keyed:
        said.append(f"obeys {look.trusted.key.hex()}{', inputs and coils too' * look.trusted.guarded}")
    return said + ["locked: no commands, no settings"] * look.trusted.locked


def _table(*heads: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="left" if not index or not head else "right", no_wrap=True)
    return table
