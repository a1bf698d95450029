"""Training by the C twin on this computer: firmware/core/learn.c as a library, built when first wanted.

Only speed depends on it: the bits are those of host/learn.py, which does the work where no compiler is.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from host.errors import NeuronError
from host.learn import Config
from host.sim import DIALECT, ROOT, WARNINGS, compile_c, compiler
from host.wire import LAYERS_MAX

SOURCES = ("host/native.c", "firmware/core/learn.c", "firmware/core/learn32.c", "firmware/core/pcg32.c")
HEADERS = (
    "host/native_bits.h",
    "firmware/core/learn.h",
    "firmware/core/learn_bits.h",
    "firmware/core/wire.h",
)
FLAGS = ["-O3", "-march=native", "-shared", "-fPIC", "-I.", *WARNINGS]
"""-O3 and the processor's own vectors reorder nothing: without -ffast-math C keeps the written order."""

WORTH_BUILDING = 3_000_000
"""Products of a training from which the C compiler's second is well spent."""

SLICE = 0.1
"""Seconds between signs of life."""


class _Config(ctypes.Structure):
    """struct learn_config."""

    _fields_ = (
        ("units", ctypes.c_uint16 * (LAYERS_MAX + 1)),
        ("activation", ctypes.c_uint8 * LAYERS_MAX),
        ("layers", ctypes.c_uint8),
        ("bias", ctypes.c_bool),
        ("loss", ctypes.c_uint8),
        ("adam", ctypes.c_bool),
        ("shuffle", ctypes.c_bool),
        ("seed", ctypes.c_uint32),
        ("samples", ctypes.c_uint32),
        ("batch", ctypes.c_uint32),
        ("epochs", ctypes.c_uint32),
    )


def library_path(cc: str) -> Path:
    digest = hashlib.sha256(repr((cc, FLAGS, DIALECT)).encode())
    for name in SOURCES + HEADERS:
        digest.update((ROOT / name).read_bytes())
    return ROOT / "build" / "native" / digest.hexdigest()[:16] / "learn.so"


@functools.cache
def library(build: bool) -> ctypes.CDLL | None:
    """The library, or None where it cannot be had; build: even if that takes the compiler's second."""
    try:
        cc = compiler()
        path = library_path(cc)
        if not path.exists():
            if not build:
                return None
            compile_c(path, [ROOT / name for name in SOURCES], FLAGS, cc)
        loaded = ctypes.CDLL(str(path))
    except (NeuronError, OSError):
        return None
    for bits, real in ((32, ctypes.c_float), (64, ctypes.c_double)):
        begin, run, end = (getattr(loaded, f"native{bits}_{verb}") for verb in ("begin", "run", "end"))
        begin.restype = ctypes.c_void_p
        begin.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, real, ctypes.c_void_p]
        run.restype = ctypes.c_uint32
        run.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p]
        end.restype = None
        end.argtypes = [ctypes.c_void_p]
    return loaded


def pays(config: Config, samples: int) -> bool:
    """Whether C is there, or the work is large enough to build it."""
    return library(samples * config.epochs * (config.count + 3) > WORTH_BUILDING) is not None


def epochs(
    config: Config, x: NDArray[np.float64], y: NDArray[np.float64], start: Sequence[float]
) -> Iterator[tuple[float, list[float]]]:
    """(loss, parameters) of each epoch."""
    loaded = library(True)
    assert loaded is not None
    bits, dtype = 8 * np.dtype(config.dtype).itemsize, config.dtype
    begin, run, end = (getattr(loaded, f"native{bits}_{verb}") for verb in ("begin", "run", "end"))
    x, y = np.ascontiguousarray(x, dtype), np.ascontiguousarray(y, dtype)
    parameters = np.array(start, dtype) + dtype(0)  # + 0: no -0
    learner = begin(
        ctypes.byref(_c_config(config, len(x))),
        x.ctypes.data,
        y.ctypes.data,
        config.rate,
        parameters.ctypes.data,
    )
    if not learner:
        raise NeuronError("this training does not fit into memory, or has sizes that no node takes")
    try:
        done, chunk = 0, 1
        while done < config.epochs:
            chunk = min(chunk, config.epochs - done)
            losses, rows = np.empty(chunk, dtype), np.empty((chunk, config.count), dtype)
            began = time.perf_counter()
            count = run(learner, chunk, losses.ctypes.data, rows.ctypes.data)
            seconds = time.perf_counter() - began
            yield from zip(losses[:count].tolist(), rows[:count].tolist(), strict=True)
            if count < chunk:
                return
            done += count
            chunk = max(
                1, min(16 * chunk, int(chunk * SLICE / max(seconds, 1e-6)), 1 + 10_000_000 // config.count)
            )
    finally:
        end(learner)


def _c_config(config: Config, samples: int) -> _Config:
    made = _Config(
        layers=len(config.activation),
        bias=config.bias,
        loss=config.loss,
        adam=config.adam,
        shuffle=config.shuffle,
        seed=config.seed,
        samples=samples,
        batch=config.batch,
        epochs=config.epochs,
    )
    made.units[: len(config.units)] = config.units
    made.activation[: len(config.activation)] = config.activation
    return made
