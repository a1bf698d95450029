"""What the gateway says of nodes and lines, as JSON has it: schema.json is its law."""

from __future__ import annotations

import functools
import json
import time
import traceback
from typing import Any

import numpy as np

from host.core.infer import class_of
from host.errors import NeuronError
from host.node.events import Event
from host.node.identity import bit_of
from host.node.watching import Watching
from host.show.describe import as_dict, class_names, decided_in_words, lit_in_words
from host.show.live import lost_in_words, own_units
from host.web.poller import Polled

Json = dict[str, Any]


def node_json(polled: Polled, line: str, busy: str | None) -> Json:
    """A node as it stands."""
    look, watching, identity = polled.look, polled.watching, polled.identity
    known: Json = {
        "uid": polled.uid,
        "line": line,
        "address": polled.address,
        "name": polled.name,
        "state": polled.state,
        "trouble": polled.trouble,
        "seen": polled.seen,
        "busy": busy,
        "model": None,
        "led": None,
        "decision": None,
        "states": [],
        "inputs": [],
        "outputs": [],
        "class": None,
        "rate": 0,
        "channels": [],
        "keyed": None,
        "locked": None,
        "trial_left": None,
        "firmware": identity.firmware if identity else None,
        "warnings": identity.warnings() if identity else [],
        "lost": lost_in_words(watching) if watching else [],
    }
    if look is None or watching is None:
        return known
    known |= {
        "led": bit_of(polled.bits, "LED"),
        "decision": bit_of(polled.bits, "DECISION"),
        "states": look.states,
        "rate": look.sampling.rate,
        "channels": [vars(channel) for channel in look.channels],
        **{name: value for name, value in polled.standing.items() if name != "model_hash"},
    }
    if watching.image:
        known["model"] = _described(watching.image) | {"sequence": watching.sequence}
        known |= _newest(watching, polled)
    return known


def _newest(watching: Watching, polled: Polled) -> Json:
    """Inputs, outputs and class of the newest window, or as the bus has set them."""
    hop, model = polled.hop, watching.model
    if hop is None or model is None or len(hop.inputs) != model.inputs or len(hop.outputs) != model.outputs:
        return {}
    inputs, outputs = own_units(model, hop)
    names = class_names(model)
    (number,) = class_of(model, np.array([hop.outputs], np.int16)).tolist()
    return {"inputs": inputs, "outputs": outputs, "class": names[number] if names else None}


@functools.lru_cache(maxsize=64)
def _described(image: bytes) -> Json:
    """A model, but for its sequence, which only the node knows."""
    said = as_dict(image)
    sources = said["senses"]["sources"] if said["senses"] else [None] * len(said["inputs"])
    return {
        "name": said["name"],
        "crc32": f"{said['crc32']:08x}",
        "hash": said["hash"],
        "bytes": said["bytes"],
        "inputs": [
            {
                "name": one["name"],
                "low": one["low"],
                "high": one["high"],
                "source": source and f"{source['channel']}.{source['feature']}",
            }
            for one, source in zip(said["inputs"], sources, strict=True)
        ],
        "outputs": [{"name": one["name"]} for one in said["outputs"]],
        "classes": said["classes"],
        "lamp": "; ".join([f"lit when {lit_in_words(said)}", *map(str.strip, decided_in_words(said))]),
    }


def packed(said: object) -> str:
    """As text for others, as short as it goes."""
    return json.dumps(said, separators=(",", ":"), allow_nan=False)


def event_json(event: Event, uid: str) -> Json:
    return {
        "number": event.number,
        "uid": uid,
        "time": time.time(),
        "uptime": event.uptime,
        "kind": event.kind.name,
        "text": event.in_words(),
    }


def own_event(kind: str, text: str, uid: str | None) -> Json:
    """An event of the gateway's."""
    return {"number": None, "uid": uid, "time": time.time(), "uptime": None, "kind": kind, "text": text}


def in_a_line(error: BaseException) -> str:
    """What is said of a failure. One that nobody expected is a fault of ours: its trace goes to standard error."""
    if isinstance(error, NeuronError):
        return str(error)
    traceback.print_exception(error)
    return f"the gateway itself failed: {type(error).__name__}: {error}"
