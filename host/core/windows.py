"""What a node that senses decides on a recording, window by window: the PC's own computation, equal to the node's bit
for bit. Twin of firmware/app/hops.c, which does it scan by scan.

Window w of a model that begins at scan b is the N scans b + w * H .. b + w * H + N - 1. One with a missing scan in it
is not decided; the next is where it would have been.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.core import features
from host.core.fixed import Int16, Int64
from host.core.image import Model
from host.core.infer import decide_all, infer, quantise_inputs
from host.core.wire import SAMPLE_MISSING

MASK_32 = (1 << 32) - 1


@dataclass(frozen=True)
class Hops:
    """The windows that were decided.

    samples:   (n,) number of each one's last scan
    features:  (n, inputs) numerators, as host.core.features has them; 0 of an input from the bus
    inputs:    (n, inputs) q
    outputs:   (n, outputs) q
    decisions: (n,) after the decision stage, which lights the lamp
    missed:    windows that were not decided
    """

    samples: Int64
    features: Int64
    inputs: Int16
    outputs: Int16
    decisions: NDArray[np.bool_]
    missed: int


def hops(model: Model, first_number: int, raw: Mapping[int, Any]) -> Hops:
    """What a node decides with `model`, which senses, from the scan `first_number` on, with which it begins.

    raw: by channel, what it gave in each scan from first_number on, (scans,): 0..4095, of a digital channel the level
    after DEBOUNCE; SAMPLE_MISSING in a scan that is missing. Inputs from the bus are 0 in their own units: nobody has
    written them.
    """
    senses = model.senses
    if senses is None:
        raise ValueError("the model's inputs come from the bus")
    columns = {channel: np.asarray(values, dtype=np.int64) for channel, values in raw.items()}
    starts, missed = _whole(columns, senses.window, senses.hop)
    numerators = np.zeros((len(starts), len(senses.sources)), dtype=np.int64)
    inputs = np.repeat(quantise_inputs(model, np.zeros((1, model.inputs))), len(starts), axis=0)
    for place, source in enumerate(senses.sources):
        if source is None:
            continue
        column = columns[source.channel]
        numerators[:, place] = features.numerators_at(
            source.feature, column, starts, senses.window, senses.rate, source.band
        )
        inputs[:, place], _ = features.inputs(
            source.multiply, source.shift, source.offset, numerators[:, place]
        )
    samples = first_number + starts + senses.window - 1
    outputs = infer(model, inputs)
    times = [int(sample) * 1000 // senses.rate & MASK_32 for sample in samples]
    return Hops(samples, numerators, inputs, outputs, decide_all(model, outputs, times), missed)


def _whole(columns: Mapping[int, Int64], window: int, hop: int) -> tuple[Int64, int]:
    """(where windows begin that no missing scan lies in, how many others there are)."""
    scans = min(map(len, columns.values()))
    missing = np.zeros(scans, dtype=np.int64)
    for values in columns.values():
        missing |= values[:scans] == SAMPLE_MISSING
    before = np.concatenate([[0], np.cumsum(missing)])
    starts = np.arange(0, scans - window + 1, hop)
    whole = before[starts + window] == before[starts]
    return starts[whole], int(np.count_nonzero(~whole))
