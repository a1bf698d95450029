"""Fewer bits: the model with coarser weights, how far that can take it from its float self, and the lamp that flips."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from host.core.image import Model
from host.core.infer import dequantise_outputs, infer, led
from host.core.wire import Activation
from host.errors import NeuronError
from host.models.bounds import error_bounds, float32_step
from host.models.dense import Float, reference
from host.models.formats import WEIGHT_BITS
from host.models.report import Report
from host.models.sensed import integers
from host.training.pipeline import fixed_point
from host.training.scores import changed, each
from host.training.trained import Trained
from host.web.shown import ROWS_MAX, Bits, Flip

WEIGHT_BITS_MIN = 2
"""A sign and one bit."""


def bits(trained: Trained) -> list[Bits]:
    """The model with weights of WEIGHT_BITS bits, then of one less each, down to WEIGHT_BITS_MIN."""
    return [_with(trained, weight_bits) for weight_bits in range(WEIGHT_BITS, WEIGHT_BITS_MIN - 1, -1)]


def _with(trained: Trained, weight_bits: int) -> Bits:
    found: Bits = {
        "bits": weight_bits,
        "of": trained.report.error_of,
        "bound": 0.0,
        "seen": 0.0,
        "changed": 0,
        "proven": 0,
        "rows": len(trained.data),
        "flips": [],
        "line": [],
        "error": "",
    }
    try:
        model, report = fixed_point(trained.plan, trained.layers, weight_bits)
    except NeuronError as error:  # weights too large for so coarse a scale
        found["error"] = str(error)
        return found
    of_sums, of_outputs = error_bounds(model, trained.layers, report.ranges)
    data, lamp = trained.data, trained.plan.lamp
    sums, real = reference(trained.layers, data.x)
    y = infer(model, integers(model, data.x, data.numerators))
    fixed = dequantise_outputs(model, y).astype(np.float64)
    step = trained.layers[-1].activation is Activation.STEP
    certain = (np.abs(sums) > of_sums).all(axis=1) if step else sure(trained, model, real, of_outputs)
    ends = np.array(report.ranges)
    inside = ((data.x >= ends[:, 0]) & (data.x <= ends[:, 1])).all(axis=1)
    other = changed(lamp, real, fixed, trained.decide)
    lit, was = led(model, y), lamp.lit(real)
    flips: list[Flip] = [
        {
            "row": row,
            "inputs": data.x[row].tolist(),
            "real": real[row].tolist(),
            "fixed": fixed[row].tolist(),
            "lit": bool(lit[row]),
            "was": bool(was[row]),
        }
        for row in np.flatnonzero(other)[:ROWS_MAX].tolist()
    ]
    return {
        **found,
        "bound": float((of_sums if step else of_outputs).max()),
        "seen": report.error_observed,
        "changed": int(other.sum()),
        "proven": int((certain & inside).sum()),
        "flips": flips,
        "line": _line(model, report) if trained.is_neuron else [],
    }


def sure(trained: Trained, model: Model, real: Float, bound: Float) -> NDArray[np.bool_]:
    """Whether what is decided at each row of outputs (rows, outputs) is the same at any that are no farther away than
    the bound of each. Outputs are compared as float32: that counts as an error too."""
    lamp, decide = trained.plan.lamp, trained.decide
    reach = bound + float32_step(np.abs(real))
    rows = np.arange(len(real))
    found = np.ones(len(real), dtype=np.bool_)
    several = real.shape[1] > 1
    if not (lamp.of_class and several):
        own = np.ldexp(float(model.led_threshold), -model.led_fraction)
        output, way = (real[:, lamp.output], reach[:, lamp.output]) if several else (real[:, 0], reach[:, 0])
        found &= (output - way > max(own, lamp.threshold)) | (output + way <= min(own, lamp.threshold))
    if decide is each:
        found &= ((real - reach > 0.5) | (real + reach <= 0.5)).all(axis=1)
    elif decide is not None and several:
        said = decide(real)
        apart = (real - reach)[rows, said][:, np.newaxis] - (real + reach)
        apart[rows, said] = 1.0
        found &= (apart > 0).all(axis=1)
    return found


def _line(model: Model, report: Report) -> list[float]:
    """Weights and bias of a neuron as they are rounded, for inputs in their own units."""
    (layer,), (said,) = model.layers, report.layers
    weights = np.ldexp(layer.weights[0].astype(np.float64), -np.array(said.weight_fraction, np.int32))
    bias = np.ldexp(float(layer.bias[0]), -layer.acc_fraction)
    return [*weights.tolist(), float(bias - weights @ np.array(model.input_offset))]
