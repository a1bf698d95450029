"""Training by the C twin on this computer: firmware/core/learn.c as a library, built when first wanted.

Only speed depends on it: the bits are those of host/core/learn.py, which does the work where no compiler is.
"""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host import compiler
from host.compiler import ROOT
from host.core.learn import Config
from host.core.wire import LAYERS_MAX
from host.errors import NeuronError

HERE = Path(__file__).parent
SOURCES = [
    HERE / "fast.c",
    *(ROOT / "firmware" / "core" / name for name in ("learn.c", "learn32.c", "pcg32.c")),
]
HEADERS = [
    HERE / "fast_bits.h",
    *(
        ROOT / "firmware" / "core" / name
        for name in (
            "learn.h",
            "learn_bits.h",
            "learn_exp.h",
            "learn_exp_bits.h",
            "learn_losses.h",
            "learn_rows.h",
            "pcg32.h",
            "wire.h",
        )
    ),
]
FLAGS = compiler.LIBRARY

WORTH_BUILDING = 3_000_000
"""Products of a training from which the C compiler's second is well spent."""

SLICE = 0.1
"""Seconds between signs of life."""
SURELY_QUICK = 1_000_000
"""Products that take less than that on any computer."""


class _Config(ctypes.Structure):
    """struct learn_config."""

    _fields_ = (
        ("units", ctypes.c_uint16 * (LAYERS_MAX + 1)),
        ("activation", ctypes.c_uint8 * LAYERS_MAX),
        ("layers", ctypes.c_uint8),
        ("bias", ctypes.c_bool),
        ("loss", ctypes.c_uint8),
        ("adam", ctypes.c_bool),
        ("decay", ctypes.c_bool),
        ("shuffle", ctypes.c_bool),
        ("seed", ctypes.c_uint32),
        ("samples", ctypes.c_uint32),
        ("batch", ctypes.c_uint32),
        ("epochs", ctypes.c_uint32),
    )


@functools.cache
def library(build: bool) -> ctypes.CDLL | None:
    """The library, or None where it cannot be had; build: even if that takes the compiler's second."""
    loaded = compiler.library("learn.so", SOURCES, HEADERS, FLAGS, build)
    if loaded is None:
        return None
    for bits, real in ((32, ctypes.c_float), (64, ctypes.c_double)):
        begin, run, end = (getattr(loaded, f"fast{bits}_{verb}") for verb in ("begin", "run", "end"))
        begin.restype = ctypes.c_void_p
        begin.argtypes = [*[ctypes.c_void_p] * 4, real, real, ctypes.c_void_p]
        run.restype = ctypes.c_uint32
        run.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p]
        end.restype = None
        end.argtypes = [ctypes.c_void_p]
    return loaded


def pays(config: Config, samples: int) -> bool:
    """Whether C is there, or the work is large enough to build it."""
    large = samples * config.epochs * (config.count + 3) > WORTH_BUILDING
    return library(large) is not None


def epochs(
    config: Config,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    start: Sequence[float],
    weights: NDArray[np.float64] | None = None,
    at_once: int | None = None,
) -> Iterator[tuple[float, list[float]]]:
    """(loss, parameters) of each epoch. at_once: epochs a call of C; by itself as many as take a SLICE."""
    loaded = library(True)
    assert loaded is not None
    bits, dtype = 8 * np.dtype(config.dtype).itemsize, config.dtype
    begin, run, end = (getattr(loaded, f"fast{bits}_{verb}") for verb in ("begin", "run", "end"))
    x, y = np.ascontiguousarray(x, dtype), np.ascontiguousarray(y, dtype)
    counts = None if weights is None else np.ascontiguousarray(weights, dtype)
    parameters = np.array(start, dtype) + dtype(0)  # + 0: no -0
    learner = begin(
        ctypes.byref(_c_config(config, len(x))),
        _address(x),
        _address(y),
        None if counts is None else _address(counts),
        config.rate,
        config.l2,
        _address(parameters),
    )
    if not learner:
        raise NeuronError("this training does not fit into memory, or has sizes that no node takes")
    most = 1 + 1_000_000 // config.count
    try:
        done, chunk = 0, at_once or max(1, SURELY_QUICK // (len(x) * config.count))
        while done < config.epochs:
            chunk = min(chunk, config.epochs - done)
            losses, rows = np.empty(chunk, dtype), np.empty((chunk, config.count), dtype)
            began = time.perf_counter()
            count = run(learner, chunk, _address(losses), _address(rows))
            seconds = time.perf_counter() - began
            yield from zip(losses[:count].tolist(), rows[:count].tolist(), strict=True)
            if count < chunk:
                return
            done += count
            chunk = at_once or max(1, min(16 * chunk, int(chunk * SLICE / max(seconds, 1e-6)), most))
    finally:
        end(learner)


def _address(values: NDArray[Any]) -> int:
    """Where an array lies; its own `ctypes.data` takes a microsecond."""
    return int(values.__array_interface__["data"][0])


def _c_config(config: Config, samples: int) -> _Config:
    made = _Config(
        layers=len(config.activation),
        bias=config.bias,
        loss=config.loss,
        adam=config.adam,
        decay=config.decay,
        shuffle=config.shuffle,
        seed=config.seed,
        samples=samples,
        batch=config.batch,
        epochs=config.epochs,
    )
    made.units[: len(config.units)] = config.units
    made.activation[: len(config.activation)] = config.activation
    return made
